"""The job ``demo``: the whole main job on patients that nobody is, in a home of its own, measured against the truth.

It makes a small cohort, indexes it, denoises one visit with the shipped model, measures the response, exports DICOM
and writes one page. Each part is a job of the demo's home, so the window that opens on it finds them all.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task
from tumordiff_core.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.simulation.page import Shown

    Float = npt.NDArray[np.float32]

FIRST_SEED = 2024
PARTS = 6


class DemoParams(BaseModel):
    """What the demo asks for."""

    headless: bool = Field(False, title="Headless", description="Only pictures and a page, for machines.")
    out: str = Field("", title="Folder", description="A new folder for page, pictures and DICOM; empty: the result.")
    model: str = Field("", title="Model", description="Name of a model; empty: the shipped one.")
    patients: int = Field(3, ge=1, le=3, title="Patients")
    visits: int = Field(4, ge=2, le=4, title="Visits per patient")
    slices: int = Field(40, ge=12, le=64, title="Slices")
    side: int = Field(128, ge=64, le=256, multiple_of=2, title="Rows and columns")
    seed: int = Field(0, ge=0, title="Seed")


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.demo"
    return [Task("demo", "Demo", f"{room}:DemoParams", f"{room}:run", weight="heavy")]


def run(params: DemoParams, job: "Job") -> None:
    """Run the whole demo and leave its page, pictures and DICOM series.

    Raises ModelError("model.unknown") without a model, InputError("files.exists") for a folder that holds something,
    TumorDiffError("demo.part_failed") when one of its parts did not end well.
    """
    import shutil

    from tumordiff_core import files, model_cards
    from tumordiff_core.errors import InputError

    out = Path(params.out).absolute() if params.out else None
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("files.exists", out, name=out.name)
    with own_home():
        model = model_cards.find(params.model or model_cards.DEFAULT).card.name
        place = make_cohort(params, job)
        part(job, 2, "index", {"paths": [str(place / "ISPY1")]})
        record = _cohort(place)
        visit = record["visits"][0]
        denoised = part(job, 3, "denoise", {"input": f"series:{visit['series_uid']}", "model": params.model})
        response = part(job, 4, "response", {"patient": visit["patient_id"], "maps": True})
        exported = job.result / "dicom"
        wanted = {"result": str(denoised / "result"), "to": str(exported), "as_": "dicom", "yes": True}
        part(job, 5, "export", wanted)
        job.progress.stage(f"6/{PARTS} measure and write the page")
        figures = measure(place, visit, denoised / "result")
        write_page(job, place, record, figures, denoised / "result", response / "result")
        _finish(params, job, place, figures, model)
        if out is not None:
            with files.whole_folder(out) as partial:
                shutil.copytree(job.result, partial, dirs_exist_ok=True)
        shown = out or job.folder / "result"
        job.answer.update(
            home=os.environ["TUMORDIFF_HOME"], report=str(shown / "report.html"), dicom=str(shown / "dicom"),
            cohort=str(place), **figures,
        )  # fmt: skip


@contextmanager
def own_home() -> Iterator[Path]:
    """Everything inside happens in the demo's own home, never in the reader's catalogue.

    The command line has gone there already; a job that was started from the reader's home goes there and comes back.
    """
    from tumordiff_core import paths, settings

    before = os.environ.get("TUMORDIFF_HOME")
    place = paths.demo()
    os.environ["TUMORDIFF_HOME"] = str(place)
    settings.reload()
    try:
        yield place
    finally:
        if before is None:
            del os.environ["TUMORDIFF_HOME"]
        else:
            os.environ["TUMORDIFF_HOME"] = before
        settings.reload()


class PartProgress(Progress):
    """What a part tells, told as the demo's own; and a stop of the demo is a stop of its part."""

    def __init__(self, above: Progress, number: int, folder: Path) -> None:
        super().__init__()
        self._above, self._number, self._folder = above, number, folder
        self.end: tuple[str, dict[str, Any]] = ("", {})

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        """Pass on one event of the part, its stage numbered."""
        from tumordiff_core.jobs import start

        if kind in {"done", "failed", "stopped"}:
            self.end = (kind, fields)
            return
        if kind in {"stage", "progress"}:
            self._above.emit(kind, {**fields, "stage": f"{self._number}/{PARTS} {fields['stage']}"})
        elif kind in {"warning", "log"}:
            self._above.emit(kind, fields)
        word = self._above.asked_to_stop()
        if word and not (self._folder / "stop").exists():
            start.stop(self._folder, word)


