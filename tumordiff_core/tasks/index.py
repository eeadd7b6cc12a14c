"""The job ``index``: folders, files, archives and clinical tables go into the catalogue; skips are reported."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from tumordiff_core.catalogue.importing import Report
    from tumordiff_core.jobs.worker import Job


class IndexParams(BaseModel):
    """What the import asks for."""

    paths: list[str] = Field(
        title="Folders and files", description="Folders, DICOM files, zip archives, a DICOMDIR or a clinical table."
    )
    processes: int | None = Field(
        None, ge=1, le=64, title="Processes", description="How many read headers; empty: two for large imports."
    )


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.index"
    return [Task("index", "Import", f"{room}:IndexParams", f"{room}:run", weight="light", resumes=True)]


def run(params: IndexParams, job: "Job") -> None:
    """Import what was named and write the report.

    Raises InputError("series.empty_folder", "series.no_dicom", "index.nothing_usable") where nothing could be entered,
    and what ``catalogue.importing.run`` raises.
    """
    from datetime import UTC, datetime

    from tumordiff_core import result_folder
    from tumordiff_core.catalogue import importing, results

    report = importing.run([Path(p) for p in params.paths], progress=job.progress, processes=params.processes)
    results.scan()
    refuse_nothing(report, params.paths)
    figures = {name: value for name, value in vars(report).items() if isinstance(value, int)}
    table = job.result / "tables" / "skipped.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "code", "sentence"])
        rows.writerows([skip.path, skip.code, skip.sentence] for skip in report.skips)
    record = result_folder.Record(
        kind="index", provenance="acquired", title="Import", params=params.model_dump(), figures=figures,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    result_folder.finish(job.result, record)
    job.answer.update(result=str(job.folder / "result"), **figures)


def refuse_nothing(report: "Report", named: list[str]) -> None:
    """Raise where an import saw nothing that it could use; what it skipped stays listed in the catalogue."""
    from tumordiff_core.errors import InputError

    if report.indexed or report.copies or report.facts:
        return
    place = Path(named[0])
    if report.seen == 0:
        raise InputError("series.empty_folder", place, name=place.name)
    if all(skip.code in {"dicom.not_dicom", "dicom.no_signature"} for skip in report.skips):
        raise InputError("series.no_dicom", place, name=place.name, count=report.seen)
    reason = next(s for s in report.skips if s.code != "dicom.not_dicom").sentence.split(";")[0]
    raise InputError("index.nothing_usable", place, count=report.seen, reason=reason)
