"""Scores and statistics against closed forms."""

import numpy as np
import pytest

from tumordiff_core.evaluation import baselines, denoise, metrics, pages, references
from tumordiff_core.noise.add import magnitude
from tumordiff_core.progress import Progress
from tumordiff_core.training.datasets import Stack


@pytest.fixture(scope="module")
def breast():
    y, x = np.indices((64, 64))
    inside = ((y - 32) / 26) ** 2 + ((x - 44) / 24) ** 2 < 1
    return np.where(inside, 0.6 + 0.3 * np.sin(x / 10) * np.cos(y / 11), 0).astype(np.float32)


def test_psnr_of_a_known_error_is_its_closed_form(breast):
    mask = metrics.tissue_mask(breast)
    found = metrics.scores(breast + 0.1, breast, mask)
    assert found.psnr_tissue == pytest.approx(20.0, abs=1e-4)
    assert found.psnr_whole == pytest.approx(20.0, abs=1e-4)
    assert metrics.scores(breast, breast, mask).ssim_tissue == pytest.approx(1.0)


def test_mask_keeps_the_breast_and_fills_its_holes(breast):
    holed = breast.copy()
    holed[30:34, 40:44] = 0
    holed[2:4, 2:4] = 1
    mask = metrics.tissue_mask(holed)
    assert mask[32, 42]
    assert not mask[3, 3]


def test_patients_are_the_unit_of_every_interval():
    per_patient = metrics.by_patient([1, 3, 10], ["a", "a", "b"])
    assert per_patient == {"a": 2.0, "b": 10.0}
    interval = metrics.bootstrap(per_patient)
    assert interval.mean == 6.0
    assert (interval.low, interval.high) == (2.0, 10.0)


def test_paired_difference_counts_patients_and_asks_for_six_before_a_p_value():
    ours = {str(k): 1.0 + k for k in range(8)}
    theirs = {str(k): 0.5 + k for k in range(8)}
    found = metrics.paired(ours, theirs)
    assert (found.better, found.patients, found.difference.mean) == (8, 8, 0.5)
    assert found.p_value == pytest.approx(2 / 2**8)
    assert metrics.paired({"a": 1.0}, {"a": 0.0}).p_value is None


def test_no_worse_slice_in_24_bounds_the_rate_at_twelve_percent():
    assert metrics.rate_bound(0, 24) == pytest.approx(0.117, abs=0.001)
    assert metrics.rate_bound(5, 5) == 1.0


@pytest.mark.parametrize("name", ["gaussian+vst", "tv+vst", "nlm+vst"])
def test_every_classical_filter_beats_its_noisy_input(name, breast):
    noisy = magnitude(breast, 0.1, np.random.default_rng(0))
    mask = metrics.tissue_mask(breast)
    better = metrics.scores(baselines.run(name, noisy, 0.1), breast, mask).psnr_tissue
    assert better > metrics.scores(noisy, breast, mask).psnr_tissue + 2


def test_protocol_runs_from_stacks_to_a_page(breast):
    full = np.kron(breast, np.ones((2, 2), dtype=np.float32)) * 200
    ones = np.ones(4, dtype=bool)
    stacks = [
        Stack(name, "test", True, np.stack([full * (1 - 0.1 * k) for k in range(4)]), np.arange(4), ones * 0.01, ones)
        for name in ("P1", "P2")
    ]
    found = references.of_pack(stacks)
    assert [(r.patient, r.position, r.centre, len(r.stack)) for r in found][:2] == [("P1", 1, 1, 4), ("P1", 2, 2, 4)]
    methods = {name: denoise.baseline_method(name) for name in ("identity", "gaussian+vst")}
    table = denoise.evaluate(found, methods, [denoise.KINDS["rician"]], [0.1], progress=Progress())
    lines = denoise.summary(table, "gaussian+vst")
    assert [line["worse_than_input"]["slices"] for line in lines] == [0, 0]
    assert lines[1]["over identity"]["difference"]["mean"] > 2
    page = pages.page("Report", "made data", lines, table.rows, "gaussian+vst")
    assert "Research use only" in page
    assert page.count("<svg") == 4
