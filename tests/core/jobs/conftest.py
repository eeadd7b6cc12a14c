"""The made-up kinds of jobs in this process and in its children."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.core.jobs import kinds
from tumordiff_core import settings
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.jobs import start
from tumordiff_core.plugins import builtin, manager

TOP = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, and the door open to ``kinds`` alone."""
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOP), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(builtin, "PLUGINS", (kinds.__name__,))
    settings.load.cache_clear()
    manager.door.cache_clear()
    yield tmp_path / "home"
    settings.load.cache_clear()
    manager.door.cache_clear()


@pytest.fixture
def job(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a job folder of the kind ``count``; a worker that ends starts no other in the background."""
    monkeypatch.setattr(start, "start", lambda folder: None)

    def make(task: str = "count", *, claim: bool = False, **params: Any) -> Path:
        return jobfolder.new_job(task, params, claim=claim)

    return make


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    """No worker process survives a test."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    new = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    left = [child for child in new if child.is_running() and not _is_tracker(child)]
    for child in left:
        child.kill()
    assert left == []


def _is_tracker(child: psutil.Process) -> bool:
    """Python's own tracker of shared memory stays for as long as this process does."""
    try:
        return "resource_tracker" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return True
