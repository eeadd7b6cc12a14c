"""Every import contract bites: a copy of the house with one planted violation is red by that very contract."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent
LINT = "import sys; from importlinter.cli import lint_imports_command as run; run()"
PLANTS = [
    ("core-layers", "tumordiff_core/units.py", "from tumordiff_core.jobs import events"),
    ("core-layers", "tumordiff_core/jobs/events.py", "def later():\n    from tumordiff_core.imaging import volume"),
    ("core-layers", "tumordiff_core/misc.py", "A = 1"),
    ("core-no-qt", "tumordiff_core/display.py", "import PySide6.QtCore"),
    ("core-no-qt", "tumordiff_core/tasks/doctor.py", "def later():\n    import tumordiff_gui.words"),
    ("gui-no-engine", "tumordiff_gui/words.py", "import torch"),
    ("gui-no-engine", "tumordiff_gui/state/desk.py", "from tumordiff_core.dicom import headers"),
    ("torch-rooms", "tumordiff_core/noise/level.py", "import torch"),
    ("lightning-room", "tumordiff_core/evaluation/metrics.py", "import lightning"),
    ("sqlite-room", "tumordiff_core/tasks/doctor.py", "def later():\n    import sqlite3"),
    ("exporters-apart", "tumordiff_core/exporters/nifti.py", "from tumordiff_core.exporters import nrrd"),
    ("tasks-apart", "tumordiff_core/tasks/doctor.py", "def later():\n    from tumordiff_core.tasks import denoise"),
    ("collections-apart", "tumordiff_core/known_collections/planted.py",
     "from tumordiff_core.known_collections import generic"),
    ("database-room", "tumordiff_core/tasks/doctor.py",
     "def later():\n    from tumordiff_core.catalogue import database"),
    ("gui-layers", "tumordiff_gui/state/undo.py", "from tumordiff_gui.theme import tokens"),
    ("gui-layers", "tumordiff_gui/misc.py", "A = 1"),
    ("gui-modules", "tumordiff_gui/modules/read/strings.py", "from tumordiff_gui.modules.browse import strings"),
    ("state-no-qt", "tumordiff_gui/state/undo.py", "from PySide6.QtCore import QObject"),
    ("no-cycles", "tumordiff_core/jobs/events.py", "def later():\n    from tumordiff_core.jobs import worker"),
]  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two packages and their contracts, without byte code."""
    place = tmp_path_factory.mktemp("house")
    for package in ("tumordiff_core", "tumordiff_gui"):
        shutil.copytree(TOP / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(TOP / "pyproject.toml", place / "pyproject.toml")
    return place


@pytest.fixture
def plant(copy: Path) -> Iterator[object]:
    """Add lines to one file of the copy and take them out again."""
    touched: list[tuple[Path, bytes | None]] = []

    def put(name: str, lines: str) -> None:
        file = copy / name
        touched.append((file, file.read_bytes() if file.exists() else None))
        file.write_text((file.read_text("utf-8") if file.exists() else '"""Planted."""\n') + f"\n{lines}\n", "utf-8")

    yield put
    for file, before in touched:
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)


def lint(place: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the contracts of a house; grimp finds the packages from the working folder."""
    chosen = ["--contract", contract] if contract else []
    asked = [sys.executable, "-c", LINT, "--config", "pyproject.toml", "--no-cache", *chosen]
    return subprocess.run(asked, cwd=place, capture_output=True, text=True, check=False)


def contracts() -> list[str]:
    record = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    return [contract["id"] for contract in record["tool"]["importlinter"]["contracts"]]


def test_the_house_as_it_stands_is_green(copy: Path):
    ended = lint(copy)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_contract_has_a_planted_violation():
    assert sorted(set(contracts())) == sorted({contract for contract, _, _ in PLANTS})


@pytest.mark.parametrize(("contract", "file", "lines"), PLANTS)
def test_a_planted_violation_is_red(copy: Path, plant, contract: str, file: str, lines: str):
    plant(file, lines)
    ended = lint(copy, contract)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "BROKEN" in ended.stdout and "0 broken" not in ended.stdout
