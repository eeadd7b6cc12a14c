"""How much noise a magnitude series carries, blindly: from air, from stabilised tissue, with the doubt of each.

Air: y^2 has the mean 2 L sigma^2 whatever the correlation; the number of channels L follows from mean / std. What is
taken for air may be dark tissue (a cut picture has none): its low frequencies then hold more than noise, and the
tissue (``tissue.py``) is asked as well. See Foi 2011 (ISBI) and Koay & Basser 2006 (JMR 179:317).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from tumordiff_core.noise import cosines
from tumordiff_core.noise.add import expected_magnitude
from tumordiff_core.noise.correlation import shared_area
from tumordiff_core.noise.cosines import BLOCK
from tumordiff_core.noise.spectrum import Spectrum, of_air
from tumordiff_core.noise.tissue import FEWEST_BLOCKS, MAD_TO_SIGMA, NORMAL_95, Tissue, tissue_noise

Float = npt.NDArray[np.float64]

FEWEST_AIR_BLOCKS = 24
WHITE_LAG1 = 0.15
CHANNELS = (1, 2, 4, 8)
ROUNDS = 12
NARROWEST, WIDEST, CLUSTER_SD = 0.03, 0.25, 1.8
"""Half width of the darkest cluster: so many deviations of its lower side, within these shares of its median."""

DARKER = 0.85
"""Air is darker than this share of the middle of what is not air, unless its values are spread as only noise is."""

NEAR_RATIO, NEAR_SKEWNESS = 0.03, 0.08
"""How near the mean over the deviation, as a share, and the skewness of such air lie to those of pure noise."""

CHOICE = 0.01
"""Standard error of a level from air, as a share, by which blocks are taken for it."""

SURE_SD = 4.0
OVERRULED = 0.7
"""Clean air of coloured noise is doubted where tissue reads less than this share of it."""

SURE_WHITE, SURE = 100, 400
"""Blocks of tissue it takes to overrule clean air, for white and for coloured noise."""
LOWEST_ORDERS, CLEAN, NO_AIR = (1, 2), 1.25, 2.2
"""Clean air has in its lowest frequencies the power that its noise explains, uneven air up to twice it; dark anatomy
has 1.3 to 5 times as much."""

SPREAD_OF_SQUARE = 4.0
"""Variance of a squared cosine coefficient of y^2 over its squared mean, at most; those of a block hang together."""

LEAST_UNIFORM = 0.75
"""Dark tissue differs from block to block, air does not: least share of the spread found inside a block."""


@dataclass(frozen=True)
class Level:
    """The noise of one phase, in the units of its values.

    Parameters
    ----------
    sigma : standard deviation of each part of a channel
    low, high : range between the quietest and the noisiest tenth of the slices, at least the 95 % interval by chance
    channels : receiver channels that fit the air, 1 where there is no clean air
    lag1 : correlation of neighbouring rows and columns of the noise before the magnitude was taken
    estimator : ``"air"``, ``"tissue"`` or ``"given"``
    spectrum : of coloured noise before the magnitude was taken, where it is known better than by ``lag1``
    """

    sigma: float
    low: float
    high: float
    channels: int
    lag1: tuple[float, float]
    estimator: str
    spectrum: Spectrum | None = None


def estimate(values: npt.NDArray[Any]) -> Level:
    """The noise of one phase [slice, row, column]; sigma 0 when nothing can be measured.

    Air and tissue both read too much where they are wrong (dark anatomy, a floor of older noise; texture), so the
    smaller level is taken. Where the noise is coloured, clean air that correlates as noise does is believed, and other
    clean air unless much tissue is much quieter: tissue knows only the end of such a spectrum. Ghosts raise the
    correlation that air shows and texture the one of tissue, so where air correlates as no noise does, each axis has
    the smaller one. A picture that is nowhere brighter than twice its noise may be taken for air and read up to half
    too high.
    """
    volume = np.array(values, dtype=np.float64)
    peak = float(np.max(volume, where=np.isfinite(volume), initial=0.0))
    if peak <= 0:
        return Level(0.0, 0.0, 0.0, 1, (0.0, 0.0), "tissue")
    volume /= peak
    found = _estimate(volume)
    return replace(found, sigma=found.sigma * peak, low=found.low * peak, high=found.high * peak)


def _estimate(volume: Float) -> Level:
    """The same of a volume whose maximum is 1."""
    air = _air(volume)
    if air is None:
        read = tissue_noise(volume)
        return Level(read.sigma, read.low, read.high, 1, read.lag1, "tissue", read.spectrum)
    level, clean = air.level, air.shaped < CLEAN
    channels = level.channels if clean else 1
    read = tissue_noise(volume, channels=channels)
    row, column = (min(pair) for pair in zip(read.lag1, level.lag1, strict=True))
    white = max(row, column) <= WHITE_LAG1
    fit = of_air(volume, air.blocks) if clean and not white else None
    if fit is not None and fit.is_noise:
        return replace(level, spectrum=fit.spectrum)
    needed = FEWEST_BLOCKS if not clean else SURE_WHITE if white else SURE
    believed = OVERRULED if clean and not white else 1.0
    if read.blocks >= needed and 0 < read.sigma < believed * level.sigma:
        return Level(read.sigma, read.low, read.high, channels, (row, column), "tissue", _agreeing(read, (row, column)))
    if white:
        return replace(level, lag1=(row, column)) if not clean or read.blocks >= needed else level
    ghosts = not clean or fit is not None
    if ghosts and read.blocks >= SURE:
        return replace(level, lag1=(row, column), spectrum=_agreeing(read, (row, column)))
    return level


def _agreeing(read: Tissue, lag1: tuple[float, float]) -> Spectrum | None:
    """The spectrum that tissue shows, unless air told of less correlation."""
    return read.spectrum if lag1 == read.lag1 else None


def air_level(volume: Float) -> Level | None:
    """Level, channels and correlation from the air around the breast; None where it is missing, zeroed or no air."""
    air = _air(volume)
    return None if air is None else air.level


@dataclass(frozen=True)
class _Air:
    """What looks like air.

    ``blocks`` says where it is; ``shaped`` is the power of its lowest frequencies over what its noise explains.
    """

    level: Level
    blocks: npt.NDArray[np.bool_]
    shaped: float


def _air(volume: Float) -> _Air | None:
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
    lag1 = _underlying_lag1(pixels)
    doubt = NORMAL_95 * float(np.hypot(np.sqrt(shared_area(lag1) / (channels * pixels.size)) / 2, CHOICE))
    low, high = min(float(low), sigma * (1 - doubt)), max(float(high), sigma * (1 + doubt))
    level = Level(sigma, low, high, channels, lag1, "air")
    shaped = _shaped(pixels)
    return _Air(level, air, shaped) if shaped < NO_AIR else None


def _shaped(pixels: Float) -> float:
    """Power of air blocks [block, row, column] in their lowest frequencies over what their higher ones foretell.

    Less what chance adds in few blocks (two standard errors of a mean of squares).
    """
    power = (cosines.coefficients(pixels**2) ** 2).mean(axis=0)
    fit = cosines.fitted(power, max(LOWEST_ORDERS) < cosines.ORDER, squared=True)
    lowest = np.isin(cosines.ORDER, LOWEST_ORDERS)
    chance = 2 * np.sqrt(SPREAD_OF_SQUARE / (np.count_nonzero(lowest) * len(pixels)))
    return float(power[lowest].mean() / max(fit.expected[lowest].mean(), 1e-30) - chance)


def air_blocks(volume: Float) -> npt.NDArray[np.bool_] | None:
    """Which blocks [slice, block row, block column] of BLOCK x BLOCK pixels are air; None where there is none."""
    blocks = _blocks(volume)
    usable = (blocks == 0).mean(axis=(-2, -1)) < 0.25
    mean = np.where(usable, blocks.mean(axis=(-2, -1)), np.inf)
    air = _darkest(mean)
    if air is None or _stands_out(mean, air) or _spread_as_noise(blocks[air]):
        return air
    return None


def _stands_out(mean: Float, air: npt.NDArray[np.bool_]) -> bool:
    """Whether everything else is much brighter; where noise is strong, a floor of many channels is not much darker."""
    centre = float(np.median(mean[air]))
    others = mean[np.isfinite(mean) & (mean > 2 * mean[air].max() - centre)]
    return not others.size or centre <= DARKER * float(np.median(others))


def _spread_as_noise(pixels: Float) -> bool:
    """Whether values have the mean over deviation and the skewness of noise of two or more channels.

    A signal of that mean over deviation is far less skewed, so dark tissue is not taken for air.
    """
    mean, deviation = float(pixels.mean()), max(float(pixels.std()), 1e-12)
    channels = min(CHANNELS[1:], key=lambda count: abs(np.log(mean / deviation / air_ratio(count))))
    near = abs(mean / deviation / air_ratio(channels) - 1) < NEAR_RATIO
    return (
        near and abs(float(stats.skew(pixels, axis=None)) - float(stats.chi(2 * channels).stats("s"))) < NEAR_SKEWNESS
    )


def air_ratio(channels: int) -> float:
    """Mean over standard deviation of pure noise of L channels (a chi distribution of 2 L degrees of freedom)."""
    mean = float(expected_magnitude(np.zeros(()), channels))
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
    if finite.size < FEWEST_AIR_BLOCKS:
        return None
    centre, width = float(np.percentile(finite, 4)), WIDEST
    for _ in range(ROUNDS):
        near = finite[np.abs(finite - centre) < width * centre]
        if near.size < FEWEST_AIR_BLOCKS:
            return None
        centre = float(np.median(near))
        below = centre - near[near < centre]
        spread = float(np.median(below)) / (MAD_TO_SIGMA * centre) if below.size else width
        width = float(np.clip(CLUSTER_SD * spread, NARROWEST, WIDEST))
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
