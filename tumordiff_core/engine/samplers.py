"""Samplers, one page each; all start at the matched level of an acquired image, never at pure noise.

``clean_of(x_t, alpha_bar) -> x_0`` is the network's estimate of the clean image at that level. ``alpha_bars`` ascends
from the image's own level towards 1; the last step goes to 1, that is to the clean image. Images are
[batch, channel, row, column] in the variance-preserving form x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tumordiff_core.engine import ddpm, schedules
from tumordiff_core.engine.schedules import Schedule

CleanOf = Callable[[Tensor, float], Tensor]
Seen = Callable[[int, Tensor, Tensor], None]

ROWS_AT_ONCE = 1024


def levels_from(sigma: float, steps: int, schedule: Schedule | None = None) -> list[float]:
    """alpha_bar at the matched level and ``steps - 1`` later ones: the schedule's times, or equal steps of sigma."""
    if schedule is None:
        return [float(schedules.alpha_bar_of(sigma * (1 - k / steps))) for k in range(steps)]
    times = np.linspace(schedule.matched_time(sigma), 0, steps)
    sigmas = np.exp(np.interp(times, np.arange(schedule.steps), np.log(schedule.sigma)))
    sigmas[0] = sigma
    return [float(a) for a in schedules.alpha_bar_of(sigmas)]


def one_step(x_t: Tensor, alpha_bar: float, clean_of: CleanOf) -> Tensor:
    """The posterior mean: one evaluation, the default output."""
    return clean_of(x_t, alpha_bar)


def ancestral(
    x_t: Tensor,
    alpha_bars: Sequence[float],
    clean_of: CleanOf,
    generator: torch.Generator,
    seen: Seen | None = None,
) -> Tensor:
    """A posterior sample: each step draws from q(x_s | x_t, x_0) with the estimated x_0 (Ho 2020, eq. 6, 7 and 11)."""
    for k, alpha_bar in enumerate(alpha_bars):
        x_0 = clean_of(x_t, alpha_bar)
        if seen is not None:
            seen(k, x_t, x_0)
        if k + 1 == len(alpha_bars):
            return x_0
        mean, std = ddpm.posterior(x_t, x_0, alpha_bar, alpha_bars[k + 1])
        x_t = mean + std * torch.randn(x_t.shape, generator=generator, dtype=x_t.dtype).to(x_t.device)
    return x_t


def ddim(x_t: Tensor, alpha_bars: Sequence[float], clean_of: CleanOf, seen: Seen | None = None) -> Tensor:
    """The deterministic chain: x_s = sqrt(abar_s) x_0 + sqrt(1 - abar_s) eps (Song 2021, 2010.02502, eq. 12, eta 0)."""
    for k, alpha_bar in enumerate(alpha_bars):
        x_0 = clean_of(x_t, alpha_bar)
        if seen is not None:
            seen(k, x_t, x_0)
        if k + 1 == len(alpha_bars):
            return x_0
        x_t = _diffused(x_0, alpha_bars[k + 1], x_t, alpha_bar)
    return x_t


