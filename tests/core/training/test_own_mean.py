"""A network that learns from its own mean over mirror images."""

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests.core.training.test_fit import here, train  # noqa: F401
from tumordiff_core import model_cards
from tumordiff_core.jobs import events, folder, start, worker
from tumordiff_core.progress import Progress
from tumordiff_core.tasks.train import TrainParams
from tumordiff_core.training.own_mean import OwnMean


def leaning(network, noisy):
    """A denoiser that errs towards the right and downwards."""
    return network(noisy[:, :1]).roll((1, 2), dims=(-2, -1))


def test_the_target_is_the_mean_over_mirror_images_and_a_share_of_the_clean_slice():
    network, noisy, clean = nn.Identity(), torch.rand(2, 3, 8, 10), torch.rand(2, 1, 8, 10)
    target = OwnMean(network, 0.25).target(clean, noisy, leaning)
    mean = sum(noisy[:, :1].roll((down, across), dims=(-2, -1)) for down in (-1, 1) for across in (-2, 2)) / 4
    assert torch.allclose(target, 0.75 * clean + 0.25 * mean, atol=1e-6)


def test_it_teaches_with_the_weights_it_was_given_last():
    network, noisy = nn.Conv2d(1, 1, 1), torch.rand(1, 1, 4, 4)
    own = OwnMean(network, 0.999999)
    before = own.target(noisy, noisy, leaning)
    with torch.no_grad():
        network.weight.mul_(3)
    assert torch.equal(own.target(noisy, noisy, leaning), before), "learning moves the teacher"
    own.renew(network.state_dict())
    renewed = own.target(noisy, noisy, leaning)
    assert not torch.allclose(renewed, before)
    other = OwnMean(copy.deepcopy(network), 0.999999)
    other.renew(own.weights())
    assert torch.equal(other.target(noisy, noisy, leaning), renewed)


class StopsAfter(Progress):
    def __init__(self, job, epoch):
        super().__init__()
        self.job, self.epoch = job, epoch

    def emit(self, kind, fields):
        if kind == "checkpoint" and fields["step"] == self.epoch:
            start.stop(self.job, "epoch")


def weights_of(job):
    """Those of the last epoch, whether it was the best or not."""
    return torch.load(job / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]  # noqa: TID251


def test_what_the_teacher_says_does_not_depend_on_chance():
    network, noisy = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(1)), torch.rand(2, 1, 8, 8)
    own = OwnMean(network.train(), 0.5)
    assert torch.equal(own.target(noisy, noisy, leaning), own.target(noisy, noisy, leaning))
    assert network.training


def test_a_training_resumed_is_the_training_unbroken(here):  # noqa: F811
    first = train(here, epochs=1)
    assert worker.main(first) == 0
    model_cards.install(first / "result")
    changes = {
        "start": "tiny", "arguments": {},
        "epochs": 3, "steps": 6, "own_mean": 0.5, "learning_rate": 0.01,
    }  # fmt: skip
    whole = train(here, **changes)
    assert worker.main(whole) == 0
    broken = train(here, **changes)
    assert worker.main(broken, echo=StopsAfter(broken, 2)) == 130
    assert folder.state(broken) == "stopped"
    start.make_startable(broken)
    assert worker.main(broken) == 0
    assert {e["step"] for e in events.read_all(broken) if e["kind"] == "checkpoint"} == {1, 2, 3}
    once, again = weights_of(whole), weights_of(broken)
    assert all(torch.equal(once[name], again[name]) for name in once)
    plain = train(here, **changes | {"own_mean": 0.0})
    assert worker.main(plain) == 0
    assert any(not torch.equal(once[name], value) for name, value in weights_of(plain).items())


@pytest.mark.parametrize("beside", [{"own_mean": 1.0}, {"preset": "paper"}, {"loss": "l1"}, {"start": ""}])
def test_it_is_refused_where_there_is_nothing_to_stand_in_for(beside):
    with pytest.raises(ValidationError, match=r"own|less than 1"):
        TrainParams(**{"own_mean": 0.5, "start": model_cards.DEFAULT, **beside})


def test_kinds_of_noise_are_shares_too():
    from tumordiff_core.tasks.train import _plan

    with pytest.raises(ValidationError, match="its noise is even"):
        TrainParams(preset="paper", shares={"ghost": 0.1})
    plan = _plan(TrainParams(shares={"white": 0.65, "misjudged": 0.2, "uptake": 0.4}), None)
    assert (plan.recipe.levels.white_share, plan.recipe.levels.misjudged_share, plan.mix.uptake) == (0.65, 0.2, 0.4)
    assert plan.recipe.levels.ghost_share == 0.05
