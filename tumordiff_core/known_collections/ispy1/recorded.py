"""What the trial's own analysis of a visit recorded: the rule, the box, the published volumes, masks and maps."""

import re
from collections.abc import Sequence

from tumordiff_core.dicom import maps, order, private, study
from tumordiff_core.dicom.private import Analysis, Corner, LpsBox
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.known_collections.ispy1 import sources
from tumordiff_core.plugins.specs import Header, Recorded, SeriesRecord, StudyRecord

MASK_OFFSET_PIXELS = 0.5
_THRESHOLD = re.compile(r"thresh\w*\s*=?\s*(\d+(?:\.\d+)?)", re.IGNORECASE)


def analyses(one: StudyRecord) -> list[Analysis]:
    """The records in the study's derived objects, the most complete first: VOI masks, other masks, maps.

    A file that is gone or damaged is passed over: what it would have said stays unknown.
    """
    found = []
    for series in sorted((s for s in one.series if rank(s) is not None), key=lambda s: (rank(s), s.number or 0)):
        record = _read(series.headers[0])
        if record is None:
            continue
        found.append(record)
        if says_all(record):
            break
    return found


def says_all(record: Analysis) -> bool:
    """Whether no other file of the study can add anything, so that none needs to be opened."""
    told = (record.number("pre_contrast_threshold"), record.number("PE_threshold"), record.total_phases)
    return None not in told and all((record.sources, record.voi_start, record.timing, record.published))


def rank(series: SeriesRecord) -> int | None:
    """How much a derived object tells, 0 the most; ``None`` for acquired series."""
    role = study.role_by_tags(series)
    if role == "seg":
        return 0 if "voi" in series.description.lower() else 1
    if role in ("ser_map", "pe_map") or sources.is_map(series, "SER") or sources.is_map(series, "PE"):
        return 2
    return None


def _read(header: Header) -> Analysis | None:
    try:
        return private.of_header(header)
    except TumorDiffError:
        # The disk may be away or the file damaged; the catalogue reports that itself.
        return None


def phases_used(one: StudyRecord, found: Sequence[Analysis]) -> tuple[int, ...]:
    """Phases of the maps, before contrast first: recorded timing, else the maps' own description, else their name."""
    for analysis in found:
        if len(analysis.timing) >= 3:
            return analysis.timing
    for series in one.series:
        used = maps.phases_used(series.headers[0]) if series.modality == "MR" else ()
        if len(used) >= 3:
            return used
    late_first = any(re.search(r": PE2$", s.description) for s in one.series)
    return (0, 2) if late_first else ()


def recorded(one: StudyRecord, source: sources.Source | None) -> Recorded | None:
    """The recorded analysis of a study, ``None`` where it holds no derived object.

    The tissue threshold and the complete rule stand in the VOI masks alone; without one they stay ``None`` and the
    rule is an assumption of whoever uses it.
    """
    derived = [s for s in one.series if rank(s) is not None]
    if not derived or source is None:
        return None
    found = analyses(one)
    geometry = order.grid(source.phases[0]) if order.grid_key(source.phases[0][0]) else None
    start, end = _box(found, geometry)
    timing = phases_used(one, found)
    neighbours = _parameter(found, "minimum_neighbor_count")
    return Recorded(
        source.series_uids[0],
        pe_threshold_percent=pe_threshold(derived, found),
        pre_contrast_threshold=_parameter(found, "pre_contrast_threshold"),
        minimum_neighbours=None if neighbours is None else int(neighbours),
        voi_start=start, voi_end=end, omit=_omitted(found, geometry),
        early=timing[1] if len(timing) > 1 else None, late=timing[2] if len(timing) > 2 else None,
        published=next((a.published for a in found if a.published), ()),
        masks={str(s.headers[0].get("ContentLabel") or s.description): str(s.headers[0]["path"])
               for s in derived if study.role_by_tags(s) == "seg"},
        maps=_maps(derived), quality=_quality(source, found), display_ranges=dict(maps.DISPLAY_RANGES),
        mask_offset_pixels=MASK_OFFSET_PIXELS,
    )  # fmt: skip


def pe_threshold(derived: Sequence[SeriesRecord], found: Sequence[Analysis]) -> float | None:
    """Percent enhancement of the rule, from its parameter, else from the name of the mask: it differs by scanner."""
    told = _parameter(found, "PE_threshold")
    if told is not None:
        return told
    named = (_THRESHOLD.search(s.description) for s in derived)
    return next((float(match.group(1)) for match in named if match), None)


def _parameter(found: Sequence[Analysis], name: str) -> float | None:
    return next((value for a in found if (value := a.number(name)) is not None), None)


def _box(found: Sequence[Analysis], geometry: Geometry | None) -> tuple[Corner | None, Corner | None]:
    """The volume of interest in voxels as recorded, else computed from the box in millimetres."""
    for analysis in found:
        if analysis.voi_start is not None and analysis.voi_end is not None:
            return analysis.voi_start, analysis.voi_end
    boxes = next((a.boxes for a in found if a.boxes), ())
    if not boxes or geometry is None:
        return None, None
    return private.corners(boxes[0], geometry, offset_pixels=MASK_OFFSET_PIXELS)


def _omitted(found: Sequence[Analysis], geometry: Geometry | None) -> tuple[tuple[Corner, Corner], ...]:
    boxes: tuple[LpsBox, ...] = next((a.omit for a in found if a.omit), ())
    if geometry is None:
        return ()
    return tuple(private.corners(box, geometry, offset_pixels=MASK_OFFSET_PIXELS) for box in boxes)


def _maps(derived: Sequence[SeriesRecord]) -> dict[str, str]:
    found = {}
    for series in derived:
        kind = maps.kind_of(series.headers[0])
        kind = kind or next((k for k in ("SER", "PE") if sources.is_map(series, k)), "")
        if kind:
            found[kind] = series.uid
    return found


def _quality(source: sources.Source, found: Sequence[Analysis]) -> dict[str, tuple[float, str]]:
    """Scores stand in the dynamic series; protocol compliance counts as 1 (yes) or 0."""
    acquired = _read(source.phases[0][0])
    every = [*([acquired] if acquired else []), *found]
    scores = dict(next((a.quality for a in every if a.quality), {}))
    told = next((a.compliance for a in every if a.compliance), "")
    if told:
        scores["Protocol Compliance"] = (float(told.upper().startswith("Y")), told)
    return scores
