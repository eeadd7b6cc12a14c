"""Noise by spatial frequency: the cosine coefficients of 8x8 blocks, and which correlated noise has such power.

Anatomy is smooth and fills the low frequencies, so noise is read from the high ones, and what it has in the low ones
follows from a model: white, Gaussian-correlated or zero-filled noise.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from tumordiff_core.noise.correlation import fermi_spectrum, gaussian_spectrum, lag1_of_spectrum

Float = npt.NDArray[np.float64]

BLOCK = 8
SIDE = 32
MOST_LAG1, LAG1_STEP = 0.65, 0.025
CUTS = tuple(np.arange(0.45, 1.31, 0.05))
"""Acquired share of an axis' Nyquist frequency in the zero-filled models."""

LEAST_SHARE = 0.02
"""Every model's power at every frequency, of its mean: no acquisition's noise ends as sharply as a formula's."""

WAVES = fft.dct(np.eye(BLOCK), axis=0, norm="ortho")
ORDER = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))
"""Sum of both frequencies of a coefficient, in half periods per block."""

PAIRS = np.stack(
    [[np.sum(wave * np.roll(wave, lag)) for lag in range(SIDE)] for wave in np.pad(WAVES, ((0, 0), (0, SIDE - BLOCK)))]
)
"""How much of each lag the power of a wave holds, [frequency, lag]."""


@dataclass(frozen=True)
class Fit:
    """Noise that explains the power of some coefficients.

    Parameters
    ----------
    variance : of a pixel, low frequencies included
    lag1 : correlation of neighbouring rows and of neighbouring columns
    expected : float64 [8, 8], the model's power of every coefficient
    cuts : acquired share of Nyquist's frequency along rows' index and columns' index, None where the noise was not
        zero-filled
    """

    variance: float
    lag1: tuple[float, float]
    expected: Float
    cuts: tuple[float, float] | None


def coefficients(blocks: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Orthonormal cosine coefficients of blocks [..., 8, 8]: of white noise each has the variance of a pixel."""
    waves = WAVES.astype(blocks.dtype)
    return np.asarray(waves @ blocks @ waves.T)


def fitted(power: Float, used: npt.NDArray[np.bool_], *, squared: bool = False) -> Fit:
    """The likeliest model (Whittle's likelihood) of coefficients of known mean power [8, 8], from those ``used`` alone.

    ``squared``: of squared magnitudes of pure noise, whose correlation is the square of the noise's own.
    """
    models, lag1, cuts = _models(squared)
    shapes = models.reshape(len(models), -1)[:, used.ravel()]
    found = np.maximum(power[used], 1e-30)
    scale = (found / shapes).mean(axis=1)
    best = int(np.argmin(np.log(scale[:, None] * shapes).mean(axis=1)))
    variance = float(scale[best])
    row, column = (float(value) for value in lag1[best])
    return Fit(variance, (row, column), variance * models[best], cuts[best])


@cache
def _models(squared: bool) -> tuple[Float, Float, list[tuple[float, float] | None]]:
    """Power of the coefficients [model, 8, 8] of noise of unit variance, lag-1 correlations [model, 2], and cuts."""
    steps = np.arange(0, MOST_LAG1 + LAG1_STEP / 2, LAG1_STEP)
    spectra = [gaussian_spectrum(SIDE, SIDE, (a, b)) for a in steps for b in steps]
    zero_filled = [(float(a), float(b)) for a in CUTS for b in CUTS]
    cuts = [*[None] * len(spectra), *zero_filled]
    spectra += [fermi_spectrum(SIDE, SIDE, row_cut=a, column_cut=b) for a, b in zero_filled]
    correlations = np.fft.ifft2(np.square(spectra)).real
    correlations /= correlations[:, :1, :1]
    powers = np.stack([_block_power(one**2 if squared else one) for one in correlations])
    return (powers + LEAST_SHARE) / (1 + LEAST_SHARE), np.array([lag1_of_spectrum(one) for one in spectra]), cuts


def _block_power(correlation: Float) -> Float:
    """Power of the cosine coefficients [8, 8] of noise of a periodic correlation [row lag, column lag]."""
    return np.asarray(PAIRS @ correlation @ PAIRS.T)
