"""An import sees every file, understands what it holds, and does nothing twice."""

from pathlib import Path
from typing import Any

import pytest

from tests.generators import dicom_base
from tumordiff_core.catalogue import edits, importing, queries
from tumordiff_core.errors import CatalogueError, InputError, MissingError
from tumordiff_core.progress import Progress


def index(*paths: Path, **options: Any) -> importing.Report:
    return importing.run(list(paths), progress=Progress(), **options)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """One patient with two visits of a dynamic series of 3 x 10 slices."""
    folder = tmp_path / "disk"
    dicom_base.series(folder / "one" / "dynamic", day="19850110", study="1")
    dicom_base.series(folder / "two" / "dynamic", day="19850131", study="2")
    return folder


@pytest.mark.real
def test_the_real_study_is_understood(home: Path, ispy1_dicom: Path, ispy1_expected: dict[str, Any]):
    report = index(ispy1_dicom)
    assert (report.seen, report.indexed, report.skipped) == (465, 465, 0)
    patient = queries.patient("ISPY1_1002")
    assert patient is not None and len(queries.tree()) == 1
    assert (patient.sex, patient.age, patient.laterality) == ("F", "037Y", "R")
    (visit,) = patient.visits
    assert (visit.label, visit.days, str(visit.study_date)) == ("T1", 0, "1984-11-02")
    assert "trial tags" in visit.evidence and len(visit.series) == 12
    dynamic = next(s for s in visit.series if s.role == "dynamic")
    assert [p.slices for p in dynamic.phases] == [60, 60, 60]
    assert [p.label for p in dynamic.phases] == ["pre", "post 1", "post 2"]
    assert [round(p.effective_s or 0, 2) for p in dynamic.phases] == [-280.09, 142.91, 487.91]
    roles = [s.role for s in visit.series]
    assert roles.count("seg") == 4 and roles.count("ser_map") == roles.count("pe_map") == 1
    recorded = queries.recorded(visit.study_uid)
    assert recorded is not None and recorded.pe_threshold_percent == 70
    assert recorded.published[0].voxels == 4350 and Path(recorded.masks["SER_MASK"]).is_file()
    acquisition = queries.dynamic(visit.study_uid)
    assert acquisition is not None and (acquisition.early, acquisition.late, acquisition.complete) == (1, 2, True)
    files = queries.phase_files(dynamic.uid, 1)
    assert [str(f.path) for f in files] == list(acquisition.phases[1].paths)
    assert len(set(acquisition.phases[1].sop_uids)) == 60
    assert all(f.size == f.path.stat().st_size and f.mtime_ns == f.path.stat().st_mtime_ns for f in files)
    assert len(queries.files_of(dynamic.uid)) == 180


def test_an_unchanged_tree_is_not_read_again(home: Path, study: Path, monkeypatch: pytest.MonkeyPatch):
    first = index(study)
    assert first.seen == first.indexed == 60
    read: list[Any] = []
    monkeypatch.setattr(importing.scanning, "read_chunk", read.append)
    again = index(study)
    assert (again.seen, again.indexed) == (60, 60) and read == []


def test_only_what_changed_is_read(home: Path, study: Path):
    index(study)
    changed = next((study / "one").rglob("*.dcm"))
    changed.write_bytes(b"")
    report = index(study)
    assert (report.seen, report.indexed, report.skipped) == (60, 59, 1)
    assert report.skips[0].code == "dicom.empty_file" and report.skips[0].path == str(changed)
    visit = queries.tree()[0].visits[0]
    assert visit.series[0].files == 29 and "missing" in visit.series[0].remark.lower()


def test_visits_are_labelled_and_a_correction_wins_and_is_undone(home: Path, study: Path):
    index(study)
    first, second = queries.tree()[0].visits
    assert (first.days, second.days) == (0, 21)
    before = edits.set_time_point(second.study_uid, "T3", 60)
    assert (queries.visit(second.study_uid).label, queries.visit(second.study_uid).days) == ("T3", 60)
    assert queries.visit(second.study_uid).evidence == "edited"
    next((study / "two").rglob("*.dcm")).touch()
    index(study)
    assert queries.visit(second.study_uid).label == "T3"
    edits.restore_time_point(before)
    assert queries.visit(second.study_uid) == second
    edits.set_time_point(second.study_uid, "T3", 60)
    edits.restore_time_point(before)
    assert queries.visit(second.study_uid) == second


def test_an_edit_overtaken_by_another_window_is_refused(home: Path, study: Path):
    index(study)
    uid = queries.tree()[0].visits[0].study_uid
    seen = edits.version_of(uid)
    before = edits.set_time_point(uid, "T1", 0)
    with pytest.raises(CatalogueError) as refused:
        edits.set_time_point(uid, "T2", 20, seen=seen)
    assert refused.value.code == "catalogue.overtaken"
    edits.set_time_point(uid, "T2", 20)
    with pytest.raises(CatalogueError):
        edits.restore_time_point(before)
    assert queries.visit(uid).label == "T2"


def test_early_and_late_can_be_chosen(home: Path, study: Path):
    index(study)
    uid = queries.tree()[0].visits[0].study_uid
    series = queries.tree()[0].visits[0].series[0].uid
    before = edits.set_timing(series, 2, 1)
    found = queries.dynamic(uid)
    assert found is not None and (found.early, found.late) == (2, 1)
    edits.restore_timing(before)
    found = queries.dynamic(uid)
    assert found is not None and (found.early, found.late) == (1, 2)


def test_what_is_not_known_is_said(home: Path):
    for question in (queries.visit, queries.series, queries.files_of):
        with pytest.raises(MissingError) as unknown:
            question("1.2.3")
        assert unknown.value.code == "catalogue.unknown"
    with pytest.raises(MissingError):
        edits.set_time_point("1.2.3", "T1", 0)
    assert queries.tree() == [] and queries.patient("x") is None and queries.phase_files("1.2", 0) == []
    assert queries.recorded("1.2") is None and queries.dynamic("1.2") is None


def test_nothing_and_missing_paths_are_refused(home: Path, tmp_path: Path):
    with pytest.raises(InputError) as nothing:
        index()
    assert nothing.value.code == "index.nothing"
    with pytest.raises(MissingError):
        index(tmp_path / "gone")
