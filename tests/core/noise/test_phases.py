"""What repeated phases tell of the noise: right where tissue keeps still, an upper bound where it does not."""

import numpy as np
import pytest

from tumordiff_core.noise import correlation, phases
from tumordiff_core.noise.add import magnitude

SIGMA = 6.0


def series(shape=(4, 96, 96)):
    """Three phases without noise: smooth tissue that enhances slowly, a spot that enhances fast, dark air."""
    y, x = np.indices(shape[1:])
    inside = ((y - 48) / 40) ** 2 + ((x - 60) / 36) ** 2 < 1
    pre = np.broadcast_to(np.where(inside, 100 + 25 * np.sin(x / 7) * np.cos(y / 9), 0.0), shape)
    spot = (y - 48) ** 2 + (x - 60) ** 2 < 100
    return np.stack([pre, pre * np.where(spot, 2.2, 1.06), pre * np.where(spot, 1.9, 1.1)])


def read(clean, seed, *, sigma=SIGMA, channels=1, spectrum=None):
    return phases.estimate(magnitude(clean, sigma, np.random.default_rng(seed), channels, spectrum))


@pytest.mark.parametrize("lag", [0.0, 0.25, 0.5])
@pytest.mark.parametrize(("sigma", "channels"), [(4.0, 1), (4.0, 4), (12.0, 1)])
def test_the_level_is_within_five_percent_and_its_interval_holds_the_truth(sigma, channels, lag):
    spectrum = correlation.gaussian_spectrum(96, 96, lag) if lag else None
    found = [read(series(), seed, sigma=sigma, channels=channels, spectrum=spectrum) for seed in range(16)]
    assert all(abs(one.sigma / sigma - 1) < 0.05 for one in found)
    assert sum(one.low <= sigma <= one.high for one in found) >= 13
    assert all(0.005 < (one.high - one.low) / (2 * one.sigma) < 0.06 for one in found)


def test_the_interval_is_not_wider_than_chance_asks_for():
    found = [read(series(), seed) for seed in range(40)]
    spread = np.std([one.sigma for one in found], ddof=1)
    half = np.mean([one.high - one.low for one in found]) / 2
    assert 1.2 < half / spread < 3.2


def test_the_local_mean_of_few_voxels_between_others_costs_no_level():
    clean = series((24, 96, 96))
    clean[1:, :, np.arange(96) % 8 < 3] *= 2
    found = [read(clean, seed, sigma=3.0) for seed in range(4)]
    assert np.mean([one.sigma for one in found]) == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("change", ["enhances", "moves", "drifts"])
def test_what_is_no_noise_never_lowers_the_level(change):
    clean = series()
    if change == "enhances":
        clean[1:, :, :, 60:] *= np.array([1.3, 1.5])[:, None, None, None]
    if change == "moves":
        clean[2] = np.roll(clean[2], 2, axis=2)
    if change == "drifts":
        clean[2] += 3 * np.sin(np.arange(96) / 2)
    found = [read(clean, seed) for seed in range(8)]
    assert all(one.high >= SIGMA for one in found)
    assert all(one.sigma > 0.97 * SIGMA for one in found)


def test_two_phases_or_too_few_still_voxels_tell_nothing():
    assert read(series()[:2], 0) is None
    assert read(series()[:1], 0) is None
    assert read(series()[:, :1, 30:46, 50:66], 0) is None
    assert read(0 * series(), 0) is None


def test_a_pair_that_does_not_differ_tells_nothing():
    once = magnitude(series()[0], SIGMA, np.random.default_rng(0))
    assert phases.estimate(np.stack([once] * 3)) is None


def test_integers_many_slices_and_broken_voxels_are_read_as_well():
    noisy = magnitude(series((30, 64, 64)), SIGMA, np.random.default_rng(1))
    whole = phases.estimate(np.rint(noisy).astype(np.int16))
    noisy[1, 4, 30:34, 40] = np.nan
    broken = phases.estimate(noisy)
    assert whole.sigma == pytest.approx(SIGMA, rel=0.05)
    assert broken.sigma == pytest.approx(whole.sigma, rel=0.01)
    assert broken.voxels < 15 * 64 * 64


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_level_has_the_units_of_the_values(scale):
    noisy = magnitude(series(), SIGMA, np.random.default_rng(2)).astype(np.float64)
    once, scaled = phases.estimate(noisy), phases.estimate(scale * noisy)
    assert scaled.sigma == pytest.approx(scale * once.sigma)
    assert scaled.voxels == once.voxels
