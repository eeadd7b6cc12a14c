"""Rims of lesions are given back by a small network of their own, where phases are compared."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.core.engine.test_local_means import image
from tests.core.engine.test_uncertainty import loaded
from tumordiff_core import model_cards
from tumordiff_core.engine import context, denoise, local_means, rims, weights
from tumordiff_core.evaluation import detectability
from tumordiff_core.noise.add import magnitude
from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort

SIDE = 48
SIGMA = 2.0


def stirred(seed=0):
    """A network whose every weight is drawn."""
    torch.manual_seed(seed)
    network = rims.RimNetwork(rims.RimArguments(width=4, dilations=(1, 2)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return network.eval()


def slice_of(seed=0):
    rng = np.random.default_rng(seed)
    return 20 * SIGMA + 4 * SIGMA * rng.random((SIDE, SIDE))


def changed(network, mean, sigma=SIGMA, noisy=None):
    seen = local_means.seen_of(image(mean if noisy is None else noisy))
    with torch.inference_mode():
        return rims.given_back(network, image(mean), sigma, seen)[0, 0].numpy()


def test_an_untaught_network_changes_nothing():
    mean = slice_of()
    network = rims.RimNetwork(rims.RimArguments())
    np.testing.assert_array_equal(changed(network, mean), mean.astype(np.float32))


@given(st.floats(0.01, 100))
def test_brightness_changes_nothing_but_brightness(factor):
    network, mean = stirred(), slice_of()
    once = changed(network, mean)
    assert np.abs(once - mean).max() > 0.1 * SIGMA
    scaled = changed(network, factor * mean, factor * SIGMA)
    np.testing.assert_allclose(scaled / factor, once, atol=1e-3 * SIGMA)


def test_nothing_is_moved_at_the_border_of_written_zeros_and_nothing_gets_negative():
    network, mean = stirred(), slice_of()
    noisy = mean.copy()
    noisy[:, :10] = mean[:, :10] = 0
    found = changed(network, mean, noisy=noisy)
    np.testing.assert_array_equal(found[:, :12], mean[:, :12].astype(np.float32))
    assert np.abs(found - mean)[:, 12:].max() > 0.1 * SIGMA
    assert changed(network, 0.01 * mean, noisy=noisy).min() >= 0


def with_rims(**told):
    return replace(loaded(), rims=rims.Rims("r", "0" * 64, stirred()), **told)


@pytest.mark.parametrize(
    ("phases", "wanted", "given"), [(1, True, False), (2, True, True), (3, True, True), (3, False, False)]
)
def test_they_are_given_back_where_phases_are_compared_unless_told_otherwise(phases, wanted, given):
    assert denoise.for_phases(with_rims(), phases, rims=wanted).rims_given_back is given
    assert denoise.for_phases(loaded(), phases, rims=wanted).rims_given_back is False, "this model has none"


def test_a_posterior_mean_gives_them_back_between_edges_and_local_means():
    noisy = torch.zeros(1, context.IMAGES, SIDE, SIDE)
    noisy[:, 0] = torch.from_numpy(slice_of()).float() / 100
    present, noise = torch.zeros(1, context.BESIDE), denoise.NoiseLevel(SIGMA / 100)
    model = with_rims(along_edges=True)
    with torch.inference_mode():
        before = denoise.posterior_mean(model, noisy, present, noise)
        whole = replace(model, rims_given_back=True, local_means=0.7)
        after = denoise.posterior_mean(whole, noisy, present, noise)
        rims_back = model.rims.given_back(before, noise.sigma, local_means.seen_of(noisy[:, :1]))
        asked = local_means.given_back(noisy[:, :1], rims_back, noise.sigma, noise.channels, 0.7)
        turned = local_means.given_back(noisy[:, :1], before, noise.sigma, noise.channels, 0.7)
        turned = model.rims.given_back(turned, noise.sigma, local_means.seen_of(noisy[:, :1]))
    torch.testing.assert_close(after, asked)
    assert float((asked - turned).abs().max()) > 1e-3, "the order matters"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 200)])
def test_the_smallest_images_and_the_faintest_noise_are_served(shape):
    mean = np.full(shape, 7.0)
    for sigma in (1e-30, 1e-3, 1.0):
        found = changed(stirred(), mean, sigma=sigma)
        assert found.shape == shape and np.isfinite(found).all()


def test_bfloat16_around_them_changes_nothing():
    network, mean = stirred(), slice_of()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = changed(network, mean)
    np.testing.assert_array_equal(found, changed(network, mean))


def test_the_answer_is_the_same_with_gradients_and_without():
    mean, network = image(slice_of()), stirred()
    with_gradient = rims.given_back(network, mean.clone().requires_grad_(), SIGMA, torch.ones_like(mean))
    np.testing.assert_allclose(changed(network, slice_of()), with_gradient.detach()[0, 0].numpy(), rtol=1e-6)


@pytest.mark.parametrize("snr", [3.0, 10.0, 100.0, 1000.0])
def test_the_shipped_network_leaves_flat_areas_alone_and_the_image_s_border_too(snr):
    network = weights.load(model_cards.find(model_cards.DEFAULT)).rims.network
    flat = np.full((32, 32), snr)
    assert np.abs(changed(network, flat, sigma=1.0) - flat).max() < 0.03


@pytest.mark.parametrize("spoilt", [{"dilations": [0]}, {"dilations": [-1]}, {"dilations": [300]}, {"width": 5000}])
def test_arguments_that_no_tile_could_serve_are_refused(spoilt):
    with pytest.raises(ValidationError):
        rims.RimArguments.model_validate(spoilt)


def test_gradients_reach_the_mean_through_them():
    mean = image(slice_of()).requires_grad_()
    rims.given_back(stirred(), mean, SIGMA, torch.ones_like(mean)).square().sum().backward()
    assert mean.grad is not None
    assert float((mean.grad - 2 * mean.detach()).abs().min()) > 0


def test_the_shipped_model_gives_rims_back_and_misses_no_more_lesions():
    shipped = weights.load(model_cards.find(model_cards.DEFAULT))
    breasts = detectability.anatomies(cohort.Plan(shape=(40, 192, 192), visits=1, seed=77), patients=1)
    methods = {
        name: detectability.of_model(denoise.for_phases(shipped, 2, rims=given_back))
        for name, given_back in (("with", True), ("without", False))
    }
    found = detectability.study(breasts, methods, 0.05, wanted=80, seed=11, progress=Progress())
    # 80 lesions say how much narrower rims are, and not how wide: the study itself has 500.
    assert found["with"]["edge_mm"] < 0.92 * found["without"]["edge_mm"]
    assert found["with"]["missed"] <= found["without"]["missed"]
    assert found["with"]["contrast"] > found["without"]["contrast"]


def test_tiles_agree_with_the_whole_slice():
    shipped = denoise.for_phases(weights.load(model_cards.find(model_cards.DEFAULT)), 2)
    clean = np.kron(slice_of() / 100, np.ones((12, 12)))
    noisy = magnitude(clean.astype(np.float32), 0.05, np.random.default_rng(2))
    images, present = denoise.seen(shipped, noisy[None, None], 0, np.array([0]))

    def run(window):
        return denoise.posterior_mean(shipped, images[..., *window], present, denoise.NoiseLevel(0.05))

    with torch.inference_mode():
        difference = denoise.in_pieces(run, images[:, :1], 128) - run((slice(None), slice(None)))
    assert float(difference.abs().max()) < 0.02 * 0.05
