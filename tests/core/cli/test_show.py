"""Verbs that show and arrange: studies, plugins, jobs and models."""

import json
from pathlib import Path

import pytest

from tests.core.test_model_cards import made
from tumordiff_core import paths
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.jobs import start


def test_no_studies_are_none(tumordiff):
    assert tumordiff("studies").out == "0 patients, 0 visits\n"
    assert tumordiff("studies", "--json").record == {"patients": []}


def test_an_indexed_cohort_is_listed_with_roles_and_phases(tumordiff, synthetic_cohort: Path):
    said = tumordiff("index", synthetic_cohort / "ISPY1", "--json")
    assert said.code == 0, said.err
    patients = tumordiff("studies", "--json").record["patients"]
    assert len(patients) == 2 and all(len(patient["visits"]) == 2 for patient in patients)
    roles = {series["role"] for patient in patients for visit in patient["visits"] for series in visit["series"]}
    assert "dynamic" in roles
    text = tumordiff("studies", patients[0]["patient_id"]).out
    assert text.startswith(patients[0]["patient_id"]) and text.endswith("1 patients, 2 visits\n")
    assert "dynamic" in text


def test_plugins_are_listed_with_what_they_offer(tumordiff):
    said = tumordiff("plugins")
    assert said.code == 0 and "tumordiff_core.tasks.denoise" in said.out and "exporters: csv" in said.out
    assert tumordiff("plugins", "--json").record["failures"] == []


def test_jobs_are_listed_with_state_progress_and_sentence(tumordiff, counting):
    failed, running = counting(steps=1, wrong_at=0, wrong="sentence"), counting(claim=True)
    tumordiff("run", failed)
    event = {"kind": "progress", "attempt": 1, "stage": "count", "done": 2, "total": 4, "left_s": 6}
    (running / "events.jsonl").write_text(json.dumps(event) + "\n")
    rows = {row["id"]: row for row in tumordiff("jobs", "--json").record["jobs"]}
    assert rows[failed.name]["state"] == "failed" and rows[failed.name]["sentence"].startswith("All values")
    assert rows[running.name]["progress"] == "count 2/4, 6 s left"
    assert "count 2/4, 6 s left" in tumordiff("jobs").out


def test_a_job_whose_record_is_damaged_does_not_hide_the_others(tumordiff, counting):
    damaged, sound = counting(), counting(steps=1)
    (damaged / "job.json").write_text("{")
    assert tumordiff("run", sound).code == 0
    states = {row["id"]: row["state"] for row in tumordiff("jobs", "--json").record["jobs"]}
    assert states == {damaged.name: "unreadable", sound.name: "done"}


@pytest.mark.parametrize(("options", "word"), [([], "step"), (["--epoch"], "epoch")])
def test_a_job_is_asked_to_stop(tumordiff, counting, options: list[str], word: str):
    folder = counting(claim=True)
    said = tumordiff("jobs", "stop", folder.name, *options)
    assert (said.code, said.out) == (0, f"{folder.name}: stopping\n") and (folder / "stop").read_text() == word


def test_stop_now_waits_until_the_worker_is_gone(tumordiff, counting, monkeypatch: pytest.MonkeyPatch):
    folder = counting(claim=True)
    ended: list[Path] = []

    def end(asked: Path) -> bool:
        ended.append(asked)
        return len(ended) == 2

    monkeypatch.setattr(start, "end", end)
    monkeypatch.setattr("tumordiff_core.cli.show.LOOK_EVERY_S", 0.0)
    assert tumordiff("jobs", "stop", folder.name, "--now").code == 0 and ended == [folder, folder]


def test_a_stopped_job_is_resumed_and_a_running_one_is_not(tumordiff, counting, monkeypatch: pytest.MonkeyPatch):
    started: list[Path] = []
    monkeypatch.setattr(start, "start", started.append)
    folder = counting()
    (folder / "stop").write_text("step")
    assert tumordiff("jobs", "resume", folder.name, "--json").record == {"job": folder.name, "state": "started"}
    assert started == [folder] and not (folder / "stop").exists()
    refused = tumordiff("jobs", "resume", counting(claim=True).name)
    assert refused.code == 1 and "The job is running" in refused.err


def test_a_retry_is_a_new_job_that_waits_its_turn(tumordiff, counting, monkeypatch: pytest.MonkeyPatch):
    started: list[Path] = []
    monkeypatch.setattr(start, "start", started.append)
    folder = counting(steps=1)
    tumordiff("run", folder)
    said = tumordiff("jobs", "retry", folder.name, "--json")
    assert said.record["state"] == "started" and said.record["job"] != folder.name
    assert [again.name for again in started] == [said.record["job"]]
    assert jobfolder.read_job(started[0]).parent == folder.name


def test_a_job_is_deleted_unless_it_runs(tumordiff, counting):
    folder, running = counting(), counting(claim=True)
    assert tumordiff("jobs", "delete", folder.name).code == 0 and not folder.exists()
    assert tumordiff("jobs", "delete", running.name).code == 1 and running.exists()
    unknown = tumordiff("jobs", "delete", "nothing")
    assert unknown.code == 1 and "No job matches nothing" in unknown.err


def test_models_are_listed_installed_and_removed(tumordiff, tmp_path: Path, counting):
    shipped = {model["name"] for model in tumordiff("models", "--json").record["models"]}
    assert tumordiff("models", "install", made(tmp_path / "mine")).out == "mine: installed\n"
    trained = counting()
    made(trained / "result" / "model" / "trained")
    (trained / "result" / "result.json").write_text("{}")
    assert tumordiff("models", "install", trained.name, "--json").record == {"model": "trained", "state": "installed"}
    (paths.models() / "broken").mkdir()
    listed = tumordiff("models", "--json").record
    assert {model["name"] for model in listed["models"]} == shipped | {"mine", "trained"}
    assert len(listed["failures"]) == 1
    text = tumordiff("models").out
    assert "edm-unet" in text and "not usable: broken is not a model folder" in text
    assert tumordiff("models", "remove", "mine").code == 0 and not (paths.models() / "mine").exists()
    assert tumordiff("models", "remove", "mine").code == 1
