"""Find the frames in encapsulated pixel data, and what size their streams say they are; decodes nothing.

DICOM PS3.5 A.4: a table of offsets, then fragments; a frame is one or more fragments.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from tumordiff_core.errors import InputError

Part = tuple[int, int]
"""Where a fragment's bytes lie in the file: (offset, length)."""

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
HEAD_BYTES = 65_536
_MOST_FRAGMENTS = 1_000_000
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
_SIZED_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class StreamSize:
    """What a compressed stream says of itself."""

    rows: int
    columns: int
    bits: int
    components: int


def frames(file: BinaryIO, offset: int, count: int, path: Path, table: Sequence[int] = ()) -> list[tuple[Part, ...]]:
    """The fragments of each of ``count`` frames of the pixel data at ``offset``.

    ``table`` are the offsets of an extended offset table, where the file has one. A wrong table is ignored.

    Raises InputError("dicom.frame_table") when the frames cannot be told apart.
    """
    basic, parts = _fragments(file, offset, path)
    if count == 1:
        found = [parts] if parts else []
    elif len(parts) == count:
        found = [(part,) for part in parts]
    else:
        found = _by_table(parts, table or basic) or _by_start(file, parts)
    if len(found) != count or not all(sum(length for _, length in frame) for frame in found):
        raise InputError("dicom.frame_table", path, name=path.name, found=len(found), expected=count)
    return found


def _fragments(file: BinaryIO, offset: int, path: Path) -> tuple[tuple[int, ...], tuple[Part, ...]]:
    """The basic offset table and all fragments; one that is cut off ends the list."""
    parts: list[Part] = []
    basic: tuple[int, ...] = ()
    size = file.seek(0, 2)
    position = offset
    while position + 8 <= size and len(parts) <= _MOST_FRAGMENTS:
        file.seek(position)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != _ITEM or position + 8 + length > size:
            break
        if position == offset:
            content = file.read(length)
            basic = struct.unpack(f"<{length // 4}I", content[: length // 4 * 4])
        else:
            parts.append((position + 8, length))
        position += 8 + length
    return basic, tuple(parts)


def _by_table(parts: tuple[Part, ...], table: Sequence[int]) -> list[tuple[Part, ...]]:
    """Frames by an offset table; none when the table names places where no fragment begins."""
    if not parts or not table:
        return []
    first = parts[0][0]
    begins = {at - first: n for n, (at, _) in enumerate(parts)}
    if any(at not in begins for at in table) or list(table) != sorted(set(table)) or table[0] != 0:
        return []
    numbers = [*(begins[at] for at in table), len(parts)]
    return [parts[a:b] for a, b in pairwise(numbers)]


def _by_start(file: BinaryIO, parts: tuple[Part, ...]) -> list[tuple[Part, ...]]:
    """Frames by the fragments that begin a JPEG family stream."""
    found: list[list[Part]] = []
    for at, length in parts:
        file.seek(at)
        if file.read(4).startswith(_STARTS):
            found.append([])
        if not found:
            return []
        found[-1].append((at, length))
    return [tuple(frame) for frame in found]


def content(file: BinaryIO, frame: Sequence[Part]) -> bytes:
    """The bytes of one frame."""
    pieces = []
    for at, length in frame:
        file.seek(at)
        pieces.append(file.read(length))
    return b"".join(pieces)


def head(file: BinaryIO, frame: Sequence[Part]) -> bytes:
    """The first bytes of one frame, enough for its stream's own header."""
    found = b""
    for at, length in frame:
        file.seek(at)
        found += file.read(min(length, HEAD_BYTES - len(found)))
        if len(found) >= HEAD_BYTES:
            break
    return found


def stream_size(stream: bytes) -> StreamSize | None:
    """Rows, columns and bits by a JPEG, JPEG-LS or JPEG 2000 stream's own header; ``None`` for other streams."""
    if stream.startswith(b"\xff\x4f\xff\x51"):
        return _jpeg2000_size(stream)
    if stream.startswith(b"\xff\xd8"):
        return _jpeg_size(stream)
    return None


def _jpeg2000_size(stream: bytes) -> StreamSize | None:
    """ISO 15444-1 A.5.1: the SIZ marker is the second one."""
    if len(stream) < 43:
        return None
    width, height, left, top = struct.unpack(">4I", stream[8:24])
    components = int.from_bytes(stream[40:42], "big")
    return StreamSize(height - top, width - left, (stream[42] & 0x7F) + 1, components)


def _jpeg_size(stream: bytes) -> StreamSize | None:
    """ISO 10918-1 B.2.2 and ISO 14495-1 C.2.2: the first start-of-frame marker."""
    position = 2
    while position + 10 <= len(stream):
        if stream[position] != 0xFF:
            return None
        marker, length = stream[position + 1], int.from_bytes(stream[position + 2 : position + 4], "big")
        if marker == 0xFF:
            position += 1
        elif marker in _SIZED_MARKERS:
            bits, rows, columns, components = struct.unpack(">BHHB", stream[position + 4 : position + 10])
            return StreamSize(rows, columns, bits, components)
        else:
            position += 2 + length
    return None
