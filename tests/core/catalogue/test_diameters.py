"""A table of longest diameters, one visit a row, becomes facts and names the visits that dates cannot."""

from pathlib import Path

import pytest

from tests.generators import dicom_base
from tumordiff_core.catalogue import importing, queries
from tumordiff_core.progress import Progress

TABLE = """Patient_ID,timepoint,ld_mm,day,StudyInstanceUID,timepoint_evidence
ISPY1_1998,T1,51,0,1.2,diameters in workbook
ISPY1_1998,T2,,,,
ISPY1_1998,T3,,,,
ISPY1_1998,T4,0,90,1.3,diameters in workbook
1997,T1,12,0,,
somebody,T1,12,0,,
ISPY1_1996,T5,12,0,,
ISPY1_1995
"""
WORKBOOK = "SUBJECTID,age,PCR,MRI LD Baseline,MRI LD InterReg\n1998,44,1,,\n"


def index(*paths: Path) -> importing.Report:
    return importing.run(list(paths), progress=Progress())


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """An incomplete patient: two visits, three months apart."""
    for number, day in enumerate(("19850110", "19850410"), 1):
        folder = tmp_path / "disk" / day
        dicom_base.series(folder, phases=1, slices=2, patient="ISPY1_1998", study=str(number), day=day)
    return tmp_path / "disk"


def test_diameters_without_a_workbook_name_the_last_visit(home: Path, disk: Path, tmp_path: Path) -> None:
    index(disk)
    (patient,) = queries.tree()
    assert [visit.label for visit in patient.visits] == ["T1", "T3 or T4"]
    (tmp_path / "diameters.csv").write_text(TABLE, "utf-8")
    assert index(tmp_path / "diameters.csv").facts == 3
    (patient,) = queries.tree()
    assert [(visit.label, visit.evidence) for visit in patient.visits] == [
        ("T1", "diameters in diameters.csv"), ("T4", "diameters in diameters.csv"),
    ]  # fmt: skip
    assert {name: patient.facts[name] for name in patient.facts} == {"mri_ld_t1": 51, "mri_ld_t4": 0}


@pytest.mark.parametrize("order", [("diameters.csv", "workbook.csv"), ("workbook.csv", "diameters.csv")])
def test_blanks_of_the_workbook_do_not_wipe_out_diameters(
    home: Path, disk: Path, tmp_path: Path, order: tuple[str, str]
) -> None:
    (tmp_path / "diameters.csv").write_text(TABLE, "utf-8")
    (tmp_path / "workbook.csv").write_text(WORKBOOK, "utf-8")
    index(disk, *(tmp_path / name for name in order))
    (patient,) = queries.tree()
    assert [visit.label for visit in patient.visits] == ["T1", "T4"]
    assert (patient.facts["mri_ld_t1"], patient.facts["mri_ld_t3"], patient.facts["pcr"]) == (51, None, 1)


def test_a_table_that_is_read_again_may_take_a_value_back(home: Path, disk: Path, tmp_path: Path) -> None:
    book = tmp_path / "workbook.csv"
    book.write_text(WORKBOOK.replace("44,1,,", "44,1,30,"), "utf-8")
    index(disk, book)
    assert queries.tree()[0].facts["mri_ld_t1"] == 30
    book.write_text(WORKBOOK, "utf-8")
    index(book)
    assert queries.tree()[0].facts["mri_ld_t1"] is None
