"""Weights of their own for white noise: how they are paired, when they serve, and what a result says of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.generators import tiny_model
from tumordiff_core import files, model_cards, paths
from tumordiff_core.dicom.derived import Options, derivation_text
from tumordiff_core.engine import denoise, weights
from tumordiff_core.engine.denoise import NoiseLevel
from tumordiff_core.engine.white_noise import GRAINS, WhiteNoise
from tumordiff_core.errors import ModelError
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.jobs import worker
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import open_result

LOWEST = 0.02
WHITE, HALF, COLOURED = (0.01, 0.02), (0.1, 0.1), (0.4, 0.3)


def made(folder: Path, name: str, seed: int, arguments=tiny_model.ARGUMENTS, **told) -> model_cards.Model:
    """A tiny model among the user's own, whose every weight is drawn: an untrained one answers almost nothing."""
    card = model_cards.read(tiny_model.make(folder, name)).card.model_dump(mode="json")
    card |= {"architecture": {"family": tiny_model.FAMILY, "arguments": arguments}, **told}
    network = weights.build(tiny_model.FAMILY, arguments)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter))
    weights.save(folder / name, network, card)
    return model_cards.install(folder / name)[0]


@pytest.fixture
def pair(home: Path, tmp_path: Path, tumordiff) -> model_cards.Model:
    made(tmp_path, "general", 1)
    made(tmp_path, "white", 2, sigma_range=(LOWEST, 0.3))
    assert tumordiff("models", "pair", "general", "white", "--name", "both").out == "both: made\n"
    return model_cards.find("both")


def answer(name: str, sigma: float, lag1: tuple[float, float]):
    values = np.random.default_rng(0).uniform(0, 1, (1, 32, 32)).astype(np.float32)
    model = weights.load(model_cards.find(name))
    return denoise.denoise_stack(model, values, NoiseLevel(sigma, lag1), progress=Progress())


@given(
    st.floats(0, 0.3), st.tuples(st.floats(-0.2, 0.9), st.floats(-0.2, 0.9)), st.floats(0, 0.01), st.floats(0, 0.01)
)  # fmt: skip
def test_the_share_of_white_weights_has_no_step_and_falls_with_correlation(sigma, lag1, louder, closer):
    share = WhiteNoise("w", "", torch.nn.Identity(), LOWEST).share
    here = share(sigma, lag1)
    assert 0 <= here <= 1
    further = (lag1[0] + closer, lag1[1] + closer)
    assert share(sigma, further) <= here <= share(sigma + louder / 100, lag1)
    # A correlation that differs by a tenth of the way moves the share by a tenth, and one grain for rounding.
    assert here - share(sigma, further) <= closer / 0.1 + 1 / GRAINS


def test_white_noise_has_its_weights_coloured_and_weak_noise_the_general_ones(pair):
    for sigma, lag1, alone in [(0.1, WHITE, "white"), (0.1, COLOURED, "general"), (0.015, WHITE, "general")]:
        np.testing.assert_array_equal(answer("both", sigma, lag1), answer(alone, sigma, lag1))
    assert not np.array_equal(answer("white", 0.1, WHITE), answer("general", 0.1, WHITE))


def test_half_way_between_serves_the_mean_of_both_weights(pair, tumordiff):
    assert tumordiff("models", "average", "general", "white", "--name", "mean").code == 0
    np.testing.assert_allclose(answer("both", 0.1, HALF), answer("mean", 0.1, HALF), atol=2e-3)
    assert np.abs(answer("mean", 0.1, HALF) - answer("general", 0.1, HALF)).max() > 0.01


def test_a_mean_of_pairs_is_no_pair(pair, tumordiff):
    assert tumordiff("models", "average", "both", "white", "--name", "mean").code == 0
    assert model_cards.find("mean").card.white_noise is None


def test_a_pair_says_what_it_was_made_of_and_is_not_evaluated(pair):
    assert pair.card.white_noise.name == "white"
    assert [one["name"] for one in pair.card.made_with["of"]] == ["general", "white"]
    assert pair.card.figures == []
    assert pair.weights.read_bytes() == model_cards.find("general").weights.read_bytes()


