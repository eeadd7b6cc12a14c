"""The observer against its closed form, lesions against what was put in, and doing nothing against the guide."""

import numpy as np
import pytest
import torch

from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel
from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import baselines, detectability
from tumordiff_core.evaluation.detectability import Anatomy, Site
from tumordiff_core.noise.add import coloured
from tumordiff_core.noise.correlation import gaussian_spectrum
from tumordiff_core.progress import Progress

SPACING = (2.0, 1.0, 1.0)


@pytest.mark.parametrize(("lag", "height"), [(0.0, 0.25), (0.0, 0.5), (0.5, 0.6), (0.5, 1.2)])
def test_observer_agrees_with_the_analytic_one_on_known_statistics(lag: float, height: float):
    side, count, rng = 21, 2000, np.random.default_rng(1)
    axis = np.arange(side) - side // 2
    signal = height * np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / 18.0)
    spectrum = gaussian_spectrum(32, 32, lag) if lag else None
    noise = coloured(rng.standard_normal((2 * count, 32, 32)), spectrum)[:, 5:26, 5:26]
    power = np.ones((32, 32)) if spectrum is None else spectrum**2
    correlation = np.fft.ifft2(power).real
    rows, columns = (index.ravel() for index in np.indices((side, side)))
    covariance = correlation[rows[:, None] - rows[None, :], columns[:, None] - columns[None, :]]
    channels = detectability.laguerre_gauss(side, 10.0)
    expected = detectability.analytic_area(signal.ravel(), covariance, channels)
    found = detectability.area(*detectability.hotelling_scores(noise[:count] + signal, noise[count:], channels))
    assert 0.6 < expected < 0.999
    assert found == pytest.approx(expected, abs=0.03)


def test_area_of_separate_and_of_equal_ratings():
    assert detectability.area(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1.0
    assert detectability.area(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == 0.5


def test_equal_observers_differ_by_nothing_and_a_worse_one_is_told():
    rng = np.random.default_rng(0)
    good = (rng.normal(1, 1, 300), rng.normal(0, 1, 300))
    worse = (good[0] + rng.normal(0, 2, 300), good[1] + rng.normal(0, 2, 300))
    assert detectability.area_difference(good, good) == (0.0, 0.0, 0.0)
    difference, low, high = detectability.area_difference(worse, good)
    assert low < difference < high < 0


@pytest.mark.parametrize("mass", [True, False])
def test_a_lesion_enhances_as_told_and_only_there(mass: bool):
    pre, early = np.full((11, 41, 41), 0.5, np.float32), np.full((11, 41, 41), 0.55, np.float32)
    site = Site(5, 20, 20, True, 8.0, 100.0, mass)
    shown, share = detectability.inserted(pre, early, [site], SPACING, np.random.default_rng(0))
    assert shown[share > 0.99] == pytest.approx(1.0, abs=0.01)
    assert np.allclose(shown[share < 1e-6], early[share < 1e-6], atol=1e-6)
    places = np.argwhere(share > 0.5) * SPACING
    assert 4 <= np.ptp(places[:, 1]) <= 12
    absent, _ = detectability.inserted(pre, early, [site._replace(present=False)], SPACING, np.random.default_rng(0))
    assert np.array_equal(absent, early)


@pytest.fixture(scope="module")
def breast() -> Anatomy:
    phases = np.stack([np.full((20, 96, 96), 0.5), np.full((20, 96, 96), 0.58)]).astype(np.float32)
    phases *= 1 + 0.05 * np.sin(np.arange(96) / 6, dtype=np.float32)
    return Anatomy(phases, np.ones((20, 96, 96), bool), 0.3, SPACING)


def blur(phases, noise: NoiseLevel, slices):
    from scipy import ndimage

    return ndimage.gaussian_filter(phases[:, list(slices)], (0, 0, 2.5, 2.5))


def test_a_strong_blur_loses_contrast_edges_and_lesions_and_nothing_is_lost_by_doing_nothing(breast):
    methods = {"nothing": lambda phases, noise, slices: phases[:, list(slices)], "blur": blur}
    found = detectability.study([breast], methods, 0.03, wanted=60, progress=Progress())
    nothing, blurred = found["nothing"], found["blur"]
    assert min(nothing["present"], nothing["absent"]) >= 60
    assert nothing["difference"] == 0 and nothing["missed"] == nothing["missed_noisy"]
    assert nothing["contrast"] == pytest.approx(1, abs=0.05)
    assert blurred["contrast"] < 0.8
    assert blurred["edge_change_percent"] > 50
    assert blurred["missed"] > nothing["missed"]


def test_noise_invents_clusters_where_nothing_enhances(breast):
    still = np.zeros((96, 96), np.float32)
    one = detectability.Slice(breast.phases[:, 5], breast.phases[:, 5], still, 0.3, [], SPACING)
    seen = detectability.nothing_seen()
    image = breast.phases[:, 5].copy()
    image[1, 40:43, 40:43] *= 2
    detectability.look(seen, image, one)
    assert seen.invented == 1


def test_no_room_for_a_lesion_is_said(breast):
    empty = Anatomy(breast.phases, np.zeros_like(breast.tissue), 0.3, SPACING)
    with pytest.raises(InputError, match="room for 0 lesions"):
        detectability.study([empty], {}, 0.05, progress=Progress())


@pytest.mark.parametrize(("snr", "bias", "dice"), [(10.0, -6.8, 0.931), (6.7, -12.4, 0.889)])
def test_doing_nothing_to_the_sphere_gives_the_guides_figures(snr: float, bias: float, dice: float):
    found = detectability.spheres({}, snr, draws=24, progress=Progress())[0]
    assert found.bias_percent == pytest.approx(bias, abs=1.0)
    assert found.dice == pytest.approx(dice, abs=0.01)
    assert found.false_far == pytest.approx(0, abs=0.1)


def test_a_filter_cleans_every_phase_by_itself_with_the_noise_it_is_told():
    phases = np.random.default_rng(1).uniform(0.2, 1, (2, 3, 16, 16)).astype(np.float32)
    found = detectability.of_filter("gaussian+vst", channels=2)(phases, NoiseLevel(0.1), [2, 0])
    assert found.shape == (2, 2, 16, 16)
    assert np.array_equal(found[1, 0], baselines.run("gaussian+vst", phases[1, 2], 0.1, channels=2))


def test_half_the_strength_is_half_of_the_model_and_half_of_what_arrived():
    class Nothing(torch.nn.Module):
        def forward(self, x: torch.Tensor, _condition: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x[:, :1])

    model = LoadedModel("nothing", "edm-unet", Nothing(), 0.2, (0.0, 1.0), True, torch.device("cpu"))
    phases = np.random.default_rng(0).random((2, 3, 16, 16)).astype(np.float32)
    whole, half = (detectability.of_model(model, w)(phases, NoiseLevel(0.1), [1]) for w in (1.0, 0.5))
    assert not np.allclose(whole, phases[:, [1]])
    assert np.allclose(half, (whole + phases[:, [1]]) / 2)
