"""The trial's clinical workbook as plain facts: one patient, one word, one value.

Columns are found by their names without case, spaces and punctuation, since copies of the workbook differ. A blank
is ``None``: it is neither 0 nor "no". Subtypes are formula cells that converters lose, so they are computed again.
"""

import csv
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl

from tumordiff_core.errors import InputError
from tumordiff_core.plugins.specs import Fact

Value = str | float | int | None
ID_COLUMNS = ("subjectid", "ispyid", "patientid")
RACES = {1: "Caucasian", 3: "African American", 4: "Asian", 5: "Pacific Islander", 6: "Native American", 50: "Multiple"}
SIDES = {1: "L", 2: "R"}
DIAMETER_COLUMNS = {"patientid", "timepoint", "ldmm"}
STATES = {7: "alive", 8: "dead", 9: "lost to follow-up"}
LARGEST_TABLE_BYTES = 50_000_000
UNPACKED_LIMIT_BYTES = 200_000_000


def number(found: Any) -> Value:
    """A number as it stands; whole numbers without a fraction; blanks and formula texts are ``None``."""
    if found is None or isinstance(found, bool):
        return None if found is None else int(found)
    if isinstance(found, int | float):
        return int(found) if float(found).is_integer() else float(found)
    text = str(found).strip()
    if not text or text.startswith("="):
        return None
    try:
        return number(float(text))
    except ValueError:
        return None


def yes_or_no(found: Any) -> Value:
    """1, 0 or ``None``; the documented code 2 means indeterminate."""
    told = number(found)
    return int(told) if told in (0, 1) else None


def coded(codes: Mapping[int, str]) -> Callable[[Any], Value]:
    """A reader of codes; one that the dictionary does not know is kept as such, never guessed."""

    def read(found: Any) -> Value:
        told = number(found)
        if told is None:
            return None
        return codes.get(int(told), f"code {told} (not in the dictionary)")

    return read


COLUMNS: tuple[tuple[str, tuple[str, ...], Callable[[Any], Value], str], ...] = (
    ("age", ("age",), number, "years"),
    ("race", ("raceid", "race"), coded(RACES), ""),
    ("er", ("erpos",), yes_or_no, ""),
    ("pgr", ("pgrpos",), yes_or_no, ""),
    ("hr", ("hrpos",), yes_or_no, ""),
    ("her2", ("her2mostpos", "her2commpos"), yes_or_no, ""),
    ("bilateral", ("bilateralca",), yes_or_no, ""),
    ("laterality", ("laterality",), coded(SIDES), ""),
    ("mri_ld_t1", ("mrildbaseline",), number, "mm"),
    ("mri_ld_t2", ("mrild13dac",), number, "mm"),
    ("mri_ld_t3", ("mrildinterreg",), number, "mm"),
    ("mri_ld_t4", ("mrildpresurg",), number, "mm"),
    ("survival_state", ("sstat",), coded(STATES), ""),
    ("survival_days", ("survdtd2tx", "survdtd2", "survdtd"), number, "days"),
    ("rfs_days", ("rfs",), number, "days"),
    ("rfs_event", ("rfsind",), yes_or_no, ""),
    ("pcr", ("pcr",), yes_or_no, ""),
    ("rcb_class", ("rcbclass",), number, ""),
)
"""Fact, column names that may hold it, how a cell is read, unit."""


def clinical(path: Path) -> Iterable[Fact]:
    """The facts in a workbook or table of the trial, also of diameters a visit a row; nothing for another table.

    Raises InputError("clinical.unreadable").
    """
    for title, rows in tables(path):
        source = f"{path.name}, {title}" if title else path.name
        yield from _facts(rows, source)
        yield from _diameters(rows, source)


