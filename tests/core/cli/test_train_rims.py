"""`tumordiff models rims`: a network for rims beside a denoiser, installed with it, used by it and told of."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.core.training.test_fit import pack
from tests.generators import tiny_model
from tumordiff_core import model_cards, paths
from tumordiff_core.dicom.derived import Options, derivation_text
from tumordiff_core.engine import weights
from tumordiff_core.errors import ModelError
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.jobs import start, worker
from tumordiff_core.result_folder import open_result
from tumordiff_core.training import rims

SHORT = ("--steps", "3", "--batch", "2", "--crop", "32", "--simulated", "1")


@pytest.fixture
def taught(home: Path, tmp_path: Path, tumordiff) -> Path:
    """The job that taught rims to a tiny denoiser."""
    tiny_model.make(paths.models())
    said = tumordiff("models", "rims", "tiny", pack(tmp_path / "pack.npz", side=96), "--name", "kept", *SHORT)
    assert said.code == 0, said.err
    assert said.out == "models: kept, kept-rims\n"
    return jobs.list_jobs()[-1]


def test_both_models_are_left_installed_together_and_only_the_denoiser_is_offered(taught, tumordiff):
    assert tumordiff("models", "install", taught).out == "kept, kept-rims: installed\n"
    found, wrong = model_cards.all_models()
    assert not wrong
    own = {model.card.name for model in model_cards.on_their_own(found)}
    assert {"kept", "tiny"} <= own and "kept-rims" not in own
    kept = model_cards.find("kept")
    assert kept.weights.read_bytes() == model_cards.find("tiny").weights.read_bytes()
    loaded = weights.load(kept)
    assert loaded.rims is not None and loaded.rims.name == "kept-rims"
    assert model_cards.find("kept-rims").card.training_data["patients"]["train"] == ["A"]
    refused = tumordiff("models", "remove", "kept-rims", "--json")
    assert (refused.code, refused.record["code"]) == (1, "model.needed")


def test_both_cards_say_what_was_learned_from_and_nothing_of_where_it_lay(home, tmp_path: Path, tumordiff):
    place = tiny_model.make(tmp_path / "elsewhere")
    card = json.loads((place / "card.json").read_text())
    card["training_data"] = {"name": "other", "patients": {"train": ["T"], "val": [], "test": ["A", "U"]}}
    card["figures"] = [{"name": "PSNR", "value": 1.0}]
    (place / "card.json").write_text(json.dumps(card))
    said = tumordiff("models", "rims", place, pack(tmp_path / "pack.npz", side=96), "--name", "kept", *SHORT)
    assert said.code == 0, said.err
    result = jobs.list_jobs()[-1] / "result"
    both = [json.loads((result / "model" / name / "card.json").read_text()) for name in ("kept", "kept-rims")]
    denoiser, for_rims = both
    assert denoiser["training_data"]["patients"] == {"train": ["A", "T"], "val": ["B"], "test": ["C", "U"]}
    assert denoiser["figures"] == [], "nobody has evaluated it with its rims"
    assert denoiser["made_with"]["command"] == for_rims["made_with"]["command"] == "tumordiff models rims"
    assert for_rims["training_data"]["simulated"] == 1
    assert for_rims["sigma_range"] == [0.007, 0.2]
    for told in (*map(json.dumps, both), open_result(result).record.model_dump_json()):
        assert str(tmp_path) not in told


def test_a_result_of_phases_and_its_header_say_which_weights_gave_rims_back(taught, tumordiff, tmp_path: Path):
    tumordiff("models", "install", taught)
    values = np.random.default_rng(0).uniform(50, 100, (2, 3, 48, 48))
    cases = {"asked": (values, True, True), "not asked": (values, False, False), "one phase": (values[0], True, False)}
    for name, (phases, asked, wanted) in cases.items():
        np.save(tmp_path / f"{name}.npy", phases)
        params = {"input": str(tmp_path / f"{name}.npy"), "model": "kept", "sigma": 5.0, "rims": asked}
        folder = jobs.new_job("denoise", {**params, "explanation": False, "uncertainty": False})
        assert worker.main(folder) == 0, jobs.failure(folder)
        record = open_result(folder / "result").record
        assert record.figures["rims"] is wanted
        assert ("kept-rims, SHA-256" in derivation_text(record, Options())) is wanted
        assert ("rims" in record.model) is wanted


def test_without_its_rims_a_denoiser_is_not_used(taught, tumordiff):
    tumordiff("models", "install", taught)
    shutil.rmtree(paths.models() / "kept-rims")
    with pytest.raises(ModelError, match="kept needs kept-rims, which is not installed"):
        weights.load(model_cards.find("kept"))


@pytest.mark.parametrize("spoilt", [{"family": "edm-unet"}, {"family": "rims", "arguments": {"width": 5000}}])
def test_a_card_that_names_no_rims_as_such_is_refused(taught, tumordiff, spoilt):
    tumordiff("models", "install", taught)
    place = paths.models() / "kept-rims" / "card.json"
    card = json.loads(place.read_text())
    card["architecture"] = spoilt
    place.write_text(json.dumps(card))
    with pytest.raises(ModelError, match="kept-rims"):
        weights.load(model_cards.find("kept"))


def test_a_denoiser_for_rims_is_no_denoiser_and_the_papers_has_none_to_learn(taught, tumordiff, tmp_path: Path):
    tumordiff("models", "install", taught)
    with pytest.raises(ModelError, match="rims"):
        weights.load(model_cards.find("kept-rims"))
    refused = tumordiff("models", "rims", "paper-1", tmp_path / "pack.npz", "--name", "n", "--json")
    assert (refused.code, refused.record["code"]) == (1, "model.no_rims")


def test_a_name_of_weights_that_it_needs_is_refused_before_anything_is_learned(home, tmp_path: Path, tumordiff):
    refused = tumordiff("models", "rims", "pair-6", tmp_path / "pack.npz", "--name", "small-6-white", "--json")
    assert (refused.code, refused.record["code"]) == (1, "files.exists")


def test_it_goes_on_where_it_was_stopped(home: Path, tmp_path: Path, tumordiff, monkeypatch: pytest.MonkeyPatch):
    tiny_model.make(paths.models())
    params = {"model": "tiny", "data": str(pack(tmp_path / "pack.npz", side=96)), "name": "kept", "steps": 3}
    job = jobs.new_job("rims", {**params, "batch": 3, "crop": 32, "simulated": 1})
    learned = []

    def learn(state, *rest):
        learned.append(state.step)
        known(state, *rest)
        if len(learned) == 2:
            start.stop(job, "step")

    known = rims._learn
    monkeypatch.setattr(rims, "_learn", learn)
    monkeypatch.setattr(worker, "STOP_LOOK_EVERY_S", 0.0)
    assert worker.main(job) != 0
    assert jobs.state(job) == "stopped"
    other = tumordiff("models", "rims", "pair-6", "--name", "kept", "--resume", "--json")
    assert other.code == 2 and "begun for tiny, not pair-6" in other.record["sentence"].lower()
    said = tumordiff("models", "rims", "--name", "kept", "--resume")
    assert said.code == 0, said.err
    assert learned == [0, 1, 2]
    assert len(model_cards.left_in(job / "result")) == 2
