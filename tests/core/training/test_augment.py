"""The noise of a batch: its level, channels and colour, and what the network is told of it."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from tumordiff_core.noise.correlation import lag1
from tumordiff_core.training import augment, uptake
from tumordiff_core.training.chance import seeded
from tumordiff_core.training.mix import Levels, Mix


def flat(count, size=32, value=0.5, images=1):
    return torch.full((count, images, size, size), value)


def test_absent_images_stay_black_under_noise():
    present = np.array([[1, 0], [0, 1], [0, 0], [1, 1]], dtype=bool)
    noisy = augment.corrupt(flat(4, 16, images=3), Levels(), seeded(0), present).noisy.numpy()
    assert np.array_equal(noisy[:, 1:].max(axis=(2, 3)) > 0, present)
    assert noisy[:, 0].std() > 0


def test_made_noise_spans_the_levels_channels_and_colours():
    noisy = augment.corrupt(flat(400), Levels(0.01, 0.2), seeded(0))
    assert 0.01 <= noisy.sigma.min() < 0.02
    assert 0.1 < noisy.sigma.max() <= 0.2
    assert set(noisy.channels.tolist()) == {1.0, 2.0, 4.0, 8.0}
    white = (noisy.colour == 0).all(dim=1).float().mean()
    assert 0.35 < white < 0.65
    assert noisy.colour.max() > 0.4


def test_noise_has_the_level_it_says():
    even = Levels(0.02, 0.1, uneven_share=0, bias_field_share=0)
    found = augment.corrupt(flat(200, 64, value=4.0), even, seeded(1))
    # Far above the noise a magnitude is the signal plus one part of one channel's noise.
    ratio = (found.noisy - found.clean).flatten(1).std(dim=1) / found.sigma
    assert ratio.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_air_has_the_level_of_its_channels(channels, monkeypatch):
    monkeypatch.setattr(augment, "CHANNEL_CHOICES", (channels,))
    monkeypatch.setattr(augment, "CHANNEL_SHARES", (1.0,))
    even = Levels(0.05, 0.051, white_share=1, uneven_share=0, bias_field_share=0)
    found = augment.corrupt(flat(40, 64, value=0), even, seeded(2))
    power = (found.noisy**2).mean(dim=(1, 2, 3)) / (2 * channels * found.sigma**2)
    assert power.mean() == pytest.approx(1, abs=0.02)


def test_coloured_noise_has_the_correlation_that_is_told():
    chance = seeded(4)
    spectra = augment.draw_spectra(60, 64, chance, white_share=0.0)
    noise = augment.gaussian(60, spectra, np.arange(60), chance)
    assert noise.real.var().item() == pytest.approx(1, abs=0.05)
    assert noise.imag.var().item() == pytest.approx(1, abs=0.05)
    measured = np.array([lag1(part) for part in noise.real.numpy()])
    assert np.abs(measured - spectra.lag1.numpy()).mean() < 0.03
    assert np.abs(np.corrcoef(noise.real.flatten(), noise.imag.flatten())[0, 1]) < 0.02


def test_white_noise_is_left_white():
    spectra = augment.draw_spectra(20, 32, seeded(5), white_share=1.0)
    assert not spectra.coloured.any()
    assert spectra.lag1.abs().max() == 0
    noise = augment.gaussian(20, spectra, np.arange(20), seeded(6))
    assert np.abs(lag1(noise.real.numpy())).max() < 0.02


def test_half_of_the_crops_hear_a_wrong_level_and_none_hears_a_biased_one():
    chance = seeded(7)
    noisy = augment.corrupt(flat(4000, 4), Levels(), chance)
    sigma, colour = augment.told(noisy, 0.5, chance)
    error = (sigma / noisy.sigma).log()
    assert (error == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    assert error.mean().item() == pytest.approx(0, abs=0.01)
    assert error.std().item() == pytest.approx(augment.LEVEL_ERROR / 2**0.5, rel=0.1)
    assert (colour - noisy.colour).std().item() == pytest.approx(augment.LAG1_ERROR / 2**0.5, rel=0.1)


def with_uptake(count=64, phases=1.0):
    mix = Mix(uptake=1.0, phases=phases)
    present = np.zeros((count, 8), dtype=bool)
    images = torch.nn.functional.pad(flat(count, 48, 0.3, images=7), (0, 0, 0, 0, 0, 2))
    return uptake.added(images, present, mix, seeded(8)), present


def test_other_phases_show_the_same_slice_with_another_uptake():
    images, present = with_uptake()
    assert present[:, 6].all()
    assert 0.3 < present[:, 7].mean() < 0.7
    assert (images[:, 8].amax(dim=(1, 2)) > 0).numpy().tolist() == present[:, 7].tolist()
    ratio = images[:, 7].mean(dim=(1, 2)) / images[:, 0].mean(dim=(1, 2))
    assert ratio.std() > 0.05


def test_a_lesion_ends_in_the_neighbours():
    images, present = with_uptake(phases=0.0)
    assert not present.any()
    centre, far = images[:, 0], images[:, 6]
    lesion = centre > 1.4 * centre.median(dim=2).values.median(dim=1).values[:, None, None]
    assert lesion.any()
    gone = (far[lesion] < 0.9 * centre[lesion]).float().mean()
    assert 0.2 < gone < 1


def mean_area():
    """Mean area, in pixels, of what takes up much in 256 crops."""
    taken_up = uptake._uptake(torch.full((256, 7, 64, 64), 0.3), seeded(9))[:, 0].numpy()
    areas = [np.bincount(ndimage.label(one > one.min() + 0.5)[0].ravel())[1:] for one in taken_up]
    return float(np.concatenate(areas).mean())


def test_small_lesions_are_a_share_of_all(monkeypatch):
    """A lesion of two pixels must be something a network has seen: it keeps what it knows."""
    found = {}
    for share in (0.0, 0.5, 1.0):
        monkeypatch.setattr(uptake, "SMALL_SHARE", share)
        found[share] = mean_area()
    assert found[1.0] < 0.5 * found[0.0]
    assert found[1.0] < found[0.5] < found[0.0]


PLAIN = {"uneven_share": 0, "bias_field_share": 0, "ghost_share": 0}


def test_the_signal_is_filtered_as_its_noise_is_and_only_there():
    rng = np.random.default_rng(2)
    images = torch.from_numpy(2 + rng.random((60, 2, 32, 32)).astype(np.float32))
    found = augment.corrupt(images, Levels(0.01, 0.1, band_share=1, **PLAIN), seeded(3))
    coloured = (found.colour != 0).any(dim=1)
    assert torch.equal(found.clean[~coloured], images[~coloured])
    # Texture that is white before hangs together afterwards as the noise does; its mean stays.
    assert (found.clean - images).mean(dim=(1, 2, 3)).abs().max() < 0.01
    measured = np.array([lag1(one) for one in (found.clean[coloured] - 2.5).numpy()[:, 0]])
    assert np.abs(measured - found.colour[coloured].numpy()).mean() < 0.06


def test_without_that_share_no_signal_is_filtered():
    images = flat(40, 32, images=2) * torch.rand(40, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    found = augment.corrupt(images, Levels(band_share=0, **PLAIN), seeded(3))
    assert torch.equal(found.clean, images)


def test_nothing_wraps_around_a_crop():
    bright = torch.zeros(60, 1, 64, 64)
    bright[..., :32] = 1
    found = augment.corrupt(bright, Levels(white_share=0, band_share=1, **PLAIN), seeded(4))
    assert found.clean[..., -4:].abs().max() < 0.03
