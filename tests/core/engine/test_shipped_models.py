"""What the shipped models promise, in every test run: on simulated breasts with known truth, and on real slices."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tumordiff_core import model_cards
from tumordiff_core.engine import denoise, weights
from tumordiff_core.evaluation import denoise as protocol
from tumordiff_core.evaluation import metrics, references
from tumordiff_core.noise.add import magnitude
from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort

RICIAN = protocol.KINDS["rician"]
LEVELS = (0.03, 0.05, 0.10, 0.15)


@pytest.fixture(scope="module", params=["small-6", "pair-6", "paper-1"])
def model(request):
    return weights.load(model_cards.find(request.param))


@pytest.fixture(scope="module", params=["small-6", "pair-6"])
def ours(request):
    return weights.load(model_cards.find(request.param))


@pytest.fixture(scope="module")
def breasts():
    return references.phantoms(patients=1)[::2]


def gains(model, found, level, kind=RICIAN):
    """PSNR over the noisy input of every reference."""
    method = protocol.model_method(model, neighbours=model.neighbours)
    gained = []
    for index, reference in enumerate(found):
        case = protocol.noisy_case(reference, kind, level, index)
        scores = [metrics.scores(image, reference.image, reference.mask) for image in (method(case), case.image)]
        gained.append(scores[0].psnr_tissue - scores[1].psnr_tissue)
    return gained


@pytest.mark.parametrize("level", LEVELS)
def test_no_simulated_slice_comes_out_worse_than_it_went_in(model, breasts, level):
    assert min(gains(model, breasts, level)) > 0


@pytest.mark.real
@pytest.mark.parametrize("level", LEVELS)
def test_no_real_slice_comes_out_worse_than_it_went_in(ours, real_slices, level):
    assert min(gains(ours, real_slices, level)) > 0


@pytest.mark.real
def test_the_papers_network_used_rightly_gains_four_decibels_at_five_percent(real_slices):
    paper = weights.load(model_cards.find("paper-1"))
    assert np.mean(gains(paper, real_slices, 0.05)) >= 4


def noisy_stack(breasts, sigma=0.1):
    return magnitude(breasts[0].stack, sigma, np.random.default_rng(0))


def run(model, stack, sigma=0.1):
    return denoise.denoise_stack(model, stack, denoise.NoiseLevel(sigma), progress=Progress())


def test_repeats_are_equal_bit_by_bit(model, breasts):
    noisy = noisy_stack(breasts)[:2]
    assert np.array_equal(run(model, noisy), run(model, noisy))


def test_brightness_changes_nothing_but_brightness(ours, breasts):
    noisy = noisy_stack(breasts, 0.07)
    mask = breasts[0].mask
    once = run(ours, noisy, 0.07)[breasts[0].centre][mask]
    for factor in (0.8, 1.2):
        scaled = run(ours, noisy * np.float32(factor), 0.07 * factor)[breasts[0].centre][mask] / factor
        assert np.sqrt(np.mean((scaled - once) ** 2) / np.mean(once**2)) < 0.01


def bias(model, reference, where):
    noisy = magnitude(reference.stack, 0.1, np.random.default_rng(1))
    return abs((run(model, noisy)[reference.centre] - reference.image)[where].mean())


def test_no_rician_bias_is_left_in_tissue(ours, breasts):
    assert max(bias(ours, reference, reference.mask) for reference in breasts) < 0.1 * 0.1


def test_no_rician_bias_is_left_in_air(ours, breasts):
    assert max(bias(ours, reference, reference.image == 0) for reference in breasts) < 0.1 * 0.1


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_turned_and_flipped_slices_come_out_turned_and_flipped(ours, breasts, turns):
    noisy = noisy_stack(breasts)
    turned = np.ascontiguousarray(np.rot90(noisy, turns, axes=(-2, -1))[..., ::-1])
    back = np.rot90(run(ours, turned)[..., ::-1], -turns, axes=(-2, -1))
    difference = (back - run(ours, noisy))[:, breasts[0].mask]
    assert np.sqrt(np.mean(difference**2)) < 0.1 * 0.1


def test_tiles_agree_with_the_whole_slice(ours):
    clean = np.kron(references.phantoms(patients=1)[0].image, np.ones((3, 3), np.float32))
    noisy = magnitude(clean, 0.1, np.random.default_rng(2))
    images, present = denoise.seen(ours, noisy[None, None], 0, np.array([0]))

    def run(window):
        return denoise.posterior_mean(ours, images[..., *window], present, denoise.NoiseLevel(0.1))

    with torch.inference_mode():
        difference = denoise.in_pieces(run, images[:, :1], 128) - run((slice(None), slice(None)))
    assert float(difference.abs().max()) < 0.02 * 0.1


def test_enhancement_inside_the_lesion_does_not_move(ours):
    plan = cohort.Plan(patients=1, visits=1, seed=5)
    visit = cohort.simulate(plan, cohort.PATIENTS[0])[0]
    peak = float(np.percentile(visit.clean, 99.9))
    sigma = plan.protocol.sigma / peak
    phases = visit.stored.astype(np.float32) / peak
    noise = denoise.NoiseLevel(sigma, (0.4, 0.3), plan.protocol.channels)
    out = [denoise.denoise_phase(ours, phases, k, noise, progress=Progress()) for k in (0, 1)]
    lesion = visit.tumour
    assert lesion.sum() > 50
    truth = 100 * (visit.clean[1][lesion].mean() / visit.clean[0][lesion].mean() - 1)
    found = 100 * (out[1][lesion].mean() / out[0][lesion].mean() - 1)
    assert abs(found - truth) < 2


def test_the_mean_over_mirror_images_is_the_same_for_a_mirrored_slice():
    model = replace(weights.load(model_cards.find(model_cards.DEFAULT)), mirrors=4)
    stack = np.random.default_rng(4).random((3, 48, 64)).astype(np.float32)
    noise = denoise.NoiseLevel(0.1, (0.5, 0.2))

    def mean(values):
        return denoise.denoise_stack(model, np.ascontiguousarray(values), noise, progress=Progress())

    assert np.abs(mean(stack[:, ::-1])[:, ::-1] - mean(stack)).max() < 1e-4
    assert np.abs(mean(stack[..., ::-1])[..., ::-1] - mean(stack)).max() < 1e-4
    alone = denoise.denoise_stack(replace(model, mirrors=1), stack, noise, progress=Progress())
    assert 1e-4 < np.abs(alone - mean(stack)).mean() < 0.03
