"""One tumour over several visits: what is measured at each, and how it changed since baseline and since its nadir."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.response import ftv, size
from tumordiff_core.response.enhancement import Bool, Float, ser_classes

KINETIC_LIMITS = (0.9, 1.1)
"""Persistent up to and including the first, washout above the second, plateau between; reports differ, so name them."""


@dataclass(frozen=True)
class Measures:
    """What one visit shows.

    Parameters
    ----------
    tumour : masks, SER and voxel counts by the rule
    ftv_pe_cc, ftv_ser_cc : functional tumour volume by PE alone, and by PE and SER
    longest_mm, in_plane_mm : longest diameter of the largest part, in space and within one slice
    slice_index : the slice of the in-plane diameter, -1 without a tumour
    classes : voxels of the tumour per display class of SER
    kinetics_percent : share of the tumour that is persistent, plateau and washout
    """

    tumour: ftv.Tumour
    ftv_pe_cc: float
    ftv_ser_cc: float
    longest_mm: float
    in_plane_mm: float
    slice_index: int
    classes: dict[str, int]
    kinetics_percent: dict[str, float]


def measure(
    phases: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]],
    geometry: Geometry,
    rule: ftv.Rule,
    *,
    voi: ftv.Box | None = None,
    omit: Sequence[ftv.Box] = (),
) -> Measures:
    """Everything the response table says about one visit.

    Parameters
    ----------
    phases : pre, early and late, real [slice, row, column], rescaled intensity
    geometry : their grid

    Raises
    ------
    GeometryError("geometry.grids_differ")
    """
    found = ftv.tumour(*phases, rule, voi=voi, omit=omit)
    in_plane_mm, slice_index = size.longest_in_plane_mm(found.mask, geometry)
    return Measures(
        found,
        ftv_pe_cc=found.voxels * geometry.voxel_cc,
        ftv_ser_cc=found.ser_voxels * geometry.voxel_cc,
        longest_mm=size.longest_diameter_mm(found.mask, geometry),
        in_plane_mm=in_plane_mm,
        slice_index=slice_index,
        classes=ser_classes(found.ser, found.mask),
        kinetics_percent=kinetics_percent(found.ser, found.mask),
    )


def kinetics_percent(ratio: Float, mask: Bool) -> dict[str, float]:
    """Share of a mask's voxels in percent by what they do late: ``persistent``, ``plateau``, ``washout``."""
    inside = ratio[mask]
    if inside.size == 0:
        return {"persistent": 0.0, "plateau": 0.0, "washout": 0.0}
    low, high = (np.float32(limit) for limit in KINETIC_LIMITS)
    persistent, washout = (float(np.mean(part) * 100) for part in (inside <= low, inside > high))
    return {"persistent": persistent, "plateau": 100.0 - persistent - washout, "washout": washout}


def change_percent(before: float | None, after: float | None) -> float | None:
    """Change from ``before`` to ``after`` in percent; ``None`` where one is missing or ``before`` is 0."""
    if before is None or after is None or before == 0:
        return None
    return 100.0 * (after - before) / before


def changes(values: Sequence[float | None]) -> list[tuple[float | None, float | None]]:
    """For each visit its change in percent from the first visit and from the smallest value before it (the nadir).

    The first visit has neither; where the first visit is missing nothing can be said about baseline.
    """
    found: list[tuple[float | None, float | None]] = []
    for n, value in enumerate(values):
        earlier = [v for v in values[:n] if v is not None]
        nadir = min(earlier, default=None)
        found.append((change_percent(values[0], value) if n else None, change_percent(nadir, value)))
    return found
