"""What uncertainty, alarms and explanation cost a denoising job of 60 slices, as ratios of processor time, printed."""

import time
from pathlib import Path

import numpy as np
import pytest

from tumordiff_core import model_cards, paths
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.jobs import worker
from tumordiff_core.noise.add import magnitude

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]
NOTHING = {"uncertainty": False, "alarms": False, "explanation": False}
MOST = 3.0


def visit() -> np.ndarray:
    """Three phases of 20 slices of 256 x 256 with a lesion that takes up contrast, 4 % noise."""
    k, y, x = np.mgrid[0:20, 0:256, 0:256]
    tissue = np.where((y - 128) ** 2 + (x - 150) ** 2 < 100**2, 400 + 80 * np.sin(x / 9), 0.0)
    lesion = 9 * (k - 10) ** 2 + (y - 120) ** 2 + (x - 140) ** 2 < 20**2
    clean = np.stack([tissue + rise * lesion for rise in (0, 500, 420)])
    random = np.random.default_rng(0)
    return np.stack([magnitude(phase, 20, random) for phase in clean])


def seconds(source: Path, **params: bool) -> float:
    folder = jobs.new_job("denoise", {"input": str(source), **params})
    began = time.process_time()
    assert worker.main(folder) == 0, jobs.failure(folder)
    return time.process_time() - began


def test_uncertainty_and_alarms_cost_at_most_twice_the_plain_job_again(home: Path, tmp_path: Path) -> None:
    if not (paths.resources() / "models" / model_cards.DEFAULT).is_dir():
        pytest.skip(f"the model {model_cards.DEFAULT} is not shipped")
    source = tmp_path / "visit.npy"
    np.save(source, visit())
    np.save(tmp_path / "small.npy", visit()[:, 9:11])
    seconds(tmp_path / "small.npy")  # what is loaded once
    plain = seconds(source, **NOTHING)
    guarded = seconds(source, explanation=False) / plain
    whole = seconds(source) / plain
    print(f"\n60 slices of 256x256: plain {plain:.1f} s; uncertainty and alarms {guarded:.2f}x; all {whole:.2f}x")
    assert guarded <= MOST
