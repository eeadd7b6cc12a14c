"""Offer a workbook or table to every collection and keep the clinical facts that they find in it."""

import json
from pathlib import Path

from tumordiff_core.catalogue import database, listing
from tumordiff_core.errors import InputError
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.specs import Fact

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv", ".ods")


def is_table(path: Path) -> bool:
    """Whether a file may be a clinical table, by its name."""
    return path.suffix.lower() in SUFFIXES


def enter(path: Path) -> list[Fact]:
    """The facts of a table, kept in the catalogue; a later table wins over an earlier one, fact by fact.

    Raises InputError("index.unknown_table") where no collection finds anything in it.
    """
    found = [fact for collection in manager.collections() for fact in _ask(collection.name, collection.clinical, path)]
    if not found:
        raise InputError("index.unknown_table", path, name=path.name)
    rows = [(f.patient_id, f.name, json.dumps(f.value), f.unit, f.source or path.name) for f in found]
    with database.writing() as made:
        made.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", rows)
        for patient_id in dict.fromkeys(f.patient_id for f in found):
            row = made.execute("SELECT id FROM patients WHERE patient_id=?", (patient_id,)).fetchone()
            if row is not None:
                # Facts may name visits (diameters) and rules, so everything of the patient is asked for again.
                made.execute("UPDATE studies SET dirty=1 WHERE patient=?", row)
                made.execute("UPDATE patients SET dirty=1 WHERE id=?", row)
                listing.refresh(made, row[0])
    return found


def _ask(name: str, dotted: str, path: Path) -> list[Fact]:
    try:
        return list(manager.load(dotted)(path))
    except Exception:
        # A collection that stumbles over a table that is not its own must not keep others from it.
        manager.door().fail(name, "clinical raised")
        return []
