"""Enhanced multi-frame MR objects: all slices and phases of a dynamic acquisition in one file."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from tests.generators import dicom_base

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def enhanced(
    path: Path, *, slices: int = 4, phases: int = 2, shuffle: bool = True, begins_s: tuple[int, ...] = (),
    timed_by: Literal["moments", "offsets"] = "moments", first_phase: int = 0, **names: Any,
) -> npt.NDArray[np.int16]:  # fmt: skip
    """An enhanced MR object whose frames lie in no order; its stored values [phase, slice, row, column].

    Rescaled values are twice the stored ones plus 1. ``begins_s`` are the seconds at which phases begin (an hour
    apart by default), told by each frame's moment or by the offsets of the temporal positions; ``names`` go to
    ``dicom_base.base``.
    """
    numbers = range(first_phase, first_phase + phases)
    values = np.stack([[dicom_base.slice_values(p, k) for k in range(slices)] for p in numbers])
    data = dicom_base.base(**names)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(data, keyword)
    shared, orientation, measures, change = (Dataset() for _ in range(4))
    orientation.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    measures.PixelSpacing, measures.SliceThickness = list(dicom_base.SPACING_MM[1:]), dicom_base.SPACING_MM[0]
    change.RescaleSlope, change.RescaleIntercept, change.RescaleType = 2.0, 1.0, "US"
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    shared.PixelValueTransformationSequence = [change]
    data.SharedFunctionalGroupsSequence = [shared]
    order = [(p, k) for k in range(slices) for p in range(phases)]
    if shuffle:
        order = [order[n] for n in np.random.default_rng(3).permutation(len(order))]
    begins = begins_s or tuple(3600 * p for p in range(phases))
    data.PerFrameFunctionalGroupsSequence = [_groups(p + first_phase, k, begins[p], timed_by) for p, k in order]
    data.NumberOfFrames = len(order)
    data.PixelData = np.stack([values[p, k] for p, k in order]).tobytes()
    dicom_base.save(data, path)
    return values


def _groups(phase: int, number: int, begin_s: int, timed_by: str) -> Dataset:
    own, content, plane, temporal = (Dataset() for _ in range(4))
    content.DimensionIndexValues, content.TemporalPositionIndex = [1, number + 1, phase + 1], phase + 1
    if timed_by == "moments":
        content.FrameAcquisitionDateTime = (
            f"19850110{10 + begin_s // 3600:02}{begin_s % 3600 // 60:02}{begin_s % 60:02}"
        )
        content.FrameAcquisitionDuration = 90_000.0
    else:
        temporal.TemporalPositionTimeOffset = float(begin_s)
        own.TemporalPositionSequence = [temporal]
    plane.ImagePositionPatient = [
        dicom_base.ORIGIN_MM[0] - dicom_base.SPACING_MM[0] * number, *dicom_base.ORIGIN_MM[1:]
    ]  # fmt: skip
    own.FrameContentSequence, own.PlanePositionSequence = [content], [plane]
    return own
