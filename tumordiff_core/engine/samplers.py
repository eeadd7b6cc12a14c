"""Samplers, one page each; all start at the matched level of an acquired image, never at pure noise.

``clean_of(x_t, alpha_bar) -> x_0`` is the network's estimate of the clean image at that level. ``alpha_bars`` ascends
from the image's own level towards 1; the last step goes to 1, that is to the clean image. Images are
[batch, channel, row, column] in the variance-preserving form x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from tumordiff_core.engine import ddpm, schedules
from tumordiff_core.engine.schedules import Schedule

CleanOf = Callable[[Tensor, float], Tensor]
Seen = Callable[[int, Tensor, Tensor], None]


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
        x_t = ddpm.diffuse(x_0, alpha_bars[k + 1], ddpm.eps_from_clean(x_t, alpha_bar, x_0))
    return x_t
