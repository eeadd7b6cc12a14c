"""The I-SPY 1 collection on made files: visits, workbook spellings, damaged records, masks off their grid."""

import csv
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pydicom
import pytest

from tests.generators import collection as generated
from tests.generators import dicom_base
from tumordiff_core.dicom import maps, masks, order, private, study
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.errors import GeometryError, InputError, MissingError, UnsupportedError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.known_collections.ispy1 import clinical, collection, sources, visits
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.specs import Fact, Header, PatientRecord, SeriesRecord, StudyRecord

BEGIN = date(1985, 1, 10)


def patient(*days: int | None, tags: tuple[tuple[str, str], ...] = (), facts: tuple[Fact, ...] = ()) -> PatientRecord:
    """A patient with one study per day since the first, each with one series, and trial (code, words) where given."""
    made = []
    for n, day in enumerate(days):
        header = {}
        if tags:
            header = dict(zip(("ClinicalTrialTimePointID", "ClinicalTrialTimePointDescription"), tags[n], strict=True))
        series = SeriesRecord(f"{n}.1", 1, "dynamic", "MR", (header,))
        made.append(StudyRecord(f"u{n}", "P", None if day is None else BEGIN + timedelta(days=day), (series,)))
    return PatientRecord("P", tuple(made), facts)


def labels(record: PatientRecord) -> list[str]:
    return [point.label for point in collection.time_points(record)]


def test_it_is_asked_before_the_collection_that_takes_all() -> None:
    names = [c.name for c in manager.collections()]
    assert names.index("ispy1") < names.index("generic") and names.index("ispy2") < names.index("generic")


@pytest.mark.parametrize(
    ("header", "claimed"),
    [
        ({"PatientID": "ISPY1_1002"}, True), ({"ClinicalTrialProtocolID": "6657"}, True),
        ({"ClinicalTrialProtocolID": "ACRIN 6657"}, True), ({"PatientID": "ISPY2-1"}, False),
        ({"ClinicalTrialProtocolID": "ACRIN 6698"}, False), ({}, False),
    ],
)  # fmt: skip
def test_claims(header: dict[str, str], claimed: bool) -> None:
    assert collection.claims(header) is claimed


def test_words_of_the_trial_win_over_its_codes_and_over_dates() -> None:
    tagged = patient(0, 60, tags=(("T0", "baseline"), ("T1", "Pre-Surgery")))
    assert labels(tagged) == ["T1", "T4"]
    assert collection.time_points(tagged)[1].evidence == "trial tags: Pre-Surgery"


def test_codes_alone_count_from_one_or_from_zero() -> None:
    assert labels(patient(0, 20, tags=(("T1", ""), ("T3", "")))) == ["T1", "T3"]
    assert labels(patient(0, 20, tags=(("T0", ""), ("T2", "")))) == ["T1", "T3"]


def test_a_study_without_tags_goes_between_those_with() -> None:
    points = collection.time_points(patient(0, 21, 160, tags=(("T1", ""), ("", ""), ("T4", ""))))
    assert [p.label for p in points] == ["T1", "T2", "T4"]
    assert points[1].evidence == "inferred between visits with trial tags"


def test_days_count_from_baseline_or_say_from_where() -> None:
    points = collection.time_points(patient(0, 40, tags=(("T2", ""), ("T3", ""))))
    assert [p.days for p in points] == [0, 40]
    assert points[1].evidence.endswith("days counted from the first visit here")


def test_a_fifth_visit_is_extra_and_two_studies_of_a_day_are_one_visit() -> None:
    assert sorted(labels(patient(0, 18, 25, 62, 160))) == ["T1", "T2", "T3", "T4", "extra"]
    points = collection.time_points(patient(0, 18, 62, 160, 160))
    assert [p.label for p in points] == ["T1", "T2", "T3", "T4", "T4"]
    assert "two studies on this day" in points[-1].evidence


