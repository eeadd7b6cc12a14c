"""Exit codes and sentences: 0 done, 1 a sentence, 2 wrong usage or not built, 130 stopped; never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tumordiff_core
from tumordiff_core import paths
from tumordiff_core.cli import main as command_line
from tumordiff_core.cli import show

ISSUE = {"gui", "demo", "index", "studies", "preprocess", "denoise", "evaluate", "train", "export", "response",
         "forecast", "simulate", "deidentify", "query", "retrieve", "send", "jobs", "run", "plugins", "models",
         "doctor", "register"}  # fmt: skip
INTERRUPTED = """
import os, signal, sys
from tumordiff_core.cli import main, show
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
def interrupted(as_json: bool = False) -> None:
    os.kill(os.getpid(), signal.SIGINT)
main.VERBS["Look"]["plugins"] = interrupted
sys.exit(main.main(["plugins"]))
"""


def test_every_verb_of_the_list_is_there_and_no_other(tumordiff):
    ours = {name for verbs in command_line.VERBS.values() for name in verbs} | {"jobs", "models"}
    assert ours == ISSUE
    said = tumordiff("--help")
    assert said.code == 0 and all(f" {verb} " in said.out for verb in ISSUE)


@pytest.mark.parametrize("verb", sorted(ISSUE))
def test_every_verb_explains_itself_and_speaks_to_machines(tumordiff, verb: str):
    said = tumordiff(verb, "--help")
    assert said.code == 0 and "--json" in said.out


def test_the_version_is_printed(tumordiff):
    said = tumordiff("--version")
    assert (said.code, said.out.strip()) == (0, f"TumorDiff {tumordiff_core.__version__}")


@pytest.mark.parametrize("arguments", [["nonsense"], ["denoise"], ["denoise", "a"], ["export", "x", "--to", "y"],
                                       ["train", "--epochs", "none"], ["evaluate", "everything"],
                                       ["denoise", "a", "--out", "b", "--strength", "3"], ["index"]])  # fmt: skip
def test_wrong_usage_ends_with_two(tumordiff, arguments: list[str]):
    said = tumordiff(*arguments)
    assert said.code == 2 and said.out == "" and "Usage" in said.err and "Traceback" not in said.err


@pytest.mark.parametrize("arguments", [
    ["deidentify", "x"], ["query", "x", "--host", "y"], ["retrieve"], ["send", "x"], ["forecast", "DEMO-001"],
    ["register", "DEMO-001"], ["evaluate", "forecast"],
])  # fmt: skip
def test_what_a_later_version_builds_says_so_and_ends_with_two(tumordiff, arguments: list[str]):
    said = tumordiff(*arguments)
    assert said.code == 2 and said.err.count("\n") == 1
    assert said.err.startswith(arguments[0].capitalize()) and "is not built yet" in said.err
    machine = tumordiff(*arguments, "--json")
    assert machine.code == 2 and machine.record["code"] == "verb.not_built"


def test_an_error_is_one_sentence_and_for_machines_one_object(tumordiff, tmp_path: Path):
    missing = tmp_path / "nothing"
    said = tumordiff("index", missing)
    assert said.code == 1 and said.out == ""
    assert said.err == ("nothing was not found; an existing file or folder was expected; check the spelling or connect "
                        "the disk.\n")  # fmt: skip
    machine = tumordiff("index", missing, "--json")
    assert machine.record == {"sentence": said.err.strip(), "code": "files.missing", "path": str(missing)}
    assert not (paths.jobs()).exists()


def test_a_mistake_of_ours_is_a_sentence_and_a_report_without_names(tumordiff, monkeypatch: pytest.MonkeyPatch):
    def broken() -> None:
        raise ZeroDivisionError("of ISPY1_1002")

    monkeypatch.setattr(show.manager, "report", broken)
    said = tumordiff("plugins", "--json")
    assert said.code == 1 and said.record["code"] == "verb.bug" and "Traceback" not in said.err
    reports = list(paths.logs().iterdir())
    assert [report.name in said.err for report in reports] == [True]
    assert "ZeroDivisionError" in reports[0].read_text() and "ISPY1_1002" not in reports[0].read_text()


def test_broken_settings_are_named_and_the_verb_goes_on(tumordiff):
    place = paths.config() / "settings.json"
    place.parent.mkdir(parents=True)
    place.write_text("{")
    said = tumordiff("models", "--json")
    assert said.code == 0 and "models" in said.record and said.err.startswith("The settings file could not be read")


def test_an_impossible_setting_ends_with_one(tumordiff, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUMORDIFF_JOBS_HEAVY", "no")
    assert tumordiff("models").code == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_an_interrupt_outside_of_a_job_ends_with_130(tmp_path: Path):
    environment = {**os.environ, "TUMORDIFF_HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], env=environment, capture_output=True, text=True)
    assert ended.returncode == 128 + signal.SIGINT and "Traceback" not in ended.stderr


def test_the_package_is_the_command_line(tmp_path: Path):
    environment = {**os.environ, "TUMORDIFF_HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-m", "tumordiff_core", "--version"], env=environment, capture_output=True)
    assert ended.returncode == 0 and ended.stdout.startswith(b"TumorDiff ")
