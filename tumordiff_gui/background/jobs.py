"""Starts job folders and follows all of them with one timer; reads files only, never waits."""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from tumordiff_core import settings
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.jobs import events, start
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.plugins import manager

LOOK_EVERY_MS = 100
LIVENESS_EVERY_S = 1.0
LIST_EVERY_S = 1.5
MOST_UPDATES_PER_S = 5
SLICE_S = 0.02
KEPT_EVENTS = 2000
LONGEST_LOG = 64 * 1024
LOGGED = {
    "started": (), "stage": ("stage",), "log": ("text",), "warning": ("sentence",), "checkpoint": ("file",),
    "stopping": (), "done": (), "stopped": (), "failed": ("sentence",),
}  # fmt: skip
"""Events that stand in a job's log, and the fields that say what happened (else their kind does)."""


@dataclass
class JobView:
    """What the window knows of one job; refreshed from its events."""

    folder: Path
    record: jobfolder.JobRecord
    state: jobfolder.State = "queued"
    stage: str = ""
    done: float = 0.0
    total: float | None = None
    left_s: float | None = None
    started_s: float | None = None
    ended_s: float | None = None
    sentence: str = ""
    resumable: bool = False
    warnings: list[str] = field(default_factory=list)
    metrics: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The job's id, which is the name of its folder."""
        return self.record.id

    @property
    def fraction(self) -> float | None:
        """How far the present stage is, 0 to 1; ``None`` while unknown."""
        return None if not self.total else min(max(self.done / self.total, 0.0), 1.0)

    @property
    def active(self) -> bool:
        """Whether it waits, runs or is stopping."""
        return self.state in {"queued", "running", "stopping"}

    @property
    def result(self) -> Path | None:
        """Its result folder, once there is one."""
        place = self.folder / "result"
        return place if (place / "result.json").is_file() else None


class _Followed:
    def __init__(self, view: JobView) -> None:
        self.view = view
        self.reader = events.EventReader(view.folder / "events.jsonl")
        self.size = -1
        self.next_liveness = 0.0
        self.last_told = 0.0
        self.waiting_to_tell = False


