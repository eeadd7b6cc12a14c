"""What can be asked: searches as one types them, clinical facts, nodes that print, and nothing heavy for the window."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.generators import collection, dicom_base
from tumordiff_core.catalogue import importing, listing, queries
from tumordiff_core.errors import InputError
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Collection, Fact, PatientRecord, TimePoint
from tumordiff_core.progress import Progress


def index(*paths: Path) -> importing.Report:
    return importing.run(list(paths), progress=Progress())


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("", []),
        ("  Dynamic 1002 ", ["dynamic", "1002"]),
        ("missing T3", ["missing:t3"]),
        ("missing", ["missing"]),
        ("pCR", ["pcr:yes"]),
        ("pcr yes ge", ["pcr:yes", "ge"]),
        ("no pCR", ["pcr:no"]),
        ("non-pCR", ["pcr:no"]),
        ('subtype:"HR+ HER2-"', ["subtype:hr+ her2-"]),
        ('"t1 axial', ["t1 axial"]),
    ],
)
def test_a_search_is_taken_as_one_says_it(typed: str, terms: list[str]):
    assert listing.terms(typed) == terms


def test_patients_are_found_by_what_is_known_of_them(home: Path, tmp_path: Path):
    dicom_base.series(tmp_path / "a", patient="ANNA", description="Dynamic-3dfgre")
    dicom_base.series(tmp_path / "b", patient="BERTA", description="50% sagittal_ca", study="2")
    index(tmp_path / "a", tmp_path / "b")

    def found(text: str) -> list[str]:
        return [p.patient_id for p in queries.tree(text)]

    assert found("") == ["ANNA", "BERTA"]
    assert found("anna") == found("3dfgre") == ["ANNA"]
    assert found("vendor:made") == found("side:right") == found("has:dynamic") == ["ANNA", "BERTA"]
    assert found("50%") == found("sagittal_ca") == found("vendor:made berta") == ["BERTA"]
    assert found("' OR 1=1 --") == found("%") == [] or found("%") == ["BERTA"]


def test_nodes_print_compare_and_are_kept(home: Path, tmp_path: Path):
    dicom_base.series(tmp_path / "a", patient="ANNA")
    index(tmp_path / "a")
    first, again = queries.tree(), queries.tree()
    assert first[0] is again[0] and first == again
    text = json.dumps(asdict(first[0]), default=str)
    assert json.loads(text)["visits"][0]["series"][0]["phases"][1]["label"] == "post 1"
    dicom_base.series(tmp_path / "a" / "more", patient="ANNA", series="other", number=4, phases=1)
    index(tmp_path / "a")
    assert queries.tree()[0] != first[0] and repr(queries.tree()[0]) != repr(first[0])
    assert [s.number for s in queries.tree()[0].visits[0].series] == [3, 4]
    with pytest.raises(AttributeError):
        first[0].nothing


class Trial:
    """A stranger's collection with a table of its own, and time points that need its facts."""

    @staticmethod
    @hookimpl
    def register_collections() -> list[Collection]:
        names = ("claims", "time_points", "roles", "phases", "recorded", "clinical")
        return [Collection("trial", "A trial", *(f"{__name__}:{name}" for name in names))]


def claims(header: object) -> bool:
    return True


def time_points(patient: PatientRecord) -> list[TimePoint]:
    known = {fact.name: fact.value for fact in patient.facts}
    label = "T3" if known.get("diameter t3 mm") else "T2"
    return [TimePoint(one.uid, label, None, "diameters" if known else "guess") for one in patient.studies]


def roles(study: object) -> dict[str, str]:
    raise KeyError("a stranger's mistake")


def phases(study: object) -> list[object]:
    return []


def recorded(study: object) -> None:
    return None


def clinical(path: Path) -> list[Fact]:
    if path.name != "trial.csv":
        return []
    return [Fact("ANNA", "pcr", 1), Fact("ANNA", "diameter t3 mm", 31.5, "mm"), Fact("NOBODY", "pcr", 0)]


def test_a_table_changes_facts_searches_and_time_points(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sys.modules.setdefault(__name__, sys.modules[__name__])
    manager.door().add("trial", Trial)
    dicom_base.series(tmp_path / "a", patient="ANNA")
    told: list[str] = []

    class Told(Progress):
        def emit(self, kind: str, fields: dict[str, object]) -> None:
            if kind == "warning":
                told.append(str(fields["code"]))

    importing.run([tmp_path / "a"], progress=Told())
    assert told == ["plugins.bad_record"], "a collection that fails is told once and ends nothing"
    assert queries.tree()[0].visits[0].label == "T2" and queries.tree("pcr") == []
    (tmp_path / "trial.csv").write_text("made up")
    assert index(tmp_path / "trial.csv").facts == 3
    (anna,) = queries.tree("pcr")
    assert anna.facts == {"pcr": 1, "diameter t3 mm": 31.5} and anna.collection == "A trial"
    assert (anna.visits[0].label, anna.visits[0].days, anna.visits[0].evidence) == ("T3", 0, "diameters")
    assert [p.patient_id for p in queries.tree("missing t1")] == ["ANNA"] and queries.tree("no pcr") == []
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError) as unknown:
        index(tmp_path / "other.csv")
    assert unknown.value.code == "index.unknown_table"


@pytest.mark.real
def test_the_workbook_is_joined_to_the_images(home: Path, ispy1_dicom: Path):
    workbook = SHARED / "ispy1_clinical.xlsx"
    if not workbook.is_file():
        pytest.skip(f"{workbook.name} is not beside the checkout.")
    assert index(ispy1_dicom, workbook).facts > 2000
    (patient,) = queries.tree()
    assert patient.facts["pcr"] in (0, 1)
    assert queries.tree("pcr yes" if patient.facts["pcr"] else "no pcr") == [patient]
    assert queries.tree("no pcr" if patient.facts["pcr"] else "pcr yes") == []
    assert queries.tree("missing t3") == queries.tree("vendor:ge ser") == [patient]


def test_a_generated_collection_is_told_as_planted(home: Path, tmp_path: Path):
    truth = collection.make(tmp_path / "all", patients=3, slices=8)
    report = index(tmp_path / "all")
    assert report.seen == report.indexed + report.copies == len([p for p in truth.folder.rglob("*") if p.is_file()])
    for uid, planted in truth.studies.items():
        visit = queries.visit(uid)
        assert (visit.label, visit.days) == (planted.label, planted.days)
        assert {s.uid: s.files for s in visit.series} == planted.series
        if planted.phases:
            found = queries.dynamic(uid)
            assert found is not None and len(found.phases) == len(planted.phases)
            assert set(found.series_uids) == {series for series, _ in planted.phases}
            leading = queries.series(found.series_uids[0])
            assert [p.index for p in leading.phases] == list(range(len(planted.phases)))
            files = queries.files_of(found.series_uids[-1])
            assert [str(f.path) for f in files] == [path for phase in found.phases for path in phase.paths]


def test_the_window_gets_answers_without_anything_heavy(home: Path, tmp_path: Path):
    dicom_base.series(tmp_path / "a", patient="ANNA")
    index(tmp_path / "a")
    code = """
import sys
from tumordiff_core.catalogue import edits, queries
visit = queries.tree()[0].visits[0]
queries.results(), queries.recorded(visit.study_uid), queries.dynamic(visit.study_uid)
queries.phase_files(visit.series[0].uid, 0)
edits.restore_time_point(edits.set_time_point(visit.study_uid, "T2", 3))
heavy = {"torch", "pydicom", "scipy", "SimpleITK", "skimage", "lightning", "openpyxl", "numpy"} & set(sys.modules)
print(sorted(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
