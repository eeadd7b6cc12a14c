"""Splits, crops and made noise that training draws from."""

import numpy as np
import pytest

from tumordiff_core.engine import context
from tumordiff_core.errors import InputError
from tumordiff_core.training import augment, datasets, split


def pack(path, patients=("A", "B", "C"), slices=4, side=48):
    rng = np.random.default_rng(0)
    count = len(patients) * slices
    np.savez(
        path,
        images=rng.integers(1, 200, (count, side, side)).astype(np.uint8),
        patient=np.repeat(patients, slices),
        slice_index=np.tile(np.arange(slices), len(patients)).astype(np.uint8),
        split=np.repeat(["train", "val", "test"][: len(patients)], slices),
        quiet=np.ones(count, dtype=bool),
        noise_tissue=np.full(count, 1.0, dtype=np.float32),
        stored_range=np.full(count, 199, dtype=np.uint8),
    )
    return path


def test_patients_never_move_between_parts():
    names = [f"P{k}" for k in range(400)]
    parts = split.split(names)
    assert parts == split.split(reversed(names))
    shares = [list(parts.values()).count(p) / 400 for p in ("train", "val", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.05)


def test_three_patients_still_give_every_part():
    assert sorted(split.split(["a", "b", "c"]).values()) == ["test", "train", "val"]


def test_a_packs_own_split_is_obeyed(tmp_path):
    stacks = datasets.read_data(pack(tmp_path / "pack.npz"))
    assert {s.patient: s.part for s in stacks} == {"A": "train", "B": "val", "C": "test"}


def test_slices_of_one_patient_from_two_packs_become_neighbours(tmp_path):
    pack(tmp_path / "pack.npz")
    pack(tmp_path / "pack_more.npz", slices=6)
    assert len(datasets.read_data(tmp_path / "pack.npz")[0].images) == 10


def test_text_named_as_a_pack_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "pack.npz").write_text("not a pack")
    with pytest.raises(InputError, match="not a pack of slices"):
        datasets.read_data(tmp_path / "pack.npz")


def test_a_pack_that_lacks_an_array_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "pack.npz", images=np.zeros((1, 8, 8)))
    with pytest.raises(InputError, match="lacks"):
        datasets.read_data(tmp_path / "pack.npz")


def test_a_folder_without_truth_holds_nothing_to_learn_from(tmp_path):
    with pytest.raises(InputError, match="no slices to learn from"):
        datasets.read_data(tmp_path)


def test_crops_are_scaled_and_know_what_lies_beside_them(tmp_path):
    stacks = datasets.read_data(pack(tmp_path / "pack.npz", side=160))
    made_up = datasets.made_up_stacks(1, 0, side=48, slices=5)
    sampler = datasets.CropSampler(stacks, size=32, made_up_stacks=made_up)
    crops = sampler.draw(60, np.random.default_rng(0))
    assert crops.images.shape == (60, context.IMAGES, 32, 32)
    assert 0.2 < crops.images[:, 0].max() <= 1.5
    assert (crops.present.mean(axis=0) > 0).all()
    assert (crops.present.mean(axis=0) < 1).all()
    assert np.array_equal(crops.images[:, 1:].max(axis=(2, 3)) > 0, crops.present > 0)


def test_absent_images_stay_black_under_noise():
    clean = np.full((4, 3, 16, 16), 0.5, dtype=np.float32)
    present = np.array([[1, 0], [0, 1], [0, 0], [1, 1]], dtype=np.float32)
    noisy = augment.corrupt(clean, augment.Levels(), np.random.default_rng(0), present).noisy
    assert np.array_equal(noisy[:, 1:].max(axis=(2, 3)) > 0, present > 0)
    assert noisy[:, 0].std() > 0


def test_made_up_anatomy_is_free_of_noise_and_continues_over_slices():
    stack = datasets.made_up_stacks(1, 3, side=64, slices=5)[0]
    assert stack.images.shape == (5, 64, 64)
    assert stack.images.min() >= 0
    next_slice = np.corrcoef(stack.images[1].ravel(), stack.images[2].ravel())[0, 1]
    assert next_slice > 0.8


def test_block_means_keep_the_mean_and_halve_white_noise():
    noise = np.random.default_rng(0).normal(5, 1, (4, 65, 65))
    blocks = datasets.block_mean(noise, 1, 1)
    assert blocks.shape == (4, 32, 32)
    assert blocks.std() == pytest.approx(0.5, rel=0.05)


def test_made_noise_spans_the_levels_channels_and_colours():
    clean = np.full((200, 1, 32, 32), 0.5, dtype=np.float32)
    noisy = augment.corrupt(clean, augment.Levels(0.01, 0.2), np.random.default_rng(0))
    assert 0.01 <= noisy.sigma.min() < 0.02
    assert 0.1 < noisy.sigma.max() <= 0.2
    assert set(noisy.channels) == {1.0, 2.0, 4.0, 8.0}
    white = (noisy.colour == 0).all(axis=1)
    assert 0.35 < white.mean() < 0.65
    assert noisy.colour.max() > 0.4
