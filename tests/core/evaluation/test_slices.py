"""Figures slice by slice, with and without a truth."""

import numpy as np
import pytest

from tumordiff_core.evaluation.slices import per_slice, residual_figures


@pytest.fixture
def stack() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:64, :64]
    disc = ((rows - 32) ** 2 + (columns - 32) ** 2 < 24**2) * (400.0 + rows * 4)
    truth = np.stack([disc, disc, np.zeros_like(disc)]).astype(np.float32)
    noisy = truth + np.random.default_rng(0).normal(0, 20, truth.shape).astype(np.float32)
    return truth, noisy


def test_against_a_truth_the_cleaner_picture_scores_higher(stack):
    truth, noisy = stack
    found = per_slice(noisy, (truth + noisy) / 2, truth, sigma=20, peak=600)
    assert found["psnr"][0] - found["psnr_before"][0] == pytest.approx(6.02, abs=0.01)
    assert found["ssim"][0] > found["ssim_before"][0]
    assert found["residual"][0] == pytest.approx(0.5, abs=0.03)
    assert abs(found["lag1"][0]) < 0.1


def test_without_a_truth_the_acquired_slices_stand_in_and_nothing_is_claimed_about_before(stack):
    truth, noisy = stack
    found = per_slice(noisy, truth, None, sigma=20, peak=600)
    assert found["psnr_before"] == [] and found["ssim_before"] == []
    assert found["residual"][0] == pytest.approx(1.0, abs=0.05)


def test_an_empty_slice_has_no_figures_rather_than_zeros(stack):
    truth, noisy = stack
    found = per_slice(noisy, truth, truth, sigma=20, peak=600)
    assert (found["psnr"][2], found["residual"][2]) == (None, None)


def test_a_residual_with_structure_is_correlated():
    mask = np.ones((32, 32), bool)
    ramp = np.tile(np.linspace(-1, 1, 32), (32, 1))
    assert residual_figures(ramp, mask, 1.0)[1] > 0.9
    assert np.isnan(residual_figures(ramp, mask, 0.0)[0])
