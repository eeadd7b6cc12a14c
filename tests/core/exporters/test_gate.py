"""The gate passes a denoiser that takes noise alone, and asks, with the right reason, where more than noise went."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generators.denoised import CARD, blurred
from tumordiff_core.exporters import gate
from tumordiff_core.imaging.volume import Volume
from tumordiff_core.model_cards import outside_domain
from tumordiff_core.noise.level import Level, estimate
from tumordiff_core.plugins.specs import Finding
from tumordiff_core.response import ftv, safety
from tumordiff_core.result_folder import Record, Source
from tumordiff_core.sentences import SENTENCES

PART = np.s_[28:54, 70:214, 60:230]
"""The real study around its volume of interest: enough for every figure, a sixth of the time."""
BLUR = {"export.rim_changed", "export.structure_in_lesion", "export.edges_in_residual"}


def record(found: dict[str, Any], **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "kind": "denoised", "provenance": "derived", "figures": {"gate": found},
        "facts": {"role": "dynamic", "modality": "MR", "phases": 3}, "phase_s": [None, None, None],
        "noise": {"sigma": found.get("sigma_measured", [])},
    }  # fmt: skip
    return Record(**{**fields, **changes})


def questions(found: list[Finding]) -> set[str]:
    return {finding.code for finding in found if finding.level == "confirm"}


def told(found: list[Finding]) -> None:
    """Every finding has its sentence, with all its facts."""
    for finding in found:
        assert SENTENCES[finding.code].text(dict(finding.fields))


class Study:
    """The part of the real study around its lesion, with its recorded rule."""

    def __init__(self, volume: Volume, expected: dict[str, Any]) -> None:
        self.values = volume.values[:, *PART].astype(np.float32)
        self.levels = tuple(estimate(phase) for phase in volume.values)
        voi = expected["voi"]
        start, end = (list(reversed(voi[name])) for name in ("start_col_row_slice", "end_col_row_slice_inclusive"))
        begin = [part.start for part in PART]
        box = tuple(tuple(n - first for n, first in zip(corner, begin, strict=True)) for corner in (start, end))
        rule = ftv.Rule(pe_threshold_percent=70, pre_contrast_threshold=47, minimum_neighbours=9)
        self.visit = safety.Visit(rule, box, (), (0, 1, 2), volume.geometry.spacing_mm, self.levels)
        self.voxel_cc = volume.geometry.voxel_cc
        random = np.random.default_rng(7)
        self.noise = np.stack([
            safety.noise_like(self.values.shape[1:], level, random) for level in self.levels
        ])  # fmt: skip
        self.noisy = np.rint(self.values + self.noise)

    def judged(self, acquired: np.ndarray, denoised: np.ndarray, *, used: float = 1.0) -> list[Finding]:
        figures = safety.figures(acquired, denoised, self.visit)
        figures |= {"voxel_cc": self.voxel_cc, "sigma_measured": [level.sigma for level in self.levels]}
        noise = {"sigma": [used * level.sigma for level in self.levels]}
        found = gate.judge(record(figures, noise=noise))
        told(found)
        return found


@pytest.fixture(scope="module")
def study(real_volume: Volume, ispy1_expected: dict[str, Any]) -> Study:
    return Study(real_volume, ispy1_expected)


@pytest.mark.real
class TestRealStudy:
    """The five cases that must be asked, and the one that must not (a perfect denoiser of one more dose of noise)."""

    def test_taking_noise_alone_needs_no_question(self, study: Study) -> None:
        assert questions(study.judged(study.noisy, study.values)) == set()

    @pytest.mark.parametrize("pixels", [0.5, 0.8])
    def test_blur_is_asked_although_the_volume_stays(self, study: Study, pixels: float) -> None:
        found = questions(study.judged(study.values, blurred(study.values, pixels)))
        assert found >= BLUR
        assert "export.ftv_moved" not in found

    @pytest.mark.parametrize("factor", [0.5, 2.0])
    def test_wrong_level_is_asked(self, study: Study, factor: float) -> None:
        denoised = study.noisy - min(factor, 1.0) * study.noise
        found = questions(study.judged(study.noisy, denoised, used=factor))
        assert found == {"export.level_differs"}

    @pytest.mark.parametrize("phase", [0, 2])
    def test_phase_left_noisy_is_asked(self, study: Study, phase: int) -> None:
        denoised = study.values.copy()
        denoised[phase] = study.noisy[phase]
        found = study.judged(study.noisy, denoised)
        assert questions(found) >= {"export.phases_uneven"}
        (finding,) = [f for f in found if f.code == "export.phases_uneven"]
        assert finding.fields["phase"] == phase + 1

    def test_one_more_dose_of_noise_does_what_was_measured(self, study: Study, ispy1_expected: dict[str, Any]) -> None:
        """One dose at sigma 3.25: 4,292 +- 23 voxels, Dice 0.961; ours is drawn at the level found in the air."""
        found = safety.figures(study.values, study.values, study.visit)
        assert found["lesion_voxels"] == ispy1_expected["counts"]["tumour"]
        assert found["doubt_voxels_sd"] == pytest.approx(22.5, rel=0.5)
        assert -80 < found["doubt_voxels_shift"] < -30
        assert found["doubt_dice"] == pytest.approx(0.961, abs=0.008)

    def test_a_lesion_wiped_out_is_asked_in_every_way(self, study: Study) -> None:
        denoised = study.values.copy()
        denoised[1:] = denoised[0]
        found = questions(study.judged(study.values, denoised))
        assert found >= {"export.ftv_moved", "export.pe_moved", "export.ser_moved", "export.structure_in_lesion"}


LEVEL = Level(2.0, 2.0, 2.0, 1, (0.0, 0.0), "given")
SHAPE = (3, 8, 64, 64)
RULE = ftv.Rule(pe_threshold_percent=70, pre_contrast_threshold=40, minimum_neighbours=9)
VISIT = safety.Visit(RULE, None, (), (0, 1, 2), (2.0, 1.0, 1.0), (LEVEL,) * 3, integers=False)


def phantom(lesion: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Clean and noisy phases [3, 8, 64, 64]: tissue of 80 in air of 5, a ball of radius 9 that doubles."""
    k, r, c = np.mgrid[0:8, 0:64, 0:64]
    clean = np.full(SHAPE, 5.0, dtype=np.float32)
    clean[:, :, 4:60, 4:60] = 80
    if lesion:
        ball = ((k - 4) * 2) ** 2 + (r - 32) ** 2 + (c - 32) ** 2
        clean[1] += 90 / (1 + np.exp((np.sqrt(ball) - 9) / 0.6))
        clean[2] += 80 / (1 + np.exp((np.sqrt(ball) - 9) / 0.6))
    noise = np.random.default_rng(3).normal(0, LEVEL.sigma, SHAPE)
    return clean, (clean + noise).astype(np.float32)


