"""Local means given back: what is restored, what is left alone, and that no bias of the magnitude comes along."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from tests.core.engine.test_networks import loaded
from tumordiff_core.engine import context, denoise, local_means
from tumordiff_core.noise.add import expected_magnitude, magnitude
from tumordiff_core.progress import Progress

SIGMA = 0.05


def image(values):
    return torch.from_numpy(np.asarray(values, dtype=np.float32))[None, None]


def averaged(values):
    return local_means.averaged(image(values), torch.ones(1, 1, *np.shape(values)))[0, 0].numpy()


def given_back(noisy, mean, share, channels=1):
    found = local_means.given_back(image(noisy), image(mean), SIGMA, channels, share)
    return found[0, 0].numpy()


def test_the_average_is_a_gaussian_that_keeps_constants_to_the_border():
    values = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    found = averaged(values)
    wanted = ndimage.gaussian_filter(values.astype(float), local_means.STD_PIXELS, truncate=4.3)
    assert np.abs(found - wanted)[8:-8, 8:-8].max() < 2e-3
    assert averaged(np.full((9, 7), 0.3)) == pytest.approx(0.3, abs=1e-6)
    assert averaged(np.full((1, 1), 0.3)) == pytest.approx(0.3, abs=1e-6)


def test_the_transpose_gives_the_same_weighted_sums():
    rng = np.random.default_rng(8)
    one, other, known = (image(rng.random((12, 9))) for _ in range(3))
    known = (known > 0.3).float()
    left = float((local_means.averaged(one, known) * other).sum())
    assert left == pytest.approx(float((one * local_means.transposed(other, known)).sum()), rel=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_zeros_that_a_scanner_wrote_do_not_darken_the_rim(channels):
    truth = np.full((48, 48), 8 * SIGMA)
    noisy = magnitude(truth, SIGMA, np.random.default_rng(6), channels)
    noisy[:, 24:] = truth[:, 24:] = 0
    found = given_back(noisy, truth, 1.0, channels)
    assert (found - truth)[:, 21:24].mean() == pytest.approx(0, abs=0.15 * SIGMA)
    assert found[:, 24:].max() == 0


@pytest.mark.parametrize("sigma", [0.0, 1e-30])
def test_without_noise_the_mean_stays_as_it_is(sigma):
    model = replace(loaded(), local_means=0.7)
    values = np.random.default_rng(7).random((1, 1, 32, 32)).astype(np.float32)
    images, present = (torch.from_numpy(part) for part in context.gather(values, 0, np.array([0])))
    with torch.inference_mode():
        alone = denoise.posterior_mean(replace(model, local_means=0.0), images, present, denoise.NoiseLevel(sigma))
        found = denoise.posterior_mean(model, images, present, denoise.NoiseLevel(sigma))
    assert torch.isfinite(found).all()
    assert found.numpy() == pytest.approx(alone.numpy(), abs=1e-5)


@pytest.mark.parametrize("family", ["edm-unet", "paper-unet"])
def test_tiles_give_what_the_whole_slice_gives(family):
    model = replace(loaded(family), local_means=0.7, along_edges=True)
    values = magnitude(np.full((1, 160, 160), 0.5), SIGMA, np.random.default_rng(9))
    noise = denoise.NoiseLevel(SIGMA, (0.3, 0.2))
    whole, tiles = (denoise.denoise_stack(model, values, noise, tile=size, progress=Progress()) for size in (512, 128))
    assert np.abs(whole - tiles).max() < 0.02 * SIGMA
    alone = denoise.denoise_stack(replace(model, local_means=0.0), values, noise, progress=Progress())
    assert np.abs(whole - alone).max() > 0.02 * SIGMA


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


class Silent(torch.nn.Module):
    """F = 0: the answer is c_skip of each pixel, so what comes from a pixel beside it was given back."""

    multiple = 8

    def forward(self, x, condition):
        return torch.zeros_like(x[:, :1])


def test_gradients_see_what_is_given_back():
    model = replace(loaded(network=Silent()), local_means=1.0)
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
    assert float(seen.grad[0, 0, 16, 18]) == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-4)
    assert float(seen.grad[0, 0, 16, 18]) > 5e-4


def test_phases_get_theirs_back_and_a_single_stack_does_not():
    assert local_means.share_of(None, 1) == 0
    assert local_means.share_of(None, 3) == local_means.USUAL_SHARE > 0
    assert [local_means.share_of(chosen, 3) for chosen in (0.0, 0.4)] == [0.0, 0.4]
