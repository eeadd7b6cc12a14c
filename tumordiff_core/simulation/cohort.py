"""A cohort with known truth: who takes part, what each visit shows, and the folder that holds files and truth.

Folder (format 1): ``ISPY1/<patient>/<study>/<series>/*.dcm`` as a download has it, the phases before noise in
``truth/<patient>/<visit>/truth.npz``, and ``cohort.json``, written last.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core import files
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.jobs.spread import spread
from tumordiff_core.progress import Progress
from tumordiff_core.response import ftv
from tumordiff_core.simulation import acquisition, breast, dicom_files, growth, lesion, voi_file

Box = tuple[tuple[int, int, int], tuple[int, int, int]]
"""First and last voxel inside, each [slice, row, column]."""

FORMAT = 1
COLLECTION = "ISPY1"
VISITS = (("T1", "baseline", 0), ("T2", "early-treatment", 18), ("T3", "inter-regimen", 62), ("T4", "pre-surgery", 160))
MARGIN = (2, 4, 4)
"""How many voxels a patient may lie shifted from visit to visit, either way half of it."""

VOI_MARGIN_MM = 9.0
PE_THRESHOLD_PERCENT = 70.0
MINIMUM_NEIGHBOURS = 9
SER_THRESHOLD = 0.9


@dataclass(frozen=True)
class Patient:
    """One simulated patient."""

    number: int
    response: growth.Response
    side: str
    age: int
    shape: breast.Shape
    centre_mm: tuple[float, float, float]
    radius_mm: float

    @property
    def patient_id(self) -> str:
        """Says at first sight that this is nobody."""
        return f"SYN-DEMO-{self.number:03d}"


PATIENTS = (
    Patient(1, "responder", "R", 44, breast.Shape(92, 72, 58, 0.50), (6.0, 84.0, 76.0), 15.5),
    Patient(2, "partial responder", "L", 52, breast.Shape(84, 68, 56, 0.32), (-8.0, 104.0, 84.0), 14.0),
    Patient(3, "non-responder", "R", 37, breast.Shape(98, 75, 60, 0.66), (4.0, 98.0, 70.0), 13.0),
)


@dataclass(frozen=True)
class Plan:
    """What to make; the same plan makes the same bytes."""

    shape: tuple[int, int, int] = (40, 128, 128)
    patients: int = 3
    visits: int = 4
    seed: int = 2024
    protocol: acquisition.Protocol = field(default_factory=acquisition.Protocol)


@dataclass(frozen=True)
class Visit:
    """One visit before it is written.

    Parameters
    ----------
    clean : float32 [phase, slice, row, column], stored units without noise
    stored : int16 [phase, slice, row, column]
    tumour : bool [slice, row, column], more than half tumour
    box : the region that the trial's rule is limited to
    """

    clean: npt.NDArray[np.float32]
    stored: npt.NDArray[np.int16]
    tumour: npt.NDArray[np.bool_]
    box: Box


def spacing_mm(plan: Plan) -> tuple[float, float, float]:
    """Distance between slices, rows and columns: the same block of tissue, cut as finely as the plan says."""
    return (
        breast.FIELD_MM[0] / plan.shape[0], breast.FIELD_MM[1] / plan.shape[1], breast.FIELD_MM[2] / plan.shape[2]
    )  # fmt: skip


def geometry(plan: Plan, side: str) -> Geometry:
    """Sagittal, unilateral: columns run to posterior, rows to inferior, slices to the patient's right."""
    step = spacing_mm(plan)
    first = -38.0 - step[0] / 2 if side == "R" else 158.0 - step[0] / 2
    return Geometry(
        plan.shape, step, (first, -100.0, 92.0), row_direction=(0.0, 1.0, 0.0), column_direction=(0.0, 0.0, -1.0),
        slice_direction=(-1.0, 0.0, 0.0),
    )  # fmt: skip


