"""Read studies and patients back from the database as the records that collections are asked with."""

import sqlite3
from collections import defaultdict
from dataclasses import replace
from typing import Any

from tumordiff_core.catalogue import stored
from tumordiff_core.dicom import frames
from tumordiff_core.dicom import study as studies
from tumordiff_core.plugins.specs import Fact, PatientRecord, StudyRecord


def patient_record(made: sqlite3.Connection, patient: int) -> tuple[PatientRecord, dict[int, StudyRecord]]:
    """A patient (row id) with all headers and facts known so far, and its studies by row id.

    Every header also holds ``row``, the id of its file; a file of several slices has a header for each.
    Files that are gone count only where no other is left.
    """
    (patient_id,) = made.execute("SELECT patient_id FROM patients WHERE id=?", (patient,)).fetchone()
    facts = facts_of(made, patient_id)
    found: dict[int, StudyRecord] = {}
    for row, uid in made.execute("SELECT id, uid FROM studies WHERE patient=? ORDER BY id", (patient,)).fetchall():
        headers = _headers(made, row)
        if headers:
            found[row] = replace(studies.study_record(uid, patient_id, headers), facts=facts)
    return PatientRecord(patient_id, tuple(found.values()), facts), found


def _headers(made: sqlite3.Connection, study: int) -> dict[str, list[dict[str, Any]]]:
    heads = {
        row: stored.unpack_header(common) for row, common in
        made.execute("SELECT h.id, h.common FROM series r JOIN heads h ON h.series = r.id WHERE r.study=?", (study,))
    }  # fmt: skip
    here: dict[str, list[dict[str, Any]]] = defaultdict(list)
    gone: dict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = made.execute(
        "SELECT r.uid, f.id, f.head, f.own, f.size, f.mtime_ns, f.gone, f.name, d.path FROM series r"
        " JOIN files f ON f.series = r.id JOIN folders d ON d.id = f.folder_id"
        " WHERE r.study=? AND f.state=0 ORDER BY r.id, f.id", (study,),
    )  # fmt: skip
    for uid, row, head, own, size, mtime_ns, away, name, folder in rows:
        path = stored.text_path(folder, name)
        header = {**heads[head], **stored.unpack_header(own), "path": path, "size": size, "mtime_ns": mtime_ns}
        header["row"] = row
        (gone if away else here)[uid] += frames.listed(header)  # type: ignore[arg-type]
    return {**gone, **here}


def facts_of(made: sqlite3.Connection, patient_id: str) -> tuple[Fact, ...]:
    """The clinical facts of one patient."""
    rows = made.execute(
        "SELECT name, json_extract(value, '$'), unit, source FROM facts WHERE patient_id=? ORDER BY name", (patient_id,)
    )
    return tuple(Fact(patient_id, name, value, unit, source) for name, value, unit, source in rows)
