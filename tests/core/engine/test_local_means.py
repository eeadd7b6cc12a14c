"""Local means given back: what is restored, what is left alone, and that no bias of the magnitude comes along."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from tests.core.engine.test_networks import loaded
from tumordiff_core.engine import context, denoise, local_means
from tumordiff_core.noise.add import expected_magnitude, magnitude

SIGMA = 0.05


def image(values):
    return torch.from_numpy(np.asarray(values, dtype=np.float32))[None, None]


def given_back(noisy, mean, share, channels=1):
    found = local_means.given_back(image(noisy), image(mean), SIGMA, channels, share)
    return found[0, 0].numpy()


def test_the_average_is_a_gaussian_that_keeps_constants_to_the_border():
    values = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    found = local_means.averaged(image(values))[0, 0].numpy()
    wanted = ndimage.gaussian_filter(values.astype(float), local_means.STD_PIXELS, truncate=4.3)
    assert np.abs(found - wanted)[8:-8, 8:-8].max() < 2e-3
    flat = local_means.averaged(image(np.full((9, 7), 0.3)))[0, 0].numpy()
    assert flat == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_a_lesion_that_was_taken_comes_back_by_its_share(share):
    truth = np.full((64, 64), 0.5)
    truth[24:40, 24:40] += 2 * SIGMA
    noisy = magnitude(truth, SIGMA, np.random.default_rng(1))
    taken = np.full((64, 64), 0.5)
    found = given_back(noisy, taken, share)[28:36, 28:36].mean() - 0.5
    assert found == pytest.approx(share * 2 * SIGMA, abs=0.25 * SIGMA)


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("snr", [0.5, 3, 10, 40])
def test_the_mean_of_the_magnitude_is_not_taken_for_signal(channels, snr):
    truth = np.full((256, 256), snr * SIGMA)
    noisy = magnitude(truth, SIGMA, np.random.default_rng(2), channels)
    residual = image(noisy) - local_means.expected(image(truth), SIGMA, channels)
    assert abs(float(residual.mean())) < 0.02 * SIGMA


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_the_table_is_the_closed_form_inside_and_beyond(channels):
    snr = np.array([0.0, 0.013, 1.7, 8.01, 15.99, 16.01, 300.0])
    found = local_means.expected(torch.from_numpy(snr), 1.0, channels).numpy()
    assert found == pytest.approx(expected_magnitude(snr, channels), rel=2e-4)


def test_little_of_the_noise_comes_back():
    truth = np.full((256, 256), 0.5)
    noisy = magnitude(truth, SIGMA, np.random.default_rng(3))
    noise_left = given_back(noisy, truth, local_means.USUAL_SHARE).std() / SIGMA
    smoothed = local_means.USUAL_SHARE / (2 * np.pi**0.5 * local_means.STD_PIXELS)
    assert noise_left == pytest.approx(smoothed, rel=0.1)


def test_nothing_becomes_negative_and_air_stays_dark():
    noisy = magnitude(np.zeros((64, 64)), SIGMA, np.random.default_rng(4))
    found = given_back(noisy, np.zeros((64, 64)), 1.0)
    assert found.min() >= 0
    assert found.mean() < 0.1 * SIGMA


def test_gradients_see_what_is_given_back():
    model = replace(loaded(), local_means=1.0)
    noisy = magnitude(np.full((1, 1, 32, 32), 0.5), SIGMA, np.random.default_rng(5))
    images, present = (torch.from_numpy(part) for part in context.gather(noisy, 0, np.array([0])))
    noise = denoise.NoiseLevel(SIGMA)
    seen = images.double().float().requires_grad_(True)
    denoise.posterior_mean(model, seen, present, noise)[0, 0, 16, 16].backward()
    step = 0.02 * SIGMA
    with torch.inference_mode():
        ends = []
        for sign in (1, -1):
            moved = images.clone()
            moved[0, 0, 16, 18] += sign * step
            ends.append(float(denoise.posterior_mean(model, moved, present, noise)[0, 0, 16, 16]))
    assert float(seen.grad[0, 0, 16, 18]) == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-3)
    assert float(seen.grad[0, 0, 16, 18]) > 5e-4


def test_phases_get_theirs_back_and_a_single_stack_does_not():
    assert local_means.usual_share(1) == 0
    assert local_means.usual_share(3) == local_means.USUAL_SHARE > 0
