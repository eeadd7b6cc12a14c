"""The figures and tables of a result as CSV files, for any program that reads tables."""

import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import EXPORT_REPORT, Exporter, Finding

if TYPE_CHECKING:
    from tumordiff_core.progress import Progress
    from tumordiff_core.result_folder import Record, Result


class Options(BaseModel):
    """Nothing to choose."""


@hookimpl
def register_exporters() -> list[Exporter]:
    """The kind of export."""
    room = "tumordiff_core.exporters.csv_table"
    return [Exporter("csv", "Tables (CSV)", ".csv", f"{room}:Options", f"{room}:check", f"{room}:write")]


def check(result: "Result", options: Options) -> list[Finding]:
    """Refuses results without a table or a figure."""
    if _tables(result) or figure_rows(result.record):
        return []
    return [Finding("refuse", "export.no_tables", {"kind": result.record.kind})]


def _tables(result: "Result") -> list[Path]:
    return sorted((result.folder / "tables").glob("*.csv"))


def write(result: "Result", folder: Path, options: Options, *, progress: "Progress") -> list[Path]:
    """Copy the tables and add ``figures.csv`` (name, value); raises SpaceError."""
    from tumordiff_core import files

    progress.stage("write")
    tables = _tables(result)
    files.require_space(folder, sum(table.stat().st_size for table in tables) + 10_000)
    written = [Path(shutil.copyfile(table, folder / table.name)) for table in tables]
    rows = figure_rows(result.record)
    if rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("name", "value"), *rows])
        files.write_bytes(folder / "figures.csv", text.getvalue().encode())
        written.append(folder / "figures.csv")
    total = sum(path.stat().st_size for path in written)
    files.write_json(folder / EXPORT_REPORT, {"files": len(written), "bytes": total})
    return written


def figure_rows(record: "Record") -> list[tuple[str, Any]]:
    """The record's figures and noise levels as (name, value); values inside lists are numbered from 0."""
    rows: list[tuple[str, Any]] = []
    for group in (record.figures, {f"noise_{name}": value for name, value in record.noise.items()}):
        for name, value in group.items():
            if isinstance(value, list | tuple):
                rows += [(f"{name}[{n}]", one) for n, one in enumerate(value) if not isinstance(one, dict | list)]
            elif not isinstance(value, dict):
                rows.append((name, value))
    return rows
