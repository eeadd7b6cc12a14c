"""Files that hold several slices become one header per slice: multi-frame objects and Siemens mosaics.

A slice's header is the file's header with the frame's own geometry, plus ``frame`` (from 0), ``frames`` (how many
the file holds), and for mosaics ``tile`` (first row, first column) with ``whole`` (rows, columns of the file).
"""

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from tumordiff_core.dicom.headers import declared_bytes, present_bytes
from tumordiff_core.errors import InputError, MissingError, UnsupportedError
from tumordiff_core.plugins.specs import Header

MOST_FRAMES = 100_000
_PLACES = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_GROUPS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth"),
}


def split(headers: Iterable[Header]) -> list[Header]:
    """Headers of single slices; a file of one slice keeps its own.

    Raises UnsupportedError("dicom.mosaic"), InputError("dicom.unreadable", "dicom.frame_table",
    "dicom.declares_too_much").
    """
    found: list[Header] = []
    for header in headers:
        if is_mosaic(header):
            found += _tiles(header)
        elif _count(header) > 1 or header.get("SOPClassUID") in ENHANCED:
            found += _frames(header)
        else:
            found.append(header)
    return found


ENHANCED = {"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4", "1.2.840.10008.5.1.4.1.1.2.1"}
"""Enhanced MR, legacy converted enhanced MR, enhanced CT: their geometry stands in functional groups."""


def _count(header: Header) -> int:
    count = header.get("NumberOfFrames", 1)
    return count if isinstance(count, int) else 1


def is_mosaic(header: Header) -> bool:
    """Whether a file is a Siemens mosaic: all slices of a volume as tiles of one picture."""
    kind = header.get("ImageType")
    return isinstance(kind, tuple) and "MOSAIC" in kind


def _tiles(header: Header) -> list[Header]:
    """The slices of a mosaic; its position is the corner of the whole picture around the first tile's centre."""
    path = Path(header["path"])
    count = header.get("MosaicSlices")
    if not isinstance(count, int) or count < 1:
        raise UnsupportedError("dicom.mosaic", path, name=path.name)
    side = math.ceil(math.sqrt(count))
    rows, columns = int(header["Rows"]) // side, int(header["Columns"]) // side
    made: list[Header] = []
    for k in range(count):
        tile = (k // side * rows, k % side * columns)
        one: dict[str, Any] = {
            **header, "frame": 0, "frames": 1, "tile": tile, "whole": (header["Rows"], header["Columns"]),
            "Rows": rows, "Columns": columns,
        }  # fmt: skip
        place = _tile_position(header, rows, columns, k)
        if place is not None:
            one["ImagePositionPatient"] = place
        made.append(one)
    return made


def _tile_position(header: Header, rows: int, columns: int, k: int) -> tuple[float, ...] | None:
    try:
        position, orientation, spacing = (np.asarray(header[keyword], dtype=float) for keyword in _PLACES)
        row, column = orientation[:3], orientation[3:]
        corner = position + row * spacing[1] * (header["Columns"] - columns) / 2
        corner = corner + column * spacing[0] * (header["Rows"] - rows) / 2
        step = float(header.get("SpacingBetweenSlices") or header["SliceThickness"])
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return tuple((corner + k * step * np.cross(row, column)).tolist())


def _frames(header: Header) -> list[Header]:
    """The frames of a multi-frame object in the order of their dimension indices."""
    path, count = Path(header["path"]), _count(header)
    if not 0 < count <= MOST_FRAMES or (count > 1 and "dicom.pixels_cut" in header.get("remarks", ())):
        raise InputError(
            "dicom.declares_too_much", path, name=path.name, declared_gb=f"{declared_bytes(header) / 1e9:.3g}",
            found_mb=f"{present_bytes(header) / 1e6:.3g}",
        )  # fmt: skip
    data = _groups(path)
    own = list(data.get("PerFrameFunctionalGroupsSequence") or ())
    if own and len(own) != count:
        raise InputError("dicom.frame_table", path, name=path.name, found=len(own), expected=count)
    shared = (data.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    table = tuple(np.frombuffer(data.get("ExtendedOffsetTable") or b"", dtype="<u8").tolist())
    made = [_frame(header, count, n, own[n] if own else None, shared, table) for n in range(count)]
    order = sorted(range(count), key=lambda n: (_dimensions(own[n]) if own else (), n))
    for rank, n in enumerate(order):
        made[n]["InstanceNumber"] = rank + 1
    return [made[n] for n in order]


def _groups(path: Path) -> Dataset:
    wanted = [*_GROUPS, "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "ExtendedOffsetTable"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=wanted)
            # Looked into here, where a damaged item is still one sentence.
            list(data.iterall())
            return data
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except Exception as error:
        # pydicom raises whatever the broken byte led to.
        raise InputError("dicom.unreadable", path, name=path.name, reason="its frame groups are damaged") from error


def _frame(
    header: Header, count: int, number: int, own: Dataset | None, shared: Dataset, table: tuple[int, ...]
) -> dict[str, Any]:
    one = {**header, "NumberOfFrames": 1, "frame": number, "frames": count, "offset_table": table}
    if count > 1 or own is not None:
        # A position of the whole file is not the place of each of its frames.
        for keyword in _PLACES[:1]:
            one.pop(keyword, None)
    for group, keywords in _GROUPS.items():
        found = ((own.get(group) if own is not None else None) or shared.get(group) or [None])[0]
        for keyword in keywords:
            value = None if found is None else _value(found.get(keyword))
            if value is not None:
                one[keyword] = value
    content = (own.get("FrameContentSequence") or [None])[0] if own is not None else None
    if content is not None:
        moment = str(content.get("FrameAcquisitionDateTime") or content.get("FrameReferenceDateTime") or "")
        if len(moment) >= 14:
            one["AcquisitionDate"], one["AcquisitionTime"] = moment[:8], moment[8:].split("+")[0].split("-")[0]
        if content.get("TemporalPositionIndex") is not None:
            one["TemporalPositionIdentifier"] = int(content.TemporalPositionIndex)
    return one


def _value(found: Any) -> Any:
    """Numbers as floats or tuples of them, text as text."""
    if found is None or found == "":
        return None
    if isinstance(found, str):
        return found
    try:
        if hasattr(found, "__iter__"):
            return tuple(float(v) for v in found)
        return float(found)
    except (TypeError, ValueError):
        return None


def _dimensions(own: Dataset) -> tuple[int, ...]:
    """The temporal position, then the dimension indices: files in this order interleave no phases."""
    content = (own.get("FrameContentSequence") or [Dataset()])[0]
    indices = content.get("DimensionIndexValues") or ()
    listed = tuple(int(v) for v in (indices if isinstance(indices, Iterable) else (indices,)))
    return (int(content.get("TemporalPositionIndex") or 0), *listed)
