"""Any other DICOM: time points from tags or dates, roles from tags, dynamic series by repeated positions."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from tumordiff_core.dicom import order, study
from tumordiff_core.dicom.stack import phase_of
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

EARLY_S, LATE_S = 150.0, 450.0
FEWEST_SLICES = 8


@hookimpl
def register_collections() -> list[Collection]:
    """The collection that takes what no other claims."""
    room = "tumordiff_core.known_collections.generic"
    names = ("claims", "time_points", "roles", "phases", "recorded", "clinical")
    return [Collection("generic", "Other DICOM", *(f"{room}:{name}" for name in names))]


def claims(header: Header) -> bool:
    """Everything; it is asked last."""
    return bool(header)


def time_points(patient: PatientRecord) -> list[TimePoint]:
    """The trial's own time points where the files have them, else visits in date order."""
    dated = sorted(patient.studies, key=lambda s: (s.study_date is None, s.study_date, s.uid))
    baseline = dated[0].study_date
    points = []
    for number, one in enumerate(dated, 1):
        first = one.series[0].headers[0]
        label = str(first.get("ClinicalTrialTimePointID", "") or first.get("ClinicalTrialTimePointDescription", ""))
        days = (one.study_date - baseline).days if one.study_date and baseline else None
        evidence = "trial tags" if label else "date order"
        points.append(TimePoint(one.uid, label or f"V{number}", days, evidence))
    return points


def roles(one: StudyRecord) -> dict[str, Role]:
    """By tags; what repeats its positions is dynamic."""
    found: dict[str, Role] = {series.uid: study.role_by_tags(series) for series in one.series}
    for dynamic in phases(one):
        found.update(dict.fromkeys(dynamic.series_uids, "dynamic"))
    return found


def phases(one: StudyRecord) -> list[Dynamic]:
    """Every MR series whose positions all repeat, with times from its acquisition times."""
    found = (_dynamic(series) for series in one.series if study.role_by_tags(series) == "other")
    return [dynamic for dynamic in found if dynamic is not None]


def _dynamic(series: SeriesRecord) -> Dynamic | None:
    parts = order.order_series(series.headers)
    if len(parts) != 1 or series.modality != "MR":
        return None
    part = parts[0]
    if len(part.phases) < 2 or part.slices < FEWEST_SLICES:
        return None
    starts = [order.start_s(phase) for phase in part.phases]
    known = [s for s in starts if s is not None]
    # Without a recorded injection the contrast is taken to arrive with the second phase.
    injection = starts[1] if len(known) == len(starts) and len(set(known)) == len(known) else None
    since = [None if injection is None or s is None else s - injection for s in starts]
    half = _half_duration(since)
    middle = [None if s is None or half is None else s + half for s in since]
    early, late = early_and_late(middle)
    rows = tuple(phase_of(n, p, since[n], middle[n]) for n, p in enumerate(part.phases))
    return Dynamic((series.uid,), rows, early, late, not part.missing, part.remark)


def _half_duration(since: Sequence[float | None]) -> float | None:
    steps = [b - a for a, b in pairwise(since[1:]) if a is not None and b is not None]
    return min(steps) / 2 if steps and min(steps) > 0 else 0.0 if since[0] is not None else None


def early_and_late(effective_s: Sequence[float | None]) -> tuple[int | None, int | None]:
    """Phases nearest 150 s and 450 s after injection; with two phases after contrast these two."""
    after = [(n, t) for n, t in enumerate(effective_s) if t is not None and t > 0]
    if len(after) < 2:
        return (after[0][0] if after else None), None
    if len(after) == 2:
        return after[0][0], after[1][0]
    early = min(after, key=lambda pair: abs(pair[1] - EARLY_S))[0]
    late = min((p for p in after if p[0] > early), key=lambda pair: abs(pair[1] - LATE_S), default=(None, 0.0))[0]
    return early, late


def recorded(one: StudyRecord) -> Recorded | None:
    """Nothing is known to be recorded."""
    return None


def clinical(path: Path) -> Iterable[Fact]:
    """No table is known."""
    return ()
