"""The job ``export``: a result out of the house, whole, past the gate, read back and compared.

It reads like a checklist: find the result, hear every objection, stop at a refusal, ask what must be asked, write,
read back, keep what was confirmed. Source files are only ever read.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Service, Task

if TYPE_CHECKING:
    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.plugins.specs import Exporter, Finding
    from tumordiff_core.progress import Progress
    from tumordiff_core.result_folder import Record, Result


class ExportParams(BaseModel):
    """What the export form asks for."""

    result: str = Field(title="Result", description="A job id, a unique end of one, or a result folder.")
    to: str = Field(title="Target", description="A new folder; for formats of one file also the file itself.")
    as_: str = Field("dicom", title="Kind", description="The exporter: dicom, nifti, nrrd, metaimage, npy, png or csv.")
    options: dict[str, Any] = Field(default_factory=dict, title="Options", description="What the exporter offers.")
    confirmed: list[str] = Field(
        default_factory=list, title="Confirmed remarks", description="Codes of the questions answered with yes."
    )
    yes: bool = Field(False, title="Confirmed", description="Answers every question of the gate with yes.")


@dataclass(frozen=True)
class Exported:
    """What was written, and what was said before."""

    result: "Result"
    kind: str
    paths: list[Path]
    findings: "list[Finding]"
    confirmed: list[str]
    report: dict[str, Any]


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.export"
    return [Task("export", "Export a result", f"{room}:ExportParams", f"{room}:run")]


@hookimpl
def register_services() -> list[Service]:
    """What the export module asks before anything is written."""
    return [Service("export", "tumordiff_core.tasks.export:handle")]


def run(params: ExportParams, job: "Job") -> None:
    """Export one result and keep findings, confirmations and the round-trip report as a result of its own.

    Raises what ``write_result`` raises.
    """
    from tumordiff_core import result_folder

    done = export(params, job.progress)
    result_folder.finish(job.result, _record(params, done))
    job.answer.update(
        out=[str(path) for path in done.paths], kind=done.kind, report=done.report, confirmed=done.confirmed,
        findings=[finding.to_record() for finding in done.findings],
    )  # fmt: skip


def write_result(params: ExportParams, progress: "Progress") -> list[Path]:
    """Export one result outside a job of its own: the files written.

    Raises
    ------
    UnsupportedError with the code of the first refusal or unanswered question, InputError("files.exists",
    "export.source_changed", "export.differs", "plugins.bad_params"), MissingError, SpaceError, PluginError
    """
    return export(params, progress).paths


def export(params: ExportParams, progress: "Progress") -> Exported:
    """Check, ask, write whole, read back; raises as ``write_result`` says."""
    from tumordiff_core import files
    from tumordiff_core.errors import InputError
    from tumordiff_core.plugins import manager

    progress.stage("check")
    result, exporter, options, findings = examine(params)
    confirmed = _require_answers(params, findings, progress)
    if "confirmed" in type(options).model_fields:
        options = options.model_copy(update={"confirmed": confirmed})
    target = Path(params.to)
    write = manager.load(exporter.write)
    if _is_file_target(target, options):
        if target.exists():
            raise InputError("files.exists", target, name=target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.partial-") as place:
            written = write(result, Path(place), options, progress=progress)
            report = _taken_report(Path(place))
            files.flush(written)
            files.rename(written[0], target)
        return Exported(result, exporter.name, [target], findings, confirmed, report)
    with files.whole_folder(target) as folder:
        written = write(result, folder, options, progress=progress)
        report = _taken_report(folder)
        files.flush(written)
    paths = [target / path.relative_to(folder) for path in written]
    return Exported(result, exporter.name, paths, findings, confirmed, report)


def examine(params: ExportParams) -> "tuple[Result, Exporter, Any, list[Finding]]":
    """The result, its exporter, the checked options and every remark: the exporter's own first, then the gates'."""
    from tumordiff_core import result_folder
    from tumordiff_core.errors import InputError
    from tumordiff_core.jobs import folder as jobs
    from tumordiff_core.plugins import manager

    exporter = manager.exporter(params.as_)
    result = result_folder.open_result(jobs.result_folder(params.result))
    model = manager.load(exporter.options)
    chosen = dict(params.options)
    if "file_name" in model.model_fields and _names_a_file(model, Path(params.to)):
        chosen["file_name"] = Path(params.to).name
    try:
        options = model.model_validate(chosen)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "the options"
        raise InputError(
            "plugins.bad_params", field=name, value=str(first["input"])[:60], expected=first["msg"]
        ) from error
    findings = [*manager.load(exporter.check)(result, options)]
    if not any(finding.level == "refuse" for finding in findings):
        findings += manager.check_export(result, exporter.name, options)
    return result, exporter, options, findings


def _names_a_file(model: Any, target: Path) -> bool:
    """Whether a target is a file of this kind rather than the folder to put one in."""
    if target.is_dir():
        return False
    try:
        model.model_validate({"file_name": target.name})
    except ValidationError:
        return False
    return True


def _is_file_target(target: Path, options: Any) -> bool:
    return "file_name" in type(options).model_fields and _names_a_file(type(options), target)


def _require_answers(params: ExportParams, findings: "list[Finding]", progress: "Progress") -> list[str]:
    """What was agreed to, as text; raises UnsupportedError at a refusal or at a question without an answer."""
    from tumordiff_core.errors import UnsupportedError

    for finding in findings:
        if finding.level == "refuse":
            raise UnsupportedError(finding.code, **dict(finding.fields))
    questions = [finding for finding in findings if finding.level == "confirm"]
    for finding in questions:
        progress.warn(finding.code, str(finding.to_record()["sentence"]))
    for finding in questions:
        if not params.yes and finding.code not in params.confirmed:
            raise UnsupportedError(finding.code, **dict(finding.fields))
    return [str(finding.to_record()["remark"]) for finding in questions]


def _taken_report(folder: Path) -> dict[str, Any]:
    """The round-trip report, which belongs into the job and not beside the images."""
    import json

    from tumordiff_core.plugins.specs import EXPORT_REPORT

    place = folder / EXPORT_REPORT
    if not place.is_file():
        return {}
    report: dict[str, Any] = json.loads(place.read_text("utf-8"))
    place.unlink()
    return report


def _record(params: ExportParams, done: Exported) -> "Record":
    from datetime import UTC, datetime

    from tumordiff_core import result_folder
    from tumordiff_core.jobs.worker import versions

    source = done.result.record
    kept = ("patient_id", "study_uid", "series_uid", "time_point")
    facts: dict[str, Any] = {name: source.facts[name] for name in kept if name in source.facts}
    facts.update(kind=done.kind, to=params.to, exported=str(done.result.folder), confirmed=done.confirmed)
    agreed = set(params.confirmed)
    findings = [
        {**f.to_record(), "confirmed": f.level == "confirm", "answered_by": "hand" if f.code in agreed else "yes"}
        for f in done.findings
    ]
    return result_folder.Record(
        kind="export", provenance=source.provenance, title=f"Exported as {done.kind}: {source.title}".strip(),
        series_uids=[str(uid) for uid in done.report.get("series_uids", source.series_uids)],
        sources=source.sources, params=params.model_dump(), model=source.model, noise=source.noise, seed=source.seed,
        units=source.units, geometry=source.geometry, facts=facts, figures=done.report, findings=findings,
        versions=versions(), created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer ``check``: every remark on an export that is not written yet, and the header it would get.

    The request holds the fields of ``ExportParams``; the reply ``findings`` and ``header`` (attribute, in the
    source, as written), which is empty where a refusal stands or the kind has no header; then ``files`` is 0.
    """
    from tumordiff_core.plugins import manager

    params = ExportParams.model_validate({name: request[name] for name in ExportParams.model_fields if name in request})
    result, exporter, options, findings = examine(params)
    refused = any(finding.level == "refuse" for finding in findings)
    header: list[Any] = []
    if exporter.preview and not refused:
        header = [list(row) for row in manager.load(exporter.preview)(result, options)]
    return {
        "findings": [finding.to_record() for finding in findings], "header": header,
        "figures": _plain(result.record.figures), "title": result.record.title,
        "files": len(result.record.sources) if header else 0,
    }  # fmt: skip


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if isinstance(value, str | int | float | bool)}
