"""Walk the header of a DICOM file strictly, and remember layouts so that the next alike file needs no walk.

A layout keeps which bytes of a header carry tags, VRs and lengths. A later file whose bytes agree there has by
construction the same walk, so its values lie at the same offsets: one AND of two big integers replaces some
260 steps. Where anything is unusual the walk raises Doubt and pydicom decides (DICOM PS3.5 7.1, PS3.10 7.1).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from tumordiff_core.dicom.tags import NUMBERS, PRIVATE, READABLE, TYPED, WANTED, Doubt
from tumordiff_core.errors import InputError

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
NATIVE = {EXPLICIT_LITTLE, IMPLICIT_LITTLE, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}
NOT_FOR_THE_WALK = {"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA, MODALITY_LUT = 0x7FE00010, 0x00283000
DEEPEST = 16
REMEMBERED = 64
_SHORT = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
EXPLICIT_VRS = _SHORT | _LONG
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHI").unpack_from
_length = struct.Struct("<I").unpack_from


class NeedMore(Exception):
    """The window of bytes ends before the header does."""


@dataclass(frozen=True)
class Layout:
    """Where the wanted values of a header lie, and what must agree for that to hold.

    ``values`` are (keyword, VR, offset, length); ``pixel_length`` is -1 for encapsulated pixels.
    """

    syntax: str
    mask: int
    reference: int
    values: tuple[tuple[str, str, int, int], ...]
    pixel_offset: int
    pixel_length: int


class Memo:
    """The layouts met so far, the most recent first."""

    def __init__(self) -> None:
        self._layouts: list[Layout] = []
        self.hits = 0
        self.learnt = 0

    def find(self, window: bytes, size: int, path: Path) -> Layout:
        """The layout of a file, remembered or walked; raises Doubt, NeedMore or InputError as ``walk`` does."""
        whole = int.from_bytes(window, "little")
        for place, layout in enumerate(self._layouts):
            if layout.pixel_offset <= len(window) and whole & layout.mask == layout.reference:
                if place:
                    self._layouts.insert(0, self._layouts.pop(place))
                self.hits += 1
                return layout
        layout = walk(window, size, path)
        self.learnt += 1
        self._layouts.insert(0, layout)
        del self._layouts[REMEMBERED:]
        return layout


def walk(window: bytes, size: int, path: Path, *, ordered: bool = True) -> Layout:
    """Walk one header up to its pixel data.

    Parameters
    ----------
    window : the first bytes of the file
    size : bytes of the whole file
    ordered : whether elements out of order are a reason for doubt; else ``values`` may name a keyword twice

    Raises
    ------
    Doubt, NeedMore, InputError("dicom.cut_header"), ("dicom.bad_length")
    """
    return _Walk(window, size, path, ordered=ordered).run()


class _Walk:
    def __init__(self, window: bytes, size: int, path: Path, *, ordered: bool) -> None:
        self.window, self.size, self.path, self.ordered = window, size, path, ordered
        self.fixed = bytearray(len(window))
        self.values: list[tuple[str, str, int, int]] = []
        self.creators: dict[tuple[int, int], str] = {}
        self.syntax = ""
        self.explicit = True

    def run(self) -> Layout:
        """The layout; the two parts of a file (group 2, then the data set) one after the other."""
        if self.window[128:132] != b"DICM":
            raise Doubt
        start = self.meta()
        if self.syntax in NOT_FOR_THE_WALK or not self.syntax:
            raise Doubt
        self.explicit = self.syntax != IMPLICIT_LITTLE
        offset, length = self.data_set(start)
        self.fix(128, 132)
        mask = int.from_bytes(self.fixed[:offset], "little")
        reference = int.from_bytes(self.window[:offset], "little") & mask
        return Layout(self.syntax, mask, reference, tuple(self.values), offset, length)

    def fix(self, start: int, end: int) -> None:
        """These bytes must agree in every file of this layout."""
        self.fixed[start:end] = b"\xff" * (end - start)

    def need(self, end: int) -> None:
        if end > self.size:
            raise InputError("dicom.cut_header", self.path, name=self.path.name, bytes=self.size)
        if end > len(self.window):
            raise NeedMore

    def meta(self) -> int:
        """Walk group 2 by its own length; the offset of the data set."""
        self.need(144)
        if _explicit(self.window, 132) != (2, 0, b"UL", 4):
            raise Doubt
        end = 144 + int.from_bytes(self.window[140:144], "little")
        self.need(end)
        # Group 2's own length is a value, but it places everything after it.
        self.fix(132, 144)
        position = 144
        while position < end:
            tag, _, length, value_at = self.element(position)
            if tag >> 16 != 2:
                raise Doubt
            if tag == 0x00020010:
                named = self.window[value_at : value_at + length].rstrip(b"\0 ")
                if not named.isascii():
                    raise Doubt
                self.syntax = named.decode("ascii")
                self.fix(value_at, value_at + length)
            position = value_at + length
        if position != end:
            raise Doubt
        return end

    def element(self, position: int) -> tuple[int, bytes, int, int]:
        """Tag, VR (empty when implicit), length and offset of the value of the element at ``position``."""
        self.need(position + 8)
        if not self.explicit:
            group, number, length = _implicit(self.window, position)
            self.fix(position, position + 8)
            return group << 16 | number, b"", length, position + 8
        group, number, vr, length = _explicit(self.window, position)
        if vr in _SHORT:
            self.fix(position, position + 8)
            return group << 16 | number, vr, length, position + 8
        if vr not in _LONG or length:
            raise Doubt
        self.need(position + 12)
        self.fix(position, position + 12)
        return group << 16 | number, vr, _length(self.window, position + 8)[0], position + 12

    def data_set(self, position: int) -> tuple[int, int]:
        """Walk to the pixel data; its offset and length (-1 when encapsulated)."""
        last = 0
        while True:
            if position == self.size:
                raise Doubt
            tag, vr, length, value_at = self.element(position)
            if tag <= last and self.ordered:
                raise Doubt
            last = tag
            if tag == MODALITY_LUT:
                raise Doubt
            if tag == PIXEL_DATA:
                return value_at, self.pixel_length(vr, length)
            if tag >> 16 >= 0x7FE0:
                raise Doubt
            if length == UNDEFINED:
                if vr not in (b"SQ", b"") or tag in WANTED:
                    raise Doubt
                end = self.sequence(value_at, 1)
                self.fix(value_at, end)
            else:
                end = value_at + length
                self.check_end(tag, length, end)
                self.note(tag, vr, value_at, length)
            position = end

    def pixel_length(self, vr: bytes, length: int) -> int:
        if length != UNDEFINED:
            if self.syntax not in NATIVE or vr not in (b"OW", b"OB", b""):
                raise Doubt
            return length
        if self.syntax in NATIVE:
            raise InputError("dicom.pixels_undefined", self.path, name=self.path.name)
        return -1

    def check_end(self, tag: int, length: int, end: int) -> None:
        if end > self.size:
            # Wrong VR rules read as absurd lengths: pydicom knows how to tell.
            if not self.explicit:
                raise Doubt
            if length > self.size:
                name = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
                raise InputError(
                    "dicom.bad_length", self.path, name=self.path.name, tag=name, claimed=length, bytes=self.size
                )
        self.need(end)

    def note(self, tag: int, vr: bytes, value_at: int, length: int) -> None:
        """Keep where a wanted value lies; a private creator's own name becomes part of the layout."""
        wanted = WANTED.get(tag)
        if wanted is not None:
            kind = vr.decode() if vr else wanted[1]
            if kind not in READABLE or (wanted[1] in TYPED and kind not in NUMBERS):
                raise Doubt
            self.values.append((wanted[0], kind, value_at, length))
        elif tag >> 16 & 1:
            self.note_private(tag >> 16, tag & 0xFFFF, value_at, length)

    def note_private(self, group: int, number: int, value_at: int, length: int) -> None:
        if 0x10 <= number <= 0xFF:
            creator = self.window[value_at : value_at + length].rstrip(b"\0 ").decode("ascii", "replace")
            self.creators[group, number] = creator
            self.fix(value_at, value_at + length)
            return
        creator = self.creators.get((group, number >> 8), "")
        wanted = PRIVATE.get((group, creator, number & 0xFF))
        if wanted is not None:
            self.values.append((*wanted, value_at, length))

    def sequence(self, position: int, depth: int) -> int:
        """Walk a sequence of undefined length; the offset behind it."""
        if depth > DEEPEST:
            raise Doubt
        while True:
            self.need(position + 8)
            group, number, length = _implicit(self.window, position)
            tag = group << 16 | number
            position += 8
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM:
                raise Doubt
            position = self.item(position, depth) if length == UNDEFINED else position + length

    def item(self, position: int, depth: int) -> int:
        while True:
            self.need(position + 8)
            group, number, _ = _implicit(self.window, position)
            if group << 16 | number == _ITEM_END:
                return position + 8
            _, vr, length, value_at = self.element(position)
            if length == UNDEFINED:
                if vr not in (b"SQ", b""):
                    raise Doubt
                position = self.sequence(value_at, depth + 1)
            else:
                position = value_at + length
