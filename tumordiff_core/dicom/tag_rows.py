"""All tags of one file as rows of text for the tag viewer; nothing is left out and nothing is cut."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

from tumordiff_core.errors import InputError, MissingError

Row = tuple[int, str, str, str, str]
MOST_ROWS = 100_000
_SHOWN_BYTES = 32


def read(path: Path) -> list[Row]:
    """Rows (depth, "(gggg,eeee)", VR, name, value) of one file, file meta first, sequences opened.

    Raises MissingError("files.missing"), InputError("dicom.not_dicom", "dicom.too_deep", "dicom.unreadable").
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, force=True, defer_size="1 MB")
            rows = [*_walk(data.file_meta), *_walk(data)] if hasattr(data, "file_meta") else list(_walk(data))
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except RecursionError as error:
        raise InputError("dicom.too_deep", path, name=path.name) from error
    except Exception as error:
        # pydicom raises whatever the broken byte led to.
        raise InputError("dicom.unreadable", path, name=path.name, reason="damaged inside") from error
    if not rows:
        raise InputError("dicom.not_dicom", path, name=path.name)
    return rows[:MOST_ROWS]


def _walk(data: pydicom.Dataset) -> Iterator[Row]:
    """Depth first without recursion: nesting is as deep as a stranger likes."""
    waiting: list[tuple[int, Iterator[Any]]] = [(0, iter(sorted(data.keys())))]
    sets = [data]
    while waiting:
        depth, tags = waiting[-1]
        tag = next(tags, None)
        if tag is None:
            waiting.pop()
            sets.pop()
            continue
        if isinstance(tag, pydicom.Dataset):
            yield (depth, "(FFFE,E000)", "", "Item", "")
            waiting.append((depth + 1, iter(sorted(tag.keys()))))
            sets.append(tag)
            continue
        element, trouble = _element(sets[-1], tag)
        if element is None:
            yield (depth, _tag(tag), "", "", trouble)
        elif element.VR == "SQ":
            yield (depth, _tag(tag), "SQ", _name(element), f"{len(element.value)} items")
            waiting.append((depth + 1, iter(list(element.value))))
            sets.append(sets[-1])
        else:
            yield (depth, _tag(tag), str(element.VR), _name(element), _text(element))


def _element(data: pydicom.Dataset, tag: Any) -> tuple[DataElement | None, str]:
    try:
        return data[tag], ""
    except RecursionError:
        raise
    except Exception as error:
        # One value that does not parse is shown as such; the others stay.
        return None, f"not readable: {type(error).__name__}"


def _tag(tag: Any) -> str:
    return f"({tag.group:04X},{tag.element:04X})"


def _name(element: DataElement) -> str:
    return str(element.keyword or element.name.strip("[]"))


def _text(element: DataElement) -> str:
    value = element.value
    if isinstance(value, bytes | bytearray):
        start = " ".join(f"{byte:02X}" for byte in value[:_SHOWN_BYTES])
        return f"{len(value)} bytes: {start}" + (" ..." if len(value) > _SHOWN_BYTES else "") if value else ""
    if isinstance(value, MultiValue | list):
        return "\\".join(str(part) for part in value)
    return "" if value is None else str(value)
