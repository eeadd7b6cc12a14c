"""The numbered bad inputs: one file at a time, made from one good file, each with its outcome and its sentence.

The numbers are those of the list of inputs that an import must survive; 51, 52 and most of 53 concern the import as
a whole and are tested with the catalogue.
"""

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.core.dicom import test_pixels as made
from tests.generators import dicom_base
from tumordiff_core import files, settings
from tumordiff_core.dicom import frames, headers, masks, order, pixels, stack, study
from tumordiff_core.dicom.headers import read_header, remarks_of
from tumordiff_core.errors import GeometryError, InputError, MissingError, TumorDiffError, UnsupportedError
from tumordiff_core.imaging.geometry import Geometry

PLAIN = dicom_base.slice_values(0, 0)
FORBIDDEN = re.compile(r"Traceback|Error\b|\n|<|/tmp|pydicom|struct")


@dataclass
class Case:
    """One broken input: how it is made, what becomes of it, and what is said."""

    row: int
    name: str
    make: Callable[[Path], Path | list[Path]]
    outcome: str
    code: str = ""
    said: str = ""
    check: Callable[[stack.StoredPhase], None] | None = None
    also: dict[str, Any] = field(default_factory=dict)


CASES: list[Case] = []


def case(row: int, name: str, outcome: str, code: str = "", said: str = "", check: Any = None) -> Any:
    """Register a maker of a file or files as a case of one row."""

    def keep(make: Callable[[Path], Path | list[Path]]) -> Callable[[Path], Path | list[Path]]:
        CASES.append(Case(row, name, make, outcome, code, said, check))
        return make

    return keep


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


# making


def changed(folder: Path, change: Callable[[Dataset], None] = lambda data: None, **names: Any) -> Path:
    """The base file with a changed data set."""
    data = dicom_base.base(**names)
    change(data)
    return dicom_base.save(data, folder / "bad.dcm")


def raw(folder: Path, change: Callable[[bytearray], bytes | bytearray]) -> Path:
    """The base file with changed bytes."""
    path = changed(folder)
    path.write_bytes(change(bytearray(path.read_bytes())))
    return path


def with_tags(**tags: Any) -> Callable[[Path], Path]:
    """The base file with other values; ``None`` deletes."""

    def make(folder: Path) -> Path:
        def change(data: Dataset) -> None:
            for keyword, one in tags.items():
                if one is None:
                    delattr(data, keyword)
                else:
                    setattr(data, keyword, one)

        return changed(folder, change)

    return make


def element(tag: tuple[int, int], vr: bytes, content: bytes) -> bytes:
    """A short explicit little-endian element."""
    content += b" " * (len(content) % 2)
    return struct.pack("<HH2sH", *tag, vr, len(content)) + content


def at(content: bytearray, tag: tuple[int, int]) -> int:
    """Where an element of the data set begins."""
    head = re.escape(struct.pack("<HH", *tag))
    found = re.compile(head + rb"[A-Z]{2}", re.DOTALL).search(content, 132) or re.compile(head).search(content, 132)
    assert found is not None
    return found.start()


def series(change: Callable[[Dataset, int], None] = lambda data, k: None, *, slices: int = 8, leave: int = -1) -> Any:
    """A series of slices changed one by one."""

    def make(folder: Path) -> list[Path]:
        left = [] if leave < 0 else [(0, leave)]
        return dicom_base.series(
            folder / "bad", phases=1, slices=slices, leave_out=left, change=lambda data, _, k: change(data, k)
        )

    return make


def good(phase: stack.StoredPhase) -> None:
    """The base slice came out as it went in."""
    np.testing.assert_array_equal(phase.values[0], PLAIN)


def all_good(phase: stack.StoredPhase) -> None:
    np.testing.assert_array_equal(phase.values, [dicom_base.slice_values(0, k) for k in range(len(phase.values))])


# rows 1 to 11: files and lengths

case(1, "empty", "skip", "dicom.empty_file", "empty (0 bytes)")(lambda f: _write(f, b""))
for kind, content in {
    "text": b"text " * 500, "pdf": b"%PDF-1.7\n" * 90, "png": b"\x89PNG\r\n\x1a\n" * 90,
    "thumbs.db": bytes.fromhex("d0cf11e0a1b11ae1") * 90, "ds_store": b"\0\0\0\1Bud1" * 90,
}.items():  # fmt: skip
    case(2, kind, "skip", "dicom.not_dicom", "is not a DICOM file")(lambda f, c=content: _write(f, c))
case(3, "signature only", "skip", "dicom.only_signature", "ends after the DICOM signature")(
    lambda f: _write(f, bytes(128) + b"DICM")
)


