"""Figures and tables of a result as CSV, for any program that reads tables."""

import csv
from pathlib import Path

import pytest

from tumordiff_core import result_folder
from tumordiff_core.errors import UnsupportedError
from tumordiff_core.progress import Progress
from tumordiff_core.tasks.export import ExportParams, write_result


def made(folder: Path, **fields: object) -> Path:
    folder.mkdir(exist_ok=True)
    result_folder.finish(folder, result_folder.Record(kind="response", provenance="derived", **fields))
    return folder


def test_tables_are_copied_and_figures_listed(tmp_path: Path, home: Path) -> None:
    (tmp_path / "result" / "tables").mkdir(parents=True)
    (tmp_path / "result" / "tables" / "visits.csv").write_text("visit,cc\nT1,5.31\n")
    figures = {"ftv_cc": 5.31, "window": [1, 2], "nested": {"left": "out"}}
    folder = made(tmp_path / "result", figures=figures, noise={"sigma": [3.2]})
    params = ExportParams(result=str(folder), to=str(tmp_path / "out"), as_="csv")
    assert [p.name for p in write_result(params, Progress())] == ["visits.csv", "figures.csv"]
    assert (tmp_path / "out" / "visits.csv").read_text() == "visit,cc\nT1,5.31\n"
    with (tmp_path / "out" / "figures.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["name", "value"]
    assert dict(rows[1:]) == {"ftv_cc": "5.31", "window[0]": "1", "window[1]": "2", "noise_sigma[0]": "3.2"}


def test_result_without_tables_is_refused(tmp_path: Path, home: Path) -> None:
    folder = made(tmp_path / "result")
    with pytest.raises(UnsupportedError) as caught:
        write_result(ExportParams(result=str(folder), to=str(tmp_path / "out"), as_="csv"), Progress())
    assert caught.value.code == "export.no_tables"
