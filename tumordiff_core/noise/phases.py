"""Noise from repeated phases: what differs between the last two in tissue that keeps still.

The level is the median absolute deviation of (second - first) / sqrt 2 after a local mean is taken away. It holds
motion and physiology besides noise, so it is an upper bound beside the level of ``level.py`` and never takes its place.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tumordiff_core.noise.correlation import lag1, shared_area
from tumordiff_core.noise.tissue import MAD_TO_SIGMA, NORMAL_95

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

FEWEST_PHASES, FEWEST_VOXELS = 3, 400
MOST_SLICES, MOST_VOXELS = 24, 2**21
SNR, SNR_OF_VOXEL = 5.0, 3.5
"""Least signal over noise, smoothed and of the voxel itself: below, a magnitude varies less than its noise."""

MOST_ENHANCEMENT, MOST_DRIFT_SIGMA = 0.3, 1.23
SIGNAL_PIXELS, DRIFT_PIXELS = 1.5, 3.0
ROUNDS = 4
MOST_SHARED = 0.5
"""Largest part of a voxel's variance that its local mean may take away; islands of a few voxels lose more."""

MAD_ERROR = 1.166
"""Standard error of a sigma from the median absolute deviation of n normal values, times sqrt(n) / sigma."""

_KERNEL = np.exp(-0.5 * (np.arange(-12, 13) / DRIFT_PIXELS) ** 2)
KERNEL = _KERNEL / _KERNEL.sum()
DISTANCE = np.subtract.outer(np.arange(len(KERNEL)), np.arange(len(KERNEL)))


@dataclass(frozen=True)
class Repeat:
    """An upper bound of the noise of one phase, in the units of its values.

    Parameters
    ----------
    sigma : standard deviation that the last two phases share
    low, high : 95 % interval of ``sigma`` by chance alone
    voxels : how many still voxels it is read from
    """

    sigma: float
    low: float
    high: float
    voxels: int


def estimate(phases: npt.NDArray[Any]) -> Repeat | None:
    """What the last two of three or more phases tell of the noise; the first is the one before contrast.

    Parameters
    ----------
    phases : real [phase, slice, row, column]; of many slices an even choice is read

    Returns
    -------
    None for fewer than three phases, fewer than 400 still voxels or a pair that does not differ
    """
    if len(phases) < FEWEST_PHASES:
        return None
    step = max(-(-phases.shape[1] // MOST_SLICES), -(-phases[0].size // MOST_VOXELS), 1)
    pre, first, second = np.asarray(phases[[0, -2, -1], ::step], dtype=np.float64)
    finite = np.isfinite(pre) & np.isfinite(first) & np.isfinite(second)
    pre, first, second = (np.where(finite, phase, 0.0) for phase in (pre, first, second))
    difference = (second - first) / np.sqrt(2)
    still = still_tissue((pre, first, second), difference, finite)
    if np.count_nonzero(still) < FEWEST_VOXELS:
        return None
    return _read(difference, still)


def still_tissue(phases: tuple[Float, Float, Float], difference: Float, finite: Bool) -> Bool:
    """Voxels [slice, row, column] of bright tissue that neither enhances nor drifts, by smoothed phases.

    The noise that decides what is bright is first guessed from all voxels and then from the bright ones. A voxel's own
    mean keeps air beside bright tissue out; the noise of a mean is independent of that of a difference.
    """
    pre, first, second = phases
    mean = (pre + first + second) / 3
    smooth_pre, smooth_first = (_smoothed(phase, SIGNAL_PIXELS) for phase in (pre, first))
    drift = _smoothed(difference, DRIFT_PIXELS)
    rough = np.abs(difference - drift)
    bright = finite & (pre > 0)
    for _ in range(ROUNDS):
        if np.count_nonzero(bright) < FEWEST_VOXELS:
            break
        sigma = float(np.median(rough[bright])) / MAD_TO_SIGMA
        bright = finite & (smooth_pre > SNR * sigma) & (mean > SNR_OF_VOXEL * sigma)
    else:
        slow = np.abs(smooth_first - smooth_pre) < MOST_ENHANCEMENT * smooth_pre
        still = bright & slow & (np.abs(drift) * np.sqrt(2) < MOST_DRIFT_SIGMA * sigma)
        return np.asarray(ndimage.binary_erosion(still, ndimage.generate_binary_structure(2, 1)[None]), dtype=bool)
    return np.zeros(pre.shape, dtype=bool)


def _read(difference: Float, still: Bool) -> Repeat | None:
    """The level of a difference over sqrt 2 whose local mean over the still voxels is taken away.

    What that takes from the variance is exact for white noise of any mask and scaled for correlated noise.
    """
    inside = still.astype(np.float64)
    weight = np.where(still, _spread(inside, KERNEL), 1.0)
    rest = np.where(still, difference - _spread(difference * inside, KERNEL) / weight, 0.0)
    lost = 2 * KERNEL.max() ** 2 / weight - _spread(inside, KERNEL**2) / weight**2
    measured = lag1(rest, still)
    shared = white = _lost((0.0, 0.0))
    for _ in range(ROUNDS):
        row, column = (float(np.clip(value * (1 - shared) + shared, 0.0, 0.95)) for value in measured)
        shared = _lost((row, column))
    lost *= shared / white
    used = still & (lost < MOST_SHARED)
    voxels = int(np.count_nonzero(used))
    if voxels < FEWEST_VOXELS:
        return None
    sigma = float(np.median(np.abs(rest[used]) / np.sqrt(1 - lost[used]))) / MAD_TO_SIGMA
    doubt = NORMAL_95 * MAD_ERROR * np.sqrt(shared_area((row, column)) / voxels)
    return Repeat(sigma, float(sigma * max(1 - doubt, 0.0)), float(sigma * (1 + doubt)), voxels)


def _smoothed(volume: Float, pixels: float) -> Float:
    return np.asarray(ndimage.gaussian_filter(volume, (0, pixels, pixels)))


def _spread(volume: Float, kernel: Float) -> Float:
    """A volume [slice, row, column] filtered along rows and columns, nothing beyond its border."""
    down = ndimage.correlate1d(volume, kernel, axis=1, mode="constant")
    return np.asarray(ndimage.correlate1d(down, kernel, axis=2, mode="constant"))


def _lost(lag: tuple[float, float]) -> float:
    """Share of the variance that the local mean takes away far from any border, by a Gaussian correlation."""
    offset = np.arange(len(KERNEL)) - len(KERNEL) // 2
    once = [float(KERNEL @ value ** (offset**2.0)) for value in lag]
    twice = [float(KERNEL @ value ** (DISTANCE**2.0) @ KERNEL) for value in lag]
    return 2 * once[0] * once[1] - twice[0] * twice[1]