def judged(acquired: np.ndarray, denoised: np.ndarray, visit: safety.Visit = VISIT, **more: Any) -> list[Finding]:
    found = gate.judge(record(safety.figures(acquired, denoised, visit) | more))
    told(found)
    return found


def test_phantom_cleaned_perfectly_needs_no_question() -> None:
    clean, noisy = phantom()
    assert questions(judged(noisy, clean)) == set()


def test_without_a_lesion_the_alarm_over_tissue_still_works() -> None:
    clean, noisy = phantom(lesion=False)
    assert {f.code for f in judged(noisy, clean)} == {"export.no_lesion"}
    noisy[0, 3, 20:26, 20:26] += 6
    found = judged(noisy, clean)
    (finding,) = [f for f in found if f.code == "export.structure_in_tissue"]
    place = [int(n) - 1 for n in finding.fields["place"].split(", ")]
    assert place[0] == 3
    assert all(20 <= n < 26 for n in place[1:])


def test_an_invented_lesion_is_asked() -> None:
    clean, noisy = phantom(lesion=False)
    invented, _ = phantom()
    assert "export.ftv_moved" in questions(judged(noisy, invented))
    assert {f.code for f in judged(noisy, clean)} == {"export.no_lesion"}


def test_without_a_volume_of_interest_it_says_so() -> None:
    clean, noisy = phantom()
    assert "export.no_voi" in {f.code for f in judged(noisy, clean, voi=False)}


@pytest.mark.parametrize("phases", [1, 2])
def test_one_phase_is_judged_by_its_residual_alone(phases: int) -> None:
    clean, noisy = phantom()
    visit = replace(VISIT, timing=(0, 1, phases - 1), levels=(LEVEL,) * phases)
    assert {f.code for f in judged(noisy[:phases], clean[:phases], visit)} == {"export.no_tumour_volume"}
    smooth = blurred(noisy[:phases], 2.0)
    assert questions(judged(noisy[:phases], smooth, visit))


