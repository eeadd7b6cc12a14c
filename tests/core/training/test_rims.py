"""Lesions with known rims, constraints that rise until rims are right, and a network that learns from both."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.generators import tiny_model
from tumordiff_core import model_cards, paths
from tumordiff_core.engine import context, denoise, weights
from tumordiff_core.engine.rims import RimArguments
from tumordiff_core.engine.white_noise import WhiteNoise
from tumordiff_core.errors import InputError, ModelError, Stopped
from tumordiff_core.progress import Progress
from tumordiff_core.training import datasets, rim_lesions, rims
from tumordiff_core.training.chance import seeded

CROPS, SIDE = 24, 64


def flat():
    images = torch.full((CROPS, context.IMAGES, SIDE, SIDE), 0.4)
    images[:, rim_lesions.SLICES :] = 0
    return images


def test_a_lesion_rises_where_its_rim_is():
    drawn = rim_lesions.added(flat(), seeded(1))
    known = (drawn.distance < 20) & (drawn.height > 0)
    share = ((drawn.images[:, 0] - 0.4) / drawn.height)[known]
    distance = drawn.distance[known]
    assert share[distance < -1.5].mean() > 0.9
    assert share[distance > 1.5].mean() < 0.1
    # At the rim the height comes up to half: that is what the distance is measured from.
    assert share[distance.abs() < 0.1].mean() == pytest.approx(0.5, abs=0.06)


def test_lesions_end_in_the_neighbours_and_are_drawn_only_in_tissue():
    images = flat()
    images[:, :, :, : SIDE // 2] = 0.01
    drawn = rim_lesions.added(images, seeded(2))
    grown = (drawn.images[:, : rim_lesions.SLICES] > images[:, : rim_lesions.SLICES] * 1.1).sum(dim=(0, 2, 3))
    nearest, farthest = grown[1:3], grown[-2:]
    assert grown[0] > nearest.max() and nearest.min() > farthest.max()
    inside = drawn.distance < -2
    assert inside[:, :, SIDE // 2 :].sum() > 10 * inside[:, :, : SIDE // 2 - 7].sum()


def test_crops_stay_within_their_brightness_and_heights_follow():
    drawn = rim_lesions.added(flat() * 3, seeded(3))
    assert drawn.images[:, 0].amax() <= rim_lesions.BRIGHTEST + 1e-5
    judged = drawn.distance < -2
    assert judged.any()
    # A lesion adds at most GAINS[1] times what it lies on, whatever the crop was scaled by.
    most = rim_lesions.GAINS[1] / (1 + rim_lesions.GAINS[1])
    assert (drawn.height[judged] < 1.1 * most * drawn.images[:, 0][judged]).all()


@pytest.mark.parametrize(("name", "value"), [("SOFT_SHARE", 1.0), ("RADII", (1.2, 1.9))])
def test_soft_and_tiny_lesions_are_drawn_and_not_judged(monkeypatch, name, value):
    monkeypatch.setattr(rim_lesions, name, value)
    drawn = rim_lesions.added(flat(), seeded(4))
    assert drawn.images[:, 0].amax() > 0.45
    assert (drawn.distance == rim_lesions.NOWHERE).all()


def lesson(distance=-0.3, height=4.0, kind=(0,)):
    """Crops whose pixels all lie as far from the rim of a lesion as is said, by default just inside one of 4 sigma."""
    count = len(kind)
    nothing = torch.zeros(count, 1, 8, 8)
    places = torch.full((count, 8, 8), distance), torch.full((count, 8, 8), height), torch.tensor(kind)
    return rims.Lesson(nothing, nothing, nothing, [1] * count, *places)


def settled(errors_of, one, steps=4000):
    """What a constrained change comes to; ``errors_of`` are the crops' errors, and it costs its square."""
    change, constraints, first = torch.zeros(len(one.kind), requires_grad=True), rims.Constraints.none(), None
    learner = torch.optim.SGD([change], lr=0.05)
    for _ in range(steps):
        error = errors_of(change)[:, None, None].expand(-1, 8, 8)
        loss = 3 * change.square().mean() + constraints.penalty(error, one, rims.RISE)
        learner.zero_grad()
        loss.backward()
        learner.step()
        first = change.detach().clone() if first is None else first
    return first, change.detach(), constraints


