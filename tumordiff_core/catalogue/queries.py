"""What may be asked of the catalogue; every answer is made of the records in ``nodes.py`` and takes milliseconds.

It imports nothing heavy: the window calls it in its own thread.
"""

import array
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tumordiff_core import paths
from tumordiff_core.catalogue import database, listing, nodes, stored
from tumordiff_core.catalogue import results as known_results
from tumordiff_core.catalogue.nodes import FileRow, PatientNode, PhaseNode, ResultNode, SeriesNode, SkipNode, VisitNode
from tumordiff_core.errors import CatalogueError, InputError, MissingError
from tumordiff_core.plugins.specs import WHOLE, Dynamic, Phase, Recorded

__all__ = [
    "FileRow", "PatientNode", "PhaseNode", "ResultNode", "SeriesNode", "SkipNode", "VisitNode", "doubts", "dynamic",
    "files_of", "patient", "phase_files", "recorded", "results", "roots", "series", "skipped", "totals", "tree",
    "visit",
]  # fmt: skip

LOOK_AGAIN_S = 5.0
PIECE_SHIFT = 40
_known: dict[tuple[Path, str], PatientNode] = {}
_scanned: set[Path] = set()
_away: dict[Path, tuple[float, frozenset[int]]] = {}


def tree(search: str = "") -> list[PatientNode]:
    """All patients, or those that a search finds (``listing.terms`` says how), by identifier."""
    wanted = listing.terms(search)
    where = " AND ".join("instr(words, ?) > 0" for _ in wanted) or "1"
    with database.reading() as made:
        rows = made.execute(f"SELECT id, patient_id, version FROM patients WHERE {where} ORDER BY patient_id", wanted)
        return _patients(rows.fetchall())


def patient(patient_id: str) -> PatientNode | None:
    """One patient by identifier, ``None`` where it is not in the catalogue."""
    with database.reading() as made:
        rows = made.execute("SELECT id, patient_id, version FROM patients WHERE patient_id=?", (patient_id,)).fetchall()
        found = _patients(rows)
    return found[0] if found else None


def _patients(rows: Sequence[tuple[int, str, int]]) -> list[PatientNode]:
    """Nodes of (row id, identifier, version), from memory where the version and the disks are as they were."""
    place, away = paths.catalogue_file(), missing_roots()
    found: dict[str, PatientNode] = {}
    fresh = []
    for row, patient_id, version in rows:
        node = _known.get((place, patient_id))
        if node is not None and node._state() == (patient_id, version, away):
            found[patient_id] = node
        else:
            fresh.append(row)
    for patient_id, head, visits, version in _texts(fresh):
        node = nodes.patient(patient_id, head, visits, version, away)
        found[patient_id] = _known[place, patient_id] = node
    return [found[patient_id] for _, patient_id, _ in rows if patient_id in found]


def _texts(rows: list[int]) -> list[tuple[str, str, str, int]]:
    if not rows:
        return []
    made = database.connection()
    return made.execute(
        "SELECT patient_id, head, visits, version FROM patients WHERE id IN (SELECT value FROM json_each(?))"
        " AND head <> '{}'",  # a patient whose first batch is still being entered has no texts yet
        (json.dumps(rows),),
    ).fetchall()  # fmt: skip


def missing_roots() -> frozenset[int]:
    """Roots that cannot be reached now; looked at again after some seconds."""
    place, now = paths.catalogue_file(), time.monotonic()
    looked, found = _away.get(place, (-LOOK_AGAIN_S, frozenset()))
    if now - looked >= LOOK_AGAIN_S:
        rows = database.connection().execute("SELECT id, path FROM roots").fetchall()
        found = frozenset(row for row, path in rows if not os.path.lexists(stored.to_path(path)))
        _away[place] = (now, found)
    return found


def look_again() -> None:
    """Forget which disks were away and what was remembered of patients."""
    _away.clear()
    _known.clear()
    _scanned.clear()


