"""Verbs that show what is there, and those that arrange jobs and models."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tumordiff_core.cli import console
from tumordiff_core.errors import TumorDiffError, UsageError
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.jobs import start
from tumordiff_core.plugins import manager

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JobName = Annotated[str, typer.Argument(metavar="ID", help="A job id or a unique end of one.")]
LOOK_EVERY_S = 0.2

jobs_app = typer.Typer(help="List jobs, or stop, resume, retry and delete one.", invoke_without_command=True)
models_app = typer.Typer(
    help="List models, or install, average, pair, give rims to and remove some.", invoke_without_command=True
)


def studies(
    search: Annotated[str, typer.Argument(help="Words that a patient, visit or series must hold.")] = "",
    as_json: Json = False,
) -> None:
    """List what is in the catalogue: patients, visits, series."""
    from dataclasses import asdict

    from tumordiff_core.catalogue import queries

    patients = queries.tree(search)
    if as_json:
        console.print_json({"patients": [asdict(patient) for patient in patients]})
        return
    for patient in patients:
        print(f"{patient.patient_id}  {patient.collection}")
        for visit in patient.visits:
            print(f"  {visit.label or '-'}  {visit.study_date or '-'}  {visit.description}  {visit.remark}".rstrip())
            console.print_table(
                ["number", "role", "files", "phases", "description", "remark"],
                [[s.number, s.role, s.files, len(s.phases), s.description, s.remark] for s in visit.series],
                indent="    ",
            )
    visits = sum(len(patient.visits) for patient in patients)
    print(f"{len(patients)} patients, {visits} visits")


def plugins(as_json: Json = False) -> None:
    """List plugins, what they offer, and those that could not be used."""
    report = manager.report()
    if as_json:
        console.print_json(report)
        return
    console.print_table(["plugin", "version"], [[p["name"], p["version"]] for p in report["plugins"]], indent="")
    console.print_record({"offers": report["offers"], "disabled": report["disabled"]})
    for failure in report["failures"]:
        print(f"not usable: {failure['name']} {failure['version']}: {failure['reason']}")


@jobs_app.callback()
def jobs(context: typer.Context, as_json: Json = False) -> None:
    """List all jobs with their states, or stop, resume, retry and delete one."""
    if context.invoked_subcommand is not None:
        return
    rows = [_job_row(folder) for folder in jobfolder.list_jobs()]
    if as_json:
        console.print_json({"jobs": rows})
        return
    titles = ["id", "state", "title", "progress", "sentence"]
    console.print_table(titles, [[row[title] for title in titles] for row in rows], indent="")


def _job_row(folder: Path) -> dict[str, Any]:
    """One line of the list; a folder whose record cannot be read says so and does not hide the others."""
    from tumordiff_core import units
    from tumordiff_core.jobs import events

    row: dict[str, Any] = {"id": folder.name, "folder": str(folder), "state": jobfolder.state(folder)}
    row |= {"title": "", "task": "", "created": "", "progress": ""}
    try:
        job = jobfolder.read_job(folder)
    except TumorDiffError as error:
        return {**row, "state": "unreadable", "sentence": error.sentence}
    row |= {"title": job.title, "task": job.task, "created": job.created}
    moved = [event for event in events.read_all(folder) if event["kind"] == "progress"]
    if row["state"] == "running" and moved:
        last = moved[-1]
        total = "" if last["total"] is None else f"/{last['total']:g}"
        row["progress"] = f"{last['stage']} {last['done']:g}{total}, {units.format_duration(last['left_s'])} left"
    return {**row, "sentence": jobfolder.failure(folder) or ""}


@jobs_app.command("stop")
def stop(
    name: JobName,
    epoch: Annotated[bool, typer.Option("--epoch", help="After this epoch.")] = False,
    now: Annotated[bool, typer.Option("--now", help="At once; after ten seconds the process is ended.")] = False,
    as_json: Json = False,
) -> None:
    """Ask a job to stop after its current step."""
    folder = jobfolder.find_job(name)
    start.stop(folder, "now" if now else "epoch" if epoch else "step")
    while now and jobfolder.state(folder) == "stopping" and not start.end(folder):
        time.sleep(LOOK_EVERY_S)
    _tell(folder, as_json)


@jobs_app.command("resume")
def resume(name: JobName, as_json: Json = False) -> None:
    """Start a stopped, failed or lost job again in the background, from its checkpoint where it has one."""
    folder = jobfolder.find_job(name)
    start.make_startable(folder)
    start.start(folder)
    _tell(folder, as_json, state="started")


@jobs_app.command("retry")
def retry(name: JobName, as_json: Json = False) -> None:
    """Start a new job with the parameters of an old one in the background."""
    folder = start.retry(jobfolder.find_job(name))
    started = start.start_queued()
    _tell(folder, as_json, state="started" if folder in started else "queued")


@jobs_app.command("delete")
def delete(name: JobName, as_json: Json = False) -> None:
    """Delete a job and its result."""
    folder = jobfolder.find_job(name)
    start.delete(folder)
    _tell(folder, as_json, state="deleted")


def _tell(folder: Path, as_json: bool, state: str = "") -> None:
    found = {"job": folder.name, "state": state or jobfolder.state(folder)}
    if as_json:
        console.print_json(found)
    else:
        print(f"{found['job']}: {found['state']}")


@models_app.callback()
def models(context: typer.Context, as_json: Json = False) -> None:
    """List models with their cards, or install, average, pair, give rims to and remove some."""
    if context.invoked_subcommand is not None:
        return
    from tumordiff_core import model_cards

    found, wrong = model_cards.all_models()
    if as_json:
        cards = [{"folder": str(model.folder), **model.card.model_dump(mode="json")} for model in found]
        console.print_json({"models": cards, "failures": [{"path": e.path, "sentence": e.sentence} for e in wrong]})
        return
    console.print_table(
        ["name", "task", "family", "parameters", "title"],
        [[m.card.name, m.card.task, m.card.architecture.family, m.card.parameters, m.card.title] for m in found],
        indent="",
    )
    for error in wrong:
        print(f"not usable: {error.sentence}")


@models_app.command("install")
def install(
    source: Annotated[
        str,
        typer.Argument(metavar="RESULT_OR_FOLDER", help="A job of `train` or `models rims`, or a model folder."),
    ],
    as_json: Json = False,
) -> None:
    """Copy a trained model, or all that a recipe or `models rims` left, into the user's own models."""
    from tumordiff_core import model_cards

    place = Path(source)
    found = model_cards.install(place if (place / "card.json").is_file() else jobfolder.result_folder(source))
    _tell_model(", ".join(model.card.name for model in found), "installed", as_json)


