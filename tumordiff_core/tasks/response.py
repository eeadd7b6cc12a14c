"""The job ``response``: what each visit of a patient shows of the tumour, ours beside what the study published.

Each visit is measured by the rule that its study records (or by I-SPY 1's own, then called assumed) on the acquired
phases, and again on its newest denoised result, with the threshold of the acquired ones.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    import numpy.typing as npt

    from tumordiff_core.imaging.geometry import Geometry
    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.plugins.specs import Dynamic, Recorded
    from tumordiff_core.response import ftv
    from tumordiff_core.response.timeline import Measures

    Phases = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]

COLUMNS = (
    "visit", "days", "kind", "ftv_pe_cc", "ftv_pe_doubt_cc", "ftv_pe_voxels", "ftv_ser_cc", "ftv_ser_voxels",
    "published_pe_cc", "published_ser_cc", "change_percent", "nadir_percent", "longest_mm", "in_plane_mm",
    "published_ld_mm", "persistent_percent", "plateau_percent", "washout_percent", "rule", "pe_threshold_percent",
    "pre_contrast_threshold", "minimum_neighbours", "ser_threshold", "trouble", "study_uid",
)  # fmt: skip


class ResponseParams(BaseModel):
    """What the response form asks for."""

    patient: str = Field(title="Patient", description="A patient id of the catalogue, or a unique end of one.")
    denoised: bool = Field(True, title="Denoised too", description="Also the newest denoised result of each visit.")
    maps: bool = Field(True, title="Keep maps", description="Keep PE, SER and tumour of every visit as arrays.")


@dataclass(frozen=True)
class Setting:
    """How one visit is measured: rule, its box and omitted boxes, and whether the study recorded it."""

    rule: "ftv.Rule"
    voi: "ftv.Box | None"
    omit: "tuple[ftv.Box, ...]"
    recorded: bool


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.response"
    return [Task("response", "Measure the response", f"{room}:ResponseParams", f"{room}:run")]


def run(params: ResponseParams, job: "Job") -> None:
    """Measure every visit of one patient and write the table and the maps.

    Raises MissingError("response.unknown_patient") and InputError("response.nothing_to_measure"); a visit that
    cannot be measured is a row that says why.
    """
    from tumordiff_core.errors import InputError

    patient = find_patient(params.patient)
    job.progress.stage("measure visits", len(patient.visits))
    rows: list[dict[str, Any]] = []
    for visit in patient.visits:
        rows.extend(_rows_of_visit(patient, visit, params, job, len(rows)))
        job.progress.advance()
    if all(row["trouble"] for row in rows):
        raise InputError("response.nothing_to_measure", name=patient.patient_id, visits=len(rows))
    add_changes(rows)
    job.progress.stage("write")
    write_table(job.result, rows)
    _finish(params, job, patient, rows)


def find_patient(name: str) -> Any:
    """The catalogue's patient of an id, or of a unique end of one; raises MissingError("response.unknown_patient")."""
    from tumordiff_core.catalogue import queries
    from tumordiff_core.errors import MissingError

    known = queries.tree()
    fitting = [p for p in known if p.patient_id == name] or [p for p in known if p.patient_id.endswith(name) and name]
    if len(fitting) != 1:
        raise MissingError("response.unknown_patient", name=name or "no name", count=len(known))
    return fitting[0]


def _rows_of_visit(patient: Any, visit: Any, params: ResponseParams, job: "Job", rank: int) -> list[dict[str, Any]]:
    """The acquired row of a visit and, where there is one, its denoised row; or one row that says what is wrong."""
    from tumordiff_core.catalogue import queries
    from tumordiff_core.errors import TumorDiffError

    base: dict[str, Any] = {"visit": visit.label, "days": visit.days, "study_uid": visit.study_uid}
    base["published_ld_mm"] = published_diameter_mm(patient, visit.label)
    try:
        dynamic = usable_dynamic(visit)
        recorded = queries.recorded(visit.study_uid)
        chosen = timing(dynamic, recorded)
        phases, geometry, facts = _read(dynamic, chosen)
        setting = setting_for(recorded, phases[0])
        base.update(facts, series_uids=list(dynamic.series_uids), early=chosen[1])
        kind = "synthetic" if base.pop("made") else "acquired"
        rows = [_row(base, kind, phases, geometry, setting, recorded, params, job, rank)]
        again = _denoised_phases(visit.study_uid, chosen, geometry, phases[0]) if params.denoised else None
        if again is not None:
            rows.append(_row(base, "denoised", again, geometry, setting, None, params, job, rank + 1))
    except TumorDiffError as error:
        job.progress.warn(error.code, f"{visit.label}: {error.sentence}")
        return [{**base, "kind": "missing", "trouble": error.sentence}]
    return rows


