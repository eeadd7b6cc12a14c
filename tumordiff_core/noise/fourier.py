"""Two-dimensional Fourier transforms of ``numpy.fft``, bit for bit, with little memory beside their result.

NumPy's own keep what they began with beside what they end with: half a gigabyte for a slice of 4096 x 4096.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

LINES_AT_ONCE = 512

Complex = npt.NDArray[np.complexfloating[Any, Any]]


def fft2(image: npt.NDArray[Any]) -> Complex:
    """Transform of one real image [row, column]: complex64 of float32, else complex128."""
    out = np.empty(image.shape, dtype=np.result_type(image.dtype, np.complex64))
    return _along_both(np.fft.fft, image, out)


def ifft2(spectrum: Complex) -> Complex:
    """Inverse transform of one spectrum [row, column], written over it."""
    return _along_both(np.fft.ifft, spectrum, spectrum)


def _along_both(transform: Callable[..., Any], source: npt.NDArray[Any], out: Complex) -> Complex:
    """Both axes in turn, some lines at a time, into ``out``, which may be the source."""
    for first in range(0, out.shape[0], LINES_AT_ONCE):
        rows = slice(first, first + LINES_AT_ONCE)
        out[rows] = transform(source[rows], axis=1)
    for first in range(0, out.shape[1], LINES_AT_ONCE):
        columns = slice(first, first + LINES_AT_ONCE)
        out[:, columns] = transform(out[:, columns], axis=0)
    return out
