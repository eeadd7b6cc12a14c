"""Killed, full, read only, damaged, opened twice, of another version: the catalogue stays whole and says so."""

import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.generators import dicom_base
from tumordiff_core import paths
from tumordiff_core.catalogue import database, edits, entering, importing, queries
from tumordiff_core.errors import CatalogueError, SpaceError, Stopped
from tumordiff_core.progress import Progress


def index(*folders: Path, progress: Progress | None = None, processes: int | None = None) -> importing.Report:
    return importing.run(list(folders), progress=progress or Progress(), processes=processes)


def picture() -> list[Any]:
    """Everything the tree shows, without what only says how often it was written."""
    return [(p.patient_id, p.collection, p.laterality, p.visits) for p in queries.tree()]


def consistent() -> None:
    """No page is broken, every reference leads somewhere, every count is right."""
    made = database.connection()
    database.check(made)
    assert made.execute("PRAGMA foreign_key_check").fetchall() == []
    wrong = made.execute(
        "SELECT r.uid FROM series r WHERE r.files <> (SELECT count(*) FROM files f WHERE f.series=r.id AND f.state=0)"
    ).fetchall()
    assert wrong == []
    homeless = "SELECT count(*) FROM files WHERE state=0 AND (series IS NULL OR head IS NULL)"
    assert made.execute(homeless).fetchone() == (0,)
    assert made.execute(
        "SELECT count(*) FROM files f WHERE f.state=1 AND NOT EXISTS (SELECT 1 FROM skips k WHERE k.file=f.id)"
    ).fetchone() == (0,)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two patients with two visits each, 3 x 10 slices, and some files that are no images; many small chunks."""
    folder = tmp_path / "disk"
    for patient in ("A", "B"):
        for number, day in enumerate(("19850110", "19850131")):
            place = folder / patient / str(number)
            dicom_base.series(place, patient=patient, day=day, study=f"{patient}{number}")
            (place / "notes.txt").write_text("no image " * 30)
    monkeypatch.setattr(entering, "CHUNK_FILES", 6)
    return folder


def killed_after(delay_s: float, work: Callable[[], Any]) -> bool:
    """Run ``work`` in a process of its own and kill it after a delay; whether it was still at work."""
    database.close()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    time_up = threading.Event()
    time_up.wait(delay_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def forget() -> None:
    """An empty catalogue."""
    database.close()
    for file in paths.data().glob("catalogue.sqlite*"):
        file.unlink()
    queries.look_again()


def orphans(home: Path) -> list[psutil.Process]:
    """Processes that were started for this home and belong to nobody any more."""
    ours, found = {os.getpid(), *(one.pid for one in psutil.Process().children(recursive=True))}, []
    for one in psutil.process_iter():
        try:
            if one.pid not in ours and one.environ().get("TUMORDIFF_HOME") == str(home):
                found.append(one)
        except psutil.Error:
            continue
    return found


def survive(disk: Path, home: Path, moments: int, seed: int, processes: int = 1) -> None:
    index(disk)
    forget()
    began = time.monotonic()
    whole = index(disk, processes=processes)
    took = time.monotonic() - began
    expected, moment = picture(), random.Random(seed)
    struck = 0
    for _ in range(moments):
        forget()
        struck += killed_after(moment.uniform(0, took), lambda: index(disk, processes=processes))
        queries.look_again()
        consistent()
        done = index(disk)
        consistent()
        assert picture() == expected
        assert (done.seen, done.indexed, done.skipped) == (whole.seen, whole.indexed, whole.skipped) == (124, 120, 4)
        assert queries.totals()["waiting"] == 0
    assert struck > moments // 3, "most imports were over before they were killed"


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot fork")
def test_a_killed_import_is_completed_by_the_next(home: Path, disk: Path):
    survive(disk, home, 5, seed=1)


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot fork")
def test_an_import_killed_at_fifty_moments_is_completed_by_the_next(home: Path, disk: Path):
    survive(disk, home, 50, seed=2)


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot fork")
def test_an_import_killed_among_its_readers_is_completed_and_leaves_no_process(home: Path, disk: Path):
    survive(disk, home, 12, seed=3, processes=2)
    assert psutil.wait_procs(orphans(home), timeout=20)[1] == []


class StopsAfter(Progress):
    def __init__(self, files: int) -> None:
        super().__init__()
        self.left = files

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "progress" and fields["stage"] == "read headers":
            self.left -= 1

    def asked_to_stop(self) -> str:
        return "step" if self.left <= 0 else ""


def test_a_stopped_import_shows_what_it_has_and_goes_on(home: Path, disk: Path):
    with pytest.raises(Stopped):
        index(disk, progress=StopsAfter(5))
    consistent()
    assert 0 < queries.totals()["indexed"] < 120 and queries.totals()["waiting"] > 0
    assert index(disk).indexed == 120 and queries.totals()["waiting"] == 0


def test_rows_appear_while_the_import_runs(home: Path, disk: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    monkeypatch.setattr(importing, "SHOW_EVERY_S", 0.0)

    class Looks(Progress):
        def emit(self, kind: str, fields: dict[str, Any]) -> None:
            if kind == "progress" and fields["stage"] == "read headers":
                seen.append(sum(s.files for p in queries.tree() for v in p.visits for s in v.series))
                assert fields["total"] == 124

    index(disk, progress=Looks())
    assert seen == sorted(seen) and len(set(seen)) > 10 and seen[0] < 20


def test_two_imports_at_once_wait_for_each_other(home: Path, disk: Path):
    reports: list[importing.Report] = []
    threads = [threading.Thread(target=lambda: reports.append(index(disk))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(r.seen, r.indexed) for r in reports] == [(124, 120)] * 2
    consistent()


def test_two_windows_see_each_others_work(home: Path, disk: Path):
    index(disk)
    uid = queries.tree()[0].visits[0].study_uid
    shown: list[str] = []

    def other_window() -> None:
        edits.set_time_point(uid, "T4", 99)
        shown.append(queries.visit(uid).label)

    thread = threading.Thread(target=other_window)
    thread.start()
    thread.join()
    assert shown == ["T4"] and queries.visit(uid).label == "T4"


def test_a_busy_catalogue_says_so(home: Path, disk: Path, monkeypatch: pytest.MonkeyPatch):
    index(disk)
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    database.close()
    holder = sqlite3.connect(paths.catalogue_file(), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(CatalogueError) as busy:
        edits.set_time_point(queries.tree()[0].visits[0].study_uid, "T2", 1)
    assert busy.value.code == "catalogue.busy"
    holder.execute("ROLLBACK")
    holder.close()


def test_a_read_only_catalogue_is_shown_and_not_changed(home: Path, disk: Path):
    index(disk)
    database.connection().execute("PRAGMA query_only=1")
    expected = picture()
    with pytest.raises(CatalogueError) as refused:
        edits.set_time_point(queries.tree()[0].visits[0].study_uid, "T2", 1)
    assert refused.value.code == "catalogue.read_only"
    with pytest.raises(CatalogueError):
        index(disk)
    assert picture() == expected


@pytest.mark.skipif(os.name == "nt", reason="the permissions of Windows differ")
def test_a_catalogue_that_cannot_be_made_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "file"))
    with pytest.raises(CatalogueError) as refused:
        queries.tree()
    assert refused.value.code == "catalogue.read_only"


def test_a_full_disk_loses_nothing(home: Path, disk: Path):
    index(disk / "A")
    expected = picture()
    made = database.connection()
    pages = made.execute("PRAGMA page_count").fetchone()[0]
    made.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(SpaceError) as full:
        index(disk)
    assert full.value.code == "files.no_space"
    assert [row for row in picture() if row[0] == "A"] == expected
    made.execute("PRAGMA max_page_count=1000000")
    consistent()
    assert index(disk).indexed == 120


def test_a_damaged_catalogue_is_set_aside_and_edits_are_kept(home: Path, disk: Path):
    index(disk)
    uid = queries.tree()[0].visits[0].study_uid
    edits.set_time_point(uid, "T4", 99)
    made = database.connection()
    made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = made.execute("SELECT rootpage FROM sqlite_master WHERE name='files'").fetchone()[0]
    size = made.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    content = bytearray(paths.catalogue_file().read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    paths.catalogue_file().write_bytes(content)
    queries.look_again()
    with pytest.raises(CatalogueError) as damaged:
        queries.totals()
    assert damaged.value.code == "catalogue.damaged"
    told: list[str] = []

    class Told(Progress):
        def emit(self, kind: str, fields: dict[str, Any]) -> None:
            if kind == "warning":
                told.append(fields["code"])

    assert index(disk, progress=Told()).indexed == 120
    assert told == ["catalogue.set_aside"] and queries.visit(uid).label == "T4"
    assert len(list((paths.data() / "backups").glob("damaged-*"))) == 1


def test_a_file_that_is_no_catalogue_says_so(home: Path):
    paths.data().mkdir(parents=True)
    paths.catalogue_file().write_bytes(b"no database " * 1000)
    with pytest.raises(CatalogueError) as damaged:
        queries.tree()
    assert damaged.value.code == "catalogue.damaged"


def test_a_newer_catalogue_is_refused(home: Path):
    queries.tree()
    database.connection().execute("PRAGMA user_version=999")
    database.close()
    with pytest.raises(CatalogueError) as newer:
        queries.tree()
    assert newer.value.code == "files.newer_format"


def test_a_migration_comes_after_a_backup_and_happens_whole(home: Path, disk: Path, monkeypatch: pytest.MonkeyPatch):
    index(disk)
    expected = picture()
    database.close()
    known = database.scripts()
    broken = [*known, (known[-1][0] + 1, "CREATE TABLE extra (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n")]
    monkeypatch.setattr(database, "scripts", lambda: broken)
    with pytest.raises(sqlite3.OperationalError):
        queries.tree()
    good = [*known, (known[-1][0] + 1, "CREATE TABLE extra (id INTEGER);\n")]
    monkeypatch.setattr(database, "scripts", lambda: good)
    assert picture() == expected
    assert database.format_of(database.connection()) == good[-1][0]
    backups = sorted((paths.data() / "backups").glob("catalogue-*.sqlite"))
    old = sqlite3.connect(backups[0])
    assert old.execute("PRAGMA user_version").fetchone() == (known[-1][0],)
    assert old.execute("SELECT count(*) FROM files").fetchone() == (124,)
    old.close()
