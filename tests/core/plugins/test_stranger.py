"""A stranger's package is built and installed as a user would, found by its entry point, and used in every way."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tumordiff_core import result_folder
from tumordiff_core.imaging.geometry import Geometry

TOP = Path(__file__).parent.parent.parent.parent
STRANGERS = ("good", "raising", "misspelt")
SHOW = """
import sys
from tumordiff_gui import main
from tumordiff_gui.window import application
from PySide6.QtWidgets import QApplication
from PySide6.QtCore import QTimer
def look():
    for window in QApplication.topLevelWidgets():
        wiring = getattr(window, "wiring", None)
        if wiring is not None:
            before = "tumordiff_stranger.brightness.panel" in sys.modules
            wiring.show_module("brightness")
            print("SHOWN", before, type(wiring.panels["brightness"]).__module__, flush=True)
            window.close()
            return
    QTimer.singleShot(50, look)
app = application.make()
QTimer.singleShot(50, look)
sys.exit(main.main([]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three packages, built and installed by pip without a network."""
    place = tmp_path_factory.mktemp("installed")
    sources = tmp_path_factory.mktemp("sources")
    for name in STRANGERS:
        shutil.copytree(TOP / "tests" / "stranger" / name, sources / name)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
               "--target", str(place), *(str(sources / name) for name in STRANGERS)]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place


@pytest.fixture
def run(installed: Path, tmp_path: Path):
    """Run Python with the strangers beside TumorDiff, in a home of its own."""
    environment = {
        **os.environ, "TUMORDIFF_HOME": str(tmp_path / "home"), "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": os.pathsep.join([str(installed), str(TOP)]), "TUMORDIFF_GENERAL_ACCEPTED_VERSION": "9",
    }  # fmt: skip

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    return call


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A small result with denoised images."""
    folder = tmp_path / "result"
    folder.mkdir()
    result_folder.save_array(folder, "mean", np.full((2, 3, 4, 5), 7.0, dtype=np.float32))
    grid = Geometry((3, 4, 5), (2.0, 1.0, 1.0))
    record = result_folder.Record(kind="denoised", provenance="derived", geometry=grid.to_record())
    result_folder.finish(folder, record)
    return folder


def test_the_good_one_is_found_and_the_others_are_kept_as_failures(run):
    ended = run("-m", "tumordiff_core", "plugins", "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert {"name": "stranger", "version": "1.2.0"} in report["plugins"]
    assert "brightness" in report["offers"]["tasks"] and "lines" in report["offers"]["exporters"]
    assert report["offers"]["modules"] == ["brightness"]
    failures = {failure["name"]: failure for failure in report["failures"]}
    assert set(failures) == {"raising", "misspelt"} and {f["version"] for f in failures.values()} == {"0.3.0"}
    assert "RuntimeError" in failures["raising"]["traceback"]
    assert "register_taks" in failures["misspelt"]["reason"]
    assert "not usable: misspelt 0.3.0" in run("-m", "tumordiff_core", "plugins").stdout


def test_its_task_runs_as_a_job_and_its_exporter_writes_the_result(run, result: Path, tmp_path: Path):
    home = "import json, sys\nfrom tumordiff_core.jobs import folder\n"
    made = run("-c", f"{home}print(folder.new_job('brightness', {{'result': {str(result)!r}}}))")
    folder = Path(made.stdout.strip())
    ended = run("-m", "tumordiff_core", "run", str(folder), "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["brightness"] == 7.0
    exported = run("-m", "tumordiff_core", "export", folder.name, "--to", str(tmp_path / "out"), "--as", "lines")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "out" / "figures.txt").read_text() == "Figures\nbrightness: 7.0\n"


def test_its_exporter_may_refuse(run, result: Path, tmp_path: Path):
    ended = run("-m", "tumordiff_core", "export", str(result), "--to", str(tmp_path / "out"), "--as", "lines")
    assert ended.returncode == 1 and "no tables or figures" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_its_verb_stands_beside_ours(run):
    assert "brightness" in run("-m", "tumordiff_core", "--help").stdout
    assert run("-m", "tumordiff_core", "brightness").stdout.strip() == "The stranger measures brightness."


def test_its_module_is_imported_when_it_is_first_shown_in_the_window(run):
    ended = run("-c", SHOW)
    assert "SHOWN False tumordiff_stranger.brightness.panel" in ended.stdout, ended.stderr
