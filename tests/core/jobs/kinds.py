"""Made-up kinds of jobs for tests of the job folder, offered through the plugin door like a stranger's."""

import json
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from tumordiff_core.errors import InputError, Stopped
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

ROOM = "tests.core.jobs.kinds"


class Params(BaseModel):
    """Steps to go, and what goes wrong at which of them."""

    steps: int = Field(3, ge=0)
    wrong_at: int = -1
    wrong: str = ""


@hookimpl
def register_tasks() -> list[Task]:
    """Two kinds: one that goes on from its checkpoint, one that starts anew."""
    return [
        Task("count", "Count", f"{ROOM}:Params", f"{ROOM}:count", resumes=True),
        Task("heavy-count", "Count on", f"{ROOM}:Params", f"{ROOM}:count", weight="heavy", resumes=True),
    ]


@hookimpl
def job_finished(folder: Path, state: str) -> None:
    """Leave a note of what the worker told the plugins."""
    (folder / "told.txt").write_text(state, "utf-8")


def count(params: Params, job: Any) -> None:
    """Count, leaving each step in a file and a checkpoint; ``wrong`` decides what happens at ``wrong_at``."""
    state = job.checkpoints / "state.json"
    first = json.loads(state.read_text("utf-8"))["next"] if state.exists() else 0
    job.progress.stage("count", params.steps)
    for step in range(first, params.steps):
        if step == params.wrong_at and not (job.folder / "went-wrong").exists():
            (job.folder / "went-wrong").touch()
            _go_wrong(params.wrong, job)
        with (job.folder / "steps.txt").open("a") as file:
            file.write(f"{step}\n")
        part = state.with_suffix(".part")
        part.write_text(json.dumps({"next": step + 1}), "utf-8")
        part.replace(state)
        job.progress.checkpoint(step, "checkpoints/state.json")
        job.progress.advance()
    (job.result / "answer.txt").write_text("counted", "utf-8")
    job.answer["counted"] = params.steps


def _go_wrong(how: str, job: Any) -> None:
    (job.result / "half.txt").write_text("half", "utf-8")
    if how == "sentence":
        raise InputError("volume.constant", value=3)
    if how == "bug":
        raise ZeroDivisionError("of ISPY1_1002 in /home/somebody/secret/file.dcm")
    if how == "stop":
        raise Stopped(resumable=True)
    if how == "wait":
        while True:
            job.progress.check()
            time.sleep(0.01)
    if how == "deaf":
        while True:
            time.sleep(0.01)
