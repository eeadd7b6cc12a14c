"""Headers become study records, and a known collection says what they mean: roles, phases, what was recorded."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tumordiff_core.plugins import manager
from tumordiff_core.plugins.specs import (
    Collection,
    Dynamic,
    Header,
    PatientRecord,
    Recorded,
    Role,
    SeriesRecord,
    StudyRecord,
    TimePoint,
)

LAST_ASKED = "generic"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_REPORTS = {"SR", "KO", "PR", "DOC"}
_WORDS: tuple[tuple[Role, str], ...] = (
    ("diffusion", r"diffusion|dwi|dwss|\badc\b|ep2d"),
    ("reformat", r"\bmpr\b|\bmip\b|\bpjn\b|_sub\b|subtract|reformat|bind\(|\)[-+]\("),
    ("localizer", r"loc\b|locator|locali[sz]er|scout|survey|3-?pl\b"),
    ("t2", r"\bt2\b|t2[-_ ]|fset2|tset2|stir"),
)


@dataclass(frozen=True)
class Meaning:
    """What a collection says about one study."""

    collection: str
    roles: Mapping[str, Role]
    dynamics: tuple[Dynamic, ...] = ()
    recorded: Recorded | None = None
    failures: tuple[str, ...] = field(default=())


def records(headers: Iterable[Header]) -> list[StudyRecord]:
    """Study records of headers, series sorted by number; a study's date is the one most of its files have."""
    studies: dict[tuple[str, str], dict[str, list[Header]]] = defaultdict(lambda: defaultdict(list))
    for header in headers:
        owner = (str(header["StudyInstanceUID"]), str(header.get("PatientID", "")))
        studies[owner][str(header["SeriesInstanceUID"])].append(header)
    return [study_record(uid, patient, series) for (uid, patient), series in studies.items()]


def study_record(uid: str, patient_id: str, series: Mapping[str, Sequence[Header]]) -> StudyRecord:
    """One study from the headers of its series."""
    found = [_series(name, files) for name, files in series.items()]
    found.sort(key=lambda s: (s.number is None, s.number or 0, s.uid))
    return StudyRecord(uid, patient_id, _date(found), tuple(found))


def _series(uid: str, files: Sequence[Header]) -> SeriesRecord:
    first = files[0]
    number = first.get("SeriesNumber")
    return SeriesRecord(
        uid, number if isinstance(number, int) else None, _line(first.get("SeriesDescription")),
        str(first.get("Modality", "")), tuple(files),
    )  # fmt: skip


def _line(text: object) -> str:
    return " ".join(str(part) for part in text) if isinstance(text, tuple) else str(text or "")


def parse_date(text: object) -> date | None:
    """A DICOM date, ``None`` where it is missing or not one."""
    digits = str(text or "").replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _date(series: Sequence[SeriesRecord]) -> date | None:
    votes: dict[date, int] = defaultdict(int)
    for one in series:
        found = parse_date(one.headers[0].get("StudyDate"))
        if found is not None:
            votes[found] += 1
    return max(votes, key=lambda d: (votes[d], d)) if votes else None


def role_by_tags(series: SeriesRecord) -> Role:
    """What a series is, from its tags first and its description second; ``other`` where neither tells.

    A collection that knows more overrides this. ``dynamic`` is never said here: it needs the phases.
    """
    first = series.headers[0]
    kind = tuple(str(k).upper() for k in _parts(first.get("ImageType")))
    if first.get("SOPClassUID") == SEGMENTATION or series.modality == "SEG":
        return "seg"
    if series.modality in _REPORTS:
        return "report"
    if str(first.get("SyntheticData", "")).upper() == "YES" and "DERIVED" not in kind:
        return "synthetic" if series.modality != "MR" else _by_words(series)
    if "SER" in kind[2:]:
        return "ser_map"
    if "PE" in kind[2:] or "PE1" in kind[2:] or "PE2" in kind[2:]:
        return "pe_map"
    if {"SUBTRACTION", "MPR", "PROJECTION IMAGE", "MIP"} & set(kind):
        return "reformat"
    if kind[:1] == ("DERIVED",) and _by_words(series) == "other":
        return "derived"
    return _by_words(series)


def _by_words(series: SeriesRecord) -> Role:
    text = series.description.lower()
    for role, pattern in _WORDS:
        if re.search(pattern, text):
            return role
    if len({tuple(h.get("ImageOrientationPatient", ())) for h in series.headers}) == 3 and len(series.headers) < 60:
        return "localizer"
    return "other"


def _parts(found: object) -> tuple[object, ...]:
    return found if isinstance(found, tuple) else () if found is None else (found,)


def collection_for(study: StudyRecord) -> Collection:
    """The collection that claims a study; the generic one is asked last."""
    header = study.series[0].headers[0]
    known = sorted(manager.collections(), key=lambda c: c.name == LAST_ASKED)
    for collection in known:
        try:
            if manager.load(collection.claims)(header):
                return collection
        except Exception:
            # A stranger's mistake must not stop an import.
            manager.door().fail(collection.name, "claims raised")
    return known[-1]


def meaning(study: StudyRecord) -> Meaning:
    """Roles, dynamic series and recorded analysis of one study; what a plugin gets wrong becomes a failure."""
    collection = collection_for(study)
    failures: list[str] = []

    def ask(what: str, dotted: str, otherwise: object) -> object:
        try:
            return manager.load(dotted)(study)
        except Exception:
            # As above; the study stays listed without this part.
            manager.door().fail(collection.name, f"{what} raised")
            failures.append(what)
            return otherwise

    roles = ask("roles", collection.roles, {s.uid: role_by_tags(s) for s in study.series})
    dynamics = ask("phases", collection.phases, [])
    recorded = ask("recorded", collection.recorded, None)
    return Meaning(collection.name, roles, tuple(dynamics), recorded, tuple(failures))  # type: ignore[arg-type]


def time_points(patient: PatientRecord) -> list[TimePoint]:
    """When each study of a patient was made, as its collection says."""
    collection = collection_for(patient.studies[0])
    try:
        return list(manager.load(collection.time_points)(patient))
    except Exception:
        # As above.
        manager.door().fail(collection.name, "time_points raised")
        return []
