"""How far the blind noise level lies from the truth, printed: simulated breasts, and a noise-free volume of one's own.

``TUMORDIFF_NOISE_FREE=FILE.npy`` names a volume [slice, row, column] without noise, for example the BrainWeb phantom.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from tumordiff_core.evaluation import references
from tumordiff_core.evaluation.denoise import KINDS
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.level import estimate

pytestmark = pytest.mark.benchmark
LEVELS = (0.03, 0.05, 0.10, 0.15)
MEDIAN, PERCENTILE_95 = 5.0, 10.0


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


def test_the_level_of_a_volume_of_ones_own():
    named = os.environ.get("TUMORDIFF_NOISE_FREE", "")
    if not named:
        pytest.skip("TUMORDIFF_NOISE_FREE names no noise-free volume, so only simulated breasts are judged.")
    volume = np.load(Path(named), allow_pickle=False).astype(np.float32)
    volume /= volume.max()
    print()
    told(Path(named).stem, [volume[k : k + 3] for k in range(len(volume) // 10, len(volume) - 4, 4)])