def test_a_constraint_rises_until_the_mean_error_is_gone():
    first, last, constraints = settled(lambda change: change - 0.25, lesson())
    assert float(first) < 0.1, "without the constraint the square keeps the change away from the truth"
    assert float(last) == pytest.approx(0.25, abs=0.01)
    assert int((constraints.multipliers != 0).sum()) == 1, "no other distance, height or kind was met"


def test_real_slices_and_simulated_breasts_are_each_made_right():
    wanted = torch.tensor([0.25, -0.1])
    _, last, constraints = settled(lambda change: change - wanted, lesson(kind=(0, 1)))
    torch.testing.assert_close(last, wanted, atol=0.01, rtol=0)
    assert int((constraints.multipliers != 0).sum()) == 2


@pytest.mark.parametrize("place", [{"distance": rim_lesions.NOWHERE}, {"distance": 3.2}, {"height": 0.5}])
def test_pixels_of_no_judged_lesion_move_no_constraint(place):
    constraints, error = rims.Constraints.none(), torch.ones(1, 8, 8)
    assert float(constraints.penalty(error, lesson(**place), 0.1)) == 0
    assert not constraints.multipliers.any()


@pytest.fixture
def tiny(home):
    tiny_model.make(paths.models())
    return weights.load(model_cards.find("tiny"))


@pytest.fixture(scope="module")
def stacks():
    images = np.random.default_rng(0).uniform(20, 100, (5, 160, 160)).astype(np.float32)
    kept = np.arange(5), np.full(5, 0.01, np.float32), np.ones(5, bool)
    return [datasets.Stack("p", "train", True, images, *kept)]


def plan(steps):
    return rims.Plan(steps=steps, batch=3, crop=32, simulated=1, arguments=RimArguments(width=4, dilations=(1,)))


class StopsAfter(Progress):
    def __init__(self, steps):
        super().__init__()
        self.left = steps

    def emit(self, kind, fields):
        self.left -= kind == "progress"

    def asked_to_stop(self):
        return "step" if self.left <= 0 else ""


def test_a_stopped_training_goes_on_to_the_very_weights_of_an_unbroken_one(tiny, stacks, tmp_path):
    unbroken = rims.fit(tiny, stacks, plan(4), tmp_path / "a", progress=Progress())
    with pytest.raises(Stopped) as stopped:
        rims.fit(tiny, stacks, plan(4), tmp_path / "b", progress=StopsAfter(2))
    assert stopped.value.resumable
    resumed = rims.fit(tiny, stacks, plan(4), tmp_path / "b", progress=Progress())
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert any(bool(value.any()) for name, value in unbroken.state_dict().items() if name.startswith("last"))


def test_a_stop_in_the_middle_of_a_step_leaves_the_last_whole_state(tiny, stacks, tmp_path, monkeypatch):
    monkeypatch.setattr(rims, "SAVED_EVERY", 2)
    unbroken = rims.fit(tiny, stacks, plan(4), tmp_path / "a", progress=Progress())
    step, taken = torch.optim.Adam.step, []

    def interrupted(self, *rest):
        step(self, *rest)
        taken.append(1)
        if len(taken) == 3:
            raise Stopped(resumable=True)

    with monkeypatch.context() as during, pytest.raises(Stopped) as stopped:
        during.setattr(torch.optim.Adam, "step", interrupted)
        rims.fit(tiny, stacks, plan(4), tmp_path / "b", progress=Progress())
    assert stopped.value.resumable
    resumed = rims.fit(tiny, stacks, plan(4), tmp_path / "b", progress=Progress())
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_state_of_other_weights_or_data_is_not_gone_on_from(tiny, stacks, tmp_path):
    with pytest.raises(Stopped):
        rims.fit(tiny, stacks, plan(4), tmp_path, learned_from="a b", progress=StopsAfter(2))
    kept = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(InputError, match="other weights or data") as refused:
        rims.fit(tiny, stacks, plan(4), tmp_path, learned_from="a c", progress=Progress())
    assert refused.value.code == "training.other_start"
    assert (tmp_path / "last.pt").read_bytes() == kept
    state = torch.load(tmp_path / "last.pt", weights_only=True)  # noqa: TID251
    del state["learned_from"]
    torch.save(state, tmp_path / "last.pt")
    with pytest.raises(InputError, match="other weights or data"):
        rims.fit(tiny, stacks, plan(4), tmp_path, learned_from="a b", progress=Progress())


