"""The repeat-phase test: closed forms, the leak it must not have, the real study, and the truth on a phantom."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.generators import tiny_model
from tumordiff_core.dicom import stack
from tumordiff_core.engine.denoise import NoiseLevel
from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import baselines, repeat_phase
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.jobs import worker
from tumordiff_core.noise.add import coloured
from tumordiff_core.noise.correlation import gaussian_spectrum, lag1_of_spectrum
from tumordiff_core.noise.spectrum import zero_filled as zero_filled_spectrum
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import open_result
from tumordiff_core.simulation import cohort

GUIDE_SLICES = (25, 28, 31, 34, 37)
"""The guide does not name its five slices; these give 4,101 voxels where it counted 4,106."""


@pytest.fixture(scope="module")
def flat() -> repeat_phase.Series:
    """Flat tissue that does not enhance, noise 3, three phases."""
    noise = np.random.default_rng(0).normal(0, 3, (3, 7, 64, 64))
    return repeat_phase.Series((100 + noise).astype(np.float32), 0, 1, 2, NoiseLevel(3.0), 110.0)


def test_error_of_the_untouched_phase_is_twice_the_noise_and_of_the_truth_once(flat):
    truth = {"truth": lambda _series, _place: np.full((64, 64), 100, np.float32)}
    rows = repeat_phase.evaluate(flat, truth, progress=Progress())
    assert [row.method for row in rows] == ["identity", "truth"]
    assert rows[0].error == pytest.approx(18, rel=0.05)
    assert rows[1].error == pytest.approx(9, rel=0.05)
    assert rows[1].change_percent == pytest.approx(-50, abs=3)


def test_enhancing_drifting_and_dark_voxels_do_not_count():
    values = np.full((3, 3, 60, 60), 100, np.float32)
    values[1:, :, :20] = 180
    values[2, :, 20:40] += 12
    values[:, :, :, 40:] = 5
    series = repeat_phase.Series(values, 0, 1, 2, NoiseLevel(3.0), 180.0)
    still = repeat_phase.still_voxels(series, repeat_phase.Rule())
    assert still[:, 50, 10].all()
    assert not still[:, 10, 10].any() and not still[:, 30, 10].any() and not still[:, 50, 50].any()


def test_a_model_never_sees_the_phase_it_is_judged_by(flat, tmp_path: Path, home: Path):
    from tumordiff_core import model_cards, paths
    from tumordiff_core.engine import weights

    tiny_model.make(paths.models())
    method = repeat_phase.of_model(weights.load(model_cards.find("tiny")))
    other = flat.values.copy()
    other[2] += 50
    changed = repeat_phase.Series(other, 0, 1, 2, flat.noise, flat.high)
    assert np.array_equal(method(flat, 3), method(changed, 3))


def test_two_phases_or_no_still_tissue_are_refused(flat):
    two = repeat_phase.Series(flat.values[:2], 0, 1, 2, flat.noise, flat.high)
    with pytest.raises(InputError, match="three phases") as refused:
        repeat_phase.evaluate(two, {}, progress=Progress())
    assert refused.value.code == "evaluate.no_repeat"
    moving = repeat_phase.Series(flat.values * np.array([1, 2, 3])[:, None, None, None], 0, 1, 2, flat.noise, 330.0)
    with pytest.raises(InputError, match="still voxels"):
        repeat_phase.evaluate(moving, {}, progress=Progress())


def test_on_a_phantom_the_order_is_that_of_the_true_error():
    series, clean = repeat_phase.phantom(plan=cohort.Plan(shape=(12, 96, 96), visits=1, seed=77))
    methods = {f"gaussian {w}": repeat_phase.of_filter("gaussian", w) for w in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3)}
    methods |= {f"nlm {f}": repeat_phase.of_filter("nlm+vst", f * 3.2) for f in (0.5, 1, 1.5)}
    methods |= {f"tv {f}": repeat_phase.of_filter("tv+vst", f * 3.2) for f in (0.5, 1, 2)}
    found, rows = repeat_phase.rank_correlation(series, clean, methods, progress=Progress())
    assert len(rows) == 14
    assert found >= 0.95


@pytest.mark.real
def test_the_real_study_says_what_the_guide_says(ispy1_dicom: Path):
    volume = stack.open_folder(next(ispy1_dicom.rglob("3.000000-Dynamic*")))
    series = repeat_phase.Series(volume.values, 0, 1, 2, NoiseLevel(3.25, (0.54, 0.30), 2), 100.0)
    blurs = {w: repeat_phase.of_filter("gaussian", w) for w in (0.6, 0.8, 1.0)}
    if baselines.available(["bm3d"]):
        blurs["bm3d"] = repeat_phase.of_filter("bm3d", 4.0)
    rows = repeat_phase.evaluate(series, blurs, rule=repeat_phase.Rule(), slices=GUIDE_SLICES, progress=Progress())
    found = {row.method: row.error for row in rows}
    assert abs(rows[0].voxels - 4106) < 10
    assert found["identity"] == pytest.approx(36.6, rel=0.01)
    assert [found[w] for w in (0.6, 0.8, 1.0)] == pytest.approx([43.9, 55.2, 68.2], rel=0.03)
    if "bm3d" in found:
        assert found["bm3d"] == pytest.approx(30.8, rel=0.05)


@pytest.fixture(scope="module")
def zero_filled() -> repeat_phase.Series:
    """The same tissue with the noise of a zero-filled acquisition, whose spectrum is known."""
    noise = np.random.default_rng(0).normal(0, 3, (3, 7, 64, 64))
    known = zero_filled_spectrum((0.6, 0.8))
    amplitude = known.amplitude(64, 64)
    lag1 = lag1_of_spectrum(amplitude)
    values = (100 + coloured(noise, amplitude)).astype(np.float32)
    return repeat_phase.Series(values, 0, 1, 2, NoiseLevel(3.0, lag1), 110.0, known)


def test_a_peer_that_takes_a_spectrum_gets_the_measured_one_where_there_is_one(
    zero_filled: repeat_phase.Series, monkeypatch: pytest.MonkeyPatch
):
    given = []
    monkeypatch.setattr(baselines, "bm3d", lambda image, _sigma, _factor, spectrum: given.append(spectrum) or image)
    for series in (zero_filled, replace(zero_filled, spectrum=None)):
        repeat_phase.of_filter("bm3d", 3.0, coloured=True)(series, 3)
    assert np.array_equal(given[0], zero_filled_spectrum((0.6, 0.8)).amplitude(64, 64))
    assert np.array_equal(given[1], gaussian_spectrum(64, 64, zero_filled.noise.lag1))


@pytest.mark.parametrize(
    ("kind", "told"),
    [("flat", "a Gaussian of these correlations"), ("zero_filled", "of a zero-filled acquisition that fits it best")],
)
def test_the_report_says_which_spectrum_of_the_noise_a_peer_got(
    kind: str, told: str, request: pytest.FixtureRequest, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    from tumordiff_core import paths

    tiny_model.make(paths.models())
    monkeypatch.setattr(baselines, "available", lambda _names: [])
    np.save(tmp_path / "series.npy", request.getfixturevalue(kind).values)
    folder = jobs.new_job("evaluate", {"repeat": str(tmp_path / "series.npy"), "models": ["tiny"]})
    assert worker.main(folder) == 0, jobs.failure(folder)
    assert told in open_result(folder / "result").record.figures["note"]
    assert told in (folder / "result" / "report.html").read_text("utf-8")


def test_the_command_leaves_a_report(flat, tmp_path: Path, home: Path):
    from tumordiff_core import paths

    tiny_model.make(paths.models())
    np.save(tmp_path / "series.npy", flat.values)
    folder = jobs.new_job("evaluate", {"repeat": str(tmp_path / "series.npy"), "models": ["tiny"]})
    assert worker.main(folder) == 0, jobs.failure(folder)
    result = open_result(folder / "result")
    assert result.record.figures["repeat_phase"][0]["method"] == "identity"
    assert "Repeat phase" in (folder / "result" / "report.html").read_text("utf-8")
    result.check_files()
