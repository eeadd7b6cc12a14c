"""Rims of lesions are given back by a small network of their own, where phases are compared."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
        after = denoise.posterior_mean(replace(model, rims_given_back=True), noisy, present, noise)
        asked = model.rims.given_back(before, noise.sigma, local_means.seen_of(noisy[:, :1]))
    torch.testing.assert_close(after, asked)
    assert not torch.equal(before, after)


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
