"""The job ``stress``: known lesions put into one's own series, denoised and looked for; what is reliably kept."""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from tumordiff_core.evaluation.stress import Opened
    from tumordiff_core.imaging.volume import Volume
    from tumordiff_core.jobs.worker import Job


class StressParams(BaseModel):
    """What the stress test asks for."""

    input: str = Field(title="Input", description="A DICOM folder, a file, or a catalogued series (series:<uid>).")
    series: int | None = Field(None, title="Series number", description="Which series of a folder with several.")
    model: str = Field("", title="Model", description="Name of a model; empty: the shipped one.")
    sigma: float | None = Field(
        None, ge=0, title="Noise level", description="In the units of the input; empty: measured."
    )
    local_means: float | None = Field(
        None,
        ge=0,
        le=1,
        title="Local means",
        description="Given back as in denoising; empty: most of it with several phases.",
    )
    along_edges: bool = Field(
        True,
        title="Along edges",
        description="As in denoising: with several phases, noise left at edges is smoothed along them.",
    )
    rims: bool = Field(
        True,
        title="Rims",
        description="As in denoising: with several phases, rims of lesions are given back where the model can.",
    )
    seconds: float = Field(90, gt=0, le=3600, title="Seconds", description="For inserting and denoising.")
    turns: int = Field(40, ge=1, le=1000, title="Most turns", description="A lesion at every place, each turn.")
    seed: int = Field(0, ge=0, title="Seed")


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.stress"
    return [Task("stress", "Stress test of a series", f"{room}:StressParams", f"{room}:run", weight="heavy")]


def run(params: StressParams, job: "Job") -> None:
    """Put lesions into the series, denoise, look for them, and write tables, curve and report.

    Raises UnsupportedError("denoise.not_acquired"), InputError("evaluate.no_tissue"), and what reading raises.
    """
    from tumordiff_core import model_cards, result_folder
    from tumordiff_core.engine import denoise, weights
    from tumordiff_core.evaluation import pages, stress
    from tumordiff_core.plugins import manager

    job.progress.stage("read")
    volume = manager.load("tumordiff_core.tasks.denoise:read_input")(params.input, params.series, job.progress)
    manager.load("tumordiff_core.tasks.denoise:refuse_unacquired")(volume)
    card = model_cards.find(params.model or model_cards.DEFAULT)
    opened = _opened(volume, params, job)
    model = denoise.for_phases(
        weights.load(card), volume.phases, local_means=params.local_means, edges=params.along_edges, rims=params.rims
    )
    cells, points = stress.run(
        model, opened, seconds=params.seconds, most_turns=params.turns, seed=params.seed, progress=job.progress
    )
    lesions = sum(cell.lesions for cell in cells)
    note = (
        f"{lesions} lesions of 3 to 8 mm put into this series as acquired, and the same places without them. Found: at "
        f"{stress.FALSE_ALARMS:.0%} false alarms by a channelized Hotelling observer; reliable: {stress.RELIABLE:.0%}. "
        "One series, made-up lesions: not a bound for other people."
    )
    tables = {"cells": [asdict(cell) for cell in cells], "curve": [asdict(point) for point in points]}
    _write(job.result, tables)
    drawn = stress.picture(points)
    (job.result / "pictures").mkdir()
    (job.result / "pictures" / "curve.svg").write_text(drawn, "utf-8")
    sections = [
        pages.section("Smallest enhancement reliably found", note, tables["curve"], drawn),
        pages.section("Every size and enhancement", "", tables["cells"]),
    ]
    (job.result / "report.html").write_text(pages.page("Stress test", "", [], [], "", sections), "utf-8")
    record = result_folder.Record(
        kind="evaluation", provenance="derived", title="Stress test", params=params.model_dump(), seed=params.seed,
        model=weights.told(card.card, model, opened.noise),
        noise={"sigma": [level.sigma for level in opened.noise], "lag1": list(opened.noise[0].lag1)},
        series_uids=[str(uid) for uid in volume.facts.get("series_uids", []) if uid],
        figures={
            "local_means": model.local_means, "along_edges": model.along_edges,
            "rims": model.rims_given_back,
            "stress": {**tables, "lesions": lesions, "note": note, "reliable": stress.RELIABLE},
        },
    )  # fmt: skip
    result_folder.finish(job.result, record)
    job.answer.update(result=str(job.folder / "result"), lesions=lesions, curve=tables["curve"], note=note)


def _opened(volume: "Volume", params: StressParams, job: "Job") -> "Opened":
    """The series scaled as the network wants it, with the noise of every phase."""
    from tumordiff_core.engine.denoise import NoiseLevel
    from tumordiff_core.evaluation.stress import Opened
    from tumordiff_core.imaging.intensity import robust_scaling
    from tumordiff_core.noise.level import estimate

    scaling = robust_scaling(volume.values)
    job.progress.stage("measure noise", volume.phases)
    levels = []
    for phase in volume.values:
        level = estimate(phase)
        sigma = level.sigma if params.sigma is None else params.sigma
        levels.append(NoiseLevel(sigma / scaling.range, level.lag1, level.channels))
        job.progress.advance()
    early = min(int(volume.facts.get("early") or 1), volume.phases - 1)
    name = str(volume.facts.get("series_description") or Path(params.input).name)
    return Opened(scaling.apply(volume.values), levels, volume.geometry.spacing_mm, 0, early, name)


def _write(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    place = folder / "tables"
    place.mkdir()
    for name, rows in tables.items():
        with (place / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["empty"])
            writer.writeheader()
            writer.writerows(rows)
