"""The SQLite file behind the catalogue: opening, migrating, backing up, transactions; it knows no patient.

One connection per thread and place, write-ahead log, so that several windows and an import may work at once.
Every fault of SQLite leaves this room as a sentence.
"""

import importlib.resources
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tumordiff_core import files, paths
from tumordiff_core.errors import CatalogueError, SpaceError, TumorDiffError

APPLICATION_ID = 0x54444346
BUSY_S = 10.0
KEPT_BACKUPS = 5
EDITS = ("edited_time_points", "edited_timings")
_open: dict[tuple[int, Path], sqlite3.Connection] = {}
_lock = threading.Lock()


def connection() -> sqlite3.Connection:
    """This thread's connection to the catalogue, opened, checked and migrated at first use.

    Raises CatalogueError("catalogue.damaged", "catalogue.read_only", "catalogue.busy", "files.newer_format").
    """
    place = paths.catalogue_file()
    key = (threading.get_ident(), place)
    found = _open.get(key)
    if found is None:
        found = open_file(place)
        with _lock:
            _open[key] = found
    return found


def close() -> None:
    """Close every connection of this process; the next question opens a new one."""
    with _lock:
        held = list(_open.values())
        _open.clear()
    for one in held:
        one.close()


def open_file(place: Path) -> sqlite3.Connection:
    """Open one database file; raises what ``connection`` raises."""
    with sentences(place):
        try:
            made = _connect(place)
        except OSError as error:
            raise CatalogueError("catalogue.read_only", place, name=place.name) from error
        try:
            _prepare(made, place)
        except BaseException:
            made.close()
            raise
    return made


def _connect(place: Path) -> sqlite3.Connection:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        made = sqlite3.connect(place, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA schema_version")
    except (OSError, sqlite3.OperationalError):
        if not place.is_file():
            raise
        # A folder that cannot be written to: look, and change nothing.
        made = sqlite3.connect(f"{place.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    for setting in ("foreign_keys=ON", "synchronous=NORMAL", "temp_store=MEMORY", "cache_size=-8000"):
        made.execute(f"PRAGMA {setting}")
    return made


def scripts() -> list[tuple[int, str]]:
    """The migrations as (number, SQL), in order."""
    room = importlib.resources.files("tumordiff_core.catalogue.migrations")
    found = [(int(f.name[:4]), f.read_text("utf-8")) for f in room.iterdir() if f.name.endswith(".sql")]
    return sorted(found)


def _prepare(made: sqlite3.Connection, place: Path) -> None:
    steps = scripts()
    newest = steps[-1][0]
    version = format_of(made)
    if version > newest:
        raise CatalogueError("files.newer_format", place, name=place.name, found=version, expected=newest)
    if version == newest:
        _check_quickly(made)
        return
    if version:
        check(made)
        back_up(made, place, f"format-{version}")
    made.execute("PRAGMA journal_mode=WAL")
    for number, script in steps:
        if number > version:
            _migrate(made, number, script)


def format_of(made: sqlite3.Connection) -> int:
    """The format number that a database says it has; 0 for a new one."""
    return int(made.execute("PRAGMA user_version").fetchone()[0])


def _migrate(made: sqlite3.Connection, number: int, script: str) -> None:
    made.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        if format_of(made) < number:
            for statement in _statements(script):
                made.execute(statement)
            made.execute(f"PRAGMA user_version={number}")
            made.execute(f"PRAGMA application_id={APPLICATION_ID}")
        made.execute("COMMIT")
    except BaseException:
        made.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    gathered = ""
    for line in script.splitlines():
        gathered += line + "\n"
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""


def _check_quickly(made: sqlite3.Connection) -> None:
    """What can be seen at once: every table answers and no page list is broken."""
    for (name,) in made.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
        made.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()


def check(made: sqlite3.Connection) -> None:
    """Read every page; raises CatalogueError("catalogue.damaged")."""
    found = made.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def back_up(made: sqlite3.Connection, place: Path, why: str) -> Path:
    """Copy the database whole into ``backups`` and keep the newest few; returns the copy."""
    folder = place.parent / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    files.require_space(folder, place.stat().st_size)
    target = folder / f"catalogue-{datetime.now(UTC):%Y%m%d-%H%M%S}-{why}.sqlite"
    partial = target.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    copy = sqlite3.connect(partial)
    try:
        made.backup(copy)
    finally:
        copy.close()
    files.rename(partial, target)
    for old in sorted(folder.glob("catalogue-*.sqlite"))[:-KEPT_BACKUPS]:
        old.unlink()
    return target


def set_aside() -> Path | None:
    """Move a damaged catalogue into ``backups`` and start an empty one with the reader's edits, where they can be read.

    Returns the file set aside, or ``None`` where the catalogue is sound.
    """
    place = paths.catalogue_file()
    try:
        with sentences(place):
            check(connection())
        return None
    except CatalogueError as error:
        if error.code != "catalogue.damaged":
            raise
    close()
    folder = place.parent / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}.sqlite"
    files.rename(place, aside)
    for rest in ("-wal", "-shm"):
        place.with_name(place.name + rest).unlink(missing_ok=True)
    _bring_back_edits([aside, *sorted(folder.glob("catalogue-*.sqlite"), reverse=True)])
    return aside


def _bring_back_edits(sources: list[Path]) -> None:
    for source in sources:
        try:
            old = sqlite3.connect(f"{source.as_uri()}?mode=ro&immutable=1", uri=True)
            try:
                rows = {name: old.execute(f"SELECT * FROM {name}").fetchall() for name in EDITS}
            finally:
                old.close()
        except sqlite3.Error:
            continue
        with writing() as made:
            for name, found in rows.items():
                if found:
                    marks = ",".join("?" * len(found[0]))
                    made.executemany(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", found)
        return


@contextmanager
def reading() -> Iterator[sqlite3.Connection]:
    """The connection for a question; what SQLite cannot do leaves as a sentence."""
    with sentences(paths.catalogue_file()):
        yield connection()


@contextmanager
def writing() -> Iterator[sqlite3.Connection]:
    """A transaction: kept whole when the block ends, undone when it raises.

    Raises CatalogueError("catalogue.read_only", "catalogue.busy", "catalogue.damaged"),
    SpaceError("files.no_space").
    """
    with sentences(paths.catalogue_file()):
        made = connection()
        made.execute("BEGIN IMMEDIATE")
        try:
            yield made
            made.execute("COMMIT")
        except BaseException:
            if made.in_transaction:
                made.execute("ROLLBACK")
            raise


@contextmanager
def sentences(place: Path) -> Iterator[None]:
    """Turn faults of SQLite into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise (_as_sentence(error, place) or error) from error


def _as_sentence(error: sqlite3.DatabaseError, place: Path) -> TumorDiffError | None:
    """Our error for what a disk or another program did; ``None`` for what can only be our own mistake."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = sqlite3.SQLITE_CORRUPT if code is None and type(error) is sqlite3.DatabaseError else (code or 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return SpaceError("files.no_space", place, free_mb=files.free_mb(place), needed_mb="more")
    if primary in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return CatalogueError("catalogue.read_only", place, name=place.name)
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return CatalogueError("catalogue.busy", place)
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}:
        return CatalogueError("catalogue.damaged", place, name=place.name)
    return None


def now() -> str:
    """The time as the catalogue writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
