"""Learning from a collection that holds no clean image: one noisy slice becomes two whose noise is independent.

Recorrupted to recorrupted (Pang 2021, CVPR, eq. 5-7): with y = x + n, n of covariance S, and z another draw of S, the
noise of y + a z and that of y - z / a are uncorrelated, so that a network which learns the second from the first by
squared error learns E[x | y + a z]. S is known here: level and correlation are measured from each stack. In air a
magnitude is no Gaussian, and its floor stays.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tumordiff_core.noise import level
from tumordiff_core.training.augment import Noisy, gaussian, spectra_of_lag1
from tumordiff_core.training.bank import Crops
from tumordiff_core.training.chance import Chance
from tumordiff_core.training.datasets import Stack
from tumordiff_core.training.mix import Mix

SHARES = (0.4, 1.2)
"""Range of a: the input holds sqrt(1 + a^2) of the slice's own noise, the target sqrt(1 + 1 / a^2)."""

MIX = Mix(made_up=0.0, native=1.0, resampled=0.0, uptake=0.0, phases=0.0, black_air=0.0)
"""Slices as they are: averaging and resampling would change the noise that was measured."""


def measured(stacks: Sequence[Stack]) -> list[Stack]:
    """The stacks with level and correlation of their noise as measured, without those where it cannot be."""
    found = []
    for stack in stacks:
        noise = level.estimate(np.asarray(stack.images))
        peak = np.maximum(np.asarray(stack.images).reshape(len(stack.images), -1).max(axis=1), 1e-6)
        if noise.sigma > 0:
            row, column = (float(np.clip(value, 0, 0.9)) for value in noise.lag1)
            found.append(replace(stack, noise=noise.sigma / peak, lag1=(row, column), channels=noise.channels))
    return found


def sigma_range(stacks: Sequence[Stack]) -> tuple[float, float]:
    """The levels that a training on these stacks answers for: from the quietest slice to what is added at most."""
    noise = np.concatenate([stack.noise for stack in measured(stacks)])
    return float(noise.min()), float(noise.max() * np.sqrt(1 + max(SHARES) ** 2))


def recorrupted(crops: Crops, chance: Chance) -> Noisy:
    """Input and target of noisy crops; ``clean`` of the answer is the other noisy one."""
    count, size = len(crops.images), crops.images.shape[-1]
    spectra = spectra_of_lag1(crops.lag1, size, chance)
    a = chance.log_uniform(*SHARES, count)
    there = np.concatenate([np.ones((count, 1), dtype=bool), crops.present], axis=1)
    crop, image = np.nonzero(there)
    at = chance.put(crop), chance.put(image)
    more = gaussian(len(crop), spectra, crop, chance).real * _each((crops.noise * a)[crop], chance)
    noisy, target = crops.images.clone(), crops.images.clone()
    noisy[at] = (noisy[at] + more).abs()
    target[at] = target[at] - more / _each((a**2)[crop], chance)
    return Noisy(
        clean=target, noisy=noisy, sigma=chance.put(crops.noise * np.sqrt(1 + a**2)),
        colour=chance.put(crops.lag1), channels=chance.put(crops.channels),
    )  # fmt: skip


def _each(values: npt.NDArray[np.float32], chance: Chance) -> Tensor:
    return chance.put(values)[:, None, None]
