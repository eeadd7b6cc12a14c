"""How noise is spread over spatial frequencies: a Fermi-filtered acquisition, fitted to the air around the breast.

Two lag-1 correlations say how near neighbours hang together, not where the noise ends; magnitudes of air say both. Of
complex noise with correlation rho, magnitudes correlate by about 0.93 rho^2 + 0.07 rho^4 (one channel, to 0.01). Air
whose magnitudes correlate as no such noise does holds something else: ghosts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from tumordiff_core.noise.correlation import FERMI_EDGE, FERMI_WIDTH, fermi_spectrum
from tumordiff_core.noise.cosines import BLOCK

Float = npt.NDArray[np.float64]

REACH = 5
LOCAL_PIXELS = 12.0
"""Air is not equally bright everywhere: what varies over so many pixels is taken away."""

MOST_SLICES = 12
FEWEST_PIXELS = 20_000
FIT_SIDE = 32
ROWS_AT_ONCE = 1024
EXPLAINED, CHANCE = 0.004, 1.5
"""Root mean square difference of correlations that a fit to pure noise leaves, and over the root of the pixels."""


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


def zero_filled(cuts: tuple[float, float]) -> Spectrum:
    """The spectrum of ``fermi_spectrum`` with these acquired shares of Nyquist's frequency."""
    return Spectrum(FERMI_EDGE * cuts[0], FERMI_EDGE * cuts[1], FERMI_WIDTH / FERMI_EDGE)


@dataclass(frozen=True)
class AirFit:
    """The spectrum that explains the correlations of air best.

    Parameters
    ----------
    miss : root mean square difference of measured and explained correlations
    pixels : how many pixels of air were looked at
    """

    spectrum: Spectrum
    miss: float
    pixels: int

    @property
    def is_noise(self) -> bool:
        """Whether the correlations are those of noise; those of ghosts are not."""
        return self.miss <= EXPLAINED + CHANCE / float(np.sqrt(self.pixels))


def of_air(values: npt.NDArray[Any], blocks: npt.NDArray[np.bool_]) -> AirFit | None:
    """The noise spectrum of one magnitude phase [slice, row, column] from its air; None where there is too little.

    ``blocks`` [slice, block row, block column] says which blocks of 8x8 pixels are air.
    """
    step = max(-(-len(values) // MOST_SLICES), 1)
    volume, chosen = np.asarray(values[::step], dtype=np.float64), blocks[::step]
    air = np.kron(ndimage.binary_opening(chosen, np.ones((1, 3, 3))), np.ones((1, BLOCK, BLOCK), dtype=bool))
    pixels = int(np.count_nonzero(air))
    if pixels < FEWEST_PIXELS:
        return None
    measured = _correlation(volume[:, : air.shape[1], : air.shape[2]], air)

    def miss(at: Float) -> Float:
        offset = at[3]  # what the local mean took away, alike at all lags
        return np.asarray((_of_magnitudes(Spectrum(*at[:3])) - (measured + offset) / (1 + offset)).ravel())

    start, low, high = (0.75, 0.9, 0.2, 0.0), (0.2, 0.2, 0.02, -0.05), (1.6, 1.6, 1.0, 0.1)
    found = optimize.least_squares(miss, start, bounds=(low, high))
    best = Spectrum(*(float(v) for v in found.x[:3]))
    return AirFit(best, float(np.sqrt(np.mean(found.fun**2))), pixels)


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


def radial(power: npt.NDArray[Any], edges: Float) -> Float:
    """Mean of a power spectrum [row, column] in FFT order over rings between ``edges`` in cycles per pixel.

    Some rows at a time: all rings of a slice of 4096 x 4096 at once take half a gigabyte.
    """
    down, across = np.fft.fftfreq(power.shape[0])[:, None], np.fft.fftfreq(power.shape[1])[None, :]
    total, count = np.zeros(len(edges) + 1), np.zeros(len(edges) + 1)
    for first in range(0, len(power), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        ring = np.digitize(np.hypot(down[rows], across).ravel(), edges)
        count += np.bincount(ring, minlength=len(count))
        total += np.bincount(ring, power[rows].ravel(), minlength=len(total))
    return np.asarray((total / np.maximum(count, 1))[1:-1])
