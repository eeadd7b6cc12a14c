"""Verbs that do work: each parses, makes a claimed job folder and runs the worker in this very process."""

import os
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tumordiff_core import paths, settings
from tumordiff_core.cli import console, show
from tumordiff_core.errors import InputError, MissingError, NotBuilt, UsageError
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.jobs import start, worker
from tumordiff_core.plugins import manager

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Yes = Annotated[bool, typer.Option("--yes", help="Answer the safety questions with yes.")]
SERIES_PREFIX = "series:"
Answer = dict[str, Any]


class Preset(StrEnum):
    """Which network is trained."""

    ours = "ours"
    large = "large"
    paper = "paper"


class Evaluated(StrEnum):
    """What is evaluated."""

    denoise = "denoise"
    forecast = "forecast"
    stress = "stress"
    amounts = "amounts"
    peers = "peers"


def gui(
    path: Annotated[list[str] | None, typer.Argument(help="Folders or files to open.")] = None,
    as_json: Json = False,
) -> None:
    """Open the window."""
    code = open_window([_whole(one) for one in path or []])
    if as_json:
        console.print_json({"exit": code})
    raise typer.Exit(code)


def open_window(given: list[str]) -> int:
    """Start the window as a child and wait; its exit code, 128 + signal when a signal ended it."""
    ended = subprocess.run([sys.executable, "-m", "tumordiff_gui", *given], env=start.child_environment(), check=False)
    return ended.returncode if ended.returncode >= 0 else 128 - ended.returncode


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Write pictures and a report, open no window.")] = False,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where the report and the export go.")] = "",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make a small cohort with known truth, denoise a visit, measure it, export it and open the window on it."""
    from tumordiff_core import display

    task_of("demo")
    trouble = None if headless else display.trouble()
    if trouble:
        print(f"{trouble} Going on as --headless.", file=sys.stderr)
    home = paths.demo()
    os.environ["TUMORDIFF_HOME"] = str(home)
    settings.reload()
    values = {"headless": headless or bool(trouble), "out": _whole(out), "seed": seed}
    echo = do("demo", values, seed=seed, as_json=as_json)
    if not headless and not trouble and echo.end == "done":
        raise typer.Exit(open_window([]))
    finish(echo)


def index(
    path: Annotated[list[str], typer.Argument(metavar="PATH...", help="Folders, files, workbooks or tables.")],
    as_json: Json = False,
) -> None:
    """Read headers into the catalogue; the files stay where they are."""
    for one in path:
        _require(one)
    finish(do("index", {"paths": [_whole(one) for one in path]}, as_json=as_json))


def preprocess(
    data: Annotated[list[str] | None, typer.Argument(help="Folders of studies; default: the catalogue.")] = None,
    out: Annotated[str, typer.Option(metavar="DIR", help="Where the manifest and the slices go.")] = "",
    cluster: Annotated[str, typer.Option(metavar="ADDRESS", help="A Dask scheduler, tcp://host:port.")] = "",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make slices to learn from, split by patient, with a manifest."""
    values = {"paths": [_whole(one) for one in data or []], "out": _whole(out), "cluster": cluster, "seed": seed}
    finish(do("preprocess", values, seed=seed, as_json=as_json))


