"""The noise of tissue, where there is no air to read it from: level and correlation from the flattest blocks.

Slices are stabilised, the flattest blocks of each are chosen by their low frequencies and the noise is read from their
high ones, as Ponomarenko 2007 does for white noise (IGARSS, "An automatic approach to lossy compression of AVIRIS
images"). So texture counts little and noise that hangs together counts whole; where noise differs within a slice, its
quieter places are read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from tumordiff_core.noise import cosines
from tumordiff_core.noise.spectrum import ROWS_AT_ONCE, Spectrum, zero_filled
from tumordiff_core.noise.stabilise import Stabiliser, stabiliser

Float = npt.NDArray[np.float64]

STRIDE = MIDDLE = cosines.BLOCK // 2
MOST_SLICES = 12
SNR = 3.0
"""Signal of the darkest tissue over the noise of a channel: stabilised noise is Gaussian only above."""

FLATTEST, FEWEST_BLOCKS = 0.05, 60
NOISE = cosines.ORDER >= 6
TEXTURE = (cosines.ORDER >= 1) & (cosines.ORDER <= 4)
FEWEST_PER_SLICE = 12
ROUNDS, LARGEST_STEP, SETTLED = 8, 2.0, 0.005
LEAST_NOISE = 1e-9
"""Less noise than this share of the typical signal is rounding."""

KEPT_SHARE = 0.9
KEPT_END = float(special.ndtri((1 + KEPT_SHARE) / 2))
KEPT_MEAN = 1 - 2 * KEPT_END * np.exp(-(KEPT_END**2) / 2) / np.sqrt(2 * np.pi) / KEPT_SHARE
"""Mean of the lowest nine tenths of squared standard normal values."""

MAD_TO_SIGMA, NORMAL_95 = 0.6745, 1.96
BLOCKS_AT_ONCE = 2**16
PARTS = 6
"""Of the flattest blocks, each left out once to see how far chance moves the level."""


@dataclass(frozen=True)
class Tissue:
    """The noise of one phase's tissue, in the units of its values.

    Parameters
    ----------
    sigma : standard deviation of each part of a channel
    low, high : range between the quietest and the noisiest tenth of the slices, at least the 95 % interval by chance
    lag1 : correlation of neighbouring rows and of neighbouring columns
    blocks : how many overlapping blocks lay well above the noise
    spectrum : where zero-filled noise fits best
    """

    sigma: float
    low: float
    high: float
    lag1: tuple[float, float]
    blocks: int
    spectrum: Spectrum | None


def tissue_noise(volume: npt.NDArray[Any], *, channels: int = 1) -> Tissue:
    """The noise of the tissue of one phase [slice, row, column]; sigma 0 when nothing can be measured.

    Begins with median(abs(middle coefficient)) / 0.6745 (Donoho & Johnstone 1994, Biometrika 81:425), then stabilises
    at that level (Foi 2011) and reads the level again from the flattest blocks (Ponomarenko 2007), until it stays.
    """
    nothing = Tissue(0.0, 0.0, 0.0, (0.0, 0.0), blocks=0, spectrum=None)
    step = max(-(-len(volume) // MOST_SLICES), 1)
    slices = np.asarray(volume[::step], dtype=np.float64)
    if min(slices.shape[1:]) < cosines.BLOCK:
        return nothing
    raw = _overlapping(slices)
    alive = _overlapping(np.isfinite(slices) & (slices > 0)).all(axis=(-2, -1)) & (np.ptp(raw, axis=(-2, -1)) > 0)
    if not alive.any():
        return nothing
    brightness = np.where(alive, raw.mean(axis=(-2, -1)), 0.0)
    middle = _by_runs(raw, np.nonzero(alive), lambda found: found[:, MIDDLE, MIDDLE])
    sigma = float(np.median(np.abs(middle))) / MAD_TO_SIGMA
    transform = stabiliser(channels)
    for _ in range(ROUNDS):
        if not sigma > LEAST_NOISE * float(np.median(brightness[alive])):
            return nothing
        bright = alive & (brightness > np.sqrt(SNR**2 + 2 * channels) * sigma)
        used = bright if np.count_nonzero(bright) >= FEWEST_BLOCKS else alive
        stable, places = _overlapping(_stabilised(slices, sigma, transform)), np.nonzero(used)
        flat = _flattest(_by_runs(stable, places, _texture), places[0])
        chosen = tuple(index[flat] for index in places)
        found = _by_runs(stable, chosen, lambda found: found)
        fit = cosines.fitted(_mean_power(found), NOISE)
        factor = float(np.clip(np.sqrt(fit.variance), 1 / LARGEST_STEP, LARGEST_STEP))
        low, high = _spread(found, chosen[0], fit)
        doubt = NORMAL_95 * _standard_error(found[np.argsort(flat)])
        sigma *= factor
        if abs(factor - 1) < SETTLED:
            break
    spectrum = None if fit.cuts is None else zero_filled(fit.cuts)
    low, high = min(low, max(1 - doubt, 0.0)), max(high, 1 + doubt)
    return Tissue(sigma, sigma * low, sigma * high, fit.lag1, int(np.count_nonzero(bright)), spectrum)


def _overlapping(volume: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Overlapping blocks [slice, block row, block column, 8, 8]."""
    side = cosines.BLOCK
    windows = np.lib.stride_tricks.sliding_window_view(volume, (side, side), axis=(1, 2))
    return windows[:, ::STRIDE, ::STRIDE]


