"""Files that hold several slices become one header per slice: multi-frame objects and Siemens mosaics.

A slice's header is the file's header with the frame's own geometry, plus ``piece`` (its number in the file, from 0),
``frame`` and ``frames`` (where its pixels lie, and how many the file holds), and for mosaics
``tile`` (first row, first column) with ``whole`` (rows, columns of the file).
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tumordiff_core.dicom import frame_table, order
from tumordiff_core.dicom.frame_table import ENHANCED
from tumordiff_core.dicom.headers import declared_bytes, present_bytes
from tumordiff_core.errors import InputError, MissingError, TumorDiffError, UnsupportedError
from tumordiff_core.plugins.specs import Header

MOST_FRAMES = 100_000
_PLACES = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


def split(headers: Iterable[Header]) -> list[Header]:
    """Headers of single slices; a file of one slice, and what was split already, keeps its own.

    Raises UnsupportedError("dicom.mosaic"), InputError("dicom.unreadable", "dicom.frame_table",
    "dicom.declares_too_much").
    """
    found: list[Header] = []
    for header in headers:
        if "piece" in header:
            found.append(header)
        elif is_mosaic(header):
            found += _tiles(header)
        elif _count(header) > 1 or header.get("SOPClassUID") in ENHANCED:
            found += _frames(header)
        else:
            found.append(header)
    return found


def listed(header: Header) -> list[Header]:
    """The slices of a file as far as its header tells them, without opening it; else the header alone.

    What is wrong with the frames of a file is said when they are read.
    """
    if frame_table.KEYWORD not in header and not is_mosaic(header):
        return [header]
    try:
        return split([header])
    except TumorDiffError:
        return [header]


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
            **header, "frame": 0, "frames": 1, "piece": k, "tile": tile, "whole": (header["Rows"], header["Columns"]),
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
    """The frames of a multi-frame object in the order of their dimension indices, numbered on from file to file."""
    path, count = Path(header["path"]), _count(header)
    if not 0 < count <= MOST_FRAMES or (count > 1 and "dicom.pixels_cut" in header.get("remarks", ())):
        raise InputError(
            "dicom.declares_too_much", path, name=path.name, declared_gb=f"{declared_bytes(header) / 1e9:.3g}",
            found_mb=f"{present_bytes(header) / 1e6:.3g}",
        )  # fmt: skip
    table = _table(header, path)
    own = table["frames"]
    if own and len(own) != count:
        raise InputError("dicom.frame_table", path, name=path.name, found=len(own), expected=count)
    common = {**header, **table["shared"], "NumberOfFrames": 1, "frames": count, "offset_table": table["offsets"]}
    common.pop(frame_table.KEYWORD, None)
    if count > 1 or own:
        # A position of the whole file is not the place of each of its frames.
        common.pop(_PLACES[0], None)
    number = header.get("InstanceNumber")
    before = (number - 1) * MOST_FRAMES if isinstance(number, int) and number > 0 else 0
    ordered = sorted(range(count), key=lambda n: (own[n]["order"] if own else (), n))
    made = [
        _frame({**common, **(own[n] if own else {}), "frame": n, "piece": n, "InstanceNumber": before + rank + 1})
        for rank, n in enumerate(ordered)
    ]
    if len({one.get("AcquisitionTime") for one in made}) == 1:
        _count_from_offsets(made)
    return list(made)


def _table(header: Header, path: Path) -> dict[str, Any]:
    packed = header.get(frame_table.KEYWORD)
    if packed:
        return frame_table.unpacked(str(packed))
    try:
        return frame_table.read(path)
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except Exception as error:
        # pydicom raises whatever the broken byte led to.
        raise InputError("dicom.unreadable", path, name=path.name, reason="its frame groups are damaged") from error


def _frame(one: dict[str, Any]) -> dict[str, Any]:
    """A frame's header under the keywords of single slices."""
    one.pop("order", None)
    if one.get("FrameLaterality") in ("L", "R"):
        one["ImageLaterality"] = one["FrameLaterality"]
    return one


def _count_from_offsets(made: list[dict[str, Any]]) -> None:
    """Acquisition times from the offsets of the temporal positions, where all frames name one moment or none."""
    begin = order.seconds_of(made[0].get("AcquisitionTime") or made[0].get("ContentTime")) or 0.0
    for one in made:
        offset_s = one.get("TemporalPositionTimeOffset")
        if isinstance(offset_s, float):
            minutes, seconds = divmod(begin + offset_s, 60)
            one["AcquisitionTime"] = f"{int(minutes // 60):02}{int(minutes % 60):02}{seconds:09.6f}"