def visit(study_uid: str) -> VisitNode:
    """One study; raises MissingError("catalogue.unknown")."""
    with database.reading() as made:
        row = made.execute(
            "SELECT p.id, p.patient_id, p.version FROM studies s JOIN patients p ON p.id = s.patient WHERE s.uid=?"
            " ORDER BY s.id", (study_uid,),
        ).fetchone()  # fmt: skip
        found = _patients([row]) if row else []
    for one in found:
        for node in one.visits:
            if node.study_uid == study_uid:
                return node
    raise MissingError("catalogue.unknown", kind="study", name=study_uid)


def series(uid: str) -> SeriesNode:
    """One series; raises MissingError("catalogue.unknown")."""
    with database.reading() as made:
        row = made.execute(
            "SELECT p.id, p.patient_id, p.version FROM series r JOIN studies s ON s.id = r.study"
            " JOIN patients p ON p.id = s.patient WHERE r.uid=? ORDER BY r.id", (uid,),
        ).fetchone()  # fmt: skip
        found = _patients([row]) if row else []
    for one in found:
        for node in (series for visit in one.visits for series in visit.series):
            if node.uid == uid:
                return node
    raise MissingError("catalogue.unknown", kind="series", name=uid)


def phase_files(series_uid: str, phase: int) -> list[FileRow]:
    """The files of one phase in slice order; empty where there is no such phase."""
    with database.reading() as made:
        row = made.execute(
            "SELECT p.files FROM series r JOIN phases p ON p.series = r.id WHERE r.uid=? AND p.number=? ORDER BY r.id",
            (series_uid, phase),
        ).fetchone()
        return [] if row is None else _reachable(unpack(row[0]), phase)


def files_of(series_uid: str) -> list[FileRow]:
    """All files of a series, phase by phase; of a dynamic acquisition over several series the files of all of them."""
    with database.reading() as made:
        row = made.execute("SELECT id FROM series WHERE uid=? ORDER BY id", (series_uid,)).fetchone()
        if row is None:
            raise MissingError("catalogue.unknown", kind="series", name=series_uid)
        leading = made.execute(
            "SELECT l.id FROM series r JOIN dynamics d ON d.study = r.study JOIN json_each(d.series_uids) j"
            " ON j.value = r.uid JOIN series l ON l.study = r.study AND l.uid = json_extract(d.series_uids, '$[0]')"
            " WHERE r.id=? ORDER BY json_array_length(d.series_uids) DESC", row,
        ).fetchone() or row  # fmt: skip
        packed = made.execute("SELECT number, files FROM phases WHERE series=? ORDER BY number", leading).fetchall()
        found = [file for number, ids in packed for file in _rows(unpack(ids), number)]
        if found:
            return found
        ids = [i for (i,) in made.execute("SELECT id FROM files WHERE series=? AND state=0 ORDER BY id", row)]
        return _rows(ids, 0)


def place_in_row(row: int, piece: int) -> int:
    """A row id with the number of a slice in its file (-1: the file is one slice) in the bits above it."""
    return row | (piece + 1) << PIECE_SHIFT


def _row_of(place: int) -> int:
    return place & ((1 << PIECE_SHIFT) - 1)


def _piece_of(place: int) -> int:
    return (place >> PIECE_SHIFT) - 1


def pack(ids: Iterable[int]) -> bytes:
    """Row ids, with pieces where files hold several slices, as little-endian int64."""
    made = array.array("q", ids)
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def unpack(packed: bytes) -> list[int]:
    """The ids that ``pack`` packed."""
    made = array.array("q", packed)
    if sys.byteorder == "big":
        made.byteswap()
    return made.tolist()


def _rows(places: Sequence[int], phase: int) -> list[FileRow]:
    made = database.connection()
    ids = [_row_of(place) for place in places]
    found = {row: (stored.join(folder, name), size, mtime_ns) for row, folder, name, size, mtime_ns
             in made.execute(
                 "SELECT f.id, d.path, f.name, f.size, f.mtime_ns FROM json_each(?) j JOIN files f ON f.id = j.value"
                 " JOIN folders d ON d.id = f.folder_id", (json.dumps(list(dict.fromkeys(ids))),))}  # fmt: skip
    kept = [place for place, row in zip(places, ids, strict=True) if row in found]
    return [FileRow(*found[_row_of(place)], phase, n, _piece_of(place)) for n, place in enumerate(kept)]


