"""The worker: claims once, ends once, leaves a whole result or none, and goes on from its checkpoint."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.core.jobs import kinds
from tumordiff_core import settings
from tumordiff_core.errors import InputError
from tumordiff_core.jobs import events, start, worker
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.progress import Progress

WORKER = f"""
import sys
from pathlib import Path
from tumordiff_core.plugins import builtin
builtin.PLUGINS = ({kinds.__name__!r},)
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.jobs import worker
try:
    sys.exit(worker.main(Path(sys.argv[1])))
except TumorDiffError as error:
    sys.exit(3 if error.code == "jobs.not_startable" else 4)
"""
PATIENCE_S = 60.0


def child(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder)])


def kinds_of(folder: Path) -> list[str]:
    return [event["kind"] for event in events.read_all(folder)]


def wait_for(folder: Path, kind: str, process: subprocess.Popen[bytes]) -> None:
    """Until an event of this kind was written, or the worker ended."""
    end = time.monotonic() + PATIENCE_S
    while kind not in kinds_of(folder) and process.poll() is None:
        assert time.monotonic() < end, f"no {kind} within {PATIENCE_S:g} s"
        os.sched_yield() if hasattr(os, "sched_yield") else None


def test_a_job_that_is_done_left_a_whole_result_and_told_the_plugins(job):
    folder = job(steps=2)
    assert worker.main(folder) == 0
    assert jobfolder.state(folder) == "done"
    assert (folder / "result" / "answer.txt").read_text() == "counted"
    assert not (folder / "result.part").exists()
    assert kinds_of(folder) == ["started", "stage", "checkpoint", "progress", "checkpoint", "progress", "done"]
    assert [event["n"] for event in events.read_all(folder)] == list(range(7))
    assert (folder / "told.txt").read_text() == "done"
    assert (folder / "heartbeat").exists()
    assert "numpy" in json.loads((folder / "worker.1.json").read_text())["versions"]


def test_a_sentence_ends_the_job_with_its_code_and_no_half_result(job):
    folder = job(steps=2, wrong_at=1, wrong="sentence")
    assert worker.main(folder) == 1
    end = events.read_all(folder)[-1]
    assert (end["kind"], end["code"]) == ("failed", "volume.constant") and end["sentence"].startswith("All values")
    assert not (folder / "result").exists() and not (folder / "result.part").exists()
    assert jobfolder.failure(folder) == end["sentence"]


def test_a_mistake_of_ours_is_one_sentence_and_a_redacted_traceback(job):
    folder = job(steps=1, wrong_at=0, wrong="bug")
    assert worker.main(folder) == 1
    end = events.read_all(folder)[-1]
    assert end["code"] == "jobs.bug" and "ZeroDivisionError" in end["sentence"]
    trace = (folder / "traceback.1.txt").read_text()
    assert "ZeroDivisionError" in trace and "ISPY1_1002" not in trace and "/home/somebody" not in trace


def test_parameters_that_do_not_fit_are_named(job):
    folder = job(steps=-1)
    assert worker.main(folder) == 1
    end = events.read_all(folder)[-1]
    assert end["code"] == "plugins.bad_params" and "steps is -1" in end["sentence"].lower()


def test_an_unknown_kind_of_job_is_named(job):
    folder = job("no-such-task")
    assert worker.main(folder) == 1
    assert events.read_all(folder)[-1]["code"] == "plugins.unknown"


def test_a_stopped_job_goes_on_from_its_checkpoint(job):
    folder = job(steps=3, wrong_at=2, wrong="stop")
    assert worker.main(folder) == 130
    assert jobfolder.state(folder) == "stopped" and events.read_all(folder)[-1]["resumable"] is True
    assert worker.main(folder) == 0
    assert (folder / "steps.txt").read_text().split() == ["0", "1", "2"]
    assert sorted(jobfolder.listing(folder)) == [1, 2]


@pytest.mark.parametrize("word", ["step", "now"])
def test_a_stop_word_stops_a_running_job_and_is_told_once(job, word: str):
    folder = job(steps=3, wrong_at=1, wrong="wait", claim=True)
    # The word lies there before the worker looks, so it is met at its first step.
    start.stop(folder, word)
    assert worker.main(folder, claimed=1) == 130
    assert kinds_of(folder).count("stopping") == 1
    assert jobfolder.state(folder) == "stopped"


def test_epoch_stops_at_the_end_of_an_epoch_only(job):
    folder = job(steps=2, claim=True)
    start.stop(folder, "epoch")
    assert worker.main(folder, claimed=1) == 0
    assert events.read_all(folder)[-1]["kind"] == "done"


def test_a_stop_word_forbids_the_next_claim_until_a_controller_removes_it(job):
    folder = job()
    start.stop(folder)
    with pytest.raises(InputError) as refused:
        worker.main(folder)
    assert refused.value.code == "jobs.not_startable"
    start.make_startable(folder)
    assert worker.main(folder) == 0


@pytest.mark.parametrize("state", ["running", "done"])
def test_a_job_that_runs_or_is_done_is_not_started_again(job, state: str):
    folder = job(steps=1, claim=state == "running")
    if state == "done":
        worker.main(folder)
    for again in (worker.claim, start.make_startable):
        with pytest.raises(InputError) as refused:
            again(folder)
        assert (refused.value.code, refused.value.fields["state"]) == ("jobs.not_startable", state)


def test_a_killed_worker_is_lost_and_the_next_one_does_no_step_twice(job):
    folder = job(steps=4, wrong_at=2, wrong="deaf")
    process = child(folder)
    wait_for(folder, "progress", process)
    while (folder / "went-wrong").exists() is False:
        assert process.poll() is None
    process.kill()
    process.wait()
    assert jobfolder.state(folder) == "lost"
    with (folder / "events.jsonl").open("a") as torn:
        torn.write('{"kind": "progr')
    assert (folder / "result.part").exists()
    assert worker.main(folder) == 0
    assert (folder / "steps.txt").read_text().split() == ["0", "1", "2", "3"]
    assert sorted(entry.name for entry in (folder / "result").iterdir()) == ["answer.txt"]
    assert [e["attempt"] for e in events.read_all(folder) if e["kind"] in {"started", "done"}] == [1, 2, 2]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_an_interrupt_stops_after_the_step(job):
    folder = job(steps=3, wrong_at=1, wrong="wait")
    process = child(folder)
    wait_for(folder, "progress", process)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    assert (folder / "stop").read_text() == "step" and jobfolder.state(folder) == "stopped"
    assert events.read_all(folder)[-1] | {"t": 0} == events.read_all(folder)[-1] | {"t": 0, "resumable": True}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_a_second_interrupt_stops_even_a_task_that_does_not_listen(job):
    folder = job(steps=3, wrong_at=1, wrong="deaf")
    process = child(folder)
    wait_for(folder, "progress", process)
    while not (folder / "went-wrong").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    while not (folder / "stop").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    assert (folder / "stop").read_text() == "now"


def test_a_worker_that_ignores_now_for_ten_seconds_is_ended_by_its_pid(job):
    folder = job(steps=3, wrong_at=1, wrong="deaf")
    process = child(folder)
    wait_for(folder, "progress", process)
    assert not start.end(folder)
    start.stop(folder, "now")
    assert not start.end(folder)
    old = time.time() - start.GRACE_S - 1
    os.utime(folder / "stop", (old, old))
    assert start.end(folder)
    assert process.wait(PATIENCE_S) != 0
    assert not start.end(folder)
    assert jobfolder.state(folder) == "lost"


def test_of_rival_processes_exactly_one_claims(job):
    for _ in range(3):
        folder = job(steps=1)
        rivals = [child(folder) for _ in range(3)]
        codes = sorted(rival.wait(PATIENCE_S) for rival in rivals)
        assert codes == [0, 3, 3]
        assert sorted(jobfolder.listing(folder)) == [1] and kinds_of(folder).count("done") == 1


def test_of_rival_threads_exactly_one_claims(job):
    """The race itself, a hundred times: reading events before liveness once called a job lost that had just ended."""
    for _ in range(100):
        folder, won = job(), []
        gate = threading.Barrier(6)

        def rival(folder: Path = folder, won: list[int] = won, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                won.append(worker.claim(folder))
            except InputError:
                return

        threads = [threading.Thread(target=rival) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [1]


def test_progress_is_written_five_times_a_second_at_most_but_the_last_always(tmp_path: Path):
    writer = events.EventWriter(tmp_path / "events.jsonl", 1)
    progress = worker.JobProgress(tmp_path, writer, None)
    progress.stage("count", 1000)
    for _ in range(1000):
        progress.advance()
    writer.close()
    told = [event for event in events.read_all(tmp_path) if event["kind"] == "progress"]
    assert told[-1]["done"] == 1000 and told[-1]["left_s"] == 0 and len(told) < 50


def test_every_event_reaches_the_echo_with_the_answer(job):
    class Echo(Progress):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[str, dict[str, object]]] = []

        def emit(self, kind: str, fields: dict[str, object]) -> None:
            self.seen.append((kind, fields))

    echo = Echo()
    worker.main(job(steps=1), echo=echo)
    assert [kind for kind, _ in echo.seen] == ["stage", "checkpoint", "progress", "done"]
    assert echo.seen[-1][1]["answer"] == {"counted": 1}


def test_a_retry_is_a_new_folder_that_names_its_parent(job):
    folder = job(steps=1)
    worker.main(folder)
    again = start.retry(folder, {"steps": 2})
    record = jobfolder.read_job(again)
    assert (record.parent, record.params, jobfolder.state(again)) == (folder.name, {"steps": 2}, "queued")


def test_only_a_job_without_a_living_worker_is_deleted(job):
    running, queued = job(claim=True), job()
    with pytest.raises(InputError) as refused:
        start.delete(running)
    assert refused.value.code == "jobs.not_startable"
    start.delete(queued)
    assert not queued.exists()


def test_ended_jobs_are_deleted_after_the_days_the_settings_keep_them(job, monkeypatch: pytest.MonkeyPatch):
    old, young, queued = job(steps=1), job(steps=1), job()
    for folder in (old, young):
        worker.main(folder)
    long_ago = time.time() - 40 * 86_400
    for folder in (old, queued):
        for place in (folder / "job.json", folder / "events.jsonl", folder):
            if place.exists():
                os.utime(place, (long_ago, long_ago))
    assert start.delete_old() == []
    monkeypatch.setenv("TUMORDIFF_JOBS_KEEP_DAYS", "30")
    settings.reload()
    assert start.delete_old() == [old]
    assert not old.exists() and young.exists() and queued.exists()


def test_the_queue_starts_the_oldest_within_the_limits(job, home: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[Path] = []
    monkeypatch.setattr(start, "start", started.append)
    heavy = [job("heavy-count") for _ in range(3)]
    light = [job() for _ in range(3)]
    job("heavy-count", claim=True)
    assert start.start_queued() == started == sorted(light)[:2]
    started.clear()
    for folder in jobfolder.list_jobs():
        if jobfolder.state(folder) == "running":
            (folder / "events.jsonl").write_text('{"kind": "done", "attempt": 1}\n')
    assert [folder for folder in start.start_queued() if folder in heavy] == sorted(heavy)[:1]


def test_a_damaged_record_does_not_hold_up_the_queue(job, monkeypatch: pytest.MonkeyPatch):
    started: list[Path] = []
    monkeypatch.setattr(start, "start", started.append)
    damaged, sound = job(), job()
    (damaged / "job.json").write_text("{")
    assert start.start_queued() == started == [sound]


def test_a_started_worker_is_a_process_of_its_own_that_yields_to_others(home: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **options: object) -> None:
            asked.append(command)
            assert options["start_new_session"] is (os.name != "nt")
            environment = options["env"]
            assert isinstance(environment, dict) and "PYTHONDONTWRITEBYTECODE" not in environment

    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(start.subprocess, "Popen", Process)
    folder = jobfolder.new_job("count", {})
    start.resume(folder)
    assert asked == [[sys.executable, "-m", "tumordiff_core", "run", str(folder), "--background"]]
