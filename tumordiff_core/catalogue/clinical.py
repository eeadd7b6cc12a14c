"""Offer a workbook or table to every collection and keep the clinical facts that they find in it."""

import json
from pathlib import Path

from tumordiff_core.catalogue import database
from tumordiff_core.errors import InputError
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.specs import Fact

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv", ".ods")


def is_table(path: Path) -> bool:
    """Whether a file may be a clinical table, by its name."""
    return path.suffix.lower() in SUFFIXES


def enter(path: Path) -> list[Fact]:
    """The facts of a table, kept in the catalogue; a later table wins over an earlier one, fact by fact.

    A blank wins over nothing but a value of the same table: it is not known there, which is no news.

    Raises InputError("index.unknown_table") where no collection finds anything in it.
    """
    found = [fact for collection in manager.collections() for fact in _ask(collection.name, collection.clinical, path)]
    if not found:
        raise InputError("index.unknown_table", path, name=path.name)
    rows = {(f.patient_id, f.name): (json.dumps(f.value), f.unit, f.source or path.name) for f in found}
    with database.writing() as made:
        known = {row[:2]: row[2:] for row in made.execute("SELECT patient_id, name, value, unit, source FROM facts")}
        new = [(*key, *row) for key, row in rows.items() if _tells_more(known.get(key), row)]
        made.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", new)
        # Facts may tell when a visit was (diameters), so the time points are asked for again.
        patients = {(row[0],) for row in new}
        made.executemany("UPDATE patients SET dirty=1 WHERE patient_id=?", patients)
    return found


def _tells_more(known: tuple[str, str, str] | None, row: tuple[str, str, str]) -> bool:
    """Whether a fact (value as JSON, unit, source) is to be kept in place of what is known."""
    if known is None or known == row:
        return known is None
    return row[0] != "null" or known[0] == "null" or known[2] == row[2]


def _ask(name: str, dotted: str, path: Path) -> list[Fact]:
    try:
        return list(manager.load(dotted)(path))
    except Exception:
        # A collection that stumbles over a table that is not its own must not keep others from it.
        manager.door().fail(name, "clinical raised")
        return []
