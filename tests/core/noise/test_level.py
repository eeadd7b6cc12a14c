"""How much noise, measured blindly on images whose truth is known."""

import numpy as np
import pytest

from tumordiff_core.noise import correlation, level
from tumordiff_core.noise.add import magnitude


def phantom(shape=(3, 128, 128)):
    y, x = np.indices(shape[1:])
    inside = ((y - 64) / 45) ** 2 + ((x - 90) / 40) ** 2 < 1
    image = np.where(inside, 0.5 + 0.2 * np.sin(x / 7) * np.cos(y / 9), 0)
    return np.broadcast_to(image, shape).copy()


@pytest.mark.parametrize("lag", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("sigma", [0.03, 0.05, 0.10, 0.15])
def test_the_level_is_read_within_five_percent_white_and_coloured(sigma, lag):
    errors = []
    for seed in range(8):
        spectrum = correlation.gaussian_spectrum(128, 128, lag) if lag else None
        noisy = magnitude(phantom(), sigma, np.random.default_rng(seed), 1, spectrum)
        errors.append(abs(level.estimate(noisy).sigma / sigma - 1))
    assert np.median(errors) <= 0.05
    assert np.percentile(errors, 95) <= 0.10


@pytest.mark.parametrize("lag", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_air_tells_channels_and_the_correlation_of_the_noise(channels, lag):
    spectrum = correlation.gaussian_spectrum(128, 128, lag) if lag else None
    noisy = magnitude(phantom(), 0.05, np.random.default_rng(1), channels, spectrum)
    found = level.estimate(noisy)
    assert found.channels == channels
    assert found.lag1 == pytest.approx((lag, lag), abs=0.15 if lag == 0 else 0.06)


def test_a_zeroed_rim_does_not_count_as_air():
    noisy = magnitude(phantom(), 0.05, np.random.default_rng(2))
    noisy[:, :, :24] = 0
    noisy[:, :16] = 0
    assert level.estimate(noisy).sigma == pytest.approx(0.05, rel=0.05)


def test_without_air_the_tissue_tells_the_level():
    image = np.full((4, 96, 96), 0.6) + 0.1 * np.sin(np.arange(96) / 9)
    found = level.estimate(magnitude(image, 0.05, np.random.default_rng(3)))
    assert found.estimator == "tissue"
    assert found.sigma == pytest.approx(0.05, rel=0.10)


def test_an_image_without_noise_or_signal_reads_zero():
    assert level.estimate(np.zeros((2, 64, 64))).sigma == 0


def dark_anatomy(shape=(4, 96, 96)):
    """Tissue from border to border, dark in the middle: nothing in it is air."""
    y, x = np.indices(shape[1:])
    image = 0.75 - 0.6 * np.exp(-((y - 48) ** 2 + (x - 48) ** 2) / 1500) + 0.05 * np.sin(x / 7)
    return np.broadcast_to(image, shape).copy()


@pytest.mark.parametrize("lag", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("sigma", [0.05, 0.10])
def test_dark_anatomy_is_not_taken_for_air(sigma, lag):
    spectrum = correlation.gaussian_spectrum(96, 96, lag) if lag else None
    found = level.estimate(magnitude(dark_anatomy(), sigma, np.random.default_rng(5), 1, spectrum))
    assert found.estimator == "tissue"
    assert found.sigma == pytest.approx(sigma, rel=0.10)
    assert found.lag1 == pytest.approx((lag, lag), abs=0.08)


def test_a_floor_of_older_noise_in_the_air_does_not_raise_the_level():
    older = magnitude(phantom((6, 128, 128)), 0.03, np.random.default_rng(6))
    noisy = magnitude(older, 0.05, np.random.default_rng(7))
    in_tissue = np.hypot(0.03, 0.05)
    assert level.estimate(noisy).sigma == pytest.approx(in_tissue, rel=0.03)


@pytest.mark.parametrize("noisiest", [1.3, 2.0])
def test_noise_that_grows_from_slice_to_slice_is_read_over_all_of_them(noisiest):
    sigmas = np.linspace(0.03, 0.03 * noisiest, 12)[:, None, None]
    found = level.estimate(magnitude(dark_anatomy((12, 96, 96)), sigmas, np.random.default_rng(8)))
    assert found.sigma == pytest.approx(np.sqrt(np.mean(sigmas**2)), rel=0.08)
    assert found.low == pytest.approx(np.percentile(sigmas, 10), rel=0.10)
    assert found.high == pytest.approx(np.percentile(sigmas, 90), rel=0.10)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_broken_pixel_does_not_silence_the_estimate(bad):
    noisy = magnitude(dark_anatomy(), 0.05, np.random.default_rng(9)).astype(np.float64)
    noisy[1, 40, 40] = bad
    assert level.estimate(noisy).sigma == pytest.approx(0.05, rel=0.10)


def test_a_constant_border_is_neither_air_nor_tissue():
    noisy = magnitude(dark_anatomy(), 0.05, np.random.default_rng(10))
    framed = np.pad(noisy, ((0, 0), (32, 32), (32, 32)), constant_values=1.0)
    assert level.estimate(framed).sigma == pytest.approx(0.05, rel=0.10)


@pytest.mark.parametrize("scale", [1e-20, 1e6, 1e30])
def test_the_level_scales_with_the_values(scale):
    noisy = magnitude(phantom(), 0.05, np.random.default_rng(11)).astype(np.float64)
    found, scaled = level.estimate(noisy), level.estimate(scale * noisy)
    assert scaled.sigma == pytest.approx(scale * found.sigma, rel=1e-6)
    assert scaled.estimator == found.estimator


@pytest.mark.parametrize("side", [1, 7, 9])
def test_a_picture_too_small_to_tell_reads_zero_or_a_level_and_never_fails(side):
    found = level.estimate(np.full((1, side, side), 3.0) + np.random.default_rng(0).normal(0, 0.1, (1, side, side)))
    assert np.isfinite(found.sigma)
    assert found.sigma >= 0


@pytest.mark.parametrize(("channels", "sigma"), [(2, 0.25), (4, 0.15), (4, 0.2), (8, 0.1)])
def test_a_floor_of_many_channels_is_air_though_it_is_hardly_darker_than_tissue(channels, sigma):
    faint = phantom() * 0.6
    found = level.estimate(magnitude(faint, sigma, np.random.default_rng(6), channels))
    assert found.channels == channels
    assert found.sigma == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("ratio", [2.8, 4.0, 5.7])
def test_a_picture_of_tissue_alone_is_no_air_of_many_channels_at_any_signal(ratio):
    rng = np.random.default_rng(8)
    for bumps in (0.0, 0.05):
        y, x = np.indices((128, 128))
        tissue = np.broadcast_to(0.4 * (1 + bumps * np.sin(x / 6) * np.cos(y / 8)), (3, 128, 128))
        found = level.estimate(magnitude(tissue, 0.4 / ratio, rng))
        assert found.channels == 1, (ratio, bumps)


@pytest.mark.parametrize("lag", [0.0, 0.5])
@pytest.mark.parametrize(("made", "estimator"), [(phantom, "air"), (dark_anatomy, "tissue")])
def test_one_slice_alone_says_how_far_chance_moves_its_level(made, estimator, lag):
    image = made()[:1]
    spectrum = correlation.gaussian_spectrum(*image.shape[1:], lag) if lag else None
    held, told = 0, set()
    for seed in range(20):
        found = level.estimate(magnitude(image, 0.05, np.random.default_rng(seed), 1, spectrum))
        told.add(found.estimator)
        assert 0.8 * found.sigma < found.low < found.sigma < found.high < 1.2 * found.sigma
        held += found.low <= 0.05 <= found.high
    assert held >= 15
    assert estimator in told
