"""How noise is spread over frequencies, read from air whose spectrum is known."""

import numpy as np
import pytest
from scipy import ndimage

from tumordiff_core.noise import level, spectrum
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.spectrum import Spectrum

EDGES = np.linspace(0, 0.5, 11)


def phantom(shape: tuple[int, int, int] = (8, 192, 192)) -> np.ndarray:
    y, x = np.indices(shape[1:])
    return np.broadcast_to(np.where(((y - 96) / 60) ** 2 + ((x - 150) / 50) ** 2 < 1, 0.5, 0.0), shape).copy()


@pytest.mark.parametrize("made", [Spectrum(0.75, 1.0, 0.08), Spectrum(0.6, 0.75, 0.3)], ids=["steep", "soft"])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_spectrum_of_air_is_read_within_a_decibel(made: Spectrum, channels: int) -> None:
    noisy = magnitude(phantom(), 0.05, np.random.default_rng(0), channels, made.amplitude(192, 192))
    found = spectrum.of_air(noisy)
    assert found is not None
    powers = [spectrum.radial(one.amplitude(192, 192) ** 2, EDGES)[:7] for one in (made, found)]
    assert np.abs(10 * np.log10(powers[1] / powers[0])).max() < 1


def ghosted(true: Spectrum) -> np.ndarray:
    """A bright body in noise of a known spectrum; in its air lies a smooth ghost as bright as the noise."""
    rng = np.random.default_rng(3)
    ghost = np.abs(ndimage.gaussian_filter(rng.standard_normal((8, 192, 192)), (0, 1.5, 1.5)))
    clean = phantom() + np.where(phantom() == 0, 0.02 * ghost / np.sqrt(np.mean(ghost**2)), 0)
    return magnitude(clean, 0.02, rng, 2, true.amplitude(192, 192))


def test_ghosts_in_air_do_not_pass_for_correlated_noise() -> None:
    made = Spectrum(0.8, 0.95, 0.07)
    values = ghosted(made)
    alone, found = level.air_level(values), level.estimate(values)
    assert alone is not None
    assert alone.lag1[0] - made.lag1[0] > 0.08
    assert found.lag1 == pytest.approx(made.lag1, abs=0.05)
    told = spectrum.of_phase(values, found)
    assert told is not None
    powers = [spectrum.radial(one.amplitude(192, 192) ** 2, EDGES)[:7] for one in (made, told)]
    assert np.abs(10 * np.log10(powers[1] / powers[0])).max() < 1.2


def test_where_air_is_clean_its_spectrum_is_that_of_the_phase() -> None:
    noisy = magnitude(phantom(), 0.02, np.random.default_rng(0), 1, Spectrum(0.75, 1.0, 0.08).amplitude(192, 192))
    assert spectrum.of_phase(noisy, level.estimate(noisy)) == spectrum.of_air(noisy) is not None


def test_without_air_nothing_is_said() -> None:
    noisy = magnitude(np.full((4, 96, 96), 0.5), 0.05, np.random.default_rng(1))
    assert spectrum.of_air(noisy) is None


def test_rings_hold_the_mean_power_of_their_frequencies() -> None:
    power = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    assert spectrum.radial(power, EDGES)[1:] == pytest.approx((EDGES[2:] + EDGES[1:-1]) / 2, abs=0.005)
