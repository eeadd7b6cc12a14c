"""I-SPY 2 through the collection's own functions: its clinical tables and its visits."""

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tumordiff_core.errors import InputError
from tumordiff_core.known_collections import ispy2
from tumordiff_core.plugins.specs import PatientRecord, SeriesRecord, StudyRecord

TABLE = """Id,FTV_T0,FTV_T1,LD_mm_T0,LD_mm_T1,Arm,HR,HER2,MP,pCR,Age at Screening,menopausal_status,TCIA_PatientID
1,3.5,0,24.0,0.0,Paclitaxel,1,0,1,,53.0,Premenopausal ( < 6 months),ISPY2-1
2,,1.5,,12,Paclitaxel,0,0,0,1,,Premenopausal (<6 months),ACRIN-6698-2
3,1,1,1,1,Paclitaxel,0,1,0,1,40,,
"""


def studies(*days: int | None, codes: tuple[str, ...] = ()) -> PatientRecord:
    made = []
    for n, day in enumerate(days):
        header = {"ClinicalTrialTimePointID": codes[n]} if codes else {}
        series = SeriesRecord(f"s{n}", 1, "dyn", "MR", (header,))
        when = None if day is None else date.fromordinal(date(2011, 1, 1).toordinal() + day)
        made.append(StudyRecord(f"u{n}", "ISPY2-1", when, (series,)))
    return PatientRecord("ISPY2-1", tuple(made))


def test_facts_are_plain_words_and_blanks_stay_blank(tmp_path: Path) -> None:
    path = tmp_path / "four.csv"
    path.write_text(TABLE, "utf-8")
    found = list(ispy2.clinical(path))
    assert {fact.patient_id for fact in found} == {"ISPY2-1", "ACRIN-6698-2"}
    first = {fact.name: fact for fact in found if fact.patient_id == "ISPY2-1"}
    assert (first["pcr"].value, first["mri_ld_t1"].value, first["ftv_t0"].unit) == (None, 0.0, "cc")
    assert (first["subtype"].value, first["mammaprint"].value, first["age"].value) == ("HR+/HER2-", 1, 53.0)
    status = {fact.value for fact in found if fact.name == "menopausal_status"}
    assert len(status) == 1


def test_other_tables_hold_no_facts_and_damaged_ones_are_said(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", "utf-8")
    assert list(ispy2.clinical(other)) == []
    assert list(ispy2.clinical(tmp_path / "text.txt")) == []
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"TCIA_PatientID,HR,HER2,pCR\n\xff\xfe\xfa,1,1,1\n")
    with pytest.raises(InputError) as told:
        list(ispy2.clinical(broken))
    assert told.value.code == "clinical.unreadable"


def test_visits_by_code_then_by_date() -> None:
    coded = ispy2.time_points(studies(0, 84, codes=("T0", "T2")))
    assert [(p.label, p.days, p.evidence) for p in coded] == [("T0", 0, "trial tags"), ("T2", 84, "trial tags")]
    assert [p.label for p in ispy2.time_points(studies(0, 21, 84, 160))] == ["T0", "T1", "T2", "T3"]
    assert [p.label for p in ispy2.time_points(studies(0, 90, None))] == ["V1", "V2", "?"]


@pytest.mark.parametrize(
    ("header", "claimed"),
    [
        ({"PatientID": "ISPY2-100899"}, True), ({"PatientID": "ACRIN-6698-102212"}, True),
        ({"PatientID": "X", "ClinicalTrialProtocolID": "ACRIN-6698"}, True),
        ({"PatientID": "ISPY1_1002", "ClinicalTrialProtocolID": "6657"}, False), ({}, False),
    ],
)  # fmt: skip
def test_claims(header: dict[str, str], claimed: bool) -> None:
    assert ispy2.claims(header) is claimed


@pytest.mark.real
def test_the_tables_beside_the_checkout() -> None:
    clinical, visits = SHARED / "ispy2_clinical.csv", SHARED / "four_visits.csv"
    if not clinical.is_file() or not visits.is_file():
        pytest.skip("The I-SPY 2 tables are not beside the checkout.")
    found = list(ispy2.clinical(visits))
    assert len({fact.patient_id for fact in found}) == 324
    assert Counter(fact.value for fact in found if fact.name == "pcr")[1] == 94
    assert sum(1 for f in found if f.name == "mri_ld_t1" and f.value == 0) == 6
    assert len({fact.patient_id for fact in ispy2.clinical(clinical)}) >= 920
