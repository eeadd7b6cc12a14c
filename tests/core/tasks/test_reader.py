"""The reader child brings phases, thumbnails, masks, tags and results into the cache, and says what it cannot."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest

from tests.generators import dicom_base
from tumordiff_core import files, result_folder, settings
from tumordiff_core.dicom import stack, study
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.errors import GeometryError, InputError, MissingError
from tumordiff_core.imaging import cache
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.jobs import child
from tumordiff_core.tasks import reader


class Listed:
    """A catalogue of one folder, made without a database; answers what the reader asks."""

    def __init__(self, folder: Path) -> None:
        headers = []
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            try:
                headers.append(read_header(path))
            except InputError:
                continue
        self.study = study.records(headers)[0]
        self.meaning = study.meaning(self.study)
        self.by_path = {str(h["path"]): h for h in headers}
        self.masks: dict[str, str] = {}
        self.label, self.days = "T1", 0

    def phases_of(self, uid: str) -> list[list[Any]]:
        dynamic = next((d for d in self.meaning.dynamics if uid in d.series_uids), None)
        if dynamic is not None:
            return [[self.by_path[path] for path in phase.paths] for phase in dynamic.phases]
        series = next(s for s in self.study.series if s.uid == uid)
        return [list(phase) for phase in stack.order.order_series(series.headers)[0].phases]

    def phase_files(self, uid: str, phase: int) -> list[Any]:
        phases = self.phases_of(uid)
        return [
            SimpleNamespace(path=h["path"], size=h["size"], mtime_ns=h["mtime_ns"], slice=k, piece=-1)
            for k, h in enumerate(phases[phase] if phase < len(phases) else [])
        ]

    def series(self, uid: str) -> Any:
        phases = self.phases_of(uid)
        labels = ("pre", "post 1", "post 2", "post 3")
        nodes = tuple(
            SimpleNamespace(index=n, label=labels[n], slices=len(p), effective_s=float(100 * n))
            for n, p in enumerate(phases)
        )
        return SimpleNamespace(uid=uid, role=self.meaning.roles.get(uid, "other"), phases=nodes, remark="")

    def visit(self, study_uid: str) -> Any:
        assert study_uid == self.study.uid
        return SimpleNamespace(study_uid=study_uid, label=self.label, days=self.days)

    def recorded(self, study_uid: str) -> Any:
        dynamic = next((s.uid for s in self.study.series if s.description == "Dynamic-3dfgre"), "")
        return SimpleNamespace(masks=self.masks, source_series_uid=dynamic, display_ranges={})

    def files_of(self, uid: str) -> list[Any]:
        return [row for phase in range(len(self.phases_of(uid))) for row in self.phase_files(uid, phase)]

    def uid_of(self, description: str) -> str:
        return next(s.uid for s in self.study.series if s.description == description)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own; the reader's own memory limit stays out of the test process."""
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(reader, "limit_memory", lambda: None)
    settings.load.cache_clear()
    yield tmp_path / "home"
    settings.load.cache_clear()


