"""Noise left at edges is smoothed along them, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tests.core.engine.test_local_means import image
from tests.core.engine.test_uncertainty import loaded
from tumordiff_core.engine import along_edges, context, denoise, local_means

SIGMA = 2.0
SIDE = 48


def smoothed(values, sigma=SIGMA, noisy=None):
    seen = image(values) if noisy is None else image(noisy)
    return along_edges.smoothed(image(values), sigma, local_means.seen_of(seen))[0, 0].numpy()


def edge(angle, height=20 * SIGMA, width=1.0):
    """A straight soft edge through the middle, its normal at an angle to the rows, float [row, column]."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return 50 + height / (1 + np.exp(-(np.cos(angle) * y + np.sin(angle) * x) / width))


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, 1.2, np.pi / 2])
def test_a_straight_edge_stays_where_and_as_steep_as_it_is(angle):
    inner = np.s_[6:-6, 6:-6]
    values = edge(angle)
    assert np.abs(smoothed(values) - values)[inner].max() < 0.05 * SIGMA


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, np.pi / 2])
def test_noise_along_an_edge_is_smoothed_and_noise_beside_it_is_not(angle):
    rng = np.random.default_rng(0)
    truth = edge(angle)
    slope = ndimage.gaussian_gradient_magnitude(truth, 0.8) / SIGMA
    at_edge, flat = slope > along_edges.STEEP_SLOPE, slope < 0.05
    before, after = [], []
    for _ in range(8):
        noise = 0.3 * SIGMA * rng.standard_normal(truth.shape)
        before.append(noise)
        after.append(smoothed(truth + noise) - truth)
    power = [np.mean(np.square(kept), axis=0) for kept in (before, after)]
    assert power[1][at_edge].mean() < 0.75 * power[0][at_edge].mean()
    assert power[1][flat].mean() == pytest.approx(power[0][flat].mean(), rel=0.01)


def ball(radius):
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return 50 + 20 * SIGMA / (1 + np.exp((np.hypot(y, x) - radius) / 0.4))


@pytest.mark.parametrize("radius", [1.5, 2.0, 3.0, 6.0])
def test_a_small_lesion_keeps_its_contrast(radius):
    truth = ball(radius)
    contrast = (truth - 50).sum()
    assert (smoothed(truth) - 50).sum() == pytest.approx(contrast, rel=1e-3)
    inside = truth > 50 + 10 * SIGMA
    assert (smoothed(truth) - 50)[inside].sum() == pytest.approx((truth - 50)[inside].sum(), rel=0.005)


def test_signal_is_moved_and_not_lost():
    values = ball(6.0) + SIGMA * np.random.default_rng(1).standard_normal((SIDE, SIDE))
    assert smoothed(values).mean() == pytest.approx(values.astype(np.float32).mean(), rel=1e-4)


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4])
def test_zeros_that_a_scanner_wrote_have_no_edge(angle):
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    written = np.cos(angle) * y + np.sin(angle) * x < -4
    mean = np.where(written, 0, 100 + 0.5 * SIGMA * np.random.default_rng(5).standard_normal((SIDE, SIDE)))
    found = smoothed(mean)
    near = ndimage.binary_dilation(written, np.ones((3, 3)))
    np.testing.assert_array_equal(found[near], mean[near].astype(np.float32))
    mean[written] = 1.0
    assert np.abs(smoothed(mean)[near] - mean[near]).max() > 0.1 * SIGMA


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), seed=st.integers(0, 99))
def test_every_size_gives_numbers_and_none_is_negative(rows, columns, seed):
    values = np.random.default_rng(seed).random((rows, columns)).astype(np.float32) * 100
    found = smoothed(values)
    assert found.shape == values.shape and np.isfinite(found).all() and (found >= 0).all()


def test_black_and_even_images_stay_as_they_are():
    for value in (0.0, 70.0):
        np.testing.assert_array_equal(smoothed(np.full((12, 17), value, np.float32)), np.float32(value))


def test_it_turns_and_mirrors_with_the_image():
    values = edge(0.4) + SIGMA * np.random.default_rng(3).standard_normal((SIDE, SIDE))
    for change in (np.flipud, np.fliplr, np.transpose, np.rot90):
        np.testing.assert_allclose(smoothed(change(values).copy()), change(smoothed(values)), atol=1e-3)


def test_gradients_reach_the_image_even_where_it_has_no_edge():
    seen = image(np.full((9, 9), 5.0)).requires_grad_()
    along_edges.smoothed(seen, SIGMA, torch.ones_like(seen))[0, 0, 4, 4].backward()
    assert torch.isfinite(seen.grad).all() and float(seen.grad.sum()) == pytest.approx(1)


def test_at_an_edge_a_pixel_is_made_of_those_along_it():
    seen = image(edge(np.pi / 2)).requires_grad_()
    row, column = 24, 24
    along_edges.smoothed(seen, SIGMA, torch.ones_like(seen))[0, 0, row, column].backward()
    weights = seen.grad[0, 0]
    above, below = float(weights[row - 1, column]), float(weights[row + 1, column])
    assert above == pytest.approx(below, abs=1e-3) and above > 0.05
    by_column = weights.sum(dim=0).numpy()
    np.testing.assert_allclose(by_column, np.arange(SIDE) == column, atol=1e-3)


@pytest.mark.parametrize("sigma", [1e-30, 1e-12, 1e12])
def test_every_level_gives_numbers(sigma):
    assert np.isfinite(smoothed(edge(0.4), sigma)).all()


def test_a_model_does_it_where_phases_are_compared_and_as_told():
    model = loaded()
    assert not denoise.for_phases(model, 1).along_edges
    assert denoise.for_phases(model, 3).along_edges
    assert not denoise.for_phases(model, 3, edges=False).along_edges
    values = edge(0.4) / 100
    images = image(values).expand(1, context.IMAGES, SIDE, SIDE).clone()
    present, noise = torch.ones(1, context.BESIDE), denoise.NoiseLevel(SIGMA / 100)
    with torch.inference_mode():
        plain = denoise.posterior_mean(model, images, present, noise)
        found = denoise.posterior_mean(replace(model, along_edges=True), images, present, noise)
        both = denoise.posterior_mean(denoise.for_phases(model, 3), images, present, noise)
    torch.testing.assert_close(found, along_edges.smoothed(plain, noise.sigma, torch.ones_like(plain)))
    assert not torch.equal(found, plain)
    share = local_means.USUAL_SHARE
    torch.testing.assert_close(both, local_means.given_back(images[:, :1], found, noise.sigma, 1, share))
