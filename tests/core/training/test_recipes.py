"""A chain of trainings told in a file: followed in order, resumed where it was left, refused in a sentence."""

import json

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from tests.core.training.test_datasets import pack
from tumordiff_core import model_cards
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.jobs import events, folder, start, worker
from tumordiff_core.progress import Progress
from tumordiff_core.tasks.train import TrainParams
from tumordiff_core.training import recipes

SHORT = {"steps": 2, "batch": 2, "crop": 32, "arguments": {"widths": [24, 24], "blocks": 1}}
STAGES = [
    {"name": "a", "train": {"epochs": 1, **SHORT}},
    {"name": "b", "from": "a", "train": {"epochs": 2, "seed": 1, **SHORT}},
    {"name": "ab", "mean_of": ["a", "b"]},
    {"name": "c", "from": "ab", "train": {"epochs": 1, "shares": {"white": 1}, "lowest": 0.02, **SHORT}},
]
RECIPE = {"format": 1, "title": "Two and their mean", "stages": STAGES, "kept": {"": "ab", "-white": "c"}}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    return tmp_path


def written(here, recipe):
    (here / "chain.json").write_text(json.dumps(recipe))
    return str(here / "chain.json")


def job_of(here, recipe=RECIPE, **changes):
    data = pack(here / "pack.npz", side=96)
    told = {"data": str(data), "name": "mine", "threads": 1, "recipe": written(here, recipe), **changes}
    return folder.new_job("train", told)


class StopsAt(Progress):
    """Asks the job to stop at the first checkpoint of a stage."""

    def __init__(self, job, stage):
        super().__init__()
        self._job, self._stage, self.seen = job, stage, []

    def emit(self, kind, fields):
        if kind == "checkpoint":
            self.seen.append(fields["file"])
            if self._stage and f"/.states/{self._stage}/" in fields["file"]:
                start.stop(self._job, "epoch")


def test_every_stage_is_done_in_order_and_the_kept_ones_are_models(here):
    job = job_of(here)
    assert worker.main(job) == 0
    made = job / "result" / "model"
    assert sorted(place.name for place in made.iterdir()) == ["mine", "mine-white"]
    mean, white = (model_cards.read(made / name) for name in ("mine", "mine-white"))
    assert (mean.card.name, white.card.name) == ("mine", "mine-white")
    assert white.card.sigma_range[0] == 0.02
    assert white.card.training_data["patients"]["train"] == ["A"]
    assert [stage["name"] for stage in white.card.made_with["stages"]] == ["a", "b", "ab", "c"]
    parts = [load_file(job / "checkpoints" / name / "weights.safetensors") for name in ("a", "b")]
    for key, value in load_file(mean.weights).items():
        torch.testing.assert_close(value.float(), (parts[0][key] + parts[1][key]).float() / 2, atol=2e-3, rtol=2e-3)
    told = events.read_all(job)
    assert [e["step"] for e in told if e["kind"] == "metric" and e["name"] == "loss"] == [1, 2, 3, 4]
    assert {"train (a, 1 of 4)", "train (b, 2 of 4)", "train (c, 4 of 4)"} <= {e.get("stage") for e in told}


