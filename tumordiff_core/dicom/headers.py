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

from tumordiff_core.dicom import frame_table
from tumordiff_core.dicom.tags import ENCODINGS, PRIVATE, WANTED, Doubt, value
from tumordiff_core.dicom.walk import (
    EXPLICIT_LITTLE,
    EXPLICIT_VRS,
    IMPLICIT_LITTLE,
    MODALITY_LUT,
    NATIVE,
    UNDEFINED,
    Layout,
    Memo,
    NeedMore,
    walk,
)
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.plugins.specs import Header

WINDOW = 16 * 1024
INFLATED_LIMIT = 64_000_000
INFLATE_STEP = 16_000_000
DEFLATED = "1.2.840.10008.1.2.1.99"
_SEQUENCE_END = bytes.fromhex("feffdde000000000")
IDENTITY = frozenset({
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
})  # fmt: skip
_PIXELS = {0x0008: "float32", 0x0009: "float64", 0x0010: ""}
_memo = Memo()


def read_header(
    path: Path, *, memo: Memo | None = None, doubtful: Callable[[Path], dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The catalogue tags of one file by keyword, and where its pixels lie.

    Beside the keywords of ``dicom/tags.py`` the record holds ``path, size, mtime_ns, TransferSyntaxUID,
    pixel_offset, pixel_length`` (-1 encapsulated, 0 none) and ``remarks``, codes of what is odd about the file;
    enhanced objects also ``FrameTable`` (``frame_table.py``), and ``ModalityLUT`` where a table takes the place of the
    rescale.

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


def _read(file: int, size: int, path: Path, memo: Memo, doubtful: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    if size == 0:
        raise InputError("dicom.empty_file", path, name=path.name)
    try:
        window, layout = _layout(file, size, path, memo)
        header = _values(window, layout)
        if header.get("SOPClassUID") in frame_table.ENHANCED:
            # Sequences of frame groups are for the patient reader.
            raise Doubt
        _check_pixels(header, file, size, path)
        return header
    except Doubt:
        _require_unrepeated(file, size, path)
        return doubtful(path)


def _require_unrepeated(file: int, size: int, path: Path) -> None:
    """Refuse a file that names an identity or a place twice and differently; what cannot be walked is left alone."""
    os.lseek(file, 0, os.SEEK_SET)
    window = os.read(file, 4 * WINDOW)
    try:
        layout = walk(window, size, path, ordered=False)
    except (Doubt, NeedMore, InputError):
        return
    seen: dict[str, bytes] = {}
    for keyword, _, offset, length in layout.values:
        raw = window[offset : offset + length]
        if keyword in IDENTITY and seen.setdefault(keyword, raw) != raw:
            raise InputError("dicom.repeated", path, name=path.name, tag=keyword)


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
            if found not in ENCODINGS:
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
    if header.get("NumberOfFrames", 1) != 1 and length != declared_bytes(header):
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
    with path.open("rb") as opened, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        file = _Whole(opened, path)
        try:
            data = _dcmread(file.content, path)
            header = _normal_values(data)
        except InputError:
            raise
        except RecursionError as error:
            raise InputError("dicom.too_deep", path, name=path.name) from error
        except Exception as error:
            # pydicom raises whatever the broken byte led to: struct, memory, key errors.
            raise _unreadable(path, "damaged inside") from error
        place = _Place(data, file.content)
        header["TransferSyntaxUID"] = DEFLATED if file.deflated else _syntax(data, header, implicit=place.implicit)
        file.finish(header)
        _find_pixels(header, place, file.size, path)
        if not header["pixel_length"]:
            _require_whole(file.content, file.size, path)
        elif _trailing(header, file.size):
            _read_behind_pixels(header, file.content)
        if header.get("SOPClassUID") in frame_table.ENHANCED and (table := frame_table.packed(file.content)):
            header[frame_table.KEYWORD] = table
    if any("encoding" in str(one.message) or "decode" in str(one.message) for one in told):
        _remark(header, "dicom.character_set")
    return header


class _Whole:
    """The file, or for a deflated one a copy in memory that never inflates further than its image needs."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path, self.content, self.deflated, self._rest = path, file, False, b""
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        start = file.read(400)
        file.seek(0)
        if start[128:132] == b"DICM" and DEFLATED.encode() in start:
            self._inflate(file.read())

    def _inflate(self, packed: bytes) -> None:
        end = meta_end(packed)
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        inflated = self._step(packed[end:], INFLATED_LIMIT)
        # As explicit little endian with the packed syntax in its meta: pydicom would inflate a second time.
        meta = packed[:end].replace(DEFLATED.encode(), b"1.2.840.10008.1.2.1\0\0\0")
        self.content, self.deflated, self.size = BytesIO(meta + inflated), True, end + len(inflated)

    def _step(self, packed: bytes, most: int) -> bytes:
        try:
            inflated = self._inflater.decompress(packed, most)
        except zlib.error as error:
            raise _unreadable(self.path, "its packed part is damaged") from error
        self._rest = self._inflater.unconsumed_tail
        return inflated

    def finish(self, header: Header) -> None:
        """Count what is left to inflate, up to the limit and the pixels that the header announces."""
        allowed = INFLATED_LIMIT + declared_bytes(header)
        while self._rest:
            more = len(self._step(self._rest, INFLATE_STEP))
            self.size += more
            if self.size > allowed or not more:
                limit_mb = allowed // 1_000_000
                raise InputError("dicom.unpacks_too_far", self.path, name=self.path.name, limit_mb=limit_mb)


def meta_end(content: bytes) -> int:
    """Where the data set of a file with a signature begins, by its meta group's own length."""
    return 144 + int.from_bytes(content[140:144], "little")


def _tags() -> list[Any]:
    tags: list[Any] = [*WANTED, MODALITY_LUT]
    for group, _, element in PRIVATE:
        tags += [group << 16 | block << 8 | element for block in range(0x10, 0x20)]
        tags += [group << 16 | block for block in range(0x10, 0x20)]
    return tags


def _dcmread(file: BinaryIO, path: Path) -> pydicom.Dataset:
    start = file.read(132)
    file.seek(0)
    if start[128:] == b"DICM":
        return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_tags())
    if start[:2] not in (b"\x08\x00", b"\x02\x00"):
        raise InputError("dicom.not_dicom", path, name=path.name)
    try:
        data = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_tags(), force=True)
    except Exception as error:
        # Without a signature anything may have begun with these two bytes.
        raise InputError("dicom.no_signature", path, name=path.name) from error
    known = UID(str(data.get("SOPClassUID", "")))
    if known.name == str(known):
        raise InputError("dicom.no_signature", path, name=path.name)
    return data


def _syntax(data: pydicom.Dataset, header: dict[str, Any], *, implicit: bool) -> str:
    """The transfer syntax that holds: the named one, unless the bytes of the data set say otherwise."""
    meta = getattr(data, "file_meta", None)
    named = "" if meta is None else str(meta.get("TransferSyntaxUID", ""))
    found = IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE
    if named in (IMPLICIT_LITTLE, EXPLICIT_LITTLE) and named != found:
        _remark(header, "dicom.syntax_lies")
        return found
    return named or found


def _normal_values(data: pydicom.Dataset) -> dict[str, Any]:
    header: dict[str, Any] = {}
    for tag, (keyword, vr) in WANTED.items():
        if tag not in data:
            continue
        try:
            found = _number(_normal(data[tag].value)) if vr in {"DS", "IS"} else _normal(data[tag].value)
        except RecursionError:
            raise
        except Exception:
            # One value that does not parse must not cost the file.
            header.setdefault("NotNumbers", f'{keyword} "{_raw_text(data, tag)[:40]}"')
            _remark(header, "dicom.bad_number")
            continue
        if found is not None:
            header[keyword] = found
    if MODALITY_LUT in data and data[MODALITY_LUT].value:
        header["ModalityLUT"] = True
    for (group, creator, element), (name, _) in PRIVATE.items():
        try:
            found = _normal(data.private_block(group, creator)[element].value)
        except Exception:
            # Most files have no such block, and one that is damaged is as good as none.
            continue
        if found is not None:
            header[name] = found
    return header


def _number(found: Any) -> Any:
    """A number or a tuple of them; raises ValueError for text, which pydicom lets through."""
    if any(isinstance(part, str) for part in (found if isinstance(found, tuple) else (found,))):
        raise ValueError(found)
    return found


def _raw_text(data: pydicom.Dataset, tag: int) -> str:
    """The text of a value that could not be read, as it stands in the file."""
    raw = getattr(data.get_item(tag), "value", b"")
    if isinstance(raw, bytes):
        return raw.decode("latin-1").strip(" \0")
    return "\\".join(str(part) for part in raw) if isinstance(raw, MultiValue | list) else str(raw)


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


def _remark(header: dict[str, Any], code: str) -> None:
    if code not in header.get("remarks", ()):
        header["remarks"] = (*header.get("remarks", ()), code)


class _Place:
    """The element at which pydicom stopped: its number, and where its value lies."""

    def __init__(self, data: pydicom.Dataset, file: BinaryIO) -> None:
        start = file.tell()
        head = file.read(12)
        order: Any = "little" if data.is_little_endian else "big"
        self.implicit = _is_implicit(data, file)
        self.element = -1
        self.offset = self.length = 0
        if len(head) >= 8 and int.from_bytes(head[:2], order) == 0x7FE0:
            self.element = int.from_bytes(head[2:4], order)
            wide = not self.implicit and head[4:6] not in (b"US", b"SS")
            explicit = head[8:12] if wide else head[6:8]
            self.length = int.from_bytes(head[4:8] if self.implicit else explicit, order)
            self.offset = start + (12 if wide else 8)


def _is_implicit(data: pydicom.Dataset, file: BinaryIO) -> bool:
    """Whether the data set has no VRs, by its first element: pydicom reads by it, and reports what the file claims."""
    file.seek(0)
    start = file.read(144)
    if start[128:132] != b"DICM":
        return bool(data.is_implicit_VR)
    file.seek(meta_end(start))
    return file.read(6)[4:] not in EXPLICIT_VRS


def _find_pixels(header: dict[str, Any], place: _Place, size: int, path: Path) -> None:
    """Where the pixel data begin, and whether they are as long as the image needs."""
    header["pixel_offset"], header["pixel_length"] = 0, 0
    if place.element not in _PIXELS:
        return
    if _PIXELS[place.element]:
        header["PixelKind"] = _PIXELS[place.element]
    header["pixel_offset"] = place.offset
    header["pixel_length"] = -1 if place.length == UNDEFINED else place.length
    if place.length != UNDEFINED:
        _judge_native(header, place.offset, place.length, size, path)
    elif header["TransferSyntaxUID"] in NATIVE:
        raise InputError("dicom.pixels_undefined", path, name=path.name)


def _judge_native(header: dict[str, Any], offset: int, length: int, size: int, path: Path) -> None:
    """Compare announced, needed and present bytes; ``pixel_length`` becomes what is used."""
    declared = declared_bytes(header)
    if length > size and length != declared:
        raise InputError("dicom.pixels_absurd", path, name=path.name, claimed=length, bytes=size)
    if not declared:
        return
    there = offset + declared <= size
    if length < declared and length + 1 == declared and there:
        _remark(header, "dicom.odd_length")
    elif length < declared or not there:
        _remark(header, "dicom.pixels_cut")
        return
    header["pixel_length"] = declared
    if _trailing(header, size):
        _remark(header, "dicom.trailing")


def _trailing(header: Header, size: int) -> int:
    """Bytes behind native pixels; an odd count of pixel bytes has one byte of padding."""
    length = int(header["pixel_length"])
    if length <= 0 or header["TransferSyntaxUID"] not in NATIVE:
        return 0
    return max(size - int(header["pixel_offset"]) - length - length % 2, 0)


def _require_whole(file: BinaryIO, size: int, path: Path) -> None:
    """Refuse a file without pixels whose last element is cut off: pydicom is silent about it."""
    file.seek(0)
    data = pydicom.dcmread(file, force=True)
    raws = [raw for raw in data._dict.values() if getattr(raw, "value_tell", None)]
    last = max(raws, key=lambda raw: raw.value_tell, default=None)
    if last is None or not isinstance(getattr(last, "length", None), int) or last.length == UNDEFINED:
        return
    left = size - last.value_tell - last.length
    if left < 0 or 0 < left < 8:
        raise InputError("dicom.cut_header", path, name=path.name, bytes=size)


def _read_behind_pixels(header: dict[str, Any], file: BinaryIO) -> None:
    """Values of wanted elements that somebody put behind the pixels."""
    file.seek(0)
    try:
        data = pydicom.dcmread(file, specific_tags=_tags(), force=True)
        found = _normal_values(data)
    except Exception:
        # Whatever lies there is no data set: padding, or the rest of another file.
        return
    for keyword, one in found.items():
        if keyword not in header:
            header[keyword] = one


def remarks_of(header: Header) -> list[InputError]:
    """What is odd about one file and was read all the same, as errors that can say it."""
    path = Path(header["path"])
    found = []
    for code in header.get("remarks", ()):
        fields: dict[str, Any] = {"name": path.name}
        if code == "dicom.pixels_cut":
            fields.update(found=present_bytes(header), expected=declared_bytes(header))
        elif code == "dicom.bad_number":
            fields.update(value=header.get("NotNumbers", "a value"))
        elif code == "dicom.trailing":
            fields.update(bytes=_trailing(header, int(header["size"])))
        found.append(InputError(code, path, **fields))
    return found


def present_bytes(header: Header) -> int:
    """Bytes of pixels that a cut file still holds."""
    there = max(int(header["size"]) - int(header["pixel_offset"]), 0)
    length = int(header["pixel_length"])
    return min(there, length) if length > 0 else there
