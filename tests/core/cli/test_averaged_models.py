"""The mean of several models' weights, as a model folder of its own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.generators import tiny_model
from tumordiff_core import model_cards, paths
from tumordiff_core.engine import weights


def made(folder: Path, name: str, seed: int, arguments=tiny_model.ARGUMENTS, **told) -> model_cards.Model:
    """A tiny model among the user's own, with weights of its own."""
    torch.manual_seed(seed)
    card = model_cards.read(tiny_model.make(folder, name)).card.model_dump(mode="json")
    card |= {"architecture": {"family": tiny_model.FAMILY, "arguments": arguments}, "made_with": {"seed": seed}, **told}
    torch.manual_seed(seed)
    weights.save(folder / name, weights.build(tiny_model.FAMILY, arguments), card)
    return model_cards.install(folder / name)[0]


@pytest.fixture
def two(tmp_path: Path) -> list[model_cards.Model]:
    return [made(tmp_path, "first", 1), made(tmp_path, "second", 2)]


def test_every_weight_is_the_mean_and_the_card_tells_of_both(tumordiff, two) -> None:
    assert tumordiff("models", "average", "first", "second", "--name", "both").out == "both: made\n"
    found = model_cards.find("both")
    states = [load_file(model.weights) for model in (*two, found)]
    for key, value in states[2].items():
        torch.testing.assert_close(value.float(), (states[0][key] + states[1][key]) / 2, atol=1e-3, rtol=1e-3)
    assert [one["name"] for one in found.card.made_with["of"]] == ["first", "second"]
    assert [one["seed"] for one in found.card.made_with["of"]] == [1, 2]
    assert found.card.figures == []


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["first", "--name", "both"], 2, "two or more"),
        (["first", "second", "--name", "../both"], 2, "plain word"),
        (["first", "third", "--name", "both"], 1, "No model is called third"),
        (["first", "second", "--name", "first"], 1, "first"),
    ],
)
def test_what_cannot_be_averaged_is_refused_in_a_sentence(tumordiff, two, given, code, said) -> None:
    refused = tumordiff("models", "average", *given)
    assert refused.code == code
    assert said.lower() in refused.err.lower()
    assert not (paths.models() / "both").exists()


@pytest.mark.parametrize(
    "told", [{"arguments": {"widths": [24, 24], "blocks": 1}}, {"sigma_data": 0.5}, {"joint_phases": True}]
)
def test_another_network_is_refused(tumordiff, two, tmp_path: Path, told) -> None:
    made(tmp_path, "other", 3, **told)
    refused = tumordiff("models", "average", "first", "other", "--name", "both", "--json")
    assert refused.record["code"] == "model.other_network"
    assert refused.code == 1


def test_who_was_trained_on_by_one_is_judged_on_by_none(tumordiff, tmp_path: Path) -> None:
    made(tmp_path, "a", 1, training_data={"patients": {"train": ["P1"], "test": ["P2", "P3"]}}, sigma_range=(0.01, 0.2))
    made(tmp_path, "b", 2, training_data={"patients": {"train": ["P2"], "val": ["P3"]}}, sigma_range=(0.02, 0.3))
    assert tumordiff("models", "average", "a", "b", "--name", "both").code == 0
    card = model_cards.find("both").card
    assert card.training_data["patients"] == {"train": ["P1", "P2"], "val": ["P3"], "test": []}
    assert card.sigma_range == (0.02, 0.2)
