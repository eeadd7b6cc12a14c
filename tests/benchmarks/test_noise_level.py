"""How far the blind noise level lies from the truth, printed: simulated breasts, and a noise-free volume of one's own.

``TUMORDIFF_NOISE_FREE=FILE.npy`` names a volume [slice, row, column] without noise, for example the BrainWeb phantom.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SHARED
from tumordiff_core.evaluation import references
from tumordiff_core.evaluation.denoise import KINDS
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.level import air_level, estimate
from tumordiff_core.noise.tissue import tissue_noise
from tumordiff_core.training import datasets

pytestmark = pytest.mark.benchmark
LEVELS = (0.03, 0.05, 0.10, 0.15)
MEDIAN, PERCENTILE_95 = 5.0, 10.0
CUT_PERCENTILE_95 = 50.0


def errors(stacks, kind, level):
    """Absolute errors in percent of the true level, one per stack."""
    found = []
    for index, stack in enumerate(stacks):
        rng = np.random.default_rng(1000 * index + int(1000 * level))
        noisy = magnitude(stack, level, rng, kind.channels, kind.spectrum(*stack.shape[-2:]))
        found.append(100 * abs(estimate(noisy).sigma / level - 1))
    return found


def told(title, stacks):
    for name in ("rician", "lag 0.25", "lag 0.5", "two-channel", "zero-filled"):
        for level in LEVELS:
            found = errors(stacks, KINDS[name], level)
            median, high = float(np.median(found)), float(np.percentile(found, 95))
            print(f"{title}, {name}, {100 * level:g} %: median {median:.1f} %, 95th percentile {high:.1f} %")
            assert median <= MEDIAN
            assert high <= PERCENTILE_95


def test_the_level_of_simulated_breasts():
    print()
    told("18 stacks of simulated breasts", [reference.stack for reference in references.phantoms()])


def test_the_level_of_pictures_cut_to_tissue():
    """Nothing around the breast is left: no target asks for such pictures, but a level must not be far off there."""
    print()
    stacks = [cut for reference in references.phantoms() if (cut := middle(reference)).size]
    for name in ("rician", "lag 0.5", "zero-filled"):
        for level in LEVELS:
            found = errors(stacks, KINDS[name], level)
            print(
                f"{len(stacks)} stacks cut to tissue, {name}, {100 * level:g} %: median {np.median(found):.1f} %,"
                f" 95th percentile {np.percentile(found, 95):.1f} %"
            )
            assert np.percentile(found, 95) <= CUT_PERCENTILE_95


def middle(reference):
    """The inner 70 % of the rows and columns that hold tissue."""
    rows, columns = np.nonzero(reference.mask)
    (top, bottom), (left, right) = (np.percentile(axis, [15, 85]).astype(int) for axis in (rows, columns))
    return reference.stack[:, top:bottom, left:right]


@pytest.mark.real
def test_tissue_agrees_with_the_air_of_the_same_patients():
    pack = SHARED / "ispy1_slices.npz"
    if not pack.is_file():
        pytest.skip("The slices of I-SPY 1 are not there, so air and tissue of real patients are not compared.")
    ratios = []
    for stack in datasets.read_data(pack):
        values = stack.images.astype(np.float64)
        air = air_level(values) if stack.part != "train" else None
        if air is not None:
            ratios.append(tissue_noise(values, channels=air.channels).sigma / air.sigma)
    low, median, high = np.percentile(ratios, [10, 50, 90])
    print(
        f"\n{len(ratios)} patients of val and test, native pixels: tissue over air {median:.2f}"
        f" (80 % of them {low:.2f} to {high:.2f})"
    )
    assert 0.8 < median < 1.25


def test_the_level_of_a_volume_of_ones_own():
    named = os.environ.get("TUMORDIFF_NOISE_FREE", "")
    if not named:
        pytest.skip("TUMORDIFF_NOISE_FREE names no noise-free volume, so only simulated breasts are judged.")
    volume = np.load(Path(named), allow_pickle=False).astype(np.float32)
    volume /= volume.max()
    print()
    told(Path(named).stem, [volume[k : k + 3] for k in range(len(volume) // 10, len(volume) - 4, 4)])
