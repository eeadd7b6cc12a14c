"""The job folder: making one, reading it, and computing its state from what lies in it (never stored)."""

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil

import tumordiff_core
from tumordiff_core import files, paths, settings
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.jobs import events

FORMAT = 1
HEARTBEAT_DEAD_S = 30.0
EMPTY_CLAIM_DEAD_S = 5.0
CREATION_TOLERANCE_S = 1.0

State = Literal["queued", "running", "stopping", "done", "stopped", "failed", "lost"]
STARTABLE: frozenset[State] = frozenset({"queued", "stopped", "lost", "failed"})
ENDED: frozenset[State] = frozenset({"done", "stopped", "failed", "lost"})


@dataclass(frozen=True)
class JobRecord:
    """What ``job.json`` holds."""

    id: str
    task: str
    title: str
    params: dict[str, Any]
    inputs: tuple[str, ...]
    seed: int
    created: str
    program: str
    parent: str | None


def root() -> Path:
    """The folder of all job folders."""
    named = settings.load().jobs.folder
    return Path(named) if named else paths.jobs()


def new_job(
    task: str,
    params: dict[str, Any],
    *,
    title: str = "",
    inputs: tuple[str, ...] = (),
    seed: int = 0,
    parent: str | None = None,
    claim: bool = False,
) -> Path:
    """Make a job folder, whole, and return it; ``claim`` makes this very process its first worker."""
    now = datetime.now(UTC)
    job_id = _free_id(task, now)
    target = root() / job_id
    record = {
        "format": FORMAT, "id": job_id, "task": task, "title": title or task, "params": params,
        "inputs": list(inputs), "seed": seed, "created": now.isoformat(timespec="seconds"),
        "program": f"TumorDiff {tumordiff_core.__version__}", "parent": parent,
    }  # fmt: skip
    with files.whole_folder(target) as partial:
        files.write_json(partial / "job.json", record)
        if claim:
            (partial / "worker.1.json").write_text(json.dumps(worker_identity()), "utf-8")
    return target


def _free_id(task: str, now: datetime) -> str:
    """An id that no job has: of some hundred jobs made in one second two would draw the same four digits."""
    while True:
        job_id = f"{now:%Y%m%d-%H%M%S}-{task}-{secrets.token_hex(2)}"
        if not (root() / job_id).exists():
            return job_id


def worker_identity() -> dict[str, Any]:
    """Who this process is, as a worker file says it."""
    return {
        "format": FORMAT, "pid": os.getpid(), "process_created": psutil.Process().create_time(),
        "host": socket.gethostname(), "started": time.time(), "program": f"TumorDiff {tumordiff_core.__version__}",
    }  # fmt: skip


def read_job(folder: Path) -> JobRecord:
    """The job's record.

    Raises InputError("jobs.not_a_folder"), ("files.not_json") or ("files.newer_format").
    """
    if not (folder / "job.json").is_file():
        raise InputError("jobs.not_a_folder", folder, name=folder.name)
    record = files.read_json(folder / "job.json", newest_format=FORMAT)
    try:
        return JobRecord(
            id=str(record["id"]), task=str(record["task"]), title=str(record["title"]), params=dict(record["params"]),
            inputs=tuple(record["inputs"]), seed=int(record["seed"]), created=str(record["created"]),
            program=str(record["program"]), parent=record["parent"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("files.not_json", folder / "job.json", name="job.json") from error


def listing(folder: Path) -> dict[int, Path]:
    """Worker files by attempt number, from one directory listing."""
    found: dict[int, Path] = {}
    for entry in folder.glob("worker.*.json"):
        number = entry.name.split(".")[1]
        if number.isdigit():
            found[int(number)] = entry
    return found


def alive(folder: Path, worker_file: Path) -> bool:
    """Whether the worker of a worker file lives: same host by pid and creation time, other hosts by heartbeat."""
    try:
        text = worker_file.read_text("utf-8")
        age_s = time.time() - worker_file.stat().st_mtime
    except FileNotFoundError:
        return False
    try:
        worker = json.loads(text)
        host, pid, created = worker["host"], int(worker["pid"]), float(worker["process_created"])
    except (ValueError, KeyError, TypeError):
        return age_s < EMPTY_CLAIM_DEAD_S
    if host != socket.gethostname():
        try:
            return time.time() - (folder / "heartbeat").stat().st_mtime < HEARTBEAT_DEAD_S
        except FileNotFoundError:
            return age_s < HEARTBEAT_DEAD_S
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) <= CREATION_TOLERANCE_S
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def end_event(folder: Path, attempt: int) -> dict[str, Any] | None:
    """The end event of one attempt, if it has one."""
    ends = [e for e in events.read_all(folder) if e["kind"] in events.END_KINDS and e.get("attempt") == attempt]
    return ends[-1] if ends else None


def decide(*, worker: bool, living: bool, end: str | None, stop: bool) -> State:
    """The table of states: what one listing, the liveness and the end event say together."""
    if not worker:
        return "stopped" if stop else "queued"
    if end is not None:
        return end  # type: ignore[return-value]
    if living:
        return "stopping" if stop else "running"
    return "lost"


def state(folder: Path) -> State:
    """The job's state, computed from one listing, liveness before events."""
    return state_of(folder, listing(folder))


def state_of(folder: Path, workers: dict[int, Path]) -> State:
    """The state for a listing already taken (what a dead worker wrote is final, so liveness is asked first)."""
    stop = (folder / "stop").exists()
    if not workers:
        return decide(worker=False, living=False, end=None, stop=stop)
    newest = max(workers)
    living = alive(folder, workers[newest])
    end = end_event(folder, newest)
    return decide(worker=True, living=living, end=None if end is None else str(end["kind"]), stop=stop)


def list_jobs() -> list[Path]:
    """All job folders, oldest first; whatever else lies there is passed over."""
    place = root()
    if not place.is_dir():
        return []
    return sorted(f for f in place.iterdir() if not f.name.startswith(".") and (f / "job.json").is_file())


def find_job(name: str) -> Path:
    """The job folder of an id, a unique end of one, or a path.

    Raises MissingError("jobs.unknown") or InputError("jobs.ambiguous").
    """
    if (Path(name) / "job.json").is_file():
        return Path(name)
    matches = [f for f in list_jobs() if f.name == name or (name and f.name.endswith(name))]
    if not matches:
        raise MissingError("jobs.unknown", name=name)
    if len(matches) > 1:
        raise InputError("jobs.ambiguous", name=name, count=len(matches))
    return matches[0]


def result_folder(name: str) -> Path:
    """The finished result folder of a job id, a unique end of one, a job folder or a result folder.

    Raises MissingError("jobs.no_result") or what ``find_job`` raises.
    """
    given = Path(name)
    if (given / "result.json").is_file():
        return given
    folder = find_job(name)
    if not (folder / "result" / "result.json").is_file():
        raise MissingError("jobs.no_result", folder, name=folder.name)
    return folder / "result"


def failure(folder: Path) -> str | None:
    """The sentence of the newest failed end event, if there is one."""
    workers = listing(folder)
    end = end_event(folder, max(workers)) if workers else None
    return str(end.get("sentence", "")) if end is not None and end["kind"] == "failed" else None
