"""The evaluation as the job it is: sets, tables, a page, and figures for the model's card."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from pydicom.dataset import Dataset

from tests.core.training.test_datasets import pack
from tests.generators import dicom_base, tiny_model
from tumordiff_core import model_cards, paths
from tumordiff_core.cli.console import ConsoleProgress
from tumordiff_core.errors import InputError, UnsupportedError
from tumordiff_core.evaluation import baselines, detectability, own_folder, references
from tumordiff_core.evaluation import denoise as protocol
from tumordiff_core.imaging import formats
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.imaging.volume import Volume
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import open_result
from tumordiff_core.simulation import cohort
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


def test_small_lesions_are_looked_for_after_filters_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = detectability.study
    plan = cohort.Plan(shape=(24, 96, 96), visits=1, seed=1)
    breasts = detectability.anatomies(plan, patients=1)
    monkeypatch.setattr(detectability, "anatomies", lambda: breasts)
    monkeypatch.setattr(detectability, "study", lambda *given, **told: study(*given, wanted=4, **told))
    tiny_model.make(paths.models())
    params = {
        "references": str(pack(tmp_path / "pack.npz", patients=("A", "B", "C"), side=96)), "models": ["tiny"],
        "studies": ["detectability"], "levels": [0.1], "baselines": ["identity", "gaussian+vst"], "against": "identity",
    }  # fmt: skip
    folder = jobs.new_job("evaluate", params)
    assert worker.main(folder) == 0, jobs.failure(folder)
    rows = open_result(folder / "result").record.figures["studies"]["detectability"]
    assert [row["model"] for row in rows] == ["tiny", "gaussian+vst"]
    assert rows[1]["invented"] < rows[1]["invented_noisy"]


@pytest.mark.parametrize("compared", [True, False])
def test_doubt_is_also_checked_as_with_phases_where_that_differs(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: bool
) -> None:
    clean = references.phantoms(patients=1, visits=1)[:1]
    monkeypatch.setattr(references, "phantoms", lambda **_: clean)
    tiny_model.make(paths.models())
    params = {
        "references": str(pack(tmp_path / "pack.npz", patients=("A", "B", "C"), side=96)), "models": ["tiny"],
        "studies": ["calibration"], "levels": [0.1], "baselines": ["identity"], "against": "identity",
        **({} if compared else {"local_means": 0.0, "along_edges": False, "rims": False}),
    }  # fmt: skip
    folder = jobs.new_job("evaluate", params)
    assert worker.main(folder) == 0, jobs.failure(folder)
    found = open_result(folder / "result").record.figures["studies"]["calibration"]
    assert set(found) == ({"tiny", "tiny, as with phases"} if compared else {"tiny"})
    if compared:
        assert found["tiny"]["rows"] != found["tiny, as with phases"]["rows"]


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
    assert "0 of 2 slices of 1 patient, 95 % upper bound 78 %" in page
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
    one = references.phantoms(patients=1)[:1]
    monkeypatch.setattr(references, "phantoms", lambda: one)
    echo = ConsoleProgress()
    folder, exit_code = run(home, echo, sets=["phantom"])
    assert exit_code == 0, jobs.failure(folder)
    answer = echo.answer
    assert "from simulated breasts" in answer["references"]
    assert answer["summary"][0]["psnr_tissue"]["low"] > 0
    shown = evaluate.for_terminal(answer)["summary"]
    assert list(shown[1]) == ["set", "kind", "level", "method", "psnr_tissue", "over identity", "ssim_tissue", "worse"]
    assert shown[1]["psnr_tissue"] == answer["summary"][1]["psnr_tissue"]["mean"]
    counted = answer["summary"][1]["worse_than_input"]
    assert (counted["of"], counted["patients"]) == (1, 1)
    bound = 100 * counted["upper_bound_95"]
    assert shown[1]["worse"] == f"{counted['slices']} of 1 slices of 1 patient, 95 % upper bound {bound:.0f} %"
    assert f"<td>{shown[1]['worse']}</td>" in (folder / "result" / "report.html").read_text("utf-8")
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


def disc(side: int = 48) -> np.ndarray:
    y, x = np.indices((side, side))
    image = np.where((y - side / 2) ** 2 + (x - side / 2) ** 2 < side**2 / 8, 0.6 + 0.2 * np.sin(x / 5), 0)
    return np.repeat(image[None], 7, axis=0).astype(np.float32)


def warnings_of(folder: Path) -> list[str]:
    return [event["sentence"] for event in events.read_all(folder) if event["kind"] == "warning"]


def judged(folder: Path) -> dict[str, int]:
    """Slices of each patient that were judged after the identity."""
    with (folder / "result" / "tables" / "slices.csv").open(encoding="utf-8") as file:
        return Counter(row["patient"] for row in csv.DictReader(file) if row["method"] == "identity")


def test_every_volume_of_a_folder_is_a_patient(home: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "below").mkdir(parents=True)
    np.save(mine / "scan.npy", disc())
    np.save(mine / "below" / "scan.npy", disc(40))
    volume = Volume(disc()[None], Geometry(shape=(7, 48, 48), spacing_mm=(2.0, 1.0, 1.0)))
    formats.write(volume, mine / "scan.nii.gz")
    (mine / "notes.txt").write_text("no volume", "utf-8")
    for name in ("flat.npy", "flatter.npy"):
        np.save(mine / name, np.ones((4, 4), dtype=np.float32))
    folder, exit_code = run(home, references=str(mine), sets=["native"])
    assert exit_code == 0, jobs.failure(folder)
    assert judged(folder) == {"below/scan": 3, "scan": 3, "scan 2": 3}
    told = warnings_of(folder)
    assert told[0] == "mine is a folder of volumes: their own slices are judged, not sets."
    assert told[1].startswith("flat.npy and 1 alike, left out: ")
    assert told[-1] == "Each of the 3 volumes of mine counts as a patient, even where two show the same person."
    assert {line["set"] for line in open_result(folder / "result").record.figures["summary"]} == {"mine"}


def test_a_dicom_series_in_a_folder_is_a_patient_by_its_first_phase(home: Path, tmp_path: Path) -> None:
    dicom_base.series(tmp_path / "mine" / "dynamic", phases=2, slices=6)
    (tmp_path / "mine" / "README").write_text("no image", "utf-8")
    folder, exit_code = run(home, references=str(tmp_path / "mine"))
    assert exit_code == 0, jobs.failure(folder)
    assert judged(folder) == {"dynamic": 3}
    assert warnings_of(folder) == []
    found = own_folder.of_folder(tmp_path / "mine")
    first = np.stack([dicom_base.slice_values(0, k) for k in range(6)]).astype(np.float32)
    assert any(np.allclose(found[1].image, image / first.max()) for image in first)
    assert "MADE" not in str([reference.patient for reference in found])


def test_a_folder_without_a_volume_to_judge_on_is_one_sentence(home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    folder, exit_code = run(home, references=str(empty))
    assert (exit_code, events.read_all(folder)[-1]["code"]) == (1, "evaluate.no_reference")
    assert "empty holds no volume" in str(jobs.failure(folder))
    (empty / "notes.txt").write_text("no volume", "utf-8")
    with pytest.raises(InputError, match="empty holds no volume"):
        own_folder.of_folder(empty)
    (empty / "cut.nii.gz").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"cut\.nii\.gz"):
        own_folder.of_folder(empty)


def test_a_derived_map_in_a_folder_is_no_reference(tmp_path: Path) -> None:
    def derive(data: Dataset, phase: int, number: int) -> None:
        data.ImageType = ["DERIVED", "SECONDARY", "OTHER", "SER"]

    dicom_base.series(tmp_path / "map", phases=1, slices=4, change=derive)
    with pytest.raises(UnsupportedError) as refused:
        own_folder.of_folder(tmp_path)
    assert refused.value.code == "denoise.not_acquired"