def _write(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bad.dcm"
    path.write_bytes(content)
    return path


case(4, "cut in header", "skip", "dicom.cut_header", "cut off inside its header (700 bytes)")(
    lambda f: raw(f, lambda b: b[:700])
)


@case(4, "cut in implicit header", "skip", "dicom.cut_header", "cut off inside its header (")
def _(folder: Path) -> Path:
    path = in_syntax(ImplicitVRLittleEndian)(folder)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: at(content, (0x20, 0x32)) + 20])
    return path


def in_syntax(uid: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        data = dicom_base.base()
        data.file_meta.TransferSyntaxUID = uid
        if uid == ExplicitVRBigEndian:
            data.PixelData = PLAIN.astype(">i2").tobytes()
        return dicom_base.save(data, folder / "bad.dcm")

    return make


case(5, "cut in pixels", "refuse", "dicom.pixels_cut", "holds 1036 of 1536 bytes of pixels")(
    lambda f: raw(f, lambda b: b[:-500])
)
case(6, "no preamble", "read", check=good)(lambda f: raw(f, lambda b: b[132:]))
case(6, "no preamble, no group 2", "read", check=good)(lambda f: raw(f, lambda b: b[headers.meta_end(bytes(b)) :]))


@case(6, "no preamble, implicit", "read", check=good)
def _(folder: Path) -> Path:
    path = in_syntax(ImplicitVRLittleEndian)(folder)
    content = path.read_bytes()
    path.write_bytes(content[headers.meta_end(content) :])
    return path


case(6, "no signature, nonsense", "skip", "dicom.no_signature", "no DICOM signature and could not be read")(
    lambda f: _write(f, b"\x08\x00" + bytes(range(256)) * 4)
)


def wrong_length(folder: Path, **names: Any) -> Path:
    def change(b: bytearray) -> bytearray:
        k = at(b, (0x08, 0x60))
        b[k + 6 : k + 8] = (0x7FFF).to_bytes(2, "little")
        return b

    return raw(folder, change)


case(7, "wrong length", "skip", "dicom.bad_length", "element (0008,0060) claims 32767 bytes, the file has")(
    wrong_length
)


@case(7, "wrong length inside a large file", "skip", "", "")
def _(folder: Path) -> Path:
    def large(data: Dataset) -> None:
        data.Rows, data.Columns, data.PixelData = 240, 320, np.tile(PLAIN, (10, 10)).tobytes()

    path = changed(folder, large)
    content = bytearray(path.read_bytes())
    k = at(content, (0x08, 0x60))
    content[k + 6 : k + 8] = (0x7FFF).to_bytes(2, "little")
    path.write_bytes(content)
    return path


def pixel_length(length: int, tail: bytes = b"") -> Callable[[Path], Path]:
    def change(b: bytearray) -> bytearray:
        k = at(b, (0x7FE0, 0x10))
        b[k + 8 : k + 12] = length.to_bytes(4, "little")
        return b + tail

    return lambda folder: raw(folder, change)


case(8, "absurd pixel length", "skip", "dicom.pixels_absurd", "claims 4294967280 bytes, the file has")(
    pixel_length(0xFFFFFFF0)
)
case(9, "undefined native length", "skip", "dicom.pixels_undefined", "no length in an uncompressed syntax")(
    pixel_length(0xFFFFFFFF)
)
case(10, "odd length, bytes there", "repair", "dicom.odd_length", "one byte of pixels less", good)(pixel_length(1535))
case(10, "odd length, bytes not there", "refuse", "dicom.pixels_cut", "holds 1535 of 1536")(
    lambda f: (lambda p: (p.write_bytes(p.read_bytes()[:-1]), p)[1])(pixel_length(1535)(f))
)
case(11, "trailing bytes", "repair", "dicom.trailing", "40 bytes after the end of bad.dcm were ignored", good)(
    lambda f: raw(f, lambda b: b + bytes(40))
)
case(11, "padding element", "repair", "dicom.trailing", "28 bytes after the end", good)(
    lambda f: raw(f, lambda b: b + struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 16) + bytes(16))
)

# rows 12 to 16: order, syntax, packing


@case(12, "an element at the end", "repair", "dicom.trailing", "", good)
def _(folder: Path) -> Path:
    def change(b: bytearray) -> bytes:
        k = at(b, (0x08, 0x60))
        moved = bytes(b[k : k + 10])
        return bytes(b[:k] + b[k + 10 :]) + moved

    return raw(folder, change)


@case(12, "elements out of order", "read", check=good)
def _(folder: Path) -> Path:
    def change(b: bytearray) -> bytes:
        k, pixel = at(b, (0x08, 0x60)), at(b, (0x7FE0, 0x10))
        return bytes(b[:k] + b[k + 10 : pixel] + b[k : k + 10] + b[pixel:])

    return raw(folder, change)


def doubled(content: bytes, tag: tuple[int, int], vr: bytes) -> Callable[[Path], Path]:
    def change(b: bytearray) -> bytes:
        k = at(b, tag)
        return bytes(b[:k]) + element(tag, vr, content) + bytes(b[k:])

    return lambda folder: raw(folder, change)


