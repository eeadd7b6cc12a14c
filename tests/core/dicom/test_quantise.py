"""Stored integers keep a tenth of the noise, and fit into 16 bits whatever the range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumordiff_core.dicom.quantise import decimal, quantisation, tissue_window


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1e3), st.integers(0, 2**32 - 1))
def test_every_value_comes_back_within_half_a_step(low: float, width: float, sigma: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(low, low + width, 50).astype(np.float32)
    found = quantisation(float(values.min()), float(values.max()), sigma)
    stored = found.stored(values)
    assert stored.dtype == np.dtype("<i2")
    back = stored.astype(np.float64) * float(decimal(found.slope)) + float(decimal(found.intercept))
    rounding = 1e-6 * max(abs(low), abs(low + width), 1)
    assert np.abs(back - values).max() <= found.slope / 2 + rounding


@pytest.mark.parametrize(
    ("sigma", "whole", "slope"), [(3.22, False, 0.322), (40, False, 1.0), (0, True, 1.0), (3.22, True, 1.0)]
)
def test_step_is_a_tenth_of_the_noise_and_at_most_one(sigma: float, whole: bool, slope: float) -> None:
    found = quantisation(0, 225, sigma, whole=whole)
    assert (found.slope, found.intercept) == (slope, 0.0)
    assert found.rescaled == (slope != 1.0)


@pytest.mark.parametrize("sigma", [0.0, 0.001])
def test_step_is_widened_until_the_range_fits(sigma: float) -> None:
    found = quantisation(-100, 3000, sigma)
    assert 3100 / 65535 <= found.slope <= 1.02 * 3100 / 65535


def test_a_single_value_is_kept() -> None:
    found = quantisation(-5, -5, 0)
    assert found.stored(np.array([-5.0])).astype(float)[0] * found.slope + found.intercept == -5


def test_window_spans_tissue_and_not_air() -> None:
    values = np.zeros((1, 1, 40, 40))
    values[..., :20] = np.linspace(60, 160, 20)
    centre, width = tissue_window(values)
    assert (centre, width) == (pytest.approx(110, abs=1), pytest.approx(100, abs=2))
    assert tissue_window(np.full((1, 1, 4, 4), 7.0))[1] > 0


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_decimal_text_fits_its_field(value: float) -> None:
    text = decimal(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8)