def denoise(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="DICOM folder, NIfTI, NRRD, MetaImage or .npy stack.")],
    out: Annotated[str, typer.Option(metavar="OUT", help="Where the denoised series goes, of the kind of INPUT.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="A model; default: the shipped one.")] = "",
    sigma: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="Noise in units of INPUT; default: measured.")
    ] = None,
    strength: Annotated[float, typer.Option(metavar="W", min=0, max=1, help="1: posterior mean, 0: INPUT.")] = 1.0,
    mirrors: Annotated[int, typer.Option(metavar="1|2|4", help="Mean over mirror images: better, slower.")] = 1,
    local_means: Annotated[
        float | None,
        typer.Option(metavar="G", min=0, max=1, help="Local means given back; default: most with phases."),
    ] = None,
    along_edges: Annotated[bool, typer.Option(help="With phases, smooth noise left at edges along them.")] = True,
    rims: Annotated[bool, typer.Option(help="With phases, give back rims of lesions where the model can.")] = True,
    samples: Annotated[int, typer.Option(metavar="K", min=0, max=64, help="Posterior samples for the doubt map.")] = 0,
    uncertainty: Annotated[bool, typer.Option(help="Say how sure every pixel is.")] = True,
    alarms: Annotated[bool, typer.Option(help="Look for structure in what was taken away.")] = True,
    explanation: Annotated[bool, typer.Option(help="Keep the steps of one slice and why one pixel is so.")] = True,
    chain: Annotated[
        str, typer.Option(metavar="ddim|heun|dpm-solver|ancestral", help="Along which chain the explanation goes.")
    ] = "ddim",
    seed: Seed = 0,
    series: Annotated[int | None, typer.Option(metavar="N", help="Which series of a folder with several.")] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Denoise a series and write it beside its source's kind, through the same gate as ``export``."""
    from_catalogue = source.startswith(SERIES_PREFIX)
    if not from_catalogue:
        _require(source)
    _require_free(out)
    values = {
        "input": source if from_catalogue else _whole(source), "out": _whole(out), "model": model, "sigma": sigma,
        "strength": strength, "mirrors": mirrors, "local_means": local_means, "along_edges": along_edges,
        "rims": rims, "samples": samples, "uncertainty": uncertainty, "alarms": alarms, "explanation": explanation,
        "chain": chain, "seed": seed, "series": series, "yes": yes,
    }  # fmt: skip
    finish(do("denoise", values, seed=seed, as_json=as_json))


