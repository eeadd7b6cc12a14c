"""Ask the collection what the series of a study are, and write down roles, phases and what the study records."""

import json
import sqlite3
from collections.abc import Sequence

from tumordiff_core.catalogue import stored
from tumordiff_core.catalogue.queries import pack, place_in_row
from tumordiff_core.dicom import order
from tumordiff_core.dicom import study as studies
from tumordiff_core.dicom.stack import phase_labels, place_of
from tumordiff_core.errors import InputError
from tumordiff_core.plugins.specs import Dynamic, Header, SeriesRecord, StudyRecord

MOST_PARTS = 64
_NO_STACK = {"seg", "report"}


def enter(made: sqlite3.Connection, row: int, one: StudyRecord, meaning: studies.Meaning) -> None:
    """Write what a collection says about a study (row id) over what was there."""
    made.execute("DELETE FROM dynamics WHERE study=?", (row,))
    rows = dict(made.execute("SELECT uid, id FROM series WHERE study=?", (row,)).fetchall())
    made.executemany("DELETE FROM phases WHERE series=?", [(series,) for series in rows.values()])
    leading: dict[str, Dynamic] = {}
    for dynamic in meaning.dynamics:
        if dynamic.series_uids and dynamic.series_uids[0] in rows:
            leading.setdefault(dynamic.series_uids[0], dynamic)
            _enter_dynamic(made, row, one, dynamic, rows)
    members = {uid: d for d in meaning.dynamics for uid in d.series_uids}
    for series in one.series:
        role = meaning.roles.get(series.uid, "other")
        remark = leading[series.uid].remark if series.uid in leading else ""
        if series.uid not in leading and role not in _NO_STACK:
            remark = _enter_plain(made, rows[series.uid], series, members.get(series.uid))
        made.execute("UPDATE series SET role=?, remark=? WHERE id=?", (role, remark, rows[series.uid]))
    recorded = None if meaning.recorded is None else stored.recorded_to(meaning.recorded)
    made.execute("UPDATE studies SET recorded=?, dirty=0 WHERE id=?", (recorded, row))


def _enter_dynamic(
    made: sqlite3.Connection, row: int, one: StudyRecord, dynamic: Dynamic, rows: dict[str, int]
) -> None:
    rows_of = {place_of(h): placed(h) for s in one.series if s.uid in dynamic.series_uids for h in s.headers}
    entered = made.execute(
        "INSERT INTO dynamics (study, series_uids, early, late, complete, remark) VALUES (?, ?, ?, ?, ?, ?)",
        (row, json.dumps(dynamic.series_uids), dynamic.early, dynamic.late, int(dynamic.complete), dynamic.remark),
    ).lastrowid
    labels = phase_labels([phase.effective_s for phase in dynamic.phases])
    for number, (phase, label) in enumerate(zip(dynamic.phases, labels, strict=True)):
        ids = [rows_of[place] for place in phase.places if place in rows_of]
        made.execute(
            "INSERT OR REPLACE INTO phases VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (rows[dynamic.series_uids[0]], number, label, len(ids), phase.start_s, phase.effective_s, entered,
             pack(ids)),
        )  # fmt: skip


def _enter_plain(made: sqlite3.Connection, row: int, series: SeriesRecord, member: Dynamic | None) -> str:
    """Phases of a series that leads no dynamic acquisition: one for each stack in it; returns its remark."""
    parts = order.order_series(series.headers)
    stacks = [slices for part in parts for slices in part.phases][:MOST_PARTS]
    remark = _remark(parts)
    labels: Sequence[str] = part_labels(parts)[:MOST_PARTS]
    times: list[tuple[float | None, float | None]] = [(None, None)] * len(stacks)
    if member is not None:
        labels, times = _as_in(member, stacks)
    made.executemany(
        "INSERT OR REPLACE INTO phases VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
        [(row, n, label, len(slices), *time, pack(placed(h) for h in slices))
         for n, (slices, label, time) in enumerate(zip(stacks, labels, times, strict=True))],
    )  # fmt: skip
    return remark


def _remark(parts: Sequence[order.Ordered]) -> str:
    """What is odd about the stacks of a series, each sentence once."""
    said = [part.remark for part in parts if part.remark]
    count = sum(len(part.phases) for part in parts)
    if len(parts) > 1:
        said.insert(0, InputError("series.parts", count=len(parts)).sentence)
    if count > MOST_PARTS:
        said.append(InputError("series.many_parts", count=count, listed=MOST_PARTS).sentence)
    return " ".join(dict.fromkeys(said))


def part_labels(parts: Sequence[order.Ordered]) -> list[str]:
    """A name for each stack: number and plane of its part, and which of the stacks at one place it is."""
    if sum(len(part.phases) for part in parts) < 2:
        return [""] * len(parts)
    names = []
    for number, part in enumerate(parts, 1):
        plane = order.grid(part.phases[0]).plane if part.positioned else ""
        name = f"part {number} {plane}".strip() if len(parts) > 1 else "part"
        several = len(part.phases) > 1
        names += [f"{name} {n}" if len(parts) == 1 else f"{name}, {n}" if several else name
                  for n in range(1, len(part.phases) + 1)]  # fmt: skip
    return names


def _as_in(
    member: Dynamic, stacks: Sequence[Sequence[Header]]
) -> tuple[list[str], list[tuple[float | None, float | None]]]:
    """Labels and times of stacks that are phases of an acquisition led by another series."""
    named = phase_labels([phase.effective_s for phase in member.phases])
    labels, times = [], []
    for slices in stacks:
        place = place_of(slices[0])
        phase = next((p for p in member.phases if place in p.places), None)
        labels.append("" if phase is None else named[phase.index])
        times.append((None, None) if phase is None else (phase.start_s, phase.effective_s))
    return labels, times


def placed(header: Header) -> int:
    """The row of a header's file, with the piece of it that the header describes."""
    return place_in_row(int(header["row"]), place_of(header)[1])
