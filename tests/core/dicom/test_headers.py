"""The strict header reader agrees with pydicom or hands over to it, and never falls over."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from tests.generators import dicom_base
from tumordiff_core.dicom import headers
from tumordiff_core.dicom.headers import read_header, read_with_pydicom
from tumordiff_core.dicom.tags import KEYWORDS, PRIVATE
from tumordiff_core.dicom.walk import Memo
from tumordiff_core.errors import InputError, TumorDiffError

DISK = {"path", "size", "mtime_ns"}


class Handed:
    """Counts what the strict reader left to pydicom."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def __call__(self, path: Path) -> dict[str, Any]:
        self.paths.append(path)
        return read_with_pydicom(path)


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Keywords whose values differ, NaN being equal to itself."""
    names = (ours.keys() | theirs.keys()) - DISK
    return {n: (ours.get(n), theirs.get(n)) for n in names if repr(ours.get(n)) != repr(theirs.get(n))}


def plain_pydicom(path: Path) -> dict[str, Any]:
    """What pydicom itself says of the catalogue's tags, in plain types."""
    data = pydicom.dcmread(path, stop_before_pixels=True)
    found = {}
    for keyword in KEYWORDS:
        value = data.get(keyword)
        if value is None or value == "" or isinstance(value, pydicom.Sequence | bytes):
            continue
        found[keyword] = plain(value)
    for (group, creator, number), (name, _) in PRIVATE.items():
        try:
            found[name] = plain(data.private_block(group, creator)[number].value)
        except KeyError:
            continue
    return found


def plain(value: Any) -> Any:
    if isinstance(value, pydicom.multival.MultiValue | list):
        return tuple(plain(v) for v in value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) or hasattr(value, "real"):
        return float(value)
    return str(value)


@pytest.mark.real
def test_every_tag_of_the_real_study_is_as_pydicom_says(ispy1_dicom: Path) -> None:
    handed, memo = Handed(), Memo()
    paths = sorted(ispy1_dicom.rglob("*.dcm"))
    assert len(paths) == 465
    compared = 0
    for path in paths:
        ours = read_header(path, memo=memo, doubtful=handed)
        theirs = plain_pydicom(path)
        wrong = {k: (ours.get(k), v) for k, v in theirs.items() if repr(ours.get(k)) != repr(v)}
        assert not wrong, (path.name, wrong)
        assert not set(ours) & set(KEYWORDS) - set(theirs)
        compared += len(theirs)
    assert compared > 465 * 40
    assert not handed.paths, "nothing in this study is unusual enough for pydicom"
    assert memo.hits > 300 and memo.learnt + memo.hits == 465


@pytest.mark.real
def test_both_ways_of_reading_the_real_study_give_one_record(ispy1_dicom: Path) -> None:
    for path in sorted(ispy1_dicom.rglob("*.dcm"))[::9]:
        assert not differences(read_header(path), read_with_pydicom(path)), path.name


def saved(folder: Path, change: Callable[[Dataset], None] = lambda data: None, name: str = "a.dcm") -> Path:
    data = dicom_base.base()
    change(data)
    return dicom_base.save(data, folder / name)


def test_alike_files_are_read_from_one_layout(tmp_path: Path) -> None:
    paths = dicom_base.series(tmp_path, phases=2, slices=5)
    memo = Memo()
    found = [read_header(path, memo=memo, doubtful=pytest.fail) for path in paths]
    assert memo.learnt + memo.hits == 10 and memo.hits >= 4
    for path, header in zip(paths, found, strict=True):
        assert not differences(header, read_with_pydicom(path))
        assert header["pixel_length"] == 24 * 32 * 2
    again = [read_header(path, memo=memo) for path in paths]
    assert again == found and memo.hits >= 14


