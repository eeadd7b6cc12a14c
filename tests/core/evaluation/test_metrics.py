"""Scores and statistics against closed forms."""

import numpy as np
import pytest

from tumordiff_core.evaluation import baselines, denoise, metrics, pages, references
from tumordiff_core.noise.add import magnitude
from tumordiff_core.progress import Progress
from tumordiff_core.training.datasets import Stack


@pytest.fixture(scope="module")
def breast():
    y, x = np.indices((64, 64))
    inside = ((y - 32) / 26) ** 2 + ((x - 44) / 24) ** 2 < 1
    return np.where(inside, 0.6 + 0.3 * np.sin(x / 10) * np.cos(y / 11), 0).astype(np.float32)


def test_psnr_of_a_known_error_is_its_closed_form(breast):
    mask = metrics.tissue_mask(breast)
    found = metrics.scores(breast + 0.1, breast, mask)
    assert found.psnr_tissue == pytest.approx(20.0, abs=1e-4)
    assert found.psnr_whole == pytest.approx(20.0, abs=1e-4)
    assert metrics.scores(breast, breast, mask).ssim_tissue == pytest.approx(1.0)


def test_mask_keeps_the_breast_and_fills_its_holes(breast):
    holed = breast.copy()
    holed[30:34, 40:44] = 0
    holed[2:4, 2:4] = 1
    mask = metrics.tissue_mask(holed)
    assert mask[32, 42]
    assert not mask[3, 3]


def test_patients_are_the_unit_of_every_interval():
    per_patient = metrics.by_patient([1, 3, 10], ["a", "a", "b"])
    assert per_patient == {"a": 2.0, "b": 10.0}
    interval = metrics.bootstrap(per_patient)
    assert interval.mean == 6.0
    assert (interval.low, interval.high) == (2.0, 10.0)


def test_paired_difference_counts_patients_and_asks_for_six_before_a_p_value():
    ours = {str(k): 1.0 + k for k in range(8)}
    theirs = {str(k): 0.5 + k for k in range(8)}
    found = metrics.paired(ours, theirs)
    assert (found.better, found.patients, found.difference.mean) == (8, 8, 0.5)
    assert found.p_value == pytest.approx(2 / 2**8)
    assert metrics.paired({"a": 1.0}, {"a": 0.0}).p_value is None


def test_no_worse_slice_in_24_bounds_the_rate_at_twelve_percent():
    assert metrics.rate_bound(0, 24) == pytest.approx(0.117, abs=0.001)
    assert metrics.rate_bound(5, 5) == 1.0


@pytest.mark.parametrize("name", ["gaussian+vst", "tv+vst", "nlm+vst"])
def test_every_classical_filter_beats_its_noisy_input(name, breast):
    noisy = magnitude(breast, 0.1, np.random.default_rng(0))
    mask = metrics.tissue_mask(breast)
    better = metrics.scores(baselines.run(name, noisy, 0.1), breast, mask).psnr_tissue
    assert better > metrics.scores(noisy, breast, mask).psnr_tissue + 2


def test_protocol_runs_from_stacks_to_a_page(breast):
    full = np.kron(breast, np.ones((2, 2), dtype=np.float32)) * 200
    ones = np.ones(4, dtype=bool)
    stacks = [
        Stack(name, "test", True, np.stack([full * (1 - 0.1 * k) for k in range(4)]), np.arange(4), ones * 0.01, ones)
        for name in ("P1", "P2")
    ]
    found = references.of_pack(stacks)
    assert [(r.patient, r.position, r.centre, len(r.stack)) for r in found][:2] == [("P1", 1, 1, 4), ("P1", 2, 2, 4)]
    methods = {name: denoise.baseline_method(name) for name in ("identity", "gaussian+vst")}
    table = denoise.evaluate(found, methods, [denoise.KINDS["rician"]], [0.1], progress=Progress())
    lines = denoise.summary(table, "gaussian+vst")
    assert [line["worse_than_input"]["slices"] for line in lines] == [0, 0]
    assert lines[1]["over identity"]["difference"]["mean"] > 2
    page = pages.page("Report", "made data", lines, table.rows, "gaussian+vst")
    assert "Research use only" in page
    assert page.count("<svg") == 5, "two histograms for each method, and the residuals' spectra"
    assert "The 4 slices that gained least" in page
    assert lines[0]["psnr_lesion"] is None, "nobody knows of a lesion here"
    assert lines[1]["skin_px"]["mean"] > lines[0]["skin_px"]["mean"] > 0
    assert lines[1]["bias_air"]["mean"] < lines[0]["bias_air"]["mean"] == pytest.approx(0.125, abs=0.01)
    assert lines[1]["seconds"] > 0


