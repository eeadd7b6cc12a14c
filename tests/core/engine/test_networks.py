"""Networks, preconditioning and one-step denoising of stacks, with untrained weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tumordiff_core.engine import context, denoise, precondition
from tumordiff_core.engine.networks import EdmArguments, EdmUNet, PaperArguments, PaperUNet
from tumordiff_core.engine.weights import fuse
from tumordiff_core.progress import Progress

SMALL = EdmArguments(widths=(24, 24, 48), blocks=1, middle=1)


def stirred(network, seed=0):
    """Random weights everywhere, so that zero-initialised layers take part."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return network.eval()


def loaded(family="edm-unet", network=None):
    network = network or stirred(
        EdmUNet(SMALL) if family == "edm-unet" else PaperUNet(PaperArguments(width=8, levels=2))
    )
    return denoise.LoadedModel("test", family, network, 0.2, (0.01, 0.24), family == "edm-unet", torch.device("cpu"))


@pytest.fixture(scope="module")
def slices():
    rng = np.random.default_rng(0)
    return np.abs(rng.normal(0.3, 0.2, (5, 40, 56))).astype(np.float32)


@pytest.mark.parametrize("network", [PaperUNet(PaperArguments(width=8, levels=2, condition=12)), EdmUNet(SMALL)])
def test_networks_answer_in_the_shape_of_a_slice(network):
    x = torch.randn(2, 1 if isinstance(network, PaperUNet) else context.IMAGES, 32, 64)
    assert network(x, torch.zeros(2, 12)).shape == (2, 1, 32, 64)


@pytest.mark.parametrize("family", ["edm-unet", "paper-unet"])
def test_networks_see_the_noise_level(family, slices):
    model = loaded(family)
    low = denoise.denoise_stack(model, slices, denoise.NoiseLevel(0.05), progress=Progress())
    x, condition = torch.from_numpy(slices[:1, None, :32, :32]), torch.zeros(1, 12 if family == "edm-unet" else 1)
    x = x.expand(-1, context.IMAGES if family == "edm-unet" else 1, -1, -1)
    assert low.shape == slices.shape
    assert not torch.allclose(model.network(x, condition), model.network(x, condition + 1), atol=1e-4)


@pytest.mark.parametrize("family", ["edm-unet", "paper-unet"])
def test_sigma_zero_returns_the_input_bit_for_bit(family, slices):
    out = denoise.denoise_stack(loaded(family), slices, denoise.NoiseLevel(0.0), progress=Progress())
    assert np.array_equal(out, slices)


def test_preconditioning_becomes_the_identity_as_sigma_goes_to_zero(slices):
    tiny = denoise.denoise_stack(loaded(), slices, denoise.NoiseLevel(1e-5), progress=Progress())
    assert np.allclose(tiny, slices, atol=1e-3)


def test_preconditioning_keeps_unit_variance_and_unit_weight():
    sigma = torch.logspace(-3, 2, 20, dtype=torch.float64)
    c = precondition.coefficients(sigma, 0.2)
    assert torch.allclose(c.c_in**2 * (sigma**2 + 0.2**2), torch.ones_like(sigma))
    assert torch.allclose(precondition.weight(sigma, 0.2) * c.c_out**2, torch.ones_like(sigma))
    assert torch.allclose((1 - c.c_skip) ** 2 * 0.2**2 + c.c_skip**2 * sigma**2, c.c_out**2)


def test_repeats_are_bit_equal_on_the_processor(slices):
    model = loaded()
    once, twice = (denoise.denoise_stack(model, slices, denoise.NoiseLevel(0.1), progress=Progress()) for _ in range(2))
    assert np.array_equal(once, twice)


def test_one_slice_and_odd_sizes_are_denoised():
    model = loaded()
    for shape in [(1, 1, 1), (1, 33, 17), (2, 5, 90)]:
        values = np.full(shape, 0.5, dtype=np.float32)
        assert denoise.denoise_stack(model, values, denoise.NoiseLevel(0.1), progress=Progress()).shape == shape


