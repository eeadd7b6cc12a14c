"""What a result says about itself, as sentences a radiologist reads; each may name a place to look at."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from tumordiff_core import units
from tumordiff_core.result_folder import Record
from tumordiff_core.sentences import SENTENCES
from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.views.corner_text import number

FTV_LIMIT_PERCENT = 2.0
MOST_LINKS = 12
POWER_TOLERANCE, LAG1_TOLERANCE = 0.10, 0.05
"""How much more power, and how much more correlation, a residual may have than a posterior mean's must have."""

SPECTRUM_TOLERANCE_DB = 1.0


@dataclass(frozen=True)
class Said:
    """One sentence.

    Parameters
    ----------
    level : ``good``, ``note`` or ``warning``
    phase : phase it is about, ``None`` for all
    index : voxel (slice, row, column) to jump to, where it names one
    """

    text: str
    level: Literal["good", "note", "warning"] = "note"
    phase: int | None = None
    index: tuple[int, int, int] | None = None


def of_record(record: Record, phase: int) -> list[Said]:
    """Everything a result's record says, for the phase that is shown."""
    return [*_tumour(record), *noise_of(record, phase), *_doubt(record, phase), *_findings(record, phase)]


def _tumour(record: Record) -> list[Said]:
    figures = record.figures
    before, after = figures.get("ftv_before_cc"), figures.get("ftv_after_cc")
    if before is None or after is None:
        return [Said(strings.FTV_NONE)]
    change = 100 * (after - before) / before if before else (0.0 if not after else math.inf)
    dice = figures.get("ftv_dice")
    text = strings.FTV_SENTENCE.format(
        before=units.format_cc(before), after=units.format_cc(after), change=f"{change:+.1f} %",
        dice="-" if dice is None else strings.RATIO.format(value=dice),
        rule=strings.RULES.get(str(figures.get("rule")), str(figures.get("rule"))),
    )  # fmt: skip
    said = [Said(text)]
    asked = any(str(one.get("code")) == "export.ftv_moved" for one in record.findings)
    if abs(change) > FTV_LIMIT_PERCENT and not asked:
        said.append(Said(strings.FTV_MOVED.format(limit=FTV_LIMIT_PERCENT), "warning"))
    for one in figures.get("published") or []:
        value = one.get("ftv_cc", one.get("value_cc", one.get("value")))
        if isinstance(value, int | float):
            said.append(Said(strings.PUBLISHED.format(value=units.format_cc(value))))
    return said


def sigma_of(record: Record, phase: int) -> float:
    """Noise level of a phase in the units of the source, 0 when unknown."""
    found = record.noise.get("sigma") or [0.0]
    return float(found[min(phase, len(found) - 1)] or 0.0)


def noise_of(record: Record, phase: int) -> list[Said]:
    """The measured level of a phase with its range, and what repeated phases allow; nothing when it is unknown."""
    noise, sigma = record.noise, sigma_of(record, phase)
    if sigma <= 0:
        return []
    ends = [
        float((noise.get(end) or [sigma])[min(phase, len(noise.get(end) or [sigma]) - 1)]) for end in ("low", "high")
    ]
    estimator = str(noise.get("estimator", ""))
    said = [strings.NOISE_SENTENCE.format(
        sigma=number(sigma), low=number(ends[0]), high=number(ends[1]),
        estimator=strings.ESTIMATORS.get(estimator, estimator),
    )]  # fmt: skip
    repeat = noise.get("repeat")
    if repeat:
        said.append(strings.REPEAT_SENTENCE.format(**{end: number(repeat[end]) for end in ("sigma", "low", "high")}))
    return [Said(text) for text in said]


def _doubt(record: Record, phase: int) -> list[Said]:
    """What the model itself expects to have gained, where the job asked it."""
    gain = expected_gain(record, phase)
    said = [] if gain is None else [Said(strings.DOUBT_SENTENCE.format(gain=strings.DB.format(value=gain)))]
    return [*said, *_demanded(doubt_of(record, phase)), *_spread_over_frequencies(spectrum_of(record, phase))]


def doubt_of(record: Record, phase: int) -> dict[str, Any]:
    """What the model said of its own doubt about a phase, empty where the job did not ask."""
    rows = record.figures.get("doubt") or []
    return dict(rows[phase] or {}) if phase < len(rows) else {}


def expected_gain(record: Record, phase: int) -> float | None:
    """PSNR gain in dB that the model expects over the acquired phase, without a reference."""
    gain = doubt_of(record, phase).get("expected_psnr_gain_db")
    return float(gain) if isinstance(gain, int | float) and math.isfinite(gain) else None