def part(job: "Job", number: int, task: str, values: dict[str, Any]) -> Path:
    """Run one task to its end as a job of this home and return its folder.

    Raises Stopped when it was stopped, TumorDiffError("demo.part_failed") when it failed.
    """
    from tumordiff_core.errors import Stopped, TumorDiffError
    from tumordiff_core.jobs import folder as jobfolder
    from tumordiff_core.jobs import worker
    from tumordiff_core.plugins import manager

    title = manager.task(task).title
    folder = jobfolder.new_job(task, values, title=title, seed=job.seed, parent=job.record.id, claim=True)
    told = PartProgress(job.progress, number, folder)
    worker.main(folder, echo=told, claimed=1)
    end, fields = told.end
    if end == "stopped":
        raise Stopped
    if end != "done":
        raise TumorDiffError(
            "demo.part_failed", folder, part=title, reason=str(fields.get("sentence", end)).rstrip(".")
        )
    job.progress.check()
    return folder


def make_cohort(params: DemoParams, job: "Job") -> Path:
    """The folder of the demo's cohort: the one made before, or a new one."""
    from tumordiff_core import paths
    from tumordiff_core.errors import TumorDiffError

    seed = FIRST_SEED + params.seed
    name = f"cohort-{params.patients}x{params.visits}-{params.slices}x{params.side}x{params.side}-{seed}"
    place = paths.data() / name
    try:
        _cohort(place)
    except TumorDiffError:
        wanted = {
            "out": str(place), "patients": params.patients, "visits": params.visits, "slices": params.slices,
            "rows": params.side, "columns": params.side, "seed": seed,
        }  # fmt: skip
        part(job, 1, "simulate", wanted)
    return place


def _cohort(place: Path) -> dict[str, Any]:
    from tumordiff_core.simulation import cohort

    return cohort.read(place)


def measure(place: Path, visit: dict[str, Any], result: Path) -> dict[str, Any]:
    """A denoised visit against its truth: PSNR in tissue (mean over slices and phases) and tumour volume."""
    import numpy as np

    from tumordiff_core import result_folder
    from tumordiff_core.response.ftv import dice
    from tumordiff_core.simulation import cohort

    opened = result_folder.open_result(result)
    truth = cohort.read_truth(place, visit)
    mean = np.asarray(opened.array("mean"), dtype=np.float32)
    noisy = np.rint(mean + np.asarray(opened.array("residual"), dtype=np.float32))
    box = (tuple(visit["voi"][0]), tuple(visit["voi"][1]))
    after = cohort.measure(mean, box, visit["pre_contrast_threshold"])
    before = cohort.measure(noisy, box, visit["pre_contrast_threshold"])
    geometry = opened.geometry
    voxel_cc = geometry.voxel_cc if geometry is not None else 0.0
    return {
        "patient": visit["patient_id"], "visit": visit["visit"],
        "psnr_noisy_db": psnr(noisy, truth["clean"]), "psnr_denoised_db": psnr(mean, truth["clean"]),
        "ftv_true_cc": visit["ftv_truth_cc"], "ftv_noisy_cc": before.voxels * voxel_cc,
        "ftv_denoised_cc": after.voxels * voxel_cc, "dice_noisy": dice(before.mask, truth["ftv"]),
        "dice_denoised": dice(after.mask, truth["ftv"]),
        "sigma_true": float(_cohort(place)["sigma"]), "sigma_measured": float(np.mean(opened.record.noise["sigma"])),
    }  # fmt: skip


def psnr(images: "Float", clean: "Float") -> float:
    """PSNR in dB inside tissue, over all slices of all phases that hold some; peak: 99.9 % of the clean volume."""
    import numpy as np

    from tumordiff_core.evaluation.metrics import tissue_mask

    peak = float(np.percentile(clean, 99.9))
    squared: list[npt.NDArray[Any]] = []
    for image, truth in zip(images.reshape(-1, *images.shape[2:]), clean.reshape(-1, *clean.shape[2:]), strict=True):
        mask = tissue_mask(truth / peak)
        squared.append(((image - truth)[mask] / peak) ** 2)
    return -10 * float(np.log10(np.concatenate(squared).mean()))


def write_page(
    job: "Job", place: Path, record: dict[str, Any], figures: dict[str, Any], result: Path, response: Path
) -> None:
    """``report.html`` and ``pictures/*.png`` of the demo's result."""
    from tumordiff_core import files, result_folder
    from tumordiff_core.imaging import thumbnails
    from tumordiff_core.simulation import page

    rows = [
        ("One visit: as acquired, denoised, and what is true", _denoised_pictures(place, record, result)),
        ("The same patient over the visits, tumour outlined", _visit_pictures(place, record)),
    ]
    for _, shown in rows:
        for one in shown:
            thumbnails.write(job.result / "pictures" / f"{one.name}.png", one.grey)
    visits = result_folder.open_result(response).record.figures["visits"]
    intro = (
        f"{len({v['patient_id'] for v in record['visits']})} simulated patients with {len(record['visits'])} visits, "
        f"noise of a two-element coil (standard deviation {record['sigma']:g}) added to images that are known exactly. "
        f"{figures['patient']} {figures['visit']} was denoised and measured by the trial's own rule. "
        "The patients are nobody; nothing here says how well real tumours are measured."
    )
    text = page.page("TumorDiff demo", intro, rows, _printed(figures), _lines(visits), _volumes(record))
    files.write_bytes(job.result / "report.html", text.encode())


