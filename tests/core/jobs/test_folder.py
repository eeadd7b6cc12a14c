"""The job folder: whole when it appears, and a state computed from nothing but what lies in it."""

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.jobs import events
from tumordiff_core.jobs import folder as jobfolder

TABLE = [
    # worker, living, end, stop -> state
    (False, False, None, False, "queued"),
    (False, False, None, True, "stopped"),
    (True, True, None, False, "running"),
    (True, True, None, True, "stopping"),
    (True, False, None, False, "lost"),
    (True, False, None, True, "lost"),
    *[(True, living, end, stop, end) for end in ("done", "stopped", "failed")
      for living in (True, False) for stop in (True, False)],
]  # fmt: skip
OTHER_HOST = {"format": 1, "pid": 1, "process_created": 1.0, "host": "another-machine", "started": 1.0}


@pytest.mark.parametrize(("worker", "living", "end", "stop", "expected"), TABLE)
def test_the_table_of_states_row_by_row(worker: bool, living: bool, end: str | None, stop: bool, expected: str):
    assert jobfolder.decide(worker=worker, living=living, end=end, stop=stop) == expected


def test_a_folder_in_every_state_says_so(job):
    folder = job()
    assert jobfolder.state(folder) == "queued"
    (folder / "stop").write_text("step")
    assert jobfolder.state(folder) == "stopped"
    claimed = job(claim=True)
    assert jobfolder.state(claimed) == "running"
    (claimed / "stop").write_text("step")
    assert jobfolder.state(claimed) == "stopping"
    (claimed / "events.jsonl").write_text('{"kind": "failed", "attempt": 1, "sentence": "It ended."}\n')
    assert jobfolder.state(claimed) == "failed" and jobfolder.failure(claimed) == "It ended."


def test_the_end_of_an_older_attempt_is_not_the_end_of_the_newest(job):
    folder = job(claim=True)
    (folder / "events.jsonl").write_text('{"kind": "stopped", "attempt": 1}\n')
    (folder / "worker.2.json").write_text((folder / "worker.1.json").read_text())
    assert jobfolder.state(folder) == "running"


def test_a_pid_that_another_process_took_over_is_no_living_worker(job):
    folder = job(claim=True)
    worker = json.loads((folder / "worker.1.json").read_text())
    worker["process_created"] -= 5
    (folder / "worker.1.json").write_text(json.dumps(worker))
    assert jobfolder.state(folder) == "lost"


def test_a_worker_of_another_host_lives_by_its_heartbeat(job):
    folder = job()
    (folder / "worker.1.json").write_text(json.dumps(OTHER_HOST))
    (folder / "heartbeat").touch()
    assert jobfolder.state(folder) == "running"
    old = time.time() - jobfolder.HEARTBEAT_DEAD_S - 1
    os.utime(folder / "heartbeat", (old, old))
    assert jobfolder.state(folder) == "lost"
    (folder / "heartbeat").unlink()
    assert jobfolder.state(folder) == "running"
    os.utime(folder / "worker.1.json", (old, old))
    assert jobfolder.state(folder) == "lost"


def test_an_empty_claim_is_dead_after_five_seconds(job):
    folder = job()
    (folder / "worker.1.json").touch()
    assert jobfolder.state(folder) == "running"
    old = time.time() - jobfolder.EMPTY_CLAIM_DEAD_S - 1
    os.utime(folder / "worker.1.json", (old, old))
    assert jobfolder.state(folder) == "lost"


def test_a_claim_that_vanished_meanwhile_is_dead(job, tmp_path: Path):
    assert not jobfolder.alive(job(), tmp_path / "worker.9.json")


def test_a_job_appears_whole_with_all_it_was_asked_for(home: Path):
    folder = jobfolder.new_job("count", {"steps": 4}, title="Count", inputs=("1.2.3",), seed=7, parent="before")
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]
    record = jobfolder.read_job(folder)
    assert (record.task, record.params, record.inputs, record.seed, record.parent) == (
        "count", {"steps": 4}, ("1.2.3",), 7, "before")  # fmt: skip
    assert json.loads((folder / "job.json").read_text())["format"] == jobfolder.FORMAT
    assert jobfolder.listing(folder) == {}