def test_a_remembered_layout_is_never_used_for_another_one(tmp_path: Path) -> None:
    memo = Memo()
    first = saved(tmp_path)
    read_header(first, memo=memo)
    content = bytearray(first.read_bytes())
    for position in range(132, len(content) - 24 * 32 * 2, 3):
        other = bytearray(content)
        other[position] ^= 0x11
        (tmp_path / "b.dcm").write_bytes(other)
        handed = Handed()
        try:
            ours = read_header(tmp_path / "b.dcm", memo=memo, doubtful=handed)
        except TumorDiffError:
            continue
        if not handed.paths:
            assert not differences(ours, read_with_pydicom(tmp_path / "b.dcm")), position


@pytest.mark.parametrize(
    "change",
    [
        lambda data: setattr(data, "NumberOfFrames", 1),
        lambda data: setattr(data, "PatientName", "Jérôme"),
        lambda data: setattr(data, "SpecificCharacterSet", "ISO_IR 192"),
        lambda data: setattr(data, "ImageType", ["A", "", "B"]),
        lambda data: setattr(data, "StudyDescription", ""),
        lambda data: setattr(data, "WindowCenter", [10, 20]),
        lambda data: data.private_block(0x19, "GEMS_ACQU_01", create=True).add_new(0x5A, "FL", 285816992.0),
        lambda data: data.private_block(0x19, "SOMEBODY ELSE", create=True).add_new(0x5A, "FL", 1.0),
        lambda data: setattr(data, "ReferencedImageSequence", [Dataset(), Dataset()]),
        lambda data: data.compress(RLELossless),
        lambda data: setattr(data.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian),
        lambda data: setattr(data, "EncapsulatedDocument", b"12"),
    ],
)
def test_both_readers_give_one_record(tmp_path: Path, change: Callable[[Dataset], None]) -> None:
    path = saved(tmp_path, change)
    assert not differences(read_header(path, memo=Memo()), read_with_pydicom(path))


@pytest.mark.parametrize("spacing", [b"1.2\0\\1.25 ", b"\0.25\\1.25 "])
def test_padding_within_numbers_is_no_number(tmp_path: Path, spacing: bytes) -> None:
    path = saved(tmp_path, lambda data: setattr(data, "PixelSpacing", ["1.25", "1.25"]))
    path.write_bytes(path.read_bytes().replace(b"1.25\\1.25 ", spacing))
    header = read_header(path, memo=Memo())
    assert not differences(header, read_with_pydicom(path))
    assert "PixelSpacing" not in header and header["remarks"] == ("dicom.bad_number",)


def test_a_text_where_a_number_belongs_is_no_number(tmp_path: Path) -> None:
    path = saved(tmp_path, lambda data: setattr(data, "PatientWeight", "0508"))
    path.write_bytes(path.read_bytes().replace(b"\x10\x00\x30\x10DS\4\x000508", b"\x10\x00\x30\x10AS\4\x00050Y"))
    header = read_header(path, memo=Memo())
    assert not differences(header, read_with_pydicom(path))
    assert "PatientWeight" not in header and header["remarks"] == ("dicom.bad_number",)


def test_private_numbers_count_only_under_their_creator(tmp_path: Path) -> None:
    path = saved(tmp_path, lambda d: d.private_block(0x19, "OTHER", create=True).add_new(0x5A, "FL", 1.0))
    assert "GEAcquisitionDuration" not in read_header(path)
    path = saved(tmp_path, lambda d: d.private_block(0x19, "GEMS_ACQU_01", create=True).add_new(0x5A, "FL", 2.0))
    assert read_header(path)["GEAcquisitionDuration"] == 2.0


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_a_file_without_identity_is_refused(tmp_path: Path, keyword: str) -> None:
    path = saved(tmp_path)
    data = pydicom.dcmread(path)
    delattr(data, keyword)
    data.save_as(path)
    with pytest.raises(InputError, match=f"has no {keyword}"):
        read_header(path)


def test_a_header_longer_than_the_window_is_read_on(tmp_path: Path) -> None:
    def large(data: Dataset) -> None:
        data.private_block(0x11, "SOMEBODY", create=True).add_new(0x01, "OB", bytes(5 * headers.WINDOW))

    path = saved(tmp_path, large)
    header = read_header(path, doubtful=pytest.fail)
    assert header["pixel_offset"] > 5 * headers.WINDOW and header["Rows"] == 24