case(12, "the same element twice", "read", check=good)(doubled(b"MR", (0x08, 0x60), b"CS"))
case(12, "two identities", "skip", "dicom.repeated", "repeats element PatientID with two values")(
    doubled(b"OTHER", (0x10, 0x20), b"LO")
)
case(13, "unknown syntax", "refuse", "dicom.syntax", "stored as 1.2.840.10008.9.9.9")(
    lambda f: raw(f, lambda b: b.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"))
)


@case(14, "explicit under the implicit name", "repair", "dicom.syntax_lies", "names another transfer syntax", good)
def _(folder: Path) -> Path:
    return raw(folder, lambda b: b.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))


@case(14, "implicit under the explicit name", "repair", "dicom.syntax_lies", "names another transfer syntax", good)
def _(folder: Path) -> Path:
    path = in_syntax(ImplicitVRLittleEndian)(folder)
    content = path.read_bytes()
    start = headers.meta_end(content)
    meta = changed(folder / "other").read_bytes()
    path.write_bytes(meta[: headers.meta_end(meta)] + content[start:])
    return path


case(15, "deflated", "read", check=good)(in_syntax(DeflatedExplicitVRLittleEndian))


def bomb(megabytes: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = in_syntax(DeflatedExplicitVRLittleEndian)(folder)
        content = path.read_bytes()
        start = headers.meta_end(content)
        plain = zlib.decompress(content[start:], -zlib.MAX_WBITS)
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(plain) + packer.compress(bytes(megabytes * 1_000_000)) + packer.flush()
        path.write_bytes(content[:start] + packed)
        return path

    return make


case(16, "deflate bomb", "skip", "dicom.unpacks_too_far", "unpacks to more than 64 MB")(bomb(150))
case(16, "damaged packing", "skip", "dicom.unreadable", "its packed part is damaged")(
    lambda f: (lambda p: (p.write_bytes(p.read_bytes()[:400] + b"\xff" * 300), p)[1])(
        in_syntax(DeflatedExplicitVRLittleEndian)(f)
    )
)

# rows 17 to 29: pixels

case(17, "big endian", "read", check=good)(in_syntax(ExplicitVRBigEndian))


def compressed(uid: str, change: Callable[[bytes], bytes] = lambda s: s, **tags: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        data = dicom_base.base()
        if uid == JPEG2000Lossless:
            # Its encoder wants 32 pixels on each side.
            data.Rows, data.PixelData = 2 * PLAIN.shape[0], np.tile(PLAIN, (2, 1)).tobytes()
        data.compress(uid)
        stream = next(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=1))
        data.PixelData = encapsulate([change(stream)])
        data["PixelData"].is_undefined_length = True
        for keyword, one in tags.items():
            setattr(data, keyword, one)
        return dicom_base.save(data, folder / "bad.dcm")

    return make


case(18, "RLE", "read", check=good)(compressed(RLELossless))
case(18, "JPEG 2000", "read", check=lambda p: np.testing.assert_array_equal(p.values[0, :24], PLAIN))(
    compressed(JPEG2000Lossless)
)
case(19, "a stream larger than its header", "refuse", "dicom.stream_differs", "compressed image is 60000 x 60000")(
    compressed(JPEG2000Lossless, made.j2k_of(60000, 60000))
)
case(19, "a header larger than its stream", "refuse", "dicom.stream_differs", "48 x 32; 240 x 320 was expected")(
    compressed(JPEG2000Lossless, Rows=240, Columns=320)
)
case(19, "both huge", "refuse", "dicom.declares_too_much", "declares 7.2 GB")(
    compressed(JPEG2000Lossless, made.j2k_of(60000, 60000), Rows=60000, Columns=60000)
)
case(20, "a wrong table for one frame", "read", check=good)(
    lambda f: made.encapsulated_file(_folder(f) / "bad.dcm", made.in_pieces(made.rle_frames(1), [7]), made.RLE)
)
case(20, "a wrong table for several", "refuse", "dicom.frame_table", "0 frames were found; 3 frames were expected")(
    lambda f: made.encapsulated_file(_folder(f) / "bad.dcm", made.in_pieces(made.rle_frames(3), [0, 7, 9]), made.RLE, 3)
)
case(20, "no fragments", "refuse", "dicom.frame_table", "0 frames were found")(
    lambda f: made.encapsulated_file(_folder(f) / "bad.dcm", made.item(b"") + made.END, made.RLE)
)


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


case(21, "huge matrix", "refuse", "dicom.declares_too_much", "declares 8.6 GB of pixels but holds 0.0 MB")(
    with_tags(Rows=65535, Columns=65535)
)
case(21, "huge frame count", "refuse", "dicom.declares_too_much", "GB of pixels but holds")(
    with_tags(NumberOfFrames=1_000_000)
)
case(22, "no rows", "refuse", "dicom.no_size", "has no image size")(with_tags(Rows=None))
case(22, "zero columns", "refuse", "dicom.no_size", "has no image size")(with_tags(Columns=0))
case(23, "MR without pixels", "refuse", "dicom.no_image", "holds no image")(with_tags(PixelData=None))
case(23, "a report", "refuse", "dicom.no_image", "holds no image")(
    with_tags(PixelData=None, Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33")
)


@case(24, "float pixels", "read", check=good)
def _(folder: Path) -> Path:
    def change(data: Dataset) -> None:
        del data.PixelData
        data.BitsAllocated, data.FloatPixelData = 32, PLAIN.astype(np.float32).tobytes()

    return changed(folder, change)


case(25, "12 bits allocated", "refuse", "dicom.bits", "12 bits allocated")(with_tags(BitsAllocated=12))
case(25, "1 bit allocated", "refuse", "dicom.bits", "1 bits allocated")(with_tags(BitsAllocated=1))
case(25, "more stored than allocated", "refuse", "dicom.bits", "20 bits allocated")(with_tags(BitsStored=20))
case(26, "a high bit too high", "flag", "dicom.bit_layout", "the high bit is 15; the last of 12 stored", good)(
    with_tags(HighBit=15, BitsStored=12)
)
case(26, "an overlay above the stored bits", "read", check=good)(
    with_tags(HighBit=11, BitsStored=12, PixelData=(PLAIN.astype(np.uint16) | 1 << 12).tobytes(), PixelRepresentation=0)
)
case(27, "negative MR values", "flag", "dicom.negative", "% of the values are negative")(
    with_tags(PixelData=(PLAIN - 60).tobytes())
)
case(27, "another sign in one slice", "flag", "dicom.mixed_formats", "2 pixel formats", all_good)(
    series(lambda data, k: setattr(data, "PixelRepresentation", 0 if k == 3 else 1))
)
for photometric in ("RGB", "YBR_FULL"):
    case(28, f"colour {photometric}", "refuse", "dicom.colour", "is a colour picture")(
        with_tags(
            PhotometricInterpretation=photometric, SamplesPerPixel=3, PlanarConfiguration=1, BitsAllocated=8,
            BitsStored=8, HighBit=7, PixelRepresentation=0, PixelData=bytes(3 * PLAIN.size),
        )
    )  # fmt: skip
case(28, "palette", "refuse", "dicom.colour", "is a colour picture")(
    with_tags(PhotometricInterpretation="PALETTE COLOR")
)
case(29, "MONOCHROME1", "read", check=good)(with_tags(PhotometricInterpretation="MONOCHROME1"))

# rows 30 to 43: series


def gap_of(k: int) -> Callable[[stack.StoredPhase], None]:
    def check(phase: stack.StoredPhase) -> None:
        assert phase.missing == (k,) and not phase.values[k].any()
        np.testing.assert_array_equal(phase.values[k + 1], dicom_base.slice_values(0, k + 1))

    return check


case(30, "missing slice", "flag", "series.missing_slice", "slice 4 of 8 in phase 1 is missing at -46.0 mm", gap_of(3))(
    series(leave=3)
)


@case(5, "a cut file counts as a missing slice", "flag", "dicom.pixels_cut", "bytes of pixels", gap_of(3))
def _(folder: Path) -> list[Path]:
    paths = series()(folder)
    paths[3].write_bytes(paths[3].read_bytes()[:-100])
    return paths


@case(31, "a slice twice", "flag", "series.doubled", "1 slices lie twice at the same place", all_good)
def _(folder: Path) -> list[Path]:
    paths = series()(folder)
    data = pydicom.dcmread(paths[2])
    data.SOPInstanceUID, data.InstanceNumber = "2.25.9", 99
    data.PixelData = (PLAIN + 1).tobytes()
    return [*paths, dicom_base.save(data, folder / "bad" / "again.dcm")]


def turned(data: Dataset, k: int) -> None:
    if k >= 5:
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]


case(34, "two orientations under one series", "flag", "series.several_orientations", "2 orientations or grids")(
    series(turned)
)
case(36, "uneven distances", "flag", "series.uneven", "varies from 2.00 to 2.60 mm", all_good)(
    series(lambda data, k: setattr(data, "ImagePositionPatient", [-40.0 - 2 * k - 0.6 * (k > 4), -100, 110]))
)


def leaning(data: Dataset, k: int) -> None:
    data.ImagePositionPatient = [-40.0 - 2 * k, -100 + k, 110]


def tilted(phase: stack.StoredPhase) -> None:
    all_good(phase)
    np.testing.assert_allclose(phase.geometry.to_mm((3, 0, 0)), (-46, -97, 110), atol=1e-6)


case(37, "tilted stack", "flag", "series.tilted", "tilted by 26.6 degrees", tilted)(series(leaning))


def three_planes(data: Dataset, k: int) -> None:
    planes = [[0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]]
    data.ImageOrientationPatient = planes[k % 3]
    data.SeriesDescription = "3-plane localizer"


case(38, "localizer", "flag", "series.several_orientations", "3 orientations")(series(three_planes, slices=9))
for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
    case(39, f"no {keyword}", "flag", "series.no_position", "no usable position in space", all_good)(
        series(lambda data, k, w=keyword: delattr(data, w))
    )


def text_number(keyword: str, text: bytes) -> Callable[[Path], list[Path]]:
    """The value of a DS element replaced by bytes of the same length."""

    def make(folder: Path) -> list[Path]:
        paths = series(lambda data, k: setattr(data, keyword, [8.125, 8.125]))(folder)
        for path in paths:
            path.write_bytes(path.read_bytes().replace(b"8.125\\8.125", text.ljust(11)))
        return paths

    return make


BAD_SPACINGS: list[tuple[Any, str]] = [([0, 0], "0\\0"), ([-1, 1], "-1\\1")]
for bad, shown in BAD_SPACINGS:
    case(40, f"spacing {bad}", "flag", "series.bad_spacing", f"pixel spacing is {shown}", all_good)(
        series(lambda data, k, v=bad: setattr(data, "PixelSpacing", v))
    )
case(40, "spacing text", "flag", "series.bad_spacing", "pixel spacing is wide", all_good)(
    text_number("PixelSpacing", b"wide")
)
case(40, "spacing NaN", "flag", "series.bad_spacing", "pixel spacing is nan", all_good)(
    text_number("PixelSpacing", b"nan\\nan")
)
case(40, "orientation not orthonormal", "flag", "series.bad_spacing", "orientation is 0\\1\\0.1", all_good)(
    series(lambda data, k: setattr(data, "ImageOrientationPatient", [0, 1, 0.1, 0, 0, -1]))
)
case(41, "no instance numbers", "read", check=all_good)(series(lambda data, k: delattr(data, "InstanceNumber")))
case(41, "one instance number", "read", check=all_good)(series(lambda data, k: setattr(data, "InstanceNumber", 7)))


@case(41, "an instance number that is none", "flag", "dicom.bad_number", 'InstanceNumber "1a" is not a valid', all_good)
def _(folder: Path) -> list[Path]:
    paths = series()(folder)
    for path in paths:
        content = bytearray(path.read_bytes())
        k = at(content, (0x20, 0x13))
        content[k + 8 : k + 10] = b"1a"
        path.write_bytes(content)
    return paths


case(42, "slope 0", "refuse", "dicom.rescale", "rescale slope is 0")(with_tags(RescaleSlope=0, RescaleIntercept=0))


@case(42, "slope NaN", "refuse", "dicom.rescale", "rescale slope is nan")
def _(folder: Path) -> Path:
    path = with_tags(RescaleSlope=1.5, RescaleIntercept=0)(folder)
    path.write_bytes(path.read_bytes().replace(b"1.5 ", b"nan "))
    return path


def lookup_table(data: Dataset, k: int) -> None:
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType, item.LUTData = [4, 0, 16], "US", [0, 10, 20, 40]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    data.ModalityLUTSequence = [item] if k == 2 else []


case(42, "a table instead of a slope", "refuse", "dicom.modality_lut", "values by a table")(series(lookup_table))
case(42, "an empty table", "read", check=all_good)(series(lambda data, k: lookup_table(data, 0)))
case(42, "another unit of the rescale", "read", check=all_good)(
    series(lambda data, k: data.update({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "OD"}))
)
case(42, "no intercept", "read", check=good)(with_tags(RescaleSlope=2))


def per_slice(phase: stack.StoredPhase) -> None:
    for k, values in enumerate(phase.values):
        np.testing.assert_allclose(values, dicom_base.slice_values(0, k) * (1.0 + k) + 3, rtol=1e-6)


def own_slope(data: Dataset, k: int) -> None:
    data.RescaleSlope, data.RescaleIntercept = 1.0 + k, 3


case(42, "a slope per slice", "read", check=per_slice)(series(own_slope))

# rows 44 to 50 and 54


@case(44, "enhanced multi-frame", "read")
def _(folder: Path) -> Path:
    made.enhanced(_folder(folder) / "bad.dcm")
    return folder / "bad.dcm"


@case(45, "mosaic without a count", "refuse", "dicom.mosaic", "mosaic without a count of slices")
def _(folder: Path) -> Path:
    made.mosaic(_folder(folder) / "bad.dcm", None)
    return folder / "bad.dcm"


@case(48, "values of any length", "read", check=good)
def _(folder: Path) -> Path:
    def change(data: Dataset) -> None:
        data["PatientName"]._value = pydicom.valuerep.PersonName("X" * 10_000)
        data.SeriesDescription = "L" * 200
        data.StudyDate = "2020.01.02"

    settings_of = pydicom.config.settings.writing_validation_mode
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    with pytest.warns(UserWarning):
        path = changed(folder, change)
    pydicom.config.settings.writing_validation_mode = settings_of
    return path


case(48, "a comma for a point", "flag", "dicom.bad_number", 'PixelSpacing "0,8\\0,8" is not a valid number')(
    text_number("PixelSpacing", b"0,8\\0,8")
)
case(48, "control characters", "read", check=good)(with_tags(SeriesDescription="a\x07b\x1fc"))


@case(50, "nesting without end", "skip", "dicom.too_deep", "nests its tags too deeply")
def _(folder: Path) -> Path:
    head = struct.pack("<HH2sHI", 0x40, 0x275, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    tail = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)

    def change(b: bytearray) -> bytes:
        pixel = at(b, (0x7FE0, 0x10))
        return bytes(b[:pixel]) + head * 5000 + tail * 5000 + bytes(b[pixel:])

    return raw(folder, change)


@case(50, "a sequence of many items", "read", check=good)
def _(folder: Path) -> Path:
    head = struct.pack("<HH2sHI", 0x40, 0x275, b"SQ", 0, 0xFFFFFFFF)
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 100_000 + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)

    def change(b: bytearray) -> bytes:
        pixel = at(b, (0x7FE0, 0x10))
        return bytes(b[:pixel]) + head + items + bytes(b[pixel:])

    return raw(folder, change)


