"""Where the volume of nine slices that BM4D was measured on comes from."""

import numpy as np
import pytest

from tumordiff_core.evaluation import references
from tumordiff_core.training.datasets import Stack


@pytest.fixture
def stacks():
    """Eleven slices of each of the five and of one other; slice 7 is the brightest, slice 9 would be brighter still."""
    y, x = np.mgrid[:128, :128]
    breast = 100.0 * ((y - 64) ** 2 + (x - 70) ** 2 < 40**2) + 60.0 * ((y - 20) ** 2 + (x - 20) ** 2 < 8**2)
    gain = np.array([1, 1, 1, 1.2, 1, 1, 1, 1.5, 1, 3, 1])
    images = (breast * gain[:, None, None]).astype(np.float32)
    told = {"position": np.arange(11), "noise": np.full(11, 0.01, np.float32), "one_scale": np.ones(11, dtype=bool)}
    return [Stack(name, "test", True, images, **told) for name in (*reversed(references.FIVE), "ISPY1_9999")]


def test_two_slices_of_the_first_nine_are_judged_in_the_scale_of_their_volume(stacks):
    found = references.of_set("five", stacks)
    assert [(r.patient, r.centre) for r in found] == [(name, k) for name in references.FIVE for k in (3, 5)]
    for one in found:
        assert one.stack.shape == (9, 64, 64)
        assert one.stack.max() == 1
        assert one.image.max() == pytest.approx((1.2 if one.centre == 3 else 1) / 1.5, rel=1e-3)


def test_all_tissue_counts_there_and_the_largest_piece_alone_elsewhere(stacks):
    apart = (slice(8, 12), slice(8, 12))
    assert references.of_set("five", stacks)[0].mask[apart].all()
    assert not references.of_set("pack", stacks)[0].mask[apart].any()
