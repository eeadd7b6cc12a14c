"""Doubt against a model whose posterior is known in closed form, and one that is overconfident."""

import numpy as np
import pytest
import torch
from torch import nn

from tumordiff_core.engine.denoise import LoadedModel
from tumordiff_core.evaluation import calibration
from tumordiff_core.evaluation.references import Reference
from tumordiff_core.progress import Progress

MEAN, SPREAD = 0.7, 0.06


class Wiener(nn.Module):
    """The exact posterior mean of pixels drawn from N(MEAN, SPREAD^2), in the form the engine preconditions."""

    multiple = 1

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        sigma = (4 * condition[:, 0]).exp()[:, None, None, None]
        total = (sigma**2 + SPREAD**2).sqrt()
        exact = MEAN * sigma / (SPREAD * total)
        return exact + (self.gain - 1) * (x[:, :1] - MEAN / total) * sigma / SPREAD


def model(gain: float = 1.0) -> LoadedModel:
    return LoadedModel("exact", "edm-unet", Wiener(gain), SPREAD, (0.0, 0.3), False, torch.device("cpu"))


@pytest.fixture(scope="module")
def references() -> list[Reference]:
    rng = np.random.default_rng(0)
    images = rng.normal(MEAN, SPREAD, (4, 1, 96, 96)).astype(np.float32)
    return [Reference(f"P{k}", 0, image, 0, np.ones((96, 96), bool)) for k, image in enumerate(images)]


def test_an_exact_posterior_is_calibrated_at_every_level(references):
    found = calibration.calibrate(model(), references, (0.04, 0.08), progress=Progress())
    for row in found.rows:
        assert row.patches >= 400
        assert row.coverage == pytest.approx(0.90, abs=0.045)
        assert row.z_std == pytest.approx(1, abs=0.1)
        assert row.power == pytest.approx(row.power_expected, rel=0.05)
        assert row.lag1 == pytest.approx(row.lag1_expected, abs=0.03)
    assert abs(found.slope) < 0.1
    assert found.to_record()["rows"][0]["level"] == 0.04


def test_a_model_that_keeps_too_little_is_found_out(references):
    found = calibration.calibrate(model(gain=0.2), references, (0.06,), progress=Progress())
    assert abs(found.rows[0].power / found.rows[0].power_expected - 1) > 0.1 or found.rows[0].coverage < 0.85


def test_no_usable_patch_gives_no_figure_rather_than_a_good_one(references):
    dark = [Reference("P", 0, references[0].stack * 0.01, 0, np.ones((96, 96), bool))]
    row = calibration.calibrate(model(), dark, (0.1,), progress=Progress()).rows[0]
    assert row.patches == 0
    assert np.isnan(row.coverage)
