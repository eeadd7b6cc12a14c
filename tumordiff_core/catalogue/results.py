"""Enter the results of finished jobs, as they end and at start; the result folders stay the truth."""

from pathlib import Path
from typing import Any

from tumordiff_core import files
from tumordiff_core.catalogue import database, listing
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.plugins.hookspecs import hookimpl

NEWEST_FORMAT = 1


@hookimpl
def job_finished(folder: Path, state: str) -> None:
    """Enter the result of a job that is done."""
    if state == "done":
        enter(folder)


def enter(folder: Path) -> bool:
    """Enter the result of one job folder; False where it has none that can be read."""
    row = _row(folder)
    if row is None:
        return False
    with database.writing() as made:
        made.execute(
            "INSERT OR REPLACE INTO results (folder, job, kind, title, created, study_uid, series_uid, patient_id,"
            " status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row,
        )  # fmt: skip
        for (patient,) in made.execute("SELECT patient FROM studies WHERE uid=?", (row[5],)).fetchall():
            listing.refresh(made, patient)
    return True


def scan() -> int:
    """Enter the results that are not known yet and forget those whose folder was deleted; returns how many are new."""
    with database.reading() as made:
        known = {Path(folder) for (folder,) in made.execute("SELECT folder FROM results").fetchall()}
    deleted = [(str(folder),) for folder in known if not folder.is_dir()]
    if deleted:
        with database.writing() as made:
            made.executemany("DELETE FROM results WHERE folder=?", deleted)
    return sum(enter(job) for job in jobfolder.list_jobs() if (job / "result") not in known)


def _row(folder: Path) -> tuple[str, ...] | None:
    place = folder / "result"
    try:
        record = files.read_json(place / "result.json", newest_format=NEWEST_FORMAT)
    except TumorDiffError:
        return None
    facts: dict[str, Any] = record.get("facts") or {}
    series = next(iter(record.get("series_uids") or []), "") or facts.get("series_uid") or ""
    return (
        str(place), folder.name, str(record.get("kind", "")), str(record.get("title") or record.get("kind", "")),
        str(record.get("created", "")), str(facts.get("study_uid") or ""), str(series),
        str(facts.get("patient_id") or ""), _status(record),
    )  # fmt: skip


def _status(record: dict[str, Any]) -> str:
    """The worst level among the findings, or nothing."""
    levels = {str(finding.get("level")) for finding in record.get("findings") or []}
    return next((level for level in ("refuse", "confirm") if level in levels), "")
