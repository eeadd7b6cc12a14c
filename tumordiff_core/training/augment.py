"""Makes the noisy input of a clean crop: Rician or more channels, white or coloured, ghosts, bias field, low field.

All of a batch at once, on the device that learns; the choices are drawn on the processor.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tumordiff_core.noise.correlation import FERMI_EDGE, FERMI_WIDTH
from tumordiff_core.training.chance import Chance
from tumordiff_core.training.mix import Levels

CHANNEL_CHOICES = (1, 2, 4, 8)
CHANNEL_SHARES = (0.6, 0.25, 0.1, 0.05)
FERMI_SHARE = 0.3
LEVEL_ERROR, LAG1_ERROR = 0.04, 0.05
"""Spread of the logarithm of the level that a network is told, and of the lag-1 correlation, where it is misjudged."""

CUTS = (0.5, 1.1)
GAUSSIAN_LAG1 = (0.05, 0.7)


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

    clean: Tensor
    noisy: Tensor
    sigma: Tensor
    colour: Tensor
    channels: Tensor


@dataclass(frozen=True)
class Spectra:
    """The spectra of a batch's noise.

    Parameters
    ----------
    coloured : bool [crop]; the others are white
    amplitude : float32 [coloured crop, row, column] in FFT order, mean power 1
    lag1 : float32 [crop, 2], correlation of neighbouring rows and neighbouring columns
    """

    coloured: npt.NDArray[np.bool_]
    amplitude: Tensor
    lag1: Tensor


@dataclass(frozen=True)
class _Shapes:
    """What shapes the noise of the coloured crops, at any size.

    Parameters
    ----------
    filled : bool [coloured crop], zero-filled and not of Gaussian correlation
    cuts, lag1 : float [coloured crop, 2], along rows and columns
    """

    filled: npt.NDArray[np.bool_]
    cuts: npt.NDArray[np.float64]
    lag1: npt.NDArray[np.float64]

    def of(self, rows: npt.NDArray[np.intp]) -> "_Shapes":
        """Those of some of the coloured crops."""
        return _Shapes(self.filled[rows], self.cuts[rows], self.lag1[rows])


def corrupt(
    images: Tensor, levels: Levels, chance: Chance, present: npt.NDArray[np.bool_] | None = None
) -> Noisy:  # fmt: skip
    """Noise of its own kind and level for every crop [crop, image, row, column]; absent images stay black.

    Parameters
    ----------
    present : bool [crop, image - 1], which images beside the first are there (all, if not given)
    """
    count, depth, size = len(images), images.shape[1], images.shape[-1]
    choices, put = chance.choices, chance.put
    sigma = chance.log_uniform(levels.lowest, levels.highest, count)
    channels = choices.choice(CHANNEL_CHOICES, count, p=CHANNEL_SHARES)
    coloured, shapes = _draw_shapes(count, chance, levels.white_share)
    spectra = _spectra(coloured, shapes, size, chance)
    clean = _as_acquired(images, coloured, shapes, levels.band_share, chance)
    clean = clean * _smooth_fields(count, size, 0.4, levels.bias_field_share, chance)
    ghost = choices.uniform(0.02, 0.08, count) * (choices.random(count) < levels.ghost_share)
    clean = clean + put(ghost)[:, None, None, None] * clean.roll(size // 2, dims=-2)
    level = put(sigma)[:, None, None, None] * _smooth_fields(count, size, 0.3, levels.uneven_share, chance)
    there = np.ones((count, depth), dtype=bool)
    if present is not None:
        there[:, 1:] = present
    noisy = torch.zeros_like(clean)
    crop, image = np.nonzero(there)
    at = put(crop), put(image)
    noisy[at] = magnitude(clean[at], level[at[0], 0], channels[crop], spectra, crop, chance)
    return Noisy(clean, noisy, put(sigma), spectra.lag1, put(channels.astype(np.float32)))


def told(noisy: Noisy, share: float, chance: Chance) -> tuple[Tensor, Tensor]:
    """What the network hears of the noise: sigma [crop] and lag-1 [crop, 2], misjudged in a share of the crops.

    A blind estimate errs by some percent; a network that never met an error takes off far too much where it errs.
    """
    count, choices = len(noisy.sigma), chance.choices
    wrong = choices.random(count) < share
    level = np.exp(choices.normal(0, LEVEL_ERROR, count) * wrong)
    lag1 = choices.normal(0, LAG1_ERROR, (count, 2)) * wrong[:, None]
    return noisy.sigma * chance.put(level), noisy.colour + chance.put(lag1)


def magnitude(
    clean: Tensor, level: Tensor, channels: npt.NDArray[np.int64], spectra: Spectra, crop: npt.NDArray[np.int64],
    chance: Chance,
) -> Tensor:  # fmt: skip
    """Root sum of squares over receiver channels (see ``noise/add.py``), each image with its own.

    Parameters
    ----------
    clean, level : float32 [image, row, column], signal and standard deviation
    channels, crop : int [image], receiver channels, and the crop whose spectrum the noise has
    """
    total = torch.zeros_like(clean)
    for channel in range(int(channels.max())):
        rows = np.flatnonzero(channels > channel)
        noise = gaussian(len(rows), spectra, crop[rows], chance)
        where = chance.put(rows)
        scaled = torch.view_as_real(noise) * level[where][..., None]
        real = scaled[..., 0] + clean[where] if channel == 0 else scaled[..., 0]
        total.index_add_(0, where, real**2 + scaled[..., 1] ** 2)
    return total.sqrt()


def gaussian(count: int, spectra: Spectra, crop: npt.NDArray[np.int64], chance: Chance) -> Tensor:
    """Complex noise of unit deviation in both parts, complex64 [image, row, column], coloured as its crop's."""
    size = spectra.amplitude.shape[-1]
    noise = torch.view_as_complex(chance.normal(count, size, size, 2))
    coloured = np.flatnonzero(spectra.coloured[crop])
    if len(coloured):
        rank = np.cumsum(spectra.coloured) - 1
        where, amplitude = chance.put(coloured), spectra.amplitude[chance.put(rank[crop[coloured]])]
        noise[where] = torch.fft.ifft2(torch.fft.fft2(noise[where]) * amplitude)
    return noise