class Jobs(QObject):
    """All jobs of the job folder.

    Signals
    -------
    listed : a job came or went; ask ``all()``
    changed : the id of a job whose stage, progress or state moved (at most five a second per job)
    event : (job id, event) every event as the worker wrote it
    ended : (job id, state) once per attempt
    troubled : a sentence, when starting or reading failed
    """

    listed = Signal()
    changed = Signal(str)
    event = Signal(str, object)
    ended = Signal(str, str)
    troubled = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._followed: dict[str, _Followed] = {}
        self._unread: list[Path] = []
        self._next_list = 0.0
        self._workers: list[subprocess.Popen[bytes]] = []
        self._timer = QTimer(self, interval=LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    def begin(self) -> None:
        """Start following; what lies in the job folder already is read in short slices."""
        self._timer.start()

    def close(self) -> None:
        """Stop following; the jobs go on."""
        self._timer.stop()

    # asking

    def all(self) -> list[JobView]:
        """All jobs, newest first."""
        return sorted((f.view for f in self._followed.values()), key=lambda view: view.id, reverse=True)

    def job(self, job_id: str) -> JobView:
        """One job; raises KeyError."""
        return self._followed[job_id].view

    def has(self, job_id: str) -> bool:
        """Whether a job of this id is followed."""
        return job_id in self._followed

    def active(self) -> list[JobView]:
        """Jobs that wait or run, newest first."""
        return [view for view in self.all() if view.active]

    # acting

    def start(self, task: str, params: Mapping[str, Any], *, title: str = "", inputs: tuple[str, ...] = (),
              seed: int = 0) -> str | None:  # fmt: skip
        """Make a job folder and start it when the settings allow; its id, or ``None`` after ``troubled``."""
        try:
            folder = jobfolder.new_job(task, dict(params), title=title, inputs=inputs, seed=seed)
        except TumorDiffError as error:
            self.troubled.emit(error.sentence)
            return None
        self._follow(folder)
        self.listed.emit()
        QTimer.singleShot(0, self, self._start_queued)
        return folder.name

    def _start_queued(self) -> None:
        """Start what waits, oldest first, as far as the settings allow; from what is known already, not from disk."""
        limits = {"heavy": settings.load().jobs.heavy, "light": settings.load().jobs.light}
        weights: dict[str, str] = {task.name: task.weight for task in manager.tasks()}
        running = {"heavy": 0, "light": 0}
        for view in reversed(self.active()):
            if view.state != "queued":
                running[weights.get(view.record.task, "light")] += 1
        for view in reversed([v for v in self.active() if v.state == "queued"]):
            weight = weights.get(view.record.task, "light")
            if running[weight] < limits[weight]:
                running[weight] += 1
                self._start_worker(view)

    def _start_worker(self, view: JobView) -> None:
        try:
            self._workers.append(start.start(view.folder))
        except OSError as error:
            self.troubled.emit(str(error))
        self._now(view.id)

    def stop(self, job_id: str, word: str = "step") -> None:
        """Ask a job to stop after this ``step``, this ``epoch``, or ``now``."""
        start.stop(self.job(job_id).folder, word)
        if word == "now":
            QTimer.singleShot(round((start.GRACE_S + 0.5) * 1000), self, lambda: self._end(job_id))
        self._now(job_id)

    def _end(self, job_id: str) -> None:
        if self.has(job_id):
            start.end(self.job(job_id).folder)
            self._now(job_id)

    def resume(self, job_id: str) -> None:
        """Start a stopped, failed or lost job again in its own folder."""
        try:
            start.make_startable(self.job(job_id).folder)
        except TumorDiffError as error:
            self.troubled.emit(error.sentence)
            return
        self._start_worker(self.job(job_id))

    def retry(self, job_id: str, changes: Mapping[str, Any] | None = None) -> str | None:
        """A new job with the same parameters, changed as given; its id."""
        try:
            folder = start.retry(self.job(job_id).folder, dict(changes or {}))
        except TumorDiffError as error:
            self.troubled.emit(error.sentence)
            return None
        self._follow(folder)
        self.listed.emit()
        QTimer.singleShot(0, self, self._start_queued)
        return folder.name

    def delete(self, job_id: str) -> None:
        """Delete a job that does not run, and its result."""
        try:
            start.delete(self.job(job_id).folder)
        except (TumorDiffError, OSError) as error:
            self.troubled.emit(str(error))
            return
        del self._followed[job_id]
        self.listed.emit()

    # following

    def _follow(self, folder: Path) -> _Followed | None:
        if folder.name in self._followed:
            return self._followed[folder.name]
        try:
            record = jobfolder.read_job(folder)
        except TumorDiffError:
            return None
        followed = self._followed[folder.name] = _Followed(JobView(folder, record))
        self._read(followed, quiet=True)
        followed.view.state = jobfolder.state(folder)
        return followed

    def _look(self) -> None:
        began = time.monotonic()
        if began >= self._next_list:
            self._next_list = began + LIST_EVERY_S
            self._list()
        came = False
        while self._unread and time.monotonic() - began < SLICE_S:
            came = self._follow(self._unread.pop()) is not None or came
        if came:
            self.listed.emit()
        for followed in list(self._followed.values()):
            if followed.view.active or followed.waiting_to_tell:
                self._step(followed, time.monotonic())

    def _list(self) -> None:
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        found = jobfolder.list_jobs()
        names = {folder.name for folder in found}
        waiting = {folder.name for folder in self._unread}
        self._unread.extend(f for f in found if f.name not in self._followed and f.name not in waiting)
        gone = [name for name in self._followed if name not in names]
        for name in gone:
            del self._followed[name]
        for followed in self._followed.values():
            if not followed.view.active and self._size(followed) != followed.size:
                followed.view.state = jobfolder.state(followed.view.folder)
        if gone:
            self.listed.emit()

    def _now(self, job_id: str) -> None:
        if self.has(job_id):
            followed = self._followed[job_id]
            followed.next_liveness = 0.0
            followed.view.state = jobfolder.state(followed.view.folder)
            self.changed.emit(job_id)

    @staticmethod
    def _size(followed: _Followed) -> int:
        try:
            return (followed.view.folder / "events.jsonl").stat().st_size
        except OSError:
            return 0

    def _step(self, followed: _Followed, now: float) -> None:
        view, moved = followed.view, False
        size = self._size(followed)
        if size != followed.size:
            moved = self._read(followed)
        if moved or now >= followed.next_liveness:
            followed.next_liveness = now + LIVENESS_EVERY_S
            before, view.state = view.state, jobfolder.state(view.folder)
            if view.state != before:
                moved = True
                if not view.active:
                    self._told(followed, now)
                    self.ended.emit(view.id, view.state)
                    return
        if moved or followed.waiting_to_tell:
            if now - followed.last_told >= 1 / MOST_UPDATES_PER_S:
                self._told(followed, now)
            else:
                followed.waiting_to_tell = True

    def _told(self, followed: _Followed, now: float) -> None:
        followed.last_told, followed.waiting_to_tell = now, False
        self.changed.emit(followed.view.id)

    def _read(self, followed: _Followed, *, quiet: bool = False) -> bool:
        followed.size = self._size(followed)
        new = followed.reader.new()
        for one in new:
            _apply(followed.view, one)
            if not quiet:
                self.event.emit(followed.view.id, one)
        return bool(new)


def _apply(view: JobView, event: dict[str, Any]) -> None:
    kind = event["kind"]
    if kind in LOGGED:
        said = next((str(event[name]) for name in LOGGED[kind] if event.get(name)), kind)
        view.log.append(f"{time.strftime('%H:%M:%S', time.localtime(float(event.get('t') or 0)))}  {said}")
        del view.log[:-KEPT_EVENTS]
    if kind == "started":
        view.started_s, view.ended_s, view.sentence = event.get("t"), None, ""
        view.stage, view.done, view.total, view.left_s = "", 0.0, None, None
    elif kind in {"stage", "progress"}:
        view.stage = str(event.get("stage", view.stage))
        view.total = event.get("total")
        view.done = float(event.get("done") or 0.0)
        view.left_s = event.get("left_s")
    elif kind == "metric":
        points = view.metrics.setdefault(str(event.get("name")), [])
        points.append((float(event.get("step", len(points))), float(event.get("value") or 0.0)))
        del points[:-KEPT_EVENTS]
    elif kind == "picture":
        view.pictures.append(str(event.get("file")))
    elif kind == "warning":
        view.warnings.append(str(event.get("sentence")))
    elif kind in events.END_KINDS:
        view.ended_s, view.left_s = event.get("t"), None
        view.sentence = str(event.get("sentence", ""))
        view.resumable = bool(event.get("resumable", False))


def traceback_of(view: JobView) -> str:
    """The newest kept traceback of a job, for those who want it; empty when there is none."""
    kept = sorted(view.folder.glob("traceback.*.txt"), key=_attempt)
    return kept[-1].read_text("utf-8") if kept else ""


def log_of(view: JobView) -> str:
    """The end of the newest log file of a job; empty when there is none."""
    kept = sorted(view.folder.glob("log.*.txt"), key=_attempt)
    if not kept:
        return ""
    with kept[-1].open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LONGEST_LOG))
        return file.read().decode("utf-8", errors="replace")


def _attempt(file: Path) -> int:
    number = file.name.split(".")[1]
    return int(number) if number.isdigit() else 0