def simulate(plan: Plan, patient: Patient) -> list[Visit]:
    """All visits of one patient: one breast, a tumour that answers, and a fresh position and noise at every visit."""
    wide = [n + 2 * m for n, m in zip(plan.shape, MARGIN, strict=True)]
    grid = breast.Grid((wide[0], wide[1], wide[2]), spacing_mm(plan))
    rng = np.random.default_rng([plan.seed, patient.number])
    anatomy = breast.make(patient.shape, grid, rng, left=patient.side == "L")
    found = []
    for rank, (_, _, day) in enumerate(VISITS[: plan.visits]):
        state = growth.at_day(patient.response, patient.radius_mm, day)
        tumour = lesion.Lesion(patient.centre_mm, state.radius_mm, state.leakage, seed=plan.seed + patient.number)
        there, share = lesion.grow(anatomy, tumour)
        visit_rng = np.random.default_rng([plan.seed, patient.number, rank])
        start = [int(visit_rng.integers(m // 2, m + m // 2 + 1)) for m in MARGIN]
        seen = there.cropped((start[0], start[1], start[2]), plan.shape)
        window = tuple(slice(a, a + n) for a, n in zip(start, plan.shape, strict=True))
        clean = acquisition.clean_phases(seen, plan.protocol)
        found.append(_visit(plan, patient, clean, share[window] > 0.5, _box(grid, patient, plan, start), visit_rng))
    return found


def _box(grid: breast.Grid, patient: Patient, plan: Plan, start: list[int]) -> Box:
    """The box drawn around the baseline tumour with a margin, the same size at every visit."""
    reach = 1.35 * patient.radius_mm + VOI_MARGIN_MM
    ends = []
    for axis, centre, first, count in zip(grid.axes(), patient.centre_mm, start, plan.shape, strict=True):
        low, high = np.searchsorted(axis.ravel(), (centre - reach, centre + reach)) - first
        ends.append((max(int(low), 0), min(int(high), count) - 1))
    return (ends[0][0], ends[1][0], ends[2][0]), (ends[0][1], ends[1][1], ends[2][1])


def _visit(
    plan: Plan, patient: Patient, clean: npt.NDArray[np.float32], tumour: npt.NDArray[np.bool_], box: Box,
    rng: np.random.Generator,
) -> Visit:  # fmt: skip
    # Truth is kept in half precision: rounding it before the noise is added keeps it exact.
    clean = clean.astype(np.float16).astype(np.float32)
    if patient.side == "L":
        # The left breast's first slice is its lateral one: slices always run to the patient's right.
        last = plan.shape[0] - 1
        clean, tumour = np.ascontiguousarray(clean[:, ::-1]), np.ascontiguousarray(tumour[::-1])
        box = ((last - box[1][0], *box[0][1:]), (last - box[0][0], *box[1][1:]))
    return Visit(clean, acquisition.acquire(clean, plan.protocol, rng), tumour, box)


def measure(phases: npt.NDArray[Any], box: Box, pre_contrast_threshold: int) -> ftv.Tumour:
    """The trial's rule on three phases [phase, slice, row, column], rounded to the integers it was written for."""
    rule = ftv.Rule(
        pe_threshold_percent=PE_THRESHOLD_PERCENT, pre_contrast_threshold=pre_contrast_threshold,
        minimum_neighbours=MINIMUM_NEIGHBOURS, ser_threshold=SER_THRESHOLD,
    )  # fmt: skip
    pre, early, late = np.rint(np.asarray(phases, dtype=np.float32))
    return ftv.tumour(pre, early, late, rule, voi=box)


def threshold(pre: npt.NDArray[Any], box: Box) -> int:
    """60 % of the 95th percentile of the phase before contrast inside the box, cut to an integer as the trial did."""
    inside = tuple(slice(a, b + 1) for a, b in zip(*box, strict=True))
    return int(0.6 * float(np.percentile(pre[inside], 95)))


def write_patient(order: tuple[str, Plan, Patient]) -> list[dict[str, Any]]:
    """Simulate one patient and write files and truth below the folder that ``order`` names; figures per visit."""
    root, plan, patient = Path(order[0]), order[1], order[2]
    records = []
    for rank, visit in enumerate(simulate(plan, patient)):
        limit = threshold(visit.stored[0], visit.box)
        acquired, truth = (measure(phases, visit.box, limit) for phases in (visit.stored, visit.clean))
        rule = voi_file.Rule(
            PE_THRESHOLD_PERCENT, MINIMUM_NEIGHBOURS, limit, SER_THRESHOLD, *visit.box, acquired.voxels,
            acquired.ser_voxels,
        )  # fmt: skip
        facts = study_facts(plan, patient, rank)
        study = facts.folder(root / COLLECTION)
        series = dicom_files.write_dynamic(study, facts, visit.stored)
        voi_file.write_voi_mask(study, facts, acquired.mask, rule)
        place = root / "truth" / patient.patient_id / facts.time_point
        place.mkdir(parents=True)
        np.savez(place / "truth.npz", clean=visit.clean.astype(np.float16), tumour=visit.tumour, ftv=truth.mask)
        voxel_cc = facts.geometry.voxel_cc
        records.append({
            "patient_id": patient.patient_id, "response": patient.response, "visit": facts.time_point,
            "day": VISITS[rank][2], "study_uid": facts.study_uid,
            "series_uid": facts.uid("series", dicom_files.DYNAMIC_NUMBER),
            "series": series.relative_to(root).as_posix(),
            "truth": (place / "truth.npz").relative_to(root).as_posix(), "pre_contrast_threshold": limit,
            "voi": [list(end) for end in visit.box], "ftv_truth_cc": truth.voxels * voxel_cc,
            "ftv_acquired_cc": acquired.voxels * voxel_cc,
        })  # fmt: skip
    return records


def study_facts(plan: Plan, patient: Patient, rank: int) -> dicom_files.StudyFacts:
    """What the headers of one visit say."""
    label, description, day = VISITS[rank]
    first = date(2020, 1, 6) + timedelta(days=47 * patient.number)
    return dicom_files.StudyFacts(
        patient_id=patient.patient_id, subject=f"DEMO-{patient.number:03d}", time_point=label,
        description=description, study_date=first + timedelta(days=day), side=patient.side, age=patient.age,
        geometry=geometry(plan, patient.side), start_s=plan.protocol.start_s, effective_s=plan.protocol.effective_s,
        duration_s=plan.protocol.duration_s, seed=plan.seed, keys=(plan.shape, patient.number, label),
    )  # fmt: skip


def make(folder: Path, plan: Plan, *, processes: int | None = None, progress: Progress) -> dict[str, Any]:
    """Write a whole cohort into a new folder and return its record; one worker process per patient.

    Raises InputError("files.exists"), SpaceError("files.no_space") and whatever a patient's worker raised.
    """
    patients = PATIENTS[: plan.patients]
    voxels = int(np.prod(plan.shape)) * plan.patients * plan.visits
    files.require_space(folder, voxels * 3 * 4 * 1.2)
    visits: list[dict[str, Any]] = []
    with files.whole_folder(folder) as partial:
        progress.stage("simulate patients", len(patients))
        orders = [(str(partial), plan, patient) for patient in patients]
        for outcome in spread(write_patient, orders, processes=processes, progress=progress):
            if outcome.error is not None:
                raise outcome.error
            visits.extend(outcome.answer or [])
            progress.advance()
        visits.sort(key=lambda visit: (visit["patient_id"], visit["visit"]))
        record = {
            "format": FORMAT, "synthetic": True, "seed": plan.seed, "shape": list(plan.shape),
            "sigma": plan.protocol.sigma, "channels": plan.protocol.channels, "visits": visits,
        }  # fmt: skip
        files.write_json(partial / "cohort.json", record)
    return record


def read(folder: Path) -> dict[str, Any]:
    """The record of a finished cohort.

    Raises MissingError("files.missing"), InputError("files.not_json") or ("files.newer_format").
    """
    return files.read_json(folder / "cohort.json", newest_format=FORMAT)


def read_truth(folder: Path, visit: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """``clean`` float32 [phase, slice, row, column]; ``tumour`` and ``ftv`` bool [slice, row, column]."""
    with np.load(folder / visit["truth"], allow_pickle=False) as truth:
        return {"clean": truth["clean"].astype(np.float32), "tumour": truth["tumour"], "ftv": truth["ftv"]}
