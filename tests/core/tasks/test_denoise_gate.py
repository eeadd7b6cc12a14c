"""A denoising job meets the export gate: what it keeps, what it says, and what a refused output costs."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.generators import dicom_base, tiny_model
from tumordiff_core import explanations, files, paths
from tumordiff_core.cli.console import ConsoleProgress
from tumordiff_core.engine import local_means
from tumordiff_core.imaging import formats
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.imaging.volume import Volume
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.jobs import worker
from tumordiff_core.noise.add import magnitude
from tumordiff_core.progress import Progress
from tumordiff_core.response import safety
from tumordiff_core.result_folder import Result, open_result
from tumordiff_core.tasks.denoise import remarks
from tumordiff_core.tasks.export import ExportParams, write_result


@pytest.fixture
def job(tmp_path: Path, home: Path) -> Path:
    """A job with an output and nobody to answer, run to its end with an untrained network."""
    tiny_model.make(paths.models())
    dicom_base.series(tmp_path / "source", phases=3, slices=4)
    params = {"input": str(tmp_path / "source"), "out": str(tmp_path / "out"), "model": "tiny", "sigma": 2.0}
    folder = jobs.new_job("denoise", params)
    assert worker.main(folder) == 1
    return folder


@pytest.fixture
def result(job: Path) -> Result:
    return open_result(job / "result")


def test_question_left_open_costs_the_output_and_not_the_result(job: Path, tmp_path: Path) -> None:
    assert "--yes" in str(jobs.failure(job))
    assert not (tmp_path / "out").exists()
    open_result(job / "result").check_files()
    params = ExportParams(result=job.name, to=str(tmp_path / "out"), yes=True)
    assert len(write_result(params, Progress())) == 12


def test_result_keeps_the_gates_figures_and_its_sources_digests(result: Result) -> None:
    gate = result.record.figures["gate"]
    assert len(gate["sigma_measured"]) == len(gate["residual_rms"]) == 3
    assert gate["lesion_voxels"] > 0
    assert all(source.sha256 == files.sha256(Path(source.path)) for source in result.record.sources)


def test_result_says_how_sure_it_is(result: Result) -> None:
    assert result.array("std").shape == result.array("mean").shape
    for row in result.record.figures["doubt"]:
        assert 0 <= row["residual_power_expected"] <= 2
        assert len(row["residual_lag1"]) == len(row["residual_lag1_expected"]) == 2
        assert len(row["residual_spectrum"]["difference_db"]) == len(row["residual_spectrum"]["cycles_per_pixel"])


def test_phases_get_most_of_their_local_means_back_and_the_result_says_so(result: Result) -> None:
    assert result.record.figures["local_means"] == local_means.USUAL_SHARE
    assert result.record.figures["along_edges"] is True
    assert result.record.params["local_means"] is None


def test_edges_of_phases_are_smoothed_along_themselves_unless_told_otherwise(tmp_path: Path, home: Path) -> None:
    tiny_model.make(paths.models())
    square = np.full((2, 3, 48, 48), 100.0)
    square[:, :, 14:34, 14:34] = 300.0
    np.save(tmp_path / "visit.npy", magnitude(square, 10.0, np.random.default_rng(0)))
    means = []
    for edges in (True, False):
        params = {"input": str(tmp_path / "visit.npy"), "model": "tiny", "sigma": 10.0, "along_edges": edges}
        folder = jobs.new_job("denoise", params)
        assert worker.main(folder) == 0, jobs.failure(folder)
        kept = open_result(folder / "result")
        assert kept.record.figures["along_edges"] is edges
        means.append(np.asarray(kept.array("mean"), dtype=np.float32))
    changed = np.abs(means[0] - means[1]).max(axis=(0, 1))
    assert changed[18:30, 12:16].max() > 1.0
    assert changed[20:28, 20:28].max() < 0.2


def test_a_single_stack_gets_none_back_unless_told(tmp_path: Path, home: Path) -> None:
    tiny_model.make(paths.models())
    stack = magnitude(np.full((3, 48, 48), 100.0), 10.0, np.random.default_rng(0))
    np.save(tmp_path / "stack.npy", stack)
    means = {}
    for share in (None, 0.0, 1.0):
        params = {"input": str(tmp_path / "stack.npy"), "model": "tiny", "sigma": 10.0, "local_means": share}
        folder = jobs.new_job("denoise", {**params, "alarms": False, "explanation": False, "uncertainty": False})
        assert worker.main(folder) == 0, jobs.failure(folder)
        kept = open_result(folder / "result")
        means[share] = np.array(kept.array("mean"))
        assert kept.record.figures["local_means"] == (share or 0.0)
    assert np.array_equal(means[None], means[0.0])
    expected = local_means.expected(torch.from_numpy(means[0.0]), 10.0, 1).numpy()
    lost = abs(float((stack - expected).mean()))
    assert lost > 0.5
    expected = local_means.expected(torch.from_numpy(means[1.0]), 10.0, 1).numpy()
    assert abs(float((stack - expected).mean())) < 0.2 * lost


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".nii.gz"])
def test_a_volume_file_comes_back_as_its_kind(tmp_path: Path, home: Path, suffix: str) -> None:
    tiny_model.make(paths.models())
    stack = magnitude(np.full((1, 3, 32, 32), 100.0), 10.0, np.random.default_rng(1))
    formats.write(Volume(stack, Geometry((3, 32, 32), (2.0, 0.8, 0.7))), tmp_path / f"in{suffix}")
    params = {
        "input": str(tmp_path / f"in{suffix}"),
        "out": str(tmp_path / f"out{suffix}"),
        "model": "tiny",
        "yes": True,
    }
    folder = jobs.new_job("denoise", params)
    assert worker.main(folder) == 0, jobs.failure(folder)
    back = formats.read(tmp_path / f"out{suffix}")
    assert back.provenance == "derived" and back.geometry.spacing_mm == pytest.approx((2.0, 0.8, 0.7))


def test_each_chain_is_gone_along_and_recorded_and_the_image_is_the_same(tmp_path: Path, home: Path) -> None:
    tiny_model.make(paths.models())
    np.save(tmp_path / "stack.npy", magnitude(np.full((2, 32, 32), 100.0), 10.0, np.random.default_rng(1)))
    means, gone = {}, {}
    drawn = [("ancestral", 0), ("ancestral", 0), ("ancestral", 1)]
    for chain, seed in [("ddim", 0), ("heun", 0), ("dpm-solver", 0), *drawn]:
        params = {"input": str(tmp_path / "stack.npy"), "model": "tiny", "sigma": 10.0, "chain": chain, "seed": seed,
                  "keep_steps": 4, "alarms": False, "uncertainty": False}  # fmt: skip
        folder = jobs.new_job("denoise", params)
        assert worker.main(folder) == 0, jobs.failure(folder)
        kept = open_result(folder / "result")
        row = explanations.read(kept.folder).chain(0, 1)
        assert kept.record.params["chain"] == row["chain"] == chain
        assert row["sigma"][0] == pytest.approx(10.0) and len(row["t"]) == 5
        images = np.load(row["npy"])
        assert (chain, seed) not in gone or np.array_equal(gone[chain, seed], images)
        means[chain, seed], gone[chain, seed] = np.array(kept.array("mean")), images
    assert all(np.array_equal(means["ddim", 0], mean) for mean in means.values())
    ends = list(gone.values())
    assert all(not np.array_equal(a[-1], b[-1]) for a, b in itertools.combinations(ends, 2))
    assert all(np.array_equal(ends[0][0], each[0]) for each in ends)


def test_posterior_samples_say_how_far_they_lie_from_the_mean(tmp_path: Path, home: Path) -> None:
    tiny_model.make(paths.models())
    stack = magnitude(np.full((2, 32, 32), 100.0), 10.0, np.random.default_rng(1))
    np.save(tmp_path / "stack.npy", stack)
    spread = {}
    for share in (0.0, 1.0):
        params = {"input": str(tmp_path / "stack.npy"), "model": "tiny", "sigma": 10.0, "local_means": share,
                  "samples": 4, "sample_steps": 4, "alarms": False, "explanation": False}  # fmt: skip
        folder = jobs.new_job("denoise", params)
        assert worker.main(folder) == 0, jobs.failure(folder)
        kept = open_result(folder / "result")
        spread[share] = np.array(kept.array("std")), np.array(kept.array("mean"))
    moved = np.abs(spread[1.0][1] - spread[0.0][1]).mean()
    assert moved > 0.5
    assert spread[1.0][0].mean() > spread[0.0][0].mean() > 0


def test_result_says_what_the_gate_will_ask_and_where(result: Result) -> None:
    found = result.record.findings
    assert found
    assert all(one["sentence"] and "--yes" not in one["sentence"] for one in found)


def test_places_in_tissue_become_findings_of_their_own(result: Result) -> None:
    record = result.record
    record.figures["gate"]["peaks"] = [{"phase": 1, "index": [2, 10, 20], "z": -6.5}]
    place: dict[str, Any] = next(one for one in remarks(record) if one["code"] == "denoise.peak")
    assert (place["phase"], place["slice"], place["row"], place["column"]) == (1, 2, 10, 20)
    assert "6.5" in place["sentence"]


def test_job_can_be_run_again_in_its_own_folder(job: Path) -> None:
    before = open_result(job / "result").record.created
    assert worker.main(job) == 1
    assert open_result(job / "result").record.created >= before


def test_result_keeps_why_its_lesion_came_out_as_it_did(result: Result) -> None:
    kept = explanations.read(result.folder)
    centre = tuple(result.record.figures["lesion_centre"])
    for phase in range(3):
        row, chain = kept.pixel(phase, centre, features=True), kept.chain(phase, centre[0])
        assert np.load(row["npy"]).shape == (len(row["names"]), 31, 31)
        assert sum(row["share"]) == pytest.approx(1, abs=1e-3)
        images = np.load(chain["npy"])
        assert len(images) == len(chain["t"]) == len(chain["sigma"]) == len(chain["change"]) + 1 == 9
        assert chain["sigma"][0] == pytest.approx(2.0, rel=0.01)
        assert images[0].shape == result.array("mean").shape[2:]
    assert any(name.startswith("explained/") for name in result.record.files)
    result.check_files()


def test_uncertainty_alarms_and_explanation_can_be_left_out(tmp_path: Path, home: Path) -> None:
    tiny_model.make(paths.models())
    dicom_base.series(tmp_path / "source", phases=3, slices=4)
    without = {"uncertainty": False, "alarms": False, "explanation": False}
    folder = jobs.new_job("denoise", {"input": str(tmp_path / "source"), "model": "tiny", "sigma": 2.0, **without})
    assert worker.main(folder) == 0
    result = open_result(folder / "result")
    assert not result.has_array("std") and not {"gate", "doubt"} & set(result.record.figures)
    assert explanations.read(result.folder) == explanations.Kept()
    assert [one["code"] for one in result.record.findings] == ["export.unchecked"]


def test_a_model_that_sees_other_phases_is_judged_by_an_early_phase_that_saw_no_late_one(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny_model.make(paths.models()) / "card.json"
    record = json.loads(card.read_text("utf-8"))
    card.write_text(json.dumps(record | {"joint_phases": True}), "utf-8")
    dicom_base.series(tmp_path / "source", phases=3, slices=4)
    seen = []
    whole = safety.repeat_phase

    def watched(acquired: Any, denoised: Any, visit: Any, alone: Any = None) -> Any:
        seen.append((denoised, alone))
        return whole(acquired, denoised, visit, alone)

    monkeypatch.setattr(safety, "repeat_phase", watched)
    folder = jobs.new_job("denoise", {"input": str(tmp_path / "source"), "model": "tiny", "sigma": 2.0})
    assert worker.main(folder) == 0, jobs.failure(folder)
    ((denoised, alone),) = seen
    assert set(alone) == {1, 2}
    assert all(np.abs(alone[k] - denoised[k]).max() > 1e-3 for k in alone)


def test_a_verb_prints_the_residuals_spectrum_against_the_predicted_one(tmp_path: Path, home: Path) -> None:
    tiny_model.make(paths.models())
    dicom_base.series(tmp_path / "source", phases=3, slices=4)
    folder = jobs.new_job("denoise", {"input": str(tmp_path / "source"), "model": "tiny", "sigma": 2.0})
    echo = ConsoleProgress()
    assert worker.main(folder, echo=echo) == 0
    rows = echo.answer["residual_spectrum_over_predicted_db"]
    assert [row["cycles_per_pixel"] for row in rows][:2] == [0.025, 0.075] and "phase_3" in rows[0]
    assert len(echo.answer["residual_spectrum_worst_db"]) == 3
    assert "residual_spectrum" not in echo.answer["figures"]["doubt"][0]
