"""The demo as a job: every part in the demo's own home, figures against the truth, one page, whole or nothing."""

import os
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.generators import tiny_model
from tumordiff_core import paths, result_folder
from tumordiff_core.catalogue import queries
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.simulation import page

SMALL = {"patients": 1, "visits": 2, "slices": 12, "side": 64, "model": "tiny"}


def demo(**params: Any) -> tuple[Path, int]:
    job = jobfolder.new_job("demo", {**SMALL, **params}, claim=True)
    return job, worker.main(job, claimed=1)


@pytest.fixture
def ready(home: Path) -> Path:
    """A home whose demo knows the tiny model; the reader's own home does not."""
    tiny_model.make(paths.demo() / "data" / "models")
    return home


def test_the_demo_runs_through_in_a_home_of_its_own(ready: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job, code = demo(out=str(out))
    assert code == 0, jobfolder.failure(job)
    assert os.environ["TUMORDIFF_HOME"] == str(ready)
    result = result_folder.open_result(job / "result")
    figures = result.record.figures
    assert figures["psnr_noisy_db"] > 15 and figures["ftv_true_cc"] > 0 and figures["dice_noisy"] > 0.7
    assert figures["sigma_true"] == 3.2
    text = (out / "report.html").read_text("utf-8")
    assert "Research use only" in text and "SYNTHETIC" in text and f"{figures['ftv_true_cc']:.2f} cc" in text
    assert "http" not in text and "<script" not in text
    assert {p.stem for p in (out / "pictures").iterdir()} == {
        "noisy", "denoised", "truth", "residual", "visit-T1", "visit-T2",
    }  # fmt: skip
    written = sorted((out / "dicom").rglob("*.dcm"))
    assert len(written) == 36
    header = pydicom.dcmread(written[0], stop_before_pixels=True)
    assert header.PatientID == "SYN-DEMO-001" and header.ImageType[0] == "DERIVED"
    assert result.record.provenance == "synthetic"
    result.check_files()
    kinds = {jobfolder.read_job(f).task for f in (paths.demo() / "data" / "jobs").iterdir()}
    assert kinds == {"simulate", "index", "denoise", "response", "export"}
    assert [jobfolder.read_job(f).task for f in jobfolder.list_jobs()] == ["demo"]
    assert queries.tree() == [] and (paths.demo() / "data" / "catalogue.sqlite").exists()
    stages = [e["stage"] for e in events.read_all(job) if e["kind"] == "stage"]
    assert {stage[:3] for stage in stages} == {f"{n}/6" for n in range(1, 7)}
    left = [e["left_s"] for e in events.read_all(job) if e["kind"] == "progress" and e["left_s"] is not None]
    assert left

    again, code = demo()
    assert code == 0, jobfolder.failure(again)
    assert "1/6" not in {e["stage"][:3] for e in events.read_all(again) if e["kind"] == "stage"}


def test_the_demos_home_is_its_own_demo(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = paths.demo()
    assert inside == home / "data" / "demo"
    monkeypatch.setenv("TUMORDIFF_HOME", str(inside))
    assert paths.demo() == inside and paths.data() == inside / "data"


def test_without_a_model_nothing_is_made_up(home: Path, tmp_path: Path) -> None:
    job, code = demo(model="nobodys", out=str(tmp_path / "out"))
    assert code == 1 and "nobodys" in (jobfolder.failure(job) or "")
    assert not (tmp_path / "out").exists() and not (job / "result").exists()


def test_a_folder_that_holds_something_is_refused_before_the_work(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    job, code = demo(out=str(tmp_path))
    assert code == 1 and "already there" in (jobfolder.failure(job) or "")
    assert not (paths.demo() / "data" / "jobs").exists()


def test_a_part_that_fails_ends_the_demo_with_its_reason(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tumordiff_core.tasks import demo as task

    made = task.make_cohort

    def without_images(params: Any, one: Any) -> Path:
        place = made(params, one)
        for series in (place / "ISPY1").rglob("3.000000-*"):
            shutil.rmtree(series)
        return place

    monkeypatch.setattr(task, "make_cohort", without_images)
    job, code = demo()
    assert code == 1
    assert events.read_all(job)[-1]["code"] == "demo.part_failed"
    assert not (job / "result").exists()


def test_stopping_the_demo_stops_its_part(ready: Path) -> None:
    from tumordiff_core.progress import Progress

    class Stopper(Progress):
        def emit(self, kind: str, fields: dict[str, Any]) -> None:
            if kind == "stage" and fields["stage"].startswith("3/6"):
                (job / "stop").write_text("step")

    job = jobfolder.new_job("demo", SMALL, claim=True)
    assert worker.main(job, claimed=1, echo=Stopper()) == 130
    assert jobfolder.state(job) == "stopped" and not (job / "result").exists()
    states = {jobfolder.read_job(f).task: jobfolder.state(f) for f in (paths.demo() / "data" / "jobs").iterdir()}
    assert states["denoise"] == "stopped" and "response" not in states


def test_curves_end_inside_the_drawing_with_their_names_apart() -> None:
    text = page.curves({"a, x": [(0, 5.0), (100, 1.0)], "a, y": [(0, 5.0), (100, 1.01)], "b": [(0, 2.0)]})
    assert text.count("<polyline") == 3 and "a, x" in text and "day 100" in text
    assert page.curves({}) == ""
