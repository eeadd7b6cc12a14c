"""Crops drawn from the bank: what they show, where they come from, and that they are the same for the same seed."""

import numpy as np
import pytest
import torch

from tests.core.training.test_datasets import pack
from tumordiff_core.engine import context
from tumordiff_core.errors import InputError
from tumordiff_core.noise.correlation import lag1
from tumordiff_core.training import bank, datasets
from tumordiff_core.training.chance import seeded
from tumordiff_core.training.mix import Mix

PLAIN = Mix(made_up=0, native=0, resampled=0, uptake=0, phases=0, black_air=0)


def stack(images, noise=0.005, patient="A"):
    count = len(images)
    noises, everywhere = np.full(count, noise), np.ones(count, dtype=bool)
    return datasets.Stack(patient, "train", True, images, np.arange(count), noises, everywhere)


@pytest.fixture
def smooth():
    """Five slices of one gradient, each brighter than the one before."""
    y, x = np.mgrid[:160, :160].astype(np.float32)
    return stack(np.stack([(1 + k) * (20 + y + x) for k in range(5)]))


def drawn(stacks, mix, count=60, size=32, seed=0, **more):
    kept = bank.Bank(stacks, size=size, mix=mix, **more)
    return kept.draw(count, seeded(seed))


def test_crops_are_scaled_and_know_what_lies_beside_them(tmp_path):
    stacks = datasets.read_data(pack(tmp_path / "pack.npz", side=160))
    made_up = datasets.made_up_stacks(1, 0, side=48, slices=5)
    crops = drawn(stacks, Mix(phases=0.2), count=200, made_up=made_up)
    images = crops.images.numpy()
    assert images.shape == (200, context.IMAGES, 32, 32)
    assert 0.2 < images[:, 0].max() <= 1.5
    assert (crops.present.mean(axis=0) > 0).all()
    assert (crops.present.mean(axis=0) < 1).all()
    assert np.array_equal(images[:, 1:].max(axis=(2, 3)) > 0, crops.present)


def test_one_seed_draws_the_same_crops(smooth):
    first, second = (drawn([smooth], Mix(made_up=0)) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert not torch.equal(first.images, drawn([smooth], Mix(made_up=0), seed=1).images)


def test_neighbours_are_the_slices_beside_in_the_same_window(smooth):
    crops = drawn([smooth], PLAIN)
    for images, present in zip(crops.images.numpy(), crops.present, strict=True):
        for column in np.flatnonzero(present):
            ratio = images[1 + column] / images[0]
            assert ratio.std() < 0.01 * ratio.mean(), "a neighbour shows another window"
            # Slice k is (1 + k) times the first: only one k makes this ratio.
            possible = [(1 + k + context.NEIGHBOURS[column]) / (1 + k) for k in range(5)]
            assert min(abs(float(ratio.mean()) - p) for p in possible if p > 0) < 0.01
            assert (ratio.mean() > 1) == (context.NEIGHBOURS[column] > 0), "before and after are exchanged"


def test_loud_slices_are_no_targets(smooth):
    loud = stack(np.full((5, 160, 160), 7.0), noise=0.2, patient="B")
    crops = drawn([smooth, loud], PLAIN)
    assert crops.images[:, 0].flatten(1).std(dim=1).min() > 0, "a flat crop comes from the loud patient"


def test_where_nobody_is_quiet_all_are_targets():
    crops = drawn([stack(np.random.default_rng(0).random((3, 80, 80)), noise=0.3)], PLAIN, count=4)
    assert crops.images[:, 0].max() > 0


def test_slices_without_a_known_level_are_refused():
    with pytest.raises(InputError, match="no slices to learn from"):
        bank.Bank([stack(np.ones((2, 64, 64)), noise=np.nan)], size=32)


def test_a_slice_smaller_than_the_crop_is_mirrored():
    small = stack(np.arange(2 * 40 * 40, dtype=np.float32).reshape(2, 40, 40))
    half = datasets.block_mean(small.images)
    mirrored = np.pad(half, ((0, 0), (0, 12), (0, 12)), mode="symmetric")
    for crop in drawn([small], PLAIN, count=8, size=32).images[:, 0].numpy():
        turned = [np.rot90(image[::flip], k) for image in mirrored for k in range(4) for flip in (1, -1)]
        assert any(np.allclose(crop / crop.mean(), image / image.mean(), atol=2e-3) for image in turned)


def test_other_pixel_sizes_change_with_every_renewal(smooth):
    kept = bank.Bank([smooth], size=32, mix=Mix(made_up=0, native=0, resampled=1, uptake=0, black_air=0))
    steps, widths = set(), set()
    chance = seeded(3)
    for _ in range(4):
        kept.renew(chance)
        crop = kept.draw(1, chance).images[0, 0]
        # The gradient relative to the value does not depend on brightness, only on how large a pixel is.
        steps.add(round(float(crop.diff(dim=-1).abs().mean() / crop.mean()), 4))
        widths.update(set(kept._all.columns.tolist()) - {80})
    assert len(widths) == len(steps) == 4


def test_of_data_too_large_to_keep_others_come_with_each_renewal(smooth, monkeypatch):
    flat = [stack(np.full((2, 64, 64), 1.0) * np.linspace(1, 2 + k, 64), patient=str(k)) for k in range(6)]
    monkeypatch.setattr(bank, "LARGEST_BANK", 2 * 64 * 64)
    kept, chance = bank.Bank(flat, size=32, mix=PLAIN), seeded(0)
    seen = set()
    for _ in range(6):
        kept.renew(chance)
        seen.update(stack.patient for stack in kept._shown)
        assert len(kept._shown) <= 2
    assert len(seen) > 2


def test_of_data_too_large_to_keep_only_stacks_that_can_be_drawn_are_taken(smooth, monkeypatch):
    loud = [stack(np.full((2, 160, 160), 7.0), noise=0.2, patient=f"L{k}") for k in range(8)]
    monkeypatch.setattr(bank, "LARGEST_BANK", 160 * 160)
    for seed in range(4):
        assert drawn([*loud, smooth], PLAIN, count=4, seed=seed).images[:, 0].max() > 0


def test_the_correlation_of_a_turned_crop_is_turned():
    rng = np.random.default_rng(0)
    lines = np.repeat(rng.random((1, 200, 200)), 2, axis=2)[:, :, :200].astype(np.float32)
    known = type(stack(lines))(**{**vars(stack(lines)), "lag1": (0.0, 0.6)})
    mix = Mix(made_up=0, native=1, resampled=0, uptake=0, phases=0, black_air=0)
    crops = drawn([known], mix, count=40, size=64)
    for image, told in zip(crops.images[:, 0].numpy(), crops.lag1, strict=True):
        down, across = lag1(image)
        assert (down > across) == (told[0] > told[1])


def test_air_is_made_black_and_tissue_is_not():
    rng = np.random.default_rng(0)
    image = np.hypot(rng.normal(0, 2, (1, 200, 200)), rng.normal(0, 2, (1, 200, 200)))
    image[:, 60:140, 60:140] += 100
    mix = Mix(made_up=0, native=1, resampled=0, uptake=0, black_air=1)
    images = drawn([stack(image.astype(np.float32), noise=0.019)], mix, count=40, size=96).images[:, 0]
    tissue = images > 0.4 * images.amax(dim=(1, 2), keepdim=True)
    assert tissue.float().mean() > 0.1
    assert (images[~tissue] == 0).float().mean() > 0.9
