"""The records that answers are made of: patient, visit, series, phase, file, result. Plain, and cheap to make."""

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class PhaseNode:
    """One phase that can be shown; ``effective_s`` is seconds after injection to the middle of its acquisition."""

    index: int
    label: str
    slices: int
    effective_s: float | None


@dataclass(frozen=True, slots=True)
class SeriesNode:
    """One series; ``present`` is False while none of its files can be reached.

    The first series of a dynamic acquisition has all its phases, each other series of it the phases of its own files.
    """

    uid: str
    number: int | None
    description: str
    modality: str
    role: str
    files: int
    phases: tuple[PhaseNode, ...]
    remark: str = ""
    present: bool = True


@dataclass(frozen=True, slots=True)
class VisitNode:
    """One study, as a visit of its patient; ``days`` since baseline, ``evidence`` how its label is known.

    ``remark`` says what is wrong with the study as a whole.
    """

    study_uid: str
    label: str
    days: int | None
    evidence: str
    study_date: date | None
    description: str
    series: tuple[SeriesNode, ...]
    remark: str = ""


@dataclass(frozen=True, repr=False, eq=False)
class PatientNode:
    """One patient; ``visits`` are made when first looked at, so that a list of hundreds costs little.

    Two nodes are equal when they are the same patient in the same state; ``repr`` tells the state, not the content.
    """

    patient_id: str
    collection: str
    sex: str
    age: str
    laterality: str
    visits: tuple[VisitNode, ...] = field(init=False)
    facts: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is not there yet: the visits, unpacked now and then kept.
        if name != "visits":
            raise AttributeError(name)
        packed, away, _ = object.__getattribute__(self, "_packed")
        made = tuple(_visit(one, away) for one in json.loads(packed))
        object.__setattr__(self, "visits", made)
        return made

    def _state(self) -> tuple[str, int, frozenset[int]]:
        _, away, version = object.__getattribute__(self, "_packed")
        return self.patient_id, version, away

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatientNode) and self._state() == other._state()

    def __hash__(self) -> int:
        return hash(self._state())

    def __repr__(self) -> str:
        patient_id, version, away = self._state()
        return f"PatientNode({patient_id!r}, state {version}, away {sorted(away)})"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One slice and its file as it was when it was read; ``slice`` and ``phase`` count from 0.

    ``piece`` is the slice's number in a file that holds several, -1 where the file is one slice.
    """

    path: Path
    size: int
    mtime_ns: int
    phase: int
    slice: int
    piece: int = -1


@dataclass(frozen=True, slots=True)
class ResultNode:
    """One finished result; ``status`` is a short remark such as ``"confirm"``, mostly empty."""

    folder: str
    job: str
    kind: str
    title: str
    created: str
    study_uid: str
    series_uid: str
    patient_id: str
    status: str


@dataclass(frozen=True, slots=True)
class SkipNode:
    """One file that is not in the catalogue, and why."""

    path: str
    code: str
    sentence: str


def patient(patient_id: str, head: str, visits: str, version: int, away: frozenset[int]) -> PatientNode:
    """A patient from its packed texts; ``away`` are the roots that cannot be reached."""
    collection, sex, age, laterality, facts = json.loads(head)
    made = PatientNode(patient_id, collection, sex, age, laterality, facts)
    object.__setattr__(made, "_packed", (visits, away, version))
    return made


def _visit(packed: list[Any], away: frozenset[int]) -> VisitNode:
    uid, label, days, evidence, study_date, description, series, *remark = packed
    made_on = date.fromisoformat(study_date) if study_date else None
    shown = tuple(_series(one, away) for one in series)
    return VisitNode(uid, label, days, evidence, made_on, description, shown, "".join(remark))


def _series(packed: list[Any], away: frozenset[int]) -> SeriesNode:
    uid, number, description, modality, role, files, phases, remark, gone, roots = packed
    present = not gone and not away.issuperset(roots)
    shown = tuple(PhaseNode(*phase) for phase in phases)
    return SeriesNode(uid, number, description, modality, role, files, shown, remark, present)