@case(54, "mixed syntaxes", "flag", "dicom.mixed_formats", "the slices use 3 pixel formats", all_good)
def _(folder: Path) -> list[Path]:
    def change(data: Dataset, k: int) -> None:
        if k % 3 == 1:
            data.compress(RLELossless)
            data["PixelData"].is_undefined_length = True
        elif k % 3 == 2:
            data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    return series(change)(folder)  # type: ignore[no-any-return]


@case(54, "8 and 16 bits", "flag", "dicom.mixed_formats", "2 pixel formats", all_good)
def _(folder: Path) -> list[Path]:
    def change(data: Dataset, k: int) -> None:
        if k == 3:
            data.BitsAllocated = data.BitsStored = 8
            data.HighBit, data.PixelRepresentation = 7, 0
            data.PixelData = dicom_base.slice_values(0, k).astype(np.uint8).tobytes()

    return series(change)(folder)  # type: ignore[no-any-return]


# the test of all rows


def state(paths: list[Path]) -> list[tuple[bytes, int]]:
    return [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]


def is_one_sentence(error: TumorDiffError) -> bool:
    text = error.sentence
    return text.endswith(".") and not FORBIDDEN.search(text) and len(text.split()) <= 40 and text.count("; ") >= 2


@pytest.fixture(scope="module", autouse=True)
def decoder() -> Iterator[None]:
    yield
    pixels.close_decoder()