def export(
    result: Annotated[str, typer.Argument(metavar="RESULT", help="A job id, a unique end of one, or a result folder.")],
    to: Annotated[str, typer.Option(metavar="DIR", help="A new folder.")],
    kind: Annotated[
        str, typer.Option("--as", metavar="KIND", help="dicom, nifti, nrrd, metaimage, png, csv, or a plugin's.")
    ],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Write a result for other software, read it back and compare."""
    task_of("export")
    kinds = [exporter.name for exporter in manager.exporters()]
    if kind not in kinds:
        raise UsageError("verb.usage", found=f"--as is {kind}", expected=f"one of {', '.join(kinds)}")
    folder = jobfolder.result_folder(result)
    values = {"result": _whole(str(folder)), "to": _whole(to), "as_": kind, "yes": yes}
    finish(do("export", values, as_json=as_json))


def response(patient: Annotated[str, typer.Argument(metavar="PATIENT")], as_json: Json = False) -> None:
    """Measure a patient's tumour over all visits, ours beside the published."""
    finish(do("response", {"patient": patient}, as_json=as_json))


def register(patient: Annotated[str, typer.Argument(metavar="PATIENT")], as_json: Json = False) -> None:
    """Register a patient's visits to each other (not built yet)."""
    finish(do("register", {"patient": patient}, as_json=as_json))


def forecast(
    source: Annotated[str, typer.Argument(metavar="PATIENT|TABLE.csv", help="A patient, or an existing table.")],
    as_json: Json = False,
) -> None:
    """Forecast the next visit with its doubt (not built yet)."""
    values = {"table": _whole(source)} if Path(source).is_file() else {"patient": source}
    finish(do("forecast", values, as_json=as_json))


def simulate(
    out: Annotated[str, typer.Option(metavar="DIR", help="A new folder for the cohort.")] = "",
    patients: Annotated[int | None, typer.Option(min=1, help="How many patients.")] = None,
    visits: Annotated[int | None, typer.Option(min=1, help="How many visits each.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of everything random.")] = None,
    as_json: Json = False,
) -> None:
    """Make a cohort with known truth as DICOM folders."""
    values = {"out": _whole(out), "patients": patients, "visits": visits, "seed": seed}
    finish(do("simulate", values, seed=seed or 0, as_json=as_json))


def train(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Manifest, pack or cohort; default: the demo's.")] = "",
    preset: Annotated[Preset, typer.Option(help="Our network, or the seed paper's.")] = Preset.ours,
    name: Annotated[str, typer.Option(metavar="N", help="Name of the new model.")] = "my-model",
    epochs: Annotated[int | None, typer.Option(metavar="E", min=1)] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps per epoch.")] = None,
    batch: Annotated[int | None, typer.Option(min=1)] = None,
    crop: Annotated[int | None, typer.Option(min=32, help="Pixels.")] = None,
    recipe: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A chain of trainings instead of one; small-6 made our models.")
    ] = "",
    start_from: Annotated[str, typer.Option("--from", metavar="MODEL", help="Fine-tune this model.")] = "",
    network: Annotated[str, typer.Option(help="A network family, ours or a plugin's.")] = "",
    loss: Annotated[str, typer.Option(help="A plugin's loss.")] = "",
    augmentation: Annotated[list[str] | None, typer.Option(help="A plugin's augmentation; may be repeated.")] = None,
    made_up: Annotated[int | None, typer.Option(min=0, help="Noise-free made-up volumes beside the data.")] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SHARE", help="How crops are drawn, such as uptake=0.5; may be repeated."),
    ] = None,
    lowest: Annotated[float | None, typer.Option(min=0, help="Least noise, share of the maximum.")] = None,
    highest: Annotated[float | None, typer.Option(min=0, help="Most noise, share of the maximum.")] = None,
    own_mean: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the targets that is its own mean over mirror images.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0)] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Epochs without gain before it stops.")] = None,
    self_supervised: Annotated[bool, typer.Option("--self-supervised", help="Learn from noisy slices alone.")] = False,
    facts: Annotated[
        list[str] | None, typer.Option(metavar="TABLE", help="Clinical table or index of series; may be repeated.")
    ] = None,
    graphed: Annotated[
        bool, typer.Option("--graphed", help="Replay recorded kernels, compiled; for CUDA GPUs.")
    ] = False,
    seed: Seed = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest unfinished training of NAME.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a denoiser; Ctrl-C keeps the newest checkpoint."""
    if resume:
        _go_on("train", name, as_json)
    recipe = _whole(recipe) if recipe.endswith(".json") else recipe
    values = {
        "data": _whole(data), "recipe": recipe, "preset": preset.value, "name": name, "epochs": epochs, "steps": steps,
        "batch": batch, "crop": crop, "seed": seed, "start": start_from, "network": network, "loss": loss,
        "augmentations": augmentation, "made_up": made_up, "learning_rate": learning_rate, "patience": patience,
        "shares": _shares(share or []), "own_mean": own_mean, "lowest": lowest, "highest": highest,
        "self_supervised": self_supervised, "graphed": graphed, "facts": [_whole(table) for table in facts or []],
    }  # fmt: skip
    finish(do("train", values, seed=seed, as_json=as_json))


@show.models_app.command("rims")
def train_rims(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The denoiser; default: the shipped one.")] = "",
    data: Annotated[str, typer.Argument(metavar="DATA", help="Manifest, pack or cohort; default: the demo's.")] = "",
    name: Annotated[str, typer.Option(metavar="N", help="Name of the denoiser with rims.")] = "my-model",
    steps: Annotated[int | None, typer.Option(min=1)] = None,
    batch: Annotated[int | None, typer.Option(min=2)] = None,
    crop: Annotated[int | None, typer.Option(min=32, help="Pixels.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0)] = None,
    simulated: Annotated[int | None, typer.Option(min=0, help="Simulated breasts beside the data.")] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished one of NAME.")] = False,
    as_json: Json = False,
) -> None:
    """Teach a small network what a denoiser loses at the rims of lesions; Ctrl-C keeps the newest state."""
    from tumordiff_core import model_cards

    named = _whole(model) if model and Path(model).is_dir() else model or model_cards.DEFAULT
    if resume:
        begun = str(jobfolder.read_job(unfinished("rims", name)).params["model"])
        if model and named != begun:
            raise UsageError("verb.usage", found=f"{name} was begun for {begun}, not {named}", expected=begun)
        _go_on("rims", name, as_json)
    values = {
        "model": named, "data": _whole(data), "name": name, "steps": steps, "batch": batch, "crop": crop, "seed": seed,
        "learning_rate": learning_rate, "simulated": simulated,
    }  # fmt: skip
    finish(do("rims", values, seed=seed, as_json=as_json))


def _shares(given: list[str]) -> dict[str, float]:
    """``NAME=SHARE`` pairs as numbers by name."""
    found = {}
    for one in given:
        name, _, value = one.partition("=")
        try:
            found[name.replace("-", "_")] = float(value)
        except ValueError:
            raise UsageError("verb.usage", found=f"--share is {one}"[:80], expected="NAME=SHARE") from None
    return found


def _go_on(task: str, name: str, as_json: bool) -> None:
    """Finish the newest job of a task and model name that can go on, and end."""
    folder = unfinished(task, name)
    start.make_startable(folder)
    finish(work_on(folder, as_json=as_json))


def unfinished(task: str, name: str) -> Path:
    """The newest job of a task and model name that can go on; raises MissingError("jobs.unknown")."""
    for folder in reversed(jobfolder.list_jobs()):
        if f"-{task}-" not in folder.name or jobfolder.state(folder) not in jobfolder.STARTABLE:
            continue
        if jobfolder.read_job(folder).params.get("name") == name:
            return folder
    raise MissingError("jobs.unknown", name=f"unfinished {task} {name}")


def evaluate(
    what: Annotated[Evaluated, typer.Argument(help="What to evaluate.")],
    references: Annotated[
        str,
        typer.Option(
            metavar="DATA",
            help="Pack, cohort with truth, volume or folder of volumes; for stress a series; default: the demo's.",
        ),
    ] = "",
    model: Annotated[list[str] | None, typer.Option(help="Models; default: all.")] = None,
    level: Annotated[list[float] | None, typer.Option(help="Noise levels, of the maximum.")] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="pack, five(-native), finer, coarser, native or phantom; may be repeated."),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Kinds of noise, as rician, 'lag 0.5', uneven; may be repeated.")
    ] = None,
    baseline: Annotated[list[str] | None, typer.Option(help="Filters to compare with, as bm3d+vst, bm4d+vst.")] = None,
    against: Annotated[str | None, typer.Option(help="The filter that differences are taken against.")] = None,
    repeat: Annotated[
        str, typer.Option(metavar="SERIES", help="Repeat-phase test on a dynamic series (folder or file) instead.")
    ] = "",
    study: Annotated[
        list[str] | None, typer.Option(help="calibration, detectability or spheres, on phantoms; or none.")
    ] = None,
    strength: Annotated[
        list[float] | None, typer.Option(help="For detectability: share of the denoised image; may be repeated.")
    ] = None,
    facts: Annotated[
        list[str] | None, typer.Option(metavar="TABLE", help="For amounts: clinical table or index of series.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="For amounts: steps per epoch of each training.")] = None,
    minutes: Annotated[float | None, typer.Option(help="For peers: wall time of each network's training.")] = None,
    mirrors: Annotated[
        list[int] | None, typer.Option(metavar="2|4", help="Models also as the mean over so many mirror images.")
    ] = None,
    local_means: Annotated[
        float | None,
        typer.Option(metavar="G", min=0, max=1, help="Local means given back; default: as denoise does."),
    ] = None,
    along_edges: Annotated[bool, typer.Option(help="With phases, smooth noise left at edges along them.")] = True,
    rims: Annotated[bool, typer.Option(help="With phases, give back rims of lesions where the model can.")] = True,
    seed: Annotated[int | None, typer.Option(min=0, help="For detectability, stress and peers: other draws.")] = None,
    into_cards: Annotated[bool, typer.Option("--into-cards", help="Write the figures into the models' cards.")] = False,
    as_json: Json = False,
) -> None:
    """Compare models and classical filters on references nobody trained on."""
    from tumordiff_core.tasks import evaluate as evaluation
    from tumordiff_core.tasks import peers

    if what is Evaluated.forecast:
        task_of("forecast", verb="evaluate forecast")
    if what is Evaluated.amounts:
        tables = [_whole(table) for table in facts or []]
        asked = {"data": _whole(references), "levels": level or None, "facts": tables or None, "steps": steps}
        finish(do("amounts", asked, as_json=as_json))
    if what is Evaluated.peers:
        given = {"data": _whole(references), "levels": level or None, "minutes": minutes, "seed": seed}
        finish(do("peers", given, as_json=as_json, shown=peers.for_terminal))
    if what is Evaluated.stress:
        source = references if references.startswith(SERIES_PREFIX) else _whole(references)
        told = {
            "model": model[0] if model else "",
            "local_means": local_means,
            "along_edges": along_edges,
            "rims": rims,
            "seed": seed,
        }
        finish(do("stress", {"input": source, **told}, as_json=as_json))
    values = {
        "what": what.value, "references": _whole(references), "models": model or None, "levels": level or None,
        "sets": sets or None, "kinds": kind or None, "baselines": baseline or None, "against": against,
        "repeat": (repeat if repeat.startswith(SERIES_PREFIX) else _whole(repeat)) or None, "studies": study or None,
        "into_cards": into_cards or None, "strengths": strength or None, "mirrors": mirrors or None,
        "local_means": local_means, "along_edges": along_edges, "rims": rims, "seed": seed,
    }  # fmt: skip
    finish(do("evaluate", values, as_json=as_json, shown=evaluation.for_terminal))


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave the one-minute self-test out.")] = False,
    as_json: Json = False,
) -> None:
    """Check interpreter, torch, CUDA, memory, disk and display, and denoise a made-up volume."""
    finish(do("doctor", {"self_test": not quick}, as_json=as_json))


def run(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="A job folder, a job id or a unique end of one.")],
    background: Annotated[bool, typer.Option("--background", help="Yield to other programs, show nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Be the worker of a job folder, here and now."""
    place = Path(folder).absolute() if Path(folder).is_dir() else jobfolder.find_job(folder)
    if background:
        worker.lower_priority()
        raise typer.Exit(worker.main(place))
    finish(work_on(place, as_json=as_json))


