"""Variance schedules of DDPM in float64, and the time at which a noisy image belongs on them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """A discrete variance schedule; index t = 0..T-1 stands for the paper's t = 1..T.

    ``alpha_bar`` is the product of (1 - beta) up to and including t (Ho 2020, arXiv 2006.11239, after eq. 2).
    """

    beta: Float
    alpha_bar: Float

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return len(self.beta)

    @property
    def sigma(self) -> Float:
        """Noise standard deviation per unit of image at each t: sqrt((1 - alpha_bar) / alpha_bar)."""
        return np.sqrt((1 - self.alpha_bar) / self.alpha_bar)

    def matched_time(self, sigma: float) -> float:
        """The fractional t whose noise level is ``sigma`` (image units), clamped to the schedule.

        An acquired image is x_t only at this t, after multiplication by sqrt(alpha_bar).
        """
        return float(np.interp(np.log(max(sigma, 1e-12)), np.log(self.sigma), np.arange(self.steps)))


def alpha_bar_of(sigma: float | Float) -> Float:
    """The alpha_bar at which the noise level is exactly ``sigma``: 1 / (1 + sigma^2)."""
    return np.asarray(1.0 / (1.0 + np.asarray(sigma, dtype=np.float64) ** 2))


def linear(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """The schedule of Ho 2020, section 4: beta from ``first`` to ``last``."""
    beta = np.linspace(first, last, steps, dtype=np.float64)
    return Schedule(beta, np.cumprod(1 - beta, dtype=np.float64))


def cosine(steps: int = 1000, offset: float = 0.008, largest_beta: float = 0.999) -> Schedule:
    """The schedule of Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17, beta clipped as they do."""
    t = np.linspace(0, 1, steps + 1, dtype=np.float64)
    f = np.cos((t + offset) / (1 + offset) * np.pi / 2) ** 2
    beta: Float = np.asarray(np.clip(1 - f[1:] / f[:-1], 0, largest_beta), dtype=np.float64)
    return Schedule(beta, np.cumprod(1 - beta, dtype=np.float64))


SCHEDULES = {"linear": linear, "cosine": cosine}
