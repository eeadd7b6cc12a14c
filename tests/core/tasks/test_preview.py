"""The preview child explains a pixel and its chain: with the networks that are shipped, on a made-up stack."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumordiff_core import explanations, model_cards
from tumordiff_core.engine import denoise, weights
from tumordiff_core.errors import InputError
from tumordiff_core.imaging.intensity import robust_scaling
from tumordiff_core.noise.level import estimate
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import preview

SHAPE = (5, 40, 48)
ROW, COLUMN = 18, 21


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A request about the middle slice of noisy magnitudes with a bright square."""
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    clean = np.full(SHAPE, 200.0)
    clean[:, 10:28, 12:32] = 500.0
    parts = np.random.default_rng(0).normal(0, 40, (2, *SHAPE))
    values = np.hypot(clean + parts[0], parts[1]).astype(np.uint16)
    np.save(tmp_path / "phase.npy", values)
    (tmp_path / "phase.json").write_text(json.dumps({"slope": 1.0, "intercept": 0.0}))
    files = {"npy": str(tmp_path / "phase.npy"), "record": str(tmp_path / "phase.json"), "slice": 2, "sigma": 40.0}
    return lambda op, **more: {"op": op, **files, **more}


def test_a_pixel_is_explained_by_its_filter_its_slices_and_what_the_network_looked_at(request_of: Any):
    found = preview.handle(request_of("explain", model=model_cards.DEFAULT, row=ROW, column=COLUMN, features=True))
    weights = np.load(found["npy"])
    assert weights.shape == (5, 31, 31)
    assert found["names"] == ["this slice", "slice -1", "slice +1", "slice -2", "slice +2"]
    assert found["offsets"] == [0, -1, 1, -2, 2]
    assert sum(found["share"]) == pytest.approx(1, abs=1e-4)
    assert found["share"][0] == max(found["share"])
    assert found["total"] == pytest.approx(float(weights[0].sum()), abs=1e-4)
    assert 0 < found["width_px"] < 15
    assert np.load(found["attention"]).shape == SHAPE[1:]
    assert np.load(found["features"]).ndim == 3


def test_the_papers_network_is_explained_through_its_stabilisation(request_of: Any):
    """The filter's answer to a small change of one noisy pixel is what the network itself answers."""
    found = preview.handle(request_of("explain", model="paper-1", row=ROW, column=COLUMN))
    assert (found["names"], found["attention"], found["features"]) == (["this slice"], "", "")
    weights = np.load(found["npy"])[0]
    values = np.load(request_of("slice")["npy"])
    answers = []
    for step in (-6, 6):
        moved = values.astype(np.int32)
        moved[2, ROW, COLUMN + 1] += step
        place = Path(request_of("slice")["npy"]).with_name(f"moved{step}.npy")
        np.save(place, moved)
        reply = preview.handle(request_of("slice", model="paper-1") | {"npy": str(place)})
        answers.append(float(np.load(reply["npy"])[ROW, COLUMN]))
    assert weights[15, 16] == pytest.approx((answers[1] - answers[0]) / 12, abs=0.02)


def test_a_preview_is_what_the_job_makes_of_the_same_slice(request_of: Any):
    """One phase of three: as the job would, with most of the local means given back; and over mirror images."""
    values = np.load(request_of("slice")["npy"]).astype(np.float32)
    scaling = robust_scaling(values)
    level = estimate(values)
    noise = denoise.NoiseLevel(40.0 / scaling.range, level.lag1, level.channels)
    shipped = weights.load(model_cards.find(model_cards.DEFAULT))
    for asked, model in (
        ({}, shipped), ({"phases": 3}, denoise.for_phases(shipped, 3)),
        (
            {"phases": 3, "local_means": 0.2, "mirrors": 4, "along_edges": False, "rims": False},
            replace(shipped, local_means=0.2, mirrors=4),
        ),
    ):  # fmt: skip
        found = np.load(preview.handle(request_of("slice", model=model_cards.DEFAULT, **asked))["npy"])
        wanted = denoise.denoise_stack(model, scaling.apply(values), noise, progress=Progress())[2]
        assert found == pytest.approx(scaling.invert(wanted), abs=0.01)


