"""Ordered phases become a dynamic acquisition: when each began, which one is early and which late."""

from collections.abc import Sequence
from itertools import pairwise

from tumordiff_core.dicom import order, study
from tumordiff_core.plugins.specs import WHOLE, Dynamic, Header, Phase, Role, StudyRecord

EARLY_S, LATE_S = 150.0, 450.0
FEWEST_SLICES = 8
_DAY_S = 86_400.0


def dynamic(
    series_uids: Sequence[str], phases: Sequence[Sequence[Header]], *, injection_s: float | None = None,
    duration_s: float | None = None, effective_s: Sequence[float] = (), early: int | None = None,
    late: int | None = None, complete: bool = True, remark: str = "",
) -> Dynamic:  # fmt: skip
    """One acquisition of phases in time order, each a list of headers in slice order.

    Parameters
    ----------
    injection_s : seconds since midnight; unknown: contrast is taken to arrive with the second phase
    duration_s : how long one phase lasts; unknown: the frames' or GE's own, else the shortest step after contrast
    effective_s : recorded seconds after injection of the middle of each phase; wins over the times of the files
    early, late : recorded phases; unknown: those nearest 150 s and 450 s
    """
    starts = starts_s(phases)
    since = _since_injection(starts, injection_s)
    middle: list[float | None] = list(effective_s)
    if len(middle) != len(phases):
        half = _half_duration(phases, since, duration_s)
        middle = [None if s is None or half is None else s + half for s in since]
    if early is None or not 0 < early < len(phases):
        early, late = early_and_late(middle)
    rows = tuple(phase_of(n, phase, since[n], middle[n]) for n, phase in enumerate(phases))
    return Dynamic(tuple(series_uids), rows, early, late, complete, remark)


def starts_s(phases: Sequence[Sequence[Header]]) -> list[float | None]:
    """Earliest acquisition time of each phase, seconds since midnight; a scan past midnight goes on counting."""
    starts = [order.start_s(phase) for phase in phases]
    for n in range(1, len(starts)):
        before, here = starts[n - 1], starts[n]
        if before is not None and here is not None and here < before - _DAY_S / 2:
            starts[n] = here + _DAY_S
    return starts


def _since_injection(starts: Sequence[float | None], injection_s: float | None) -> list[float | None]:
    known = [s for s in starts if s is not None]
    if len(known) != len(starts) or len(set(known)) != len(known):
        # Times that are missing or repeat say nothing about the order of contrast.
        return [None] * len(starts)
    begin = injection_s if injection_s is not None else starts[1] if len(starts) > 1 else None
    return [None if begin is None or s is None else s - begin for s in starts]


def _half_duration(
    phases: Sequence[Sequence[Header]], since: Sequence[float | None], duration_s: float | None
) -> float | None:
    if duration_s is None:
        of_frame_ms = phases[0][0].get("FrameAcquisitionDuration")
        duration_s = of_frame_ms / 1e3 if isinstance(of_frame_ms, float) and of_frame_ms > 0 else None
    if duration_s is None:
        told = phases[0][0].get("GEAcquisitionDuration")
        duration_s = told / 1e6 if isinstance(told, float) and told > 0 else None
    if duration_s is not None:
        return duration_s / 2
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


def overlap(phases: Sequence[Sequence[Header]]) -> bool:
    """Whether the acquisition times contradict the order by rank: a phase begins before the one before it ended.

    One phase may carry several seconds, since scanners write the time of reconstruction.
    """
    spans = []
    for phase in phases:
        times = [t for h in phase if (t := order.seconds_of(h.get("AcquisitionTime"))) is not None]
        if not times:
            return False
        spans.append((min(times), max(times)))
    if len(set(spans)) == 1:
        return False
    return any(0 < before[1] - after[0] < _DAY_S / 2 for before, after in pairwise(spans))


def merged(series_uid: str, headers: Sequence[Header]) -> Dynamic | None:
    """The phases of one series whose positions all repeat, or ``None`` where it is no such series."""
    parts = order.order_series(headers)
    if len(parts) != 1:
        return None
    part = parts[0]
    if len(part.phases) < 2 or part.slices < FEWEST_SLICES:
        return None
    return dynamic((series_uid,), part.phases, complete=not part.missing, remark=part.remark)


def repeating(one: StudyRecord) -> list[Dynamic]:
    """Every MR series of a study whose positions all repeat, with times from its acquisition times."""
    asked = (s for s in one.series if s.modality == "MR" and study.role_by_tags(s) == "other")
    found = (merged(series.uid, series.headers) for series in asked)
    return [dynamic for dynamic in found if dynamic is not None]


def roles(one: StudyRecord) -> dict[str, Role]:
    """What each series is by its tags; what repeats its positions is dynamic."""
    found: dict[str, Role] = {series.uid: study.role_by_tags(series) for series in one.series}
    for dynamic in repeating(one):
        found.update(dict.fromkeys(dynamic.series_uids, "dynamic"))
    return found


def phase_of(index: int, slices: Sequence[Header], start_s: float | None, effective_s: float | None) -> Phase:
    """A phase record of ordered headers."""
    pieces = tuple(int(h.get("piece", WHOLE)) for h in slices)
    return Phase(
        index, tuple(str(h["path"]) for h in slices), tuple(str(h["SOPInstanceUID"]) for h in slices),
        start_s, effective_s, pieces if set(pieces) != {WHOLE} else (),
    )  # fmt: skip
