"""How much noise a magnitude series carries, blindly: from air, from stabilised tissue, with the doubt of each.

Air: y^2 has the mean 2 L sigma^2 whatever the correlation; the number of channels L follows from mean / std.
Tissue: the diagonal Haar coefficients after variance stabilisation; they read low on interpolated (coloured) noise,
so they count only where the noise is nearly white. See Foi 2011 (ISBI) and Koay & Basser 2006 (JMR 179:317).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from tumordiff_core.noise.stabilise import stabiliser

Float = npt.NDArray[np.float64]

BLOCK = 8
MAD_TO_SIGMA = 0.6745
FEWEST_BLOCKS = 24
FEWEST_PIXELS = 64
TISSUE_SNR = 3.0
WHITE_LAG1 = 0.15
CHANNELS = (1, 2, 4, 8)
ROUNDS = 12
NARROWEST, WIDEST, CLUSTER_SD = 0.03, 0.25, 1.8
"""Half width of the darkest cluster: so many deviations of its lower side, within these shares of its median."""

DARKER = 0.85
"""Air is darker than this share of the middle of what is not air."""

SURE_SD = 4.0
LEAST_UNIFORM = 0.75
"""Dark tissue differs from block to block, air does not: least share of the spread found inside a block."""


@dataclass(frozen=True)
class Level:
    """The noise of one phase, in the units of its values.

    Parameters
    ----------
    sigma : standard deviation of each part of a channel
    low, high : range between the quietest and the noisiest tenth of the slices
    channels : receiver channels that fit the air
    lag1 : correlation of neighbouring rows and columns of the noise before the magnitude was taken
    estimator : ``"air"``, ``"tissue"`` or ``"given"``
    """

    sigma: float
    low: float
    high: float
    channels: int
    lag1: tuple[float, float]
    estimator: str


def estimate(values: npt.NDArray[Any]) -> Level:
    """The noise of one phase [slice, row, column]; sigma 0 when nothing can be measured."""
    volume = np.asarray(values, dtype=np.float64)
    air = air_level(volume)
    if air is not None and max(air.lag1) > WHITE_LAG1:
        return air
    tissue = tissue_level(volume, channels=1 if air is None else air.channels)
    if air is None or 0 < tissue.sigma < air.sigma:
        return tissue
    return air


def air_level(volume: Float) -> Level | None:
    """Level, channels and correlation from the air around the breast; None where air is missing or zeroed."""
    blocks, air = _blocks(volume), air_blocks(volume)
    if air is None:
        return None
    pixels = blocks[air]
    ratio = float(pixels.mean() / max(pixels.std(), 1e-12))
    channels = min(CHANNELS, key=lambda count: abs(np.log(ratio / air_ratio(count))))
    uniform = float(np.median(pixels.std(axis=(-2, -1)))) > LEAST_UNIFORM * pixels.std()
    if not uniform or not 0.8 < ratio / air_ratio(channels) < 1.25:
        return None
    per_slice = [np.sqrt(np.mean(blocks[k][air[k]] ** 2) / (2 * channels)) for k in range(len(blocks)) if air[k].any()]
    low, high = np.percentile(per_slice, [10, 90])
    sigma = float(np.sqrt(np.mean(pixels**2) / (2 * channels)))
    return Level(sigma, float(low), float(high), channels, _underlying_lag1(pixels), "air")


def air_blocks(volume: Float) -> npt.NDArray[np.bool_] | None:
    """Which blocks [slice, block row, block column] of BLOCK x BLOCK pixels are air; None where there is none."""
    blocks = _blocks(volume)
    usable = (blocks == 0).mean(axis=(-2, -1)) < 0.25
    return _darkest(np.where(usable, blocks.mean(axis=(-2, -1)), np.inf))


def air_ratio(channels: int) -> float:
    """Mean over standard deviation of pure noise of L channels (a chi distribution of 2 L degrees of freedom)."""
    mean = np.sqrt(2) * np.exp(gammaln(channels + 0.5) - gammaln(channels))
    return float(mean / np.sqrt(2 * channels - mean**2))


def _blocks(volume: Float) -> Float:
    """[slice, block row, block column, 8, 8]."""
    slices, rows, columns = volume.shape
    cut = volume[:, : rows // BLOCK * BLOCK, : columns // BLOCK * BLOCK]
    return cut.reshape(slices, rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).swapaxes(2, 3)


def _darkest(mean: Float) -> npt.NDArray[np.bool_] | None:
    """Blocks of the darkest cluster, found by iteration from the low end.

    The cluster's width is taken from its lower side, since blocks with a little tissue lie on the upper one.
    """
    finite = mean[np.isfinite(mean)]
    if finite.size < FEWEST_BLOCKS:
        return None
    centre, width = float(np.percentile(finite, 4)), WIDEST
    for _ in range(ROUNDS):
        near = finite[np.abs(finite - centre) < width * centre]
        if near.size < FEWEST_BLOCKS:
            return None
        centre = float(np.median(near))
        below = centre - near[near < centre]
        spread = float(np.median(below)) / (MAD_TO_SIGMA * centre) if below.size else width
        width = float(np.clip(CLUSTER_SD * spread, NARROWEST, WIDEST))
    bright = finite[finite > centre * (1 + 2 * width)]
    if bright.size and centre > DARKER * float(np.median(bright)):
        return None
    return np.asarray(np.abs(mean - centre) < width * centre)


def _underlying_lag1(pixels: Float) -> tuple[float, float]:
    """Lag-1 of the Gaussian parts from air blocks [block, row, column]: the correlation of y^2 is its square.

    Each block's own mean is removed, since air is not equally bright everywhere; what that removes of the noise itself
    is put back by a Gaussian model of its correlation. Correlations that a white field would show as well count as 0.
    """
    power = pixels**2
    centred = power - power.mean(axis=(-2, -1), keepdims=True)
    variance = float(np.mean(centred**2))
    rows = float(np.mean(centred[:, 1:, :] * centred[:, :-1, :]))
    columns = float(np.mean(centred[:, :, 1:] * centred[:, :, :-1]))
    shared = 1 / BLOCK**2
    for _ in range(ROUNDS):
        whole = variance / (1 - shared)
        squares = [min(max(cov / whole + shared, 0.0), 0.95) for cov in (rows, columns)]
        shared = _shared_variance(squares[0]) * _shared_variance(squares[1])
    noise = SURE_SD / np.sqrt(pixels.size)
    found = [float(np.sqrt(square)) if square > noise else 0.0 for square in squares]
    return found[0], found[1]


def _shared_variance(square: float) -> float:
    """Variance of the mean of ``BLOCK`` neighbours of unit variance whose correlation is ``square ** distance^2``."""
    distance = np.abs(np.subtract.outer(np.arange(BLOCK), np.arange(BLOCK))).astype(float)
    return float(np.mean(square ** (distance**2)))


def tissue_level(volume: Float, *, channels: int = 1) -> Level:
    """Level from the diagonal Haar coefficients of stabilised slices, over the flatter 60 % of what is not zero."""
    transform = stabiliser(channels)
    found = []
    for image in volume:
        sigma = _haar_sigma(image, image)
        for _ in range(ROUNDS):
            if sigma <= 0:
                break
            factor = _haar_sigma(transform.forward(image, sigma), image, floor=TISSUE_SNR * sigma)
            sigma *= factor
            if abs(factor - 1) < 1e-3:
                break
        if sigma > 0:
            found.append(sigma)
    if not found:
        return Level(0.0, 0.0, 0.0, channels, (0.0, 0.0), "tissue")
    low, middle, high = np.percentile(found, [10, 50, 90])
    return Level(float(middle), float(low), float(high), channels, (0.0, 0.0), "tissue")


def _haar_sigma(image: npt.NDArray[Any], source: Float, *, floor: float = 0.0) -> float:
    """Deviation of the diagonal Haar coefficients over the flatter 60 % of the blocks that are brighter than ``floor``.

    In air even stabilised noise is no Gaussian and its median reads low; where too little is brighter, all counts.
    """
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    a, b = image[0:rows:2, 0:columns:2], image[0:rows:2, 1:columns:2]
    c, d = image[1:rows:2, 0:columns:2], image[1:rows:2, 1:columns:2]
    diagonal = (a - b - c + d) / 2
    rough = np.abs(a + b - c - d) + np.abs(a - b + c - d)
    alive = (source[0:rows:2, 0:columns:2] > 0) & (source[1:rows:2, 1:columns:2] > 0)
    if np.count_nonzero(alive) < FEWEST_PIXELS:
        return 0.0
    cut = source[0:rows, 0:columns].reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    bright = alive & (cut > floor)
    alive = bright if np.count_nonzero(bright) >= FEWEST_PIXELS else alive
    flat = alive & (rough <= np.quantile(rough[alive], 0.6))
    return float(np.median(np.abs(diagonal[flat])) / MAD_TO_SIGMA)