@pytest.mark.parametrize("one", CASES, ids=[f"{c.row}-{c.name}".replace(" ", "-") for c in CASES])
def test_a_bad_input_has_its_outcome_and_its_sentence(one: Case, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    found = one.make(folder)
    paths = found if isinstance(found, list) else [found]
    neighbour = dicom_base.save(dicom_base.base(patient="NEXT"), folder / "next.dcm")
    before, listing = state([*paths, neighbour]), sorted(folder.rglob("*"))
    if one.outcome == "skip":
        with pytest.raises(InputError) as caught:
            read_header(paths[0])
        assert one.code in ("", caught.value.code) and one.said.lower() in caught.value.sentence.lower()
        assert is_one_sentence(caught.value), caught.value.sentence
    elif one.outcome == "refuse":
        with pytest.raises(TumorDiffError) as refused:
            stack.read_stored_phase([read_header(path) for path in paths])
        assert refused.value.code == one.code and one.said.lower() in refused.value.sentence.lower()
        assert is_one_sentence(refused.value), refused.value.sentence
    else:
        phase = stack.read_stored_phase([read_header(path) for path in paths])
        said = {remark.code: remark for remark in phase.remarks}
        if one.code:
            assert one.code in said, list(said)
            assert one.said.lower() in said[one.code].sentence.lower()
        assert all(is_one_sentence(remark) for remark in phase.remarks)
        assert one.code or not phase.remarks
        if one.check is not None:
            one.check(phase)
    good(stack.read_stored_phase([read_header(neighbour)]))
    assert state([*paths, neighbour]) == before and sorted(folder.rglob("*")) == listing


# rows that are more than one file's outcome


def test_row_32_and_33_copies_are_ignored_and_impostors_named(tmp_path: Path) -> None:
    first = changed(tmp_path)
    (tmp_path / "copy.dcm").write_bytes(first.read_bytes())
    data = pydicom.dcmread(first)
    data.PixelData = (PLAIN + 1).tobytes()
    data.save_as(tmp_path / "impostor.dcm")
    found = [read_header(tmp_path / name) for name in ("bad.dcm", "copy.dcm", "impostor.dcm")]
    kept, copies, conflicts = stack.distinct(found)
    assert [Path(h["path"]).name for h in kept] == ["bad.dcm"]
    assert [Path(h["path"]).name for h in copies] == ["copy.dcm"]
    assert [c.code for c in conflicts] == ["dicom.same_uid"]
    assert "impostor.dcm has the uid of bad.dcm but other content" in conflicts[0].sentence.lower()
    volume = stack.open_folder(tmp_path)
    np.testing.assert_array_equal(volume.values[0, 0], PLAIN)


def test_row_34_a_series_of_two_matrices_is_never_one_volume(tmp_path: Path) -> None:
    def larger(data: Dataset, _: int, k: int) -> None:
        if k >= 4:
            data.Rows, data.PixelData = 48, np.tile(dicom_base.slice_values(0, k), (2, 1)).tobytes()

    paths = dicom_base.series(tmp_path, phases=1, slices=8, change=larger)
    assert len(order.order_series([read_header(path) for path in paths])) == 2
    with pytest.raises(InputError) as caught:
        stack.read_series(paths)
    assert caught.value.code in {"series.mixed", "series.missing_slice"}


def test_row_35_two_patients_in_one_study_stay_two(tmp_path: Path) -> None:
    def other(data: Dataset, _: int, k: int) -> None:
        if k >= 4:
            data.PatientID = "SOMEONE_ELSE"

    paths = dicom_base.series(tmp_path, phases=1, slices=8, change=other)
    found = study.records([read_header(path) for path in paths])
    assert sorted(one.patient_id for one in found) == ["BASE_1", "SOMEONE_ELSE"]
    assert len({one.uid for one in found}) == 1


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "PixelSpacing"])
def test_row_39_and_40_without_a_place_nothing_is_measured(tmp_path: Path, keyword: str) -> None:
    paths = dicom_base.series(tmp_path, phases=1, slices=4, change=lambda data, *_: delattr(data, keyword))
    with pytest.raises(GeometryError) as caught:
        stack.read_series(paths)
    assert caught.value.code == "series.no_position"


