"""A patient's response as a job: the real study to the voxel, the synthetic cohort over its visits, and sentences."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumordiff_core import result_folder
from tumordiff_core.catalogue import results
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.simulation import cohort


def run(task: str, **params: Any) -> Path:
    """A finished job's folder; fails the test with the job's own sentence."""
    job = jobfolder.new_job(task, params, claim=True)
    assert worker.main(job, claimed=1) == 0, jobfolder.failure(job)
    return job


def index(place: Path) -> None:
    run("index", paths=[str(place)], processes=1)


def rows_of(job: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = result_folder.open_result(job / "result").record.figures["visits"]
    return rows


def failing(**params: Any) -> str:
    job = jobfolder.new_job("response", params, claim=True)
    assert worker.main(job, claimed=1) == 1
    assert not (job / "result").exists() and not (job / "result.part").exists()
    return jobfolder.failure(job) or ""


@pytest.fixture
def measured(home: Path, synthetic_cohort: Path) -> Path:
    """The first simulated patient, indexed and measured."""
    index(synthetic_cohort / "ISPY1")
    return run("response", patient="SYN-DEMO-001")


@pytest.mark.real
def test_the_real_study_is_measured_to_the_voxel(home: Path, ispy1_dicom: Path, ispy1_expected: dict[str, Any]) -> None:
    index(ispy1_dicom)
    job = run("response", patient="ISPY1_1002")
    (row,) = rows_of(job)
    assert (row["ftv_pe_voxels"], row["ftv_ser_voxels"]) == (4350, 3604)
    assert row["ftv_pe_cc"] == pytest.approx(5.31005859375) and row["ftv_ser_cc"] == pytest.approx(4.3994140625)
    assert row["published_pe_cc"] == pytest.approx(row["ftv_pe_cc"], abs=1e-9)
    assert row["published_ser_cc"] == pytest.approx(row["ftv_ser_cc"], abs=1e-9)
    assert (row["rule"], row["kind"], row["visit"], row["laterality"]) == ("recorded", "acquired", "T1", "R")
    expected = ispy1_expected["counts"]["ser_classes_float32"]
    assert list(row["ser_classes"].values()) == list(expected.values())
    assert 0.01 < row["ftv_pe_doubt_cc"] / row["ftv_pe_cc"] < 0.04
    assert round(row["longest_mm"], 1) == 29.2 and round(row["in_plane_mm"], 1) == 26.7 and row["slice_index"] == 39
    result = result_folder.open_result(job / "result")
    tumour = result.array(row["arrays"]["tumour"])
    assert int(tumour.sum()) == 4350
    ratio = result.array(row["arrays"]["ser"])[tumour.astype(bool)]
    assert float(ratio.max()) <= 3.0 and abs(int((ratio >= 0.9).sum()) - 3604) < 30
    result.check_files()


def test_each_visit_agrees_with_what_its_study_recorded(measured: Path, synthetic_cohort: Path) -> None:
    known = {v["study_uid"]: v for v in cohort.read(synthetic_cohort)["visits"]}
    rows = rows_of(measured)
    assert [row["visit"] for row in rows] == ["T1", "T2"] and [row["days"] for row in rows] == [0, 18]
    for row in rows:
        assert row["ftv_pe_cc"] == pytest.approx(known[row["study_uid"]]["ftv_acquired_cc"])
        assert row["published_pe_cc"] == pytest.approx(row["ftv_pe_cc"])
        assert 0 < row["ftv_pe_doubt_cc"] < row["ftv_pe_cc"]
        assert (row["rule"], row["kind"]) == ("recorded", "synthetic")
    first, second = rows
    assert first["change_percent"] is None
    assert second["change_percent"] == pytest.approx(100 * (second["ftv_pe_cc"] / first["ftv_pe_cc"] - 1))
    assert second["change_percent"] < -20


def test_the_table_is_for_any_program_that_reads_tables(measured: Path) -> None:
    with (measured / "result" / "tables" / "response.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = rows_of(measured)
    assert [line["visit"] for line in lines] == ["T1", "T2"]
    assert lines[0]["change_percent"] == "" and float(lines[1]["ftv_pe_cc"]) == rows[1]["ftv_pe_cc"]


def test_maps_lie_on_the_grid_of_their_visit(measured: Path, synthetic_cohort: Path) -> None:
    result = result_folder.open_result(measured / "result")
    truth = cohort.read_truth(synthetic_cohort, cohort.read(synthetic_cohort)["visits"][0])
    row = rows_of(measured)[0]
    pe, tumour = (np.asarray(result.array(row["arrays"][what])) for what in ("pe", "tumour"))
    assert pe.shape == tumour.shape == Geometry.from_record(row["geometry"]).shape == (12, 64, 64)
    assert np.median(pe[truth["tumour"]]) > 90
    assert np.count_nonzero(tumour.astype(bool) & truth["ftv"]) > 0.8 * truth["ftv"].sum()


def test_a_denoised_visit_is_a_row_of_its_own(measured: Path) -> None:
    """The newest denoised result of a visit is measured with the acquired threshold."""
    first = rows_of(measured)[0]
    job = jobfolder.new_job("denoise", {"input": "made here"}, claim=True)
    place = job / "result"
    place.mkdir()
    geometry = Geometry.from_record(first["geometry"])
    result_folder.save_array(place, "mean", np.full((3, *geometry.shape), 60.4, np.float32))
    record = result_folder.Record(
        kind="denoised", provenance="derived", facts={"study_uid": first["study_uid"], "patient_id": "SYN-DEMO-001"},
        geometry=first["geometry"], created="2026-02-03T00:00:00+00:00",
    )  # fmt: skip
    result_folder.finish(place, record)
    assert results.enter(job)
    again = rows_of(run("response", patient="SYN-DEMO-001"))
    assert [(row["visit"], row["kind"]) for row in again] == [
        ("T1", "synthetic"), ("T1", "denoised"), ("T2", "synthetic"),
    ]  # fmt: skip
    denoised = again[1]
    assert denoised["ftv_pe_voxels"] == 0 and denoised["longest_mm"] == 0
    assert denoised["pre_contrast_threshold"] == first["pre_contrast_threshold"]
    assert again[2]["change_percent"] is not None and denoised["change_percent"] is None
    without = rows_of(run("response", patient="SYN-DEMO-001", denoised=False, maps=False))
    assert [row["kind"] for row in without] == ["synthetic", "synthetic"] and without[0]["arrays"] == {}


def test_a_rule_that_nobody_recorded_is_called_assumed(home: Path, synthetic_cohort: Path, tmp_path: Path) -> None:
    import shutil

    place = tmp_path / "bare"
    shutil.copytree(synthetic_cohort / "ISPY1" / "SYN-DEMO-001", place)
    for mask in place.rglob("32100*"):
        shutil.rmtree(mask)
    index(place)
    for row in rows_of(run("response", patient="SYN-DEMO-001", maps=False)):
        assert row["rule"] == "assumed" and row["voi"] is None and row["published_pe_cc"] is None
        assert (row["pe_threshold_percent"], row["minimum_neighbours"]) == (70, 9)


def test_a_visit_without_its_dynamic_says_so_and_the_others_are_measured(
    home: Path, synthetic_cohort: Path, tmp_path: Path
) -> None:
    import shutil

    place = tmp_path / "gap"
    shutil.copytree(synthetic_cohort / "ISPY1" / "SYN-DEMO-001", place)
    visits = cohort.read(synthetic_cohort)["visits"]
    shutil.rmtree(place / Path(visits[1]["series"]).relative_to("ISPY1/SYN-DEMO-001"))
    index(place)
    job = run("response", patient="SYN-DEMO-001", maps=False)
    first, second = rows_of(job)
    assert first["ftv_pe_voxels"] > 0 and second["kind"] == "missing"
    assert "0 phases" in second["trouble"] and "before and two after contrast" in second["trouble"]
    assert any(e["kind"] == "warning" and e["code"] == "response.no_dynamic" for e in events.read_all(job))


def test_who_is_not_there_is_a_sentence(home: Path, synthetic_cohort: Path) -> None:
    assert "0 patients" in failing(patient="NOBODY")
    index(synthetic_cohort / "ISPY1")
    assert "2 patients" in failing(patient="NOBODY") and "2 patients" in failing(patient="SYN-DEMO")
    assert rows_of(run("response", patient="DEMO-002", maps=False))[0]["ftv_pe_voxels"] > 0


def test_a_patient_without_any_dynamic_is_a_sentence(home: Path, synthetic_cohort: Path, tmp_path: Path) -> None:
    import shutil

    place = tmp_path / "masks"
    for mask in (synthetic_cohort / "ISPY1" / "SYN-DEMO-001").rglob("32100*"):
        shutil.copytree(mask, place / mask.parent.name / mask.name)
    index(place)
    assert "2 tried" in failing(patient="SYN-DEMO-001")


def test_damage_is_found_by_the_next_reader(measured: Path) -> None:
    from tumordiff_core.errors import InputError

    (measured / "result" / "tables" / "response.csv").write_text("changed")
    with pytest.raises(InputError, match="differs"):
        result_folder.open_result(measured / "result").check_files()


def test_the_diameter_of_the_clinical_record_stands_beside_ours() -> None:
    from types import SimpleNamespace

    from tumordiff_core.tasks.response import published_diameter_mm

    patient = SimpleNamespace(facts={"mri_ld_t1": 29, "mri_ld_t3": 0, "mri_ld_t4": ""})
    assert [published_diameter_mm(patient, visit) for visit in ("T1", "T2", "T3", "T4")] == [29, None, 0, None]
