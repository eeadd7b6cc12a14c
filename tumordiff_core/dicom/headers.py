"""Read the header of one file into the catalogue's tags: a strict fast way, and pydicom wherever there is doubt."""

import os
import stat
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.multival import MultiValue
from pydicom.uid import UID

from tumordiff_core.dicom.tags import PRIVATE, WANTED, Doubt, value
from tumordiff_core.dicom.walk import NATIVE, Layout, Memo, NeedMore
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.plugins.specs import Header

WINDOW = 16 * 1024
INFLATED_LIMIT = 64_000_000
DEFLATED = "1.2.840.10008.1.2.1.99"
_SEQUENCE_END = bytes.fromhex("feffdde000000000")
_memo = Memo()


def read_header(
    path: Path, *, memo: Memo | None = None, doubtful: Callable[[Path], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The catalogue tags of one file by keyword, and where its pixels lie.

    Beside the keywords of ``dicom/tags.py`` the record holds ``path, size, mtime_ns, TransferSyntaxUID,
    pixel_offset, pixel_length`` (-1 encapsulated, 0 none) and ``remarks``, codes of what is odd about the file.

    Parameters
    ----------
    doubtful : reads what the strict way leaves; ``None`` for pydicom in this process

    Raises
    ------
    InputError with a ``dicom.`` code, MissingError("files.missing")
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except OSError as error:
        raise _unreadable(path, error.strerror or "no access") from error
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise _unreadable(path, "not a regular file")
        header = _read(file, facts.st_size, path, memo or _memo, doubtful or read_with_pydicom)
    except OSError as error:
        raise _unreadable(path, error.strerror or "no access") from error
    finally:
        os.close(file)
    header.update(path=str(path), size=facts.st_size, mtime_ns=facts.st_mtime_ns)
    _require_identity(header, path)
    return header


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError("dicom.unreadable", path, name=path.name, reason=reason)


def _read(
    file: int, size: int, path: Path, memo: Memo, doubtful: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    if size == 0:
        raise InputError("dicom.empty_file", path, name=path.name)
    try:
        window, layout = _layout(file, size, path, memo)
        header = _values(window, layout)
        _check_pixels(header, file, size, path)
        return header
    except Doubt:
        return doubtful(path)


def _layout(file: int, size: int, path: Path, memo: Memo) -> tuple[bytes, Layout]:
    window = os.read(file, WINDOW)
    if size == 132 and window[128:] == b"DICM":
        raise InputError("dicom.only_signature", path, name=path.name)
    while True:
        try:
            return window, memo.find(window, size, path)
        except NeedMore:
            more = os.read(file, 3 * len(window))
            if not more:
                raise Doubt from None
            window += more


def _values(window: bytes, layout: Layout) -> dict[str, Any]:
    header: dict[str, Any] = {"TransferSyntaxUID": layout.syntax}
    character_set = ""
    for keyword, vr, offset, length in layout.values:
        found = value(vr, window[offset : offset + length], character_set)
        if found is None:
            continue
        header[keyword] = found
        if keyword == "SpecificCharacterSet":
            if not isinstance(found, str):
                raise Doubt
            character_set = found
    header["pixel_offset"], header["pixel_length"] = layout.pixel_offset, layout.pixel_length
    return header


def declared_bytes(header: Header) -> int:
    """Bytes that the image tags announce for native pixels; 0 where a tag is missing or impossible."""
    try:
        bits = int(header["BitsAllocated"])
        values = int(header["Rows"]) * int(header["Columns"]) * int(header.get("SamplesPerPixel", 1))
        return (values * int(header.get("NumberOfFrames", 1)) * bits + 7) // 8
    except (KeyError, TypeError, ValueError):
        return 0


def _check_pixels(header: dict[str, Any], file: int, size: int, path: Path) -> None:
    """Native pixels must be as long as announced and end the file; encapsulated ones must be closed."""
    offset, length = header["pixel_offset"], header["pixel_length"]
    if header.get("NumberOfFrames", 1) != 1:
        raise Doubt
    if length < 0:
        os.lseek(file, max(size - 8, 0), os.SEEK_SET)
        if os.read(file, 8) != _SEQUENCE_END:
            raise Doubt
    elif offset + length > size:
        if length != declared_bytes(header):
            raise InputError("dicom.pixels_absurd", path, name=path.name, claimed=length, bytes=size)
        header["remarks"] = ("dicom.pixels_cut",)
    elif length != declared_bytes(header) or offset + length != size:
        raise Doubt


def _require_identity(header: Header, path: Path) -> None:
    missing = [k for k in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID") if not header.get(k)]
    if missing:
        raise InputError("dicom.no_identity", path, name=path.name, missing=" and ".join(missing))


def read_with_pydicom(path: Path) -> dict[str, Any]:
    """The same record by pydicom: slower, and patient with what is unusual.

    Raises InputError with a ``dicom.`` code.
    """
    with path.open("rb") as file:
        whole, deflated = _opened(file, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                data = _dcmread(whole, path)
            except InputError:
                raise
            except Exception as error:
                # pydicom raises whatever the broken byte led to: struct, recursion, memory, key errors.
                raise _unreadable(path, "damaged inside") from error
            header = _normal_values(data)
        syntax = (
            DEFLATED
            if deflated
            else str(data.file_meta.get("TransferSyntaxUID", ""))
            if hasattr(data, "file_meta")
            else ""
        )
        header["TransferSyntaxUID"] = syntax or ("1.2.840.10008.1.2" if data.is_implicit_VR else "1.2.840.10008.1.2.1")
        _find_pixels(header, whole, path, little=bool(data.is_little_endian))
    return header


def _opened(file: BinaryIO, path: Path) -> tuple[BinaryIO, bool]:
    """The file, or for a deflated one a copy in memory that never inflates beyond the limit."""
    start = file.read(400)
    file.seek(0)
    if start[128:132] == b"DICM" and DEFLATED.encode() in start:
        meta_end = 144 + int.from_bytes(start[140:144], "little")
        content = file.read()
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            inflated = inflater.decompress(content[meta_end:], INFLATED_LIMIT)
        except zlib.error as error:
            raise _unreadable(path, "its packed part is damaged") from error
        if inflater.unconsumed_tail:
            raise InputError("dicom.unpacks_too_far", path, name=path.name, limit_mb=INFLATED_LIMIT // 1_000_000)
        # As explicit little endian with the packed syntax in its meta: pydicom would inflate a second time.
        return BytesIO(content[:meta_end].replace(DEFLATED.encode(), b"1.2.840.10008.1.2.1\0\0\0") + inflated), True
    return file, False


def _dcmread(file: BinaryIO, path: Path) -> pydicom.Dataset:
    start = file.read(132)
    file.seek(0)
    tags: list[Any] = [*WANTED]
    for group, _, element in PRIVATE:
        tags += [group << 16 | 0x0010, group << 16 | 0x1000 | element]
    if start[128:] == b"DICM":
        return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags)
    if start[:2] not in (b"\x08\x00", b"\x02\x00"):
        raise InputError("dicom.not_dicom", path, name=path.name)
    data = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=tags, force=True)
    known = UID(str(data.get("SOPClassUID", "")))
    if known.name == str(known):
        raise InputError("dicom.not_dicom", path, name=path.name)
    return data


def _normal_values(data: pydicom.Dataset) -> dict[str, Any]:
    header: dict[str, Any] = {}
    bad: list[str] = []
    for tag, (keyword, _) in WANTED.items():
        if tag not in data:
            continue
        try:
            found = _normal(data[tag].value)
        except Exception:
            # One value that does not parse must not cost the file.
            bad.append(keyword)
            continue
        if found is not None:
            header[keyword] = found
    for (group, creator, element), (name, _) in PRIVATE.items():
        try:
            header[name] = _normal(data.private_block(group, creator)[element].value)
        except (KeyError, ValueError, TypeError):
            continue
    if bad:
        header["remarks"] = ("dicom.bad_number",)
    return header


def _normal(found: Any) -> Any:
    if isinstance(found, MultiValue | list | tuple):
        values = tuple(_normal(v) for v in found)
        return None if not values or all(v is None for v in values) else tuple("" if v is None else v for v in values)
    if isinstance(found, int) and not isinstance(found, bool):
        return int(found)
    if hasattr(found, "as_integer_ratio"):
        return float(found)
    if found is None or isinstance(found, bytes | pydicom.Sequence):
        return None
    return str(found).strip(" \0") or None


def _find_pixels(header: dict[str, Any], file: BinaryIO, path: Path, *, little: bool) -> None:
    """Where the pixel data begin: pydicom stops before their element and leaves the file there."""
    order = "little" if little else "big"
    start = file.tell()
    head = file.read(12)
    size = file.seek(0, os.SEEK_END)
    header["pixel_offset"], header["pixel_length"] = 0, 0
    if len(head) < 8 or int.from_bytes(head[:2], order) != 0x7FE0:  # type: ignore[arg-type]
        return
    wide = head[4:6] in (b"OW", b"OB", b"OF", b"OD")
    length = int.from_bytes(head[8:12] if wide else head[4:8], order)  # type: ignore[arg-type]
    header["pixel_offset"] = start + (12 if wide else 8)
    header["pixel_length"] = -1 if length == 0xFFFFFFFF else length
    if length == 0xFFFFFFFF and header["TransferSyntaxUID"] in NATIVE:
        raise InputError("dicom.pixels_undefined", path, name=path.name)
    if length != 0xFFFFFFFF:
        _judge_native(header, header["pixel_offset"], length, size, path)


def _judge_native(header: dict[str, Any], offset: int, length: int, size: int, path: Path) -> None:
    declared = declared_bytes(header)
    remarks = list(header.get("remarks", ()))
    if offset + min(length, declared or length) > size:
        if length > size and length != declared:
            raise InputError("dicom.pixels_absurd", path, name=path.name, claimed=length, bytes=size)
        remarks.append("dicom.pixels_cut")
    elif declared and length < declared:
        remarks.append("dicom.pixels_cut")
    elif declared:
        header["pixel_length"] = declared
    if remarks:
        header["remarks"] = tuple(remarks)
