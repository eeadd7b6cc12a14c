"""Real values as 16-bit integers without losing what the noise leaves to see; numbers only, no tags."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

NOISE_STEPS = 10
"""A stored step is at most the noise SD over this."""
INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class Quantisation:
    """``value = stored * slope + intercept``; slope and intercept are exact in the file's decimal text."""

    slope: float
    intercept: float

    @property
    def rescaled(self) -> bool:
        """Whether the file needs rescale tags."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    def stored(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
        """The stored integers of values, little-endian, each within half a step."""
        steps = np.rint((values.astype(np.float64) - self.intercept) / self.slope)
        return np.clip(steps, INT16.min, INT16.max).astype("<i2")


def quantisation(low: float, high: float, sigma: float, *, whole: bool = False) -> Quantisation:
    """The coarsest step that keeps a tenth of the noise: 1 where that suffices, never coarser than 16 bits allow.

    Parameters
    ----------
    low, high : smallest and largest value
    sigma : noise SD in the same unit; 0 means that nothing may be lost
    whole : every value is an integer, so that a step of 1 loses nothing
    """
    step = 1.0 if whole else min(1.0, sigma / NOISE_STEPS)
    finest = (high - low) / (INT16.max - INT16.min)
    if step <= finest:
        # Enlarged until the range fits, rounded upwards in the third digit.
        step = _three_digits(finest, math.ceil) if finest > 0 else 1.0
    elif step < 1:
        step = max(_three_digits(step, math.floor), finest)
    if INT16.min * step <= low and high <= INT16.max * step:
        return Quantisation(step, 0.0)
    return Quantisation(step, float(f"{(low + high) / 2:.9g}"))


def _three_digits(value: float, rounding: Any) -> float:
    power = math.floor(math.log10(value)) - 2
    return float(f"{rounding(value / 10**power + (1e-9 if rounding is math.floor else -1e-9))}e{power}")


def tissue_window(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Window centre and width from the 1st to the 99th percentile of what is brighter than the mean."""
    tissue = values[values > values.mean()]
    low, high = np.percentile(tissue if tissue.size else values, (1, 99))
    return float((low + high) / 2), max(float(high - low), 1e-6)


def decimal(value: float) -> str:
    """A number as a decimal string of at most 16 characters (DICOM PS3.5 6.2)."""
    return next(text for digits in range(16, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)
