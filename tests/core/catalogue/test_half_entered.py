"""A window that asks while an import is entering its first batch."""

from pathlib import Path

from tumordiff_core.catalogue import database, queries


def test_a_patient_that_is_still_being_entered_is_not_listed_yet(home: Path):
    with database.writing() as made:
        made.execute("INSERT INTO patients (patient_id) VALUES ('half')")
    assert queries.tree() == [] and queries.patient("half") is None
