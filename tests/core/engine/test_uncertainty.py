"""Doubt and explanation against closed forms: for a Gaussian prior the posterior mean is a known linear filter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.core.engine.test_networks import SMALL, loaded, stirred
from tumordiff_core.engine import context, denoise, explain, local_means, uncertainty
from tumordiff_core.engine.networks import EdmUNet
from tumordiff_core.engine.white_noise import WhiteNoise
from tumordiff_core.noise import spectrum
from tumordiff_core.progress import Progress

SIGMA, PRIOR = 0.1, 0.2
GAIN = PRIOR**2 / (PRIOR**2 + SIGMA**2)


class Wiener(torch.nn.Module):
    """F such that D(y) = GAIN y exactly: the posterior mean for independent Gaussian pixels."""

    multiple = 8

    def forward(self, x, condition):
        c_skip = 0.2**2 / (SIGMA**2 + 0.2**2)
        c_out = SIGMA * 0.2 / (SIGMA**2 + 0.2**2) ** 0.5
        y = x[:, :1] * (SIGMA**2 + 0.2**2) ** 0.5
        return (GAIN - c_skip) * y / c_out


class Blurred(Wiener):
    """A linear filter that takes a quarter from each of the neighbours in a row."""

    def forward(self, x, condition):
        y = x[:, :1] * (SIGMA**2 + 0.2**2) ** 0.5
        wanted = 0.5 * y + 0.25 * y.roll(1, -1) + 0.25 * y.roll(-1, -1)
        return (wanted - 0.2**2 / (SIGMA**2 + 0.2**2) * y) * (SIGMA**2 + 0.2**2) ** 0.5 / (SIGMA * 0.2)


@pytest.fixture
def slice_seen():
    values = np.abs(np.random.default_rng(0).normal(2.0, PRIOR, (1, 1, 64, 64))).astype(np.float32)
    images, present = context.gather(values, 0, np.array([0]))
    return torch.from_numpy(images), torch.from_numpy(present)


def doubt_of(network, slice_seen, probes=16):
    with torch.inference_mode():
        return uncertainty.doubt(
            loaded(network=network), *slice_seen, denoise.NoiseLevel(SIGMA), probes=probes,
            generator=torch.Generator().manual_seed(0), progress=Progress(),
        )  # fmt: skip


def test_posterior_deviation_of_independent_pixels_is_its_closed_form(slice_seen):
    found = doubt_of(Wiener(), slice_seen, probes=64)
    assert np.median(found.std) == pytest.approx(SIGMA * GAIN**0.5, rel=0.03)
    assert found.trace[0] == pytest.approx(GAIN, abs=0.01)
    assert found.residual_power[0] == pytest.approx(1 - GAIN, abs=0.01)
    assert found.lag1[0] == pytest.approx((0, 0), abs=0.05)


def test_the_residual_of_a_blur_must_be_anticorrelated_along_its_direction(slice_seen):
    found = doubt_of(Blurred(), slice_seen)
    assert found.trace[0] == pytest.approx(0.5, abs=0.02)
    assert found.lag1[0][1] == pytest.approx(-0.25 / 0.5, abs=0.05)
    assert found.lag1[0][0] == pytest.approx(0, abs=0.05)


def test_probes_have_the_noises_correlation():
    noise = denoise.NoiseLevel(SIGMA, (0.5, 0.3))
    probe = uncertainty.probe_of(noise, torch.Size((8, 1, 64, 64)), torch.Generator().manual_seed(1)).numpy()
    assert probe.std() == pytest.approx(1, abs=0.05)
    assert (probe[..., 1:, :] * probe[..., :-1, :]).mean() == pytest.approx(0.5, abs=0.05)
    assert (probe[..., 1:] * probe[..., :-1]).mean() == pytest.approx(0.3, abs=0.05)


def test_the_residual_left_of_coloured_noise_keeps_its_correlation(slice_seen):
    with torch.inference_mode():
        found = uncertainty.doubt(
            loaded(network=Wiener()), *slice_seen, denoise.NoiseLevel(SIGMA, (0.4, 0.4)), probes=16,
            generator=torch.Generator().manual_seed(0), progress=Progress(),
        )  # fmt: skip
    assert found.lag1[0] == pytest.approx((0.4, 0.4), abs=0.05)
    assert found.residual_power[0] == pytest.approx(1 - GAIN, abs=0.03)


def test_patch_means_of_independent_pixels_are_as_sure_as_their_closed_form(slice_seen):
    with torch.inference_mode():
        std, corners = uncertainty.patch_std(loaded(network=Wiener()), *slice_seen, denoise.NoiseLevel(SIGMA))
    assert len(std) == len(corners) == 9
    assert std == pytest.approx(SIGMA * GAIN**0.5 / 8, rel=0.01)


def test_where_local_means_are_given_back_doubt_and_residual_follow_their_closed_form(slice_seen):
    model, share = replace(loaded(network=Wiener()), local_means=0.8), 0.8
    with torch.inference_mode():
        found = uncertainty.doubt(
            model, *slice_seen, denoise.NoiseLevel(SIGMA), probes=64, generator=torch.Generator().manual_seed(0),
            progress=Progress(),
        )  # fmt: skip
        std, _ = uncertainty.patch_std(model, *slice_seen, denoise.NoiseLevel(SIGMA))
    impulse = torch.zeros(1, 1, 64, 64)
    impulse[0, 0, 32, 32] = 1
    back = share * np.fft.fft2(local_means.averaged(impulse, torch.ones_like(impulse))[0, 0].numpy(), norm="backward")
    gain = np.abs(back)
    assert found.trace[0] == pytest.approx(GAIN + (1 - GAIN) * np.mean(gain**2), abs=0.01)
    assert found.residual_power[0] == pytest.approx((1 - GAIN) * np.mean((1 - gain) ** 2), abs=0.01)
    left = np.fft.ifft2((1 - gain) ** 2).real
    assert found.lag1[0] == pytest.approx((left[1, 0] / left[0, 0], left[0, 1] / left[0, 0]), abs=0.03)
    patch = np.zeros((64, 64))
    patch[24:32, 24:32] = 1
    smoothed = np.fft.ifft2(np.fft.fft2(patch) * gain).real
    variance = GAIN * 64 + (1 - GAIN) * np.sum(smoothed**2)
    assert std[4] == pytest.approx(SIGMA * variance**0.5 / 64, rel=0.03)


def test_the_equivalent_filter_of_a_linear_network_is_that_filter(slice_seen):
    found = explain.equivalent_filter(
        loaded(network=Blurred()), *slice_seen, denoise.NoiseLevel(SIGMA), row=20, column=0 + 30
    )
    centre = explain.REACH
    assert found.weights[0, centre, centre - 1 : centre + 2] == pytest.approx((0.25, 0.5, 0.25), abs=1e-5)
    assert found.total == pytest.approx(1, abs=1e-5)
    assert found.share == pytest.approx([1, *[0] * context.BESIDE], abs=1e-6)
    assert found.width_pixels == pytest.approx(0.5**0.5, abs=1e-5)


def test_weights_that_were_mixed_to_denoise_a_slice_tell_its_filter_as_well(slice_seen):
    white = WhiteNoise("white", "", stirred(EdmUNet(SMALL), seed=1), lowest=0.05)
    model, between = replace(loaded(), white=white), denoise.NoiseLevel(SIGMA, lag1=(0.1, 0.1))
    with torch.inference_mode():
        denoise.posterior_mean(model, *slice_seen, between)
    assert 0 < white.share(between.sigma, between.lag1) < 1
    assert explain.equivalent_filter(model, *slice_seen, between, row=30, column=30).share[0] > 0


def test_every_step_of_the_chain_says_what_it_changed(slice_seen):
    found = explain.chain(loaded(), *slice_seen, denoise.NoiseLevel(SIGMA), steps=6)
    assert found.images.shape == (7, 64, 64)
    assert found.sigma[0] == pytest.approx(SIGMA)
    assert all(a > b for a, b in zip(found.sigma, found.sigma[1:], strict=False))
    assert found.change[0] == 0
    assert len(found.change) == 6


def test_attention_from_a_pixel_sums_to_one_inside_its_window(slice_seen):
    model = loaded()
    found = explain.attention_map(model, *slice_seen, denoise.NoiseLevel(SIGMA), row=5, column=40)
    assert found.shape == (64, 64)
    assert found.sum() / model.network.multiple**2 == pytest.approx(1, abs=1e-4)
    assert explain.attention_map(loaded("paper-unet"), *slice_seen, denoise.NoiseLevel(SIGMA), row=5, column=40) is None
    assert explain.feature_maps(model, *slice_seen, denoise.NoiseLevel(SIGMA), count=3).shape[0] == 3


def spectra_of(amplitude, probe_amplitude=None):
    """What a Wiener filter leaves of coloured noise on independent pixels, against the predicted spectrum."""
    random = np.random.default_rng(5)
    clean = np.abs(random.normal(2.0, PRIOR, (1, 1, 256, 256))).astype(np.float32)
    coloured = np.fft.ifft2(np.fft.fft2(random.standard_normal((256, 256))) * amplitude).real
    noisy = (clean + SIGMA * coloured).astype(np.float32)
    images, present = (torch.from_numpy(part) for part in context.gather(noisy, 0, np.array([0])))
    noise = denoise.NoiseLevel(SIGMA, (0.5, 0.4))
    residual = (1 - GAIN) * SIGMA * coloured[None] / SIGMA
    with torch.inference_mode():
        found = uncertainty.doubt(
            loaded(network=Wiener()), images, present, noise, amplitude=probe_amplitude, probes=8,
            generator=torch.Generator().manual_seed(0), progress=Progress(),
        )  # fmt: skip
    window = uncertainty.tapered(np.ones((1, 256, 256), bool))
    held = uncertainty.ring_power(residual, residual, window)[0] / (1 - GAIN)
    return uncertainty.spectrum_difference_db(held, found.spectrum[0])


def test_the_residuals_spectrum_is_predicted_where_the_noises_is_known():
    amplitude = spectrum.Spectrum(0.75, 1.0, 0.08).amplitude(256, 256)
    difference = spectra_of(amplitude, amplitude)
    assert abs(uncertainty.worst_difference_db(difference)) < 0.5
    assert abs(uncertainty.worst_difference_db(spectra_of(amplitude))) > 1


def test_a_ring_without_prediction_says_nothing():
    assert uncertainty.spectrum_difference_db(np.array([1.0, 2.0]), np.array([0.0, 1.0]))[0] is None
    assert uncertainty.worst_difference_db([None] * 10) is None
    assert uncertainty.worst_difference_db([9.0, 9.0, 0.5, -0.8, *[0.1] * 5, 9.0]) == -0.8


class Recording(EdmUNet):
    """Remembers the longest side that it was ever shown."""

    longest = 0

    def forward(self, x, condition):
        self.longest = max(self.longest, *x.shape[-2:])
        return super().forward(x, condition)


@pytest.fixture
def large():
    """Slices of a phase that is no whole number of tiles wide, and a network that remembers what it was shown."""
    phases = np.abs(np.random.default_rng(3).normal(0.3, 0.1, (1, 2, 600, 456))).astype(np.float32)
    return phases, replace(loaded(network=stirred(Recording(SMALL))), local_means=0.7, along_edges=True)


def in_small_tiles(monkeypatch):
    """Tiles of 128 with a halo of 128 for all that is wider than 256."""
    for name, value in (("TILE", 128), ("HALO", 128), ("LARGEST_WHOLE", 256)):
        monkeypatch.setattr(denoise, name, value)
    return 128 + 2 * 128


def whole_and_in_tiles(monkeypatch, model, run):
    """What ``run`` gives for whole slices and tile by tile, where the network never sees more than a tile."""
    whole = run()
    assert model.network.longest == 600
    longest, model.network.longest = in_small_tiles(monkeypatch), 0
    tiled = run()
    assert 0 < model.network.longest <= longest
    return whole, tiled


def test_the_doubt_of_a_large_slice_is_asked_tile_by_tile_and_is_that_of_the_whole(monkeypatch, large):
    phases, model = large
    noise = denoise.NoiseLevel(SIGMA)
    mean = denoise.denoise_phase(model, phases, 0, noise, progress=Progress())

    def run():
        found = uncertainty.phase_doubt(
            model, phases, 0, mean, noise, mask=np.ones(phases.shape[1:], bool), batch=1,
            generator=torch.Generator().manual_seed(0), progress=Progress(),
        )  # fmt: skip
        return vars(found)

    whole, tiled = whole_and_in_tiles(monkeypatch, model, run)
    assert np.abs(whole["std"] - tiled["std"]).max() < 0.02 * SIGMA
    for name in ("trace", "lag1", "residual_power", "spectrum"):
        assert tiled[name] == pytest.approx(whole[name], rel=1e-3, abs=1e-4), name


def test_a_large_slice_by_itself_and_its_patches_are_asked_tile_by_tile(monkeypatch, large):
    phases, model = large
    images, present = (torch.from_numpy(part) for part in context.gather(phases, 0, np.array([1])))
    noise = denoise.NoiseLevel(SIGMA)

    def run():
        with torch.inference_mode():
            found = uncertainty.doubt(
                model, images, present, noise, probes=1, generator=torch.Generator().manual_seed(0), progress=Progress()
            )
            return found.std, uncertainty.patch_std(model, images, present, noise)[0]

    for whole, tiled in zip(*whole_and_in_tiles(monkeypatch, model, run), strict=True):
        assert np.abs(whole - tiled).max() < 0.02 * SIGMA


@pytest.mark.parametrize(("row", "column"), [(0, 455), (300, 200), (599, 130)])
def test_a_pixel_of_a_large_slice_is_explained_from_what_the_network_sees_of_it(monkeypatch, large, row, column):
    phases, model = large
    images, present = (torch.from_numpy(part) for part in context.gather(phases, 0, np.array([1])))

    def run():
        return explain.pixel(model, images, present, denoise.NoiseLevel(SIGMA), row, column, features=True)

    (said, maps), (tiled, tiled_maps) = whole_and_in_tiles(monkeypatch, model, run)
    assert (tiled["row"], tiled["column"]) == (row, column)
    assert tiled["total"] == pytest.approx(said["total"], rel=1e-4)
    assert tiled["share"] == pytest.approx(said["share"], rel=1e-3, abs=1e-6)
    for name, values in maps.items():
        assert values.shape == tiled_maps[name].shape
        assert np.abs(values - tiled_maps[name]).max() < 1e-4 * np.abs(values).max(), name


@pytest.mark.parametrize("family", ["edm-unet", "paper-unet"])
def test_the_chain_of_a_large_slice_goes_tile_by_tile_and_keeps_so_many_steps_as_there_is_room_for(
    monkeypatch, large, family
):
    phases, model = large
    model = model if family == "edm-unet" else loaded(family)
    images, present = (torch.from_numpy(part) for part in context.gather(phases, 0, np.array([1])))
    noise = denoise.NoiseLevel(SIGMA)

    def run():
        return explain.chain(model, images, present, noise, steps=4)

    if family == "edm-unet":
        whole, tiled = whole_and_in_tiles(monkeypatch, model, run)
    else:
        whole = run()
        in_small_tiles(monkeypatch)
        tiled = run()
    assert np.abs(whole.images - tiled.images).max() < 0.02 * SIGMA
    assert tiled.change == pytest.approx(whole.change, rel=1e-3)
    for room, steps in ((3 * 600 * 456, 3), (1, 2)):
        monkeypatch.setattr(explain, "CHAIN_PIXELS", room)
        fewer = run()
        assert len(fewer.images) - 1 == len(fewer.sigma) == len(fewer.alpha_bar) == steps
