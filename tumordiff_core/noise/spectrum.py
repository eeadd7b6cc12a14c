"""How noise is spread over spatial frequencies: a Fermi-filtered acquisition, fitted to air or to flat tissue.

Two lag-1 correlations say how near neighbours hang together, not where the noise ends; magnitudes of air say both. Of
complex noise with correlation rho, magnitudes correlate by about 0.93 rho^2 + 0.07 rho^4 (one channel, to 0.01).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from tumordiff_core.noise.correlation import FERMI_EDGE, FERMI_WIDTH, fermi_spectrum, lag1_of_spectrum
from tumordiff_core.noise.cosines import BLOCK
from tumordiff_core.noise.level import Level, air_blocks, air_level
from tumordiff_core.noise.tissue import tissue_noise

Float = npt.NDArray[np.float64]

REACH = 5
LOCAL_PIXELS = 12.0
"""Air is not equally bright everywhere: what varies over so many pixels is taken away."""

MOST_SLICES = 12
FEWEST_PIXELS = 20_000
FIT_SIDE = 32
AGREES = 0.05
"""Difference of lag-1 correlations up to which a spectrum is that of the measured noise."""

MOST_MISS = 0.03
"""Root mean square difference of correlations above which the fit says nothing."""


@dataclass(frozen=True)
class Spectrum:
    """Amplitude 1 / (1 + exp((rho - 1) / width)) at rho = frequency over the cut of each axis (shares of Nyquist)."""

    row_cut: float
    column_cut: float
    width: float

    def amplitude(self, rows: int, columns: int) -> Float:
        """Amplitude [row, column] in FFT order, mean power 1."""
        return fermi_spectrum(
            rows, columns, row_cut=self.row_cut, column_cut=self.column_cut, edge=1.0, width=self.width
        )

    @property
    def lag1(self) -> tuple[float, float]:
        """Correlation of neighbouring rows and of neighbouring columns."""
        return lag1_of_spectrum(self.amplitude(FIT_SIDE, FIT_SIDE))

    def agrees(self, lag1: tuple[float, float]) -> bool:
        """Whether its correlations are the measured ones."""
        return all(abs(mine - measured) <= AGREES for mine, measured in zip(self.lag1, lag1, strict=True))


def of_phase(values: npt.NDArray[Any], level: Level) -> Spectrum | None:
    """The noise spectrum of a phase [slice, row, column] of measured level: of its air where it agrees, else of tissue.

    None where neither is zero-filled noise of the measured correlation.
    """
    air = of_air(values)
    if air is not None and air.agrees(level.lag1):
        return air
    cuts = tissue_noise(values, channels=level.channels).cuts
    if cuts is None:
        return None
    found = Spectrum(FERMI_EDGE * cuts[0], FERMI_EDGE * cuts[1], FERMI_WIDTH / FERMI_EDGE)
    return found if found.agrees(level.lag1) else None


def of_air(values: npt.NDArray[Any]) -> Spectrum | None:
    """The noise spectrum of one magnitude phase [slice, row, column]; None without enough air or where none fits."""
    step = max(-(-len(values) // MOST_SLICES), 1)
    volume = np.asarray(values[::step], dtype=np.float64)
    blocks = air_blocks(volume)
    if blocks is None or air_level(volume) is None:
        return None
    air = np.kron(ndimage.binary_opening(blocks, np.ones((1, 3, 3))), np.ones((1, BLOCK, BLOCK), dtype=bool))
    if np.count_nonzero(air) < FEWEST_PIXELS:
        return None
    measured = _correlation(volume[:, : air.shape[1], : air.shape[2]], air)

    def miss(at: Float) -> Float:
        offset = at[3]  # what the local mean took away, alike at all lags
        return np.asarray((_of_magnitudes(Spectrum(*at[:3])) - (measured + offset) / (1 + offset)).ravel())

    start, low, high = (0.75, 0.9, 0.2, 0.0), (0.2, 0.2, 0.02, -0.05), (1.6, 1.6, 1.0, 0.1)
    found = optimize.least_squares(miss, start, bounds=(low, high))
    if np.sqrt(np.mean(found.fun**2)) > MOST_MISS:
        return None
    return Spectrum(*(float(v) for v in found.x[:3]))


def _correlation(volume: Float, air: npt.NDArray[np.bool_]) -> Float:
    """Correlation of the magnitudes of air at lags 0 to REACH down and -REACH to REACH across."""
    share = ndimage.gaussian_filter(air.astype(float), (0, LOCAL_PIXELS, LOCAL_PIXELS))
    local = ndimage.gaussian_filter(np.where(air, volume, 0), (0, LOCAL_PIXELS, LOCAL_PIXELS))
    centred = np.where(air, volume - local / np.maximum(share, 1e-6), 0)
    size = (volume.shape[1] + REACH, volume.shape[2] + REACH)
    pairs = [
        np.fft.irfft2((np.abs(np.fft.rfft2(part, size)) ** 2).sum(axis=0), size)
        for part in (centred, air.astype(float))
    ]
    found = pairs[0] / np.maximum(pairs[1], 1)
    return np.asarray(found[: REACH + 1][:, range(-REACH, REACH + 1)] / found[0, 0])


def _of_magnitudes(spectrum: Spectrum) -> Float:
    """The same correlations as a spectrum implies them."""
    rho = np.fft.ifft2(spectrum.amplitude(FIT_SIDE, FIT_SIDE) ** 2).real
    found = 0.93 * rho**2 + 0.07 * rho**4
    return np.asarray(found[: REACH + 1][:, range(-REACH, REACH + 1)])


def radial(power: Float, edges: Float) -> Float:
    """Mean of a power spectrum [row, column] in FFT order over rings between ``edges`` in cycles per pixel."""
    frequency = np.hypot(np.fft.fftfreq(power.shape[0])[:, None], np.fft.fftfreq(power.shape[1])[None, :])
    ring = np.digitize(frequency.ravel(), edges)
    count = np.bincount(ring, minlength=len(edges) + 1)[1 : len(edges)]
    total = np.bincount(ring, power.ravel(), minlength=len(edges) + 1)[1 : len(edges)]
    return np.asarray(total / np.maximum(count, 1))
