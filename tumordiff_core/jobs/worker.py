"""The worker: claims a job folder, runs its task, writes events, and leaves a whole result or none."""

import importlib.metadata
import json
import logging
import os
import platform
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import ValidationError

from tumordiff_core import errors, files, logs
from tumordiff_core.jobs import events, start
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.plugins import manager
from tumordiff_core.progress import Progress

HEARTBEAT_S = 2.0
PROGRESS_EVERY_S = 0.2
STOP_LOOK_EVERY_S = 0.05
EXIT = {"done": 0, "failed": 1, "stopped": 130}
log = logging.getLogger(__name__)


class JobProgress(Progress):
    """Progress that becomes events of a job, at most five a second, and stops at the folder's ``stop`` file."""

    def __init__(self, folder: Path, writer: events.EventWriter, echo: Progress | None) -> None:
        super().__init__()
        self._stop_file = folder / "stop"
        self._writer = writer
        self._echo = echo
        self._last_progress = 0.0
        self._last_look = 0.0
        self._word = ""
        self._told = False

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        """Write the event and show it on the console, if there is one."""
        if self._echo is not None:
            self._echo.emit(kind, fields)
        if kind == "progress":
            whole = fields["total"] is not None and fields["done"] >= fields["total"]
            now = time.monotonic()
            if now - self._last_progress < PROGRESS_EVERY_S and not whole:
                return
            self._last_progress = now
        self._writer.write(kind, fields)

    def asked_to_stop(self) -> str:
        """The word in the ``stop`` file, looked at no more than twenty times a second."""
        now = time.monotonic()
        if now - self._last_look >= STOP_LOOK_EVERY_S:
            self._last_look = now
            try:
                self._word = self._stop_file.read_text("utf-8").strip() or "step"
            except FileNotFoundError:
                self._word = ""
        if self._word and not self._told:
            self._told = True
            self.emit("stopping", {"word": self._word})
        return self._word


class Job:
    """What a task's ``run(params, job)`` gets: where to work, whom to tell, where to go on from."""

    def __init__(self, folder: Path, record: jobfolder.JobRecord, attempt: int, progress: Progress) -> None:
        self.folder = folder
        self.record = record
        self.attempt = attempt
        self.progress = progress
        self.answer: dict[str, Any] = {}
        """What the command line prints after the job is done."""

    @property
    def seed(self) -> int:
        """The job's seed."""
        return self.record.seed

    @property
    def result(self) -> Path:
        """The folder to put the result in; the worker renames it to ``result`` when the task returns."""
        part = self.folder / "result.part"
        part.mkdir(exist_ok=True)
        return part

    @property
    def checkpoints(self) -> Path:
        """The folder of states to go on from."""
        place = self.folder / "checkpoints"
        place.mkdir(exist_ok=True)
        return place


def claim(folder: Path) -> int:
    """Become the worker of the next attempt; the exclusive create of its worker file is the claim.

    Raises InputError("jobs.not_startable") if the state, from that same listing, or a stop word forbids it.
    """
    workers = jobfolder.listing(folder)
    state = jobfolder.state_of(folder, workers)
    if state not in jobfolder.STARTABLE or (folder / "stop").exists():
        raise errors.InputError("jobs.not_startable", folder, state=state)
    attempt = max(workers, default=0) + 1
    try:
        with (folder / f"worker.{attempt}.json").open("x", encoding="utf-8") as file:
            file.write(json.dumps({**jobfolder.worker_identity(), "versions": versions()}))
    except FileExistsError as error:
        raise errors.InputError("jobs.not_startable", folder, state="running") from error
    return attempt


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    found = {"python": platform.python_version(), "platform": platform.platform(terse=True)}
    for name in ("torch", "numpy", "pydicom", "SimpleITK", "lightning"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(folder: Path, *, echo: Progress | None = None, claimed: int | None = None) -> int:
    """Run one job to its end in this process: 0 done, 1 failed, 130 stopped.

    ``claimed`` is the attempt that ``new_job(claim=True)`` already claimed for this process.
    Raises InputError for a folder that is no job or is not startable.
    """
    record = jobfolder.read_job(folder)
    attempt = claim(folder) if claimed is None else claimed
    writer = events.EventWriter(folder / "events.jsonl", attempt)
    progress = JobProgress(folder, writer, echo)
    job = Job(folder, record, attempt, progress)
    heart = threading.Event()
    threading.Thread(target=_beat, args=(folder / "heartbeat", heart), daemon=True).start()
    handler = logs.log_to(folder / f"log.{attempt}.txt")
    restore = _catch_interrupts(folder)
    try:
        writer.write("started", {"title": record.title, "versions": versions()})
        end, fields = _run(job)
        if echo is not None:
            echo.emit(end, {**fields, "answer": job.answer})
        writer.write(end, fields)
    finally:
        heart.set()
        restore()
        logging.getLogger().removeHandler(handler)
        handler.close()
        writer.close()
    manager.job_finished(folder, end)
    start.delete_old()
    if claimed is None:
        start.start_queued()
    return EXIT[end]


def _run(job: Job) -> tuple[str, dict[str, Any]]:
    part = job.folder / "result.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        task = manager.task(job.record.task)
        params = _params(task.params, job.record.params)
        manager.load(task.run)(params, job)
        if part.exists():
            files.rename(part, job.folder / "result")
        return "done", {}
    except errors.Stopped as stopped:
        shutil.rmtree(part, ignore_errors=True)
        return "stopped", {"resumable": stopped.resumable or any(job.checkpoints.iterdir())}
    except errors.TumorDiffError as error:
        shutil.rmtree(part, ignore_errors=True)
        _keep_traceback(job)
        return "failed", {"code": error.code, "sentence": error.sentence, "exit": error.exit_code}
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        _keep_traceback(job)
        ours = errors.TumorDiffError("jobs.bug", job.folder, kind=type(error).__name__, attempt=job.attempt)
        return "failed", {"code": ours.code, "sentence": ours.sentence, "exit": 1}


def _params(dotted: str, values: dict[str, Any]) -> Any:
    try:
        return manager.load(dotted).model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the parameters"
        raise errors.InputError(
            "plugins.bad_params", field=field, value=str(first["input"])[:60], expected=first["msg"]
        ) from error


def _keep_traceback(job: Job) -> None:
    text = logs.redact(traceback.format_exc())
    (job.folder / f"traceback.{job.attempt}.txt").write_text(text, "utf-8")


def _beat(heartbeat: Path, ended: threading.Event) -> None:
    while True:
        try:
            heartbeat.touch()
        except OSError:
            return
        if ended.wait(HEARTBEAT_S):
            return


def _catch_interrupts(folder: Path) -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        word = "now" if (folder / "stop").exists() else "step"
        start.stop(folder, word)
        if word == "now":
            raise errors.Stopped

    before = {number: signal.signal(number, on_interrupt) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


def lower_priority() -> None:
    """Be nice to the window: a worker started in the background yields to it."""
    if hasattr(os, "nice"):
        os.nice(10)
