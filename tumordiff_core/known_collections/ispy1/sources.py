"""Which series are the phases of a visit: every layout of the collection, with or without derived maps.

Evidence in this order: the images that masks name as their sources; the number of the SER map; its description;
then geometry, acquisition time and words for the other phases. Descriptions alone never make a phase.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from tumordiff_core.dicom import order, study
from tumordiff_core.plugins.specs import Header, Role, SeriesRecord, StudyRecord

LIKENESS = 0.5
FEWEST_PHASES = 3
FEWEST_SLICES = 4
_SET_ASIDE = re.compile(
    r"sub|mpr|\bmip\b|pass|needle|t2|non? ?fat ?sat|_non\b|\bnonca|\btra\b|axial|\bce ?\d|ce\d ?su|\bsu ?\d"
    r"|scout|locali[sz]|pjn|cad~|diffusion|dwi|dwss|tensor|greast|bold|b0map|fiesta|stir",
    re.IGNORECASE,
)
_ROLES: tuple[tuple[Role, str], ...] = (
    ("diffusion", r"tensor|dwi|dwss|diffusion"),
    ("localizer", r"locali[sz]|locator|scout|survey|\bloc\b"),
    ("t2", r"t2"),
    ("reformat", r"pjn|mpr|\bmip|sub|cad~|\bce ?\d|ce\d ?su|\bsu ?\d"),
    ("look_alike", r"needle|pass|non? ?fat ?sat|_non\b|\bnonca"),
)
_BEFORE = re.compile(r"\bpre\b|pre contrast", re.IGNORECASE)
_PHASE_WORDS = re.compile(
    r"pre|post?|contrast|immed|imm?p|delay?|\+ ?c|left|right|\blt|\brt|breast?|brea|\d+(\.\d+)?min|[^a-z]",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"^(.*/)(\d+)\.\.(\d+)\)$")


@dataclass(frozen=True)
class Part:
    """The files of one series on one grid, as phases in order of rank."""

    series: SeriesRecord
    phases: tuple[tuple[Header, ...], ...]
    grid: tuple[object, ...] | None
    missing: bool = False
    remark: str = ""

    @property
    def start_s(self) -> float | None:
        """When its first phase began, seconds since midnight."""
        return order.start_s(self.phases[0])


@dataclass(frozen=True)
class Source:
    """The series of one dynamic acquisition in time order and all their phases."""

    parts: tuple[Part, ...]
    evidence: str

    @property
    def series_uids(self) -> tuple[str, ...]:
        """Series in time order; the first holds the phase before contrast."""
        return tuple(part.series.uid for part in self.parts)

    @property
    def phases(self) -> tuple[tuple[Header, ...], ...]:
        """All phases in time order."""
        return tuple(phase for part in self.parts for phase in part.phases)


def find(one: StudyRecord, *, named: Collection[str] = (), total: int | None = None, side: str = "") -> Source | None:
    """The dynamic acquisition that a study's derived maps were made from, or the likeliest one without maps.

    Parameters
    ----------
    named : SOP instance UIDs that the study's masks name as their sources
    total : recorded number of phases, ``None`` where unknown
    side : ``"L"`` or ``"R"``, the tumour's side, empty where unknown; asked only where nothing else decides
    """
    ser = next((s for s in one.series if study.role_by_tags(s) == "ser_map" or is_map(s, "SER")), None)
    if ser is None:
        return _without_map(one, named, side)
    size = len(ser.headers)
    first, evidence = _first(one, ser, size, named, side)
    if first is None:
        return None
    whole = part_of(first, size)
    if not whole.phases:
        return None
    if len(whole.phases) > 1:
        return Source((whole,), evidence)
    others = [part_of(s, size) for s in one.series if s is not first and _may_follow(s, first)]
    followers = _followers(whole, [p for p in others if p.phases])
    parts = (whole, *followers)
    if total is not None:
        parts = _limited(parts, total)
    return Source(parts, evidence)


def is_map(series: SeriesRecord, kind: str) -> bool:
    """Whether a series is named as a derived map, for files that lost their image type."""
    return bool(series.modality == "MR" and re.search(rf": {kind}\d?$", series.description))


def part_of(series: SeriesRecord, size: int = 0) -> Part:
    """The phases of a series; where files say no position, blocks of ``size`` files by instance number."""
    ordered = order.order_series(series.headers)
    if ordered and ordered[0].positioned:
        best = ordered[0]
        first, last = best.phases[0][0], best.phases[0][-1]
        key = order.grid_key(first)
        ends = tuple(round(order.place_mm(h), 1) for h in (first, last))
        grid = None if key is None else (key, first.get("ImagePositionPatient"), ends)
        return Part(series, best.phases, grid, bool(best.missing), best.remark)
    files = sorted(series.headers, key=order.instance_order)
    if not size or len(files) % size:
        return Part(series, (), None)
    blocks = tuple(tuple(files[n : n + size]) for n in range(0, len(files), size))
    return Part(series, blocks, None)


def _first(
    one: StudyRecord, ser: SeriesRecord, size: int, named: Collection[str], side: str
) -> tuple[SeriesRecord | None, str]:
    """The series that holds the phase before contrast."""
    acquired = [s for s in one.series if s.modality == "MR" and not _is_derived(s)]
    holder = _holder(acquired, named)
    if holder is not None:
        return holder, "its masks name the source images"
    number = (ser.number or 0) // 10_000
    base = re.sub(r":\s*SER$", "", ser.description)
    whole = [s for s in acquired if len(s.headers) % size == 0]
    exact = [s for s in whole if s.number == number]
    hundred = [s for s in whole if (s.number or 0) >= 100 and (s.number or 0) // 100 == number]
    merged = [s for s in hundred if len(s.headers) >= FEWEST_PHASES * size]
    alike = [s for s in whole if base and s.description == base]
    for found, evidence in (
        ([s for s in exact if s in alike], "number and description of its maps"),
        ([s for s in merged if s in alike], "number and description of its maps"),
        (alike, "description of its maps"),
        (_sided(hundred, side), "number of its maps, side and slices"),
        ([s for s in exact if not _SET_ASIDE.search(s.description)], "number of its maps"),
        (merged, "number of its maps"),
        # Slices may be missing: then the counts say nothing.
        ([s for s in acquired if s.number == number and s.description == base], "number and description of its maps"),
        ([s for s in acquired if base and s.description == base], "description of its maps"),
    ):
        placed = _same_place(found, ser)
        if placed:
            return min(placed, key=_time_key), evidence
    return None, ""


def _holder(series: Sequence[SeriesRecord], named: Collection[str]) -> SeriesRecord | None:
    """The earliest series that holds an image which the masks name."""
    wanted = set(named)
    holders = [s for s in series if any(h.get("SOPInstanceUID") in wanted for h in s.headers)] if wanted else []
    return min(holders, key=_time_key, default=None)


def _sided(series: Sequence[SeriesRecord], side: str) -> list[SeriesRecord]:
    """The series before contrast of one side, for studies that number left and right in turn."""
    pre = [s for s in series if _BEFORE.search(s.description) and not _SET_ASIDE.search(s.description)]
    fitting = [s for s in pre if side and side_of(s) == side]
    return fitting or pre


def side_of(series: SeriesRecord) -> str:
    """``"L"`` or ``"R"`` by the tag, else by the words of the description; empty where neither tells."""
    tag = series.headers[0].get("Laterality")
    if tag in ("L", "R"):
        return str(tag)
    text = re.sub(r"[_/]", " ", series.description)
    left = re.search(r"left|\blt\b", text, re.IGNORECASE)
    right = re.search(r"right|\brt\b", text, re.IGNORECASE)
    return "L" if left and not right else "R" if right and not left else ""


def _same_place(found: Sequence[SeriesRecord], ser: SeriesRecord) -> list[SeriesRecord]:
    """Series that lie where the map lies; all of them where the map says no place."""
    there = _place(ser.headers[0]), _place(ser.headers[-1])
    if None in there:
        return list(found)
    wanted = {_place(h) for h in ser.headers}
    return [s for s in found if len(wanted & {_place(h) for h in s.headers}) > len(wanted) / 2]


def _place(header: Header) -> tuple[object, ...] | None:
    key = order.grid_key(header)
    if key is None:
        return None
    return (*key, *(round(float(v), 1) for v in header["ImagePositionPatient"]))


def _is_derived(series: SeriesRecord) -> bool:
    role = study.role_by_tags(series)
    return role in ("ser_map", "pe_map", "seg") or is_map(series, "SER") or is_map(series, "PE")


def _time_key(series: SeriesRecord) -> tuple[float, int, str]:
    start = order.start_s(series.headers)
    return (float("inf") if start is None else start, series.number or 0, series.uid)


def _may_follow(series: SeriesRecord, first: SeriesRecord) -> bool:
    """By its tags and words, whether a series can be a later phase of the acquisition that ``first`` began."""
    if series.modality != "MR" or _is_derived(series) or not series.headers:
        return False
    if study.role_by_tags(series) in ("reformat", "derived") and not _copies(series, first):
        return False
    words = series.description
    if _SET_ASIDE.search(words) and not _copies(series, first):
        return False
    sides = {side_of(series), side_of(first)} - {""}
    if len(sides) == 2 or (_BEFORE.search(words) and not _BEFORE.search(first.description)):
        return False
    return _copies(series, first) or like(words, first.description)


def _copies(series: SeriesRecord, first: SeriesRecord) -> bool:
    """Whether both are unnamed copies made by the same tool: their names differ in numbers alone."""
    shape = re.sub(r"\d+", "0", first.description)
    return shape == re.sub(r"\d+", "0", series.description) and bool(re.search(r"\(0", shape))


def like(one: str, other: str) -> bool:
    """Whether two descriptions are alike once the words for phase, side and breast are taken away."""
    a, b = (_PHASE_WORDS.sub("", text.lower()) for text in (one, other))
    if not a or not b:
        return a == b or bool(_BEFORE.search(other))
    return a.startswith(b) or b.startswith(a) or SequenceMatcher(None, a, b).ratio() >= LIKENESS


def _followers(first: Part, others: Sequence[Part]) -> list[Part]:
    """Later phases in time order: on the same grid, after the first, none of them a copy of another's time."""
    if first.grid is not None:
        others = [p for p in others if p.grid == first.grid]
    else:
        others = _same_block(first, [p for p in others if len(p.phases[0]) == len(first.phases[0])])
    start = first.start_s
    timed = start is not None and all(p.start_s is not None for p in others)
    if not timed:
        later = [p for p in others if (p.series.number or 0) > (first.series.number or 0)]
        return sorted(later, key=lambda p: (p.series.number or 0, p.series.uid))
    kept: list[Part] = []
    seen = {start}
    for part in sorted(others, key=lambda p: (p.start_s or 0.0, p.series.number or 0, p.series.uid)):
        at = part.start_s
        if at is not None and start is not None and at > start and at not in seen:
            seen.add(at)
            kept.append(part)
    return kept


