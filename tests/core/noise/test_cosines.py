"""Power of cosine coefficients: what white and coloured noise has, and which noise explains what was measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumordiff_core.noise import cosines
from tumordiff_core.noise.add import coloured
from tumordiff_core.noise.correlation import fermi_spectrum, gaussian_spectrum, lag1_of_spectrum

HIGH = cosines.ORDER >= 6


def measured(spectrum=None, count=64):
    noise = coloured(np.random.default_rng(0).standard_normal((count, 128, 128)), spectrum)
    blocks = noise.reshape(count, 16, 8, 16, 8).swapaxes(2, 3)
    return (cosines.coefficients(blocks) ** 2).mean(axis=(0, 1, 2))


def test_every_coefficient_of_white_noise_has_the_variance_of_a_pixel():
    assert measured() == pytest.approx(np.ones((8, 8)), rel=0.05)


def test_white_noise_is_fitted_exactly():
    found = cosines.fitted(np.full((8, 8), 4.0), HIGH)
    assert found.variance == pytest.approx(4.0, rel=1e-6)
    assert found.lag1 == (0.0, 0.0)


def test_the_power_of_a_block_is_that_of_its_correlation_matrix():
    correlation = np.fft.ifft2(fermi_spectrum(32, 32) ** 2).real
    lag = np.subtract.outer(np.arange(8), np.arange(8)) % 32
    apart = correlation[lag[:, :, None, None], lag[None, None]]
    waves = cosines.WAVES
    expected = np.einsum("ui,uj,vk,vl,ijkl->uv", waves, waves, waves, waves, apart, optimize=True)
    assert cosines._block_power(correlation) == pytest.approx(expected)


def test_the_transform_keeps_the_sum_of_squares():
    blocks = np.random.default_rng(1).standard_normal((5, 8, 8))
    assert (cosines.coefficients(blocks) ** 2).sum() == pytest.approx((blocks**2).sum())


@settings(deadline=None)
@given(row=st.floats(0, 0.6), column=st.floats(0, 0.6), scale=st.floats(0.01, 100))
def test_noise_is_known_by_its_high_frequencies_alone(row, column, scale):
    spectrum = gaussian_spectrum(32, 32, (row, column))
    power = cosines._block_power(np.fft.ifft2(spectrum**2).real)
    found = cosines.fitted(scale * (power + cosines.LEAST_SHARE) / (1 + cosines.LEAST_SHARE), HIGH)
    assert found.variance == pytest.approx(scale, rel=0.08)
    assert found.lag1 == pytest.approx((row, column), abs=0.03)


def test_low_frequencies_follow_from_high_ones_for_zero_filled_noise():
    spectrum = fermi_spectrum(128, 128)
    power = measured(spectrum)
    found = cosines.fitted(power, HIGH)
    assert np.sqrt(found.variance) == pytest.approx(1, rel=0.2)  # where such noise ends, little tells how much it was
    assert found.lag1 == pytest.approx(lag1_of_spectrum(spectrum), abs=0.06)


def test_squared_magnitudes_of_air_are_told_by_the_noise_behind_them():
    spectrum = gaussian_spectrum(128, 128, 0.5)
    rng = np.random.default_rng(2)
    parts = [coloured(rng.standard_normal((64, 128, 128)), spectrum) for _ in range(2)]
    blocks = (parts[0] ** 2 + parts[1] ** 2).reshape(64, 16, 8, 16, 8).swapaxes(2, 3)
    found = cosines.fitted((cosines.coefficients(blocks) ** 2).mean(axis=(0, 1, 2)), HIGH, squared=True)
    assert found.lag1 == pytest.approx((0.5, 0.5), abs=0.05)
