"""What a denoising job says of input it cannot use, and what it makes of input that only looks odd."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generators import dicom_base, tiny_model
from tumordiff_core import explanations, files, model_cards, paths
from tumordiff_core.errors import InputError, UnsupportedError
from tumordiff_core.evaluation import references
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import fermi_spectrum
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import open_result
from tumordiff_core.tasks.export import ExportParams, write_result


@pytest.fixture
def models(home: Path) -> Path:
    tiny_model.make(paths.models())
    return paths.models()


def denoised(values: Any, place: Path, **params: Any) -> Path:
    """A job on a .npy stack, run to its end with an untrained network; the source is untouched."""
    source = place / "stack.npy"
    np.save(source, values)
    before = files.sha256(source)
    folder = jobs.new_job("denoise", {"input": str(source), "model": "tiny", "uncertainty": False, **params})
    worker.main(folder)
    assert files.sha256(source) == before
    return folder


def tissue(shape: tuple[int, ...] = (3, 48, 48), noise: float = 3.0) -> Any:
    rng = np.random.default_rng(0)
    image = np.zeros(shape)
    image[..., 12:40, 8:40] = 100
    return np.abs(image + rng.normal(0, noise, shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v: np.full_like(v, 7), "All values of the images are"),
        (lambda v: np.where(np.indices(v.shape)[2] == 3, np.nan, v), "not numbers"),
        (lambda v: np.where(np.indices(v.shape)[2] == 3, np.inf, v), "not numbers"),
        (lambda v: np.zeros_like(v), "All values of the images are"),
    ],
    ids=["constant", "nan", "infinite", "black"],
)
def test_values_that_hold_no_picture_are_refused_in_a_sentence(models, tmp_path, change, says):
    folder = denoised(change(tissue()), tmp_path)
    assert jobs.state(folder) == "failed"
    assert says in str(jobs.failure(folder))
    assert not (folder / "result").exists()
    assert not (folder / "result.part").exists()


@pytest.mark.parametrize(
    "values",
    [
        tissue() - 40,
        np.where(tissue() < 20, 0, tissue()),
        tissue((1, 48, 48)),
        np.where(np.indices((3, 48, 48))[0] == 1, 50, tissue()),
        tissue().round().astype(np.int16),
    ],
    ids=["negative", "zeroed air", "one slice", "a constant slice", "integers"],
)
def test_odd_but_usable_values_are_denoised(models, tmp_path, values):
    folder = denoised(values, tmp_path)
    assert jobs.state(folder) == "done", jobs.failure(folder)
    mean = open_result(folder / "result").array("mean")
    assert mean.shape == (1, *values.shape)
    assert np.isfinite(mean).all()


def test_one_voxel_ends_with_a_sentence_and_not_with_a_mistake(models, tmp_path):
    folder = denoised(np.full((1, 1, 1), 5, np.float32), tmp_path)
    assert jobs.state(folder) == "failed"
    assert "our mistake" not in str(jobs.failure(folder)).lower()


@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_a_level_of_zero_returns_the_input_bit_for_bit(models, tmp_path, strength):
    values = tissue()
    folder = denoised(values, tmp_path, sigma=0, strength=strength)
    assert np.array_equal(open_result(folder / "result").array("mean")[0], values)


def test_noise_beyond_the_trained_range_is_said(models, tmp_path):
    folder = denoised(tissue(), tmp_path, sigma=60)
    said = [e for e in events.read_all(folder) if e["kind"] == "warning"]
    assert [e["code"] for e in said] == ["denoise.out_of_range"]


def test_weights_of_another_network_are_refused(models, tmp_path):
    card = models / "tiny" / "card.json"
    record = json.loads(card.read_text("utf-8"))
    record["architecture"]["arguments"]["widths"] = [16, 32]
    card.write_text(json.dumps(record), "utf-8")
    folder = denoised(tissue(), tmp_path)
    assert jobs.state(folder) == "failed"
    assert "do not fit" in str(jobs.failure(folder))


LARGE = """
import numpy as np, resource, sys, torch
torch.set_num_threads(1)
from tumordiff_core import model_cards
from tumordiff_core.engine import denoise, weights
from tumordiff_core.progress import Progress
from pathlib import Path
model = weights.load(model_cards.read(Path(sys.argv[1])))
image = np.random.default_rng(0).random((1, 4096, 4096), dtype=np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out = denoise.denoise_stack(model, image, denoise.NoiseLevel(0.1), progress=Progress())
assert np.isfinite(out).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_slice_of_4096_by_4096_is_denoised_in_two_gigabytes(models):
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(models / "tiny")], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 2048