@pytest.mark.parametrize("bordered", [True, False])
def test_row_43_padding_is_left_out_of_the_window_where_the_border_is_padded(tmp_path: Path, bordered: bool) -> None:
    values = PLAIN + np.int16(500)
    if bordered:
        values[[0, -1], :] = values[:, [0, -1]] = -32768
    else:
        values[10, 10] = -32768
    path = with_tags(PixelPaddingValue=-32768, PixelData=values.tobytes())(tmp_path)
    window = stack.window_beside_padding(stack.read_stored_phase([read_header(path)]))
    if bordered:
        assert window is not None and window[0] - window[1] / 2 > 400
    else:
        assert window is None


MASK_GRID = Geometry((5, 24, 32), (2.0, 0.8, 0.7), (0, 0, 0), (0, 1, 0), (0, 0, -1), (-1, 0, 0))


def mask_object(slices: tuple[int, ...] = (3, 1), *, bits: int = 1) -> tuple[Dataset, np.ndarray]:
    """A segmentation with a frame for some slices of ``MASK_GRID``, and what its frames hold."""
    data = dicom_base.base()
    data.SOPClassUID, data.Modality = "1.2.840.10008.5.1.4.1.1.66.4", "SEG"
    data.SegmentationType = "BINARY" if bits == 1 else "FRACTIONAL"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.PixelRepresentation = bits - 1, 0
    mask = np.random.default_rng(0).random((len(slices), 24, 32)) > 0.5
    data.NumberOfFrames = len(slices)
    data.PixelData = np.packbits(mask.reshape(-1), bitorder="little").tobytes()
    if bits == 8:
        data.MaximumFractionalValue, data.PixelData = 255, (mask * np.uint8(255)).tobytes()
    data["PixelData"].VR = "OB"
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient, measures.PixelSpacing = [0, 1, 0, 0, 0, -1], [0.8, 0.7]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], []
    for k in slices:
        own, plane = Dataset(), Dataset()
        plane.ImagePositionPatient = MASK_GRID.to_mm((k, 0, 0)).tolist()
        own.PlanePositionSequence = [plane]
        data.PerFrameFunctionalGroupsSequence.append(own)
    return data, mask


