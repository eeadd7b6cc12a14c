"""Every working verb makes a job with the parameters it was given, works on it here, and ends as the job ended."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tumordiff_core import display, paths
from tumordiff_core.cli import work
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.plugins import manager, specs

HERE = Path(__file__).parent
VERBS: list[tuple[list[Any], str, dict[str, Any]]] = [
    (["index", HERE], "index", {"paths": [str(HERE)]}),
    (["denoise", HERE, "--out", "o"], "denoise", {"input": str(HERE), "strength": 1.0}),
    (["denoise", HERE, "--out", "o", "--no-uncertainty", "--no-alarms", "--no-explanation"], "denoise",
     {"uncertainty": False, "alarms": False, "explanation": False}),
    (["denoise", "series:1.2.3", "--out", "o", "--sigma", "12.5", "--samples", "4", "--seed", "3", "--series", "7",
      "--strength", "0.5", "--model", "m", "--mirrors", "4", "--local-means", "0.2", "--no-along-edges", "--no-rims",
      "--chain", "heun", "--yes"], "denoise",
     {"input": "series:1.2.3", "sigma": 12.5, "samples": 4, "seed": 3, "series": 7, "strength": 0.5, "model": "m",
      "mirrors": 4, "local_means": 0.2, "along_edges": False, "rims": False, "chain": "heun", "yes": True}),
    (["response", "DEMO-001"], "response", {"patient": "DEMO-001"}),
    (["simulate", "--out", "o", "--patients", "2", "--visits", "2"], "simulate", {"patients": 2, "visits": 2}),
    (["train", "--preset", "paper", "--name", "n", "--epochs", "2"], "train",
     {"data": "", "preset": "paper", "name": "n", "epochs": 2}),
    (["models", "rims", "m", HERE, "--name", "n", "--steps", "7", "--batch", "2", "--seed", "3"], "rims",
     {"model": "m", "data": str(HERE), "name": "n", "steps": 7, "batch": 2, "seed": 3}),
    (["train", "--lowest", "0.02", "--highest", "0.2"], "train", {"lowest": 0.02, "highest": 0.2}),
    (["evaluate", "denoise", "--level", "0.1", "--model", "m", "--mirrors", "2", "--local-means", "0",
      "--no-along-edges", "--no-rims", "--seed", "5000"], "evaluate",
     {"what": "denoise", "levels": [0.1], "models": ["m"], "mirrors": [2], "local_means": 0.0, "along_edges": False,
      "rims": False, "seed": 5000}),
    (["evaluate", "stress", "--references", HERE, "--model", "m", "--local-means", "0", "--no-along-edges",
      "--no-rims", "--seed", "7"], "stress",
     {"input": str(HERE), "model": "m", "local_means": 0.0, "along_edges": False, "rims": False, "seed": 7}),
    (["evaluate", "peers", "--references", HERE, "--minutes", "0.5", "--level", "0.1", "--seed", "3"], "peers",
     {"data": str(HERE), "minutes": 0.5, "levels": [0.1], "seed": 3}),
    (["demo", "--headless", "--out", "o"], "demo", {"headless": True}),
    (["doctor", "--quick"], "doctor", {"self_test": False}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "task", "params"), VERBS)
def test_a_verb_asks_for_its_job(tumordiff, asked, monkeypatch, tmp_path: Path, arguments, task: str, params):
    monkeypatch.chdir(tmp_path)
    said = tumordiff(*arguments)
    assert said.code == 0, said.err
    assert [record.task for record in asked] == [task]
    found = asked[0].params
    assert {key: found.get(key) for key in params} == params
    if "o" in arguments:
        assert found["out"] == str(tmp_path / "o")
    assert asked[0].title == manager.task(task).title


def test_export_names_the_result_the_target_and_the_kind(tumordiff, asked, counting, tmp_path: Path):
    folder = counting()
    (folder / "result").mkdir()
    (folder / "result" / "result.json").write_text("{}")
    assert tumordiff("export", folder.name[-4:], "--to", tmp_path / "o", "--as", "nifti", "--yes").code == 0
    assert asked[0].params == {"result": str(folder / "result"), "to": str(tmp_path / "o"), "as_": "nifti", "yes": True}
    wrong = tumordiff("export", folder.name[-4:], "--to", tmp_path / "o", "--as", "tiff")
    assert wrong.code == 2 and "one of" in wrong.err and "dicom" in wrong.err
    assert tumordiff("export", "nothing", "--to", tmp_path / "o", "--as", "nifti").code == 1


def test_values_a_task_refuses_are_wrong_usage_and_leave_no_job(tumordiff):
    said = tumordiff("train", "--name", "../escape")
    assert said.code == 2 and "name is '../escape'" in said.err.lower() and not paths.jobs().exists()


def test_a_number_of_mirror_images_there_is_not_is_refused(tumordiff, tmp_path: Path):
    said = tumordiff("denoise", HERE, "--out", tmp_path / "o", "--mirrors", "3")
    assert said.code == 2 and "1, 2 or 4" in said.err


def test_a_chain_there_is_not_is_refused_in_one_sentence(tumordiff, tmp_path: Path):
    said = tumordiff("denoise", HERE, "--out", tmp_path / "o", "--chain", "euler")
    assert said.code == 2 and not paths.jobs().exists()
    assert "chain is 'euler'" in said.err.lower() and "'ddim', 'heun', 'dpm-solver' or 'ancestral'" in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_a_target_that_is_taken_is_named_before_the_work(tumordiff, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "something").touch()
    said = tumordiff("denoise", HERE, "--out", tmp_path / "out")
    assert said.code == 1 and "already there" in said.err and not paths.jobs().exists()


def test_a_verb_whose_task_nobody_offers_is_not_built(tumordiff, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(manager, "tasks", lambda: [])
    for arguments in (["preprocess"], ["simulate"], ["demo"], ["response", "x"], ["index", HERE]):
        said = tumordiff(*arguments)
        assert said.code == 2 and "is not built yet" in said.err


def test_forecast_takes_an_existing_file_as_a_table(tumordiff, asked, monkeypatch, tmp_path: Path):
    room = "tests.core.cli.forecasting"
    offered = [*manager.tasks(), specs.Task("forecast", "Forecast", f"{room}:Params", f"{room}:run")]
    monkeypatch.setattr(manager, "tasks", lambda: offered)
    (tmp_path / "t.csv").write_text("a\n")
    assert tumordiff("forecast", tmp_path / "t.csv").code == 0 and tumordiff("forecast", "DEMO-001").code == 0
    assert [record.params for record in asked] == [{"table": str(tmp_path / "t.csv")}, {"patient": "DEMO-001"}]


def test_a_job_is_worked_on_here_with_progress_on_stderr_and_its_answer_on_stdout(tumordiff, counting):
    folder = counting(steps=2)
    said = tumordiff("run", folder)
    assert (said.code, said.out) == (0, "counted: 2\n")
    assert said.err.splitlines() == ["count"]
    assert events.read_all(folder)[-1]["kind"] == "done"
    machine = tumordiff("run", counting(steps=1).name, "--json")
    assert (machine.record["state"], machine.record["counted"]) == ("done", 1)


def test_a_job_that_failed_ends_with_its_sentence(tumordiff, counting):
    folder = counting(steps=2, wrong_at=1, wrong="sentence")
    said = tumordiff("run", folder)
    assert said.code == 1 and said.err.splitlines()[-1].startswith("All values of the images are 3;")
    machine = tumordiff("run", counting(steps=1, wrong_at=0, wrong="sentence"), "--json")
    assert machine.code == 1
    assert (machine.record["state"], machine.record["code"]) == ("failed", "volume.constant")


def test_a_job_that_was_stopped_says_how_to_go_on(tumordiff, counting):
    folder = counting(steps=2, wrong_at=1, wrong="stop")
    said = tumordiff("run", folder)
    assert said.code == 130 and f"`tumordiff jobs resume {folder.name}` goes on" in said.err


def test_what_is_no_job_folder_is_not_run(tumordiff, tmp_path: Path, counting):
    assert "is not a job folder" in tumordiff("run", tmp_path).err
    assert "No job matches" in tumordiff("run", "nothing").err
    running = tumordiff("run", counting(claim=True))
    assert running.code == 1 and "The job is running" in running.err


def test_in_the_background_a_worker_is_nice_and_silent(tumordiff, counting, monkeypatch: pytest.MonkeyPatch):
    nice: list[bool] = []
    monkeypatch.setattr(worker, "lower_priority", lambda: nice.append(True))
    said = tumordiff("run", counting(steps=1), "--background")
    assert (said.code, said.out, said.err, nice) == (0, "", "", [True])


def test_shares_of_crops_are_pairs_of_name_and_number(tumordiff):
    for given, said in [("uptake", "NAME=SHARE"), ("uptake=much", "NAME=SHARE"), ("lesions=0.5", "one of made_up")]:
        refused = tumordiff("train", "--share", given)
        assert refused.code == 2 and said in refused.err


def test_training_resumes_its_newest_unfinished_job_of_that_name(tumordiff, monkeypatch: pytest.MonkeyPatch):
    old = jobfolder.new_job("train", {"name": "mine"})
    other = jobfolder.new_job("train", {"name": "other"})
    (old / "stop").write_text("step")
    resumed: list[Path] = []

    def instead(folder: Path, *, as_json: bool) -> Any:
        resumed.append(folder)
        return SimpleNamespace(end="done", fields={})

    monkeypatch.setattr(work, "work_on", instead)
    assert tumordiff("train", "--name", "mine", "--resume").code == 0
    assert resumed == [old] and not (old / "stop").exists() and other.exists()
    missing = tumordiff("train", "--name", "third", "--resume")
    assert missing.code == 1 and "unfinished train third" in missing.err


class Window:
    """Stands for the window's process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> None:
        self.asked: list[tuple[list[str], dict[str, str]]] = []
        self._code = code
        monkeypatch.setattr(work.subprocess, "run", self)

    def __call__(self, command: list[str], *, env: dict[str, str], check: bool) -> SimpleNamespace:
        self.asked.append((command, env))
        return SimpleNamespace(returncode=self._code)