def tables(path: Path) -> Iterator[tuple[str, list[Sequence[Any]]]]:
    """Sheet title and rows of a workbook, or the rows of a comma-separated table.

    Raises InputError("clinical.unreadable").
    """
    kind = path.suffix.lower()
    if kind not in (".xlsx", ".xlsm", ".csv"):
        return
    try:
        if kind == ".csv":
            yield "", _csv_rows(path)
        else:
            yield from _sheets(path)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, csv.Error, zipfile.BadZipFile) as error:
        # Workbooks are zipped XML: what openpyxl raises depends on the part that is damaged.
        raise InputError("clinical.unreadable", path, name=path.name) from error


def _csv_rows(path: Path) -> list[Sequence[Any]]:
    if path.stat().st_size > LARGEST_TABLE_BYTES:
        raise ValueError("too large")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def _sheets(path: Path) -> Iterator[tuple[str, list[Sequence[Any]]]]:
    with zipfile.ZipFile(path) as packed:
        if sum(member.file_size for member in packed.infolist()) > UNPACKED_LIMIT_BYTES:
            raise ValueError("unpacks too far")
    with warnings.catch_warnings():
        # Extensions of spreadsheet programs, such as conditional formats, hold no values.
        warnings.simplefilter("ignore", UserWarning)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            for sheet in book.worksheets:
                yield sheet.title, [tuple(row) for row in sheet.iter_rows(values_only=True)]
        finally:
            book.close()


def plain(name: Any) -> str:
    """A column name without case, spaces and punctuation."""
    return re.sub(r"[^a-z0-9]", "", str(name or "").lower())


def _facts(rows: Sequence[Sequence[Any]], source: str) -> Iterator[Fact]:
    at, places = _header(rows)
    if not places:
        return
    identity = next(n for name, n in places.items() if name in ID_COLUMNS)
    for row in rows[at + 1 :]:
        patient = patient_id(row[identity] if identity < len(row) else None)
        if patient is None:
            continue
        told = {}
        for fact, names, read, unit in COLUMNS:
            place = next((places[name] for name in names if name in places), None)
            if place is None:
                continue
            told[fact] = read(row[place]) if place < len(row) else None
            yield Fact(patient, fact, told[fact], unit, source)
        if "hr" in told and "her2" in told:
            yield Fact(patient, "subtype", subtype(told["hr"], told["her2"]), "", source)


def _diameters(rows: Sequence[Sequence[Any]], source: str) -> Iterator[Fact]:
    """Longest diameters of a table with one visit a row; one that is blank says nothing, 0 is "none seen"."""
    places = {plain(cell): n for n, cell in enumerate(rows[0])} if rows else {}
    if not set(places) >= DIAMETER_COLUMNS:
        return
    identity, point, diameter = (places[name] for name in ("patientid", "timepoint", "ldmm"))
    for row in rows[1:]:
        if len(row) <= max(identity, point, diameter):
            continue
        patient, label, told = patient_id(row[identity]), str(row[point]).strip().lower(), number(row[diameter])
        if patient is not None and label in ("t1", "t2", "t3", "t4") and told is not None:
            yield Fact(patient, f"mri_ld_{label}", told, "mm", source)


def _header(rows: Sequence[Sequence[Any]]) -> tuple[int, dict[str, int]]:
    """Row number and columns of the header line; dictionary sheets, which list names downwards, have none."""
    known = {name for _, names, _, _ in COLUMNS for name in names}
    for at, row in enumerate(rows[:10]):
        places = {plain(cell): n for n, cell in reversed(list(enumerate(row))) if plain(cell)}
        if any(name in places for name in ("subjectid", "ispyid")) and len(known & set(places)) >= 2:
            return at, places
    return 0, {}


def patient_id(found: Any) -> str | None:
    """The id in the files of a subject number, which tables give with or without the prefix."""
    text = str(number(found) or found or "").strip().upper().removeprefix("ISPY1_").removeprefix("ISPY1-")
    return f"ISPY1_{text}" if re.fullmatch(r"\d{4}", text) else None


def subtype(hr: Value, her2: Value) -> str | None:
    """HER2 decides over hormone receptors; without HER2 there is no subtype."""
    if her2 is None:
        return None
    if her2 == 1:
        return "HER2+"
    return "HR+/HER2-" if hr == 1 else "triple negative" if hr == 0 else None
