"""How wide rims of lesions come out, printed: in real slices that taught no network, and in breasts of no other study.

``pytest -s -m benchmark tests/benchmarks/test_rims.py``; the real slices are of validation and test patients.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import SHARED
from tumordiff_core import model_cards
from tumordiff_core.engine import denoise, local_means, weights
from tumordiff_core.evaluation import detectability
from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort
from tumordiff_core.training import datasets, rims
from tumordiff_core.training.chance import seeded
from tumordiff_core.training.mix import Levels

pytestmark = pytest.mark.benchmark
PACK = SHARED / "ispy1_slices.npz"
RINGS = np.arange(-2.4, 2.41, 0.6)
NEAR = slice(2, 6)
HEIGHTS = ((2, 9), (9, 20))
BATCHES, CROPS = 100, 16
LEAST_SNR = 3.0
OTHER_SEED = 5555


@pytest.fixture(scope="module")
def model():
    return weights.load(model_cards.find(model_cards.DEFAULT), device="cpu")


def lessons(model, level, monkeypatch):
    """Lessons of white noise of one level in slices of patients that are not trained on, none misjudged or uneven."""
    alone = Levels(level, level * 1.0001, white_share=1.0, misjudged_share=0, uneven_share=0, bias_field_share=0,
                   ghost_share=0)  # fmt: skip
    monkeypatch.setattr(rims, "WHITE", alone)
    stacks = [replace(stack, part="train") for stack in datasets.read_data(PACK) if stack.part != "train"]
    slices = rims.Slices(stacks, rims.Plan(simulated=0), progress=Progress())
    for k in range(BATCHES):
        chance = seeded(77, 3, k)
        yield rims.lesson(*slices.draw(CROPS, chance), model, 0, chance)


def without_rims(one):
    """The answer with local means given back alone."""
    rows = zip(one.noisy, one.mean, one.channels, strict=True)
    return [local_means.given_back(y[None], d[None], 1.0, n, local_means.USUAL_SHARE)[0] for y, d, n in rows]


def pixels_of(model, level, monkeypatch):
    """Distance, height and the errors with and without rims of all pixels near rims, and both squared errors."""
    kept, squared = [], []
    for one in lessons(model, level, monkeypatch):
        clean = one.clean.numpy()[:, 0]
        answers = (rims.answer(model.rims.network, one)[1].detach(), torch.stack(without_rims(one)))
        errors = [images.numpy()[:, 0] - clean for images in answers]
        tissue = clean > LEAST_SNR
        squared.append([float((error[tissue] ** 2).mean()) for error in errors])
        near = np.abs(one.distance.numpy()) < RINGS[-1]
        kept.append([values[near] for values in (one.distance.numpy(), one.height.numpy(), *errors)])
    return [np.concatenate(values) for values in zip(*kept, strict=True)], np.mean(squared, axis=0)


def by_ring(error, distance, height):
    """Mean errors in sigma, higher lesions weighing more."""
    ring = np.digitize(distance, RINGS) - 1
    return np.array([np.average(error[ring == k], weights=height[ring == k]) for k in range(len(RINGS) - 1)])


@pytest.mark.skipif(not PACK.is_file(), reason="ispy1_slices.npz is not beside the checkout: no real slices.")
@pytest.mark.parametrize("level", [0.05, 0.1])
def test_errors_at_rims_in_real_slices(model, level, monkeypatch):
    (distance, height, *errors), squared = pixels_of(model, level, monkeypatch)
    print(f"\nvalidation and test patients of {PACK.name}, {100 * level:g} % white noise, squared error in tissue "
          f"{squared[0]:.4f} sigma^2, {squared[1]:.4f} without rims")  # fmt: skip
    print("pixels from the rim", " ".join(f"{ring + 0.3:+.1f}" for ring in RINGS[:-1]))
    for low, high in HEIGHTS:
        here = (height >= low) & (height < high)
        if here.sum() < 1000 * len(RINGS):
            continue
        with_rims, without = (by_ring(error[here], distance[here], height[here]) for error in errors)
        for name, found in (("with", with_rims), ("without", without)):
            print(f"{low} to {high} sigma, {name:>7}:  ", " ".join(f"{value:+.2f}" for value in found))
        assert np.abs(with_rims[NEAR]).max() < np.abs(without[NEAR]).max() / 2


def test_edges_in_other_breasts(model):
    breasts = detectability.anatomies(cohort.Plan(shape=(40, 192, 192), visits=1, seed=OTHER_SEED))
    methods = {
        name: detectability.of_model(denoise.for_phases(model, 2, rims=given_back))
        for name, given_back in (("with", True), ("without", False))
    }
    for level in (0.03, 0.05, 0.1):
        found = detectability.study(breasts, methods, level, seed=OTHER_SEED, progress=Progress())
        changes = {name: figures["edge_change_percent"] for name, figures in found.items()}
        print(f"\nsimulated breasts of seed {OTHER_SEED}, {100 * level:g} %: edges {changes['with']:+.1f} %, "
              f"{changes['without']:+.1f} % without rims")  # fmt: skip
        assert abs(changes["with"]) <= 5