def _reachable(places: Sequence[int], phase: int) -> list[FileRow]:
    """The rows, or where the first is away and identical copies are not, those copies."""
    rows = _rows(places, phase)
    if not rows or rows[0].path.exists() or len(rows) != len(places):
        return rows
    made = database.connection()
    ids = {_row_of(place) for place in places}
    copies: dict[int, int] = dict(made.execute(
        "SELECT f.id, c.id FROM json_each(?) j JOIN files f ON f.id = j.value JOIN files c ON c.sop_key = f.sop_key"
        " WHERE c.state=2 AND c.gone=0", (json.dumps(sorted(ids)),),
    ).fetchall())  # fmt: skip
    if len(copies) != len(ids):
        return rows
    other = _rows([place_in_row(copies[_row_of(place)], _piece_of(place)) for place in places], phase)
    return other if len(other) == len(rows) and other[0].path.exists() else rows


def recorded(study_uid: str) -> Recorded | None:
    """What a study records about its own analysis, ``None`` where it records nothing."""
    with database.reading() as made:
        row = made.execute(
            "SELECT recorded FROM studies WHERE uid=? AND recorded IS NOT NULL ORDER BY id", (study_uid,)
        ).fetchone()
    return None if row is None else stored.recorded_from(row[0])


def dynamic(study_uid: str) -> Dynamic | None:
    """The dynamic acquisition of a study: the recorded source where one is named, else the one with most phases.

    What the reader corrected about early and late phase is in it.
    """
    found = dynamics(study_uid)
    if not found:
        return None
    named = recorded(study_uid)
    source = "" if named is None else named.source_series_uid
    return max(found, key=lambda d: (source in d.series_uids, d.complete, len(d.phases)))


def dynamics(study_uid: str) -> list[Dynamic]:
    """All dynamic acquisitions of a study."""
    with database.reading() as made:
        rows = made.execute(
            "SELECT d.id, d.series_uids, d.early, d.late, d.complete, d.remark FROM studies s"
            " JOIN dynamics d ON d.study = s.id WHERE s.uid=? ORDER BY d.id", (study_uid,),
        ).fetchall()  # fmt: skip
        return [_dynamic(*row) for row in rows]


def _dynamic(row: int, uids: str, early: int | None, late: int | None, complete: int, remark: str) -> Dynamic:
    made = database.connection()
    series_uids = tuple(json.loads(uids))
    edited = made.execute("SELECT early, late FROM edited_timings WHERE series_uid=?", series_uids[:1]).fetchone()
    if edited is not None:
        early, late = edited
    packed = made.execute(
        "SELECT p.number, p.start_s, p.effective_s, p.files FROM phases p JOIN series r ON r.id = p.series"
        " WHERE p.dynamic=? AND r.uid=? ORDER BY p.number", (row, series_uids[0]),
    ).fetchall()  # fmt: skip
    phases = tuple(_phase(number, unpack(ids), start, effective) for number, start, effective, ids in packed)
    return Dynamic(series_uids, phases, early, late, bool(complete), remark)


def _phase(number: int, places: Sequence[int], start_s: float | None, effective_s: float | None) -> Phase:
    paths = tuple(str(file.path) for file in _rows(places, number))
    pieces = tuple(_piece_of(place) for place in places)
    return Phase(
        number, paths, _sop_uids([_row_of(place) for place in places]), start_s, effective_s,
        pieces if set(pieces) != {WHOLE} and len(pieces) == len(paths) else (),
    )  # fmt: skip