def _denoised_pictures(place: Path, record: dict[str, Any], result: Path) -> "list[Shown]":
    import numpy as np

    from tumordiff_core import result_folder
    from tumordiff_core.simulation import cohort, page

    truth = cohort.read_truth(place, record["visits"][0])
    opened = result_folder.open_result(result)
    clean, mean = truth["clean"][1], np.asarray(opened.array("mean")[1])
    residual = np.asarray(opened.array("residual")[1], dtype=np.float32)
    k, limits, spread = _middle(truth), _limits(truth), 4 * float(record["sigma"])
    asked = (
        ("noisy", "as acquired, early phase", mean + residual, limits),
        ("denoised", "denoised (DERIVED)", mean, limits),
        ("truth", "the known truth", clean, limits),
        ("residual", "removed by the denoiser, ± 4 standard deviations of the noise", residual, (-spread, spread)),
    )
    return [page.Shown(name, caption, page.grey_of(values[k], window)) for name, caption, values, window in asked]


def _visit_pictures(place: Path, record: dict[str, Any]) -> "list[Shown]":
    """The early phase of every visit of the first patient without noise, all in the window of the first."""
    from tumordiff_core.simulation import cohort, page

    visits = [v for v in record["visits"] if v["patient_id"] == record["visits"][0]["patient_id"]]
    limits = _limits(cohort.read_truth(place, visits[0]))
    shown = []
    for visit in visits:
        truth = cohort.read_truth(place, visit)
        k = _middle(truth)
        grey = page.grey_of(truth["clean"][1][k], limits, truth["ftv"][k])
        caption = f"{visit['visit']}, day {visit['day']}: {visit['ftv_truth_cc']:.2f} cc"
        shown.append(page.Shown(f"visit-{visit['visit']}", caption, grey))
    return shown


def _limits(truth: "dict[str, npt.NDArray[Any]]") -> tuple[float, float]:
    """Black and white of the early phase: the tumour is the brightest and not burnt out."""
    import numpy as np

    return 0.0, float(np.percentile(truth["clean"][1], 99.93))


def _middle(truth: "dict[str, npt.NDArray[Any]]") -> int:
    """The slice that holds most of the tumour; the middle one where there is none left."""
    import numpy as np

    extent = truth["tumour"].sum(axis=(1, 2))
    return int(np.argmax(extent)) if extent.any() else len(extent) // 2


def _printed(figures: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("PSNR in tissue, as acquired", f"{figures['psnr_noisy_db']:.2f} dB"),
        ("PSNR in tissue, denoised", f"{figures['psnr_denoised_db']:.2f} dB"),
        ("Noise: true, measured blindly", f"{figures['sigma_true']:.2f}, {figures['sigma_measured']:.2f}"),
        ("Tumour volume: true", f"{figures['ftv_true_cc']:.2f} cc"),
        ("Tumour volume: as acquired", f"{figures['ftv_noisy_cc']:.2f} cc (Dice {figures['dice_noisy']:.3f})"),
        ("Tumour volume: denoised", f"{figures['ftv_denoised_cc']:.2f} cc (Dice {figures['dice_denoised']:.3f})"),
    ]


def _lines(visits: list[dict[str, Any]]) -> list[dict[str, str]]:
    from tumordiff_core.units import format_cc, format_mm, format_percent

    return [
        {
            "visit": row["visit"], "images": row["kind"], "FTV": format_cc(row.get("ftv_pe_cc")),
            "recorded": format_cc(row.get("published_pe_cc")), "longest diameter": format_mm(row.get("longest_mm")),
            "change": format_percent(row.get("change_percent")), "rule": row.get("rule", "-"),
        }
        for row in visits
    ]  # fmt: skip


def _volumes(record: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for visit in record["visits"]:
        for name, key in (("acquired", "ftv_acquired_cc"), ("true", "ftv_truth_cc")):
            curve = found.setdefault(f"{visit['response']}, {name}", [])
            curve.append((float(visit["day"]), float(visit[key])))
    return found


def _finish(params: DemoParams, job: "Job", place: Path, figures: dict[str, Any], model: str) -> None:
    from datetime import UTC, datetime

    from tumordiff_core import result_folder
    from tumordiff_core.jobs.worker import versions

    result_folder.finish(job.result, result_folder.Record(
        kind="evaluation", provenance="synthetic", title="Demo", params=params.model_dump(), seed=params.seed,
        model={"name": model}, figures={**figures, "cohort": str(place)}, units={"ftv": "cc", "psnr": "dB"},
        versions=versions(), created=datetime.now(UTC).isoformat(timespec="seconds"),
    ))  # fmt: skip
