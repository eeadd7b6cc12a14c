"""The noise of tissue, where there is no air to read it from: level and correlation from the flattest blocks.

Slices are stabilised, blocks are chosen by their low frequencies and the noise is read from their high ones, which the
choice does not touch. So texture counts little and noise that hangs together counts whole.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from tumordiff_core.noise import cosines
from tumordiff_core.noise.stabilise import stabiliser

Float = npt.NDArray[np.float64]

STRIDE = cosines.BLOCK // 2
MOST_SLICES = 12
SNR = 3.0
"""Signal of the darkest tissue over the noise of a channel: stabilised noise is Gaussian only above."""

FLATTEST, FEWEST_BLOCKS = 0.05, 60
NOISE = cosines.ORDER >= 6
TEXTURE = (cosines.ORDER >= 1) & (cosines.ORDER <= 4)
FEWEST_PER_SLICE = 24
ROUNDS, LARGEST_STEP, SETTLED = 8, 2.0, 0.005
KEPT_SHARE = 0.9
KEPT_END = stats.norm.ppf((1 + KEPT_SHARE) / 2)
KEPT_MEAN = 1 - 2 * KEPT_END * stats.norm.pdf(KEPT_END) / KEPT_SHARE
"""Mean of the lowest nine tenths of squared standard normal values."""

MAD_TO_SIGMA = 0.6745


@dataclass(frozen=True)
class Tissue:
    """Noise of tissue: ``sigma`` with the ``low`` and ``high`` tenth of its slices, and its correlation.

    ``blocks`` is how many overlapping blocks lay well above the noise.
    """

    sigma: float
    low: float
    high: float
    lag1: tuple[float, float]
    blocks: int


def tissue_noise(volume: npt.NDArray[Any], *, channels: int = 1) -> Tissue:
    """The noise of the tissue of one phase [slice, row, column]; sigma 0 when nothing can be measured."""
    nothing = Tissue(0.0, 0.0, 0.0, (0.0, 0.0), blocks=0)
    step = max(-(-len(volume) // MOST_SLICES), 1)
    slices = np.asarray(volume[::step], dtype=np.float64)
    if min(slices.shape[1:]) < cosines.BLOCK:
        return nothing
    raw = _blocks(slices)
    alive = (raw > 0).all(axis=(-2, -1))
    if not alive.any():
        return nothing
    brightness = raw.mean(axis=(-2, -1))
    middle = cosines.coefficients(raw[alive])[:, STRIDE, STRIDE]
    sigma = float(np.median(np.abs(middle))) / MAD_TO_SIGMA
    transform = stabiliser(channels)
    for _ in range(ROUNDS):
        if not sigma > 1e-9 * float(brightness.max()):
            return nothing
        bright = alive & (brightness > np.sqrt(SNR**2 + 2 * channels) * sigma)
        used = bright if np.count_nonzero(bright) >= FEWEST_BLOCKS else alive
        found = cosines.coefficients(_blocks(transform.forward(slices, sigma).astype(np.float64))[used])
        flat = _flattest(found)
        fit = cosines.fitted(_power(found[flat]), NOISE)
        factor = float(np.clip(np.sqrt(fit.variance), 1 / LARGEST_STEP, LARGEST_STEP))
        low, high = _spread(found[flat], np.nonzero(used)[0][flat], fit)
        sigma *= factor
        if abs(factor - 1) < SETTLED:
            break
    return Tissue(sigma, sigma * low, sigma * high, fit.lag1, blocks=int(np.count_nonzero(bright)))


def _blocks(volume: Float) -> Float:
    """Overlapping blocks [slice, block row, block column, 8, 8]."""
    side = cosines.BLOCK
    windows = np.lib.stride_tricks.sliding_window_view(volume, (side, side), axis=(1, 2))
    return windows[:, ::STRIDE, ::STRIDE]


def _flattest(found: Float) -> npt.NDArray[np.intp]:
    """Which blocks have the least power in their low frequencies."""
    texture = (found[:, TEXTURE] ** 2).mean(axis=1)
    count = max(int(FLATTEST * len(texture)), min(FEWEST_BLOCKS, len(texture)))
    return np.argsort(texture)[:count]


def _power(found: Float) -> Float:
    """Power of each coefficient over blocks, without its highest tenth: a block with an edge counts little."""
    kept = np.sort(found**2, axis=0)[: max(int(KEPT_SHARE * len(found)), 1)]
    return np.asarray(kept.mean(axis=0) / KEPT_MEAN)


def _spread(found: Float, of_slice: npt.NDArray[np.intp], fit: cosines.Fit) -> tuple[float, float]:
    """The quietest and the noisiest tenth of the slices, over the level of all."""
    levels = []
    for k in np.unique(of_slice):
        here = found[of_slice == k]
        if len(here) >= FEWEST_PER_SLICE:
            levels.append(np.sqrt(np.mean(_power(here)[NOISE] / fit.expected[NOISE])))
    if not levels:
        return 1.0, 1.0
    low, high = np.percentile(levels, [10, 90])
    return min(float(low), 1.0), max(float(high), 1.0)