def test_what_makes_no_pair_is_refused_in_a_sentence(pair, tumordiff, tmp_path):
    made(tmp_path, "other", 3, sigma_data=0.5)
    for given_, code, said in [
        (["general", "other", "--name", "c"], "model.other_network", "another network"),
        (["general", "nobody", "--name", "c"], "model.unknown", "nobody"),
        (["general", "white", "--name", "both"], "files.exists", "both"),
    ]:
        refused = tumordiff("models", "pair", *given_, "--json")
        assert (refused.code, refused.record["code"]) == (1, code)
        assert said in refused.record["sentence"]
    assert tumordiff("models", "pair", "general", "white", "--name", "../c").code == 2
    elsewhere = tiny_model.make(tmp_path / "elsewhere", "white")
    refused = tumordiff("models", "pair", "general", str(elsewhere), "--name", "c", "--json")
    assert refused.record["code"] == "model.other_companion"
    assert not (paths.models() / "c").exists()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("gone", "model.no_companion", "both needs white, which is not installed;.* install white first"),
        ("other weights", "model.other_companion", "both needs white with other weights than the installed one has;"),
    ],
)
def test_without_its_very_companion_a_pair_is_neither_used_nor_installed(pair, tumordiff, tmp_path, change, code, said):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in (pair.folder / "card.json", pair.weights):
        (copy / file.name).write_bytes(file.read_bytes())
    model_cards.remove("both")
    model_cards.remove("white")
    if change == "other weights":
        made(tmp_path / "again", "white", 4)
    with pytest.raises(ModelError, match=said):
        weights.load(model_cards.read(copy))
    refused = tumordiff("models", "install", str(copy), "--json")
    assert (refused.code, refused.record["code"]) == (1, code)
    assert not (paths.models() / "both").exists()


def test_a_model_is_not_removed_while_another_needs_it(pair, tumordiff):
    refused = tumordiff("models", "remove", "white", "--json")
    assert (refused.code, refused.record["code"]) == (1, "model.needed")
    assert "both needs white;" in refused.record["sentence"]
    assert model_cards.find("white").weights.is_file()
    for name in ("both", "white"):
        tumordiff("models", "remove", name)
    assert "white" not in {model.card.name for model in model_cards.all_models()[0]}


def test_weights_that_only_serve_another_are_not_offered_by_themselves(pair):
    names = {model.card.name for model in model_cards.on_their_own(model_cards.all_models()[0])}
    assert {"general", "both", "paper-1"} <= names and "white" not in names


def test_a_result_and_its_header_say_which_weights_took_part(pair, tmp_path):
    rng = np.random.default_rng(0)
    image = np.zeros((3, 64, 64))
    image[:, 12:50, 8:50] = 100
    np.save(tmp_path / "white.npy", np.hypot(image + rng.normal(0, 9, image.shape), rng.normal(0, 9, image.shape)))
    params = {"input": str(tmp_path / "white.npy"), "uncertainty": False, "explanation": False}
    told = {}
    for name in ("both", "general"):
        folder = jobs.new_job("denoise", {**params, "model": name})
        assert worker.main(folder) == 0, jobs.failure(folder)
        told[name] = open_result(folder / "result").record
    white = told["both"].model["white_noise"]
    assert (white["name"], white["share"]) == ("white", [1.0])
    assert white["weights_sha256"] == files.sha256(model_cards.find("white").weights)
    assert "white_noise" not in told["general"].model
    text = derivation_text(told["both"], Options())
    assert f"1 per phase of white-noise weights white, SHA-256 {white['weights_sha256']};" in text
    assert text.index(pair.card.weights_sha256) < text.index("white-noise weights")
    assert "white-noise" not in derivation_text(told["general"], Options())


@pytest.mark.parametrize("path", ["/etc", "../white", "a/b", ""])
def test_a_card_cannot_point_to_weights_by_a_path(pair, tumordiff, path):
    card = json.loads((pair.folder / "card.json").read_text())
    card["white_noise"]["name"] = path
    (pair.folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"white_noise\.name in its card cannot be used"):
        model_cards.read(pair.folder)


def test_a_folder_that_lies_where_one_works_is_no_companion(pair, tmp_path, monkeypatch):
    other = tiny_model.make(tmp_path / "here", "white")
    monkeypatch.chdir(other.parent)
    assert model_cards.companions(pair)["white_noise"].folder == paths.models() / "white"


def test_a_card_from_before_there_were_pairs_is_read(pair, tmp_path):
    card = json.loads((model_cards.find("general").folder / "card.json").read_text())
    del card["white_noise"]
    assert model_cards.Card.model_validate(card).white_noise is None
    assert replace(weights.load(model_cards.find("general"))).white is None
