"""How noise is spread over frequencies, read from air whose spectrum is known."""

import numpy as np
import pytest
from scipy import ndimage

from tumordiff_core.noise import level, spectrum
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import lag1_of_spectrum
from tumordiff_core.noise.spectrum import Spectrum

EDGES = np.linspace(0, 0.5, 11)


def phantom(shape: tuple[int, int, int] = (8, 192, 192)) -> np.ndarray:
    y, x = np.indices(shape[1:])
    return np.broadcast_to(np.where(((y - 96) / 60) ** 2 + ((x - 150) / 50) ** 2 < 1, 0.5, 0.0), shape).copy()


@pytest.mark.parametrize("made", [Spectrum(0.75, 1.0, 0.08), Spectrum(0.6, 0.75, 0.3)], ids=["steep", "soft"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_spectrum_of_air_is_read_within_a_decibel(made: Spectrum, channels: int) -> None:
    noisy = magnitude(phantom(), 0.05, np.random.default_rng(0), channels, made.amplitude(192, 192))
    found = level.estimate(noisy).spectrum
    assert found is not None
    powers = [spectrum.radial(one.amplitude(192, 192) ** 2, EDGES)[:7] for one in (made, found)]
    assert np.abs(10 * np.log10(powers[1] / powers[0])).max() < 1


def ghosted(true: Spectrum) -> np.ndarray:
    """A bright body in noise of a known spectrum; in its air lies a smooth ghost, half brighter than the noise."""
    rng = np.random.default_rng(3)
    shape = (12, 192, 192)
    ghost = np.abs(ndimage.gaussian_filter(rng.standard_normal(shape), (0, 1.5, 1.5)))
    body = phantom(shape)
    clean = body + np.where(body == 0, 0.03 * ghost / np.sqrt(np.mean(ghost**2)), 0)
    return magnitude(clean, 0.02, rng, 2, true.amplitude(192, 192))


def test_ghosts_in_air_do_not_pass_for_correlated_noise() -> None:
    made = Spectrum(0.8, 0.95, 0.07)
    values = ghosted(made)
    alone, found = level.air_level(values), level.estimate(values)
    assert alone is not None
    lag1 = lag1_of_spectrum(made.amplitude(192, 192))
    assert alone.lag1[0] - lag1[0] > 0.08
    assert found.lag1 == pytest.approx(lag1, abs=0.05)
    told = found.spectrum
    assert told is not None
    powers = [spectrum.radial(one.amplitude(192, 192) ** 2, EDGES)[:7] for one in (made, told)]
    assert np.abs(10 * np.log10(powers[1] / powers[0])).max() < 1.2


@pytest.mark.parametrize(
    "made",
    [Spectrum(0.56, 0.74, 0.06), Spectrum(0.65, 0.65, 0.2), Spectrum(0.6, 0.75, 0.3)],
    ids=["narrow", "wide", "soft"],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_air_that_holds_noise_alone_is_believed_whatever_tissue_shows(made: Spectrum, channels: int) -> None:
    noisy = magnitude(phantom((12, 192, 192)), 0.02, np.random.default_rng(0), channels, made.amplitude(192, 192))
    alone, found = level.air_level(noisy), level.estimate(noisy)
    assert alone is not None
    assert found.estimator == "air"
    assert found.lag1 == pytest.approx(alone.lag1)
    assert found.spectrum is not None
    powers = [spectrum.radial(one.amplitude(192, 192) ** 2, EDGES)[:6] for one in (made, found.spectrum)]
    assert np.abs(10 * np.log10(powers[1] / powers[0])).max() < 1.2


def test_a_few_slices_of_tissue_do_not_overrule_the_correlation_of_air() -> None:
    body = np.zeros((4, 192, 192))
    body[:, 80:104, 130:142] = 0.5
    ghost = np.abs(ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(body.shape), (0, 1.5, 1.5)))
    clean = body + np.where(body == 0, 0.03 * ghost / np.sqrt(np.mean(ghost**2)), 0)
    values = magnitude(clean, 0.02, np.random.default_rng(4), 2, Spectrum(0.8, 0.95, 0.07).amplitude(192, 192))
    alone, found = level.air_level(values), level.estimate(values)
    assert alone is not None
    assert found.lag1 == pytest.approx(alone.lag1)
    assert found.spectrum is None


def test_without_air_nothing_is_said_of_white_noise() -> None:
    noisy = magnitude(np.full((4, 96, 96), 0.5), 0.05, np.random.default_rng(1))
    assert level.air_level(noisy) is None
    assert max(level.estimate(noisy).lag1) < 0.1


def test_rings_hold_the_mean_power_of_their_frequencies() -> None:
    power = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    assert spectrum.radial(power, EDGES)[1:] == pytest.approx((EDGES[2:] + EDGES[1:-1]) / 2, abs=0.005)
