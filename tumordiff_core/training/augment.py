"""Makes the noisy input of a clean crop: Rician or more channels, white or coloured, ghosts, bias field, low field."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tumordiff_core.noise.add import coloured, magnitude
from tumordiff_core.noise.correlation import fermi_spectrum, gaussian_spectrum, lag1_of_spectrum

Float = npt.NDArray[np.float32]

CHANNEL_CHOICES = (1, 2, 4, 8)
CHANNEL_SHARES = (0.6, 0.25, 0.1, 0.05)
WHITE_SHARE = 0.5
FERMI_SHARE = 0.3
BIAS_FIELD_SHARE = 0.15
GHOST_SHARE = 0.05
UNEVEN_SHARE = 0.1


@dataclass(frozen=True)
class Levels:
    """The range of noise that training sees, as a share of the image's maximum, drawn log-uniformly.

    ``white_share`` of all crops get white noise, the rest coloured noise.
    """

    lowest: float = 0.007
    highest: float = 0.24
    white_share: float = WHITE_SHARE


@dataclass(frozen=True)
class Noisy:
    """Noisy crops and what is known about their noise.

    Parameters
    ----------
    clean : float32 [crop, image, row, column], the target (bias field and ghosts included)
    noisy : float32, same shape
    sigma : float32 [crop]
    colour : float32 [crop, 2], lag-1 correlation along rows and columns
    channels : float32 [crop]
    """

    clean: Float
    noisy: Float
    sigma: Float
    colour: Float
    channels: Float


def corrupt(images: Float, levels: Levels, rng: np.random.Generator, present: Float | None = None) -> Noisy:
    """Noise of its own kind and level for every crop [crop, image, row, column]; absent images stay black.

    Parameters
    ----------
    present : float32 [crop, image - 1], which images beside the first are there (all, if not given)
    """
    clean, noisy = images.copy(), np.zeros_like(images)
    count, size = len(clean), clean.shape[-1]
    sigma = np.exp(rng.uniform(np.log(levels.lowest), np.log(levels.highest), count)).astype(np.float32)
    colour = np.zeros((count, 2), dtype=np.float32)
    channels = rng.choice(CHANNEL_CHOICES, count, p=CHANNEL_SHARES)
    for k in range(count):
        there = [0, *(1 + np.flatnonzero(present[k]) if present is not None else range(1, clean.shape[1]))]
        spectrum = draw_spectrum(size, rng, levels.white_share)
        if spectrum is not None:
            colour[k] = lag1_of_spectrum(spectrum)
        if rng.random() < BIAS_FIELD_SHARE:
            clean[k] *= _smooth_field(size, 0.4, rng)
        if rng.random() < GHOST_SHARE:
            clean[k] += np.float32(rng.uniform(0.02, 0.08)) * np.roll(clean[k], size // 2, axis=-2)
        level = float(sigma[k]) * (_smooth_field(size, 0.3, rng) if rng.random() < UNEVEN_SHARE else 1.0)
        noisy[k, there] = magnitude(clean[k, there], level, rng, int(channels[k]), spectrum)
    return Noisy(clean, noisy, sigma, colour, channels.astype(np.float32))


def draw_spectrum(
    size: int, rng: np.random.Generator, white_share: float = WHITE_SHARE
) -> npt.NDArray[np.float64] | None:
    """White (None), zero-filled with random cuts along random axes, or Gaussian-correlated noise."""
    kind = rng.random()
    if kind < white_share:
        return None
    if kind < white_share + FERMI_SHARE:
        return fermi_spectrum(size, size, row_cut=rng.uniform(0.5, 1.1), column_cut=rng.uniform(0.5, 1.1))
    return gaussian_spectrum(size, size, rng.uniform(0.05, 0.7))


def gaussian(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Float, bool]:
    """Standard normal noise [..., row, column] for one crop, coloured or white; whether it is white."""
    spectrum = draw_spectrum(shape[-1], rng)
    return coloured(rng.standard_normal(shape), spectrum).astype(np.float32), spectrum is None


def _smooth_field(size: int, depth: float, rng: np.random.Generator) -> Float:
    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    a, b, c = rng.uniform(-1, 1, 3)
    return np.asarray(np.exp(depth * (a * x + b * y + c * x * y)), dtype=np.float32)
