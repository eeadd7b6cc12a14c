"""Percent enhancement and SER by their formulas, and what happens where they are not defined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumordiff_core.errors import GeometryError
from tumordiff_core.response import enhancement

SIGNALS = st.integers(1, 2000)


def voxel(value: float) -> np.ndarray:
    return np.full((1, 1, 1), value, dtype=np.int16)


def test_doubled_signal_is_one_hundred_percent() -> None:
    assert enhancement.percent_enhancement(voxel(50), voxel(100))[0, 0, 0] == 100


@given(SIGNALS, SIGNALS, SIGNALS, st.sampled_from([2, 4, 8]))
def test_a_common_factor_changes_neither_pe_nor_ser(pre: int, early: int, late: int, factor: int) -> None:
    plain = [voxel(v) for v in (pre, early, late)]
    scaled = [v.astype(np.float32) * factor for v in plain]
    np.testing.assert_array_equal(
        enhancement.percent_enhancement(*plain[:2]), enhancement.percent_enhancement(*scaled[:2])
    )
    np.testing.assert_array_equal(
        enhancement.signal_enhancement_ratio(*plain), enhancement.signal_enhancement_ratio(*scaled)
    )


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_maps_are_finite_for_every_stored_value(pre: int, early: int, late: int) -> None:
    ratio = enhancement.signal_enhancement_ratio(voxel(pre), voxel(early), voxel(late))
    assert np.isfinite(ratio).all()
    assert np.isfinite(enhancement.percent_enhancement(voxel(pre), voxel(early))).all()


def test_full_washout_has_the_highest_ser() -> None:
    assert enhancement.signal_enhancement_ratio(voxel(50), voxel(100), voxel(50))[0, 0, 0] == 3


def test_empty_air_has_no_enhancement() -> None:
    assert enhancement.percent_enhancement(voxel(0), voxel(9))[0, 0, 0] == 0


def test_phases_of_different_grids_are_refused() -> None:
    with pytest.raises(GeometryError) as caught:
        enhancement.percent_enhancement(np.ones((2, 3, 4)), np.ones((2, 3, 5)))
    assert caught.value.code == "geometry.grids_differ"


def test_stored_maps_are_whole_percent_and_thousandths() -> None:
    tissue = np.array([True, True, True, False])
    percent = np.array([70.9, -3.0, 5.0, 80.0], dtype=np.float32)
    assert enhancement.stored_pe(percent, tissue).tolist() == [70, 0, 5, 0]
    ratio = np.array([0.9004, 7.0, -1.0, 1.0], dtype=np.float32)
    assert enhancement.stored_ser(ratio, tissue).tolist() == [900, 3000, 0, 0]


@given(st.lists(st.floats(0.015625, 8, width=32), min_size=1, max_size=30))
def test_every_positive_ser_falls_into_one_class(values: list[float]) -> None:
    ratio = np.array(values, dtype=np.float32)
    classes = enhancement.ser_classes(ratio, np.ones(ratio.shape, dtype=bool))
    assert sum(classes.values()) == len(values)
