"""What UCSF's analysis wrote into its private group 0117: rule, box, timing, tumour volumes, quality scores.

It must not know which collection a file belongs to; element numbers by the dicom3tools dictionary.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from tumordiff_core.dicom.order import seconds_of
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.plugins.specs import Header, PublishedVolume

GROUP = 0x0117
CREATOR = "UCSF BIRP PRIVATE CREATOR 011710xx"
_BLOCKS = range(0x10, 0x20)
_ELEMENTS = (0x10, 0x20, 0x22, 0x24, 0x30, 0x31, 0x33, 0x34, 0x35, 0x3B, 0xA1, 0xA2, 0xB0, 0xC5)
_WANTED: list[int | str | tuple[int, int]] = [
    "SpecificCharacterSet", "ContentLabel", "SourceImageSequence",
    *((GROUP, block) for block in _BLOCKS), *((GROUP, block << 8 | e) for block in _BLOCKS for e in _ELEMENTS),
]  # fmt: skip
Corner = tuple[int, int, int]
"""One voxel as [slice, row, column], 0-based."""


@dataclass(frozen=True)
class LpsBox:
    """A box in patient millimetres: its centre and its half sides as vectors."""

    centre_mm: tuple[float, float, float]
    halves_mm: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Analysis:
    """One file's record of the analysis; what it does not say is ``None`` or empty.

    ``sources`` are the SOP instance UIDs of the images it was computed from; ``early`` and ``late`` are phases from
    0 (before contrast); ``effective_s`` are seconds after injection per phase.
    """

    parameters: Mapping[str, str | float | int] = field(default_factory=dict)
    voi_start: Corner | None = None
    voi_end: Corner | None = None
    boxes: tuple[LpsBox, ...] = ()
    omit: tuple[LpsBox, ...] = ()
    quality: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    total_phases: int | None = None
    duration_s: float | None = None
    injection_s: float | None = None
    effective_s: tuple[float, ...] = ()
    timing: tuple[int, ...] = ()
    timing_comment: str = ""
    published: tuple[PublishedVolume, ...] = ()
    compliance: str = ""
    content_label: str = ""
    sources: tuple[str, ...] = ()

    def number(self, name: str) -> float | None:
        """A parameter that is a number, ``None`` where it was not recorded."""
        found = self.parameters.get(name)
        return float(found) if isinstance(found, int | float) else None


def of_header(header: Header) -> Analysis:
    """The record in the file that a header was read from, remembered while the file is the same.

    Raises MissingError("files.missing"), InputError("dicom.unreadable").
    """
    return _remembered(str(header["path"]), header.get("size"), header.get("mtime_ns"))


@lru_cache(maxsize=64)
def _remembered(path: str, size: object, mtime_ns: object) -> Analysis:
    return read(Path(path))


def read(path: Path) -> Analysis:
    """The record in one file; an empty one where the file has no group 0117.

    Raises MissingError("files.missing"), InputError("dicom.unreadable").
    """
    if not path.is_file():
        raise MissingError("files.missing", path, name=path.name)
    try:
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_WANTED)
        return analysis(data)
    except Exception as error:
        # pydicom raises whatever the broken byte led to: struct, recursion, memory, key, value errors.
        raise InputError("dicom.unreadable", path, name=path.name, reason="damaged inside") from error


def analysis(data: Dataset) -> Analysis:
    """The record in one data set; the block is found by its creator, not by a fixed number."""
    sources = tuple(str(item.ReferencedSOPInstanceUID) for item in data.get("SourceImageSequence") or ())
    label = str(data.get("ContentLabel", ""))
    if GROUP not in {element.tag.group for element in data if element.tag.is_private}:
        return Analysis(content_label=label, sources=sources)
    start, end = _corner(data, 0xA1), _corner(data, 0xA2)
    return Analysis(
        dict(_parameters(_items(data, 0x10))), start, end,
        tuple(_boxes(_items(data, 0x20))), tuple(_boxes(_items(data, 0x22))), dict(_quality(_items(data, 0x24))),
        _whole(data, 0x30), _real(data, 0x31), seconds_of(_value(data, 0x33)) if _value(data, 0x33) else None,
        tuple(float(v) for v in _several(data, 0x34)), tuple(int(v) for v in _several(data, 0x35)),
        str(_value(data, 0x3B) or ""), tuple(_volumes(_items(data, 0xB0))), str(_value(data, 0xC5) or ""),
        label, sources,
    )  # fmt: skip


def _value(data: Dataset, element: int) -> Any:
    try:
        return data.private_block(GROUP, CREATOR)[element].value
    except KeyError:
        return None


def _items(data: Dataset, element: int) -> Iterable[Dataset]:
    found = _value(data, element)
    return found if isinstance(found, pydicom.Sequence) else ()


def _several(data: Dataset, element: int) -> tuple[Any, ...]:
    found = _value(data, element)
    if found is None or found == "":
        return ()
    return tuple(found) if hasattr(found, "__iter__") and not isinstance(found, str | bytes) else (found,)


def _whole(data: Dataset, element: int) -> int | None:
    found = _several(data, element)
    return int(found[0]) if found else None


def _real(data: Dataset, element: int) -> float | None:
    found = _several(data, element)
    return float(found[0]) if found else None


def _corner(data: Dataset, element: int) -> Corner | None:
    """Stored as column, row, slice."""
    found = _several(data, element)
    return (int(found[2]), int(found[1]), int(found[0])) if len(found) == 3 else None


def _parameters(items: Iterable[Dataset]) -> Iterable[tuple[str, str | float | int]]:
    """The value stands in an element of its own per type: text, whole number or real number."""
    for item in items:
        name = str(_value(item, 0x14) or "")
        text, whole, real = _value(item, 0x1A), _whole(item, 0x19), _real(item, 0x18)
        found = whole if whole is not None else real if real is not None else text
        if name and found is not None:
            yield name, found


def _boxes(items: Iterable[Dataset]) -> Iterable[LpsBox]:
    for item in items:
        # Flag 0 is a box that the reader switched off.
        if _whole(item, 0x41) == 0:
            continue
        centre, *halves = (tuple(float(v) for v in _several(item, e)[:3]) for e in (0x42, 0x43, 0x44, 0x45))
        if all(len(vector) == 3 for vector in (centre, *halves)):
            yield LpsBox(centre, tuple(halves))  # type: ignore[arg-type]


def _quality(items: Iterable[Dataset]) -> Iterable[tuple[str, tuple[float, str]]]:
    for item in items:
        score = _real(item, 0xC2)
        if score is not None:
            yield str(_value(item, 0xC1) or ""), (score, str(_value(item, 0xC3) or ""))


def _volumes(items: Iterable[Dataset]) -> Iterable[PublishedVolume]:
    for item in items:
        lowest, highest, voxels, cc = (_real(item, e) for e in (0xB1, 0xB2, 0xB3, 0xB4))
        if voxels is not None and cc is not None:
            yield PublishedVolume(str(_value(item, 0xB5) or ""), lowest or 0.0, highest or 0.0, int(voxels), cc)


def corners(box: LpsBox, geometry: Geometry, *, offset_pixels: float = 0.5) -> tuple[Corner, Corner]:
    """First and last voxel inside a box, both included.

    The box was computed from an origin ``offset_pixels`` behind the image's own, along rows and columns: its writers
    took the position in the file for the voxel's corner. Faces then lie on voxel edges.
    """
    signs = np.array(list(product((-1, 1), repeat=3)))
    points = geometry.to_index(np.asarray(box.centre_mm) + signs @ np.asarray(box.halves_mm))
    shift = np.array((0.0, offset_pixels, offset_pixels))
    start = np.rint(points.min(axis=0) - shift + 0.5).astype(int).tolist()
    end = np.rint(points.max(axis=0) - shift - 0.5).astype(int).tolist()
    return (start[0], start[1], start[2]), (end[0], end[1], end[2])
