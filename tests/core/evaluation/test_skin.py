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


@pytest.mark.parametrize("bumps", [0.0, 0.04])
@pytest.mark.parametrize("width", [0.5, 0.8])
def test_a_known_edge_has_its_width_on_a_crooked_outline_too(width, bumps):
    image = disc(width, bumps=bumps)
    assert skin.rise_px(image, image, metrics.tissue_mask(image)) == pytest.approx(LOGISTIC * width, rel=0.1)


def test_a_blur_widens_it_as_variances_add():
    sharp = ndimage.gaussian_filter((disc(1e-3) > 0.4).astype(np.float64), 1.0)
    mask = metrics.tissue_mask(sharp)
    for blur in (0.5, 1.0):
        wider = skin.rise_px(ndimage.gaussian_filter(sharp, blur), sharp, mask)
        ratio = wider / skin.rise_px(sharp, sharp, mask)
        assert ratio == pytest.approx(np.hypot(1.0, blur), rel=0.05)


def test_noise_alone_does_not_widen_it():
    image = disc(0.6)
    mask = metrics.tissue_mask(image)
    noisy = image + np.random.default_rng(0).normal(0, 0.1, image.shape)
    assert skin.rise_px(noisy, image, mask) == pytest.approx(skin.rise_px(image, image, mask), rel=0.06)


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.ones((40, 40)), np.ones((3, 3)), disc(0.6)[60:100, 60:100]])
def test_where_there_is_no_skin_there_is_no_width(image):
    assert np.isnan(skin.rise_px(image, image, metrics.tissue_mask(image)))
