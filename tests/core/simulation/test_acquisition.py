import numpy as np
import pytest

from tumordiff_core.noise.correlation import fermi_spectrum, lag1, lag1_of_spectrum
from tumordiff_core.simulation import acquisition, breast

PROTOCOL = acquisition.Protocol()


@pytest.fixture(scope="module")
def air() -> np.ndarray:
    empty = np.zeros((1, 24, 128, 128), dtype=np.float32)
    return acquisition.acquire(empty, PROTOCOL, np.random.default_rng(1))[0].astype(np.float64)


def test_air_has_the_moments_of_two_channels(air: np.ndarray) -> None:
    # Two channels: mean 1.880 sigma, standard deviation 0.6825 sigma, ratio 2.75; one channel would give 1.91.
    assert air.mean() / air.std() == pytest.approx(2.75, abs=0.03)
    assert air.mean() / 1.880 == pytest.approx(PROTOCOL.sigma, rel=0.01)
    assert np.sqrt((air**2).mean()) / 2 == pytest.approx(PROTOCOL.sigma, rel=0.01)


def test_noise_in_tissue_has_the_protocols_sigma_and_the_spectrums_correlation() -> None:
    flat = np.full((1, 24, 128, 128), 70, dtype=np.float32)
    residual = acquisition.acquire(flat, PROTOCOL, np.random.default_rng(2))[0] - 70.0
    assert residual.std() == pytest.approx(PROTOCOL.sigma, rel=0.02)
    row, column = lag1(residual)
    expected = lag1_of_spectrum(fermi_spectrum(128, 128))
    assert (row, column) == (pytest.approx(expected[0], abs=0.02), pytest.approx(expected[1], abs=0.02))
    assert row == pytest.approx(0.54, abs=0.04)
    assert column == pytest.approx(0.30, abs=0.04)


def test_slices_and_phases_have_noise_of_their_own() -> None:
    flat = np.full((2, 8, 64, 64), 70, dtype=np.float32)
    noise = acquisition.acquire(flat, PROTOCOL, np.random.default_rng(3)).astype(np.float64) - 70
    for other in (noise[1], np.roll(noise[0], 1, axis=0)):
        assert abs(np.corrcoef(noise[0].ravel(), other.ravel())[0, 1]) < 0.03


def test_the_first_phase_shows_no_contrast_and_the_tumours_phases_are_sharp_as_the_scanner() -> None:
    grid = breast.Grid((8, 64, 64), (15.0, 2.8125, 2.8125))
    anatomy = breast.make(breast.Shape(), grid, np.random.default_rng(4))
    clean = acquisition.clean_phases(anatomy, PROTOCOL)
    assert clean.shape == (3, 8, 64, 64)
    assert clean.min() >= 0
    assert clean[0].sum() == pytest.approx((anatomy.still + anatomy.water).sum(), rel=0.02)
    spectrum = np.abs(np.fft.fft2(clean[0][4]))
    assert spectrum[32, 0] < 0.003 * spectrum[0, 0]
