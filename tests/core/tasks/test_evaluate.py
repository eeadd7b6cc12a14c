"""The evaluation as the job it is: sets, tables, a page, and figures for the model's card."""

import csv
import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tests.core.training.test_datasets import pack
from tests.generators import tiny_model
from tumordiff_core import model_cards, paths
from tumordiff_core.cli.console import ConsoleProgress
from tumordiff_core.evaluation import baselines, references
from tumordiff_core.evaluation import denoise as protocol
from tumordiff_core.evaluation import references as protocol_references
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import open_result
from tumordiff_core.tasks import evaluate
from tumordiff_core.tasks.evaluate import EvaluateParams, card_figures


@pytest.fixture
def evaluated(home: Path, tmp_path: Path) -> Path:
    tiny_model.make(paths.models())
    data = pack(tmp_path / "pack.npz", patients=("A", "B", "C"), side=96)
    params = {
        "references": str(data), "sets": ["pack", "coarser"], "levels": [0.1], "kinds": ["rician", "lag 0.5"],
        "baselines": ["gaussian+vst"], "against": "gaussian+vst", "models": ["tiny"], "into_cards": True,
    }  # fmt: skip
    folder = jobs.new_job("evaluate", params)
    assert worker.main(folder) == 0, jobs.failure(folder)
    return folder / "result"


def test_every_set_kind_and_method_has_its_rows_and_its_place_on_the_page(evaluated: Path) -> None:
    with (evaluated / "tables" / "slices.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["set"] for row in rows} == {"pack", "coarser"}
    assert {row["kind"] for row in rows} == {"rician", "lag 0.5"}
    methods = {"identity", "gaussian+vst", "tiny", "tiny with neighbours", "tiny blind"}
    assert {row["method"] for row in rows} == methods
    assert all(float(row["seconds"]) >= 0 for row in rows)
    page = (evaluated / "report.html").read_text("utf-8")
    assert "coarser: lag 0.5 noise" in page
    assert "Research use only" in page
    assert "Spectrum of the residual in tissue" in page
    assert "tiny with neighbours over gaussian+vst, dB, patient by patient" in page
    every = json.loads((evaluated / "tables" / "slices.json").read_text("utf-8"))["rows"]
    assert len(every) == len(rows)
    assert every[0]["psnr_lesion"] is None
    with Image.open(evaluated / "pictures" / "coarser-lag-0.5.png") as picture:
        assert picture.width == 640


def test_the_names_that_are_asked_for_are_those_there_are() -> None:
    assert get_args(evaluate.Set) == references.SETS
    assert set(get_args(evaluate.Kind)) == set(protocol.KINDS)
    assert set(get_args(evaluate.Baseline)) == set(baselines.KNOWN)


@pytest.mark.parametrize(
    "wrong", [{"kinds": ["rice"]}, {"sets": ["packs"]}, {"baselines": ["bm5d"]}, {"levels": [0]}, {"levels": [-0.1]},
              {"levels": [1.5]}, {"kinds": []}, {"sets": []}, {"levels": []}],
)  # fmt: skip
def test_what_is_not_known_is_refused_and_not_passed_over(wrong: dict[str, list[object]]) -> None:
    with pytest.raises(ValidationError):
        EvaluateParams(**wrong)  # type: ignore[arg-type]


def run(home: Path, echo: Progress | None = None, **params: object) -> tuple[Path, int]:
    tiny_model.make(paths.models())
    usual = {"levels": [0.1], "baselines": ["gaussian"], "models": ["tiny"], "blind": False}
    folder = jobs.new_job("evaluate", usual | params)
    return folder, worker.main(folder, echo=echo)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (np.zeros((5, 32, 32)), "evaluate.no_reference"), (np.ones((5, 3, 3)), "evaluate.no_reference"),
        (np.where(np.arange(5 * 32 * 32).reshape(5, 32, 32) == 77, np.nan, 1.0), "volume.not_finite"),
    ],
)  # fmt: skip
def test_a_volume_that_cannot_be_judged_on_is_one_sentence(
    home: Path, tmp_path: Path, values: np.ndarray, code: str
) -> None:
    np.save(tmp_path / "mine.npy", values.astype(np.float32))
    folder, exit_code = run(home, references=str(tmp_path / "mine.npy"))
    assert exit_code == 1
    assert events.read_all(folder)[-1]["code"] == code


