"""Segmentation objects become masks on the grid of their images: frames by position, pixels by index.

The archive's writers took a position for the corner of its voxel, so every frame lies half a pixel off; where
orientation, spacing and matrix agree, an offset of at most 0.51 pixel within the plane counts as none.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset

from tumordiff_core.dicom import pixels
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.errors import GeometryError, InputError
from tumordiff_core.imaging.geometry import Geometry

IN_PLANE_TOLERANCE_PIXELS = 0.51
SLICE_TOLERANCE = 0.1
DIRECTION_TOLERANCE = 1e-3
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Mask:
    """One segment on the grid of its images.

    Parameters
    ----------
    values : bool [slice, row, column]
    label : the content label, such as ``"SER_VOIMASK"``
    offset_pixels : largest offset within the plane that was taken for none
    """

    values: npt.NDArray[np.bool_]
    label: str
    description: str
    offset_pixels: float

    @property
    def voxels(self) -> int:
        """Voxels inside."""
        return int(np.count_nonzero(self.values))


def read_mask(path: Path, geometry: Geometry) -> Mask:
    """The mask of one segmentation file on the grid ``geometry``; slices without a frame are empty.

    A fractional mask is inside at half its maximum or more.

    Raises
    ------
    GeometryError("mask.other_grid"), MissingError("files.missing"), and InputError or UnsupportedError as reading
    headers and pixels says
    """
    header = read_header(path)
    data = _groups(path)
    if (header.get("Rows"), header.get("Columns")) != geometry.shape[1:]:
        raise _other_grid(path, f"{header.get('Rows')} x {header.get('Columns')} pixels")
    frames = _frames(data, path)
    inside = pixels.read_frames(header) >= max(float(data.get("MaximumFractionalValue") or 1) / 2, 1)
    values = np.zeros(geometry.shape, dtype=bool)
    largest = 0.0
    for frame, found in zip(frames, inside, strict=True):
        _require_same_axes(data, frame, geometry, path)
        k, *offset = geometry.to_index([float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient])
        place = round(float(k))
        off = max(abs(float(v)) for v in offset)
        if abs(k - place) > SLICE_TOLERANCE or off > IN_PLANE_TOLERANCE_PIXELS or not 0 <= place < geometry.shape[0]:
            raise _other_grid(path, f"a frame {off:.2f} pixels off, at slice {float(k) + 1:.2f}")
        values[place] |= found
        largest = max(largest, off)
    return Mask(values, str(data.get("ContentLabel", "")), str(data.get("SeriesDescription", "")), largest)


def _groups(path: Path) -> Dataset:
    """The data set without its pixels, which are decoded where all others are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, force=True, stop_before_pixels=True)
    except Exception as error:
        # pydicom raises whatever the broken byte led to: struct, recursion, memory, key, value errors.
        raise InputError("dicom.unreadable", path, name=path.name, reason="damaged inside") from error


def _frames(data: Dataset, path: Path) -> list[Dataset]:
    frames = list(data.get("PerFrameFunctionalGroupsSequence") or ())
    if len(frames) != int(data.get("NumberOfFrames", 1)) or not all("PlanePositionSequence" in f for f in frames):
        raise _other_grid(path, "frames without a position")
    return frames


def _require_same_axes(data: Dataset, frame: Dataset, geometry: Geometry, path: Path) -> None:
    shared = (data.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    orientation = _group(frame, shared, "PlaneOrientationSequence")
    measures = _group(frame, shared, "PixelMeasuresSequence")
    if orientation is not None:
        here = np.array([float(v) for v in orientation.ImageOrientationPatient])
        if np.abs(here - (*geometry.row_direction, *geometry.column_direction)).max() > DIRECTION_TOLERANCE:
            raise _other_grid(path, "another orientation")
    if measures is not None and "PixelSpacing" in measures:
        spacing = np.array([float(v) for v in measures.PixelSpacing])
        if np.abs(spacing - geometry.spacing_mm[1:]).max() > SPACING_TOLERANCE:
            raise _other_grid(path, f"{spacing[0]:g} x {spacing[1]:g} mm pixels")


def _group(frame: Dataset, shared: Dataset, name: str) -> Dataset | None:
    found = frame.get(name) or shared.get(name)
    return found[0] if found else None


def _other_grid(path: Path, found: str) -> GeometryError:
    return GeometryError("mask.other_grid", path, name=path.name, found=found)
