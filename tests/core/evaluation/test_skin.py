"""The width of the edge at the skin line against closed forms."""

import numpy as np
import pytest
from scipy import ndimage

from tumordiff_core.evaluation import metrics, skin

LOGISTIC, GAUSSIAN = 2 * np.log(9), 2.563
"""From 10 to 90 % of a logistic step of scale 1, and of a Gaussian one of deviation 1."""


def disc(width, side=160, bumps=0.0):
    y, x = np.indices((side, side)) - side / 2
    radius = side / 3.2 * (1 + bumps * np.cos(5 * np.arctan2(y, x)))
    return (0.8 / (1 + np.exp(-np.clip((radius - np.hypot(y, x)) / width, -30, 30)))).astype(np.float32)


def width_of(image, reference):
    rays = skin.rays_of(reference, metrics.tissue_mask(reference))
    assert rays is not None
    return skin.rise_px(image, rays)


@pytest.mark.parametrize("bumps", [0.0, 0.04])
@pytest.mark.parametrize("width", [0.5, 0.8])
def test_a_known_edge_has_its_width_on_a_crooked_outline_too(width, bumps):
    image = disc(width, bumps=bumps)
    assert width_of(image, image) == pytest.approx(LOGISTIC * width, rel=0.1)


def test_a_blur_widens_it_as_variances_add():
    sharp = ndimage.gaussian_filter((disc(1e-3) > 0.4).astype(np.float64), 1.0)
    for blur in (0.5, 1.0, 1.7):
        ratio = width_of(ndimage.gaussian_filter(sharp, blur), sharp) / width_of(sharp, sharp)
        assert ratio == pytest.approx(np.hypot(1.0, blur), rel=0.05)


def test_more_blur_never_looks_sharper():
    sharp = disc(0.5, bumps=0.04)
    widths = [width_of(ndimage.gaussian_filter(sharp, blur), sharp) for blur in (0, 1, 2, 3, 4, 6)]
    assert (np.diff(widths) > 0.2).all()


def test_an_image_of_no_numbers_and_one_without_a_rise_have_no_width():
    sharp = disc(0.5)
    assert np.isnan(width_of(np.full_like(sharp, np.nan), sharp))
    assert np.isnan(width_of(np.zeros_like(sharp), sharp))


def test_noise_alone_does_not_widen_it():
    image = disc(0.6)
    noisy = image + np.random.default_rng(0).normal(0, 0.1, image.shape)
    assert width_of(noisy, image) == pytest.approx(width_of(image, image), rel=0.06)


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.ones((40, 40)), np.ones((3, 3)), disc(0.6)[60:100, 60:100]])
def test_where_there_is_no_skin_there_are_no_rays(image):
    assert skin.rays_of(image, metrics.tissue_mask(image)) is None