def usable_dynamic(visit: Any) -> "Dynamic":
    """The visit's dynamic acquisition with at least three phases.

    Raises InputError("response.no_dynamic", "study.several_patients").
    """
    from tumordiff_core.catalogue import queries
    from tumordiff_core.errors import InputError

    queries.require_one_patient(visit.study_uid)
    dynamic: Dynamic | None = queries.dynamic(visit.study_uid)
    if dynamic is None or len(dynamic.phases) < 3:
        raise InputError("response.no_dynamic", found=0 if dynamic is None else len(dynamic.phases))
    return dynamic


def timing(dynamic: "Dynamic", recorded: "Recorded | None") -> tuple[int, int, int]:
    """The phases before contrast, early and late: as recorded, else by their times, else the first three."""
    count = len(dynamic.phases)
    for source in (recorded, dynamic):
        early, late = (source.early, source.late) if source is not None else (None, None)
        if early is not None and late is not None and 0 < early < late < count:
            return 0, early, late
    return 0, 1, 2


def _read(dynamic: "Dynamic", chosen: tuple[int, int, int]) -> "tuple[Phases, Geometry, dict[str, Any]]":
    """Pre, early and late [slice, row, column] in rescaled intensity, their grid, side, and whether they are made."""
    from tumordiff_core.dicom import stack

    headers = [stack.headers_at(dynamic.phases[k].places) for k in chosen]
    values, geometry = stack.read_phases(headers)
    first = headers[0][0]
    side, source = stack.laterality(first, geometry)
    made = str(first.get("SyntheticData", "")).upper() == "YES"
    return (values[0], values[1], values[2]), geometry, {"made": made, "laterality": side, "laterality_source": source}


def setting_for(recorded: "Recorded | None", pre: "npt.NDArray[Any]") -> Setting:
    """The study's recorded rule, or the assumed one with its threshold taken from the acquired phase."""
    from tumordiff_core.response import ftv

    rule, voi, omit = ftv.rule_for(recorded, pre)
    thresholds = () if recorded is None else (recorded.pe_threshold_percent, recorded.pre_contrast_threshold)
    return Setting(rule, voi, omit, bool(thresholds) and None not in thresholds)


def _denoised_phases(
    study_uid: str, chosen: tuple[int, int, int], geometry: "Geometry", pre: "npt.NDArray[Any]"
) -> "Phases | None":
    """The same phases of the study's newest denoised result on the same grid, rounded where the source is integer."""
    import numpy as np

    from tumordiff_core import result_folder
    from tumordiff_core.catalogue import queries
    from tumordiff_core.response.ftv import on_integer_grid

    found = [
        r for r in queries.results(study_uid) if r.kind == "denoised" and (Path(r.folder) / "result.json").is_file()
    ]
    for row in sorted(found, key=lambda r: str(r.created), reverse=True):
        result = result_folder.open_result(Path(row.folder))
        mean = result.array("mean")
        if mean.ndim != 4 or len(mean) <= max(chosen) or result.geometry != geometry:
            continue
        phases = [np.asarray(mean[k]) for k in chosen]
        whole = [on_integer_grid(p) for p in phases] if np.issubdtype(pre.dtype, np.integer) else phases
        return whole[0], whole[1], whole[2]
    return None


def _row(
    base: dict[str, Any], kind: str, phases: "Phases", geometry: "Geometry", setting: Setting,
    recorded: "Recorded | None", params: ResponseParams, job: "Job", rank: int,
) -> dict[str, Any]:  # fmt: skip
    from tumordiff_core.response import timeline

    found = timeline.measure(phases, geometry, setting.rule, voi=setting.voi, omit=setting.omit)
    rule = setting.rule
    row = {
        **base, "kind": kind, "trouble": "", "rule": "recorded" if setting.recorded else "assumed",
        "ftv_pe_voxels": found.tumour.voxels, "ftv_pe_cc": found.ftv_pe_cc,
        "ftv_pe_doubt_cc": None if kind == "denoised" else _doubt_cc(phases, geometry, setting),
        "ftv_ser_voxels": found.tumour.ser_voxels, "ftv_ser_cc": found.ftv_ser_cc,
        "published_pe_cc": published_cc(recorded, "FTVpe"), "published_ser_cc": published_cc(recorded, "FTVser"),
        "longest_mm": found.longest_mm, "in_plane_mm": found.in_plane_mm, "slice_index": found.slice_index,
        **{f"{name}_percent": value for name, value in found.kinetics_percent.items()}, "ser_classes": found.classes,
        "pe_threshold_percent": rule.pe_threshold_percent, "pre_contrast_threshold": found.tumour.threshold,
        "minimum_neighbours": rule.minimum_neighbours, "ser_threshold": rule.ser_threshold,
        "voi": None if setting.voi is None else [list(end) for end in setting.voi],
        "geometry": geometry.to_record(), "arrays": {},
    }  # fmt: skip
    if params.maps:
        row["arrays"] = _save_maps(job, rank, phases, found)
    return row


