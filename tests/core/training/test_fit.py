"""A short training end to end, as the job it is."""

import json
import sys

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ValidationError

from tests.core.training.test_datasets import pack
from tumordiff_core import model_cards
from tumordiff_core.engine import denoise, weights
from tumordiff_core.errors import ModelError
from tumordiff_core.jobs import events, folder, start, worker
from tumordiff_core.plugins import manager, specs
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.progress import Progress
from tumordiff_core.tasks.train import TrainParams, _card, _plan
from tumordiff_core.training import augment, bank, datasets, fit, module
from tumordiff_core.training.chance import seeded
from tumordiff_core.training.mix import Mix

SHORT = {"epochs": 2, "steps": 3, "batch": 2, "crop": 32, "threads": 1}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    return tmp_path


def train(here, **changes):
    data = pack(here / "pack.npz", side=96)
    arguments = {"width": 4, "levels": 1} if changes.get("preset") == "paper" else {"widths": [24, 24], "blocks": 1}
    return folder.new_job("train", {"data": str(data), "name": "tiny", "arguments": arguments, **SHORT, **changes})


@pytest.mark.parametrize("preset", ["ours", "paper"])
def test_training_tells_its_curves_and_leaves_a_model_that_denoises(here, preset):
    job = train(here, preset=preset)
    assert worker.main(job) == 0
    told = events.read_all(job)
    curves = {e["name"] for e in told if e["kind"] == "metric"}
    assert {"loss", "val_x0", "learning_rate"} <= curves
    model = model_cards.read(job / "result" / "model" / "tiny")
    assert model.card.training_data["patients"] == {"train": ["A"], "val": ["B"], "test": ["C"]}
    image = np.random.default_rng(0).random((2, 40, 40)).astype(np.float32)
    out = denoise.denoise_stack(weights.load(model), image, denoise.NoiseLevel(0.1), progress=Progress())
    assert np.isfinite(out).all()


def test_a_stopped_training_goes_on_from_its_checkpoint(here):
    job = train(here, epochs=4)
    start.stop(job, "epoch")
    claimed = folder.listing(job)
    assert not claimed
    (job / "stop").unlink()

    class StopsAfterTwo(Progress):
        def emit(self, kind, fields):
            if kind == "checkpoint" and fields["step"] == 2:
                start.stop(job, "epoch")

    assert worker.main(job, echo=StopsAfterTwo()) == 130
    assert folder.state(job) == "stopped"
    start.make_startable(job)
    assert worker.main(job) == 0
    epochs = [e["step"] for e in events.read_all(job) if e["kind"] == "metric" and e["name"] == "loss"]
    assert epochs == [1, 2, 3, 4]


