"""The whole collection by its series index: visits of 847 studies, source series of 708 derived maps."""

import csv
import gzip
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED
from tumordiff_core.dicom import study
from tumordiff_core.known_collections.ispy1 import clinical, collection, sources, visits
from tumordiff_core.plugins.specs import Fact, Header, PatientRecord, StudyRecord, TimePoint

pytestmark = pytest.mark.real
Row = dict[str, str]


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the checkout, so the whole collection cannot be checked.")
    return path


def header(row: Row, instance: int) -> Header:
    return {
        **{k: row[k] for k in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality")},
        "StudyDate": row["StudyDate"].replace("-", ""), "SeriesNumber": int(row["SeriesNumber"]),
        "SOPClassUID": row["SOPClassUID"], "SOPInstanceUID": f"{row['SeriesInstanceUID']}.{instance}",
        "InstanceNumber": instance, "path": "",
    }  # fmt: skip


@pytest.fixture(scope="module")
def studies() -> list[StudyRecord]:
    series: dict[tuple[str, str], dict[str, tuple[Header, ...]]] = defaultdict(dict)
    with gzip.open(shared("ispy1_series_index.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            files = tuple(header(row, n + 1) for n in range(int(row["instanceCount"])))
            series[row["StudyInstanceUID"], row["PatientID"]][row["SeriesInstanceUID"]] = files
    return [study.study_record(uid, patient, found) for (uid, patient), found in series.items()]


@pytest.fixture(scope="module")
def facts() -> dict[str, tuple[Fact, ...]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in clinical.clinical(shared("ispy1_clinical.xlsx")):
        found[fact.patient_id].append(fact)
    return {patient: tuple(all_of) for patient, all_of in found.items()}


@pytest.fixture(scope="module")
def truth() -> dict[str, Row]:
    with shared("ispy1_longest_diameter.csv").open(encoding="utf-8", newline="") as file:
        return {row["StudyInstanceUID"]: row for row in csv.DictReader(file) if row["StudyInstanceUID"]}


@pytest.fixture(scope="module")
def points(studies: list[StudyRecord], facts: dict[str, tuple[Fact, ...]]) -> dict[str, TimePoint]:
    patients: dict[str, list[StudyRecord]] = defaultdict(list)
    for one in studies:
        patients[one.patient_id].append(one)
    found = {}
    for patient, own in patients.items():
        for point in collection.time_points(PatientRecord(patient, tuple(own), facts.get(patient, ()))):
            found[point.study_uid] = point
    return found


def test_every_study_has_one_visit_with_evidence_and_days(
    studies: list[StudyRecord], points: dict[str, TimePoint], truth: dict[str, Row]
) -> None:
    assert len(studies) == len(points) == 847
    assert all(point.evidence for point in points.values())
    assert {uid: point.days for uid, point in points.items()} == {uid: int(row["day"]) for uid, row in truth.items()}


def test_visits_of_complete_patients_and_of_those_with_diameters_are_right(
    points: dict[str, TimePoint], truth: dict[str, Row]
) -> None:
    right = Counter(
        row["timepoint_evidence"] for uid, row in truth.items()
        if points[uid].label == row["timepoint"] and points[uid].evidence.startswith(row["timepoint_evidence"])
    )  # fmt: skip
    assert right["four visits, date order"] == 752
    assert right["diameters in workbook"] == 76
    patients = {row["Patient_ID"] for row in truth.values() if row["timepoint_evidence"] == "diameters in workbook"}
    assert len(patients) == 26


def test_the_table_of_diameters_alone_names_the_same_visits(
    studies: list[StudyRecord], points: dict[str, TimePoint], truth: dict[str, Row]
) -> None:
    told: dict[str, list[Fact]] = defaultdict(list)
    for fact in clinical.clinical(shared("ispy1_longest_diameter.csv")):
        told[fact.patient_id].append(fact)
    assert sum(map(len, told.values())) == 839
    patients: dict[str, list[StudyRecord]] = defaultdict(list)
    for one in studies:
        patients[one.patient_id].append(one)
    by_table = 0
    for patient, own in patients.items():
        for point in collection.time_points(PatientRecord(patient, tuple(own), tuple(told.get(patient, ())))):
            assert point.label == points[point.study_uid].label
            by_table += point.evidence.startswith("diameters in ispy1_longest_diameter.csv")
    assert by_table == 76


def test_the_other_eight_patients_are_marked_inferred_and_never_wrong(
    points: dict[str, TimePoint], truth: dict[str, Row]
) -> None:
    rest = {uid: row for uid, row in truth.items() if row["timepoint_evidence"] == "inferred from intervals"}
    assert len({row["Patient_ID"] for row in rest.values()}) == 8
    assert all(points[uid].evidence.startswith("inferred") for uid in rest)
    assert all(row["timepoint"] in points[uid].label for uid, row in rest.items())


def test_named_cases_of_dates(studies: list[StudyRecord], points: dict[str, TimePoint]) -> None:
    two_dates = [p for s in studies if s.patient_id == "ISPY1_1042" and "dated" in (p := points[s.uid]).evidence]
    assert [(p.label, p.days, p.evidence) for p in two_dates] == [
        ("T4", 162, "four visits, date order; 1 of its series dated 1986-01-15")
    ]
    undated = [points[s.uid] for s in studies if s.patient_id == "ISPY1_1229"]
    assert sorted((p.label, p.days) for p in undated) == [("T1", 0), ("T2", 16), ("T3", 58), ("T4", 120)]


@pytest.mark.parametrize(("dropped", "expected"), [("T2", 186), ("T3", 184), ("T4", 182)])
def test_intervals_alone_find_the_visit_that_was_dropped(truth: dict[str, Row], dropped: str, expected: int) -> None:
    patients: dict[str, list[Row]] = defaultdict(list)
    for row in truth.values():
        if row["timepoint_evidence"] == "four visits, date order":
            patients[row["Patient_ID"]].append(row)
    assert len(patients) == 188
    right = 0
    for rows in patients.values():
        rest = sorted((r for r in rows if r["timepoint"] != dropped), key=lambda r: int(r["day"]))
        right += visits.assign([int(r["day"]) for r in rest]) == [r["timepoint"] for r in rest]
    assert right >= expected


def test_a_last_visit_within_the_days_of_both_stays_open(truth: dict[str, Row]) -> None:
    (label, evidence) = visits.inferred([0, 19, 83])[-1]
    assert (label, evidence.split(";")[0]) == ("T3 or T4", "inferred from intervals")
    assert visits.inferred([0, 19, 164])[-1][0] == "T4"


def test_source_series_of_every_derived_map(studies: list[StudyRecord], facts: dict[str, tuple[Fact, ...]]) -> None:
    right = complete = mapped = merged = 0
    for one in studies:
        ser = [s for s in one.series if s.description.endswith(": SER")]
        if not ser:
            continue
        mapped += 1
        told = next((str(f.value) for f in facts.get(one.patient_id, ()) if f.name == "laterality"), "")
        found = sources.find(one, side=told)
        assert found is not None
        first, base = found.parts[0].series, ser[0].description.removesuffix(": SER")
        fits = len(first.headers) % len(ser[0].headers) == 0
        right += fits and (first.description == base or (not base and first.description.startswith("DCE PRE")))
        complete += len(found.phases) >= sources.FEWEST_PHASES
        merged += len(found.parts) == 1
        assert not [s for p in found.parts for s in [p.series] if any(w in s.description for w in LOOK_ALIKES)]
    print(f"source series: {right} of {mapped} right, {complete} complete; {merged} merged")
    assert mapped == 708
    assert right == 708
    assert complete >= 706
    assert merged == 464


LOOK_ALIKES = ("needle", "PASS", "pass", "SUB", "T2", "non fat", "No Fat", "TRA", "axial", "CE1", "_Non", "MPR")


def test_roles_of_the_whole_collection(studies: list[StudyRecord]) -> None:
    counted: Counter[str] = Counter()
    wrong: list[Any] = []
    for one in studies:
        found = collection.roles(one)
        for series in one.series:
            role = found[series.uid]
            counted[role] += 1
            if series.modality in ("SEG", "SR") and role not in ("seg", "report"):
                wrong.append((series.description, role))
            if "PJN" in series.description and role != "reformat":
                wrong.append((series.description, role))
    assert not wrong
    assert (counted["seg"], counted["report"], counted["ser_map"], counted["pe_map"]) == (2568, 845, 708, 708)
    print(dict(counted))