@pytest.fixture
def listed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a catalogue of a folder and puts it where the reader looks."""

    def make(folder: Path) -> Listed:
        made = Listed(folder)
        package = ModuleType("tumordiff_core.catalogue")
        package.queries = made  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "tumordiff_core.catalogue", package)
        monkeypatch.setitem(sys.modules, "tumordiff_core.catalogue.queries", made)  # type: ignore[arg-type]
        return made

    return make


def opened(reply: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    values = np.load(reply["npy"], mmap_mode="r", allow_pickle=False)
    return values, files.read_json(Path(reply["record"]), newest_format=99)


def ask_phase(uid: str, phase: int = 0) -> tuple[np.ndarray, dict[str, Any]]:
    return opened(reader.handle({"op": "phase", "series_uid": uid, "phase": phase}))


@pytest.fixture
def made(listed: Any, tmp_path: Path) -> Listed:
    dicom_base.series(tmp_path / "source", phases=3, slices=6)
    return listed(tmp_path / "source")


DESCRIPTION = "Dynamic-3dfgre"


def test_a_phase_arrives_as_stored_with_grid_and_facts(made: Listed) -> None:
    uid = made.uid_of(DESCRIPTION)
    values, record = ask_phase(uid, 1)
    expected = np.stack([dicom_base.slice_values(1, k) for k in range(6)])
    assert values.dtype == np.int16
    np.testing.assert_array_equal(values, expected)
    geometry = Geometry.from_record(record["geometry"])
    assert (geometry.shape, geometry.spacing_mm) == ((6, 24, 32), dicom_base.SPACING_MM)
    assert (record["slope"], record["intercept"], record["photometric"]) == (1.0, 0.0, "MONOCHROME2")
    assert (record["provenance"], record["window"]) == ("acquired", None)
    facts = record["facts"]
    assert facts["patient_id"] == "BASE_1" and facts["series_uid"] == uid and facts["age"] == "050Y"
    assert (facts["laterality"], facts["laterality_source"]) == ("R", "tag")
    assert (facts["phase"], facts["phases"], facts["phase_label"], facts["effective_s"]) == (1, 3, "post 1", 100.0)
    assert (facts["time_point"], facts["days"], facts["study_date"]) == ("T1", 0, "1985-01-10")


def test_the_side_is_a_hint_by_position_where_no_tag_tells(listed: Any, tmp_path: Path) -> None:
    def no_side(data: pydicom.Dataset, phase: int, number: int) -> None:
        del data.Laterality

    dicom_base.series(tmp_path / "s", phases=1, slices=4, change=no_side)
    made = listed(tmp_path / "s")
    facts = ask_phase(made.uid_of(DESCRIPTION))[1]["facts"]
    assert (facts["laterality"], facts["laterality_source"]) == ("R", "position")


def test_a_second_question_reads_no_file_and_shows_corrections(made: Listed, tmp_path: Path) -> None:
    uid = made.uid_of(DESCRIPTION)
    first = reader.handle({"op": "phase", "series_uid": uid, "phase": 0})
    shutil.move(tmp_path / "source", tmp_path / "disk away")
    made.label, made.days = "T2", 21
    again = reader.handle({"op": "phase", "series_uid": uid, "phase": 0})
    assert again == first
    facts = opened(again)[1]["facts"]
    assert (facts["time_point"], facts["days"]) == ("T2", 21)
    with pytest.raises(MissingError, match="not found"):
        reader.handle({"op": "phase", "series_uid": uid, "phase": 2})


def test_a_file_that_changed_since_the_import_is_read_as_it_is(made: Listed, tmp_path: Path) -> None:
    uid = made.uid_of(DESCRIPTION)
    path = Path(made.phase_files(uid, 0)[0].path)
    data = pydicom.dcmread(path)
    changed = np.full((24, 32), 77, dtype=np.int16)
    data.PixelData = changed.tobytes()
    data.save_as(path)
    os.utime(path, ns=(1, 1))
    values, _ = ask_phase(uid)
    np.testing.assert_array_equal(values[0], changed)


def test_a_phase_that_is_not_there_is_said(made: Listed) -> None:
    with pytest.raises(InputError, match="no phase 9"):
        reader.handle({"op": "phase", "series_uid": made.uid_of(DESCRIPTION), "phase": 8})
    with pytest.raises(InputError, match="asked for dance"):
        reader.handle({"op": "dance"})


def test_a_missing_slice_is_an_empty_slot_with_its_number(listed: Any, tmp_path: Path) -> None:
    dicom_base.series(tmp_path / "s", phases=1, slices=8, leave_out=[(0, 3)])
    made = listed(tmp_path / "s")
    values, record = ask_phase(made.uid_of(DESCRIPTION))
    assert record["facts"]["missing_slices"] == [3]
    geometry = Geometry.from_record(record["geometry"])
    assert geometry.shape == (8, 24, 32) and geometry.spacing_mm == dicom_base.SPACING_MM
    assert not values[3].any()
    np.testing.assert_array_equal(values[4], dicom_base.slice_values(0, 4))


def test_without_positions_it_is_a_plain_stack(listed: Any, tmp_path: Path) -> None:
    def lost(data: pydicom.Dataset, phase: int, number: int) -> None:
        del data.ImagePositionPatient

    dicom_base.series(tmp_path / "s", phases=1, slices=4, change=lost)
    made = listed(tmp_path / "s")
    values, record = ask_phase(made.uid_of(DESCRIPTION))
    assert record["facts"]["positioned"] is False
    np.testing.assert_array_equal(values[2], dicom_base.slice_values(0, 2))


def test_one_slope_stays_beside_the_integers_and_several_are_applied(listed: Any, tmp_path: Path) -> None:
    def rescale(data: pydicom.Dataset, phase: int, number: int) -> None:
        data.RescaleSlope, data.RescaleIntercept = (2.0, -3.0) if phase == 0 else (1.0 + number, 0.0)
        data.WindowCenter, data.WindowWidth = 100, 200

    dicom_base.series(tmp_path / "s", phases=2, slices=4, change=rescale)
    made = listed(tmp_path / "s")
    uid = made.uid_of(DESCRIPTION)
    values, record = ask_phase(uid, 0)
    assert values.dtype == np.int16 and (record["slope"], record["intercept"]) == (2.0, -3.0)
    assert record["window"] == [100.0, 200.0]
    values, record = ask_phase(uid, 1)
    assert values.dtype == np.float32 and record["slope"] == 1.0
    np.testing.assert_array_equal(values[2], dicom_base.slice_values(1, 2) * np.float32(3))


def test_windows_that_differ_from_slice_to_slice_are_not_used(listed: Any, tmp_path: Path) -> None:
    def window(data: pydicom.Dataset, phase: int, number: int) -> None:
        data.WindowCenter, data.WindowWidth = 50 + number, 100 + number

    dicom_base.series(tmp_path / "s", phases=1, slices=4, change=window)
    made = listed(tmp_path / "s")
    assert ask_phase(made.uid_of(DESCRIPTION))[1]["window"] is None


def test_maps_are_derived_and_come_in_their_fixed_range(listed: Any, tmp_path: Path) -> None:
    def to_map(data: pydicom.Dataset, phase: int, number: int) -> None:
        data.ImageType = ["DERIVED", "PRIMARY", "DCE", "SER"]
        data.RescaleSlope, data.RescaleIntercept = 0.001, 0
        data.WindowCenter, data.WindowWidth = 615.5, 1231

    dicom_base.series(tmp_path / "s", phases=1, slices=4, change=to_map, description="Dynamic-3dfgre: SER")
    made = listed(tmp_path / "s")
    values, record = ask_phase(made.uid_of("Dynamic-3dfgre: SER"))
    assert (record["provenance"], record["window"], record["slope"]) == ("derived", [1.0, 2.0], 0.001)
    assert values.dtype == np.int16


def test_synthetic_files_say_so(listed: Any, tmp_path: Path) -> None:
    def made_up(data: pydicom.Dataset, phase: int, number: int) -> None:
        data.SyntheticData = "YES"

    dicom_base.series(tmp_path / "s", phases=1, slices=4, change=made_up)
    made = listed(tmp_path / "s")
    assert ask_phase(made.uid_of(DESCRIPTION))[1]["provenance"] == "synthetic"


def test_a_thumbnail_is_a_png_with_the_front_on_the_left(made: Listed) -> None:
    reply = reader.handle({"op": "thumbnail", "series_uid": made.uid_of(DESCRIPTION), "phase": 1})
    content = Path(reply["png"]).read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    stamp = Path(reply["png"]).stat().st_mtime_ns
    assert reader.handle({"op": "thumbnail", "series_uid": made.uid_of(DESCRIPTION), "phase": 1}) == reply
    assert Path(reply["png"]).stat().st_mtime_ns == stamp


def test_tags_of_a_file_come_as_rows_with_sequences_opened(made: Listed) -> None:
    path = made.phase_files(made.uid_of(DESCRIPTION), 0)[0].path
    data = pydicom.dcmread(path)
    inner = pydicom.Dataset()
    inner.CodeMeaning = "inside"
    data.ProcedureCodeSequence = [inner]
    data.save_as(path)
    rows = reader.handle({"op": "tags", "path": str(path)})["rows"]
    assert (0, "(0008,0060)", "CS", "Modality", "MR") in rows
    assert (2, "(0008,0104)", "LO", "CodeMeaning", "inside") in rows
    assert any(row[3] == "PixelData" and row[4].startswith("1536 bytes") for row in rows)
    assert any(row[1] == "(0002,0010)" for row in rows)


def test_tags_of_what_is_no_dicom_or_gone(home: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        reader.handle({"op": "tags", "path": str(tmp_path / "none.dcm")})
    text = tmp_path / "a.txt"
    text.write_bytes(b"")
    with pytest.raises(InputError) as caught:
        reader.handle({"op": "tags", "path": str(text)})
    assert caught.value.code == "dicom.not_dicom"


def seg_file(path: Path, geometry: Geometry, slices: list[int], *, offset: float = 0.5, **changes: Any) -> np.ndarray:
    """A fractional SEG as the trial wrote them: some slices only, half a pixel off; its frames."""
    random = np.random.default_rng(1)
    frames = (random.random((len(slices), *geometry.shape[1:])) > 0.7).astype(np.uint8) * 255
    data = dicom_base.base()
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    data.Modality, data.SegmentationType, data.MaximumFractionalValue = "SEG", "FRACTIONAL", 255
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.NumberOfFrames, data.PixelData = len(slices), frames.tobytes()
    shared, orientation, measures = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    orientation.ImageOrientationPatient = [*geometry.row_direction, *geometry.column_direction]
    measures.PixelSpacing = list(geometry.spacing_mm[1:])
    for name, value in changes.items():
        setattr(orientation if "Orientation" in name else measures, name, value)
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence = []
    for k in slices:
        group, plane = pydicom.Dataset(), pydicom.Dataset()
        plane.ImagePositionPatient = [round(float(v), 5) for v in geometry.to_mm((k, offset, offset))]
        group.PlanePositionSequence = [plane]
        data.PerFrameFunctionalGroupsSequence.append(group)
    dicom_base.save(data, path)
    return frames


def test_a_mask_is_placed_by_position_and_half_a_pixel_counts_as_none(made: Listed, tmp_path: Path) -> None:
    geometry = Geometry.from_record(ask_phase(made.uid_of(DESCRIPTION))[1]["geometry"])
    frames = seg_file(tmp_path / "seg.dcm", geometry, [4, 2])
    made.masks["SER_MASK"] = str(tmp_path / "seg.dcm")
    reply = reader.handle({"op": "mask", "study_uid": made.study.uid, "label": "SER_MASK"})
    mask = np.load(reply["npy"])
    expected = np.zeros(geometry.shape, dtype=bool)
    expected[[4, 2]] = frames > 127
    np.testing.assert_array_equal(mask.astype(bool), expected)


@pytest.mark.parametrize(
    ("slices", "changes", "said"),
    [
        ([2], {"offset": 0.6}, "0.60 pixels off"),
        ([7], {}, "at slice 8.00"),
        ([2], {"PixelSpacing": [1.0, 1.0]}, "1 x 1 mm pixels"),
        ([2], {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "another orientation"),
    ],
)
def test_a_mask_off_the_grid_is_never_shown(
    made: Listed, tmp_path: Path, slices: list[int], changes: dict[str, Any], said: str
) -> None:
    geometry = Geometry.from_record(ask_phase(made.uid_of(DESCRIPTION))[1]["geometry"])
    seg_file(tmp_path / "seg.dcm", geometry, slices, **changes)
    made.masks["PE_MASK"] = str(tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match=said):
        reader.handle({"op": "mask", "study_uid": made.study.uid, "label": "PE_MASK"})


def test_a_mask_that_is_not_recorded_or_is_none(made: Listed) -> None:
    with pytest.raises(InputError, match="records no mask SER_MASK"):
        reader.handle({"op": "mask", "study_uid": made.study.uid, "label": "SER_MASK"})
    made.masks["SER_MASK"] = made.phase_files(made.uid_of(DESCRIPTION), 0)[0].path
    with pytest.raises(GeometryError, match="frames without a position"):
        reader.handle({"op": "mask", "study_uid": made.study.uid, "label": "SER_MASK"})


@pytest.fixture
def result(home: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "result"
    folder.mkdir()
    geometry = Geometry((3, 4, 5), (2.0, 1.0, 1.0))
    random = np.random.default_rng(0)
    result_folder.save_array(folder, "mean", random.random((2, 3, 4, 5)).astype(np.float32))
    result_folder.save_array(folder, "residual", random.normal(size=(2, 3, 4, 5)).astype(np.float16))
    record = result_folder.Record(
        kind="denoised", provenance="derived", geometry=geometry.to_record(), labels=["pre", "post 1"],
        phase_s=[-100.0, 150.0], facts={"patient_id": "A", "study_uid": "1.2"},
    )  # fmt: skip
    result_folder.finish(folder, record)
    return folder


def test_a_phase_of_a_result_is_a_picture_of_its_own(result: Path) -> None:
    request = {"op": "result", "folder": str(result), "array": "mean", "phase": 1}
    values, record = opened(reader.handle(request))
    np.testing.assert_array_equal(values, result_folder.open_result(result).array("mean")[1])
    assert record["provenance"] == "derived" and record["window"] is None
    facts = record["facts"]
    assert (facts["phase"], facts["phases"], facts["phase_label"], facts["effective_s"]) == (1, 2, "post 1", 150.0)
    assert reader.handle(request) == reader.handle(request)


def test_a_residual_is_shown_around_zero(result: Path) -> None:
    _, record = opened(reader.handle({"op": "result", "folder": str(result), "array": "residual", "phase": 0}))
    assert record["window"][0] == 0 and record["window"][1] > 0
    with pytest.raises(InputError, match="no phase 3"):
        reader.handle({"op": "result", "folder": str(result), "array": "mean", "phase": 2})
    with pytest.raises(InputError):
        reader.handle({"op": "result", "folder": str(result), "array": "std", "phase": 0})


def test_the_child_answers_and_ends(home: Path, result: Path) -> None:
    asked = child.Child("reader")
    try:
        reply = asked.ask({"op": "result", "folder": str(result), "array": "mean", "phase": 0})
        assert reply["ok"] and Path(reply["npy"]).is_file()
        assert not asked.ask({"op": "dance"})["ok"]
    finally:
        asked.close()


@pytest.mark.real
def test_the_real_study_is_shown_as_its_record_says(
    listed: Any, ispy1_dicom: Path, ispy1_expected: dict[str, Any]
) -> None:
    made = listed(ispy1_dicom)
    dynamic = made.uid_of("Dynamic-3dfgre")
    values, record = ask_phase(dynamic, 1)
    expected = ispy1_expected["dynamic"]
    assert values.dtype == np.int16 and values.shape == (60, 256, 256)
    assert int(values.max()) == expected["max"][1]
    geometry = Geometry.from_record(record["geometry"])
    assert geometry.spacing_mm == (2.0, 0.78125, 0.78125)
    assert geometry.origin_mm == tuple(expected["first_position"])
    # Its border is padded with 0, and its files' own windows differ from slice to slice.
    assert 0 <= record["window"][0] - record["window"][1] / 2 < record["window"][0] < expected["max"][1]
    segs = {s.number: s for s in made.study.series if s.modality == "SEG"}
    voxels = {32000: 4377, 32001: 115723, 32100: 4350, 32101: 20142}
    for number, count in voxels.items():
        made.masks[str(number)] = str(segs[number].headers[0]["path"])
        reply = reader.handle({"op": "mask", "study_uid": made.study.uid, "label": str(number)})
        assert int(np.load(reply["npy"]).sum()) == count
    ser, record = ask_phase(made.uid_of("Dynamic-3dfgre: SER"))
    assert (record["window"], record["slope"], int(ser.max())) == ([1.0, 2.0], 0.001, 3000)
    reply = reader.handle({"op": "thumbnail", "series_uid": dynamic, "phase": 0})
    assert Path(reply["png"]).stat().st_size > 1000
    assert cache.used_bytes() > 0


def test_too_little_memory_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(_: dict[str, Any]) -> dict[str, Any]:
        raise MemoryError

    monkeypatch.setattr(reader, "_tags", greedy)
    with pytest.raises(InputError, match="needs more memory than"):
        reader.handle({"op": "tags", "path": "x"})
