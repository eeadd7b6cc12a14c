"""The command line in this process, in a home of its own, with what it says kept apart."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.core.jobs import kinds
from tumordiff_core import settings
from tumordiff_core.cli import main as command_line
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.jobs import start
from tumordiff_core.plugins import manager


@dataclass(frozen=True)
class Said:
    """What a verb answered."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def tumordiff(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Call a verb; nothing is started in the background."""
    monkeypatch.setattr(start, "start", lambda folder: None)

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        code = command_line.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        settings.load.cache_clear()
        return Said(code, said.out, said.err)

    return call


@pytest.fixture
def counting(home: Path) -> Callable[..., Path]:
    """Make jobs of the made-up kinds, which come through the door beside our own."""
    manager.door().add("kinds", kinds)

    def make(task: str = "count", *, claim: bool = False, **params: Any) -> Path:
        return jobfolder.new_job(task, params, title="Count", claim=claim)

    return make


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[jobfolder.JobRecord]:
    """The jobs that verbs would have worked on, without working on them."""
    from tumordiff_core.cli import console, work

    seen: list[jobfolder.JobRecord] = []

    def instead(folder: Path, **_: object) -> console.ConsoleProgress:
        seen.append(jobfolder.read_job(folder))
        echo = console.ConsoleProgress()
        echo.emit("done", {"answer": {}})
        return echo

    monkeypatch.setattr(work, "work_on", instead)
    return seen