def test_row_46_frames_that_a_mask_does_not_hold_are_empty(tmp_path: Path) -> None:
    data, mask = mask_object()
    grid = MASK_GRID
    dicom_base.save(data, tmp_path / "seg.dcm")
    found = masks.read_mask(tmp_path / "seg.dcm", grid).values
    np.testing.assert_array_equal(found[[3, 1]], mask)
    assert not found[[0, 2, 4]].any()
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dicom_base.save(data, tmp_path / "deflated.dcm")
    np.testing.assert_array_equal(masks.read_mask(tmp_path / "deflated.dcm", grid).values, found)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
def test_row_46_a_compressed_mask_is_decoded_where_all_pixels_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str
) -> None:
    data, mask = mask_object(bits=8)
    data.compress(syntax)
    dicom_base.save(data, tmp_path / "seg.dcm")
    monkeypatch.setattr(Dataset, "convert_pixel_data", None)
    asked: list[Any] = []
    ask = pixels._ask
    monkeypatch.setattr(pixels, "_ask", lambda *names: asked.append(names) or ask(*names))
    found = masks.read_mask(tmp_path / "seg.dcm", MASK_GRID).values
    np.testing.assert_array_equal(found[[3, 1]], mask)
    assert len(asked) == (syntax == JPEGLSLossless)