def _doubt_cc(phases: "Phases", geometry: "Geometry", setting: Setting) -> float | None:
    """Half the 90 % interval of an acquired volume: what one more dose of its own noise does; None without a tumour."""
    import numpy as np

    from tumordiff_core.noise.level import estimate
    from tumordiff_core.response import safety

    levels = tuple(estimate(phase) for phase in phases)
    whole = np.issubdtype(phases[0].dtype, np.integer)
    visit = safety.Visit(
        setting.rule, setting.voi, tuple(setting.omit), (0, 1, 2), geometry.spacing_mm, levels, integers=bool(whole)
    )
    voxels = safety.volume_doubt(phases, visit)
    return None if voxels is None else voxels * geometry.voxel_cc


def _save_maps(job: "Job", rank: int, phases: "Phases", found: "Measures") -> dict[str, str]:
    """PE (percent) and SER inside the tissue, float16, and the tumour, uint8; the names they got."""
    import numpy as np

    from tumordiff_core import result_folder
    from tumordiff_core.response.enhancement import SER_HIGHEST, percent_enhancement

    tissue = found.tumour.tissue
    percent = np.clip(percent_enhancement(phases[0], phases[1]), -100, 1000)
    ratio = np.clip(found.tumour.ser, 0, SER_HIGHEST)
    arrays: dict[str, npt.NDArray[Any]] = {
        "pe": np.where(tissue, percent, 0).astype(np.float16),
        "ser": np.where(tissue & (percent > 0), ratio, 0).astype(np.float16),
        "tumour": found.tumour.mask.astype(np.uint8),
    }
    names = {what: f"{what}_{rank}" for what in arrays}
    for what, values in arrays.items():
        result_folder.save_array(job.result, names[what], values)
    return names


def published_cc(recorded: "Recorded | None", label: str) -> float | None:
    """The volume that the study itself published under a label that begins so."""
    found = [p for p in recorded.published if p.label.startswith(label)] if recorded is not None else []
    return found[0].volume_cc if found else None


def published_diameter_mm(patient: Any, visit: str) -> float | None:
    """The longest diameter of the clinical record for a visit; 0 is a measured "no residual"."""
    value = patient.facts.get(f"mri_ld_{visit.lower()}")
    return float(value) if isinstance(value, int | float) else None


def add_changes(rows: list[dict[str, Any]]) -> None:
    """Change of the volume by PE from the first visit and from the nadir, acquired and denoised rows apart.

    A denoised volume is compared with denoised ones only: where the first visit has none, there is no change.
    """
    from tumordiff_core.response.timeline import changes

    visits = list(dict.fromkeys(row["study_uid"] for row in rows))
    for denoised in (False, True):
        chosen = {row["study_uid"]: row for row in rows if (row["kind"] == "denoised") == denoised}
        found = changes([chosen.get(visit, {}).get("ftv_pe_cc") for visit in visits])
        for visit, (baseline, nadir) in zip(visits, found, strict=True):
            if visit in chosen:
                chosen[visit].update(change_percent=baseline, nadir_percent=nadir)


def write_table(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """``tables/response.csv``: one line per visit and kind; empty where nothing is known."""
    place = folder / "tables"
    place.mkdir(exist_ok=True)
    with (place / "response.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS, extrasaction="ignore", restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _finish(params: ResponseParams, job: "Job", patient: Any, rows: list[dict[str, Any]]) -> None:
    from datetime import UTC, datetime

    from tumordiff_core import result_folder
    from tumordiff_core.jobs.worker import versions

    made = any(row["kind"] == "synthetic" for row in rows)
    series = [uid for row in rows for uid in row.get("series_uids", ())]
    result_folder.finish(job.result, result_folder.Record(
        kind="response", provenance="synthetic" if made else "derived", title=f"Response of {patient.patient_id}",
        series_uids=list(dict.fromkeys(series)), params=params.model_dump(),
        facts={"patient_id": patient.patient_id, "study_uids": [row["study_uid"] for row in rows]},
        figures={"visits": rows}, units={"pe": "percent", "ser": "ratio", "tumour": "mask", "ftv": "cc"},
        versions=versions(), created=datetime.now(UTC).isoformat(timespec="seconds"),
    ))  # fmt: skip
    shown = [{name: row.get(name) for name in COLUMNS} for row in rows]
    job.answer.update(result=str(job.folder / "result"), patient=patient.patient_id, visits=shown)
