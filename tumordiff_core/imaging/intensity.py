"""Robust intensity scaling of a whole dynamic series, and its exact inverse.

One number for all phases and slices: percent enhancement and SER are ratios and must survive the scaling.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core.imaging.volume import require_contrast, require_finite

HIGH_PERCENTILE = 99.9


@dataclass(frozen=True)
class Scaling:
    """``scaled = (value - low) / (high - low)``; nothing is clipped, so the inverse is exact."""

    low: float
    high: float

    @property
    def range(self) -> float:
        """Units of the source per unit of the scaled image."""
        return self.high - self.low

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Scaled values, float32, same shape."""
        return ((values.astype(np.float32) - np.float32(self.low)) / np.float32(self.range)).astype(np.float32)

    def invert(self, scaled: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Values in the units of the source, float32, same shape."""
        return (scaled.astype(np.float32) * np.float32(self.range) + np.float32(self.low)).astype(np.float32)


def robust_scaling(values: npt.NDArray[Any]) -> Scaling:
    """The scaling of a magnitude series: low 0, high the 99.9th percentile of all its phases.

    Parameters
    ----------
    values : real [phase, slice, row, column] (any number of axes), rescaled intensity; all phases of the series

    Raises
    ------
    InputError("volume.not_finite"), InputError("volume.constant")
    """
    require_finite(values)
    require_contrast(values)
    low = min(0.0, float(values.min()))
    high = float(np.percentile(values, HIGH_PERCENTILE))
    if high <= low:
        high = float(values.max())
    return Scaling(low, high)
