"""The numbered bad inputs that an import must survive: one bad file, a good neighbour, one sentence."""

import contextlib
import gc
import gzip
import os
import socket
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from tests.generators import dicom_base
from tumordiff_core.catalogue import archives, database, importing, queries
from tumordiff_core.catalogue.doubtful import DoubtfulReader
from tumordiff_core.errors import InputError
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import reader

Maker = Callable[[Path, bytes], Any]


def index(*paths: Path) -> importing.Report:
    return importing.run(list(paths), progress=Progress())


class Told(Progress):
    """Keeps the sentences of warnings."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__()
        self.sentences = sentences

    def warn(self, code: str, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder with one good image, ``good.dcm``."""
    dicom_base.save(dicom_base.base(series="good", slice_index=1), tmp_path / "disk" / "good.dcm")
    return tmp_path / "disk"


def base_bytes(tmp_path: Path) -> bytes:
    return dicom_base.save(dicom_base.base(series="bad"), tmp_path / "base.dcm").read_bytes()


def element_at(content: bytes, group: int, element: int) -> int:
    """Offset of an explicit element's tag."""
    return content.index(struct.pack("<HH", group, element), 132)


def with_length(content: bytes, group: int, element: int, length: int, *, wide: bool) -> bytes:
    at = element_at(content, group, element) + (8 if wide else 6)
    return content[:at] + struct.pack("<I" if wide else "<H", length) + content[at + (4 if wide else 2) :]


def changed(content: bytes, path: Path, change: Callable[[pydicom.Dataset], Any]) -> bytes:
    path.write_bytes(content)
    data = pydicom.dcmread(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        change(data)
        data.save_as(path)
    return path.read_bytes()


def deflate_bomb(content: bytes) -> bytes:
    end = 144 + int.from_bytes(content[140:144], "little")
    meta = content[:end].replace(b"1.2.840.10008.1.2.1\0", DeflatedExplicitVRLittleEndian.encode())
    grown = len(meta) - end
    meta = meta[:140] + struct.pack("<I", end - 144 + grown) + meta[144:]
    at = meta.index(DeflatedExplicitVRLittleEndian.encode())
    meta = meta[: at - 2] + struct.pack("<H", len(DeflatedExplicitVRLittleEndian)) + meta[at:]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(content[end:])
    for _ in range(100):
        body += packer.compress(bytes(1_000_000))
    return meta + body + packer.flush()


def nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
        inner = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, len(item)) + item
    return inner


def insert_before(content: bytes, group: int, element: int, extra: bytes) -> bytes:
    at = element_at(content, group, element)
    return content[:at] + extra + content[at:]


SKIPPED: dict[str, tuple[Callable[[bytes, Path], bytes], str]] = {
    "1 empty": (lambda b, p: b"", "dicom.empty_file"),
    "2 text": (lambda b, p: b"text " * 500, "dicom.not_dicom"),
    "3 signature only": (lambda b, p: bytes(128) + b"DICM", "dicom.only_signature"),
    "4 cut in the header": (lambda b, p: b[:700], "dicom.cut_header"),
    "6 no signature, no known class": (lambda b, p: b"\x08\x00" + b"rubbish " * 60, "dicom.no_signature"),
    "7 wrong element length": (lambda b, p: with_length(b, 8, 0x60, 0x7FFF, wide=False), "dicom.bad_length"),
    "8 absurd pixel length": (lambda b, p: with_length(b, 0x7FE0, 0x10, 0xFFFFFFF0, wide=True), "dicom.pixels_absurd"),
    "9 undefined native length": (
        lambda b, p: with_length(b, 0x7FE0, 0x10, 0xFFFFFFFF, wide=True), "dicom.pixels_undefined"),
    "16 deflate bomb": (lambda b, p: deflate_bomb(b), "dicom.unpacks_too_far"),
    "no UID": (lambda b, p: changed(b, p, lambda d: delattr(d, "SeriesInstanceUID")), "dicom.no_identity"),
    "51 DICOMDIR": (lambda b, p: b, "dicom.dicomdir"),
    "52 archive in a folder": (lambda b, p: b, "index.archive_inside"),
    "a volume file": (lambda b, p: bytes(400), "index.volume_file"),
    "a MetaImage": (lambda b, p: bytes(400), "index.volume_file"),
}  # fmt: skip
NAMES = {"51 DICOMDIR": "DICOMDIR", "52 archive in a folder": "inside.zip", "a volume file": "scan.nii.gz",
         "a MetaImage": "scan.mha"}  # fmt: skip