def test_noise_stays_in_a_series_of_zeros() -> None:
    empty = np.zeros(SHAPE, dtype=np.float32)
    found = safety.figures(empty, empty, replace(VISIT, levels=(replace(LEVEL, sigma=0.0),) * 3))
    assert {f.code for f in gate.judge(record(found))} == {"export.no_lesion"}


def test_a_volume_may_move_by_its_own_doubt_and_no_further() -> None:
    own = {"doubt_voxels_sd": 6.0, "doubt_voxels_shift": -8.0, "doubt_voxels_half_step": 1.0, "voxel_cc": 0.001}
    assert safety.volume_doubt_voxels({"voxels_sd": 6.0, "voxels_shift": -8.0}) == pytest.approx(1.64 * 10)
    for after, asked in ((984, False), (983, True)):
        found = gate.judge(record({"lesion_voxels": 1000, "lesion_voxels_after": after, **own}))
        assert questions(found) == ({"export.ftv_moved"} if asked else set())
    wide = own | {"doubt_voxels_half_step": 20.0}
    assert questions(gate.judge(record({"lesion_voxels": 1000, "lesion_voxels_after": 981, **wide}))) == set()


def test_half_a_grey_step_is_the_least_doubt_of_integers() -> None:
    _, noisy = phantom()
    rule = replace(RULE, pre_contrast_threshold=80)
    visit = replace(VISIT, integers=True, rule=rule, levels=(replace(LEVEL, sigma=1e-6),) * 3)
    step = safety.volume_doubt(list(np.rint(noisy)), visit)
    assert step is not None and step > 50
    assert safety.volume_doubt(list(noisy), replace(visit, integers=False)) == pytest.approx(0, abs=1)


def test_a_volume_without_a_lesion_has_no_doubt() -> None:
    _, noisy = phantom(lesion=False)
    assert safety.volume_doubt(list(noisy), VISIT) is None
    assert safety.volume_doubt_voxels({}) is None


def test_a_model_that_copies_the_phase_it_is_judged_by_is_judged_without_it() -> None:
    _, noisy = phantom()
    copied = noisy.copy()
    copied[1:, :, :] = noisy[1:].mean(axis=0)
    flattered = safety.repeat_phase(noisy, copied, VISIT)
    honest = safety.repeat_phase(noisy, copied, VISIT, {1: noisy[1], 2: noisy[2]})
    assert flattered["repeat_after"] < 0.6 * flattered["repeat_before"]
    assert honest["repeat_after"] == pytest.approx(honest["repeat_before"])


def test_result_without_figures_is_asked() -> None:
    assert questions(gate.judge(record({}))) == {"export.unchecked"}


def test_result_without_alarms_still_says_what_lies_outside_the_training_data() -> None:
    domain = [{"what": "the pixel size", "found": "2 mm", "trained": "1 mm"}]
    assert questions(gate.judge(record({}, figures={"domain": domain}))) == {"export.unchecked", "export.out_of_range"}


def test_missing_phases_are_asked() -> None:
    sources = [Source(path="x", phase=1, slice=k) for k in range(4)]
    (finding,) = [f for f in gate.judge(record({"dice": 1.0}, sources=sources)) if f.level == "confirm"]
    assert (finding.code, finding.fields) == ("export.phases_missing", {"held": 1, "acquired": 3})


@pytest.mark.parametrize(
    ("figures", "code"),
    [
        ({"dice": 0.9, "doubt_dice": 0.95}, "export.tumour_reshaped"),
        ({"ser_reclassified": 0.3, "doubt_ser_reclassified": 0.2}, "export.ser_reclassified"),
        ({"pe_before_percent": 120.0, "pe_after_percent": 117.9}, "export.pe_moved"),
        ({"ser_before": 1.1, "ser_after": 1.13}, "export.ser_moved"),
        ({"repeat_before": 30.0, "repeat_after": 31.0}, "export.repeat_worse"),
        ({"domain": [{"what": "the pixel size", "found": "2 mm", "trained": "1 mm"}]}, "export.out_of_range"),
    ],
)
def test_each_limit_asks_by_itself(figures: dict[str, Any], code: str) -> None:
    whole = {"lesion_voxels": 100, "lesion_voxels_after": 100, **figures}
    found = gate.judge(record(whole))
    told(found)
    assert questions(found) == {code}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"facts": {"role": "pe_map"}}, "enhancement map"), ({"facts": {"role": "localizer"}}, "localizer"),
        ({"facts": {"role": "derived"}}, "derived series"), ({"facts": {"modality": "CT"}}, "CT series"),
        ({"provenance": "predicted"}, "predicted series"),
    ],
)  # fmt: skip
def test_what_was_not_acquired_is_refused(changes: dict[str, Any], found: str) -> None:
    (finding,) = gate.judge(record({}, **changes))
    told([finding])
    assert (finding.level, finding.fields["found"]) == ("refuse", found)


