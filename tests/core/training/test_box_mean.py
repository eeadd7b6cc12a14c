"""Means over squares by running sums are those of pooling, at the borders too."""

import pytest
import torch
from torch.nn import functional

from tumordiff_core.training.box_mean import box_mean


@pytest.mark.parametrize("width", [1, 5, 9, 13])
@pytest.mark.parametrize("size", [(40, 37), (13, 64)])
def test_it_is_the_mean_that_pooling_gives(width, size):
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    pooled = functional.avg_pool2d(images, width, stride=1, padding=width // 2, count_include_pad=False)
    torch.testing.assert_close(box_mean(images, width), pooled, atol=1e-5, rtol=0)


def test_a_single_pixel_is_seen_as_far_as_the_square_reaches_and_no_further():
    images = torch.zeros(1, 1, 32, 32)
    images[0, 0, 16, 20] = 1
    seen = box_mean(images, 13) > 0
    assert seen.sum() == 13 * 13
    assert seen[0, 0, 10:23, 14:27].all()