def draw_spectra(count: int, size: int, chance: Chance, white_share: float) -> Spectra:
    """White, zero-filled with random cuts along random axes, or Gaussian-correlated noise for each crop."""
    return _spectra(*_draw_shapes(count, chance, white_share), size, chance)


def _draw_shapes(count: int, chance: Chance, white_share: float) -> tuple[npt.NDArray[np.bool_], _Shapes]:
    """Which crops have coloured noise, bool [crop], and what shapes it."""
    kind = chance.choices.random(count)
    coloured = kind >= white_share
    filled = kind[coloured] < white_share + FERMI_SHARE
    cuts = chance.choices.uniform(*CUTS, (len(filled), 2))
    lag1 = chance.choices.uniform(*GAUSSIAN_LAG1, len(filled))
    return coloured, _Shapes(filled, cuts, np.stack([lag1, lag1], axis=1))


def _spectra(coloured: npt.NDArray[np.bool_], shapes: _Shapes, size: int, chance: Chance) -> Spectra:
    known = torch.zeros(len(coloured), 2, device=chance.device)
    if not coloured.any():
        return Spectra(coloured, torch.zeros(0, size, size, device=chance.device), known)
    amplitude = _unit_power(_amplitude(shapes, size, chance))
    correlation = torch.fft.ifft2(amplitude.square()).real
    measured = torch.stack([correlation[:, 1, 0], correlation[:, 0, 1]], dim=1) / correlation[:, 0, :1]
    known[chance.put(np.flatnonzero(coloured))] = measured
    return Spectra(coloured, amplitude, known)


def _amplitude(shapes: _Shapes, size: int, chance: Chance) -> Tensor:
    """Amplitude [coloured crop, row, column] in FFT order: Fermi's beyond the cuts where zero-filled, else Gaussian."""
    cuts = chance.put(shapes.cuts)
    frequency = torch.fft.fftfreq(size, device=chance.device)
    down, across = frequency[None, :, None], frequency[None, None, :]
    row_cut, column_cut = (cuts[:, axis, None, None] for axis in (0, 1))
    radius = ((2 * down / row_cut) ** 2 + (2 * across / column_cut) ** 2).sqrt()
    fermi = torch.sigmoid((FERMI_EDGE - radius) / FERMI_WIDTH)
    gaussian = _gaussian_amplitude(chance.put(shapes.lag1), size)
    return torch.where(chance.put(shapes.filled)[:, None, None], fermi, gaussian)


def _as_acquired(
    images: Tensor, coloured: npt.NDArray[np.bool_], shapes: _Shapes, share: float, chance: Chance
) -> Tensor:  # fmt: skip
    """Clean crops [crop, image, row, column], a share of those with coloured noise filtered as their noise is.

    What a scanner does in k-space it does to signal and noise alike. Mirrored at the borders, so that nothing wraps.
    """
    rows = np.flatnonzero(coloured & (chance.choices.random(len(images)) < share))
    if not len(rows):
        return images
    size, where = images.shape[-1], chance.put(rows)
    chosen = images[where]
    mirrored = torch.cat([chosen, chosen.flip(-2)], dim=-2)
    mirrored = torch.cat([mirrored, mirrored.flip(-1)], dim=-1)
    amplitude = _amplitude(shapes.of((np.cumsum(coloured) - 1)[rows]), 2 * size, chance)
    window = amplitude / amplitude[:, :1, :1]
    filtered = torch.fft.ifft2(torch.fft.fft2(mirrored) * window[:, None]).real
    return images.index_copy(0, where, filtered[..., :size, :size].abs())


def spectra_of_lag1(lag1: npt.NDArray[np.float32], size: int, chance: Chance) -> Spectra:
    """Spectra of Gaussian-correlated noise with these correlations, float32 [crop, 2]."""
    known = chance.put(lag1)
    everywhere = np.ones(len(lag1), dtype=bool)
    return Spectra(everywhere, _unit_power(_gaussian_amplitude(known, size)), known)


def _gaussian_amplitude(lag1: Tensor, size: int) -> Tensor:
    """Amplitude [crop, row, column] of noise whose correlation falls off as a Gaussian; lag-1 [crop, 2]."""
    steps = torch.arange(size, device=lag1.device)
    squared = torch.minimum(steps, size - steps) ** 2
    power = torch.fft.fft(lag1.clamp_min(0)[..., None] ** squared).real.clamp_min(0)
    amplitude: Tensor = (power[:, 0, :, None] * power[:, 1, None, :]).sqrt()
    return amplitude


def _unit_power(amplitude: Tensor) -> Tensor:
    power: Tensor = amplitude.square().mean(dim=(1, 2), keepdim=True)
    return amplitude / power.sqrt()


def _smooth_fields(count: int, size: int, depth: float, share: float, chance: Chance) -> Tensor:
    """Smooth positive fields [crop, 1, row, column] for a share of the crops, 1 for the others."""
    slopes = chance.choices.uniform(-depth, depth, (3, count, 1, 1)) * (chance.choices.random((count, 1, 1)) < share)
    a, b, c = chance.put(slopes)
    line = torch.linspace(-1, 1, size, device=chance.device)
    y, x = line[:, None], line[None, :]
    return torch.exp(a * x + b * y + c * x * y)[:, None]
