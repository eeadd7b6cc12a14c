"""Models that need others: a shipped one made again and given back, one whose user is gone, and weights of no use."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.core.training.test_datasets import pack
from tests.generators import tiny_model
from tumordiff_core import files, model_cards, paths
from tumordiff_core.engine import rims, weights
from tumordiff_core.errors import ModelError
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.result_folder import open_result

SHORT = ("--sigma", "5", "--no-uncertainty", "--no-alarms", "--no-explanation", "--yes", "--json")


def told(folder: Path, **changes: Any) -> model_cards.Model:
    """The model of a folder, with other things on its card."""
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))
    return model_cards.read(folder)


def denoiser_with_rims(place: Path, name: str, seed: int) -> model_cards.Model:
    """An untrained denoiser, and beside it a small network of drawn weights that gives it rims back."""
    torch.manual_seed(seed)
    arguments = {"width": 4, "dilations": [1]}
    network = rims.RimNetwork(rims.RimArguments.model_validate(arguments))
    denoiser = tiny_model.make(place, name)
    card = model_cards.read(denoiser).card.model_dump(mode="json")
    card |= {"name": f"{name}-rims", "task": "rims", "architecture": {"family": rims.FAMILY, "arguments": arguments}}
    weights.save(place / f"{name}-rims", network, card)
    beside = model_cards.read(place / f"{name}-rims").card
    return told(denoiser, rims={"name": beside.name, "weights_sha256": beside.weights_sha256})


@pytest.fixture
def shipped(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> model_cards.Model:
    """``pair-6`` and its ``pair-6-rims``, and nothing else, as what is shipped."""
    monkeypatch.setattr(paths, "resources", lambda: tmp_path / "resources")
    return denoiser_with_rims(tmp_path / "resources" / "models", "pair-6", 1)


@pytest.fixture
def phases(tmp_path: Path) -> Path:
    np.save(tmp_path / "phases.npy", np.random.default_rng(0).uniform(50, 100, (2, 3, 48, 48)))
    return tmp_path / "phases.npy"


def result_of(place: Path, name: str, seed: int) -> Path:
    """What `tumordiff models rims` leaves."""
    denoiser_with_rims(place / "model", name, seed)
    (place / "result.json").write_text("{}")
    return place


def rims_used(tumordiff, phases: Path, tmp_path: Path) -> str:
    """Which weights gave rims back in a result of ``pair-6``."""
    out = tmp_path / f"out-{len(jobs.list_jobs())}.npy"
    said = tumordiff("denoise", phases, "--out", out, "--model", "pair-6", *SHORT)
    assert said.code == 0, said.err
    used = open_result(jobs.find_job(said.record["job"]) / "result").record.model["rims"]
    assert used["name"] == "pair-6-rims"
    return str(used["weights_sha256"])


def test_a_shipped_model_that_was_made_again_can_be_given_back(tumordiff, shipped, phases: Path, tmp_path: Path):
    assert rims_used(tumordiff, phases, tmp_path) == shipped.card.rims.weights_sha256
    again = result_of(tmp_path / "again", "pair-6", 2)
    assert tumordiff("models", "install", again).out == "pair-6, pair-6-rims: installed\n"
    own = model_cards.find("pair-6").card.rims.weights_sha256
    assert rims_used(tumordiff, phases, tmp_path) == own != shipped.card.rims.weights_sha256
    refused = tumordiff("models", "remove", "pair-6-rims", "--json")
    assert refused.record["sentence"].startswith("pair-6 needs pair-6-rims;")
    assert tumordiff("models", "remove", "pair-6").out == "pair-6: removed\n"
    assert rims_used(tumordiff, phases, tmp_path) == shipped.card.rims.weights_sha256
    assert tumordiff("models", "remove", "pair-6-rims").out == "pair-6-rims: removed\n"
    assert rims_used(tumordiff, phases, tmp_path) == shipped.card.rims.weights_sha256
    for name in ("pair-6", "pair-6-rims"):
        assert tumordiff("models", "remove", name, "--json").record["code"] == "model.shipped"


def test_a_copy_of_what_is_shipped_may_go_though_it_is_needed(tumordiff, shipped):
    assert tumordiff("models", "install", shipped.folder.parent / "pair-6-rims").code == 0
    assert model_cards.find("pair-6-rims").folder.parent == paths.models()
    assert tumordiff("models", "remove", "pair-6-rims").code == 0
    assert weights.load(model_cards.find("pair-6")).rims is not None


def test_a_broken_model_of_that_name_is_in_nobodys_way_and_can_be_removed(tumordiff, shipped):
    for name, spoilt in (("pair-6-rims", "weights.safetensors"), ("other", "card.json")):
        (paths.models() / name).mkdir(parents=True)
        (paths.models() / name / "card.json").write_bytes((shipped.folder / "card.json").read_bytes())
        (paths.models() / name / spoilt).write_text("{")
    assert weights.load(model_cards.find("pair-6")).rims is not None
    for name in ("pair-6-rims", "other"):
        assert tumordiff("models", "remove", name).out == f"{name}: removed\n"
    (paths.models() / "notes").mkdir()
    assert tumordiff("models", "remove", "notes").code == 1
    assert (paths.models() / "notes").is_dir(), "what does not look like a model is not removed as one"


def test_rims_whose_denoiser_is_gone_are_no_denoiser(tumordiff, shipped, phases: Path, tmp_path: Path):
    assert tumordiff("models", "install", result_of(tmp_path / "made", "kept", 2)).code == 0
    assert tumordiff("models", "remove", "kept").code == 0
    assert [model.card.name for model in model_cards.on_their_own(model_cards.all_models()[0])] == ["pair-6"]
    data = pack(tmp_path / "pack.npz", patients=("A", "B", "C"), side=96)
    said = tumordiff("evaluate", "denoise", "--references", data, "--level", "0.1", "--json")
    assert said.code == 0, said.err
    methods = {row["method"] for row in said.record["summary"]}
    assert {"pair-6", "pair-6 blind"} <= methods and not any("rims" in method for method in methods)


@pytest.mark.parametrize("verb", ["denoise", "evaluate", "pair", "average"])
def test_rims_where_a_denoiser_was_expected_are_one_sentence(
    tumordiff, shipped, phases: Path, tmp_path: Path, verb: str
):
    asked = {
        "denoise": ("denoise", phases, "--out", tmp_path / "out.npy", "--model", "pair-6-rims", *SHORT),
        "evaluate": ("evaluate", "denoise", "--references", pack(tmp_path / "pack.npz", side=96), "--model",
                     "pair-6-rims", "--json"),
        "pair": ("models", "pair", "pair-6-rims", "pair-6-rims", "--name", "both", "--json"),
        "average": ("models", "average", "pair-6-rims", "pair-6-rims", "--name", "both", "--json"),
    }  # fmt: skip
    refused = tumordiff(*asked[verb])
    assert (refused.code, refused.record["code"]) == (1, "model.other_task")
    assert refused.record["sentence"].startswith("pair-6-rims is a model of the task rims; one of the task denoise was")
    assert not (paths.models() / "both").exists()


def test_a_pair_has_no_rims_for_they_know_the_general_weights_alone(tumordiff, shipped):
    tiny_model.make(paths.models(), "white")
    assert tumordiff("models", "pair", "pair-6", "white", "--name", "both").out == "both: made\n"
    both = model_cards.find("both").card
    assert both.rims is None and both.white_noise.name == "white"


def test_a_pair_is_not_called_as_what_it_needs(tumordiff, shipped, tmp_path: Path):
    white = tiny_model.make(tmp_path / "resources" / "models", "white")
    refused = tumordiff("models", "pair", "pair-6", "white", "--name", "white", "--json")
    assert (refused.code, refused.record["code"]) == (1, "files.exists")
    assert model_cards.find("white").folder == white


def test_a_companion_with_other_weights_is_told_from_one_that_is_missing(tumordiff, shipped, tmp_path: Path):
    made = denoiser_with_rims(tmp_path / "made", "kept", 2)
    missing = tumordiff("models", "install", made.folder, "--json").record
    assert (missing["code"], missing["sentence"]) == (
        "model.no_companion",
        "kept needs kept-rims, which is not installed; the model that serves it was expected; install kept-rims first.",
    )
    named = told(made.folder, rims={"name": "pair-6-rims", "weights_sha256": made.card.rims.weights_sha256})
    other = tumordiff("models", "install", named.folder, "--json").record
    assert other["code"] == "model.other_companion"
    assert other["sentence"].startswith("kept needs pair-6-rims with other weights than the installed one has;")
    assert not paths.models().exists()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("spoilt", ["pair-6", "pair-6-rims"])
def test_weights_that_are_no_numbers_are_refused(tumordiff, shipped, phases: Path, tmp_path: Path, spoilt: str, value):
    place = shipped.folder.parent
    tensors = load_file(place / spoilt / "weights.safetensors")
    next(iter(tensors.values())).view(-1)[0] = value
    save_file(tensors, place / spoilt / "weights.safetensors")
    sha256 = files.sha256(place / spoilt / "weights.safetensors")
    told(place / spoilt, weights_sha256=sha256)
    if spoilt == "pair-6-rims":
        told(shipped.folder, rims={"name": spoilt, "weights_sha256": sha256})
    refused = tumordiff("denoise", phases, "--out", tmp_path / "out.npy", *SHORT)
    assert (refused.code, refused.record["code"]) == (1, "model.not_finite")
    assert spoilt in refused.record["sentence"]
    if spoilt == "pair-6":
        refused = tumordiff("models", "average", "pair-6", "pair-6", "--name", "both", "--json")
        assert refused.record["code"] == "model.not_finite"


def test_white_weights_of_another_task_are_refused(tumordiff, shipped, tmp_path: Path):
    other = told(tiny_model.make(tmp_path / "resources" / "models", "other"), task="segment")
    needs = {"name": "other", "weights_sha256": other.card.weights_sha256}
    card = told(shipped.folder, white_noise=needs)
    with pytest.raises(ModelError) as refused:
        weights.load(card)
    assert refused.value.code == "model.companion_task"


def test_the_help_names_rims_and_where_models_come_from(tumordiff):
    listed = " ".join(tumordiff("models", "--help").out.split())
    assert "average, pair, give rims to" in listed
    assert "models rims" in " ".join(tumordiff("models", "install", "--help").out.split())