def _diffused(x_0: Tensor, alpha_bar: float, x_t: Tensor, alpha_bar_t: float) -> Tensor:
    """x_0 at another level, with the noise that x_t holds; some rows at a time, for a large slice."""
    parts = []
    for first in range(0, x_0.shape[-2], ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        eps = ddpm.eps_from_clean(x_t[..., rows, :], alpha_bar_t, x_0[..., rows, :])
        parts.append(ddpm.diffuse(x_0[..., rows, :], alpha_bar, eps))
    return torch.cat(parts, dim=-2)


def karras_sigmas(sigma: float, steps: int, *, smallest: float = 2e-3, rho: float = 7.0) -> list[float]:
    """Noise levels from ``sigma`` to ``smallest`` and then 0, spaced as in Karras 2022 (2206.00364), eq. 5."""
    ramp = np.linspace(0, 1, steps)
    low, high = min(smallest, sigma / 2) ** (1 / rho), sigma ** (1 / rho)
    return [*((high + ramp * (low - high)) ** rho).tolist(), 0.0]


def _at_sigma(clean_of: CleanOf, y: Tensor, sigma: float) -> Tensor:
    alpha_bar = float(schedules.alpha_bar_of(sigma))
    return clean_of(y * alpha_bar**0.5, alpha_bar)


def heun(y: Tensor, sigmas: Sequence[float], clean_of: CleanOf, seen: Seen | None = None) -> Tensor:
    """The probability-flow ODE by Heun's rule (Karras 2022, algorithm 1), for y = x_0 + sigma eps."""
    for k, (now, after) in enumerate(itertools.pairwise(sigmas)):
        x_0 = _at_sigma(clean_of, y, now)
        if seen is not None:
            seen(k, y, x_0)
        slope = (y - x_0) / now
        ahead = y + (after - now) * slope
        if after > 0:
            slope = (slope + (ahead - _at_sigma(clean_of, ahead, after)) / after) / 2
            ahead = y + (after - now) * slope
        y = ahead
    return y


def dpm_solver_2m(y: Tensor, sigmas: Sequence[float], clean_of: CleanOf, seen: Seen | None = None) -> Tensor:
    """DPM-Solver++(2M) (Lu 2022, 2211.01095, algorithm 2) in lambda = -ln sigma, for y = x_0 + sigma eps."""
    before: Tensor | None = None
    step_before = 0.0
    for k, (now, after) in enumerate(itertools.pairwise(sigmas)):
        x_0 = _at_sigma(clean_of, y, now)
        if seen is not None:
            seen(k, y, x_0)
        if after == 0:
            return x_0
        step = math.log(now / after)
        guess = x_0 if before is None else x_0 + (x_0 - before) * step / (2 * step_before)
        y = after / now * y - math.expm1(-step) * guess
        before, step_before = x_0, step
    return y


CHAINS = ("ddim", "heun", "dpm-solver", "ancestral")
"""Names of the reverse chains; all but the last are deterministic."""

_FLOWS = {"heun": heun, "dpm-solver": dpm_solver_2m}


def levels_of(chain: str, alpha_bars: Sequence[float]) -> list[float]:
    """The levels a chain of ``CHAINS`` visits: those given, for the fast solvers as many between the same ends.

    The fast solvers are spaced as their papers space them; keeping the ends asks the network for no level that the
    other chains do not ask for.
    """
    if chain not in _FLOWS:
        return list(alpha_bars)
    first, last = _sigma_of(alpha_bars[0]), _sigma_of(alpha_bars[-1])
    if last > first / 2:  # too low a level to be spaced; ``karras_sigmas`` would go below the last one
        return list(alpha_bars)
    sigmas = karras_sigmas(first, len(alpha_bars), smallest=last)
    return [float(schedules.alpha_bar_of(sigma)) for sigma in sigmas[:-1]]


def along(
    chain: str,
    x_t: Tensor,
    alpha_bars: Sequence[float],
    clean_of: CleanOf,
    generator: torch.Generator,
    seen: Seen | None = None,
) -> Tensor:
    """The clean image at the end of a chain of ``CHAINS``, in the variance-preserving form all along.

    ``generator`` is drawn from by the ancestral chain only. Raises KeyError for a name that is not in ``CHAINS``.
    """
    if chain == "ddim":
        return ddim(x_t, alpha_bars, clean_of, seen)
    if chain == "ancestral":
        return ancestral(x_t, alpha_bars, clean_of, generator, seen)

    def preserving(k: int, y: Tensor, x_0: Tensor) -> None:
        if seen is not None:
            seen(k, y * alpha_bars[k] ** 0.5, x_0)

    sigmas = [*(_sigma_of(alpha_bar) for alpha_bar in alpha_bars), 0.0]
    return _FLOWS[chain](x_t / alpha_bars[0] ** 0.5, sigmas, clean_of, preserving)


def _sigma_of(alpha_bar: float) -> float:
    return float(((1 - alpha_bar) / alpha_bar) ** 0.5)
