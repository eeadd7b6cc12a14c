"""Diameters of masks whose size is known."""

import numpy as np
import pytest

from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.response import size

GEOMETRY = Geometry((12, 40, 40), (2.0, 0.5, 0.5))


def test_bar_is_as_long_as_its_end_centres_are_apart() -> None:
    mask = np.zeros(GEOMETRY.shape, dtype=bool)
    mask[3, 10, 5:15] = True
    assert size.longest_diameter_mm(mask, GEOMETRY) == pytest.approx(4.5)
    length, at = size.longest_in_plane_mm(mask, GEOMETRY)
    assert (length, at) == (pytest.approx(4.5), 3)


def test_only_the_largest_part_is_measured() -> None:
    mask = np.zeros(GEOMETRY.shape, dtype=bool)
    mask[2:4, 2:4, 2:4] = True
    mask[11, 39, 39] = True
    assert [int(p.sum()) for p in size.parts(mask)] == [8, 1]
    assert size.longest_diameter_mm(mask, GEOMETRY) == pytest.approx((4 + 0.25 + 0.25) ** 0.5)


def test_large_ball_and_large_sheet_are_measured_by_their_outline() -> None:
    index = np.indices(GEOMETRY.shape)
    ball = ((index[0] - 6) * 2) ** 2 + ((index[1] - 20) * 0.5) ** 2 + ((index[2] - 20) * 0.5) ** 2 <= 64
    assert size.longest_diameter_mm(ball, GEOMETRY) == pytest.approx(16)
    sheet = np.zeros(GEOMETRY.shape, dtype=bool)
    sheet[4] = True
    assert size.longest_diameter_mm(sheet, GEOMETRY) == pytest.approx(39 * 0.5 * 2**0.5)


def test_empty_mask_has_no_size() -> None:
    nothing = np.zeros(GEOMETRY.shape, dtype=bool)
    assert size.longest_diameter_mm(nothing, GEOMETRY) == 0
    assert size.longest_in_plane_mm(nothing, GEOMETRY) == (0.0, -1)
