"""I-SPY 2 and its imaging trial ACRIN 6698: clinical tables, visits, phases, maps.

The trial counts its visits T0..T3, which are T1..T4 of I-SPY 1: before treatment, after about three weeks, between
the regimens, before surgery.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tumordiff_core.dicom import order, study
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
    SeriesRecord,
    StudyRecord,
    TimePoint,
)

LABELS = ("T0", "T1", "T2", "T3")
FEWEST_OVER_SERIES = 3
LATE_ASSUMED = "no times: the last phase is taken for the late one"
DESCRIPTIONS = {"baseline": "T0", "early treatment": "T1", "inter regimen": "T2", "pre surgery": "T3"}
ANALYSIS = "volser"
"""In the names of what the trial's analysis (volume by signal enhancement ratio) made."""

VISIT_WORDS = (
    ("StudyDescription", "study description", re.compile(r"MRI[ _-]*T([0-3])\b", re.IGNORECASE)),
    ("StudyID", "study number", re.compile(r"\dT([0-3])$", re.IGNORECASE)),
)
_PHASE_WORDS = re.compile(
    r"\bispy2\b|\bph(?:ase)?[ _-]*\d+|\bpre\b|\bpost\b|_pre\b|_post\b|\bdelay(?:ed)?\b|\b\d+(?:st|nd|rd|th)\b|\+c\b"
)
_BACKGROUND = re.compile(r"BACKGROUND\s*=\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
_THRESHOLD = re.compile(r"PE THRESHOLD\s*=\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
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
    """The trial's own words; else T0..T3 by date where there are four visits; else visits in date order."""
    ordered = sorted(patient.studies, key=lambda s: (s.study_date is None, s.study_date or 0, s.uid))
    first = ordered[0].study_date
    days = sorted({s.study_date for s in ordered if s.study_date is not None})
    points = []
    for one in ordered:
        since = (one.study_date - first).days if one.study_date and first else None
        label, evidence = _told(one)
        if label:
            pass
        elif one.study_date is None:
            label, evidence = "?", "neither a date nor trial tags"
        elif len(days) == len(LABELS):
            label, evidence = LABELS[days.index(one.study_date)], "four visits, date order"
        else:
            label, evidence = f"V{days.index(one.study_date) + 1}", f"date order, {len(days)} of four visits"
        points.append(TimePoint(one.uid, label, since, evidence))
    return points


def _told(one: StudyRecord) -> tuple[str, str]:
    """Label and evidence from the trial's words, then its code, then the study's description and number."""
    for series in one.series:
        header = series.headers[0]
        said = _text(header, "ClinicalTrialTimePointDescription")
        words = re.sub(r"[\s_-]+", " ", said).lower()
        if words in DESCRIPTIONS:
            return DESCRIPTIONS[words], f"trial tags: {said}"
        found = re.fullmatch(r"[TV]?([0-3])", _text(header, "ClinicalTrialTimePointID"), re.IGNORECASE)
        if found:
            return LABELS[int(found.group(1))], "trial tags"
    for series in one.series:
        for keyword, name, pattern in VISIT_WORDS:
            text = _text(series.headers[0], keyword)
            found = pattern.search(text)
            if found:
                return LABELS[int(found.group(1))], f"{name} {text}"
    return "", ""


def _text(header: Header, keyword: str) -> str:
    return str(header.get(keyword) or "").strip()


def roles(one: StudyRecord) -> dict[str, Role]:
    """By the trial's own names of derived series, then by tags; what the phases are is dynamic."""
    found = {series.uid: _role(series) for series in one.series}
    for dynamic in phases(one):
        found.update(dict.fromkeys(dynamic.series_uids, "dynamic"))
    return found


def _role(series: SeriesRecord) -> Role:
    words = series.description.lower()
    if series.modality == "MR" and ANALYSIS in words:
        if words.endswith(": ser"):
            return "ser_map"
        if re.search(r": pe\d?$", words):
            return "pe_map"
    return study.role_by_tags(series)


def phases(one: StudyRecord) -> list[Dynamic]:
    """Every acquisition over one series or several, the trial's own selection (``original DCE``) with its timing.

    Series of one acquisition lie on one grid and differ in their words for the phase alone.
    """
    groups: dict[object, list[_Part]] = defaultdict(list)
    for series in one.series:
        part = _part(series)
        if part is not None:
            groups[part.key].append(part)
    found = []
    for parts in groups.values():
        for together in _acquisitions(sorted(parts, key=lambda part: part.when)):
            total = [phase for part in together for phase in part.ordered.phases]
            if len(total) >= (2 if len(together) == 1 else FEWEST_OVER_SERIES):
                found.append((together, total, _dynamic(one, together, total)))
    return [_timed(one, *each, [dynamic for *_, dynamic in found]) for each in found]


def _timed(
    one: StudyRecord, parts: Sequence["_Part"], total: Sequence[Sequence[Header]], made: Dynamic,
    others: Sequence[Dynamic],
) -> Dynamic:  # fmt: skip
    """The trial's selection with the seconds of the acquisition that it was taken from: its own times all repeat."""
    if not _is_selection(parts[0].series) or any(phase.effective_s is not None for phase in made.phases):
        return made
    timed = [
        seconds for other in others
        if len(other.phases) == len(made.phases) and None not in (seconds := [p.effective_s for p in other.phases])
    ]  # fmt: skip
    return _dynamic(one, parts, total, [s for s in timed[0] if s is not None]) if len(timed) == 1 else made


def _dynamic(
    one: StudyRecord, parts: Sequence["_Part"], total: Sequence[Sequence[Header]], effective_s: Sequence[float] = ()
) -> Dynamic:
    remark = "; ".join(part.ordered.remark for part in parts if part.ordered.remark)
    made = acquisition.dynamic(
        [part.series.uid for part in parts], total, complete=not any(part.ordered.missing for part in parts),
        effective_s=effective_s, remark=remark,
    )  # fmt: skip
    early = _early(one) if _is_selection(parts[0].series) else None
    if early is None or early >= len(total):
        return made
    if made.late is not None and made.late > early:
        return replace(made, early=early)
    # Without times nothing tells which phase is late; the early one alone would be dropped by who measures.
    last = len(total) - 1
    said = "; ".join(text for text in (remark, LATE_ASSUMED) if text)
    return replace(made, early=early, late=last, remark=said) if last > early else made


@dataclass(frozen=True)
class _Part:
    """One series that may be a phase, or phases, of an acquisition."""

    series: SeriesRecord
    ordered: order.Ordered

    @property
    def key(self) -> object:
        """What the series of one acquisition share: their words but those for the phase, and their places."""
        first = self.ordered.phases[0]
        words = re.sub(r"[^a-z]", "", _PHASE_WORDS.sub("", self.series.description.lower()))
        ends = [round(order.place_mm(h), 1) for h in (first[0], first[-1])] if self.ordered.positioned else []
        return words, order.grid_key(first[0]), len(first), *ends

    @property
    def when(self) -> tuple[float, int, str]:
        """Its place in time."""
        start = order.start_s(self.ordered.phases[0])
        return (float("inf") if start is None else start, self.series.number or 0, self.series.uid)


def _part(series: SeriesRecord) -> _Part | None:
    if series.modality != "MR" or not (_is_selection(series) or _role(series) == "other"):
        return None
    parts = order.order_series(series.headers)
    if len(parts) != 1 or parts[0].slices < acquisition.FEWEST_SLICES:
        return None
    return _Part(series, parts[0])


def _acquisitions(parts: Sequence[_Part]) -> list[Sequence[_Part]]:
    """Parts on one grid in time order: together where at most one of them has several phases, else each by itself."""
    several = [part for part in parts if len(part.ordered.phases) > 1]
    if len(several) > 1 or any(_is_selection(part.series) for part in parts):
        return [(part,) for part in parts]
    distinct = {part.when[:2]: part for part in parts}
    return [tuple(distinct.values())]


def _is_selection(series: SeriesRecord) -> bool:
    """Whether a series is the trial's own copy of the phases, the one that its maps were made from."""
    return ANALYSIS in series.description.lower() and series.description.lower().endswith("original dce")


def _early(one: StudyRecord) -> int | None:
    """The early phase, from the name of the enhancement map: ``PE2`` was made from the second one after contrast."""
    for series in one.series:
        found = re.search(r": pe(\d)$", series.description.lower())
        if found and _role(series) == "pe_map":
            return int(found.group(1))
    return None


def recorded(one: StudyRecord) -> Recorded | None:
    """The trial's own selection of phases, its maps, and the thresholds that its objects name.

    Its analysis masks hold flags in bits, not a tumour, and are not offered as masks.
    """
    source = next((series.uid for series in one.series if _is_selection(series)), "")
    if not source:
        return None
    kinds = {"ser_map": "SER", "pe_map": "PE"}
    found = [(kinds[role], series.uid) for series in one.series if (role := _role(series)) in kinds]
    told = " ".join(_text(series.headers[0], "DerivationDescription") for series in one.series)
    background, threshold = (pattern.search(told) for pattern in (_BACKGROUND, _THRESHOLD))
    return Recorded(
        source, float(threshold.group(1)) if threshold else None, float(background.group(1)) if background else None,
        early=_early(one), maps=dict(found),
    )  # fmt: skip


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
