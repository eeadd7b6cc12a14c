"""Warm children: one line asks, one line answers; a crash or silence is a sentence and the next child is fresh."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.jobs import services
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.jobs import child
from tumordiff_core.plugins import builtin, manager

TOP = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def asking(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[child.Child]:
    """A child that answers by ``services``, which it finds by an entry point like a stranger's."""
    record = tmp_path / "made_up-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(f"[{manager.GROUP}]\nmade-up = {services.__name__}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(TOP)]))
    made = child.Child("made-up")
    yield made
    made.close()


def test_a_child_answers_remembers_and_says_what_is_wrong(asking: child.Child):
    assert asking.ask({"op": "add", "value": 3})["sum"] == 3
    assert asking.ask({"op": "add", "value": 4})["sum"] == 7
    wrong = asking.ask({"op": "sentence"})
    assert (wrong["ok"], wrong["code"]) == (False, "volume.constant")
    bug = asking.ask({"op": "bug"})
    assert bug["code"] == "jobs.bug" and "ZeroDivisionError" in bug["detail"]
    assert asking.ask({"op": "add", "value": 1})["sum"] == 8


def test_a_child_that_dies_is_one_sentence_and_the_next_is_fresh(asking: child.Child):
    assert asking.ask({"op": "add", "value": 3})["sum"] == 3
    with pytest.raises(TumorDiffError) as gone:
        asking.ask({"op": "die"})
    assert gone.value.code == "jobs.child_gone"
    assert asking.ask({"op": "add", "value": 1})["sum"] == 1


def test_a_child_that_is_silent_too_long_is_ended(asking: child.Child):
    assert asking.ask({"op": "add", "value": 3})["sum"] == 3
    with pytest.raises(TumorDiffError) as slow:
        asking.ask({"op": "silent"}, seconds=0.2)
    assert slow.value.code == "jobs.child_slow"
    assert asking.ask({"op": "add", "value": 1})["sum"] == 1


def test_the_loop_prints_nothing_but_answers(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(builtin, "PLUGINS", (services.__name__,))
    manager.door.cache_clear()
    answers, noise = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"id": 1, "op": "talk"}\n{"id": 2, "op": "talk"}\n'))
    monkeypatch.setattr(sys, "stdout", answers)
    monkeypatch.setattr(sys, "stderr", noise)
    assert child.serve("made-up") == 0
    assert [json.loads(line)["id"] for line in answers.getvalue().splitlines()] == [1, 2]
    assert "chatter" in noise.getvalue()
