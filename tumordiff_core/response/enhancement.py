"""How strongly and how a voxel takes up contrast: percent enhancement and signal enhancement ratio.

Everything is float32 in one fixed order: other orders move single voxels over a threshold of a recorded rule.
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core.errors import GeometryError

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

SER_HIGHEST = np.float32(3.0)
"""Values above count as this one (UCSF's stored maps and display)."""

SER_CLASS_LIMITS = (0.0, 0.9, 1.0, 1.3, 1.75, 3.0)
"""UCSF's display classes: (0, 0.9] blue, purple, green, red, (1.75, 3] yellow, above: white."""


def percent_enhancement(pre: npt.NDArray[Any], post: npt.NDArray[Any]) -> Float:
    """Percent enhancement of a phase over the pre-contrast phase, ``100 (S1 - S0) / S0``.

    Parameters
    ----------
    pre, post : real, same shape, rescaled intensity, one grid

    Returns
    -------
    float32, same shape, percent; 0 where ``pre`` is 0

    Raises
    ------
    GeometryError("geometry.grids_differ")
    """
    require_one_grid(pre, post)
    s0, s1 = pre.astype(np.float32), post.astype(np.float32)
    enhancement = np.zeros_like(s0)
    np.divide(np.float32(100) * (s1 - s0), s0, out=enhancement, where=s0 != 0)
    return enhancement


def signal_enhancement_ratio(pre: npt.NDArray[Any], early: npt.NDArray[Any], late: npt.NDArray[Any]) -> Float:
    """Signal enhancement ratio: early over late percent enhancement; above 1 the contrast washes out.

    Parameters
    ----------
    pre, early, late : real, same shape, rescaled intensity, one grid

    Returns
    -------
    float32, same shape; where nothing is left of the enhancement in the late phase, 3 if there was any early, else 0

    Raises
    ------
    GeometryError("geometry.grids_differ")
    """
    first, second = percent_enhancement(pre, early), percent_enhancement(pre, late)
    ratio = np.where(first > 0, SER_HIGHEST, np.float32(0))
    np.divide(first, second, out=ratio, where=second != 0)
    return ratio


def stored_pe(enhancement: Float, tissue: Bool) -> npt.NDArray[np.int16]:
    """A percent enhancement map as the archive stores it: whole percent, ``trunc(max(PE, 0))`` in tissue, else 0."""
    whole = np.trunc(np.clip(enhancement, 0, np.iinfo(np.int16).max))
    return np.where(tissue, whole, 0).astype(np.int16)


def stored_ser(ratio: Float, mask: Bool) -> npt.NDArray[np.int16]:
    """A SER map as the archive stores it: thousandths, ``floor(1000 clip(SER, 0, 3) + 0.5)`` in the mask, else 0."""
    thousandths = np.floor(np.float32(1000) * np.clip(ratio, np.float32(0), SER_HIGHEST) + np.float32(0.5))
    return np.where(mask, thousandths, 0).astype(np.int16)


def ser_classes(ratio: Float, mask: Bool) -> dict[str, int]:
    """Voxels of the mask per display class of SER, ``"(0.9,1]"`` and so on, the last one ``">3"``."""
    inside = ratio[mask]
    counts = {}
    for low, high in itertools.pairwise(SER_CLASS_LIMITS):
        within = (inside > np.float32(low)) & (inside <= np.float32(high))
        counts[f"({low:g},{high:g}]"] = int(np.count_nonzero(within))
    counts[">3"] = int(np.count_nonzero(inside > SER_HIGHEST))
    return counts


def require_one_grid(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
    """Raise GeometryError("geometry.grids_differ") unless two arrays have one shape."""
    if first.shape != second.shape:
        raise GeometryError("geometry.grids_differ", found=tuple(second.shape), expected=tuple(first.shape))
