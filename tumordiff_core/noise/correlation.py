"""How neighbouring noise hangs together: spectra of zero-filled acquisitions, and lag-1 correlation."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core.noise import fourier

Float = npt.NDArray[np.float64]

FERMI_EDGE = 0.93
FERMI_WIDTH = 0.06
LARGEST_EXPONENT = 50.0


def _unit_power(amplitude: Float) -> Float:
    amplitude /= np.sqrt(np.mean(amplitude**2))
    return amplitude


def fermi_spectrum(
    rows: int, columns: int, *, row_cut: float = 0.75, column_cut: float = 1.0, edge: float = FERMI_EDGE,
    width: float = FERMI_WIDTH,
) -> Float:  # fmt: skip
    """Amplitude spectrum of zero-filled, elliptically filtered data, [row, column] in FFT order, mean power 1.

    ``row_cut`` and ``column_cut`` are the acquired share of each axis' Nyquist frequency: 192 of 256 phase-encoding
    lines give 0.75. Edge 0.93 and width 0.06 fit the air and tissue noise of a 1.5 T I-SPY 1 study.
    """
    ky = np.abs(np.fft.fftfreq(rows))[:, None] * 2 / row_cut
    kx = np.abs(np.fft.fftfreq(columns))[None, :] * 2 / column_cut
    # In place: four times 134 MB for a slice of 4096 x 4096 otherwise.
    found = np.hypot(ky, kx)
    found -= edge
    found /= width
    np.exp(np.minimum(found, LARGEST_EXPONENT, out=found), out=found)
    found += 1.0
    return _unit_power(np.reciprocal(found, out=found))


def gaussian_spectrum(rows: int, columns: int, lag1: float | tuple[float, float]) -> Float:
    """Amplitude spectrum whose correlation falls off as a Gaussian, with ``lag1`` at one pixel; mean power 1.

    ``lag1`` may be a pair: between neighbouring rows and between neighbouring columns.
    """
    down, across = (lag1, lag1) if isinstance(lag1, int | float) else lag1
    down, across = max(float(down), 0.0), max(float(across), 0.0)
    if down == across == 0:
        return np.ones((rows, columns))
    row = np.minimum(np.arange(rows), rows - np.arange(rows))[:, None].astype(np.float64)
    column = np.minimum(np.arange(columns), columns - np.arange(columns))[None, :].astype(np.float64)
    power = np.maximum(fourier.fft2(down ** (row**2) * across ** (column**2)).real, 0.0)
    return _unit_power(np.sqrt(power, out=power))


def lag1_of_spectrum(spectrum: Float) -> tuple[float, float]:
    """Lag-1 correlation along rows' index and columns' index that an amplitude spectrum implies (Wiener-Khinchin)."""
    correlation = np.fft.ifft2(spectrum**2).real
    return float(correlation[1, 0] / correlation[0, 0]), float(correlation[0, 1] / correlation[0, 0])


def shared_area(lag: tuple[float, float]) -> float:
    """How many pixels of noise count as one where its power is averaged: the sum of its squared correlation.

    ``lag`` is the correlation of neighbouring rows and of neighbouring columns; it falls off as a Gaussian.
    """
    distance = np.arange(-16, 17) ** 2.0
    down, across = (float(np.sum(np.clip(value, 0.0, 0.95) ** (2 * distance))) for value in lag)
    return down * across


def lag1(values: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """Measured lag-1 correlation between neighbouring rows and neighbouring columns.

    Parameters
    ----------
    values : real [..., row, column]; the mean over the mask is removed
    mask : bool, same shape; pairs count where both voxels are inside
    """
    inside = np.ones(values.shape, dtype=bool) if mask is None else mask
    if not inside.any():
        return 0.0, 0.0
    centred = np.where(inside, values - values[inside].mean(), 0.0).astype(np.float64)
    variance = float(np.mean(centred[inside] ** 2))
    if variance == 0:
        return 0.0, 0.0
    row = _mean_product(centred[..., 1:, :], centred[..., :-1, :], inside[..., 1:, :] & inside[..., :-1, :])
    column = _mean_product(centred[..., 1:], centred[..., :-1], inside[..., 1:] & inside[..., :-1])
    return row / variance, column / variance


def _mean_product(first: Float, second: Float, where: npt.NDArray[np.bool_]) -> float:
    products = (first * second)[where]
    return float(products.mean()) if products.size else 0.0