def test_a_pixel_of_phases_is_explained_with_what_they_get_back(request_of: Any):
    alone, given_back = (
        preview.handle(request_of("explain", model=model_cards.DEFAULT, row=ROW, column=COLUMN, phases=count))
        for count in (1, 3)
    )  # fmt: skip
    assert given_back["total"] > alone["total"]
    assert given_back["total"] == pytest.approx(1, abs=0.15)


def test_a_pixel_outside_the_slice_is_refused(request_of: Any):
    with pytest.raises(InputError) as caught:
        preview.handle(request_of("explain", model=model_cards.DEFAULT, row=40, column=3))
    assert caught.value.code == "denoise.no_pixel"


@pytest.mark.parametrize("model", [model_cards.DEFAULT, "paper-1"])
def test_a_reverse_chain_says_what_each_step_changed_and_a_forward_one_says_nothing(request_of: Any, model: str):
    found = preview.handle(request_of("chain", model=model, steps=4))
    images = np.load(found["npy"])
    assert len(images) == len(found["sigma"]) == len(found["t"]) == 5
    assert found["sigma"][0] == pytest.approx(40, rel=0.01)
    assert found["sigma"] == sorted(found["sigma"], reverse=True)
    assert len(found["change"]) == 4
    assert found["change"][0] == 0
    assert all(0 < each < 100 for each in found["change"][1:])
    assert images[-1][:8].std() < images[0][:8].std()
    assert preview.handle(request_of("chain", model=model, steps=4, direction="forward"))["change"] == []


def test_a_chain_is_gone_along_as_asked(request_of: Any):
    def images_of(**more: Any) -> Any:
        return np.load(preview.handle(request_of("chain", model="paper-1", steps=4, **more))["npy"])

    wanted = (("ddim", 0), ("heun", 0), ("dpm-solver", 0), ("ancestral", 0), ("ancestral", 1))
    ends = {asked: images_of(chain=asked[0], seed=asked[1]) for asked in wanted}
    assert np.array_equal(ends["ddim", 0], images_of())
    assert len({images[-1].tobytes() for images in ends.values()}) == len(ends)
    assert all(images[-1][:8].std() < images[0][:8].std() for images in ends.values())


@pytest.mark.parametrize("model", [model_cards.DEFAULT, "paper-1"])
@pytest.mark.parametrize("chain", ["ddim", "heun", "dpm-solver", "ancestral"])
def test_a_chain_without_noise_is_the_slice_itself(request_of: Any, model: str, chain: str):
    asked = request_of("chain", model=model, steps=4, chain=chain) | {"sigma": 0.0}
    found = preview.handle(asked)
    slice_itself = np.load(asked["npy"])[asked["slice"]]
    assert found["t"] == found["sigma"] == [0.0] * 5 and found["change"] == [0.0] * 4
    assert all(image == pytest.approx(slice_itself, abs=0.01) for image in np.load(found["npy"]))


def test_a_pixel_that_was_asked_about_is_kept_with_its_result(request_of: Any, tmp_path: Path):
    about = {"model": model_cards.DEFAULT, "row": ROW, "column": COLUMN, "result": str(tmp_path), "phase": 1}
    found = preview.handle(request_of("explain", **about))
    row = explanations.read(tmp_path).pixel(1, (2, ROW, COLUMN), features=False)
    assert found["not_kept"] == ""
    assert row["share"] == found["share"] and row["model"] == model_cards.DEFAULT
    assert np.array_equal(np.load(row["npy"]), np.load(found["npy"]))


def test_a_folder_that_cannot_be_written_still_answers_and_says_so(request_of: Any, tmp_path: Path):
    (tmp_path / "explained").write_text("a file where a folder was expected")
    about = {"model": model_cards.DEFAULT, "row": ROW, "column": COLUMN, "result": str(tmp_path), "phase": 1}
    found = preview.handle(request_of("explain", **about))
    assert found["not_kept"] and np.load(found["npy"]).ndim == 3
