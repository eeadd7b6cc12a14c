"""The job ``peers``: other people's networks with the budget of ours, trained and scored like it; resumable."""

import csv
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from tumordiff_core.jobs.worker import Job


class PeersParams(BaseModel):
    """What the comparison of networks asks for."""

    data: str = Field("", title="Data", description="A pack of slices (.npz) or a cohort folder with truth.")
    minutes: float = Field(10, gt=0, le=10_000, title="Minutes", description="Wall time of each network's training.")
    epochs: int = Field(6, ge=1, le=1000, title="Epochs", description="How often the time is validated in between.")
    batch: int = Field(16, ge=1, le=1024, title="Batch")
    crop: int = Field(64, ge=32, le=512, multiple_of=16, title="Crop (pixels)")
    levels: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default_factory=lambda: [0.05, 0.10, 0.15], min_length=1, title="Levels"
    )
    seed: int = Field(0, ge=0, title="Seed")
    arguments: dict[str, Any] = Field(
        default_factory=lambda: {"widths": [24, 40, 64, 80]}, title="Network arguments",
        description="Of our network; the others get as many parameters.",
    )  # fmt: skip


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.peers"
    title = "Other networks with the same budget"
    return [Task("peers", title, f"{room}:PeersParams", f"{room}:run", weight="heavy", resumes=True)]


def for_terminal(answer: dict[str, Any]) -> dict[str, Any]:
    """What a terminal has room for of the answer of this job."""
    plain = ("network", "parameters", "steps", "seconds", "seen", "level")
    spans = {
        "gain": ("gain_db", "gain_low", "gain_high"),
        "over_ours": ("over_ours_db", "over_ours_low", "over_ours_high"),
    }
    lines = [
        {name: row[name] for name in plain}
        | {
            name: dict(zip(("mean", "low", "high"), (row[key] for key in keys), strict=True))
            for name, keys in spans.items()
        }
        for row in answer.get("peers", [])
    ]
    return {**answer, "peers": lines} if lines else answer


def run(params: PeersParams, job: "Job") -> None:
    """Train every network for as long, score all on the same test patients, and write table and report.

    Raises InputError("training.no_data"), Stopped(resumable=True).
    """
    from tumordiff_core import result_folder
    from tumordiff_core.errors import InputError
    from tumordiff_core.evaluation import pages, peers, references
    from tumordiff_core.training import datasets, fit
    from tumordiff_core.training.module import Recipe

    data = datasets.place_of(params.data)
    job.progress.stage("read slices")
    stacks = datasets.read_data(data)
    found = references.of_pack(stacks)
    if not found or not any(stack.part == "train" for stack in stacks):
        raise InputError("training.no_data", data, name=data.name)
    plan = fit.Plan(
        family="edm-unet", arguments=params.arguments, recipe=Recipe("edm", params.batch, 1, params.seed),
        crop=params.crop, learning_rate=1e-3, epochs=params.epochs, patience=params.epochs,
    )  # fmt: skip
    wanted, missing = peers.entries(plan)
    note = (
        f"{params.minutes:g} minutes of wall time for each network, one seed; same data, objective, preconditioning "
        f"and optimizer; PSNR in tissue, {len({r.patient for r in found})} test patients, bootstrap 95 % over them; "
        "simulated Rician noise; differences are to ours with as much seen."
    )
    if missing:
        left_out = f"Not installed and left out: {', '.join(missing)} (extra 'bench')."
        job.progress.log(left_out)
        note = f"{note} {left_out}"
    rows = peers.run(
        wanted, stacks, found, params.levels, job.checkpoints, minutes=params.minutes, progress=job.progress
    )  # fmt: skip
    place = job.result / "tables"
    place.mkdir()
    with (place / "peers.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    title = "Other networks with the same budget"
    text = pages.page(title, "", [], [], "", [pages.section("All networks", note, rows)])
    (job.result / "report.html").write_text(text, "utf-8")
    record = result_folder.Record(
        kind="evaluation", provenance="derived", title=title, params=params.model_dump(), seed=params.seed,
        figures={"peers": rows, "note": note},
    )  # fmt: skip
    result_folder.finish(job.result, record)
    job.answer.update(result=str(job.folder / "result"), peers=rows, note=note)
