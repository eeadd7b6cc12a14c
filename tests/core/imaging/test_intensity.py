"""Scaling of a series: one number for all phases, exactly invertible, blind to the unit."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tumordiff_core.errors import InputError
from tumordiff_core.imaging.intensity import robust_scaling

VALUES = hnp.arrays(np.int16, (3, 2, 5, 6), elements=st.integers(0, 4000))


@given(VALUES)
def test_inverse_gives_the_values_back(values: np.ndarray) -> None:
    assume(values.min() != values.max())
    scaling = robust_scaling(values)
    np.testing.assert_allclose(scaling.invert(scaling.apply(values)), values, atol=2e-3)


@given(VALUES, st.sampled_from([0.25, 3.0, 10.0]))
def test_scaled_images_do_not_depend_on_the_unit(values: np.ndarray, factor: float) -> None:
    assume(values.min() != values.max())
    plain, other = robust_scaling(values), robust_scaling(values * factor)
    np.testing.assert_allclose(plain.apply(values), other.apply(values * factor), rtol=1e-4, atol=1e-5)


def test_zero_stays_zero_and_the_bright_end_is_about_one() -> None:
    values = np.arange(10_000).reshape(1, 10, 100, 10)
    scaled = robust_scaling(values).apply(values)
    assert scaled.flat[0] == 0
    assert scaled.max() == pytest.approx(1, abs=2e-3)


def test_mostly_empty_volume_is_scaled_by_its_maximum() -> None:
    values = np.zeros((1, 20, 50, 50))
    values[0, 0, 0, 0] = 7
    assert robust_scaling(values).high == 7


def test_constant_and_broken_images_are_refused() -> None:
    with pytest.raises(InputError, match="contrast"):
        robust_scaling(np.ones((1, 2, 2, 2)))
    with pytest.raises(InputError, match="not numbers"):
        robust_scaling(np.full((1, 2, 2, 2), np.nan))
