"""A short training end to end, as the job it is."""

import json

import numpy as np
import pytest

from tests.core.training.test_datasets import pack
from tumordiff_core import model_cards
from tumordiff_core.engine import denoise, weights
from tumordiff_core.errors import ModelError
from tumordiff_core.jobs import events, folder, start, worker
from tumordiff_core.progress import Progress

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