def _stabilised(slices: Float, sigma: float, transform: Stabiliser) -> npt.NDArray[np.float32]:
    """Slices [slice, row, column] of noise 1, some rows at a time: at once it takes five times their memory."""
    stable = np.empty(slices.shape, dtype=np.float32)
    for first in range(0, slices.shape[1], ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        stable[:, rows] = transform.forward(slices[:, rows], sigma)
    return stable


def _by_runs(blocks: npt.NDArray[Any], places: tuple[npt.NDArray[np.intp], ...], of: Callable[[Float], Float]) -> Float:
    """What ``of`` makes of the coefficients of the blocks at some places, so many blocks at a time.

    Overlapping blocks hold every pixel four times, and their coefficients three times that while they are computed.
    """
    runs = []
    for first in range(0, len(places[0]), BLOCKS_AT_ONCE):
        run = tuple(index[first : first + BLOCKS_AT_ONCE] for index in places)
        runs.append(of(cosines.coefficients(blocks[run].astype(np.float64, copy=False))))
    return np.concatenate(runs)


def _texture(found: Float) -> Float:
    """Power of blocks in their low frequencies."""
    return np.asarray((found[:, TEXTURE] ** 2).mean(axis=1))


def _flattest(texture: Float, of_slice: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Which blocks have the least texture, of every slice the same share."""
    place = np.empty(len(texture))
    for k in np.unique(of_slice):
        here = np.flatnonzero(of_slice == k)
        place[here[np.argsort(texture[here])]] = (np.arange(len(here)) + 0.5) / len(here)
    count = max(int(FLATTEST * len(texture)), min(FEWEST_BLOCKS, len(texture)))
    return np.argsort(place, kind="stable")[:count]


def _mean_power(found: Float) -> Float:
    """Power of each coefficient over blocks, without its highest tenth: a block with an edge counts little."""
    kept = np.sort(found**2, axis=0)[: max(int(KEPT_SHARE * len(found)), 1)]
    return np.asarray(kept.mean(axis=0) / KEPT_MEAN)


def _spread(found: Float, of_slice: npt.NDArray[np.intp], fit: cosines.Fit) -> tuple[float, float]:
    """The quietest and the noisiest tenth of the slices, over the level of all."""
    levels = []
    for k in np.unique(of_slice):
        here = found[of_slice == k]
        if len(here) >= FEWEST_PER_SLICE:
            levels.append(np.sqrt(np.mean(_mean_power(here)[NOISE] / fit.expected[NOISE])))
    if not levels:
        return 1.0, 1.0
    low, high = np.percentile(levels, [10, 90])
    return min(float(low), 1.0), max(float(high), 1.0)


def _standard_error(found: Float) -> float:
    """Of the level over itself, by a jackknife over runs of neighbouring blocks; 0 for too few of them."""
    if len(found) < 2 * PARTS:
        return 0.0
    parts = np.array_split(np.arange(len(found)), PARTS)
    powers = [_mean_power(np.delete(found, part, axis=0)) for part in parts]
    levels = np.sqrt([cosines.fitted(power, NOISE).variance for power in powers])
    return float(np.sqrt((PARTS - 1) * np.var(levels)) / np.mean(levels))