@pytest.mark.parametrize("row", SKIPPED)
def test_a_bad_file_is_skipped_with_its_sentence(home: Path, disk: Path, tmp_path: Path, row: str):
    make, code = SKIPPED[row]
    bad = disk / NAMES.get(row, "bad.dcm")
    content = make(base_bytes(tmp_path), tmp_path / "work.dcm")
    bad.write_bytes(content)
    before = bad.stat()
    report = index(disk)
    assert (report.seen, report.indexed, report.skipped) == (2, 1, 1)
    (skip,) = report.skips
    assert (skip.path, skip.code) == (str(bad), code)
    assert (
        bad.name.lower() in skip.sentence.lower()
        and str(disk) not in skip.sentence
        and len(skip.sentence.split()) <= 30
    )
    assert bad.read_bytes() == content and bad.stat().st_mtime_ns == before.st_mtime_ns
    assert queries.tree()[0].patient_id == "BASE_1"


def encoded(syntax: str) -> Callable[[bytes, Path], bytes]:
    def make(content: bytes, path: Path) -> bytes:
        path.write_bytes(content)
        data = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<i2").astype(">i2").tobytes()
        data.file_meta.TransferSyntaxUID = syntax
        # The data set remembers how it was read; a new one is written as the new syntax says.
        fresh = pydicom.Dataset(data)
        fresh.file_meta = data.file_meta
        fresh.save_as(path, enforce_file_format=True)
        return path.read_bytes()

    return make


