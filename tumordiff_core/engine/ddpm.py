"""The algebra of DDPM: forward process, true posterior, closed form of x_0, training target (Ho 2020, 2006.11239).

All functions take alpha_bar as a number or a tensor that broadcasts over [batch, channel, row, column]; they hold
for any alpha_bar, also between the steps of a schedule.
"""

from typing import NamedTuple

from torch import Tensor

Level = float | Tensor


def _root(value: Level) -> Level:
    return value.sqrt() if isinstance(value, Tensor) else value**0.5


def diffuse(x_0: Tensor, alpha_bar: Level, eps: Tensor) -> Tensor:
    """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps (eq. 4)."""
    return _root(alpha_bar) * x_0 + _root(1 - alpha_bar) * eps


def clean_from_eps(x_t: Tensor, alpha_bar: Level, eps: Tensor) -> Tensor:
    """x_0 = (x_t - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar) (eq. 15); exact when eps is the noise that was added."""
    return (x_t - _root(1 - alpha_bar) * eps) / _root(alpha_bar)


def eps_from_clean(x_t: Tensor, alpha_bar: Level, x_0: Tensor) -> Tensor:
    """eps = (x_t - sqrt(alpha_bar) x_0) / sqrt(1 - alpha_bar): the inverse of eq. 15, and the training target."""
    return (x_t - _root(alpha_bar) * x_0) / _root(1 - alpha_bar)


class Posterior(NamedTuple):
    """q(x_s | x_t, x_0): mean and standard deviation."""

    mean: Tensor
    std: Level


def posterior(x_t: Tensor, x_0: Tensor, alpha_bar_t: Level, alpha_bar_s: Level) -> Posterior:
    """The true posterior of an earlier time s < t (eq. 6 and 7, with beta_t = 1 - alpha_bar_t / alpha_bar_s)."""
    beta = 1 - alpha_bar_t / alpha_bar_s
    left = 1 - alpha_bar_t
    mean = _root(alpha_bar_s) * beta / left * x_0 + _root(1 - beta) * (1 - alpha_bar_s) / left * x_t
    return Posterior(mean, _root((1 - alpha_bar_s) / left * beta))


def papers_mistake(x_t: Tensor, eps: Tensor) -> Tensor:
    """``x_t - eps`` taken as the image: what the seed paper describes, kept so that its test can fail it.

    eps has unit variance whatever t, so at small t this removes many times the noise that is there.
    """
    return x_t - eps


def gaussian_prior_eps(x_t: Tensor, alpha_bar: Level, variance: float) -> Tensor:
    """The exact optimal eps for images with independent N(0, variance) pixels: a network without training error."""
    gain = variance / (alpha_bar * variance + (1 - alpha_bar))
    return eps_from_clean(x_t, alpha_bar, _root(alpha_bar) * gain * x_t)