def test_row_19_a_mask_whose_stream_is_another_size_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = mask_object(bits=8)
    data.compress(JPEGLSLossless)
    dicom_base.save(data, tmp_path / "seg.dcm")
    content = bytearray((tmp_path / "seg.dcm").read_bytes())
    for found in re.finditer(b"\xff\xd8\xff\xf7", bytes(content)):
        content[found.start() + 7 : found.start() + 11] = struct.pack(">HH", 60000, 60000)
    (tmp_path / "seg.dcm").write_bytes(content)
    monkeypatch.setattr(pixels, "_ask", None)
    with pytest.raises(InputError, match="60000 x 60000"):
        masks.read_mask(tmp_path / "seg.dcm", MASK_GRID)


def test_row_25_a_mask_of_single_bits_is_whole_and_uncompressed_or_refused(tmp_path: Path) -> None:
    data, _ = mask_object()
    path = dicom_base.save(data, tmp_path / "seg.dcm")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="bytes of pixels"):
        masks.read_mask(path, MASK_GRID)
    data.PixelData = encapsulate([bytes(96), bytes(96)])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = RLELossless
    with pytest.raises(UnsupportedError, match="1 bits"):
        masks.read_mask(dicom_base.save(data, tmp_path / "packed.dcm"), MASK_GRID)


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
        ("ISO_IR 100", "Buc^Jérôme"),
    ],
)
def test_row_47_names_keep_their_letters(tmp_path: Path, character_set: Any, name: str) -> None:
    path = with_tags(SpecificCharacterSet=character_set, PatientName=name)(tmp_path)
    header = read_header(path)
    assert header["PatientName"] == name and "remarks" not in header


def test_row_47_unknown_characters_cost_letters_and_not_the_file(tmp_path: Path) -> None:
    path = with_tags(PatientName="ABCDEF^GH")(tmp_path)
    content = path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999").replace(b"ABCDEF", b"\xc1\xe2\xff\xfeEF")
    path.write_bytes(content)
    header = read_header(path)
    assert header["PatientName"].endswith("EF^GH")
    assert [r.code for r in remarks_of(header)] == ["dicom.character_set"]
    assert "text of bad.dcm does not fit its character set" in remarks_of(header)[0].sentence.lower()
    path.write_bytes(content.replace(b"ISO_IR 999", b"ISO_IR 192"))
    assert "dicom.character_set" in read_header(path)["remarks"]


@pytest.mark.parametrize(
    "name", ["../../x", "C:\\a", "CON", "a/b", "..", ".hidden", "trail ", "\U0001f600", "x" * 300, "", "nul\0l"]
)
def test_row_49_identifiers_are_never_paths(name: str) -> None:
    made_name = files.safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", made_name) and re.search(r"[0-9a-f]{8}$", made_name)
    assert len(made_name) <= 60


def test_row_53_what_is_no_file_or_goes_away_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(InputError, match="not a regular file"):
            read_header(tmp_path / name)
    with pytest.raises(MissingError, match="not found"):
        read_header(tmp_path / "gone.dcm")
    (tmp_path / "locked.dcm").write_bytes(b"x")
    (tmp_path / "locked.dcm").chmod(0)
    if os.geteuid():
        with pytest.raises(InputError, match="could not be read"):
            read_header(tmp_path / "locked.dcm")


def test_every_row_of_a_file_has_a_case() -> None:
    elsewhere = {32, 33, 35, 43, 46, 47, 49, 51, 52, 53}
    assert {c.row for c in CASES} | elsewhere == set(range(1, 55))


def test_no_multi_frame_file_without_its_bytes(tmp_path: Path) -> None:
    path = with_tags(NumberOfFrames=5)(tmp_path)
    with pytest.raises(InputError, match="declares"):
        frames.split([read_header(path)])
