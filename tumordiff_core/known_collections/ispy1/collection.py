"""The collection as the catalogue asks for it; each answer is made in a file of its own."""

from collections.abc import Sequence
from dataclasses import replace

from tumordiff_core.dicom import phases as acquisition
from tumordiff_core.dicom.private import Analysis
from tumordiff_core.known_collections.ispy1 import clinical as tables
from tumordiff_core.known_collections.ispy1 import recorded as analysis
from tumordiff_core.known_collections.ispy1 import sources, visits
from tumordiff_core.plugins.specs import (
    Dynamic,
    Fact,
    Header,
    Recorded,
    Role,
    StudyRecord,
)

PROTOCOL = "6657"
clinical = tables.clinical
time_points = visits.time_points


def claims(header: Header) -> bool:
    """Whether a file belongs to the trial: by patient id, else by the trial's protocol number."""
    if str(header.get("PatientID", "")).upper().startswith("ISPY1_"):
        return True
    protocol = str(header.get("ClinicalTrialProtocolID", ""))
    return protocol.removeprefix("ACRIN").strip(" -_") == PROTOCOL


def phases(one: StudyRecord) -> list[Dynamic]:
    """The dynamic acquisition of a study; none where it holds none."""
    found = analysis.analyses(one)
    source = _source(one, found)
    return [] if source is None else [_dynamic(one, source, found)]


def recorded(one: StudyRecord) -> Recorded | None:
    """What the trial's own analysis recorded."""
    return analysis.recorded(one, _source(one, analysis.analyses(one)))


def roles(one: StudyRecord) -> dict[str, Role]:
    """By tags and words; what the phases are is dynamic, what only looks like one is a look-alike."""
    source = _source(one, analysis.analyses(one))
    return {series.uid: sources.role(series, source) for series in one.series}


def _source(one: StudyRecord, found: Sequence[Analysis]) -> sources.Source | None:
    named = next((a.sources for a in found if a.sources), ())
    total = next((a.total_phases for a in found if a.total_phases), None)
    return sources.find(one, named=named, total=total, side=_side(one.facts))


def _side(facts: Sequence[Fact]) -> str:
    told = next((fact.value for fact in facts if fact.name == "laterality"), None)
    return str(told) if told in ("L", "R") else ""


def _dynamic(one: StudyRecord, source: sources.Source, found: Sequence[Analysis]) -> Dynamic:
    """Times as recorded where the record counts the same phases, else from the files."""
    timed = next((a for a in found if len(a.effective_s) == len(source.phases)), None)
    injection = next((a.injection_s for a in found if a.injection_s is not None), None)
    duration = next((a.duration_s for a in found if a.duration_s), None)
    used = analysis.phases_used(one, found)
    total = next((a.total_phases for a in found if a.total_phases), None)
    complete = not any(part.missing for part in source.parts) and len(source.phases) >= (total or sources.FEWEST_PHASES)
    dynamic = acquisition.dynamic(
        source.series_uids, source.phases, injection_s=injection, duration_s=duration,
        effective_s=timed.effective_s if timed else (), early=used[1] if len(used) > 1 else None,
        late=used[2] if len(used) > 2 else None, complete=complete, remark=_remark(source, total),
    )  # fmt: skip
    if dynamic.early is not None and dynamic.late is None:
        after = [p for p in dynamic.phases if p.index > dynamic.early and p.effective_s is not None]
        nearest = min(after, key=lambda p: abs((p.effective_s or 0.0) - acquisition.LATE_S), default=None)
        dynamic = replace(dynamic, late=nearest.index if nearest else None)
    return dynamic


def _remark(source: sources.Source, total: int | None) -> str:
    """What is wrong with the phases; nothing where all is as recorded."""
    said = [part.remark for part in source.parts if part.remark]
    if total is not None and len(source.phases) != total:
        said.append(f"{len(source.phases)} phases found, {total} recorded")
    elif len(source.phases) < sources.FEWEST_PHASES:
        said.append(f"{len(source.phases)} phases found, at least {sources.FEWEST_PHASES} expected")
    if acquisition.overlap(source.phases):
        said.append("acquisition times contradict the order of phases")
    return "; ".join(said)