# mutations


def mutated(content: bytes, random: np.random.Generator, header: int) -> bytes:
    """One to four small accidents in the first ``header`` bytes."""
    made = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(0, min(header, len(made) - 8)))
        kind = random.integers(0, 8)
        if kind == 0:
            made[at] = int(random.integers(256))
        elif kind == 1:
            made[at] ^= 1 << int(random.integers(8))
        elif kind == 2:
            made[at : at + 4] = struct.pack(
                "<I", int(random.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFF, 0xFFFFFFFE]))
            )
        elif kind == 3:
            del made[at : at + int(random.integers(1, 40))]
        elif kind == 4:
            made[at:at] = random.bytes(int(random.integers(1, 40)))
        elif kind == 5:
            source = int(random.integers(0, header))
            made[at : at + 20] = made[source : source + 20]
        elif kind == 6 and random.random() < 0.3:
            del made[at:]
        else:
            made[at : at + 2] = struct.pack("<H", int(random.choice([0, 1, 2, 8, 0xFFFF, 0x7FFF, 0x0101])))
        if len(made) < 16:
            break
    return bytes(made)


def seeds(folder: Path, real: Path | None) -> list[tuple[bytes, int]]:
    """Small files to mutate with the length of their headers: made ones, and real ones with tiny pixels."""
    changes: list[Callable[[Dataset], None]] = [
        lambda data: None,
        lambda data: setattr(data.file_meta, "TransferSyntaxUID", ImplicitVRLittleEndian),
        lambda data: data.compress(RLELossless),
        lambda data: setattr(data, "ReferencedImageSequence", [dicom_base.base(), Dataset()]),
    ]
    paths = [saved(folder, change, f"{n}.dcm") for n, change in enumerate(changes)]
    for n, path in enumerate(sorted(real.rglob("*.dcm"))[::60] if real else []):
        data = pydicom.dcmread(path)
        if "PerFrameFunctionalGroupsSequence" in data:
            data.PerFrameFunctionalGroupsSequence = data.PerFrameFunctionalGroupsSequence[:1]
            data.NumberOfFrames = 1
        data.Rows = data.Columns = 4
        data.PixelData = bytes(16 * data.BitsAllocated // 8)
        data.save_as(folder / f"real{n}.dcm")
        paths.append(folder / f"real{n}.dcm")
    return [(path.read_bytes(), read_header(path)["pixel_offset"]) for path in paths]


def fuzz(folder: Path, real: Path | None, count: int, seed: int) -> dict[str, int]:
    """Read ``count`` mutated files; every outcome is a header or an error with a sentence."""
    random = np.random.default_rng(seed)
    files, memo, place = seeds(folder, real), Memo(), folder / "mutated.dcm"
    told = {"read": 0, "handed over": 0, "refused": 0}
    for n in range(count):
        content, header = files[n % len(files)]
        place.write_bytes(mutated(content, random, header))
        handed = Handed()
        try:
            ours = read_header(place, memo=memo, doubtful=handed)
        except TumorDiffError as error:
            assert error.sentence.endswith("."), n
            told["refused"] += 1
            continue
        if handed.paths:
            told["handed over"] += 1
            continue
        told["read"] += 1
        wrong = differences(ours, read_with_pydicom(place))
        assert not wrong, (seed, n, wrong)
    return told


def test_mutated_headers_agree_or_are_handed_over(tmp_path: Path) -> None:
    told = fuzz(tmp_path, None, 600, seed=1)
    assert all(count > 20 for count in told.values()), told


@pytest.mark.real
def test_mutated_real_headers_agree_or_are_handed_over(tmp_path: Path, ispy1_dicom: Path) -> None:
    told = fuzz(tmp_path, ispy1_dicom, 300, seed=2)
    assert told["read"] > 20


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_thousand_mutated_headers(tmp_path: Path, ispy1_dicom: Path) -> None:
    told = fuzz(tmp_path, ispy1_dicom, 20_000, seed=3)
    print(f"\n20,000 mutated headers: {told}")
    assert sum(told.values()) == 20_000
