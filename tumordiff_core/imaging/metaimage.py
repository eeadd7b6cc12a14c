"""Where the pixels of a MetaImage lie, found out before any other reader follows its header.

An ``.mha`` holds its pixels behind the header, an ``.mhd`` names the file that does. The header may come from a
stranger: ITK opens whatever path it names, fills up what a packed stream lacks with zeros and believes every size, so
only headers of the plain kind that ITK itself writes are let through.
"""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from tumordiff_core.errors import InputError

HEADER_LIMIT = 100_000
LAST = b"ElementDataFile"
LARGEST_SIDE = 2**31 - 1
CHUNK = 1 << 22
ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
_FIELD = re.compile(r"([A-Za-z0-9][\x20-\x7e]*?)[ \t]*=[ \t]*([^\x00-\x20\x7f][^\x00-\x08\x0a-\x1f\x7f]*)")
_FILE_NAME = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
"""ITK drops other signs at the end of a name, and would open another file than the one looked at."""

_LOCAL = {"LOCAL", "Local", "local"}


@dataclass(frozen=True)
class Pixels:
    """Where the pixels lie.

    Parameters
    ----------
    file : the MetaImage itself or the file beside it
    offset : where they begin in it
    length : bytes of them, as packed as they are
    packed : whether they are a zlib stream
    """

    file: Path
    offset: int
    length: int
    packed: bool


def begins(path: Path) -> bool:
    """Whether a file begins as a MetaImage header."""
    content = _begin(path)
    return LAST in content and b"NDims" in content[: content.index(LAST)]


def pixels_of(path: Path) -> Pixels:
    """What the header says of the pixels.

    Raises InputError("volume.wrong_shape") for other than three or four axes, InputError("volume.unreadable") for
    pixels elsewhere than in the file or beside it, in several files, written as text, and for damaged headers.
    """
    fields, offset = _fields(path)
    _require_axes(path, fields)
    if not fields.get("BinaryData", "True").lower().startswith(("t", "1")):
        raise _unreadable(path, "its pixels are written as text")
    local = fields[LAST.decode()] in _LOCAL
    file = path if local else _beside(path, fields[LAST.decode()])
    skipped = _whole(path, fields.get("HeaderSize", "0"))
    packed = fields.get("CompressedData", "False").lower().startswith(("t", "1"))
    if skipped < -1 or (skipped and (local or packed)):
        raise _damaged(path)
    begin = offset if local else max(skipped, 0)
    length = file.stat().st_size - begin
    if not packed:
        return Pixels(file, begin, length, packed=False)
    told = _whole(path, fields.get("CompressedDataSize", "-1"))
    if told <= 0:
        raise _damaged(path)
    if told > length:
        raise _unreadable(path, "it is cut short")
    return Pixels(file, begin, told, packed=True)


def require_whole(path: Path, pixels: Pixels, needed: int) -> None:
    """Raise InputError("volume.unreadable") where unpacking gives less than ``needed`` bytes."""
    unpacker, unpacked, left = zlib.decompressobj(ZLIB_OR_GZIP), 0, pixels.length
    try:
        with pixels.file.open("rb") as file:
            file.seek(pixels.offset)
            while unpacked < needed and not unpacker.eof:
                packed = unpacker.unconsumed_tail
                if not packed:
                    packed = file.read(min(CHUNK, left))
                    left -= len(packed)
                if not packed:
                    unpacked += len(unpacker.flush())
                    break
                unpacked += len(unpacker.decompress(packed, CHUNK))
    except (OSError, zlib.error) as error:
        raise _unreadable(path, "its pixels are damaged") from error
    if unpacked < needed:
        raise _unreadable(path, "it is cut short")


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADER_LIMIT)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The header by key, and where it ends: at the first mention of the data file, after which ITK reads no more.

    Every line must be a key and a value, for after an empty value ITK may take the next line for it.
    """
    content = _begin(path)
    end = content.find(b"\n", content.index(LAST)) + 1 if LAST in content else 0
    if not end:
        raise _damaged(path)
    fields: dict[str, str] = {}
    for line in content[:end].decode("utf-8", "surrogateescape").rstrip("\r\n").split("\n"):
        found = _FIELD.fullmatch(line.rstrip(" \t\r"))
        if found is None or ":" in found[1] or found[1] in fields:
            raise _damaged(path)
        fields[found[1]] = found[2]
    if list(fields)[-1] != LAST.decode():
        raise _damaged(path)
    return fields, end


def _require_axes(path: Path, fields: dict[str, str]) -> None:
    sides = [_whole(path, side) for side in fields.get("DimSize", "").split()]
    if _whole(path, fields.get("NDims", "0")) != len(sides) or any(side > LARGEST_SIDE for side in sides):
        raise _damaged(path)
    if len(sides) not in {3, 4} or min(sides) < 1:
        raise InputError("volume.wrong_shape", path, shape=tuple(sides[::-1]))


def _beside(path: Path, name: str) -> Path:
    """The file of this name in the same folder, and in no other by way of a link."""
    if "%" in name or name.upper().startswith("LIST"):
        raise _unreadable(path, "its pixels lie in several files")
    if _FILE_NAME.fullmatch(name) is None:
        raise _unreadable(path, "its file of pixels has an odd name")
    file = path.parent / name
    if re.search(r"[/\\:]", name) or name == ".." or file.resolve().parent != path.parent.resolve():
        raise _unreadable(path, "its pixels lie in another folder")
    if not file.is_file():
        raise _unreadable(path, "its file of pixels is missing")
    return file


def _whole(path: Path, text: str) -> int:
    if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) is None:
        raise _damaged(path)
    return int(text)


def _damaged(path: Path) -> InputError:
    return _unreadable(path, "its header is damaged")


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError("volume.unreadable", path, name=path.name, reason=reason)
