"""A network that came with a plugin and answers nonsense ends in a sentence, wherever it is used."""

import numpy as np
import pytest
import torch

from tests.core.engine.test_networks import loaded
from tumordiff_core.engine import denoise
from tumordiff_core.engine.denoise import NoiseLevel
from tumordiff_core.errors import ModelError, Stopped
from tumordiff_core.progress import Progress

STACK = np.random.default_rng(0).random((3, 40, 48), dtype=np.float32)


class Answering(torch.nn.Module):
    """Answers what a function makes of the noisy slice."""

    multiple = 8

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, condition):
        return self.answer(x[:, :1])


def run(answer, progress=None):
    return denoise.denoise_stack(
        loaded(network=Answering(answer)), STACK, NoiseLevel(0.1), progress=progress or Progress()
    )


def broken(x):
    raise ValueError("a layer is missing")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (broken, "model.raised"),
        (lambda x: torch.full_like(x, torch.nan), "model.not_numbers"),
        (lambda x: torch.where(x > 1e9, x, torch.inf), "model.not_numbers"),
        (lambda x: x[..., ::2, ::2], "model.other_shape"),
        (lambda x: x.repeat(1, 2, 1, 1), "model.other_shape"),
        (lambda x: x[0, 0], "model.other_shape"),
        (lambda x: None, "model.other_shape"),
    ],
    ids=["raises", "nan", "infinite", "half as large", "two channels", "one slice", "nothing"],
)
def test_nonsense_ends_in_a_sentence(answer, code):
    with pytest.raises(ModelError) as refused:
        run(answer)
    assert refused.value.code == code
    assert "choose another model" in refused.value.sentence


def test_a_network_without_enough_memory_goes_on_with_less():
    asked = []

    def hungry(x):
        asked.append(len(x))
        if len(x) > 1:
            raise RuntimeError("out of memory")
        return torch.zeros_like(x)

    assert np.isfinite(run(hungry)).all()
    assert asked[-1] == 1


def test_being_stopped_is_no_fault_of_the_network():
    class Stopping(Progress):
        def advance(self, count=1):
            raise Stopped

    with pytest.raises(Stopped):
        run(torch.zeros_like, Stopping())