def test_an_epoch_that_made_it_worse_is_kept_to_resume_from(here):
    job = train(here, epochs=3, learning_rate=0.5)
    assert worker.main(job) == 0
    best, last = (fit._epochs_done(job / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    assert last == 3
    assert best < 3, "the training was to get worse"


def test_weights_that_do_not_fit_their_card_are_refused(here):
    job = train(here)
    worker.main(job)
    place = job / "result" / "model" / "tiny"
    card = json.loads((place / "card.json").read_text())
    card["architecture"]["arguments"]["widths"] = [24, 48]
    (place / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="do not fit"):
        weights.load(model_cards.read(place))


def test_a_family_nobody_registered_is_named(here):
    with pytest.raises(ModelError, match="family dream-net"):
        weights.build("dream-net", {})


def test_a_model_is_fine_tuned_from_another(here):
    first = train(here)
    assert worker.main(first) == 0
    model_cards.install(first / "result")
    again = train(here, start="tiny", name="tiny-2", epochs=1, learning_rate=1e-7, arguments={})
    assert worker.main(again) == 0
    old, new = (weights.load(model_cards.read(place)) for place in (
        first / "result" / "model" / "tiny", again / "result" / "model" / "tiny-2"
    ))  # fmt: skip
    for name, value in old.network.state_dict().items():
        assert torch.allclose(value, new.network.state_dict()[name], atol=2e-3), name


def test_a_model_of_the_other_preset_is_no_start(here):
    first = train(here)
    worker.main(first)
    model_cards.install(first / "result")
    job = train(here, start="tiny", preset="paper")
    assert worker.main(job) == 1
    assert events.read_all(job)[-1]["code"] == "model.other_preset"


def test_two_loaders_share_an_epoch_and_repeat_nothing(tmp_path):
    stacks = datasets.read_data(pack(tmp_path / "pack.npz", side=96))
    kept = bank.Bank(stacks, size=32, mix=Mix(made_up=0))
    batches = module.NoisyBatches(kept, module.Recipe("edm", 2, 5, 0))
    found = [batch["noisy"] for batch in torch.utils.data.DataLoader(batches, batch_size=None, num_workers=2)]
    assert len(found) == 5
    assert not any(torch.equal(a, b) for k, a in enumerate(found) for b in found[:k])


def test_a_start_that_is_told_no_facts_is_refused_for_a_training_that_tells_them(here):
    first = train(here)
    assert worker.main(first) == 0
    model_cards.install(first / "result")
    table = here / "index.csv"
    table.write_text("PatientID,Manufacturer\nA,GE\n")
    job = train(here, start="tiny", name="tiny-2", facts=[str(table)], arguments={})
    assert worker.main(job) == 1
    assert events.read_all(job)[-1]["code"] == "model.other_facts"


@pytest.mark.parametrize("more", [{"facts": ["table.csv"]}, {"self_supervised": True}])
def test_the_papers_network_is_told_nothing_new(more):
    with pytest.raises(ValidationError, match="another preset"):
        TrainParams.model_validate({"preset": "paper", **more})


def test_a_self_supervised_model_says_the_levels_of_its_own_collection(here):
    rng = np.random.default_rng(0)
    place = pack(here / "noisy.npz", side=96)
    with np.load(place) as found:
        known = dict(found)
    y, x = np.mgrid[:96, :96]
    clean = 120 * (np.hypot(y - 48, x - 60) < 30)
    noisy = np.hypot(clean + rng.normal(0, 8, (12, 96, 96)), rng.normal(0, 8, (12, 96, 96)))
    np.savez(place, **{**known, "images": noisy.clip(0, 255).astype(np.uint8)})
    job = folder.new_job("train", {
        "data": str(place), "name": "own", "self_supervised": True, "arguments": {"widths": [16, 16]}, **SHORT,
    })  # fmt: skip
    assert worker.main(job) == 0
    low, high = model_cards.read(job / "result" / "model" / "own").card.sigma_range
    assert 0.03 < low < 8 / 120 < high < 0.2


class Plain(torch.nn.Module):
    """A stranger's network: three convolutions that know nothing of the level."""

    def __init__(self, width):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(9, width, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(width, 1, 3, padding=1)
        )

    def forward(self, x, condition):
        return self.layers(x)


class PlainArguments(BaseModel):
    width: int = 8


seen = {"loss": 0, "augmented": 0}


def build_plain(arguments):
    return Plain(arguments.width)


def absolute(denoised, clean, sigma):
    seen["loss"] += 1
    return ((denoised - clean).abs() / sigma).mean()


def darker(images, rng):
    seen["augmented"] += 1
    return images * 0.9


class Stranger:
    @hookimpl
    def register_networks(self):
        return [specs.Network("plain", "Plain", f"{__name__}:PlainArguments", f"{__name__}:build_plain")]

    @hookimpl
    def register_losses(self):
        return [specs.Loss("absolute", "Absolute error", f"{__name__}:absolute")]

    @hookimpl
    def register_augmentations(self):
        return [specs.Augmentation("darker", "Darker", f"{__name__}:darker")]


@pytest.fixture
def stranger(here, monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, sys.modules[absolute.__module__])
    manager.door.cache_clear()
    manager.door().add("stranger", Stranger())
    yield
    manager.door.cache_clear()


def test_a_strangers_network_loss_and_augmentation_train_and_ship(here, stranger):
    job = train(here, network="plain", loss="absolute", augmentations=["darker"], arguments={"width": 6})
    assert worker.main(job) == 0
    assert seen["loss"] > 0
    assert seen["augmented"] > 0
    (model,) = model_cards.install(job / "result")
    image = np.random.default_rng(0).random((2, 33, 40)).astype(np.float32)
    out = denoise.denoise_stack(weights.load(model), image, denoise.NoiseLevel(0.1), progress=Progress())
    assert out.shape == image.shape


def test_an_unknown_loss_is_named_with_those_known(here, stranger):
    job = train(here, loss="nothing")
    assert worker.main(job) == 1
    assert "absolute" in folder.failure(job)


def test_a_training_sees_only_the_levels_it_is_told_of_and_its_card_says_so():
    params = TrainParams(lowest=0.1, highest=0.11)
    levels = _plan(params, None).recipe.levels
    noisy = augment.corrupt(torch.zeros(64, 1, 32, 32), levels, seeded(3))
    assert float(noisy.sigma.min()) >= 0.1 and float(noisy.sigma.max()) <= 0.11
    fitted = fit.Fitted(torch.nn.Identity(), best=0.5, epochs=1)
    assert _card(params, _plan(params, None), fitted, {})["sigma_range"] == (0.1, 0.11)


@pytest.mark.parametrize(
    "wrong",
    [{"lowest": 0.2, "highest": 0.1}, {"lowest": 0.0}, {"highest": 0.6}, {"lowest": 0.1, "self_supervised": True}],
)
def test_levels_that_make_no_range_are_refused(wrong):
    with pytest.raises(ValidationError, match=r"lowest|highest"):
        TrainParams(**wrong)


def test_shares_of_crops_are_those_of_the_mix_and_wrong_ones_are_refused():
    assert TrainParams(shares={"uptake": 0.5}).shares == {"uptake": 0.5}
    for wrong, said in [
        ({"lesions": 0.5}, "one of made_up"), ({"uptake": 2.0}, "a share of 0 to 1"), ({"uptake": 0.05}, "phases at"),
        ({"native": 0.8}, "native and resampled"), ({"alone": 0.6, "nearest": 0.5}, "alone and nearest"),
    ]:  # fmt: skip
        with pytest.raises(ValidationError, match=said):
            TrainParams(shares=wrong)
    with pytest.raises(ValidationError, match="no shares with self-supervised"):
        TrainParams(shares={"uptake": 0.5}, self_supervised=True)


def test_a_long_training_averages_over_a_share_of_its_steps():
    def newest(steps):
        """Weight of the newest network in the average, long after its start."""
        average, kept = fit.Averaged(steps), [torch.zeros(1)]
        average._kwargs["multi_avg_fn"](kept, [torch.ones(1)], torch.tensor(10**6))
        return float(kept[0])

    assert newest(1000) == pytest.approx(fit.EMA_EVERY / fit.EMA_STEPS, rel=0.01)
    assert newest(100_000) == pytest.approx(fit.EMA_EVERY / (fit.EMA_SHARE * 100_000), rel=0.01)