def test_a_method_to_compare_with_must_be_run(home: Path, tmp_path: Path) -> None:
    data = pack(tmp_path / "pack.npz", patients=("A", "B", "C"), side=96)
    folder, exit_code = run(home, references=str(data), against="bm3d+vst")
    assert (exit_code, events.read_all(folder)[-1]["code"]) == (1, "evaluate.not_run")
    assert "is not among the methods that are run; one of identity, gaussian, tiny" in str(jobs.failure(folder))


def test_phantoms_alone_take_no_data_and_their_answer_fits_a_terminal(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = protocol_references.phantoms(patients=1)[:1]
    monkeypatch.setattr(protocol_references, "phantoms", lambda: one)
    echo = ConsoleProgress()
    folder, exit_code = run(home, echo, sets=["phantom"])
    assert exit_code == 0, jobs.failure(folder)
    answer = echo.answer
    assert "from simulated breasts" in answer["references"]
    assert answer["summary"][0]["psnr_tissue"]["low"] > 0
    shown = evaluate.for_terminal(answer)["summary"]
    assert list(shown[1]) == ["set", "kind", "level", "method", "psnr_tissue", "over identity", "ssim_tissue", "worse"]
    assert shown[1]["psnr_tissue"] == answer["summary"][1]["psnr_tissue"]["mean"]
    assert evaluate.for_terminal({"note": "repeat"}) == {"note": "repeat"}


def test_sets_beside_a_volume_are_not_passed_over_in_silence(home: Path, tmp_path: Path) -> None:
    y, x = np.indices((48, 48))
    image = np.where((y - 24) ** 2 + (x - 24) ** 2 < 300, 0.7, 0)
    np.save(tmp_path / "mine.npy", np.repeat(image[None], 5, axis=0).astype(np.float32))
    folder, exit_code = run(home, references=str(tmp_path / "mine.npy"), sets=["native"])
    assert exit_code == 0, jobs.failure(folder)
    told = [event["sentence"] for event in events.read_all(folder) if event["kind"] == "warning"]
    assert told == ["mine.npy is one volume: its own slices are judged, not sets."]


def test_a_peer_that_is_not_installed_is_left_out_with_a_sentence(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(baselines.NEEDS, "tv", "no_such_package")
    tiny_model.make(paths.models())
    data = pack(tmp_path / "pack.npz", patients=("A", "B", "C"), side=96)
    params = {
        "references": str(data),
        "levels": [0.1],
        "baselines": ["tv", "gaussian"],
        "models": ["tiny"],
        "blind": False,
    }
    folder = jobs.new_job("evaluate", params)
    assert worker.main(folder) == 0, jobs.failure(folder)
    told = [event["sentence"] for event in events.read_all(folder) if event["kind"] == "warning"]
    assert told == ["tv is left out, for the package no_such_package is not installed (extra bench)."]
    methods = {line["method"] for line in open_result(folder / "result").record.figures["summary"]}
    assert methods == {"identity", "gaussian", "tiny", "tiny with neighbours"}


def test_the_models_card_tells_the_figures_with_their_intervals(evaluated: Path) -> None:
    figures = model_cards.find("tiny").card.figures
    assert {(f["set"], f["noise"], f["settings"]) for f in figures} >= {
        ("pack", "rician", "one slice"), ("coarser", "lag 0.5", "with neighbours"), ("pack", "rician", "blind"),
    }  # fmt: skip
    assert all(f["low"] <= f["value"] <= f["high"] for f in figures)
    assert all(f["patients"] == 1 and f["data"] == "pack.npz" for f in figures)
    summary = open_result(evaluated).record.figures["summary"]
    assert card_figures("somebody-else", summary, "gaussian+vst", "pack.npz") == []


def test_a_volume_of_ones_own_is_evaluated(home: Path, tmp_path: Path) -> None:
    y, x = np.indices((64, 64))
    image = np.where((y - 32) ** 2 + (x - 32) ** 2 < 500, 0.6 + 0.2 * np.sin(x / 5), 0)
    np.save(tmp_path / "mine.npy", np.repeat(image[None], 9, axis=0).astype(np.float32))
    params = {
        "references": str(tmp_path / "mine.npy"), "levels": [0.1], "baselines": ["gaussian+vst"], "blind": False,
        "against": "gaussian+vst",
    }  # fmt: skip
    folder = jobs.new_job("evaluate", params)
    assert worker.main(folder) == 0, jobs.failure(folder)
    assert {line["set"] for line in open_result(folder / "result").record.figures["summary"]} == {"mine"}
