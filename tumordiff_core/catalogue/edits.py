"""What the reader corrects: time points and the choice of phases. Each row has a version; each change can be undone.

It imports nothing heavy: the window calls it in its own thread.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

from tumordiff_core.catalogue import database, listing
from tumordiff_core.errors import CatalogueError, MissingError


@dataclass(frozen=True)
class Before:
    """What was there before a change, and the version that the change made; ``row`` is ``None`` for no edit."""

    table: str
    key: str
    row: tuple[Any, ...] | None
    version: int


def set_time_point(study_uid: str, label: str, days: int | None, *, seen: int | None = None) -> Before:
    """Correct a visit's label and its days since baseline; returns what was there before, for undoing.

    Parameters
    ----------
    seen : the version that the reader saw (``version_of``); another one there now refuses the change

    Raises
    ------
    MissingError("catalogue.unknown"), CatalogueError("catalogue.overtaken", "catalogue.read_only")
    """
    return _set("edited_time_points", "study_uid", study_uid, (label, days), seen)


def restore_time_point(before: Before) -> None:
    """Undo ``set_time_point``; raises CatalogueError("catalogue.overtaken") where someone changed it since."""
    _restore(before)


def set_timing(series_uid: str, early: int | None, late: int | None, *, seen: int | None = None) -> Before:
    """Choose early and late phase of the dynamic acquisition that begins with a series; raises as above."""
    return _set("edited_timings", "series_uid", series_uid, (early, late), seen)


def restore_timing(before: Before) -> None:
    """Undo ``set_timing``; raises CatalogueError("catalogue.overtaken")."""
    _restore(before)


def version_of(study_uid: str) -> int:
    """The version of a study's corrected time point; 0 where nothing was corrected yet."""
    with database.reading() as made:
        row = made.execute("SELECT version FROM edited_time_points WHERE study_uid=?", (study_uid,)).fetchone()
    return 0 if row is None else int(row[0])


_COLUMNS = {"edited_time_points": ("study_uid", "label", "days"), "edited_timings": ("series_uid", "early", "late")}
_OWNERS = {
    "edited_time_points": "SELECT patient FROM studies WHERE uid=?",
    "edited_timings": "SELECT s.patient FROM series r JOIN studies s ON s.id = r.study WHERE r.uid=?",
}


def _set(table: str, kind: str, key: str, values: tuple[Any, ...], seen: int | None) -> Before:
    with database.writing() as made:
        patients = [patient for (patient,) in made.execute(_OWNERS[table], (key,))]
        if not patients:
            raise MissingError("catalogue.unknown", kind=kind.removesuffix("_uid"), name=key)
        row = _row(made, table, key)
        version = 0 if row is None else row[-1]
        if seen is not None and seen != version:
            raise CatalogueError("catalogue.overtaken")
        _write(made, table, key, values, version + 1)
        for patient in patients:
            listing.refresh(made, patient)
    return Before(table, key, None if row is None else row[:-1], version + 1)


def _restore(before: Before) -> None:
    with database.writing() as made:
        row = _row(made, before.table, before.key)
        if row is None or row[-1] != before.version:
            raise CatalogueError("catalogue.overtaken")
        if before.row is None:
            made.execute(f"DELETE FROM {before.table} WHERE {_COLUMNS[before.table][0]}=?", (before.key,))
        else:
            _write(made, before.table, before.key, before.row, before.version - 1)
        for (patient,) in made.execute(_OWNERS[before.table], (before.key,)).fetchall():
            listing.refresh(made, patient)


def _row(made: sqlite3.Connection, table: str, key: str) -> tuple[Any, ...] | None:
    name, first, second = _COLUMNS[table]
    found: tuple[Any, ...] | None = made.execute(
        f"SELECT {first}, {second}, version FROM {table} WHERE {name}=?", (key,)
    ).fetchone()
    return found


def _write(made: sqlite3.Connection, table: str, key: str, values: tuple[Any, ...], version: int) -> None:
    made.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)", (key, *values, version, database.now()))