def _sop_uids(ids: Sequence[int]) -> tuple[str, ...]:
    rows = dict(database.connection().execute(
        "SELECT f.id, coalesce(json_extract(f.own, '$.SOPInstanceUID'), json_extract(h.common, '$.SOPInstanceUID'))"
        " FROM json_each(?) j JOIN files f ON f.id = j.value JOIN heads h ON h.id = f.head",
        (json.dumps(list(dict.fromkeys(ids))),),
    ).fetchall())  # fmt: skip
    return tuple(str(rows[i]) for i in ids if i in rows)


def results(study_uid: str | None = None) -> list[ResultNode]:
    """Finished results, newest first: of one study, or all; those whose folder was deleted are left out."""
    _scan_results_once()
    where, values = ("1", ()) if study_uid is None else ("study_uid=?", (study_uid,))
    with database.reading() as made:
        rows = made.execute(
            "SELECT folder, job, kind, title, created, study_uid, series_uid, patient_id, status FROM results"
            f" WHERE {where} ORDER BY created DESC, folder DESC", values,
        ).fetchall()  # fmt: skip
    return [ResultNode(*row) for row in rows if Path(row[0]).is_dir()]


def _scan_results_once() -> None:
    """Enter what ended while nobody looked, at the first question of a process."""
    place = paths.catalogue_file()
    if place in _scanned:
        return
    _scanned.add(place)
    try:
        known_results.scan()
    except CatalogueError as error:
        # A catalogue that cannot be written to is shown as it is.
        if error.code not in {"catalogue.read_only", "catalogue.busy"}:
            raise


def skipped() -> list[SkipNode]:
    """Every file that was seen and is not in the catalogue, and why."""
    with database.reading() as made:
        rows = made.execute(
            "SELECT d.path, d.shown, f.name, k.code, k.sentence FROM skips k JOIN files f ON f.id = k.file"
            " JOIN folders d ON d.id = f.folder_id ORDER BY k.file"
        ).fetchall()
    return [SkipNode(stored.shown(folder, shown, name), code, sentence) for folder, shown, name, code, sentence in rows]


def doubts() -> list[SkipNode]:
    """What is in the catalogue and wrong all the same: studies that hold files of several patients, and whose."""
    with database.reading() as made:
        rows = made.execute(
            "SELECT s.uid, group_concat(p.patient_id, ', '), count(*) FROM studies s"
            " JOIN patients p ON p.id = s.patient GROUP BY s.uid HAVING count(*) > 1 ORDER BY s.uid"
        ).fetchall()
    return [
        SkipNode(f"{names}: {uid}", "study.several_patients",
                 InputError("study.several_patients", count=count).sentence)
        for uid, names, count in rows
    ]  # fmt: skip


def require_one_patient(study_uid: str) -> None:
    """Raise InputError("study.several_patients") for a study that holds files of several."""
    with database.reading() as made:
        (count,) = made.execute("SELECT count(*) FROM studies WHERE uid=?", (study_uid,)).fetchone()
    if count > 1:
        raise InputError("study.several_patients", count=count)


def totals() -> dict[str, int]:
    """How many files are indexed, identical copies, skipped, found and still to be read, and gone."""
    with database.reading() as made:
        by_state = dict(made.execute("SELECT state, count(*) FROM files WHERE gone=0 GROUP BY state").fetchall())
        (gone,) = made.execute("SELECT count(*) FROM files WHERE gone=1").fetchone()
        (waiting,) = made.execute("SELECT coalesce(sum(count), 0) FROM pending").fetchone()
    return {
        "indexed": by_state.get(0, 0), "copies": by_state.get(2, 0), "skipped": by_state.get(1, 0),
        "waiting": waiting, "gone": gone,
    }  # fmt: skip


def roots() -> list[dict[str, Any]]:
    """What was imported: path, kind, time, and whether it can be reached now."""
    away = missing_roots()
    with database.reading() as made:
        rows = made.execute("SELECT id, path, kind, imported FROM roots ORDER BY path").fetchall()
    return [
        {"path": stored.to_path(path), "kind": kind, "imported": imported, "present": row not in away}
        for row, path, kind, imported in rows
    ]
