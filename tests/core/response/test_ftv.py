"""The I-SPY rule on made volumes: neighbours, volume of interest, thresholds, rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from tumordiff_core.errors import GeometryError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.plugins.specs import Recorded
from tumordiff_core.response import ftv

SHAPE = (6, 7, 8)
RULE = ftv.Rule(pre_contrast_threshold=47)
SMALL = hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)


def block(pre: int = 60, early: int = 120, late: int = 110) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phases that enhance in a 4 x 5 x 6 block and nowhere else."""
    phases = []
    for value in (pre, early, late):
        phase = np.full(SHAPE, pre, dtype=np.int16)
        phase[1:5, 1:6, 1:7] = value
        phases.append(phase)
    return phases[0], phases[1], phases[2]


@given(hnp.arrays(bool, SMALL))
def test_neighbour_counts_equal_a_convolution(mask: np.ndarray) -> None:
    kernel = np.ones((3, 3, 3), dtype=int)
    kernel[1, 1, 1] = 0
    np.testing.assert_array_equal(ftv.neighbours(mask), ndimage.convolve(mask.astype(int), kernel, mode="constant"))


def test_lonely_voxels_and_corners_are_no_tumour() -> None:
    found = ftv.tumour(*block(), RULE)
    assert found.voxels == 4 * 5 * 6 - 8
    assert not found.mask[1, 1, 1]
    assert found.mask[1, 1, 2]


def test_values_on_the_threshold_count() -> None:
    assert ftv.tumour(*block(pre=50, early=85), RULE).voxels == 112
    assert ftv.tumour(*block(pre=50, early=84), RULE).voxels == 0
    assert ftv.tumour(*block(pre=47), RULE).voxels == 112
    assert ftv.tumour(*block(pre=46), RULE).voxels == 0


def test_volume_of_interest_includes_its_end_and_loses_omitted_boxes() -> None:
    voi = ((2, 2, 2), (3, 4, 5))
    found = ftv.tumour(*block(), RULE, voi=voi)
    assert found.voxels == 2 * 3 * 4
    assert found.mask[3, 4, 5]
    less = ftv.tumour(*block(), RULE, voi=voi, omit=(((2, 2, 2), (2, 2, 2)),))
    assert less.voxels == found.voxels - 1
    assert found.enhancing.sum() == 112


def test_slow_uptake_is_not_counted_as_ser() -> None:
    assert ftv.tumour(*block(late=110), RULE).ser_voxels == 112
    assert ftv.tumour(*block(early=120, late=180), RULE).ser_voxels == 0


def test_threshold_is_sixty_percent_of_the_95th_percentile_when_none_is_recorded() -> None:
    pre = np.arange(1, 101, dtype=np.int16).reshape(4, 5, 5)
    assert ftv.tissue_threshold(pre) == int(0.6 * np.percentile(pre, 95))
    box = ((0, 0, 0), (0, 4, 4))
    assert ftv.tissue_threshold(pre, box) == int(0.6 * np.percentile(pre[0], 95))
    assert ftv.tumour(*block(), ftv.Rule()).threshold == 36
    assert ftv.tissue_threshold(np.zeros(SHAPE)) == 1


@given(st.integers(0, 2**31))
def test_half_a_grey_level_lower_undoes_the_tie_trap(seed: int) -> None:
    spread = np.random.default_rng(seed).uniform(-0.49, 0.49, (3, *SHAPE)).astype(np.float32)
    phases = [phase + noise for phase, noise in zip(block(pre=47, early=180, late=170), spread, strict=True)]
    assert ftv.tumour(*phases, RULE).voxels < 112
    assert ftv.tumour(*phases, RULE.for_continuous_values()).voxels == 112
    assert ftv.tumour(*[ftv.on_integer_grid(p) for p in phases], RULE).voxels == 112


def test_rule_without_a_threshold_is_already_continuous() -> None:
    assert ftv.Rule().for_continuous_values() == ftv.Rule()


def test_recorded_rule_wins_and_gaps_are_filled_from_the_acquired_images() -> None:
    pre = block()[0]
    whole = Recorded("1.2", 60.0, 40.0, 4, (0, 0, 0), (5, 6, 7), ((((0, 0, 0), (0, 0, 0))),))
    assert ftv.rule_for(whole, pre) == (ftv.Rule(60, 40, 4), ((0, 0, 0), (5, 6, 7)), (((0, 0, 0), (0, 0, 0)),))
    assert ftv.rule_for(Recorded("1.2"), pre) == (ftv.Rule(70, 36, 9), None, ())
    assert ftv.rule_for(None, pre) == (ftv.Rule(70, 36, 9), None, ())


def test_volume_is_voxels_times_spacing() -> None:
    geometry = Geometry(SHAPE, (2.0, 0.78125, 0.78125))
    assert ftv.ftv_cc(np.ones(SHAPE, dtype=bool), geometry) == pytest.approx(336 * 0.001220703125)


@given(hnp.arrays(bool, (3, 4, 5)), hnp.arrays(bool, (3, 4, 5)))
def test_dice_is_symmetric_and_one_only_for_equal_masks(first: np.ndarray, second: np.ndarray) -> None:
    overlap = ftv.dice(first, second)
    assert overlap == ftv.dice(second, first)
    assert (overlap == 1) == bool((first == second).all())


def test_masks_of_different_grids_are_refused() -> None:
    with pytest.raises(GeometryError) as caught:
        ftv.dice(np.ones((2, 2, 2), dtype=bool), np.ones((2, 2, 3), dtype=bool))
    assert caught.value.code == "geometry.grids_differ"
