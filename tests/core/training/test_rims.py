"""Lesions with known rims, constraints that rise until rims are right, and a network that learns from both."""

import numpy as np
import pytest
import torch

from tests.generators import tiny_model
from tumordiff_core import model_cards, paths
from tumordiff_core.engine import context, denoise, weights
from tumordiff_core.engine.rims import RimArguments
from tumordiff_core.errors import InputError, Stopped
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
    relative = (drawn.images[:, 0] / drawn.images[:, 0].amin(dim=(1, 2), keepdim=True) - 1) * 0.4
    known = (drawn.distance < 20) & (drawn.height > 0)
    share = relative[known] / drawn.height[known] * drawn.images[:, 0].amin(dim=(1, 2)).div(0.4).mean()
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
    assert (drawn.height[judged] < drawn.images[:, 0][judged]).all()


def test_soft_and_tiny_lesions_are_not_judged(monkeypatch):
    monkeypatch.setattr(rim_lesions, "SOFT_SHARE", 1.0)
    assert (rim_lesions.added(flat(), seeded(4)).distance == rim_lesions.NOWHERE).all()


def ring(error):
    """One crop whose pixels all lie just inside the rim of a lesion of four sigma, with one error."""
    distance, height = torch.full((1, 8, 8), -0.3), torch.full((1, 8, 8), 4.0)
    return error.expand(1, 8, 8), distance, height


def test_a_constraint_rises_until_the_mean_error_is_gone():
    wanted, change = torch.tensor(0.25), torch.zeros((), requires_grad=True)
    learner, constraints = torch.optim.SGD([change], lr=0.05), rims.Constraints.none()
    first = None
    for _ in range(4000):
        error = change - wanted
        # The squared change stands for what it costs elsewhere: without the constraint it stays away from the truth.
        loss = 3 * change.square() + constraints.penalty(*ring(error), rims.RISE)
        learner.zero_grad()
        loss.backward()
        learner.step()
        first = float(change.detach()) if first is None else first
    assert first < 0.1
    assert float(change.detach()) == pytest.approx(0.25, abs=0.01)
    assert int((constraints.risen != 0).sum()) == 1, "no other distance or height was met"


def test_pixels_of_no_judged_lesion_move_no_constraint():
    constraints, error = rims.Constraints.none(), torch.ones(1, 8, 8)
    far, low = torch.full((1, 8, 8), rim_lesions.NOWHERE), torch.full((1, 8, 8), 0.5)
    assert float(constraints.penalty(error, far, torch.full((1, 8, 8), 4.0), 0.1)) == 0
    assert float(constraints.penalty(error, torch.zeros(1, 8, 8), low, 0.1)) == 0
    assert not constraints.risen.any()


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
    return rims.Plan(steps=steps, batch=2, crop=32, made_up=1, arguments=RimArguments(width=4, dilations=(1,)))


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


def test_a_lesson_is_in_units_of_sigma_and_its_answer_what_a_denoiser_gives(tiny, stacks):
    bank = rims.Bank(stacks, size=32, mix=rims.MIX)
    chance = seeded(0)
    one = rims.lesson(bank.draw(4, chance), tiny.network, rims.COLOURED, chance)
    assert one.noisy.shape == one.mean.shape == one.clean.shape == (4, 1, 32, 32)
    difference = (one.noisy - one.clean)[one.clean > 4]
    assert 0.7 < float(difference.std()) < 1.4
    network = rims.RimNetwork(RimArguments(width=4))
    changed, found = rims.answer(network, one)
    assert torch.equal(changed, one.mean), "an untaught network changes nothing"
    for k, channels in enumerate(one.channels):
        alone = denoise.local_means.given_back(one.noisy[k : k + 1], one.mean[k : k + 1], 1.0, channels, 0.7)
        torch.testing.assert_close(found[k : k + 1], alone)


def test_without_patients_to_learn_from_nothing_is_taught(tiny, tmp_path):
    with pytest.raises(InputError, match="no slices to learn from"):
        rims.fit(tiny, [], plan(1), tmp_path, progress=Progress())
