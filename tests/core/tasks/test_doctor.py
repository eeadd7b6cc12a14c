"""The doctor looks at everything, says what is wrong with an advice, and fails when a check failed."""

from pathlib import Path
from typing import Any

import pytest

from tests.generators import models
from tumordiff_core import files, model_cards, paths
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import doctor


class Job:
    """What the task needs of a job."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.answer: dict[str, Any] = {}

    @property
    def checks(self) -> dict[str, dict[str, str]]:
        return {line["check"]: line for line in self.answer["checks"]}


@pytest.fixture
def healthy(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where everything is as it should be, with a tiny shipped model."""
    monkeypatch.setattr(model_cards, "DEFAULT", "tiny")
    monkeypatch.setattr(doctor, "LEAST_MEMORY_GB", 0.0)
    monkeypatch.setattr(doctor, "LEAST_DISK_GB", 0.0)
    models.tiny(paths.models() / "tiny")
    return home


def test_a_healthy_installation_passes_every_check(healthy: Path):
    job = Job()
    doctor.run(doctor.DoctorParams(self_test=False), job)  # type: ignore[arg-type]
    assert set(job.checks) == {"interpreter", "byte code", "memory", "disk", "torch", "CUDA", "window", "models",
                               "plugins", "settings"}  # fmt: skip
    assert {line["ok"] for line in job.checks.values()} <= {"yes", "note"}


def test_what_is_wrong_is_named_with_an_advice(healthy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "free_mb", lambda _: -1)
    monkeypatch.setattr(model_cards, "DEFAULT", "another")
    job = Job()
    with pytest.raises(TumorDiffError) as failed:
        doctor.run(doctor.DoctorParams(self_test=False), job)  # type: ignore[arg-type]
    assert failed.value.code == "doctor.failed" and "(disk, models)" in failed.value.sentence
    assert job.checks["disk"]["ok"] == "NO" and "free some space" in job.checks["disk"]["advice"]


def test_the_self_test_needs_the_shipped_model(healthy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model_cards, "DEFAULT", "another")
    found = doctor._self_test(Progress())
    assert found.ok is False and "No model is called another" in found.found


@pytest.mark.parametrize(("after", "ok"), [(3.0, True), (30.0, False)])
def test_the_self_test_passes_when_the_error_falls(monkeypatch: pytest.MonkeyPatch, after: float, ok: bool):
    monkeypatch.setattr(doctor, "_denoise_ball", lambda progress: (12.0, after))
    found = doctor._self_test(Progress())
    assert found.ok is ok and found.found.startswith(f"error 12.0 to {after:.1f}")


def test_the_self_test_runs_a_whole_model(healthy: Path):
    before, after = doctor._denoise_ball(Progress())
    assert 10 < before < 15 and after > 0
