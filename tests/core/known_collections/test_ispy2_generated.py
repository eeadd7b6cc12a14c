"""I-SPY 2 from generated files to the catalogue: visits, phases over every layout, sides, maps, the selection."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.generators import dicom_base, ispy2_study
from tests.generators.ispy2_study import Layout, Visit, Words
from tumordiff_core.catalogue import importing, queries
from tumordiff_core.catalogue.nodes import PatientNode, SeriesNode
from tumordiff_core.dicom import stack
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import reader

DAYS = {"T0": "20010110", "T1": "20010201", "T2": "20010405", "T3": "20010620"}


def index(folder: Path) -> PatientNode:
    """The one patient of a folder, imported."""
    report = importing.run([folder], progress=Progress())
    assert report.skipped == 0, report.skips
    (patient,) = queries.tree()
    return patient


def named(patient: PatientNode, words: str, visit: int = 0) -> SeriesNode:
    return next(s for s in patient.visits[visit].series if words in s.description)


def opened(uid: str, phase: int) -> tuple[np.ndarray, dict[str, object]]:
    reply = reader.handle({"op": "phase", "series_uid": uid, "phase": phase})
    facts: dict[str, object] = json.loads(Path(reply["record"]).read_text("utf-8"))["facts"]
    return np.load(reply["npy"]), facts


def test_four_visits_are_named_by_the_trial_and_none_is_missing(home: Path, tmp_path: Path) -> None:
    told: tuple[Words, ...] = ("code", "description", "study", "code")
    for (label, day), words in zip(DAYS.items(), told, strict=True):
        ispy2_study.make(tmp_path / "disk" / label, Visit(label, phases=3, words=words), day=day)
    patient = index(tmp_path / "disk")
    assert patient.collection == "I-SPY 2 (ACRIN 6698)" and patient.laterality == "L"
    assert [(v.label, v.days, v.evidence) for v in patient.visits] == [
        ("T0", 0, "trial tags"), ("T1", 22, "trial tags: early-treatment"), ("T2", 85, "study description ISPY2MRIT2"),
        ("T3", 161, "trial tags"),
    ]  # fmt: skip
    assert queries.tree("missing T3") == [] and queries.tree("missing T4") == []


def test_a_visit_that_is_missing_is_searched_by_the_trials_own_count(home: Path, tmp_path: Path) -> None:
    for label in ("T0", "T1"):
        ispy2_study.make(tmp_path / "disk" / label, Visit(label, phases=2, selected=False), day=DAYS[label])
    index(tmp_path / "disk")
    assert len(queries.tree("missing T2")) == len(queries.tree("missing T3")) == 1
    assert queries.tree("missing T0") == queries.tree("missing T4") == []


@pytest.mark.parametrize(
    ("layout", "words", "series"),
    [("merged", "Vibrant PRE/POST", 1), ("series per phase", "Ph0", 7), ("before and after", "pre", 2)],
)
def test_every_layout_of_many_phases_becomes_one_acquisition(
    home: Path, tmp_path: Path, layout: Layout, words: str, series: int
) -> None:
    ispy2_study.make(tmp_path / "disk", Visit("T0", layout=layout, selected=False), day=DAYS["T0"])
    patient = index(tmp_path / "disk")
    first = named(patient, words)
    assert [s.role for s in patient.visits[0].series].count("dynamic") == series
    assert named(patient, "T2").role == "t2"
    assert [p.slices for p in first.phases] == [10] * 7
    assert [p.label for p in first.phases] == ["pre", *(f"post {n}" for n in range(1, 7))]
    assert [p.effective_s for p in first.phases] == [-105.0, *(45.0 + 90 * n for n in range(6))]
    found = queries.dynamic(patient.visits[0].study_uid)
    assert found is not None and found.complete and len(found.series_uids) == series
    assert (found.early, found.late) == (2, 5)
    for phase in (0, 6):
        values, facts = opened(first.uid, phase)
        np.testing.assert_array_equal(values[4], ispy2_study.values_of(phase, 4))
        assert (facts["laterality"], facts["laterality_source"]) == ("B", "position")
    assert patient.laterality == "B"


@pytest.mark.parametrize("side", ["L", "R"])
def test_the_trials_selection_is_told_apart_by_temporal_position_and_is_the_source(
    home: Path, tmp_path: Path, side: str
) -> None:
    uid = ispy2_study.make(tmp_path / "disk", Visit("T0", side=side), day=DAYS["T0"])  # type: ignore[arg-type]
    patient = index(tmp_path / "disk")
    selected = named(patient, "original DCE")
    assert patient.laterality == side
    assert [named(patient, words).role for words in ("original DCE", ": SER", ": PE2")] == [
        "dynamic", "ser_map", "pe_map",
    ]  # fmt: skip
    assert [(p.label, p.slices) for p in selected.phases] == [("pre", 10), *((f"post {n}", 10) for n in range(1, 7))]
    assert [p.effective_s for p in selected.phases] == [-105.0, *(45.0 + 90 * n for n in range(6))]
    for phase in range(7):
        values, facts = opened(selected.uid, phase)
        for k in range(10):
            np.testing.assert_array_equal(values[k], ispy2_study.values_of(phase, k))
        assert facts["laterality"] == side
    found = queries.dynamic(uid)
    assert found is not None and found.series_uids == (selected.uid,) and (found.early, found.late) == (2, 5)
    recorded = queries.recorded(uid)
    assert recorded is not None and set(recorded.maps) == {"SER", "PE"} and recorded.masks == {}
    assert (recorded.pe_threshold_percent, recorded.pre_contrast_threshold) == (70.0, 47.0)


def test_a_selection_without_any_times_keeps_its_named_early_phase(home: Path, tmp_path: Path) -> None:
    uid = ispy2_study.make(tmp_path / "disk", Visit("T0", phases=5, acquired=False), day=DAYS["T0"])
    patient = index(tmp_path / "disk")
    found = queries.dynamic(uid)
    assert found is not None and (found.early, found.late) == (2, 4)
    assert "the last phase is taken" in named(patient, "original DCE").remark
    assert [p.label for p in named(patient, "original DCE").phases] == [f"phase {n}" for n in range(1, 6)]


def test_repeated_instance_numbers_are_ordered_by_temporal_position(home: Path, tmp_path: Path) -> None:
    ispy2_study.make(tmp_path / "disk", Visit("T0", phases=4), day=DAYS["T0"])
    folder = tmp_path / "disk" / "selected" / "original"
    volume = stack.open_folder(folder)
    assert volume.values.shape[:2] == (4, 10)
    for phase in range(4):
        np.testing.assert_array_equal(volume.values[phase, 3], ispy2_study.values_of(phase, 3))


def test_an_unrelated_repeat_is_no_acquisition(home: Path, tmp_path: Path) -> None:
    for number, name in ((3, "ISPY2: Ax T1"), (4, "ISPY2: Ax T1")):
        for k in range(8):
            data = dicom_base.base(patient="ISPY2-990002", series=name + str(number), slice_index=k, phase=number)
            data.SeriesNumber, data.SeriesDescription = number, name
            dicom_base.save(data, tmp_path / "disk" / f"{number}-{k}.dcm")
    patient = index(tmp_path / "disk")
    assert [s.role for s in patient.visits[0].series] == ["other", "other"]