def test_diameters_name_the_visits_that_dates_cannot() -> None:
    facts = tuple(Fact("P", f"mri_ld_t{n}", value, "mm") for n, value in ((1, 50), (2, 40), (3, None), (4, 0)))
    assert labels(patient(0, 19, 83)) == ["T1", "T2", "T3 or T4"]
    assert labels(patient(0, 19, 83, facts=facts)) == ["T1", "T2", "T4"]


def test_a_study_without_a_date_has_no_days_but_may_have_words() -> None:
    assert [(p.label, p.days) for p in collection.time_points(patient(0, None))] == [("T1", 0), ("?", None)]
    tagged = collection.time_points(patient(0, None, tags=(("T1", "baseline"), ("", "inter-regimen"))))
    assert [(p.label, p.days) for p in tagged] == [("T1", 0), ("T3", None)]


def test_assign_without_intervals_is_one_baseline() -> None:
    assert visits.assign([0]) == ["T1"]
    assert visits.assign([0, 30], {1: "T3"}) == ["T1", "T3"]


def test_workbook_with_other_spellings_lost_formulas_and_blanks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([None, "some title"])
    sheet.append(
        ["ISPY ID", "Age", "race_id", "HR Pos", "Her2CommPos", "HR_HER2_STATUS", "Laterality", "MRI LD 1-3dAC"]
    )
    sheet.append([1001, 38.73, 0, 1, 0, '=IF(ISBLANK(E3),"","x")', 2, 0])
    sheet.append(["ISPY1_1002", None, 1, 0, None, "", 1, None])
    sheet.append(["not a patient", 1, 1, 1, 1, "", 1, 1])
    path = tmp_path / "any.xlsx"
    book.save(path)
    found = {(fact.patient_id, fact.name): fact.value for fact in clinical.clinical(path)}
    assert {who for who, _ in found} == {"ISPY1_1001", "ISPY1_1002"}
    assert found["ISPY1_1001", "subtype"] == "HR+/HER2-"
    assert found["ISPY1_1002", "subtype"] is None
    assert found["ISPY1_1001", "race"] == "code 0 (not in the dictionary)"
    assert (found["ISPY1_1001", "mri_ld_t2"], found["ISPY1_1002", "mri_ld_t2"]) == (0, None)
    assert (found["ISPY1_1001", "laterality"], found["ISPY1_1002", "age"]) == ("R", None)


def test_an_exported_table_is_read_too_and_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outcome.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["SUBJECTID", "pCR", "RFS_ind", "sstat"], ["1001", "1", "", "9"]])
    found = {fact.name: fact.value for fact in clinical.clinical(path)}
    assert found == {"pcr": 1, "rfs_event": None, "survival_state": "lost to follow-up"}
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", "utf-8")
    assert list(clinical.clinical(other)) == [] and list(clinical.clinical(tmp_path / "x.dcm")) == []


def test_a_damaged_workbook_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.xlsx"
    path.write_bytes(b"PK\x03\x04 this is no zip")
    with pytest.raises(InputError) as told:
        list(clinical.clinical(path))
    assert told.value.code == "clinical.unreadable" and "broken.xlsx" in told.value.sentence.lower()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[generated.Truth, list[StudyRecord]]:
    truth = generated.make(tmp_path_factory.mktemp("made"), patients=1, slices=5)
    return truth, study.records(read_header(path) for path in truth.folder.rglob("*.dcm"))


def test_the_recorded_rule_comes_from_the_voi_mask(made: tuple[generated.Truth, list[StudyRecord]]) -> None:
    one = next(s for s in made[1] if made[0].studies[s.uid].map_slices)
    found = collection.recorded(one)
    assert found is not None
    assert (found.pre_contrast_threshold, found.minimum_neighbours) == (47, 9)
    assert (found.voi_start, found.voi_end) == ((1, 2, 2), (2, 6, 5))
    assert (found.published[0].voxels, found.published[0].volume_cc) == (44, 0.55)
    assert set(found.masks) >= {"SER_MASK", "PE_MASK", "SER_VOIMASK", "PE_VOIMASK"} and set(found.maps) == {"SER", "PE"}


