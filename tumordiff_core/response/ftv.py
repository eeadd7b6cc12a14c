"""Functional tumour volume by the I-SPY rule, with its volume of interest; numpy only, always on the CPU.

The order of the steps and float32 are part of the rule (verified against the study's own masks, 0 voxels differ).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.plugins.specs import Recorded
from tumordiff_core.response.enhancement import (
    Bool,
    Float,
    percent_enhancement,
    require_one_grid,
    signal_enhancement_ratio,
)

Index = tuple[int, int, int]
Box = tuple[Index, Index]
"""First and last voxel [slice, row, column], 0-based, end included."""

PERCENT_OF_MAXIMUM = 0.60
MAXIMUM_PERCENTILE = 95


@dataclass(frozen=True)
class Rule:
    """Which voxels count as tumour.

    Parameters
    ----------
    pe_threshold_percent : least early percent enhancement
    pre_contrast_threshold : least pre-contrast intensity (tissue); ``None``: taken from the images, see ``threshold``
    minimum_neighbours : least number of enhancing voxels among the 26 neighbours
    ser_threshold : least SER of the voxels counted in ``ser_voxels``
    """

    pe_threshold_percent: float = 70
    pre_contrast_threshold: float | None = None
    minimum_neighbours: int = 9
    ser_threshold: float = 0.9

    def for_continuous_values(self) -> "Rule":
        """The same rule for images that are not integers.

        Of integers, ``>= 47`` means ``>= 46.5`` of the continuous signal; without this, float images lose 1 % of
        the volume by the comparison alone.
        """
        if self.pre_contrast_threshold is None:
            return self
        return replace(self, pre_contrast_threshold=self.pre_contrast_threshold - 0.5)


@dataclass(frozen=True)
class Tumour:
    """What a rule finds in one visit.

    Parameters
    ----------
    mask : bool [slice, row, column], the tumour inside the volume of interest
    enhancing : the same before the volume of interest is applied
    tissue : voxels above the pre-contrast threshold
    ser : float32, signal enhancement ratio of every voxel
    threshold : the pre-contrast threshold used
    voxels, ser_voxels : voxels of the mask, and those of them with SER at or above its threshold
    """

    mask: Bool
    enhancing: Bool
    tissue: Bool
    ser: Float
    threshold: float
    voxels: int
    ser_voxels: int


def tumour(
    pre: npt.NDArray[Any],
    early: npt.NDArray[Any],
    late: npt.NDArray[Any],
    rule: Rule,
    *,
    voi: Box | None = None,
    omit: Sequence[Box] = (),
) -> Tumour:
    """The tumour of one visit by a rule.

    Parameters
    ----------
    pre, early, late : real [slice, row, column], rescaled intensity, one grid; not smoothed
    voi : volume of interest, ``None`` the whole volume
    omit : boxes taken out of it

    Raises
    ------
    GeometryError("geometry.grids_differ")
    """
    require_one_grid(pre, early)
    require_one_grid(pre, late)
    s0 = pre.astype(np.float32)
    threshold = rule.pre_contrast_threshold
    if threshold is None:
        threshold = tissue_threshold(s0, voi)
    tissue = s0 >= np.float32(threshold)
    candidates = tissue & (percent_enhancement(s0, early) >= np.float32(rule.pe_threshold_percent))
    enhancing = candidates & (neighbours(candidates) >= rule.minimum_neighbours)
    mask = enhancing & inside(enhancing.shape, voi, omit)
    ser = signal_enhancement_ratio(s0, early, late)
    washing_out = mask & (ser >= np.float32(rule.ser_threshold))
    return Tumour(mask, enhancing, tissue, ser, float(threshold), int(mask.sum()), int(washing_out.sum()))


def tissue_threshold(pre: npt.NDArray[Any], voi: Box | None = None) -> float:
    """Pre-contrast threshold where none is recorded: 60 % of the 95th percentile inside the VOI, truncated.

    Without a VOI the percentile is of all voxels above zero. The archive calls it PERCENT_MAX.
    """
    values = pre[inside(pre.shape, voi)] if voi is not None else pre[pre > 0]
    if values.size == 0:
        return 1.0
    return float(math.trunc(PERCENT_OF_MAXIMUM * float(np.percentile(values, MAXIMUM_PERCENTILE))))


def neighbours(candidates: Bool) -> npt.NDArray[np.int16]:
    """How many of its 26 neighbours are candidates, per voxel; outside the volume there is none."""
    padded = np.pad(candidates.astype(np.int16), 1)
    count = -candidates.astype(np.int16)
    slices, rows, columns = candidates.shape
    for k, r, c in itertools.product(range(3), repeat=3):
        count += padded[k : k + slices, r : r + rows, c : c + columns]
    return count


def inside(shape: tuple[int, ...], voi: Box | None, omit: Sequence[Box] = ()) -> Bool:
    """Voxels of the volume of interest that no omitted box covers, bool of ``shape``."""
    kept = np.full(shape, voi is None)
    if voi is not None:
        kept[_slices(voi)] = True
    for box in omit:
        kept[_slices(box)] = False
    return kept


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(max(first, 0), last + 1) for first, last in zip(*box, strict=True))


def rule_for(recorded: Recorded | None, pre: npt.NDArray[Any]) -> tuple[Rule, Box | None, tuple[Box, ...]]:
    """The rule, VOI and omitted boxes that a study records; I-SPY 1's own values where it records none.

    The threshold is fixed here, from the acquired pre-contrast phase, so that it is never recomputed from a
    denoised one.
    """
    if recorded is None:
        return Rule(pre_contrast_threshold=tissue_threshold(pre)), None, ()
    voi: Box | None = None
    if recorded.voi_start is not None and recorded.voi_end is not None:
        voi = (recorded.voi_start, recorded.voi_end)
    pe, least, threshold = recorded.pe_threshold_percent, recorded.minimum_neighbours, recorded.pre_contrast_threshold
    rule = Rule(
        pe_threshold_percent=Rule.pe_threshold_percent if pe is None else pe,
        pre_contrast_threshold=tissue_threshold(pre, voi) if threshold is None else threshold,
        minimum_neighbours=Rule.minimum_neighbours if least is None else least,
    )
    return rule, voi, recorded.omit


def on_integer_grid(values: npt.NDArray[Any]) -> Float:
    """Denoised values rounded to the integers of their source: what a rule recorded for integers may be applied to."""
    rounded: Float = np.rint(values).astype(np.float32)
    return rounded


def ftv_cc(mask: Bool, geometry: Geometry) -> float:
    """Volume of a mask in cc."""
    return int(np.count_nonzero(mask)) * geometry.voxel_cc


def dice(first: Bool, second: Bool) -> float:
    """Overlap of two masks, 0 to 1; two empty masks agree (1).

    Raises GeometryError("geometry.grids_differ").
    """
    require_one_grid(first, second)
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 1.0 if total == 0 else 2 * int(np.count_nonzero(first & second)) / total
