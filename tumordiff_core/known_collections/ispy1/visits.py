"""Which of the trial's four visits each study is: from trial tags, from dates, from diameters, from intervals.

Every label carries the evidence for it. Figures: 188 patients with four visits (forecast guide, section 13).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations, pairwise
from math import log

from tumordiff_core.dicom.study import parse_date
from tumordiff_core.plugins.specs import Fact, PatientRecord, StudyRecord, TimePoint

LABELS = ("T1", "T2", "T3", "T4")
DESCRIPTIONS = {"baseline": "T1", "early treatment": "T2", "inter regimen": "T3", "pre surgery": "T4"}
LOG_GAPS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("T1", "T2"): (2.918, 0.351), ("T1", "T3"): (4.212, 0.218), ("T1", "T4"): (4.991, 0.195),
    ("T2", "T3"): (3.874, 0.232), ("T2", "T4"): (4.847, 0.213), ("T3", "T4"): (4.354, 0.269),
}  # fmt: skip
"""Mean and standard deviation of the natural logarithm of the days between two visits."""

LATEST_T3_DAYS = 131
"""No third visit came later; a last visit within these days may be T3 or T4."""

EXTRA = "extra"
UNKNOWN = "?"


def time_points(patient: PatientRecord) -> list[TimePoint]:
    """The visit of each study, in date order, with days since baseline and the evidence."""
    dates = {study.uid: study_date(study) for study in patient.studies}
    ordered = sorted(patient.studies, key=lambda s: (dates[s.uid] is None, dates[s.uid] or date.max, s.uid))
    tagged = tags(ordered)
    days = sorted({d for d in dates.values() if d is not None})
    fixed = {days.index(dates[s.uid]): tagged[s.uid][0] for s in ordered if s.uid in tagged and dates[s.uid]}  # type: ignore[arg-type]
    found = _by_day(days, fixed, patient.facts)
    first = next((d for d, (label, _) in zip(days, found, strict=True) if label == "T1"), days[0] if days else None)
    counted = "" if not found or found[0][0] == "T1" else "; days counted from the first visit here"
    points = []
    for study in ordered:
        day = dates[study.uid]
        label, evidence = (UNKNOWN, "neither a date nor trial tags") if day is None else found[days.index(day)]
        label, evidence = tagged.get(study.uid, (label, evidence))
        since = None if day is None or first is None else (day - first).days
        remarks = _remarks(study, ordered, dates) + (counted if since is not None else "")
        points.append(TimePoint(study.uid, label, since, evidence + remarks))
    return points


def study_date(study: StudyRecord) -> date | None:
    """The study's date; where no file has one, the date most of its acquired series have of their own.

    Content dates are those of a later analysis and say nothing about the visit.
    """
    if study.study_date is not None:
        return study.study_date
    firsts = [s.headers[0] for s in study.series if s.modality == "MR" and s.headers]
    votes = Counter(parse_date(h.get("SeriesDate") or h.get("AcquisitionDate")) for h in firsts)
    votes.pop(None, None)
    return max(votes, key=lambda d: (votes[d], d)) if votes else None


def tags(studies: Sequence[StudyRecord]) -> dict[str, tuple[str, str]]:
    """Study UID -> label and evidence, for studies whose files carry the trial's own words or codes.

    The description decides; a code alone counts from 1, or from 0 where any of the patient's codes is 0.
    """
    codes = {s.uid: _most(s, "ClinicalTrialTimePointID") for s in studies}
    from_zero = any(re.fullmatch(r"[TV]?0", code) for code in codes.values())
    found = {}
    for study in studies:
        said = _most(study, "ClinicalTrialTimePointDescription")
        words = re.sub(r"[\s_-]+", " ", said).strip().lower()
        number = re.fullmatch(r"[TV]?([0-4])", codes[study.uid])
        if words in DESCRIPTIONS:
            found[study.uid] = DESCRIPTIONS[words], f"trial tags: {said}"
        elif number is not None:
            index = int(number.group(1)) - (0 if from_zero else 1)
            if 0 <= index < len(LABELS):
                found[study.uid] = LABELS[index], f"trial code {codes[study.uid]}"
    return found


def _most(study: StudyRecord, keyword: str) -> str:
    votes = Counter(str(s.headers[0].get(keyword) or "").strip() for s in study.series if s.headers)
    votes.pop("", None)
    return max(votes, key=lambda text: (votes[text], text)) if votes else ""


def _by_day(days: Sequence[date], fixed: Mapping[int, str], facts: Sequence[Fact]) -> list[tuple[str, str]]:
    """Label and evidence of each day with a study, first visit first."""
    if not days:
        return []
    since = [(day - days[0]).days for day in days]
    if fixed:
        guessed = assign(since, fixed)
        return [(label, "inferred between visits with trial tags") for label in guessed]
    if len(days) == len(LABELS):
        return [(label, "four visits, date order") for label in LABELS]
    if len(days) > len(LABELS):
        return [(label, f"{len(days)} visits, four chosen by intervals") for label in assign(since)]
    measured = [label for label in LABELS if (fact := _diameter(facts, label)) is not None and fact.value is not None]
    if len(measured) == len(days):
        return [(label, _told_by(facts, measured)) for label in measured]
    return inferred(since)


def _diameter(facts: Sequence[Fact], label: str) -> Fact | None:
    name = f"mri_ld_{label.lower()}"
    return next((fact for fact in facts if fact.name == name), None)


def _told_by(facts: Sequence[Fact], labels: Sequence[str]) -> str:
    """The evidence of diameters: the workbook, unless a table of diameters alone told one of them."""
    sources = {fact.source for label in labels if (fact := _diameter(facts, label)) is not None}
    tables = sorted(source for source in sources if source.lower().endswith(".csv"))
    return f"diameters in {', '.join(tables)}" if tables else "diameters in workbook"


def inferred(since_days: Sequence[int]) -> list[tuple[str, str]]:
    """Labels of fewer than four visits from intervals alone; the last one stays open where both T3 and T4 fit."""
    likely = assign(since_days)
    shown = [(label, "inferred from intervals") for label in likely]
    if likely[-1] in ("T3", "T4") and "T3" not in likely[:-1] and since_days[-1] <= LATEST_T3_DAYS:
        shown[-1] = ("T3 or T4", f"inferred from intervals; {likely[-1]} is likelier, dates alone cannot tell")
    return shown


def assign(since_days: Sequence[int], fixed: Mapping[int, str] | None = None) -> list[str]:
    """The likeliest labels of visits in date order, T1 first; visits beyond four are ``extra``.

    Parameters
    ----------
    since_days : days since the first visit, ascending, without repeats
    fixed : labels known for some of the visits, by position
    """
    known = dict(fixed or {})
    opens = 0 not in known and "T1" not in known.values()
    count = len(since_days)
    best: tuple[float, list[str]] = (float("-inf"), [UNKNOWN] * count)
    for size in range(min(count, len(LABELS)), 0, -1):
        for places in combinations(range(count), size):
            for labels in combinations(LABELS, size):
                chosen = dict(zip(places, labels, strict=True))
                if any(chosen.get(n) != label for n, label in known.items()):
                    continue
                if opens and (places[0] != 0 or labels[0] != "T1"):
                    continue
                score = _log_likelihood([(since_days[n], label) for n, label in chosen.items()])
                if score > best[0]:
                    best = score, [chosen.get(n, EXTRA) for n in range(count)]
        if best[0] > float("-inf"):
            break
    return best[1]


def _log_likelihood(visits: Sequence[tuple[int, str]]) -> float:
    total = 0.0
    for (day, label), (next_day, next_label) in pairwise(visits):
        mean, deviation = LOG_GAPS[label, next_label]
        total -= ((log(next_day - day) - mean) / deviation) ** 2 / 2 + log(deviation)
    return total


def _remarks(study: StudyRecord, studies: Sequence[StudyRecord], dates: Mapping[str, date | None]) -> str:
    """What is odd about the dates of a study, after a semicolon; nothing where they are plain."""
    day, found = dates[study.uid], ""
    strays: Counter[date] = Counter()
    for series in study.series:
        other = parse_date(series.headers[0].get("StudyDate")) if series.headers else None
        if other is not None and other != day:
            strays[other] += 1
    for other, count in sorted(strays.items()):
        found += f"; {count} of its series dated {other.isoformat()}"
    if day is not None and sum(1 for other in studies if dates[other.uid] == day) > 1:
        found += "; two studies on this day"
    return found
