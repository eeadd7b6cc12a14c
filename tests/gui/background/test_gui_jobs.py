"""Following job folders and asking warm children, with made-up workers."""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from tumordiff_core.jobs import events
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_gui.background import warm as warm_room
from tumordiff_gui.background.jobs import Jobs
from tumordiff_gui.background.warm import Warm
from tumordiff_gui.background.watchdog import Watchdog

ECHO = """
import json, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request.get("op") == "die":
        sys.exit(3)
    if request.get("op") == "sleep":
        time.sleep(30)
    ok = request.get("op") != "refuse"
    print(json.dumps({"id": request["id"], "ok": ok, "sentence": "refused", "said": request.get("say")}), flush=True)
"""


@pytest.fixture
def jobs(home: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Jobs, "_start_queued", lambda self: None)
    made = Jobs()
    made.begin()
    yield made
    made.close()


@pytest.fixture
def echo(home: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    monkeypatch.setattr(warm_room, "command", lambda name: (sys.executable, [str(script)]))
    made = Warm()
    yield made
    made.close()


def worker(folder: Path) -> events.EventWriter:
    """This very process as the job's worker."""
    import json

    (folder / "worker.1.json").write_text(json.dumps(jobfolder.worker_identity()))
    return events.EventWriter(folder / "events.jsonl", 1)


def test_a_job_is_followed_from_waiting_to_done(jobs: Jobs, qtbot: Any):
    job_id = jobs.start("train", {"a": 1}, title="Train small")
    assert jobs.job(job_id).state == "queued"
    writer = worker(jobs.job(job_id).folder)
    writer.write("started", {})
    writer.write("progress", {"stage": "epoch", "done": 3, "total": 12, "left_s": 9.0})
    qtbot.waitUntil(lambda: jobs.job(job_id).state == "running")
    qtbot.waitUntil(lambda: jobs.job(job_id).fraction == 0.25)
    writer.write("metric", {"name": "loss", "value": 0.5, "step": 1})
    with qtbot.waitSignal(jobs.ended, timeout=3000) as ended:
        writer.write("done", {})
    writer.close()
    assert ended.args == [job_id, "done"]
    assert jobs.job(job_id).metrics == {"loss": [(1.0, 0.5)]}


def test_progress_is_told_at_most_five_times_a_second(jobs: Jobs, qtbot: Any):
    import time

    job_id = jobs.start("train", {})
    writer = worker(jobs.job(job_id).folder)
    told = []
    jobs.changed.connect(lambda job: told.append(time.monotonic()))
    for n in range(200):
        writer.write("progress", {"stage": "x", "done": n, "total": 200, "left_s": 1})
        jobs._step(jobs._followed[job_id], time.monotonic())
    writer.write("done", {})
    writer.close()
    qtbot.waitUntil(lambda: jobs.job(job_id).state == "done", timeout=3000)
    gaps = [b - a for a, b in itertools.pairwise(told)]
    assert sum(gap < 0.15 for gap in gaps) <= 2


def test_a_job_that_somebody_else_made_appears(jobs: Jobs, qtbot: Any):
    with qtbot.waitSignal(jobs.listed, timeout=4000):
        folder = jobfolder.new_job("index", {"paths": []})
    qtbot.waitUntil(lambda: jobs.has(folder.name))


def test_stop_writes_the_word_and_a_failed_job_tells_its_sentence(jobs: Jobs, qtbot: Any):
    job_id = jobs.start("train", {})
    writer = worker(jobs.job(job_id).folder)
    writer.write("started", {})
    jobs.stop(job_id, "epoch")
    assert (jobs.job(job_id).folder / "stop").read_text() == "epoch"
    assert jobs.job(job_id).state == "stopping"
    writer.write("failed", {"code": "x", "sentence": "One sentence."})
    writer.close()
    qtbot.waitUntil(lambda: jobs.job(job_id).sentence == "One sentence.", timeout=3000)


def test_a_warm_child_answers_on_the_windows_thread(echo: Warm, qtbot: Any):
    answers = []
    echo.ask("echo", {"op": "say", "say": 1}, lambda reply: answers.append(reply["said"]))
    echo.ask("echo", {"op": "refuse"}, lambda _: None, lambda sentence, _d: answers.append(sentence))
    qtbot.waitUntil(lambda: answers == [1, "refused"], timeout=10_000)


def test_only_the_last_waiting_question_of_a_key_is_asked(echo: Warm, qtbot: Any):
    answers = []
    for n in range(10):
        echo.ask("echo", {"op": "say", "say": n}, lambda reply: answers.append(reply["said"]), key="slice")
    qtbot.waitUntil(lambda: answers[-1:] == [9], timeout=10_000)
    assert answers == [0, 9]


def test_a_child_that_dies_is_said_and_a_fresh_one_answers(echo: Warm, qtbot: Any):
    said, answers = [], []
    echo.ask("echo", {"op": "die"}, lambda _: None, lambda sentence, _d: said.append(sentence))
    echo.ask("echo", {"op": "say", "say": 7}, lambda reply: answers.append(reply["said"]))
    qtbot.waitUntil(lambda: answers == [7], timeout=10_000)
    assert len(said) == 1 and "fresh reader" in said[0]


def test_a_child_that_is_too_slow_is_given_up(echo: Warm, qtbot: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(warm_room.PATIENCE_S, "echo", 0.3)
    said, answers = [], []
    echo.ask("echo", {"op": "sleep"}, lambda _: None, lambda sentence, _d: said.append(sentence))
    qtbot.waitUntil(lambda: len(said) == 1, timeout=10_000)
    monkeypatch.setitem(warm_room.PATIENCE_S, "echo", 10.0)
    echo.ask("echo", {"op": "say", "say": 1}, lambda reply: answers.append(reply["said"]))
    qtbot.waitUntil(lambda: answers == [1], timeout=10_000)


def test_a_cancelled_question_falls_silently(echo: Warm, qtbot: Any):
    answers = []
    first = echo.ask("echo", {"op": "say", "say": 1}, lambda reply: answers.append(reply["said"]))
    first.cancel()
    echo.ask("echo", {"op": "say", "say": 2}, lambda reply: answers.append(reply["said"]))
    qtbot.waitUntil(lambda: answers == [2], timeout=10_000)


def test_the_watchdog_writes_down_what_held_the_window(qtbot: Any):
    import time

    written: list[str] = []
    dog = Watchdog(written.append, limit_s=0.1)
    qtbot.wait(50)
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        pass
    qtbot.waitUntil(lambda: bool(dog.stalls), timeout=2000)
    dog.close()
    assert "test_the_watchdog" in dog.stalls[0][1] and written


def test_while_the_watchdog_runs_only_the_windows_thread_collects(qtbot: Any):
    import gc
    import threading

    class Ring:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            collected.append(threading.current_thread())

    collected: list[threading.Thread] = []
    dog = Watchdog(lambda _: None)
    assert not gc.isenabled()
    made = [Ring() for _ in range(2000)]
    made.clear()
    assert collected == []
    qtbot.waitUntil(lambda: len(collected) == 2000, timeout=3000)
    dog.close()
    assert gc.isenabled() and set(collected) == {threading.main_thread()}
