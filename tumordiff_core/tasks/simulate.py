"""The job ``simulate``: a cohort of patients with known truth, as the files a scanner would have left."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.simulation.cohort import Plan


class SimulateParams(BaseModel):
    """What the simulation form asks for."""

    out: str = Field("", title="Folder", description="A new folder for the cohort; empty: inside the job's result.")
    patients: int = Field(3, ge=1, le=3, title="Patients")
    visits: int = Field(4, ge=1, le=4, title="Visits per patient")
    slices: int = Field(40, ge=12, le=256, title="Slices")
    rows: int = Field(128, ge=64, le=512, multiple_of=2, title="Rows")
    columns: int = Field(128, ge=64, le=512, multiple_of=2, title="Columns")
    sigma: float = Field(3.2, ge=0, le=100, title="Noise", description="Of each channel, in stored units.")
    channels: int = Field(2, ge=1, le=32, title="Coil elements")
    seed: int = Field(2024, ge=0, title="Seed", description="The same seed and size make the same bytes.")
    processes: int = Field(0, ge=0, le=256, title="Processes", description="0: one per core.")


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.simulate"
    return [Task("simulate", "Simulate patients", f"{room}:SimulateParams", f"{room}:run")]


def run(params: SimulateParams, job: "Job") -> None:
    """Write the cohort and say in the result where it lies and what is true in it.

    Raises InputError("files.exists"), SpaceError("files.no_space").
    """
    from tumordiff_core import result_folder
    from tumordiff_core.jobs.worker import versions
    from tumordiff_core.simulation import cohort

    inside = job.result / "cohort"
    place = Path(params.out).absolute() if params.out else inside
    record = cohort.make(place, plan(params), processes=params.processes or None, progress=job.progress)
    job.progress.stage("write")
    final = job.folder / "result" / "cohort" if place == inside else place
    figures = {"folder": str(final), "visits": record["visits"]}
    result_folder.finish(job.result, result_folder.Record(
        kind="cohort", provenance="synthetic", title=f"{params.patients} simulated patients",
        params=params.model_dump(), seed=params.seed,
        series_uids=[visit["series_uid"] for visit in record["visits"]], figures=figures, units={"ftv": "cc"},
        versions=versions(),
    ))  # fmt: skip
    job.answer.update(
        result=str(job.folder / "result"), folder=str(final), patients=params.patients, visits=len(record["visits"])
    )


def plan(params: SimulateParams) -> "Plan":
    """The simulation's own plan for these parameters."""
    from tumordiff_core.simulation import acquisition, cohort

    protocol = acquisition.Protocol(sigma=params.sigma, channels=params.channels)
    shape = (params.slices, params.rows, params.columns)
    return cohort.Plan(shape, params.patients, params.visits, params.seed, protocol)
