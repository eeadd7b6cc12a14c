"""Noise that is made, stabilised, inverted and measured again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumordiff_core.noise import correlation, level
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.stabilise import _samples, stabiliser


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_stabilised_noise_has_unit_deviation_at_every_signal(channels):
    x = np.linspace(0, 40, 60)
    y, weight = _samples(x, channels)
    f = stabiliser(channels).forward(y, 1.0).astype(float)
    deviation = np.sqrt((f**2) @ weight - (f @ weight) ** 2)
    assert deviation == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_inverse_is_unbiased_above_two_sigma(channels):
    x = np.linspace(2, 55, 40)
    y, weight = _samples(x, channels)
    transform = stabiliser(channels)
    mean = transform.forward(y, 1.0).astype(float) @ weight
    assert transform.inverse(mean, 1.0) == pytest.approx(x, abs=0.005)


@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0.01, 50), signal=st.floats(0, 200))
def test_inverse_undoes_the_expected_stabilised_value(sigma, signal):
    transform = stabiliser(1)
    back = transform.inverse(transform.expected(np.array([signal * sigma]), sigma), sigma)
    assert back[0] == pytest.approx(signal * sigma, abs=0.02 * sigma)


def test_rician_noise_follows_the_protocols_order_of_draws():
    clean = np.full((6, 6), 0.4)
    rng = np.random.default_rng(5000)
    real, imaginary = rng.standard_normal((6, 6)), rng.standard_normal((6, 6))
    expected = np.hypot(0.4 + 0.05 * real, 0.05 * imaginary).astype(np.float32)
    assert np.array_equal(magnitude(clean, 0.05, np.random.default_rng(5000)), expected)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_second_moment_of_air_counts_the_channels(channels):
    air = magnitude(np.zeros((400, 400)), 3.0, np.random.default_rng(0), channels)
    assert np.mean(air.astype(float) ** 2) == pytest.approx(2 * channels * 9.0, rel=0.02)


def test_coloured_noise_keeps_its_level_and_has_the_correlation_of_its_spectrum():
    spectrum = correlation.fermi_spectrum(256, 256)
    noise = magnitude(np.full((4, 256, 256), 1000.0), 1.0, np.random.default_rng(0), 1, spectrum) - 1000
    assert noise.std() == pytest.approx(1.0, rel=0.02)
    assert correlation.lag1(noise) == pytest.approx(correlation.lag1_of_spectrum(spectrum), abs=0.02)
    assert correlation.lag1_of_spectrum(spectrum) == pytest.approx((0.54, 0.30), abs=0.005)


@given(lag=st.floats(0.05, 0.8))
def test_gaussian_spectrum_has_the_asked_correlation(lag):
    assert correlation.lag1_of_spectrum(correlation.gaussian_spectrum(64, 64, lag)) == pytest.approx(
        (lag, lag), abs=0.02
    )


def breast_like(shape=(12, 96, 96)):
    k, y, x = np.indices(shape)
    inside = ((y - 48) / 40) ** 2 + ((x - 70) / 36) ** 2 < 1
    return np.where(inside, 80 + 25 * np.sin(x / 9) * np.cos(y / 11 + k / 5), 0.0)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("sigma", [2.5, 5.0, 10.0])
def test_level_and_channels_are_found_blindly_in_air(channels, sigma):
    spectrum = correlation.fermi_spectrum(96, 96)
    noisy = magnitude(breast_like(), sigma, np.random.default_rng(3), channels, spectrum)
    found = level.estimate(noisy)
    assert found.estimator == "air"
    assert found.channels == channels
    assert found.sigma == pytest.approx(sigma, rel=0.07)
    assert found.low <= found.sigma <= found.high * 1.02


def test_correlation_of_the_parts_is_recovered_from_the_magnitude():
    spectrum = correlation.fermi_spectrum(96, 96)
    noisy = magnitude(breast_like(), 4.0, np.random.default_rng(3), 2, spectrum)
    assert level.estimate(noisy).lag1 == pytest.approx(correlation.lag1_of_spectrum(spectrum), abs=0.08)


def test_zeroed_air_falls_back_to_stabilised_tissue():
    clean = breast_like()
    noisy = np.where(clean > 0, magnitude(clean, 4.0, np.random.default_rng(1)), 0)
    found = level.estimate(noisy)
    assert found.estimator == "tissue"
    assert found.sigma == pytest.approx(4.0, rel=0.15)


def test_an_image_of_nothing_has_no_noise():
    assert level.estimate(np.zeros((2, 32, 32))).sigma == 0


def test_a_square_of_nodes_gives_nearly_the_same_transform_but_near_zero():
    exact, square = stabiliser(1, 30), stabiliser(1, 30, 41)
    y = np.linspace(3, 60, 200)
    gap = square.forward(y, 1.0) - exact.forward(y, 1.0)
    assert np.ptp(gap) < 0.05
    assert abs(square.inverse(square.expected(y, 1.0), 1.0) - y).max() < 0.02
