"""Keeps ready what lists and searches show of a patient, so that a question is one read and no computing."""

import json
import sqlite3
from collections import defaultdict
from typing import Any

from tumordiff_core.catalogue.protocols import missing_visits
from tumordiff_core.errors import InputError

EDITED = "edited"
_SIDES = {"L": "left", "R": "right"}


def refresh(made: sqlite3.Connection, patient: int) -> None:
    """Write the ready-made texts of one patient (row id) anew; a patient without studies is removed."""
    row = made.execute(
        "SELECT patient_id, collection, sex, age, laterality FROM patients WHERE id=?", (patient,)
    ).fetchone()
    if row is None:
        return
    visits = _visits(made, patient)
    if not visits:
        made.execute("DELETE FROM patients WHERE id=?", (patient,))
        return
    patient_id, collection, sex, age, side = row
    facts = {
        name: json.loads(value) for name, value in
        made.execute("SELECT name, value FROM facts WHERE patient_id=? ORDER BY name", (patient_id,))
    }  # fmt: skip
    words = _words(made, patient, (patient_id, collection, sex, age, side), visits, facts)
    made.execute(
        "UPDATE patients SET head=?, visits=?, words=?, version=version+1 WHERE id=?",
        (_dump([collection, sex, age, side, facts]), _dump(visits), words, patient),
    )


def _dump(record: Any) -> str:
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"))


def _visits(made: sqlite3.Connection, patient: int) -> list[list[Any]]:
    series = _series(made, patient)
    edits = dict(made.execute(
        "SELECT s.uid, json_array(e.label, e.days) FROM studies s JOIN edited_time_points e ON e.study_uid = s.uid"
        " WHERE s.patient=?", (patient,),
    ).fetchall())  # fmt: skip
    shared = dict(made.execute(
        "SELECT s.uid, count(*) FROM studies s JOIN studies o ON o.uid = s.uid WHERE s.patient=? GROUP BY s.id"
        " HAVING count(*) > 1", (patient,),
    ).fetchall())  # fmt: skip
    found = []
    rows = made.execute(
        "SELECT id, uid, label, days, evidence, study_date, description FROM studies WHERE patient=?"
        " ORDER BY study_date IS NULL, study_date, uid", (patient,),
    )  # fmt: skip
    for study, uid, label, days, evidence, study_date, description in rows:
        if uid in edits:
            (label, days), evidence = json.loads(edits[uid]), EDITED
        remark = InputError("study.several_patients", count=shared[uid]).sentence if uid in shared else ""
        found.append([uid, label, days, evidence, study_date, description, series.get(study, []), remark])
    return found


def _series(made: sqlite3.Connection, patient: int) -> dict[int, list[list[Any]]]:
    """Packed series by study row, in the order of their numbers; a report comes last."""
    phases = defaultdict(list)
    for series, *rest in made.execute(
        "SELECT p.series, p.number, p.label, p.slices, p.effective_s FROM studies s JOIN series r ON r.study = s.id"
        " JOIN phases p ON p.series = r.id WHERE s.patient=? ORDER BY p.series, p.number", (patient,),
    ):  # fmt: skip
        phases[series].append(rest)
    # What asks for a series by its UID gets the first one of it: another's must never pass for it.
    doubles = {row for (row,) in made.execute(
        "SELECT r.id FROM studies s JOIN series r ON r.study = s.id WHERE s.patient=? AND EXISTS"
        " (SELECT 1 FROM series o WHERE o.uid = r.uid AND o.id < r.id)", (patient,),
    )}  # fmt: skip
    found: dict[int, list[list[Any]]] = defaultdict(list)
    rows = made.execute(
        "SELECT r.id, r.study, r.uid, r.number, r.description, r.modality, r.role, r.files, r.remark, r.gone, r.roots"
        " FROM studies s JOIN series r ON r.study = s.id WHERE s.patient=?"
        " ORDER BY r.role = 'report', r.number IS NULL, r.number, r.uid", (patient,),
    )  # fmt: skip
    for series, study, uid, number, description, modality, role, files, remark, gone, roots in rows:
        away = int(gone >= files)
        if series in doubles:
            phases[series], remark = [], InputError("series.shared_uid").sentence
        found[study].append([
            uid, number, description, modality, role, files, phases.get(series, []), remark, away, json.loads(roots)
        ])  # fmt: skip
    return found


def _words(
    made: sqlite3.Connection, patient: int, who: tuple[str, ...], visits: list[list[Any]], facts: dict[str, Any]
) -> str:
    """Lines that a search looks through: plain values, and ``name:value`` for what has a name."""
    patient_id, collection, sex, age, side = who
    lines = [patient_id, collection, f"collection:{collection}", f"sex:{sex}", f"age:{age.strip('Yy').lstrip('0')}"]
    if side:
        lines.append(f"side:{_SIDES.get(side, side)}")
    labels = {visit[1] for visit in visits}
    lines += [f"missing:{label}" for label in missing_visits(collection, labels)]
    for visit in visits:
        lines += [str(visit[1]), str(visit[4] or ""), str(visit[5])]
        for one in visit[6]:
            lines += [one[2], f"has:{one[4]}", f"modality:{one[3]}"]
    vendors = made.execute(
        "SELECT DISTINCT r.vendor FROM studies s JOIN series r ON r.study = s.id WHERE s.patient=?", (patient,)
    )
    lines += [f"vendor:{vendor}" for (vendor,) in vendors if vendor]
    results = made.execute(
        "SELECT DISTINCT t.kind FROM results t JOIN studies s ON s.uid = t.study_uid WHERE s.patient=?", (patient,)
    )
    lines += [f"result:{kind}" for (kind,) in results]
    for name, value in facts.items():
        lines.append(f"{name}:{value}")
        if value in (0, 1):
            lines.append(f"{name}:{'yes' if value else 'no'}")
    return "\n".join(dict.fromkeys(line.casefold() for line in lines if line))


def terms(search: str) -> list[str]:
    """The lines that a patient must have for a search as the reader typed it.

    Every word must occur somewhere; words in double quotes are taken together. ``name:value`` asks for a named
    value: ``vendor:ge``, ``subtype:"hr+ her2-"``, ``side:left``, ``has:ser_map``, ``result:denoised``. Written as one
    says them: ``missing T3``, ``pcr`` or ``pcr yes``, ``no pcr`` or ``non-pcr``.
    """
    words = _split(search.casefold())
    found: list[str] = []
    place = 0
    while place < len(words):
        word, after = words[place], words[place + 1] if place + 1 < len(words) else ""
        if word == "missing" and after:
            found.append(f"missing:{after}")
            place += 1
        elif word == "pcr" and after in {"yes", "no"}:
            found.append(f"pcr:{after}")
            place += 1
        elif word in {"no", "non"} and after == "pcr":
            found.append("pcr:no")
            place += 1
        elif word in {"non-pcr", "no-pcr"}:
            found.append("pcr:no")
        elif word == "pcr":
            found.append("pcr:yes")
        else:
            found.append(word)
        place += 1
    return found


def _split(text: str) -> list[str]:
    words, inside, word = [], False, ""
    for character in text:
        if character == '"':
            inside = not inside
        elif character.isspace() and not inside:
            words.append(word)
            word = ""
        else:
            word += character
    return [w for w in [*words, word] if w]