def test_a_stopped_chain_goes_on_where_it_was_left_and_does_nothing_twice(here, monkeypatch):
    # An epoch of two steps may pass between two looks for a stop.
    monkeypatch.setattr(worker, "STOP_LOOK_EVERY_S", 0)
    job = job_of(here)
    assert worker.main(job, echo=StopsAt(job, "b")) == 130
    assert folder.state(job) == "stopped" and not (job / "result").exists()
    first = (job / "checkpoints" / "a" / "weights.safetensors").stat().st_mtime_ns
    start.make_startable(job)
    watched = StopsAt(job, "")
    assert worker.main(job, echo=watched) == 0
    assert (job / "checkpoints" / "a" / "weights.safetensors").stat().st_mtime_ns == first
    assert watched.seen == ["checkpoints/.states/b/last.ckpt", "checkpoints/.states/c/last.ckpt"]
    assert [e["step"] for e in events.read_all(job) if e["kind"] == "metric" and e["name"] == "loss"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stages": [STAGES[1]], "kept": {"": "b"}}, "a before b"),
        ({"stages": [STAGES[0], STAGES[0]], "kept": {"": "a"}}, "one stage called a"),
        ({"stages": [STAGES[0], {"name": "A", "from": "a", "train": {}}], "kept": {"": "a"}}, "one stage called A"),
        ({"stages": [{"name": "a"}], "kept": {"": "a"}}, "either train or mean_of"),
        ({"stages": [{"name": "../a", "train": {}}], "kept": {"": "../a"}}, "stages.0.name"),
        ({"kept": {"/../x": "ab"}}, "short ending"),
        ({"kept": {}}, "kept"),
        ({"stages": []}, "stages"),
        ({"run": "rm"}, "run"),
        ({"stages": [{"name": "a", "train": {"epochs": 0}}], "kept": {"": "a"}}, "greater than or equal to 1"),
        ({"stages": [{"name": "a", "train": {"data": "/other"}}], "kept": {"": "a"}}, "data"),
    ],
)
def test_a_broken_recipe_is_refused_before_anything_is_trained(here, change, said):
    job = job_of(here, {**RECIPE, **change})
    assert worker.main(job) == 1
    end = events.read_all(job)[-1]
    assert end["code"] == "recipes.broken" and "chain.json is no recipe" in end["sentence"]
    assert said in end["sentence"]
    assert not any((job / "checkpoints").glob("*")) and not (job / "result").exists()


def test_what_is_no_file_of_ours_is_refused(here):
    (here / "chain.json").write_text("{")
    with pytest.raises(InputError, match=r"chain\.json"):
        recipes.read(str(here / "chain.json"))
    with pytest.raises(MissingError, match="small-6") as refused:
        recipes.read("no-such-recipe")
    assert refused.value.code == "recipes.unknown"
    with pytest.raises(MissingError):
        recipes.read(str(here / "missing.json"))
    (here / "chain.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="chain"):
        recipes.read(str(here / "chain.json"))
    with pytest.raises(InputError, match="no file"):
        recipes.read(str(here))


def test_a_chain_edited_after_its_first_stage_goes_on_as_it_began(here):
    job = job_of(here)
    assert worker.main(job, echo=StopsAt(job, "b")) == 130
    written(here, {**RECIPE, "stages": [{**STAGES[0], "train": {"epochs": 3, **SHORT}}, *STAGES[1:]]})
    start.make_startable(job)
    assert worker.main(job) == 0
    card = model_cards.read(job / "result" / "model" / "mine").card
    assert card.made_with["stages"][0]["train"]["epochs"] == 1
    assert str(here) not in card.model_dump_json()


def test_a_stage_may_learn_from_its_own_mean(here):
    stages = [STAGES[0], {"name": "b", "from": "a", "train": {"epochs": 1, "own_mean": 0.5, **SHORT}}]
    job = job_of(here, {**RECIPE, "stages": stages, "kept": {"": "b"}})
    assert worker.main(job) == 0, folder.failure(job)


def test_a_name_that_nobody_could_install_is_refused_before_training(here):
    job = job_of(here, {**RECIPE, "kept": {"-a-long-ending": "ab"}}, name="n" * 40)
    assert worker.main(job) == 1
    assert "41 signs" in folder.failure(job) and not any((job / "checkpoints").glob("*"))


def test_a_recipe_alone_says_how_its_trainings_are_done():
    assert TrainParams(recipe="small-6", threads=2, graphed=True, name="x").recipe
    with pytest.raises(ValidationError, match="no epochs, shares beside a recipe"):
        TrainParams(recipe="small-6", epochs=3, shares={"white": 1})


@pytest.mark.parametrize("name", recipes.shipped())
def test_a_shipped_recipe_is_one_and_its_trainings_are_as_the_form_takes_them(name):
    recipe = recipes.read(name)
    assert all(TrainParams(**stage.train) for stage in recipe.stages if stage.train is not None)