INDEXED: dict[str, tuple[Callable[[bytes, Path], bytes], str]] = {
    "5 cut in the pixels": (lambda b, p: b[:-300], "BASE_1"),
    "6 no signature": (lambda b, p: b[144 + int.from_bytes(b[140:144], "little") :], "BASE_1"),
    "11 trailing bytes": (lambda b, p: b + bytes(100), "BASE_1"),
    "13 unknown syntax": (lambda b, p: b.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"), "BASE_1"),
    "14 lying syntax": (lambda b, p: b.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"), "BASE_1"),
    "15 deflated": (encoded(DeflatedExplicitVRLittleEndian), "BASE_1"),
    "implicit": (encoded(ImplicitVRLittleEndian), "BASE_1"),
    "17 big endian": (encoded(ExplicitVRBigEndian), "BASE_1"),
    "22 no size": (lambda b, p: changed(b, p, lambda d: delattr(d, "Rows")), "BASE_1"),
    "23 no pixels": (lambda b, p: changed(b, p, lambda d: delattr(d, "PixelData")), "BASE_1"),
    "41 no number": (lambda b, p: changed(b, p, lambda d: delattr(d, "InstanceNumber")), "BASE_1"),
    "47 Korean text": (
        lambda b, p: changed(b, p, lambda d: d.update({"SpecificCharacterSet": ["", "ISO 2022 IR 149"],
                                                       "PatientID": "KOR_1"})), "KOR_1"),
    "48 long name": (lambda b, p: changed(b, p, lambda d: setattr(d, "PatientName", "X" * 10_000)), "BASE_1"),
    "48 comma in a number": (lambda b, p: b.replace(b"0.8\\0.7", b"0,8\\0,7"), "BASE_1"),
    "49 path-like patient": (lambda b, p: changed(b, p, lambda d: setattr(d, "PatientID", "../../x")), "../../x"),
    "49 device name": (lambda b, p: changed(b, p, lambda d: setattr(d, "PatientID", "CON")), "CON"),
    "49 quote": (lambda b, p: changed(b, p, lambda d: setattr(d, "PatientID", "a'; DROP TABLE files; --")),
                 "a'; DROP TABLE files; --"),
    "no patient": (lambda b, p: changed(b, p, lambda d: delattr(d, "PatientID")), ""),
}  # fmt: skip


@pytest.mark.parametrize("row", INDEXED)
def test_an_odd_file_is_indexed(home: Path, disk: Path, tmp_path: Path, row: str):
    make, patient_id = INDEXED[row]
    odd = disk / "odd.dcm"
    odd.write_bytes(make(base_bytes(tmp_path), tmp_path / "work.dcm"))
    report = index(disk)
    assert (report.seen, report.indexed, report.skipped) == (2, 2, 0), report.skips
    assert sorted({p.patient_id for p in queries.tree()}) == sorted({"BASE_1", patient_id})
    patient = queries.patient(patient_id)
    assert patient is not None and patient.visits[0].series
    assert not any(Path(home).rglob("x")), "an identifier was used as a path"


@pytest.mark.parametrize(
    ("modality", "class_uid", "role"),
    [
        ("SR", "1.2.840.10008.5.1.4.1.1.88.33", "report"), ("PR", "1.2.840.10008.5.1.4.1.1.11.1", "report"),
        ("KO", "1.2.840.10008.5.1.4.1.1.88.59", "report"), ("RTSTRUCT", "1.2.840.10008.5.1.4.1.1.481.3", "other"),
    ],
)  # fmt: skip
def test_23_objects_without_pixels_are_listed_and_not_opened(
    home: Path, disk: Path, modality: str, class_uid: str, role: str
):
    data = dicom_base.base(series=modality, number=9)
    data.Modality, data.SOPClassUID = modality, class_uid
    for keyword in ("PixelData", "Rows", "Columns", "PixelSpacing", "ImagePositionPatient"):
        delattr(data, keyword)
    dicom_base.save(data, disk / "object.dcm")
    assert index(disk).indexed == 2
    listed = {s.modality: s for s in queries.tree()[0].visits[0].series}
    assert (listed[modality].role, listed[modality].phases) == (role, ()) and listed["MR"].phases
    with pytest.raises(InputError, match="phase 1"):
        reader.handle({"op": "phase", "series_uid": listed[modality].uid, "phase": 0})


def test_45_a_mosaic_is_listed_by_its_slices(home: Path, disk: Path):
    values = [mosaic_file(disk / "mosaic" / f"{n}.dcm", n) for n in range(3)]
    assert index(disk).indexed == 4
    listed = next(s for s in queries.tree()[0].visits[0].series if s.description == "mosaic")
    assert [(p.label, p.slices) for p in listed.phases] == [("part 1", 7), ("part 2", 7), ("part 3", 7)]
    for phase in range(3):
        reply = reader.handle({"op": "phase", "series_uid": listed.uid, "phase": phase})
        np.testing.assert_array_equal(np.load(reply["npy"]), values[phase])


def mosaic_file(path: Path, number: int) -> np.ndarray:
    """Seven slices as tiles of one picture; their values [slice, row, column]."""
    tiles = np.stack([dicom_base.slice_values(number, k) for k in range(7)])
    rows, columns = tiles.shape[1:]
    picture = np.zeros((3 * rows, 3 * columns), dtype=np.int16)
    for k, tile in enumerate(tiles):
        picture[k // 3 * rows :, k % 3 * columns :][:rows, :columns] = tile
    data = dicom_base.base(series="mosaic", number=8, phase=number, description="mosaic")
    data.ImageType, data.InstanceNumber = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], number + 1
    data.Rows, data.Columns, data.PixelData = 3 * rows, 3 * columns, picture.tobytes()
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 7)
    dicom_base.save(data, path)
    return tiles


def test_48_a_date_with_points_is_a_date(home: Path, disk: Path):
    content = (disk / "good.dcm").read_bytes()
    at = element_at(content, 0x0008, 0x0020)
    dated = content[:at] + struct.pack("<HH2sH", 8, 0x20, b"DA", 10) + b"2020.01.02" + content[at + 16 :]
    (disk / "good.dcm").write_bytes(dated)
    assert index(disk).indexed == 1
    assert str(queries.tree()[0].visits[0].study_date) == "2020-01-02"


def test_50_deep_nesting_does_not_end_the_import(home: Path, disk: Path, tmp_path: Path):
    deep = insert_before(base_bytes(tmp_path), 0x0010, 0x0010, nested(5000))
    (disk / "deep.dcm").write_bytes(deep)
    report = index(disk)
    assert report.seen == 2 and report.indexed + report.skipped == 2 and report.indexed >= 1


def test_32_33_the_same_uid_twice(home: Path, disk: Path):
    good = disk / "good.dcm"
    (disk / "later copy.dcm").write_bytes(good.read_bytes())
    other = bytearray(good.read_bytes())
    other[-10] ^= 255
    (disk / "later other.dcm").write_bytes(other)
    report = index(disk)
    assert (report.seen, report.indexed, report.copies, report.skipped) == (3, 1, 1, 1)
    assert report.skips[0].code == "dicom.same_uid" and report.skips[0].path.endswith("later other.dcm")
    series = queries.tree()[0].visits[0].series[0]
    assert series.files == 1
    again = index(disk)
    assert (again.indexed, again.copies, again.skipped) == (1, 1, 1)
    good.unlink()
    queries.look_again()
    assert [f.path.name for f in queries.phase_files(series.uid, 0)] == ["later copy.dcm"]


def test_35_two_patients_in_one_study_and_series(home: Path, disk: Path):
    dicom_base.save(dicom_base.base(series="good", slice_index=2, study="1", patient="BASE_1"), disk / "a.dcm")
    stray = dicom_base.base(series="good", slice_index=3)
    stray.PatientID = "SOMEONE"
    dicom_base.save(stray, disk / "b.dcm")
    warned: list[str] = []
    importing.run([disk], progress=Told(warned))
    first, second = queries.tree()
    assert [first.patient_id, second.patient_id] == ["BASE_1", "SOMEONE"]
    assert [p.visits[0].series[0].files for p in (first, second)] == [2, 1]
    said = InputError("study.several_patients", count=2).sentence
    assert [p.visits[0].remark for p in (first, second)] == [said, said] and said in warned
    (doubt,) = queries.doubts()
    assert doubt.path == f"BASE_1, SOMEONE: {first.visits[0].study_uid}" and doubt.sentence == said
    with pytest.raises(InputError, match="2 patients"):
        queries.require_one_patient(first.visits[0].study_uid)
    # Series are asked for by their UID: the second patient's must not open as the first one's pictures.
    assert len(first.visits[0].series[0].phases) == 1
    lent = second.visits[0].series[0]
    assert lent.phases == () and lent.remark == InputError("series.shared_uid").sentence
    (disk / "b.dcm").unlink()
    dicom_base.save(dicom_base.base(series="good", slice_index=3, study="1", patient="BASE_1"), disk / "b.dcm")
    index(disk)
    (alone,) = queries.tree()
    assert alone.visits[0].remark == "" and queries.doubts() == []


def test_52_a_zip_is_unpacked_within_limits(home: Path, disk: Path, tmp_path: Path):
    good = (disk / "good.dcm").read_bytes()
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("../../up.dcm", good)
        packed.writestr("bomb.dcm", bytes(20_000_000))
        packed.writestr("inner.zip", b"PK")
        packed.writestr(link, "/etc/passwd")
        packed.writestr("readme.txt", "hello " * 100)
    report = index(tmp_path / "all.zip")
    assert (report.indexed, report.skipped) == (1, 4)
    codes = {Path(skip.path).name.split("-")[-2 if "readme" in skip.path else -1]: skip.code for skip in report.skips}
    assert codes["bomb.dcm"] == "archive.bomb" and codes["inner.zip"] == "archive.nested"
    assert codes["link.dcm"] == "archive.member"
    assert all(skip.path.startswith(str(tmp_path / "all.zip")) for skip in report.skips)
    assert not (tmp_path / "up.dcm").exists() and queries.tree()[0].visits[0].series[0].present
    again = index(tmp_path / "all.zip")
    assert (again.indexed, again.skipped) == (1, 4)


def test_52_passwords_damage_and_gzip(home: Path, disk: Path, tmp_path: Path):
    good = (disk / "good.dcm").read_bytes()
    place = tmp_path / "locked.zip"
    with zipfile.ZipFile(place, "w") as packed:
        packed.writestr("secret.dcm", good)
    content = bytearray(place.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    place.write_bytes(content)
    assert [skip.code for skip in index(place).skips] == ["archive.locked"]
    single = tmp_path / "one.dcm.gz"
    single.write_bytes(gzip.compress(good))
    assert index(single).indexed == 1
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(60_000_000), 6))
    report = index(bomb)
    assert [skip.code for skip in report.skips] == ["archive.bomb"]
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(good)[:100])
    with pytest.raises(InputError) as refused:
        index(torn)
    assert refused.value.code == "archive.unreadable"
    assert not list((home / "cache" / "archives").rglob(".*partial*"))


