"""The job ``amounts``: how much training data, and which of its steps, matter; many short trainings, resumable."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from tumordiff_core.jobs.worker import Job

Step = Literal[
    "neighbours", "quiet slices first", "coloured noise", "other pixel sizes", "other phases", "contrast uptake",
    "black air", "misjudged levels",
]  # fmt: skip


class AmountsParams(BaseModel):
    """What the study of data asks for."""

    data: str = Field("", title="Data", description="A pack of slices (.npz) or a cohort folder with truth.")
    counts: list[int] = Field(default_factory=lambda: [8, 16, 32, 64, 100], min_length=1, title="Training patients")
    without: list[Step] = Field(
        default_factory=lambda: list(get_args(Step)),
        title="Steps left out", description="Each in a training of its own with all patients.",
    )  # fmt: skip
    facts: list[str] = Field(
        default_factory=list, title="Facts", description="Tables on patients and series; adds a network told of them."
    )
    epochs: int = Field(6, ge=1, le=10_000, title="Epochs")
    steps: int = Field(100, ge=1, le=100_000, title="Steps per epoch")
    batch: int = Field(16, ge=1, le=1024, title="Batch")
    crop: int = Field(64, ge=32, le=512, multiple_of=16, title="Crop (pixels)")
    levels: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=lambda: [0.05, 0.10, 0.15], min_length=1, title="Levels"
    )
    seed: int = Field(0, ge=0, title="Seed")
    arguments: dict[str, Any] = Field(
        default_factory=lambda: {"widths": [24, 40, 64, 80]}, title="Network arguments",
        description="A quarter of the shipped network's work, so that many trainings fit into an hour.",
    )  # fmt: skip


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.amounts"
    return [
        Task("amounts", "How much data matters", f"{room}:AmountsParams", f"{room}:run", weight="heavy", resumes=True)
    ]


def run(params: AmountsParams, job: "Job") -> None:
    """Train every variant, score it on the same test patients, and write table and report.

    Raises InputError("training.no_data"), Stopped(resumable=True).
    """
    from tumordiff_core import result_folder
    from tumordiff_core.errors import InputError
    from tumordiff_core.evaluation import amounts, pages, references
    from tumordiff_core.training import datasets, facts, fit
    from tumordiff_core.training.module import Recipe

    data = datasets.place_of(params.data)
    job.progress.stage("read slices")
    stacks = facts.joined(datasets.read_data(data), facts.read([Path(name) for name in params.facts]))
    found = references.of_pack(stacks)
    train = {stack.patient for stack in stacks if stack.part == "train"}
    if not found or not train:
        raise InputError("training.no_data", data, name=data.name)
    plan = fit.Plan(
        family="edm-unet", arguments=params.arguments, recipe=Recipe("edm", params.batch, params.steps, params.seed),
        crop=params.crop, learning_rate=1e-3, epochs=params.epochs, patience=params.epochs,
    )  # fmt: skip
    wanted = amounts.variants(params.counts, params.without, len(train), facts=bool(params.facts))
    rows = amounts.run(plan, stacks, found, wanted, params.levels, job.checkpoints, progress=job.progress)
    note = (
        f"{len(wanted)} short trainings of {params.epochs * params.steps} steps, one seed; PSNR over the noisy input, "
        f"in tissue, {len({r.patient for r in found})} test patients, bootstrap 95 % over them; simulated Rician noise."
    )
    place = job.result / "tables"
    place.mkdir()
    with (place / "amounts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    text = pages.page("How much data matters", "", [], [], "", [pages.section("All trainings", note, rows)])
    (job.result / "report.html").write_text(text, "utf-8")
    record = result_folder.Record(
        kind="evaluation", provenance="derived", title="How much data matters", params=params.model_dump(),
        seed=params.seed, figures={"amounts": rows, "note": note},
    )  # fmt: skip
    result_folder.finish(job.result, record)
    job.answer.update(result=str(job.folder / "result"), amounts=rows, note=note)
