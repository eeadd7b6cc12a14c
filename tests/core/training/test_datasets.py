"""Splits, and the packs and stacks that training draws from."""

import numpy as np
import pytest

from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.evaluation import detectability, references
from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort
from tumordiff_core.training import datasets, split
from tumordiff_core.training.mix import Mix


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


def test_a_pack_whose_arrays_differ_in_length_is_refused(tmp_path):
    place = pack(tmp_path / "pack.npz")
    with np.load(place) as found:
        known = dict(found)
    np.savez(place, **{**known, "patient": known["patient"][:-1]})
    with pytest.raises(InputError, match="differ in length"):
        datasets.read_data(place)


def test_a_pack_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "LARGEST_PACK_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to more"):
        datasets.read_data(pack(tmp_path / "pack.npz"))


@pytest.mark.parametrize("content", [b"PK\x03\x04 damaged", b"\x93NUMPY"])
def test_a_damaged_pack_is_refused(tmp_path, content):
    (tmp_path / "pack.npz").write_bytes(content)
    with pytest.raises(InputError, match="not a pack"):
        datasets.read_data(tmp_path / "pack.npz")


def test_a_folder_without_truth_holds_nothing_to_learn_from(tmp_path):
    with pytest.raises(InputError, match="no slices to learn from"):
        datasets.read_data(tmp_path)


def test_made_up_anatomy_is_free_of_noise_and_continues_over_slices():
    stack = datasets.made_up_stacks(1, 3, side=160, slices=5)[0]
    assert stack.images.shape == (5, 160, 160)
    assert stack.images.min() >= 0
    next_slice = np.corrcoef(stack.images[1].ravel(), stack.images[2].ravel())[0, 1]
    assert next_slice > 0.8


def test_block_means_keep_the_mean_and_halve_white_noise():
    noise = np.random.default_rng(0).normal(5, 1, (4, 65, 65))
    blocks = datasets.block_mean(noise, 1, 1)
    assert blocks.shape == (4, 32, 32)
    assert blocks.std() == pytest.approx(0.5, rel=0.05)


def test_neighbours_are_shown_to_some_crops_and_reach_three_slices():
    kept = datasets.neighbours_kept(Mix(alone=0.3, nearest=0.3), 4000, np.random.default_rng(0))
    count = kept.sum(axis=1)
    assert (count == 0).mean() == pytest.approx(0.3, abs=0.03)
    assert {0, 1, 2, 3, 4, 5, 6} == set(count)
    assert not (kept[:, 2] & ~kept[:, 0]).any(), "a slice two away came without the one between"


def test_a_pack_tells_how_its_noise_hangs_together(tmp_path):
    place = pack(tmp_path / "pack.npz")
    with np.load(place) as found:
        known = dict(found)
    np.savez(place, **known, lag1=np.tile(np.float32([0.5, 0.2]), (len(known["images"]), 1)))
    assert datasets.read_data(place)[0].lag1 == pytest.approx((0.5, 0.2))


def test_data_that_were_named_and_are_not_there_are_missing_and_no_pack_without_slices(home, tmp_path):
    with pytest.raises(MissingError) as named:
        datasets.place_of(str(tmp_path / "nowhere.npz"))
    assert named.value.code == "files.missing"
    with pytest.raises(InputError) as demo:
        datasets.place_of("")
    assert demo.value.code == "training.no_data"
    assert datasets.place_of(str(tmp_path)) == tmp_path


def test_simulated_breasts_are_phases_without_noise_of_seeds_that_nobody_else_has():
    before, early = datasets.simulated_stacks(1, 0, progress=Progress())
    assert before.part == early.part == "train" and before.patient == early.patient
    assert before.images.shape == early.images.shape == datasets.SIMULATED_SHAPES[0]
    assert np.percentile([before.images, early.images], 99.9) == pytest.approx(1, abs=1e-3)
    assert early.images.mean() > before.images.mean(), "contrast arrived"
    again, other = (datasets.simulated_stacks(1, seed, progress=Progress())[0] for seed in (0, 1))
    np.testing.assert_array_equal(again.images, before.images)
    assert np.abs(other.images - before.images).mean() > 0.01
    judged_on = {cohort.Plan().seed, detectability.SEED, references.PHANTOM_SEED}
    assert min(datasets.SIMULATED_SEED - seed for seed in judged_on) > datasets.SEEDS_APART