def test_scores_tell_tissue_air_and_lesion_apart(breast):
    mask, lesion = metrics.tissue_mask(breast), np.zeros(breast.shape, dtype=bool)
    lesion[28:36, 40:48] = True
    wrong = breast + np.where(lesion, 0.1, 0) - np.where(mask, 0, -0.02)
    found = metrics.scores(wrong, breast, mask, lesion=lesion)
    assert found.psnr_lesion == pytest.approx(20.0, abs=1e-3)
    assert found.psnr_tissue == pytest.approx(20.0 - 10 * np.log10(lesion.sum() / mask.sum()), abs=1e-3)
    assert found.bias_tissue == pytest.approx(0.1 * lesion.sum() / mask.sum(), rel=1e-3)
    assert found.bias_air == pytest.approx(0.02, rel=1e-3)
    assert found.ssim_lesion < found.ssim_tissue < 1
    nowhere = metrics.scores(wrong, breast, np.ones_like(mask))
    assert (nowhere.psnr_lesion, nowhere.bias_air) == (None, None)
    assert np.isnan(metrics.scores(wrong, breast, np.zeros_like(mask)).psnr_tissue)


@pytest.mark.parametrize("kind", ["rician", "gaussian", "lag 0.5", "zero-filled", "uneven"])
def test_a_residual_of_all_of_the_noise_has_its_power_in_every_ring(kind):
    bright = np.full((1, 256, 256), 5, dtype=np.float32)
    mask = np.zeros((256, 256), dtype=bool)
    mask[40:200, 60:220] = True
    case = denoise.noisy_case(references.Reference("P", 0, bright, 0, mask), denoise.KINDS[kind], 0.1, 0)
    found = [power for power in denoise.residual_spectrum(case, bright[0]).values() if power is not None]
    assert len(found) >= 8
    assert found == pytest.approx([1.0] * len(found), abs=0.2)
    nothing = denoise.noisy_case(references.Reference("P", 0, bright, 0, mask & False), denoise.KINDS["rician"], 0.1, 0)
    assert set(denoise.residual_spectrum(nothing, bright[0]).values()) == {None}


def test_a_slice_that_came_out_as_no_numbers_is_not_passed_over(breast):
    mask = metrics.tissue_mask(breast)
    found = [references.Reference("P", k, breast[None], 0, mask) for k in range(2)]
    methods = {
        "identity": denoise.baseline_method("identity"),
        "fails": lambda case: breast * (np.nan if case.reference.position else 1),
    }
    table = denoise.evaluate(found, methods, [denoise.KINDS["rician"]], [0.1], progress=Progress())
    line = denoise.summary(table, "identity")[1]
    assert np.isnan(line["psnr_tissue"]["mean"])
    assert line["worse_than_input"]["slices"] == 1
    page = pages.page("Report", "", denoise.summary(table, "identity"), table.rows, "identity")
    assert page.index("<td>1</td><td>fails</td>") < page.index("<td>0</td><td>fails</td>")


@pytest.fixture
def reference(breast):
    return references.Reference("P", 0, breast[None], 0, metrics.tissue_mask(breast))


def test_gaussian_noise_has_its_level_and_falls_below_zero(reference):
    case = denoise.noisy_case(reference, denoise.KINDS["gaussian"], 0.1, 0)
    assert (case.image - reference.image).std() == pytest.approx(0.1, rel=0.05)
    assert case.image.min() < -0.1
    assert case.noise.channels == 1


def test_uneven_noise_doubles_towards_the_border_and_has_its_level_over_tissue(reference):
    bright = references.Reference("P", 0, np.ones((1, 128, 128), np.float32) * 5, 0, np.ones((128, 128), bool))
    noise = denoise.noisy_case(bright, denoise.KINDS["uneven"], 0.1, 0).image - 5
    assert noise.std() == pytest.approx(0.1, rel=0.03)
    assert noise[:, :3].std() / noise[60:68, 60:68].std() == pytest.approx(2, rel=0.2)


def test_a_ghost_is_in_the_reference_too_for_nobody_is_asked_to_know_it(reference):
    case = denoise.noisy_case(reference, denoise.KINDS["ghost"], 0.05, 0)
    added = case.reference.image - reference.image
    assert np.allclose(added, 0.05 * np.roll(reference.image, 32, axis=0), atol=1e-6)
    assert (case.image - case.reference.image)[reference.image > 0.4].mean() == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kind", sorted(denoise.KINDS))
def test_the_level_of_every_kind_of_noise_is_told_in_one_number(kind, reference):
    case = denoise.noisy_case(reference, denoise.KINDS[kind], 0.1, 0)
    assert case.noise.sigma == 0.1
    assert np.isfinite(baselines.run("gaussian+vst", case.image, 0.1, channels=case.noise.channels)).all()


def test_a_phantom_knows_where_its_lesion_lies():
    found = [r for r in references.phantoms(patients=1) if r.lesion is not None]
    assert found
    assert all(0 < r.lesion.sum() < r.mask.sum() for r in found)