def test_a_lesson_is_in_units_of_sigma_and_its_answer_what_a_denoiser_gives(tiny, stacks):
    chance = seeded(0)
    crops, kind = rims.Slices(stacks, plan(1), progress=Progress()).draw(4, chance)
    assert kind.tolist() == [0, 0, 1, 1]
    one = rims.lesson(crops, kind, tiny, 1, chance)
    assert one.noisy.shape == one.mean.shape == one.clean.shape == (4, 1, 32, 32)
    difference = (one.noisy - one.clean)[one.clean > 4]
    assert 0.7 < float(difference.std()) < 1.4
    network = rims.RimNetwork(RimArguments(width=4))
    changed, found = rims.answer(network, one)
    assert torch.equal(changed, one.mean), "an untaught network changes nothing"
    for k, channels in enumerate(one.channels):
        alone = denoise.local_means.given_back(one.noisy[k : k + 1], one.mean[k : k + 1], 1.0, channels, 0.7)
        torch.testing.assert_close(found[k : k + 1], alone)


@pytest.mark.parametrize("neighbours", [True, False])
def test_a_lesson_shows_the_very_answers_that_are_given_later(tiny, stacks, monkeypatch, neighbours):
    model = replace(tiny, neighbours=neighbours)
    seen = []

    def corrupted(*told):
        seen.append(known(*told))
        return seen[-1]

    known = rims.corrupt
    monkeypatch.setattr(rims, "corrupt", corrupted)
    monkeypatch.setattr(rims, "MIXED", replace(rims.MIXED, misjudged_share=0.0))
    chance = seeded(0)
    crops, kind = rims.Slices(stacks, plan(1), neighbours=neighbours, progress=Progress()).draw(4, chance)
    assert bool(crops.present.any()) is neighbours
    one, noisy = rims.lesson(crops, kind, model, 0, chance), seen[0]
    for k in range(4):
        told = denoise.NoiseLevel(
            float(noisy.sigma[k]), tuple(float(v) for v in noisy.colour[k]), int(noisy.channels[k])
        )
        served = denoise.for_phases(model, 2, local_means=0.0)
        present = torch.from_numpy(crops.present[k : k + 1].astype(np.float32))
        with torch.no_grad():
            later = denoise.posterior_mean(served, noisy.noisy[k : k + 1], present, told)
        torch.testing.assert_close(one.mean[k : k + 1], later / told.sigma, atol=1e-3, rtol=1e-4)


def test_rims_are_learned_at_levels_that_the_denoiser_knows(tiny):
    assert rims.levels_of(tiny) == (0.007, 0.2)
    assert rims.levels_of(replace(tiny, sigma_range=(0.01, 0.1))) == (0.01, 0.1)
    white = WhiteNoise("w", "0" * 64, tiny.network, lowest=0.1)
    assert rims._network_and_levels(replace(tiny, white=white), 0)[1].lowest == 0.1, "below, other weights serve"
    for known in ((0.001, 0.005), (0.21, 0.4)):
        with pytest.raises(ModelError, match=r"0\.007 to 0\.2 was expected") as refused:
            rims.levels_of(replace(tiny, sigma_range=known))
        assert refused.value.code == "model.rims_levels"


def test_the_smallest_batch_holds_both_kinds(stacks):
    assert rims.Slices(stacks, plan(1), progress=Progress()).draw(2, seeded(0))[1].tolist() == [0, 1]


def test_a_stop_is_heard_while_breasts_are_simulated(tiny, stacks, tmp_path):
    with pytest.raises(Stopped):
        rims.fit(tiny, stacks, replace(plan(4), simulated=100), tmp_path / "states", progress=StopsAfter(1))
    assert not (tmp_path / "states").exists()


def test_without_patients_to_learn_from_nothing_is_taught(tiny, tmp_path):
    with pytest.raises(InputError, match="no slices to learn from"):
        rims.fit(tiny, [], plan(1), tmp_path, progress=Progress())
