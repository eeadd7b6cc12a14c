"""The job that makes patients with known truth."""

from pathlib import Path

from tumordiff_core import result_folder
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.simulation import cohort

SMALL = {"patients": 1, "visits": 2, "slices": 12, "rows": 64, "columns": 64, "processes": 1}


def test_a_cohort_is_a_job_with_a_result(home: Path) -> None:
    job = jobfolder.new_job("simulate", SMALL)
    assert worker.main(job) == 0
    result = result_folder.open_result(job / "result")
    assert (result.record.kind, result.record.provenance) == ("cohort", "synthetic")
    place = Path(result.record.figures["folder"])
    assert [v["visit"] for v in cohort.read(place)["visits"]] == ["T1", "T2"]
    assert len(list(place.rglob("*.dcm"))) == 2 * (36 + 1)
    result.check_files()
    stages = [e for e in events.read_all(job) if e["kind"] == "progress" and e["stage"] == "simulate patients"]
    assert stages and stages[-1]["left_s"] == 0


def test_a_folder_of_ones_own_holds_the_cohort_and_is_never_written_over(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    job = jobfolder.new_job("simulate", {**SMALL, "visits": 1, "out": str(place)})
    assert worker.main(job) == 0
    assert len(cohort.read(place)["visits"]) == 1
    again = jobfolder.new_job("simulate", {**SMALL, "visits": 1, "out": str(place)})
    assert worker.main(again) == 1
    assert "already there" in (jobfolder.failure(again) or "")
    assert not (again / "result").exists() and not (again / "result.part").exists()


def test_an_impossible_size_is_refused_with_the_reason(home: Path) -> None:
    job = jobfolder.new_job("simulate", {**SMALL, "patients": 9})
    assert worker.main(job) == 1
    assert "patients is 9" in (jobfolder.failure(job) or "").lower()
