"""A model folder is checked before it is trusted; installing copies it whole, removing leaves shipped ones alone."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tumordiff_core import model_cards, paths
from tumordiff_core.errors import InputError, ModelError

WEIGHTS = b"weights of nothing"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and nothing shipped but ``shipped-1``."""
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(paths, "resources", lambda: tmp_path / "resources")
    made(tmp_path / "resources" / "models" / "shipped-1", name="shipped-1")
    return tmp_path / "home"


def made(folder: Path, **changes: Any) -> Path:
    """A model folder that is one."""
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(WEIGHTS)
    card = {
        "format": 1, "name": folder.name, "version": "1", "architecture": {"family": "edm-unet"},
        "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(), "parameters": 1, "sigma_range": [0.01, 0.3],
        "sigma_data": 0.2, "training_data": {}, "licence": "Apache-2.0", "failure_cases": [], "intended_use": "tests",
        **changes,
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps({key: value for key, value in card.items() if value is not None}))
    return folder


def test_a_model_is_found_by_name_or_folder(tmp_path: Path):
    folder = made(tmp_path / "mine")
    assert model_cards.find(str(folder)).card.name == "mine"
    assert model_cards.find("shipped-1").weights.read_bytes() == WEIGHTS
    with pytest.raises(ModelError) as unknown:
        model_cards.find("mine")
    assert unknown.value.code == "model.unknown" and "shipped-1" in unknown.value.sentence


@pytest.mark.parametrize("name", ["", ".", "..", "../models/shipped-1/.."])
def test_a_name_that_is_a_way_out_finds_nothing(name: str):
    with pytest.raises(ModelError):
        model_cards.find(name)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"licence": None}, "(its card lacks licence)"), ({"format": 99}, "not readable"),
        ({"sigma_range": "x"}, "(sigma_range in its card cannot be used)"),
        ({"rims": {"name": "../x", "weights_sha256": ""}}, "(rims.name in its card cannot be used)"),
        ({"rims": {"name": "x"}}, "(its card lacks rims.weights_sha256)"),
        ({"rims": {"name": "mine", "weights_sha256": ""}}, "(its card says that it needs itself)"),
    ],
)  # fmt: skip
def test_a_card_that_is_none_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str):
    with pytest.raises(ModelError) as wrong:
        model_cards.read(made(tmp_path / "mine", **changes))
    assert wrong.value.code == "model.not_one" and reason in wrong.value.sentence


def test_missing_and_changed_weights_are_refused(tmp_path: Path):
    folder = made(tmp_path / "mine")
    (folder / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError) as changed:
        model_cards.read(folder)
    assert changed.value.code == "model.wrong_hash"
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError) as missing:
        model_cards.read(folder)
    assert missing.value.code == "model.not_one"


def test_what_is_wrong_is_listed_beside_what_is_right():
    made(paths.models() / "broken", licence=None)
    made(paths.models() / "mine")
    (paths.models() / "a-file").write_text("x")
    found, wrong = model_cards.all_models()
    assert [model.card.name for model in found] == ["mine", "shipped-1"]
    assert [error.code for error in wrong] == ["model.not_one"]


def test_a_model_is_installed_from_its_folder_or_from_a_training_result(tmp_path: Path):
    made(tmp_path / "result" / "model" / "trained")
    assert [model.folder for model in model_cards.install(tmp_path / "result")] == [paths.models() / "trained"]
    assert [model.card.name for model in model_cards.install(made(tmp_path / "mine"))] == ["mine"]
    assert [model.card.name for model in model_cards.all_models()[0]] == ["mine", "shipped-1", "trained"]
    with pytest.raises(InputError) as twice:
        model_cards.install(tmp_path / "mine")
    assert twice.value.code == "files.exists"


def test_all_models_of_a_recipe_are_installed_or_none(tmp_path: Path):
    for name in ("trained", "trained-white"):
        made(tmp_path / "result" / "model" / name)
    taken = model_cards.install(made(tmp_path / "trained-white"))[0].folder
    with pytest.raises(InputError) as refused:
        model_cards.install(tmp_path / "result")
    assert refused.value.code == "files.exists" and not (paths.models() / "trained").exists()
    shutil.rmtree(taken)
    assert [model.card.name for model in model_cards.install(tmp_path / "result")] == ["trained", "trained-white"]


