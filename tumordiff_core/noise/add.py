"""Makes the noise of magnitude MR: one or more receiver channels, white or coloured."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, hyp1f1

Float = npt.NDArray[np.float64]


def coloured(white: Float, spectrum: Float | None) -> Float:
    """White Gaussian noise [..., row, column] given the amplitude spectrum [row, column] (FFT order, mean power 1)."""
    if spectrum is None:
        return white
    return np.fft.ifft2(np.fft.fft2(white) * spectrum).real


def magnitude(
    clean: npt.NDArray[Any],
    sigma: float | npt.NDArray[Any],
    rng: np.random.Generator,
    channels: int = 1,
    spectrum: Float | None = None,
) -> npt.NDArray[np.float32]:
    """Root sum of squares over receiver channels: Rician for one, non-central chi for more.

    Rician: density in Gudbjartsson & Patz 1995, eq. 1, and its limit without signal, Rayleigh, in eq. 2; non-central
    chi: Constantinides 1997 (MRM 38:852).

    Parameters
    ----------
    clean : real [..., row, column], the signal without noise
    sigma : standard deviation of each of a channel's two parts, in the units of ``clean``; a number or a map
    rng : draws the real part before the imaginary part, channel by channel
    channels : number of receiver channels L
    spectrum : amplitude [row, column] in FFT order with mean power 1, or None for white noise

    Returns
    -------
    float32, shape of ``clean``
    """
    signal = np.asarray(clean, dtype=np.float64)
    total = np.zeros_like(signal)
    for channel in range(channels):
        real = coloured(rng.standard_normal(signal.shape), spectrum) * sigma
        imaginary = coloured(rng.standard_normal(signal.shape), spectrum) * sigma
        total += ((signal if channel == 0 else 0.0) + real) ** 2 + imaginary**2
    return np.sqrt(total).astype(np.float32)


def expected_magnitude(snr: npt.NDArray[Any], channels: int = 1) -> Float:
    """E[y | x] / sigma of a magnitude over ``channels`` receiver channels, for signals x in units of sigma; any shape.

    The mean of a non-central chi variable of 2 L degrees of freedom by Kummer's function (Constantinides 1997), as
    Koay & Basser 2006 (JMR 179:317) write it for their correction: beta_L 1F1(-1/2; L; -x^2 / 2 sigma^2). Without
    signal and with one channel it is sqrt(pi / 2) (Gudbjartsson & Patz 1995, eq. 3).
    """
    at_zero = np.sqrt(2) * np.exp(gammaln(channels + 0.5) - gammaln(channels))
    squared = np.asarray(snr, dtype=np.float64) ** 2
    return np.asarray(at_zero * hyp1f1(-0.5, channels, -squared / 2))
