"""Learning without a clean image: independent noise in input and target, and a network that gains by it."""

import numpy as np
import pytest
import torch

from tests.core.training.test_bank import stack
from tumordiff_core.engine import denoise
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import gaussian_spectrum
from tumordiff_core.progress import Progress
from tumordiff_core.training import fit, self_supervised
from tumordiff_core.training.bank import Crops
from tumordiff_core.training.chance import seeded
from tumordiff_core.training.module import SIGMA_DATA, Recipe

SIGMA, SIDE = 0.08, 96


def noisy_stack(seed, patient, part="train"):
    """Three slices of soft discs under coloured noise, and the truth."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    clean = np.zeros((3, SIDE, SIDE))
    for _ in range(12):
        cy, cx, radius = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(5, 30)
        clean += rng.uniform(0.1, 0.3) * (np.hypot(y - cy, x - cx) < radius)
    clean[:, :, :30] = 0
    clean /= clean.max()
    noisy = magnitude(clean, SIGMA, rng, spectrum=gaussian_spectrum(SIDE, SIDE, 0.4))
    made = stack(noisy, noise=SIGMA, patient=patient)
    return type(made)(**{**vars(made), "part": part}), clean


def test_noise_of_input_and_target_is_independent():
    chance = seeded(0)
    count, size, sigma = 300, 24, 0.1
    clean = torch.full((count, 9, size, size), 2.0)
    noise = np.full(count, sigma, dtype=np.float32)
    lag1 = np.zeros((count, 2), dtype=np.float32)
    crops = Crops(
        clean + sigma * chance.normal(*clean.shape), np.zeros((count, 8), dtype=bool), noise, lag1,
        np.full(count, 2.0, dtype=np.float32), np.zeros((count, 20), dtype=np.float32),
    )  # fmt: skip
    found = self_supervised.recorrupted(crops, chance)
    a, b = (part[:, 0] - 2.0 for part in (found.noisy, found.clean))
    assert (a * b).mean().item() == pytest.approx(0, abs=0.02 * sigma**2)
    assert (a**2).mean(dim=(1, 2)).sqrt().div(found.sigma).mean().item() == pytest.approx(1, abs=0.02)
    assert found.sigma.min() > sigma
    assert (found.channels == 2).all()


def test_level_and_correlation_are_measured_from_the_slices():
    noisy, _ = noisy_stack(0, "A")
    found = self_supervised.measured([noisy])[0]
    peak = noisy.images.reshape(3, -1).max(axis=1)
    assert found.noise == pytest.approx(SIGMA / peak, rel=0.15)
    assert found.lag1 == pytest.approx((0.4, 0.4), abs=0.12)


def test_slices_whose_noise_cannot_be_measured_are_left_out():
    assert self_supervised.measured([stack(np.ones((3, 64, 64)))]) == []


def test_a_network_that_never_saw_a_clean_slice_removes_noise(tmp_path):
    stacks = [noisy_stack(k, f"P{k}")[0] for k in range(6)] + [noisy_stack(7, "V", "val")[0]]
    arguments = {"widths": [24, 32], "encoder": 1, "blocks": 1, "middle": 1, "attention": False}
    recipe = Recipe("edm", 8, 200, 0, self_supervised=True)
    plan = fit.Plan("edm-unet", arguments, recipe, crop=32, learning_rate=4e-3, epochs=1, threads=1)
    network = fit.fit(plan, stacks, tmp_path, progress=Progress()).network.eval()
    model = denoise.LoadedModel("m", "edm-unet", network, SIGMA_DATA, (0.01, 0.2), True, torch.device("cpu"))
    noisy, clean = noisy_stack(20, "T")
    out = denoise.denoise_stack(model, noisy.images, denoise.NoiseLevel(SIGMA, (0.4, 0.4)), progress=Progress())
    tissue = clean > 0.2
    before, after = (np.sqrt(np.mean((image - clean)[tissue] ** 2)) for image in (noisy.images, out))
    assert after < 0.85 * before
