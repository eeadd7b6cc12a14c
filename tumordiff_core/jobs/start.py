"""Starting, stopping, resuming and repeating jobs from outside; the work itself is the worker's."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tumordiff_core import files, paths, settings
from tumordiff_core.errors import InputError, TumorDiffError
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.plugins import manager

GRACE_S = 10.0


def child_environment() -> dict[str, str]:
    """The environment of our child processes: byte code kept, one core left for the window."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    package = Path(__file__).parent
    if not os.access(package, os.W_OK):
        environment.setdefault("PYTHONPYCACHEPREFIX", str(paths.cache() / "bytecode"))
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    return environment


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker process on a job folder; it goes on when its starter ends."""
    return subprocess.Popen(
        [sys.executable, "-m", "tumordiff_core", "run", str(folder), "--background"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=child_environment(), start_new_session=os.name != "nt",
    )  # fmt: skip


def stop(folder: Path, word: str = "step") -> None:
    """Ask a job to stop: after this ``step``, this ``epoch``, or ``now``."""
    (folder / "stop").write_text(word, "utf-8")


def end(folder: Path) -> bool:
    """End a worker that is still alive ten seconds after ``now``; True if there was one to end."""
    workers = jobfolder.listing(folder)
    asked = folder / "stop"
    if not workers or not asked.exists() or asked.read_text("utf-8") != "now":
        return False
    newest = workers[max(workers)]
    if time.time() - asked.stat().st_mtime < GRACE_S or not jobfolder.alive(folder, newest):
        return False
    worker = files.read_json(newest, newest_format=jobfolder.FORMAT)
    if worker.get("host") != socket.gethostname():
        return False
    try:
        psutil.Process(int(worker["pid"])).kill()
    except psutil.Error:
        return False
    return True


def make_startable(folder: Path) -> None:
    """Remove a stop word so that a worker may claim the job.

    Raises InputError("jobs.not_startable") unless it is queued, stopped, lost or failed.
    """
    state = jobfolder.state(folder)
    if state not in jobfolder.STARTABLE:
        raise InputError("jobs.not_startable", folder, state=state)
    (folder / "stop").unlink(missing_ok=True)


def resume(folder: Path) -> subprocess.Popen[bytes]:
    """Start the job again in its own folder, from its checkpoints where its task can."""
    make_startable(folder)
    return start(folder)


def retry(folder: Path, changes: dict[str, Any] | None = None) -> Path:
    """A new job folder with the same parameters, changed as given; not started."""
    job = jobfolder.read_job(folder)
    params = {**job.params, **(changes or {})}
    return jobfolder.new_job(job.task, params, title=job.title, inputs=job.inputs, seed=job.seed, parent=job.id)


def delete(folder: Path) -> None:
    """Delete a job folder and its result.

    Raises InputError("jobs.not_startable") while a worker lives.
    """
    state = jobfolder.state(folder)
    if state in {"running", "stopping"}:
        raise InputError("jobs.not_startable", folder, state=state)
    shutil.rmtree(folder)


def delete_old() -> list[Path]:
    """Delete ended jobs older than the settings keep them (0 days: for ever); returns what was deleted."""
    days = settings.load().jobs.keep_days
    if not days:
        return []
    limit = time.time() - days * 86_400
    old = [folder for folder in jobfolder.list_jobs() if _last_written(folder) < limit]
    deleted = [folder for folder in old if jobfolder.state(folder) in jobfolder.ENDED]
    for folder in deleted:
        shutil.rmtree(folder)
    return deleted


def _last_written(folder: Path) -> float:
    """When anything last changed in a job folder, seconds since 1970."""
    return max(place.stat().st_mtime for place in (folder, folder / "job.json", *folder.glob("events.jsonl")))


def start_queued() -> list[Path]:
    """Start as many queued jobs as the settings allow, oldest first; returns what was started."""
    limits = {"heavy": settings.load().jobs.heavy, "light": settings.load().jobs.light}
    weights: dict[str, str] = {task.name: task.weight for task in manager.tasks()}
    running = {"heavy": 0, "light": 0}
    queued: list[tuple[Path, str]] = []
    for folder in jobfolder.list_jobs():
        state = jobfolder.state(folder)
        if state not in {"queued", "running", "stopping"}:
            continue
        try:
            weight = weights.get(jobfolder.read_job(folder).task, "light")
        except TumorDiffError:
            # Listed as unreadable; it must not hold up the others.
            continue
        if state == "queued":
            queued.append((folder, weight))
        else:
            running[weight] += 1
    started = []
    for folder, weight in queued:
        if running[weight] < limits[weight]:
            running[weight] += 1
            start(folder)
            started.append(folder)
    return started