def test_what_is_no_model_is_not_installed(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", made(tmp_path / "escape", name="../../escape")):
        with pytest.raises(ModelError):
            model_cards.install(folder)
    assert not paths.models().exists()


def test_only_a_model_of_ones_own_is_removed(tmp_path: Path):
    model_cards.install(made(tmp_path / "mine"))
    model_cards.remove("mine")
    assert not (paths.models() / "mine").exists()
    with pytest.raises(ModelError) as shipped:
        model_cards.remove("shipped-1")
    assert shipped.value.code == "model.shipped"
    with pytest.raises(ModelError) as unknown:
        model_cards.remove("mine")
    assert unknown.value.code == "model.unknown"


SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.mark.parametrize(
    ("use", "sha256"), [("rims", "0" * 64), ("rims", SHA256), ("white_noise", "0" * 64), ("white_noise", SHA256)]
)
def test_no_card_hides_what_is_shipped(use: str, sha256: str):
    made(paths.models() / "mine", **{use: {"name": "shipped-1", "weights_sha256": sha256}})
    own = model_cards.on_their_own(model_cards.all_models()[0])
    assert [model.card.name for model in own] == ["mine", "shipped-1"]


@pytest.mark.parametrize(
    ("task", "sha256", "listed"),
    [("denoise", SHA256, ["mine"]), ("denoise", "0" * 64, ["mine", "white"]), ("other", "0" * 64, ["mine"])],
)
def test_a_model_is_not_listed_that_serves_another_or_another_task(task: str, sha256: str, listed: list[str]):
    made(paths.models() / "mine", white_noise={"name": "white", "weights_sha256": sha256})
    made(paths.models() / "white", task=task)
    own = model_cards.on_their_own(model_cards.all_models()[0])
    assert [model.card.name for model in own if model.card.name != "shipped-1"] == listed


def test_a_card_that_needs_itself_can_be_removed():
    made(paths.models() / "mine", rims={"name": "mine", "weights_sha256": SHA256})
    assert [error.code for error in model_cards.all_models()[1]] == ["model.not_one"]
    model_cards.remove("mine")
    assert not (paths.models() / "mine").exists()


def test_of_two_that_need_each_other_either_is_removed():
    for name, other in (("one", "two"), ("two", "one")):
        made(paths.models() / name, white_noise={"name": other, "weights_sha256": SHA256})
    model_cards.remove("one")
    model_cards.remove("two")
    assert not list(paths.models().iterdir())


@pytest.mark.parametrize("way", ["installed before", "beside it", "shipped"])
def test_rims_are_given_back_by_a_model_for_rims_alone(tmp_path: Path, way: str):
    place = tmp_path / "result" / "model"
    name = "shipped-1" if way == "shipped" else "other"
    made(place / "mine", rims={"name": name, "weights_sha256": SHA256})
    if way == "beside it":
        made(place / "other")
    elif way == "installed before":
        model_cards.install(made(tmp_path / "other"))
    with pytest.raises(ModelError) as refused:
        model_cards.install(tmp_path / "result")
    assert refused.value.code == "model.companion_task" and not (paths.models() / "mine").exists()
    assert refused.value.sentence.startswith(f"mine is served by {name}, a model of the task denoise; one of the task")


@pytest.mark.parametrize("name", ["", ".", "..", "../models", ".hidden", "../../resources/models/shipped-1"])
def test_a_name_that_is_a_way_out_removes_nothing(tmp_path: Path, name: str):
    made(paths.models() / "mine")
    made(paths.models() / ".hidden")
    with pytest.raises(ModelError):
        model_cards.remove(name)
    assert sorted(folder.name for folder in paths.models().iterdir()) == [".hidden", "mine"]
    assert (tmp_path / "resources" / "models" / "shipped-1" / "card.json").is_file()