@models_app.command("average")
def average(
    names: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Two or more models of one network.")],
    name: Annotated[str, typer.Option(metavar="N", help="Name of the new model.")],
    as_json: Json = False,
) -> None:
    """Make a model whose weights are the mean of others that went on from one another."""
    from tumordiff_core import model_cards, paths
    from tumordiff_core.engine import weights

    if len(names) < 2:
        raise UsageError("verb.usage", found=f"{len(names)} model", expected="two or more")
    _refuse_odd(name)
    weights.average([model_cards.find(one) for one in names], paths.models() / name)
    _tell_model(name, "made", as_json)


@models_app.command("pair")
def pair(
    general: Annotated[str, typer.Argument(metavar="GENERAL", help="A model for every noise.")],
    white: Annotated[str, typer.Argument(metavar="WHITE", help="One that went on from it with white noise alone.")],
    name: Annotated[str, typer.Option(metavar="N", help="Name of the new model.")],
    as_json: Json = False,
) -> None:
    """Make a model that goes over to the weights of another where noise is white."""
    from tumordiff_core import model_cards, paths
    from tumordiff_core.engine import weights

    _refuse_odd(name)
    weights.pair(model_cards.find(general), model_cards.find(white), paths.models() / name)
    _tell_model(name, "made", as_json)


@models_app.command("remove")
def remove(name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False) -> None:
    """Remove one of the user's own models, unless another needs it."""
    from tumordiff_core import model_cards

    model_cards.remove(name)
    _tell_model(name, "removed", as_json)


def _refuse_odd(name: str) -> None:
    from tumordiff_core import model_cards

    if not model_cards.PLAIN_NAME.fullmatch(name):
        raise UsageError("verb.usage", found=f"--name is {name}"[:80], expected="a plain word")


def _tell_model(name: str, state: str, as_json: bool) -> None:
    if as_json:
        console.print_json({"model": name, "state": state})
    else:
        print(f"{name}: {state}")