def _demanded(row: dict[str, Any]) -> list[Said]:
    """The residual's power and correlation against those that a posterior mean's residual must have."""
    names = ("residual_power", "residual_power_expected", "residual_lag1", "residual_lag1_expected")
    if any(row.get(name) is None for name in names) or not row["residual_power_expected"]:
        return []
    power = float(row["residual_power"]) / float(row["residual_power_expected"])
    pairs = list(zip(row["residual_lag1"], row["residual_lag1_expected"], strict=True))
    lag1, expected = max(pairs, key=lambda pair: pair[0] - pair[1])
    met = power <= 1 + POWER_TOLERANCE and lag1 - expected <= LAG1_TOLERANCE
    text = strings.RESIDUAL_DEMAND.format(
        power=100 * power, lag1=lag1, expected=expected,
        verdict=strings.DEMAND_MET if met else strings.DEMAND_MISSED,
    )  # fmt: skip
    return [Said(text, "good" if met else "warning")]


def spectrum_of(record: Record, phase: int) -> dict[str, Any]:
    """The residual's spectrum and the predicted one, empty where the job did not ask."""
    return dict(doubt_of(record, phase).get("residual_spectrum") or {})


def _spread_over_frequencies(spectrum: dict[str, Any]) -> list[Said]:
    worst = spectrum.get("worst_db")
    if worst is None:
        return []
    met = abs(float(worst)) <= SPECTRUM_TOLERANCE_DB
    text = strings.SPECTRUM_SENTENCE.format(
        worst=strings.GAIN.format(value=float(worst)), verdict=strings.SPECTRUM_MET if met else strings.SPECTRUM_MISSED
    )
    return [Said(text, "good" if met else "note")]


def _findings(record: Record, phase: int) -> list[Said]:
    """Findings kept with the result, alarms with their place among them; ones of another phase are left out."""
    said = []
    for one in record.findings:
        about = one.get("phase")
        if about is not None and int(about) != phase:
            continue
        text = str(one.get("sentence") or "") or _by_code(one)
        place = tuple(int(one[k]) for k in ("slice", "row", "column") if one.get(k) is not None)
        index = (place[0], place[1], place[2]) if len(place) == 3 else None
        if index is None and one.get("slice") is not None:
            index = (int(one["slice"]), -1, -1)
        level = "note" if one.get("level") == "note" else "warning"
        if index is not None:
            text = strings.ALARM_JUMP.format(sentence=text, number=index[0] + 1)
        said.append(Said(text, level, about, index))  # type: ignore[arg-type]
    return said


def _by_code(one: dict[str, Any]) -> str:
    code = str(one.get("code", ""))
    fields = one.get("fields") if isinstance(one.get("fields"), dict) else one
    try:
        return SENTENCES[code].text(dict(fields or {}))
    except (KeyError, IndexError):
        return code


def of_figures(figures: dict[str, list[float]], *, truth: bool, total: int) -> list[Said]:
    """What the figures of all slices say, once all are there."""
    if len(figures.get("psnr", [])) < total or total == 0:
        return []
    said = []
    size, lag1 = mean(figures.get("residual", [])), mean(figures.get("lag1", []))
    if size is not None and lag1 is not None:
        said.append(Said(strings.RESIDUAL_SENTENCE.format(size=size, lag1=lag1)))
    before, after = figures.get("psnr_before", []), figures.get("psnr", [])
    pairs = [(k, b, a) for k, (b, a) in enumerate(zip(before, after, strict=False)) if math.isfinite(b - a)]
    if truth and pairs:
        shown = [strings.DB.format(value=sum(p[i] for p in pairs) / len(pairs)) for i in (1, 2)]
        worse = [k for k, b, a in pairs if a < b]
        text = strings.TRUTH_SENTENCE.format(before=shown[0], after=shown[1], count=len(pairs))
        said.append(Said(text, "good" if not worse else "note"))
        if worse:
            links = ", ".join(str(k + 1) for k in worse[:MOST_LINKS])
            text = strings.WORSE_SENTENCE.format(count=len(worse), total=len(pairs), links=links)
            said.append(Said(text, "warning", None, (worse[0], -1, -1)))
    return said


def mean(values: list[float]) -> float | None:
    """Mean of the finite values, ``None`` without any."""
    finite = [v for v in values if math.isfinite(v)]
    return sum(finite) / len(finite) if finite else None