def test_tiles_give_what_the_whole_slice_gives():
    model = loaded()
    image = np.abs(np.random.default_rng(1).normal(0.3, 0.1, (1, 320, 448))).astype(np.float32)
    images, present = denoise.seen(model, image[None], 0, np.array([0]))

    def run(window):
        return denoise.posterior_mean(model, images[..., *window], present, denoise.NoiseLevel(0.1))

    with torch.inference_mode():
        difference = (denoise.in_pieces(run, images[:, :1], 128) - run((slice(None), slice(None)))).abs().max()
    assert float(difference) < 0.02 * 0.1


def test_neighbours_and_other_phases_are_gathered_in_order_and_flagged():
    phases = np.arange(3 * 5).reshape(3, 5, 1, 1) * np.ones((1, 1, 2, 2), np.float32)
    images, present = context.gather(phases, 1, np.array([1]))
    assert images[0, :, 0, 0].tolist() == [6, 5, 7, 0, 8, 0, 9, 11, 1]
    assert present[0].tolist() == [1, 1, 0, 1, 0, 1, 1, 1]
    alone, none = context.without(images, present, neighbours=False, phases=False)
    assert not none.any()
    assert alone[0, 1:].max() == 0


def test_a_phase_is_denoised_with_the_other_phases_beside_it(slices):
    phases = np.stack([slices, slices + 0.1])
    model = replace(loaded(), joint_phases=True)
    both = denoise.denoise_phase(model, phases, 0, denoise.NoiseLevel(0.1), progress=Progress())
    alone = denoise.denoise_stack(model, slices, denoise.NoiseLevel(0.1), progress=Progress())
    assert both.shape == alone.shape
    assert not np.allclose(both, alone)
    kept_apart = denoise.denoise_phase(
        replace(model, joint_phases=False), phases, 0, denoise.NoiseLevel(0.1), progress=Progress()
    )
    assert np.allclose(kept_apart, alone)


def test_memory_running_short_halves_the_batch_and_says_so(slices):
    class Greedy(EdmUNet):
        def forward(self, x, condition):
            if len(x) > 1:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return super().forward(x, condition)

    told = []

    class Listening(Progress):
        def emit(self, kind, fields):
            told.append((kind, fields.get("code")))

    out = denoise.denoise_stack(
        loaded(network=stirred(Greedy(SMALL))), slices, denoise.NoiseLevel(0.1), batch=4, progress=Listening()
    )
    assert np.isfinite(out).all()
    assert told.count(("warning", "denoise.less_memory")) == 2


def test_folding_batch_norm_changes_nothing():
    network = PaperUNet(PaperArguments(width=8, levels=2))
    network.train()
    network(torch.randn(4, 1, 32, 32), torch.randn(4, 1))
    network.eval()
    x, condition = torch.randn(2, 1, 32, 32), torch.randn(2, 1)
    with torch.inference_mode():
        before = network(x, condition)
        fuse(network)
        assert torch.allclose(network(x, condition), before, atol=1e-5)


def test_strength_blends_between_input_and_posterior_mean(slices):
    clean = slices * 0
    assert np.array_equal(denoise.blend(slices, clean, 1.0), clean)
    assert np.array_equal(denoise.blend(slices, clean, 0.0), slices)
    assert np.allclose(denoise.blend(slices, clean, 0.25), 0.75 * slices)


@pytest.mark.parametrize("family", ["edm-unet", "paper-unet"])
def test_half_precision_stays_within_a_fiftieth_of_the_noise(family, slices, monkeypatch):
    model = loaded(family)
    answers = {}
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(denoise.precision, "faster", lambda _device, dtype=dtype: dtype)
        answers[dtype] = denoise.denoise_stack(model, slices, denoise.NoiseLevel(0.1), progress=Progress())
    assert answers[torch.bfloat16].dtype == np.float32
    assert not np.array_equal(*answers.values())
    assert np.sqrt(np.mean((answers[torch.float32] - answers[torch.bfloat16]) ** 2)) < 0.02 * 0.1


def test_the_faster_number_format_is_measured_once():
    from tumordiff_core.engine import precision

    found = precision.faster(torch.device("cpu"))
    assert found in {torch.float32, torch.bfloat16}
    assert precision.faster(torch.device("cpu")) == found