def task_of(name: str, verb: str = "") -> Any:
    """The task of a verb; raises NotBuilt("verb.not_built") when nothing offers it."""
    for task in manager.tasks():
        if task.name == name:
            return task
    raise NotBuilt("verb.not_built", verb=verb or name)


def do(
    task: str, values: dict[str, Any], *, seed: int = 0, as_json: bool, shown: Callable[[Answer], Answer] | None = None
) -> console.ConsoleProgress:
    """Check the parameters, make a job folder claimed by this process and work on it to its end."""
    from pydantic import ValidationError

    known = task_of(task)
    given = {key: value for key, value in values.items() if value is not None}
    try:
        params = manager.load(known.params).model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]).replace("_", " ")
        found = f"{field} is {first['input']!r}"[:80] if field else "what was given together does not fit"
        expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        raise UsageError("verb.usage", found=found, expected=expected) from error
    record = params.model_dump(mode="json", exclude_unset=True)
    folder = jobfolder.new_job(task, record, title=known.title, seed=seed, claim=True)
    return work_on(folder, as_json=as_json, claimed=1, shown=shown)


def work_on(
    folder: Path, *, as_json: bool, claimed: int | None = None, shown: Callable[[Answer], Answer] | None = None
) -> console.ConsoleProgress:
    """Run the worker with progress on stderr and print its answer; ``shown`` narrows it where people read it."""
    echo = console.ConsoleProgress()
    worker.main(folder, echo=echo, claimed=claimed)
    ended = {key: value for key, value in echo.fields.items() if key in {"code", "sentence", "resumable"}}
    if as_json:
        console.print_json({"job": folder.name, "state": echo.end, **ended, **echo.answer})
    else:
        console.print_record(shown(echo.answer) if shown else echo.answer)
    if echo.end == "failed":
        print(echo.fields["sentence"], file=sys.stderr)
    elif echo.end == "stopped":
        again = "run it again" if not echo.fields.get("resumable") else f"`tumordiff jobs resume {folder.name}` goes on"
        print(f"Stopped; {again}.", file=sys.stderr)
    return echo


def finish(echo: console.ConsoleProgress) -> None:
    """End the verb with the exit code of its job."""
    code = worker.EXIT[echo.end]
    raise typer.Exit(int(echo.fields.get("exit", code)) if echo.end == "failed" else code)


def _whole(path: str) -> str:
    """The absolute path, so that a job can be resumed from anywhere; empty stays empty."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _require(path: str) -> None:
    place = Path(path).expanduser()
    if not place.exists():
        raise MissingError("files.missing", place, name=place.name)


def _require_free(out: str) -> None:
    """Say before the long work, not after it, that the target is taken."""
    place = Path(out).expanduser()
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise InputError("files.exists", place, name=place.name)
