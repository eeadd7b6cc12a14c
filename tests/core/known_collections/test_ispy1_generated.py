"""The generated collection through the collection's door: every layout, planted copies, look-alikes, no records."""

from pathlib import Path

import pytest

from tests.generators import collection as generated
from tumordiff_core.dicom import study
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.known_collections.ispy1 import collection
from tumordiff_core.plugins.specs import PatientRecord, StudyRecord


def read(folder: Path) -> list[StudyRecord]:
    return study.records(read_header(path) for path in sorted(folder.rglob("*.dcm")))


def differences(one: StudyRecord, truth: generated.VisitTruth) -> list[str]:
    """What the collection says otherwise than was planted in one study."""
    found, wrong = collection.phases(one), []
    wanted = tuple(dict.fromkeys(uid for uid, _ in truth.phases))
    if truth.phases:
        got = found[0] if found else None
        if got is None or got.series_uids != wanted or len(got.phases) != len(truth.phases):
            return [f"{truth.patient}: phases of {got and len(got.series_uids)} series, not {len(wanted)}"]
        starts = [round(p.start_s or 0.0) for p in got.phases]
        if starts != list(truth.times_s) or not got.complete or got.remark:
            wrong.append(f"{truth.patient}: {starts} s, complete {got.complete}, {got.remark}")
    roles = collection.roles(one)
    for uid, role in truth.roles.items():
        if (roles[uid] == "dynamic") if role == "not dynamic" else (roles[uid] != role):
            wrong.append(f"{truth.patient}: {roles[uid]}, not {role}")
    return wrong


@pytest.fixture(scope="module", params=[True, False], ids=["recorded", "bare"])
def small(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[generated.Truth, list[StudyRecord]]:
    """Nine patients with every kind of study, with and without group 0117, trial tags and named sources."""
    truth = generated.make(
        tmp_path_factory.mktemp("generated"), patients=9, slices=5, trial_tags=request.param, recorded=request.param,
        layout="descriptive" if request.param else "cloud",
    )  # fmt: skip
    return truth, read(truth.folder)


def test_phases_and_roles_are_the_planted_ones(small: tuple[generated.Truth, list[StudyRecord]]) -> None:
    truth, studies = small
    assert sum(len(series.headers) for one in studies for series in one.series) == truth.files
    assert {one.uid for one in studies} == set(truth.studies)
    assert [line for one in studies for line in differences(one, truth.studies[one.uid])] == []


def test_visits_and_days_are_the_planted_ones(small: tuple[generated.Truth, list[StudyRecord]]) -> None:
    truth, studies = small
    for patient in truth.patients:
        own = tuple(one for one in studies if one.patient_id == patient)
        for point in collection.time_points(PatientRecord(patient, own)):
            planted = truth.studies[point.study_uid]
            assert point.days == planted.days
            assert not planted.label or planted.label in point.label
            assert point.evidence


def test_all_syntaxes_of_the_archive_are_there(small: tuple[generated.Truth, list[StudyRecord]]) -> None:
    assert {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"} == set(small[0].syntaxes)


@pytest.mark.real
def test_as_many_files_are_written_as_are_told(tmp_path: Path) -> None:
    if not generated.plan.INDEX.is_file():
        pytest.skip("The series index is not beside the checkout, and the made-up plan has no captures of two files.")
    truth = generated.make(tmp_path, patients=["ISPY1_1228"], slices=2)
    assert sum(1 for path in tmp_path.rglob("*.dcm")) == truth.files == sum(truth.syntaxes.values())


@pytest.mark.real
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_all_847_studies_without_any_record(tmp_path: Path) -> None:
    if not generated.plan.INDEX.is_file():
        pytest.skip("The series index is not beside the checkout, so only the made-up plan can be checked.")
    truth = generated.make(tmp_path, slices=4, trial_tags=False, recorded=False, layout="classic")
    studies = read(tmp_path)
    mapped = [one for one in studies if truth.studies[one.uid].map_slices]
    wrong = [line for one in studies for line in differences(one, truth.studies[one.uid])]
    print(f"{truth.files} files; source series of {len(mapped)} studies with maps: {len(wrong)} wrong")
    assert (len(studies), len(mapped), wrong) == (847, 708, [])