def test_52_absolute_and_equal_names_and_the_limit_of_all(
    home: Path, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "names.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(place, "w") as packed:
        warnings.simplefilter("ignore", UserWarning)
        packed.writestr("/outside/a.dcm", (disk / "good.dcm").read_bytes())
        packed.writestr("C:\\a.dcm", dicom_base.save(dicom_base.base(series="good"), tmp_path / "b").read_bytes())
        packed.writestr("same.txt", "one")
        packed.writestr("same.txt", "two")
    report = index(place)
    assert (report.indexed, report.skipped) == (2, 2) and not Path("/outside").exists()
    limit = len((disk / "good.dcm").read_bytes()) + 100
    monkeypatch.setattr(archives, "LARGEST_TOTAL", limit)
    monkeypatch.setattr(archives, "FREE_OF_RATIO", limit)
    twice = tmp_path / "twice.zip"
    with zipfile.ZipFile(twice, "w") as packed:
        for name in ("a.dcm", "b.dcm"):
            packed.writestr(name, (disk / "good.dcm").read_bytes())
    assert [skip.code for skip in index(twice).skips] == ["archive.bomb"]


def test_51_a_dicomdir_reports_what_is_missing(home: Path, disk: Path):
    from pydicom.fileset import FileSet

    with warnings.catch_warnings():
        # It leaves its temporary folders to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        made = FileSet()
        for number in range(3):
            made.add(dicom_base.base(series="good", slice_index=number + 1))
        made.write(disk.parent / "cd")
        del made
        gc.collect()
    images = sorted(p for p in (disk.parent / "cd").rglob("*") if p.is_file() and p.name != "DICOMDIR")
    images[0].unlink()
    images[1].rename(images[1].with_name(images[1].name.lower() + ";1"))
    report = index(disk.parent / "cd" / "DICOMDIR")
    assert report.indexed == 2
    assert sorted(skip.code for skip in report.skips) == ["dicom.dicomdir", "files.missing"]


def test_53_loops_pipes_sockets_and_unreadable_folders(home: Path, disk: Path):
    (disk / "below").mkdir()
    (disk / "below" / "up").symlink_to(disk, target_is_directory=True)
    (disk / "dangling.dcm").symlink_to(disk / "nowhere")
    os.mkfifo(disk / "pipe.dcm")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(disk):
        server.bind("socket.dcm")
    report = index(disk)
    assert report.indexed == 1 and report.skipped == 3 and report.seen == 4
    assert {skip.code for skip in report.skips} == {"dicom.unreadable"}


def test_53_devices_are_no_files(home: Path, disk: Path):
    (disk / "endless.dcm").symlink_to("/dev/zero")
    (disk / "nothing.dcm").symlink_to("/dev/null")
    report = index(disk)
    assert report.indexed == 1 and {skip.code for skip in report.skips} == {"dicom.unreadable"}


def test_53_a_file_that_changes_during_the_import_is_read_again_by_the_next(
    home: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
):
    good, real = disk / "good.dcm", importing.scanning.read_header

    def change_then_read(path: Path, **names: Any) -> dict[str, Any]:
        found = real(path, **names)
        data = pydicom.dcmread(path)
        data.SeriesDescription = "changed meanwhile"
        data.save_as(path)
        return found

    with monkeypatch.context() as during:
        during.setattr(importing.scanning, "read_header", change_then_read)
        assert index(disk).indexed == 1
    (series,) = queries.tree()[0].visits[0].series
    assert queries.phase_files(series.uid, 0)[0].size < good.stat().st_size
    index(disk)
    (series,) = queries.tree()[0].visits[0].series
    assert series.files == 1 and queries.phase_files(series.uid, 0)[0].size == good.stat().st_size


def test_53_a_folder_that_cannot_be_read_is_reported(home: Path, disk: Path, monkeypatch: pytest.MonkeyPatch):
    (disk / "closed").mkdir()
    real = os.scandir

    def refuse(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(importing.walking.os, "scandir", refuse)
    report = index(disk)
    assert [skip.code for skip in report.skips] == ["index.folder"] and "closed" in report.skips[0].sentence
    monkeypatch.undo()
    assert index(disk).skipped == 0


def test_53_names_that_are_not_utf8(home: Path, disk: Path):
    place = os.fsencode(disk) + b"/caf\xe9"
    Path(os.fsdecode(place)).mkdir()
    name = place + b"/im\xffge.dcm"
    Path(os.fsdecode(name)).write_bytes((disk / "good.dcm").read_bytes())
    Path(os.fsdecode(place + b"/bad\xff.dcm")).write_bytes(b"")
    (disk / "good.dcm").unlink()
    report = index(disk)
    assert (report.indexed, report.skipped) == (1, 1) and report.skips[0].path.encode()
    series = queries.tree()[0].visits[0].series[0]
    assert os.fsencode(queries.phase_files(series.uid, 0)[0].path) == name
    assert index(disk).seen == 2


def test_53_a_file_that_vanishes_midway(home: Path, disk: Path, monkeypatch: pytest.MonkeyPatch):
    real = importing.scanning.read_chunk

    def vanish(chunk: Any) -> Any:
        (disk / "good.dcm").unlink(missing_ok=True)
        return real(chunk)

    monkeypatch.setattr(importing.scanning, "read_chunk", vanish)
    report = index(disk)
    assert [skip.code for skip in report.skips] == ["files.missing"] and report.seen == 1


def test_missing_disks_are_shown_and_found_again(home: Path, disk: Path):
    index(disk)
    disk.rename(disk.with_name("unplugged"))
    queries.look_again()
    (series,) = queries.tree()[0].visits[0].series
    assert not series.present and queries.roots()[0]["present"] is False
    disk.with_name("unplugged").rename(disk)
    queries.look_again()
    assert queries.tree()[0].visits[0].series[0].present


def test_files_that_are_gone_stay_listed_and_moved_ones_are_followed(home: Path, disk: Path):
    (disk / "sub").mkdir()
    dicom_base.series(disk / "sub", series="second", phases=1, slices=3)
    index(disk)
    (disk / "sub").rename(disk / "moved")
    report = index(disk)
    assert report.seen == 4 and report.indexed == 4
    second = next(s for s in queries.tree()[0].visits[0].series if s.files == 3)
    assert second.present and all(f.path.exists() for f in queries.files_of(second.uid))
    for file in (disk / "moved").iterdir():
        file.unlink()
    assert index(disk).gone >= 3
    second = next(s for s in queries.tree()[0].visits[0].series if s.files == 3)
    assert not second.present


def test_a_child_that_hangs_or_dies_is_replaced(home: Path, disk: Path, tmp_path: Path):
    hang = disk / "odd.dcm"
    hang.write_bytes(base_bytes(tmp_path)[144 + int.from_bytes(base_bytes(tmp_path)[140:144], "little") :])
    reader = DoubtfulReader(patience_s=0.0)
    with pytest.raises(InputError) as slow:
        reader.read(hang)
    assert slow.value.code == "dicom.unreadable" and "time" in slow.value.sentence
    patient = DoubtfulReader()
    assert patient.read(hang)["PatientID"] == "BASE_1"
    assert patient._process is not None
    patient._process.kill()
    patient._process.wait()
    with pytest.raises(InputError):
        patient.read(hang)
    assert patient.read(hang)["PatientID"] == "BASE_1"
    patient.close()


def test_an_archive_is_not_unpacked_without_room(home: Path, disk: Path, tmp_path: Path, monkeypatch: Any):
    from tumordiff_core import files
    from tumordiff_core.errors import SpaceError

    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        packed.write(disk / "good.dcm", "good.dcm")
    monkeypatch.setattr(files, "free_mb", lambda path: 0)
    with pytest.raises(SpaceError):
        archives.unpack(tmp_path / "all.zip", progress=Progress())
    database.close()
