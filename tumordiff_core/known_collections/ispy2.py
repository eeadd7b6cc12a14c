"""I-SPY 2 and its imaging trial ACRIN 6698: clinical tables and time points; phases by repeated positions.

The trial counts its visits T0..T3, which are T1..T4 of I-SPY 1: before treatment, after about three weeks, between
the regimens, before surgery.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tumordiff_core.dicom import phases as acquisition
from tumordiff_core.errors import InputError
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import (
    Collection,
    Dynamic,
    Fact,
    Header,
    PatientRecord,
    Recorded,
    Role,
    StudyRecord,
    TimePoint,
)

LABELS = ("T0", "T1", "T2", "T3")
PREFIXES = ("ISPY2-", "ACRIN-6698-")
PROTOCOLS = ("ISPY2", "ISPY 2", "ISPY-2", "I-SPY 2", "ACRIN 6698", "ACRIN-6698", "6698")
LARGEST_TABLE_BYTES = 50_000_000
WHOLE = ("hr", "her2", "mammaprint", "pcr")
COLUMNS: Mapping[str, tuple[str, str]] = {
    "ageatscreening": ("age", "years"), "race": ("race", ""), "ethnicity": ("ethnicity", ""),
    "menopausalstatus": ("menopausal_status", ""), "arm": ("arm", ""), "hr": ("hr", ""), "her2": ("her2", ""),
    "mp": ("mammaprint", ""), "pcr": ("pcr", ""),
    **{f"ftv{t.lower()}": (f"ftv_{t.lower()}", "cc") for t in LABELS},
    **{f"ldmm{t.lower()}": (f"mri_ld_{t.lower()}", "mm") for t in LABELS},
    **{f"sphericity{t.lower()}": (f"sphericity_{t.lower()}", "") for t in LABELS},
    **{f"bpe{t.lower()}": (f"bpe_{t.lower()}", "%") for t in LABELS},
}  # fmt: skip
"""Column name without case and punctuation -> fact and unit."""


@hookimpl
def register_collections() -> list[Collection]:
    """The collection of the I-SPY 2 trial."""
    room = "tumordiff_core.known_collections.ispy2"
    names = ("claims", "time_points", "roles", "phases", "recorded", "clinical")
    return [Collection("ispy2", "I-SPY 2 (ACRIN 6698)", *(f"{room}:{name}" for name in names))]


def claims(header: Header) -> bool:
    """Whether a file belongs to the trial: by patient id, else by protocol."""
    if str(header.get("PatientID", "")).upper().startswith(PREFIXES):
        return True
    return str(header.get("ClinicalTrialProtocolID", "")).strip().upper() in PROTOCOLS


def time_points(patient: PatientRecord) -> list[TimePoint]:
    """The trial's own codes; else T0..T3 by date where there are four visits; else visits in date order."""
    ordered = sorted(patient.studies, key=lambda s: (s.study_date is None, s.study_date or 0, s.uid))
    first = ordered[0].study_date
    days = sorted({s.study_date for s in ordered if s.study_date is not None})
    points = []
    for one in ordered:
        since = (one.study_date - first).days if one.study_date and first else None
        code = _code(one)
        if code:
            label, evidence = code, "trial tags"
        elif one.study_date is None:
            label, evidence = "?", "neither a date nor trial tags"
        elif len(days) == len(LABELS):
            label, evidence = LABELS[days.index(one.study_date)], "four visits, date order"
        else:
            label, evidence = f"V{days.index(one.study_date) + 1}", f"date order, {len(days)} of four visits"
        points.append(TimePoint(one.uid, label, since, evidence))
    return points


def _code(one: StudyRecord) -> str:
    for series in one.series:
        found = re.fullmatch(r"[TV]?([0-3])", str(series.headers[0].get("ClinicalTrialTimePointID") or "").strip())
        if found:
            return LABELS[int(found.group(1))]
    return ""


def roles(one: StudyRecord) -> dict[str, Role]:
    """By tags; what repeats its positions is dynamic."""
    return acquisition.roles(one)


def phases(one: StudyRecord) -> list[Dynamic]:
    """Every MR series whose positions all repeat."""
    return acquisition.repeating(one)


def recorded(one: StudyRecord) -> Recorded | None:
    """The trial's analysis objects are not read."""
    return None


def clinical(path: Path) -> Iterable[Fact]:
    """Facts of the clinical table and of the table of four visits; nothing where it is another table.

    Raises InputError("clinical.unreadable").
    """
    if path.suffix.lower() != ".csv":
        return
    try:
        if path.stat().st_size > LARGEST_TABLE_BYTES:
            raise ValueError("too large")
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _facts(csv.DictReader(file), path.name)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError("clinical.unreadable", path, name=path.name) from error


def _facts(rows: "csv.DictReader[str]", source: str) -> Iterator[Fact]:
    columns = {re.sub(r"[^a-z0-9]", "", str(name).lower()): name for name in rows.fieldnames or ()}
    if "tciapatientid" not in columns or not {"hr", "her2", "pcr"} <= set(columns):
        return
    for row in rows:
        patient = (row[columns["tciapatientid"]] or "").strip().upper()
        if not patient.startswith(PREFIXES):
            continue
        told: dict[str, str | float | int | None] = {}
        for column, (name, unit) in COLUMNS.items():
            if column in columns:
                told[name] = _value(name, row[columns[column]])
                yield Fact(patient, name, told[name], unit, source)
        yield Fact(patient, "subtype", _subtype(told["hr"], told["her2"]), "", source)


def _value(name: str, text: str | None) -> str | float | int | None:
    """Blank is ``None``; 0 stays 0, although a diameter of 0 may mean "not measurable" here."""
    said = (text or "").strip()
    if not said:
        return None
    if name == "menopausal_status":
        # Two spellings of one category differ by a blank.
        return re.sub(r"\s*([<>])\s*", r" \1 ", said).replace("( ", "(")
    try:
        number = float(said)
    except ValueError:
        return said
    return int(number) if name in WHOLE and number.is_integer() else number


def _subtype(hr: object, her2: object) -> str | None:
    if hr is None or her2 is None:
        return None
    if (hr, her2) == (0, 0):
        return "triple negative"
    return f"HR{'+' if hr == 1 else '-'}/HER2{'+' if her2 == 1 else '-'}"