def test_a_claimed_job_is_this_process_from_the_start(job):
    worker = json.loads((job(claim=True) / "worker.1.json").read_text())
    assert worker["pid"] == os.getpid()
    assert abs(worker["process_created"] - psutil.Process().create_time()) < 1


def test_jobs_are_found_by_id_end_or_path_and_others_are_named(job, home: Path):
    first, second = job(), job("heavy-count")
    assert jobfolder.find_job(first.name) == first and jobfolder.find_job(str(second)) == second
    assert jobfolder.find_job(second.name[-9:]) == second
    assert jobfolder.list_jobs() == sorted([first, second])
    with pytest.raises(MissingError) as unknown:
        jobfolder.find_job("nothing-of-the-kind")
    assert unknown.value.code == "jobs.unknown"
    same = first.parent / f"19990101-000000-count-{first.name[-4:]}"
    first.joinpath("job.json").replace((same.mkdir() or same) / "job.json")  # type: ignore[func-returns-value]
    (first / "job.json").write_text((same / "job.json").read_text())
    with pytest.raises(InputError) as two:
        jobfolder.find_job(first.name[-4:])
    assert two.value.code == "jobs.ambiguous"


def test_what_is_no_job_folder_is_named(tmp_path: Path, job):
    with pytest.raises(InputError) as none:
        jobfolder.read_job(tmp_path)
    assert none.value.code == "jobs.not_a_folder"
    folder = job()
    (folder / "job.json").write_text('{"format": 99}')
    with pytest.raises(InputError) as newer:
        jobfolder.read_job(folder)
    assert newer.value.code == "files.newer_format"
    (folder / "job.json").write_text('{"format": 1, "id": "x"}')
    with pytest.raises(InputError) as half:
        jobfolder.read_job(folder)
    assert half.value.code == "files.not_json"


def test_a_job_without_a_result_says_so(job, tmp_path: Path):
    folder = job()
    with pytest.raises(MissingError) as none:
        jobfolder.result_folder(folder.name)
    assert none.value.code == "jobs.no_result"
    (folder / "result").mkdir()
    (folder / "result" / "result.json").write_text("{}")
    assert jobfolder.result_folder(folder.name) == folder / "result"
    assert jobfolder.result_folder(str(folder / "result")) == folder / "result"


def test_a_reader_takes_whole_lines_only_and_counts_what_it_cannot_read(tmp_path: Path):
    file = tmp_path / "events.jsonl"
    reader = events.EventReader(file)
    assert reader.new() == []
    file.write_text('{"kind": "stage", "n": 0}\nnot json\n{"kind": "pro')
    assert [event["n"] for event in reader.new()] == [0]
    assert reader.unreadable == 1
    with file.open("a") as more:
        more.write('gress", "n": 2}\n[1]\n')
    assert [event["kind"] for event in reader.new()] == ["progress"]
    assert reader.unreadable == 2


def test_a_new_attempt_completes_a_torn_last_line_and_counts_on(tmp_path: Path):
    file = tmp_path / "events.jsonl"
    file.write_text('{"kind": "stage", "n": 0}\n{"kind": "progr')
    writer = events.EventWriter(file, 2)
    writer.write("started")
    writer.close()
    lines = file.read_text().splitlines()
    assert lines[1] == '{"kind": "progr' and json.loads(lines[2])["n"] == 2
    assert events.EventReader(file).new()[-1]["attempt"] == 2


def test_no_event_line_is_longer_than_four_kilobytes(tmp_path: Path):
    file = tmp_path / "events.jsonl"
    writer = events.EventWriter(file, 1)
    writer.write("log", {"text": "x" * 10_000, "more": ["y" * 9000], "number": 3})
    writer.write("log", {f"text{n}": "z" * 290 for n in range(100)})
    writer.close()
    assert all(len(line) < events.LONGEST_LINE for line in file.read_bytes().splitlines())
    assert events.EventReader(file).new()[0]["number"] == 3