@pytest.mark.parametrize(("power", "asked"), [(0.9, False), (0.3, True), (1.6, True)])
def test_power_of_the_residual_is_held_against_the_models_own_prediction(power: float, asked: bool) -> None:
    doubt = [{}, {"residual_power": power, "residual_power_expected": 0.85}]
    found = gate.judge(record({}, figures={"gate": {"dice": 1.0}, "doubt": doubt}))
    told(found)
    assert questions(found) == ({"export.power_unexpected"} if asked else set())


def test_other_kinds_of_results_pass() -> None:
    assert gate.judge(record({}, kind="response")) == []


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"field_t": 3.0}, "the field strength"),
        ({"plane": "axial"}, "the orientation"),
        ({"noise_percent": 30.0}, "the noise level"),
        ({"pixel_mm": 0.3}, "the pixel size"),
    ],
)
def test_what_lies_outside_the_training_data_is_named(facts: dict[str, Any], what: str) -> None:
    card = CARD.model_copy(
        update={"domain": {"field_t": [1.5, 1.5], "planes": ["sagittal"], "pixel_mm": [0.6, 1.0]}}
    )  # fmt: skip
    inside = {"field_t": 1.5, "plane": "sagittal", "noise_percent": 5.0, "pixel_mm": 0.78, "phases": 3}
    assert outside_domain(card, inside) == []
    (finding,) = outside_domain(card, inside | facts)
    assert finding["what"] == what


def test_rim_width_is_the_edge_that_was_made() -> None:
    clean, noisy = phantom()
    made = 2 * np.log(9) * 0.6
    for phases in (clean, noisy):
        before, wider = safety.rim_widths_mm(list(phases), blurred(phases, 1.0)[1], VISIT)
        assert before == pytest.approx(made, rel=0.25)
        assert wider > 1.15 * made


def test_rim_width_does_not_hang_on_a_few_voxels_of_the_outline() -> None:
    clean, noisy = phantom()
    widths = [
        safety.rim_widths_mm([noisy[0], noisy[1], late], clean[1], VISIT)[1] / safety.rim_widths_mm(
            [noisy[0], noisy[1], late], noisy[1], VISIT)[0]
        for late in (noisy[2], noisy[2] * 0.99, noisy[2] * 1.01)
    ]  # fmt: skip
    assert np.ptp(widths) < 0.01


@pytest.mark.parametrize("rho", [(0.0, 0.0), (0.5, 0.3)])
def test_noise_is_drawn_with_its_level_and_correlation(rho: tuple[float, float]) -> None:
    level = replace(LEVEL, sigma=3.0, lag1=rho)
    drawn = safety.noise_like((20, 96, 96), level, np.random.default_rng(0))
    assert drawn.std() == pytest.approx(3.0, rel=0.02)
    down = float(np.mean(drawn[:, 1:] * drawn[:, :-1])) / 9
    across = float(np.mean(drawn[..., 1:] * drawn[..., :-1])) / 9
    assert (down, across) == (pytest.approx(rho[0], abs=0.03), pytest.approx(rho[1], abs=0.03))


ASKED, NOTED = ("confirm", "export.edges_in_residual"), ("note", "export.edges_kept")


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ([0.02, 0.12], [ASKED]), ([0.02, -0.12], [NOTED]), ([-0.15, 0.12], [ASKED, NOTED]), ([-0.08, 0.08], []),
    ],
)  # fmt: skip
def test_structure_taken_at_edges_is_asked_about_and_noise_left_there_is_noted(
    phases: list[float], said: list[tuple[str, str]]
) -> None:
    found = gate._residual({"residual_gradient": phases})
    assert [(one.level, one.code) for one in found] == said


def test_the_hook_answers_for_a_result_folder(made_result: Any, tmp_path: Path) -> None:
    assert gate.check_export(made_result, "dicom", None) == gate.judge(made_result.record)