@pytest.mark.parametrize(("ended", "code"), [(0, 0), (3, 3), (-6, 134)])
def test_gui_starts_the_window_as_a_child_and_passes_its_exit_code_on(tumordiff, monkeypatch, ended: int, code: int):
    window = Window(monkeypatch, ended)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert tumordiff("gui", HERE).code == code
    command, environment = window.asked[0]
    assert command == [sys.executable, "-m", "tumordiff_gui", str(HERE)]
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_the_demo_works_in_a_home_of_its_own_and_opens_the_window_there(tumordiff, asked, monkeypatch):
    window = Window(monkeypatch)
    monkeypatch.setattr(display, "trouble", lambda: None)
    before = paths.demo()
    assert tumordiff("demo").code == 0
    assert os.environ["TUMORDIFF_HOME"] == window.asked[0][1]["TUMORDIFF_HOME"] == str(before)
    assert asked[0].params["headless"] is False


def test_the_demo_without_a_display_says_so_and_goes_on_headless(tumordiff, asked, monkeypatch):
    window = Window(monkeypatch)
    monkeypatch.setattr(display, "trouble", lambda: "No screen answers.")
    said = tumordiff("demo")
    assert said.code == 0 and said.err.startswith("No screen answers. Going on as --headless.")
    assert asked[0].params["headless"] is True and window.asked == []