WHOLE_JOB = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from tumordiff_core.jobs import folder as jobs, worker
folder = jobs.new_job("denoise", {"input": sys.argv[1], "model": sys.argv[2]})
worker.main(folder)
assert jobs.state(folder) == "done", jobs.failure(folder)
kept = {place.name.split(".")[0] for place in (folder / "result").rglob("*.*")}
assert kept >= {"mean", "std", "residual", "explained"}, kept
status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
print(int(status.split()[0]) // 1024)
"""


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="This system tells no peak memory.")
@pytest.mark.parametrize("correlated", [False, True], ids=["white noise", "coloured noise"])
@pytest.mark.parametrize("model", ["tiny", model_cards.DEFAULT])
def test_the_whole_job_on_a_slice_of_4096_by_4096_takes_two_gigabytes(models, tmp_path, correlated, model):
    side, rng = 4096, np.random.default_rng(0)
    down, across = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    image = 100.0 * ((across / 0.7) ** 2 + (down / 0.8) ** 2 < 1) * (1 + 0.2 * np.sin(9 * across) * np.sin(7 * down))
    spectrum = fermi_spectrum(side, side) if correlated else None
    np.save(tmp_path / "large.npy", magnitude(image, 5.0, rng, spectrum=spectrum)[None])
    done = subprocess.run(
        [sys.executable, "-c", WHOLE_JOB, str(tmp_path / "large.npy"), model], capture_output=True, text=True,
        timeout=1400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    peak = int(done.stdout.split()[-1])
    print(f"\n4096 x 4096, {'coloured' if correlated else 'white'} noise, {model}: {peak} MiB at most")
    assert peak < 2048


def test_what_was_denoised_already_is_hardly_changed_and_no_worse(home, tmp_path):
    breast = references.phantoms(patients=1)[2]
    noisy = 200 * magnitude(breast.stack, 0.08, np.random.default_rng(0))
    model = {"model": model_cards.DEFAULT}
    once = open_result(denoised(noisy, tmp_path, **model) / "result").array("mean")[0]
    twice = open_result(denoised(once, tmp_path, **model) / "result").array("mean")[0]

    def apart(one: Any, other: Any) -> float:
        return float(np.sqrt(np.mean((one - other)[breast.centre][breast.mask] ** 2)))

    assert apart(once, noisy) > 5 * apart(twice, once)
    assert apart(twice, 200 * breast.stack) < 1.02 * apart(once, 200 * breast.stack)


def test_one_phase_alone_has_alarms_but_no_tumour_volume(models, tmp_path):
    record = open_result(denoised(tissue(), tmp_path) / "result").record
    codes = {one["code"] for one in record.findings}
    assert "export.no_tumour_volume" in codes and "ftv_before_cc" not in record.figures
    assert len(record.figures["gate"]["residual_peak_z"]) == 1


def test_three_phases_say_what_they_repeat_beside_the_level_used_and_one_does_not(models, tmp_path):
    rng = np.random.default_rng(3)
    still = np.stack([tissue(noise=0) + 10 + rng.normal(0, 3, (3, 48, 48)) for _ in range(3)])
    quick = {"alarms": False, "explanation": False}
    noise = open_result(denoised(still, tmp_path, **quick) / "result").record.noise
    repeat = noise["repeat"]
    assert 2.7 < repeat["low"] < repeat["sigma"] < repeat["high"] < 3.3
    assert repeat["voxels"] > 400
    alone = open_result(denoised(still[0], tmp_path, **quick) / "result").record.noise
    assert "repeat" not in alone and alone["sigma"][0] == noise["sigma"][0]


def test_without_a_recorded_box_or_a_lesion_that_is_said(models, tmp_path):
    dicom_base.series(tmp_path / "source", phases=3, slices=4)
    folder = jobs.new_job("denoise", {"input": str(tmp_path / "source"), "model": "tiny", "sigma": 2.0})
    worker.main(folder)
    record = open_result(folder / "result").record
    assert "export.no_voi" in {one["code"] for one in record.findings}
    still = np.stack([tissue()] * 3)
    folder = denoised(still, tmp_path)
    record = open_result(folder / "result").record
    assert "export.no_lesion" in {one["code"] for one in record.findings}
    assert record.figures["lesion_centre"] is None
    assert explanations.read(folder / "result").pixels


def test_what_yes_confirmed_stands_in_the_jobs_record(models, tmp_path):
    folder = denoised(tissue(), tmp_path, out=str(tmp_path / "out.npy"), yes=True)
    assert jobs.state(folder) == "done", jobs.failure(folder)
    remarks = {one["remark"] for one in open_result(folder / "result").record.findings if one["level"] == "confirm"}
    said = {e["text"].removeprefix("Confirmed by --yes: ") for e in events.read_all(folder) if e["kind"] == "log"}
    assert said and said <= remarks


def test_a_result_whose_source_has_changed_or_gone_is_not_exported(models, tmp_path):
    dicom_base.series(tmp_path / "source", phases=3, slices=4)
    folder = jobs.new_job("denoise", {"input": str(tmp_path / "source"), "model": "tiny", "sigma": 2.0})
    worker.main(folder)
    place = Path(open_result(folder / "result").record.sources[0].path)
    whole = place.read_bytes()
    params = ExportParams(result=str(folder / "result"), to=str(tmp_path / "out"), as_="dicom", yes=True)
    place.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1, whole[-1]]))
    with pytest.raises(InputError) as refused:
        write_result(params, Progress())
    assert refused.value.code == "export.source_changed"
    place.unlink()
    with pytest.raises(UnsupportedError) as gone:
        write_result(params, Progress())
    assert gone.value.code == "export.source_missing"
    assert not (tmp_path / "out").exists()
