"""Any other DICOM: time points from tags or dates, roles from tags, dynamic series by repeated positions."""

from collections.abc import Iterable
from pathlib import Path

from tumordiff_core.dicom import phases as acquisition
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
    return acquisition.roles(one)


def phases(one: StudyRecord) -> list[Dynamic]:
    """Every MR series whose positions all repeat, with times from its acquisition times."""
    return acquisition.repeating(one)


def recorded(one: StudyRecord) -> Recorded | None:
    """Nothing is known to be recorded."""
    return None


def clinical(path: Path) -> Iterable[Fact]:
    """No table is known."""
    return ()