def test_a_study_whose_derived_files_are_gone_keeps_its_phases(
    made: tuple[generated.Truth, list[StudyRecord]],
) -> None:
    one = next(s for s in made[1] if made[0].studies[s.uid].map_slices)
    away = tuple(
        replace(s, headers=tuple({**h, "path": f"/gone/{s.uid}/{n}"} for n, h in enumerate(s.headers)))
        for s in one.series
    )
    moved = StudyRecord(one.uid, one.patient_id, one.study_date, away)
    (dynamic,) = collection.phases(moved)
    assert len(dynamic.phases) == len(made[0].studies[one.uid].phases)
    found = collection.recorded(moved)
    assert found is not None and found.pre_contrast_threshold is None and found.pe_threshold_percent == 70


def test_a_missing_slice_makes_the_acquisition_incomplete(made: tuple[generated.Truth, list[StudyRecord]]) -> None:
    one = next(s for s in made[1] if made[0].studies[s.uid].map_slices)
    source = made[0].studies[one.uid].phases[0][0]
    less = tuple(replace(s, headers=_without(s, 3)) if s.uid == source else s for s in one.series)
    (dynamic,) = collection.phases(StudyRecord(one.uid, one.patient_id, one.study_date, less))
    assert not dynamic.complete and "missing" in dynamic.remark


def _without(series: SeriesRecord, instance: int) -> tuple[Header, ...]:
    return tuple(h for h in series.headers if h["InstanceNumber"] != instance)


def _mask_and_grid(made: tuple[generated.Truth, list[StudyRecord]]) -> tuple[Path, Geometry]:
    one = next(s for s in made[1] if made[0].studies[s.uid].map_slices)
    found = collection.recorded(one)
    by_path = {str(h["path"]): h for s in one.series for h in s.headers}
    assert found is not None
    grid = order.grid([by_path[path] for path in collection.phases(one)[0].phases[0].paths])
    return Path(found.masks["SER_VOIMASK"]), grid


def test_half_a_pixel_is_nothing_and_more_is_another_grid(
    made: tuple[generated.Truth, list[StudyRecord]], tmp_path: Path
) -> None:
    path, grid = _mask_and_grid(made)
    mask = masks.read_mask(path, grid)
    assert mask.offset_pixels == pytest.approx(0.5) and mask.voxels == 44
    assert mask.values.any(axis=(1, 2)).tolist() == [False, True, True, False, False]
    data = pydicom.dcmread(path)
    for frame in data.PerFrameFunctionalGroupsSequence:
        x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
        frame.PlanePositionSequence[0].ImagePositionPatient = [x, float(y) + 0.1, z]
    shifted = tmp_path / "shifted.dcm"
    data.save_as(shifted)
    with pytest.raises(GeometryError) as told:
        masks.read_mask(shifted, grid)
    assert told.value.code == "mask.other_grid"


def test_what_is_no_mask_and_no_map_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"nothing")
    grid = Geometry((2, 8, 8), (2.0, 1.0, 1.0))
    with pytest.raises(InputError, match="not a DICOM"):
        masks.read_mask(broken, grid)
    with pytest.raises(MissingError):
        private.read(tmp_path / "gone.dcm")
    with pytest.raises(UnsupportedError) as told:
        maps.read_map(dicom_base.series(tmp_path / "plain", phases=1))
    assert told.value.code == "map.not_one"


@pytest.mark.parametrize(
    ("first", "later", "alike"),
    [
        ("T1 right breast", "T1 right breast post delay", True),
        ("Pre Contrast LEFT BREAST", "Post Contrast#1 LEFTbreast", True),
        ("ACRIN_6657/FL3D_T1_SAG_CA", "RSGT1CE1", False),
        ("BILAT T1 SPGR PRE", "BILAT T1 SPGR POST", True),
        ("t1_fl3d_uni_sag_fatsat", "t1_fl3d_sag_fatsat(new)", True),
    ],
)
def test_descriptions_of_phases_are_alike(first: str, later: str, alike: bool) -> None:
    assert sources.like(later, first) is alike
