"""What a visit shows, and change over visits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.response import ftv, timeline

CC = st.floats(0.01, 500)


def cube(percent_late: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A cube of 6 x 6 x 6 voxels that enhances by 100 % early, in tissue of 100."""
    pre = np.full((12, 16, 16), 100, np.int16)
    early, late = pre.copy(), pre.copy()
    early[3:9, 5:11, 5:11] = 200
    late[3:9, 5:11, 5:11] = 100 + percent_late
    return pre, early, late


def test_a_visit_is_measured_in_cc_and_mm() -> None:
    geometry = Geometry((12, 16, 16), (2.0, 1.0, 1.0))
    rule = ftv.Rule(pre_contrast_threshold=50, minimum_neighbours=0)
    found = timeline.measure(cube(80), geometry, rule)
    assert found.tumour.voxels == found.tumour.ser_voxels == 216
    assert found.ftv_pe_cc == pytest.approx(0.432)
    assert found.longest_mm == pytest.approx(np.sqrt(10**2 + 5**2 + 5**2))
    assert found.in_plane_mm == pytest.approx(np.hypot(5, 5))
    assert found.classes["(1,1.3]"] == 216


@pytest.mark.parametrize(("late", "name"), [(130, "persistent"), (100, "plateau"), (70, "washout")])
def test_a_late_phase_makes_the_kinetics(late: float, name: str) -> None:
    rule = ftv.Rule(pre_contrast_threshold=50, minimum_neighbours=0)
    found = timeline.measure(cube(late), Geometry((12, 16, 16), (1.0, 1.0, 1.0)), rule).kinetics_percent
    assert found[name] == 100 and sum(found.values()) == 100


def test_an_empty_tumour_has_size_zero_and_no_kinetics() -> None:
    pre = np.full((4, 5, 6), 100, np.int16)
    rule = ftv.Rule(pre_contrast_threshold=50)
    found = timeline.measure((pre, pre, pre), Geometry((4, 5, 6), (1.0, 1.0, 1.0)), rule)
    assert (found.ftv_pe_cc, found.longest_mm, found.slice_index) == (0.0, 0.0, -1)
    assert set(found.kinetics_percent.values()) == {0.0}


@given(st.lists(st.none() | CC, min_size=1, max_size=6))
def test_change_is_from_the_first_visit_and_from_the_smallest_before(values: list[float | None]) -> None:
    found = timeline.changes(values)
    assert len(found) == len(values) and found[0] == (None, None)
    for n, (baseline, nadir) in enumerate(found[1:], 1):
        earlier = [v for v in values[:n] if v is not None]
        known = values[n] is not None
        assert (baseline is not None) == (known and values[0] is not None)
        assert (nadir is not None) == (known and bool(earlier))
        if baseline is not None and nadir is not None:
            assert nadir >= baseline - 1e-9
            assert values[0] * (1 + baseline / 100) == pytest.approx(values[n])


def test_nothing_is_divided_by_an_empty_baseline() -> None:
    assert timeline.changes([0.0, 3.0]) == [(None, None), (None, None)]
