"""The stress test of a series: what is put in is looked for, the curve reads as told, bad input is said."""

from pathlib import Path

import numpy as np
import pytest

from tests.generators import tiny_model
from tumordiff_core import paths
from tumordiff_core.engine.denoise import NoiseLevel
from tumordiff_core.evaluation import stress
from tumordiff_core.evaluation.stress import Cell
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import open_result


@pytest.fixture(scope="module")
def phases() -> np.ndarray:
    """Tissue of 100 with a little enhancement and noise of 4, as a file without spacing has it (1 mm)."""
    rng = np.random.default_rng(0)
    values = np.zeros((2, 30, 96, 96), np.float32)
    values[0, :, 8:88, 8:88], values[1, :, 8:88, 8:88] = 100, 110
    noise = rng.normal(0, 4, (2, 2, *values.shape[1:]))
    return np.hypot(values + noise[0], noise[1]).astype(np.float32)


def test_the_job_leaves_tables_a_curve_and_a_report(phases: np.ndarray, tmp_path: Path, home: Path):
    tiny_model.make(paths.models())
    np.save(tmp_path / "mine.npy", phases)
    folder = jobs.new_job("stress", {"input": str(tmp_path / "mine.npy"), "model": "tiny", "turns": 6, "seconds": 3000})
    assert worker.main(folder) == 0, jobs.failure(folder)
    result = open_result(folder / "result")
    found = result.record.figures["stress"]
    assert result.record.kind == "evaluation"
    assert result.record.figures["along_edges"] is True
    assert found["lesions"] == sum(cell["lesions"] for cell in found["cells"]) > 100
    strong = [c for c in found["cells"] if c["size_mm"] == 8 and c["enhancement_percent"] >= 100]
    assert strong and all(cell["found_acquired"] > 0.9 for cell in strong)
    assert {p["size_mm"] for p in found["curve"]} == {3, 4, 5, 6, 8}
    assert (folder / "result" / "tables" / "cells.csv").is_file()
    assert "<svg" in (folder / "result" / "report.html").read_text("utf-8")
    result.check_files()


def test_edges_are_smoothed_only_where_asked(phases: np.ndarray, tmp_path: Path, home: Path):
    tiny_model.make(paths.models())
    np.save(tmp_path / "mine.npy", phases)
    told = {"input": str(tmp_path / "mine.npy"), "model": "tiny", "turns": 1, "seconds": 3000, "along_edges": False}
    folder = jobs.new_job("stress", told)
    assert worker.main(folder) == 0, jobs.failure(folder)
    assert open_result(folder / "result").record.figures["along_edges"] is False


def test_a_series_without_room_says_so(tmp_path: Path, home: Path):
    tiny_model.make(paths.models())
    values = np.random.default_rng(0).rayleigh(4, (2, 8, 48, 48)).astype(np.float32)
    np.save(tmp_path / "air.npy", values)
    folder = jobs.new_job("stress", {"input": str(tmp_path / "air.npy"), "model": "tiny", "turns": 1})
    assert worker.main(folder) == 1
    assert "room for" in str(jobs.failure(folder))
    assert events.read_all(folder)[-1]["code"] == "evaluate.no_tissue"


def test_one_phase_is_looked_at_by_itself(phases: np.ndarray, home: Path):
    from tumordiff_core import model_cards
    from tumordiff_core.engine import weights

    model = weights.load(model_cards.find(tiny_model.make(paths.models()).name))
    opened = stress.Opened(phases[:1] / 120, [NoiseLevel(4 / 120)], (2.0, 1.0, 1.0), 0, 0)
    cells, _ = stress.run(model, opened, most_turns=4, seconds=3000, progress=Progress())
    assert max(cell.found_acquired for cell in cells) > 0.9


def test_the_curve_is_where_nine_of_ten_are_found_for_good():
    def cell(strength: float, rate: float) -> Cell:
        return Cell(4.0, strength, 20, rate, 1.0, 1.0)

    point = stress.curve([cell(40, 0.95), cell(60, 0.5), cell(80, 0.8), cell(100, 1.0)])[0]
    assert point.acquired_percent == pytest.approx(90)
    assert point.denoised_percent == 40
    assert stress.curve([cell(40, 0.2), cell(120, 0.5)])[0].acquired_percent is None