def _same_block(first: Part, others: Sequence[Part]) -> list[Part]:
    """Where copies are named by ranges of images (``41..80``) that alternate two sides, those of the same side."""
    here = _BLOCK.match(first.series.description)
    if here is None:
        return list(others)
    size = len(first.phases[0])
    alternate = (int(here.group(2)) - 1) // size % 2
    found = []
    for part in others:
        block = _BLOCK.match(part.series.description)
        if block is not None and (int(block.group(2)) - 1) // size % 2 == alternate:
            found.append(part)
    return found


def _limited(parts: Sequence[Part], total: int) -> tuple[Part, ...]:
    kept: list[Part] = []
    count = 0
    for part in parts:
        if count >= total:
            break
        kept.append(part)
        count += len(part.phases)
    return tuple(kept)


def _without_map(one: StudyRecord, named: Collection[str], side: str) -> Source | None:
    """The likeliest acquisition of a study without maps: the one its masks name, else most phases on one grid.

    The tumour's side decides where both sides were scanned.
    """
    holder = _holder([s for s in one.series if s.modality == "MR"], named)
    parts = [
        part_of(s)
        for s in one.series
        if s.modality == "MR" and study.role_by_tags(s) == "other" and not _SET_ASIDE.search(s.description)
    ]
    usable = [p for p in parts if p.phases and p.grid is not None and len(p.phases[0]) >= FEWEST_SLICES]
    best: Source | None = None
    for part in sorted(usable, key=lambda p: _time_key(p.series)):
        if holder is not None and part.series is not holder:
            continue
        alone = len(part.phases) >= FEWEST_PHASES
        others = [p for p in usable if p is not part and _may_follow(p.series, part.series)]
        found = Source((part,) if alone else (part, *_followers(part, others)), "positions and times")
        if len(found.phases) < 2 or (side and side_of(part.series) not in ("", side)):
            continue
        if best is None or len(found.phases) > len(best.phases):
            best = found
    return best


def role(series: SeriesRecord, source: Source | None) -> Role:
    """What a series of the collection is, given the dynamic acquisition of its study."""
    if source is not None and series.uid in source.series_uids:
        return "dynamic"
    if is_map(series, "SER"):
        return "ser_map"
    if is_map(series, "PE"):
        return "pe_map"
    found = study.role_by_tags(series)
    if found != "other" or series.modality != "MR":
        return found
    for name, words in _ROLES:
        if re.search(words, series.description, re.IGNORECASE):
            return name
    if source is not None and _same_size(series, source):
        return "look_alike"
    return "other"


def _same_size(series: SeriesRecord, source: Source) -> bool:
    """Whether a series could be taken for a phase: as many slices, on the same grid where both tell."""
    slices = len(source.phases[0])
    if len(series.headers) % slices:
        return False
    here, there = order.grid_key(series.headers[0]), order.grid_key(source.phases[0][0])
    return here is None or there is None or here[:6] == there[:6]
