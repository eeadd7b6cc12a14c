"""Bad input ends with one sentence and exit code 1; nothing half-written stays and the sources are never touched."""

import hashlib
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.generators import models
from tumordiff_core import files, paths
from tumordiff_core.jobs import folder as jobfolder


@pytest.fixture
def dynamic(synthetic_cohort: Path, tmp_path: Path) -> Path:
    """A copy of one dynamic series of the cohort: 12 slices, three phases."""
    source = sorted((synthetic_cohort / "ISPY1").glob("*/*/3.*Dynamic*"))[0]
    return Path(shutil.copytree(source, tmp_path / "dynamic"))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A small .npy stack with an edge and noise."""
    values = np.random.default_rng(1).normal(200, 10, (4, 64, 64)).astype(np.float32)
    values[:, 20:40, 20:40] += 400
    np.save(tmp_path / "stack.npy", values)
    return tmp_path / "stack.npy"


def empty(folder: Path) -> Path:
    shutil.rmtree(folder)
    folder.mkdir()
    return folder


def text_files(folder: Path) -> Path:
    for name in ("a.txt", "b.csv"):
        (empty(folder) if name == "a.txt" else folder).joinpath(name).write_text("no image")
    return folder


def truncated(folder: Path) -> Path:
    kept = sorted(folder.iterdir())[0].read_bytes()[:300]
    (empty(folder) / "1-001.dcm").write_bytes(kept)
    return folder


def cut_pixels(folder: Path) -> Path:
    victim = sorted(folder.iterdir())[3]
    victim.write_bytes(victim.read_bytes()[:-1000])
    return folder


def missing_slice(folder: Path) -> Path:
    (folder / "2-005.dcm").unlink()
    return folder


def derived(folder: Path) -> Path:
    """The first phase alone, rewritten as a derived map."""
    uid = generate_uid()
    for path in sorted(folder.iterdir()):
        if path.name.startswith("1-"):
            data = pydicom.dcmread(path)
            data.ImageType, data.SeriesDescription, data.SeriesInstanceUID = ["DERIVED", "SECONDARY"], "SER map", uid
            data.save_as(path)
        else:
            path.unlink()
    return folder


def several(folder: Path) -> Path:
    """The same images twice, as two series."""
    uid = generate_uid()
    for path in sorted(folder.iterdir()):
        data = pydicom.dcmread(path)
        data.SeriesInstanceUID, data.SeriesNumber = uid, 9
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.save_as(path.with_name(f"again-{path.name}"))
    return folder


def marks(folder: Path) -> dict[str, str]:
    if folder.is_file():
        return {folder.name: hashlib.sha256(folder.read_bytes()).hexdigest()}
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (empty, "series.empty_folder"), (text_files, "series.no_dicom"), (truncated, "dicom.cut_header"),
        (cut_pixels, "dicom.pixels_cut"), (missing_slice, "series.missing_slice"), (derived, "denoise.not_acquired"),
        (several, "series.several"),
    ],
)  # fmt: skip
def test_a_spoilt_series_is_one_sentence(
    tumordiff, dynamic: Path, tmp_path: Path, spoil: Callable[[Path], Path], code: str
):
    source = spoil(dynamic)
    before, beside = marks(source), sorted(tmp_path.iterdir())
    said = tumordiff("denoise", source, "--out", tmp_path / "out", "--json")
    assert said.code == 1
    assert (said.record["state"], said.record["code"]) == ("failed", code)
    assert said.err.splitlines()[-1] == said.record["sentence"] and "Traceback" not in said.err
    assert marks(source) == before
    assert [entry for entry in sorted(tmp_path.iterdir()) if entry.name != "home"] == [
        entry for entry in beside if entry.name != "home"
    ]
    job = jobfolder.find_job(said.record["job"])
    assert not (job / "result").exists() and not (job / "result.part").exists()


def test_one_series_of_several_is_chosen_by_its_number(tumordiff, dynamic: Path, tmp_path: Path):
    for path in dynamic.glob("2-*.dcm"):
        path.unlink()
    several(dynamic)
    models.tiny(paths.models() / "tiny")
    wrong = tumordiff("denoise", dynamic, "--out", tmp_path / "out", "--series", "5", "--json")
    assert (wrong.code, wrong.record["code"]) == (1, "series.unknown_number")
    right = tumordiff("denoise", dynamic, "--out", tmp_path / "out", "--series", "3", "--model", "tiny", "--yes")
    assert right.code == 0, right.err
    assert len(list((tmp_path / "out").glob("*.dcm"))) == 12


def test_a_mask_is_not_denoised(tumordiff, synthetic_cohort: Path, tmp_path: Path):
    segmentation = sorted((synthetic_cohort / "ISPY1").glob("*/*/32100*"))[0]
    said = tumordiff("denoise", segmentation, "--out", tmp_path / "out", "--json")
    assert (said.code, said.record["code"]) == (1, "series.is_mask")


def test_a_model_that_is_none_is_one_sentence(tumordiff, stack: Path, tmp_path: Path):
    not_one = tmp_path / "not-one"
    not_one.mkdir()
    (not_one / "card.json").write_text("{}")
    models.tiny(paths.models() / "stranger", family="nobody-knows")
    models.tiny(paths.models() / "other", family="edm-unet")
    changed = models.tiny(paths.models() / "changed") / "weights.safetensors"
    changed.write_bytes(changed.read_bytes() + b"x")
    for name, code in [(not_one, "model.not_one"), ("no-such", "model.unknown"), ("changed", "model.wrong_hash"),
                       ("stranger", "model.unknown_family"), ("other", "model.wrong_weights")]:  # fmt: skip
        said = tumordiff("denoise", stack, "--out", tmp_path / "out.npy", "--model", name, "--json")
        assert (said.code, said.record["code"]) == (1, code), said.err
        assert not (tmp_path / "out.npy").exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tumordiff, stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    models.tiny(paths.models() / "tiny")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10))
    said = tumordiff("denoise", stack, "--out", tmp_path / "out.npy", "--model", "tiny", "--json")
    assert (said.code, said.record["code"]) == (1, "files.no_space")
    job = jobfolder.find_job(said.record["job"])
    assert not (job / "result").exists() and not (job / "result.part").exists()
    assert not (tmp_path / "out.npy").exists() and not list(tmp_path.glob(".*"))


def test_a_whole_run_writes_the_kind_of_its_input(tumordiff, stack: Path, tmp_path: Path):
    models.tiny(paths.models() / "tiny")
    before = marks(stack)
    how = ("--model", "tiny", "--sigma", "10", "--yes", "--json")
    said = tumordiff("denoise", stack, "--out", tmp_path / "out.npy", *how)
    assert said.code == 0, said.err
    assert np.load(tmp_path / "out.npy").shape == np.load(stack).shape
    assert said.record["state"] == "done" and Path(said.record["result"]).is_dir() and marks(stack) == before


def test_a_killed_worker_left_its_job_lost_and_its_result_is_asked_for_in_vain(tumordiff, counting, tmp_path: Path):
    folder = counting(claim=True)
    worker = folder / "worker.1.json"
    worker.write_text(worker.read_text().replace('"process_created": ', '"process_created": 9'))
    assert tumordiff("jobs", "--json").record["jobs"][0]["state"] == "lost"
    said = tumordiff("export", folder.name, "--to", tmp_path / "out", "--as", "csv", "--json")
    assert (said.code, said.record["code"]) == (1, "jobs.no_result") and not (tmp_path / "out").exists()
    assert tumordiff("run", folder).code == 0


def test_data_nobody_can_learn_from_are_one_sentence(tumordiff, tmp_path: Path):
    (tmp_path / "pack.npz").write_bytes(b"no pack")
    (tmp_path / "empty").mkdir()
    for data, code in [("pack.npz", "training.not_a_pack"), ("empty", "training.no_data")]:
        said = tumordiff("train", tmp_path / data, "--epochs", "1", "--json")
        assert (said.code, said.record["code"]) == (1, code)
    assert tumordiff("train", "--epochs", "1", "--json").record["code"] == "training.no_data"
    assert tumordiff("train", tmp_path / "nowhere.npz", "--json").record["code"] == "files.missing"


def test_what_does_not_fit_together_is_said_without_the_words_of_a_library(tumordiff):
    said = tumordiff("train", "--preset", "paper", "--own-mean", "0.5", "--json")
    assert said.code == 2
    assert said.record["sentence"].startswith("What was given together does not fit; no own mean with the paper's")
    share = tumordiff("train", "--share", "ghost=2", "--json")
    assert "a share of 0 to 1 for ghost, not 2 was expected" in share.record["sentence"]
    assert "alue error" not in said.record["sentence"] + share.record["sentence"]


def test_a_patient_nobody_knows_is_one_sentence(tumordiff):
    said = tumordiff("response", "NOBODY", "--json")
    assert (said.code, said.record["code"]) == (1, "response.unknown_patient")
