"""What denoising did to a visit, in figures that a gate can judge: volume and its doubt, rim, residual, repeat phase.

Pure functions on arrays of one grid [phase, slice, row, column]. Tumour volume alone guards nothing: a plain blur
moves it by less than its own doubt, so shape, rim, residual and an independent phase are measured beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.optimize import curve_fit

from tumordiff_core.noise.add import coloured
from tumordiff_core.noise.correlation import gaussian_spectrum
from tumordiff_core.noise.correlation import lag1 as measured_lag1
from tumordiff_core.noise.level import Level
from tumordiff_core.response import ftv
from tumordiff_core.response.enhancement import (
    SER_CLASS_LIMITS,
    SER_HIGHEST,
    Bool,
    Float,
    percent_enhancement,
    signal_enhancement_ratio,
)

DRAWS = 10
INTERVAL_SD = 1.64
"""The 90 % interval of what one more dose of noise does."""

HALF_STEP = 0.5
MARGIN = 4
TISSUE_EROSION = 2
RIM_REACH_MM = 4.0
"""Farther from the rim the profile is other tissue's, and a wider fit sees a blur less."""

RIM_STEP_MM = 0.5
FEWEST_RIM_VOXELS = 20
PATCH_PIXELS = 2.5
PATCH_NOISE, MOST_NOISE_SIDE = 4, 2048
"""Slices of pure noise that say how patch means vary, and their longest side: noise is alike everywhere."""

PEAK_SD = 5.0
MOST_PEAKS = 20
FEWEST_REPEAT_VOXELS = 500


Alone = Mapping[int, npt.NDArray[Any]]
"""Phases by their index [slice, row, column]."""


@dataclass(frozen=True)
class Visit:
    """How a visit is measured: its rule, volume of interest, timing, grid and noise.

    Parameters
    ----------
    timing : indices of the pre-contrast, early and late phase
    levels : noise per phase
    integers : the acquired values are integers, so that a rule recorded for them needs rounding
    """

    rule: ftv.Rule
    voi: ftv.Box | None
    omit: tuple[ftv.Box, ...]
    timing: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    levels: tuple[Level, ...]
    integers: bool = True


def figures(
    acquired: npt.NDArray[Any], denoised: npt.NDArray[Any], visit: Visit, *, alone: Alone | None = None, seed: int = 0
) -> dict[str, Any]:
    """All figures of the gate, JSON-ready; what the visit does not allow is left out.

    Parameters
    ----------
    acquired, denoised : real [phase, slice, row, column], rescaled intensity
    visit : ``timing`` may name phases that are not there: then nothing about a lesion is said
    alone : see ``repeat_phase``
    """
    found: dict[str, Any] = {}
    lesion: Bool | None = None
    if len(set(visit.timing)) == 3 and max(visit.timing) < len(acquired):
        before = _tumour([acquired[k] for k in visit.timing], visit)
        cut = crop(visit, before.enhancing)
        found |= lesion_figures(acquired[:, *cut.window], denoised[:, *cut.window], cut.visit, seed=seed)
        lesion = before.mask if before.voxels else None
    tissue = tissue_mask(acquired, visit)
    found |= residual_figures(acquired, denoised, tissue, lesion, visit)
    found |= repeat_phase(acquired, denoised, visit, alone)
    return found


@dataclass(frozen=True)
class Cut:
    """A part of the grid and the visit as seen in it."""

    window: tuple[slice, slice, slice]
    visit: Visit


def crop(visit: Visit, enhancing: Bool) -> Cut:
    """The volume of interest with a margin, else the box around all that enhances: ten draws of noise cost seconds."""
    places = np.argwhere(enhancing)
    if visit.voi is None and not len(places):
        return Cut((slice(None), slice(None), slice(None)), visit)
    first, last = visit.voi or (tuple(places.min(axis=0).tolist()), tuple(places.max(axis=0).tolist()))
    begin = [max(a - MARGIN, 0) for a in first]
    end = [min(b + 1 + MARGIN, n) for b, n in zip(last, enhancing.shape, strict=True)]
    window = tuple(slice(a, b) for a, b in zip(begin, end, strict=True))

    def moved(box: ftv.Box) -> ftv.Box:
        low, high = (tuple(v - a for v, a in zip(corner, begin, strict=True)) for corner in box)
        return low, high

    voi = moved(visit.voi) if visit.voi is not None else None
    inner = replace(visit, voi=voi, omit=tuple(moved(box) for box in visit.omit))
    return Cut(window, inner)  # type: ignore[arg-type]


def lesion_figures(
    acquired: npt.NDArray[Any], denoised: npt.NDArray[Any], visit: Visit, *, seed: int = 0
) -> dict[str, Any]:
    """Volume, overlap, SER classes, enhancement and rim of the lesion before and after, with what noise alone does."""
    before_phases = [acquired[k].astype(np.float32) for k in visit.timing]
    after_phases = [denoised[k].astype(np.float32) for k in visit.timing]
    before, after = _tumour(before_phases, visit), _tumour(after_phases, visit)
    found: dict[str, Any] = {"lesion_voxels": before.voxels, "lesion_voxels_after": after.voxels}
    if before.voxels == 0:
        return found
    draws = noise_draws(before_phases, before, visit, seed=seed)
    draws["voxels_half_step"] = half_step_voxels(before_phases, before, visit)
    found |= {f"doubt_{name}": value for name, value in draws.items()}
    found["dice"] = ftv.dice(before.mask, after.mask)
    found["ser_reclassified"] = reclassified(before, after)
    found |= _enhancement_shift(before_phases, after_phases, before.mask)
    widths = rim_widths_mm(before_phases, after_phases[1], visit)
    if widths is not None:
        found["rim_before_mm"], found["rim_after_mm"] = widths
    return found


def _tumour(phases: Sequence[npt.NDArray[Any]], visit: Visit) -> ftv.Tumour:
    values = [ftv.on_integer_grid(phase) for phase in phases] if visit.integers else list(phases)
    return ftv.tumour(values[0], values[1], values[2], visit.rule, voi=visit.voi, omit=visit.omit)


def noise_draws(
    phases: Sequence[Float], before: ftv.Tumour, visit: Visit, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, float]:
    """What one more dose of the series' own noise does to its tumour, over ``draws`` repeats.

    Returns
    -------
    voxels_sd, voxels_shift : spread and mean change of the volume, voxels
    dice, ser_reclassified : mean overlap with the mask as acquired, mean share of voxels in another SER class, each
        with its spread ``_sd``
    pe_shift_sd, ser_shift_sd : spread of the lesion's mean enhancement (percent) and SER
    """
    random = np.random.default_rng(seed)
    rows: list[tuple[float, float, float, float, float]] = []
    for _ in range(draws):
        noisy = [
            phase + noise_like(phase.shape, visit.levels[k], random)
            for phase, k in zip(phases, visit.timing, strict=True)
        ]
        again = _tumour(noisy, visit)
        shift = _enhancement_shift(phases, noisy, before.mask)
        rows.append((
            again.voxels - before.voxels, ftv.dice(before.mask, again.mask), reclassified(before, again),
            shift["pe_after_percent"] - shift["pe_before_percent"], shift["ser_after"] - shift["ser_before"],
        ))  # fmt: skip
    table = np.array(rows)
    return {
        "voxels_sd": float(table[:, 0].std(ddof=1)), "voxels_shift": float(table[:, 0].mean()),
        "dice": float(table[:, 1].mean()), "dice_sd": float(table[:, 1].std(ddof=1)),
        "ser_reclassified": float(table[:, 2].mean()), "ser_reclassified_sd": float(table[:, 2].std(ddof=1)),
        "pe_shift_sd": float(table[:, 3].std(ddof=1)), "ser_shift_sd": float(table[:, 4].std(ddof=1)),
    }  # fmt: skip


def half_step_voxels(phases: Sequence[npt.NDArray[Any]], before: ftv.Tumour, visit: Visit) -> float:
    """How far the volume moves when the tissue threshold moves by half a grey step of integer images, voxels.

    ``>= 47`` of integers is ``>= 46.5`` of the signal; what lies between cannot be told apart. 0 for other images.
    """
    if not visit.integers:
        return 0.0
    moved = [
        _tumour(phases, replace(visit, rule=replace(visit.rule, pre_contrast_threshold=before.threshold + step))).voxels
        for step in (-HALF_STEP, HALF_STEP)
    ]
    return float(max(abs(voxels - before.voxels) for voxels in moved))


def volume_doubt_voxels(figures: Mapping[str, float]) -> float | None:
    """Half the width of the 90 % interval of a volume: its spread and its bias under one more dose of noise.

    Never less than what half a grey step does. ``figures`` as of ``noise_draws`` and ``half_step_voxels``; None
    without any.
    """
    if "voxels_sd" not in figures:
        return None
    noise = float(np.hypot(figures["voxels_sd"], figures.get("voxels_shift", 0.0)))
    return max(INTERVAL_SD * noise, float(figures.get("voxels_half_step", 0.0)))


def volume_doubt(phases: Sequence[npt.NDArray[Any]], visit: Visit, *, seed: int = 0) -> float | None:
    """The same from the three phases [slice, row, column] of an acquired visit; None without a tumour."""
    values = [np.asarray(phase, dtype=np.float32) for phase in phases]
    cut = crop(visit, _tumour(values, visit).enhancing)
    inside = [phase[cut.window] for phase in values]
    before = _tumour(inside, cut.visit)
    if before.voxels == 0:
        return None
    draws = noise_draws(inside, before, cut.visit, seed=seed)
    return volume_doubt_voxels({**draws, "voxels_half_step": half_step_voxels(inside, before, cut.visit)})


def noise_like(shape: tuple[int, ...], level: Level, random: np.random.Generator) -> Float:
    """Gaussian noise [slice, row, column] of a level, its neighbours correlated as measured (Gaussian fall-off)."""
    rows, columns = shape[-2:]
    amplitude, noise = gaussian_spectrum(rows, columns, level.lag1), np.empty(shape, dtype=np.float32)
    for one in noise:
        one[:] = level.sigma * coloured(random.standard_normal(one.shape), amplitude)
    return noise


def _falloff(length: int, rho: float) -> npt.NDArray[np.float64]:
    lag = np.minimum(np.arange(length), length - np.arange(length))
    return np.where(lag == 0, 1.0, max(rho, 0.0) ** (lag.astype(np.float64) ** 2))


def correlated_voxels(level: Level) -> float:
    """How many voxels of a slice share one independent value of its noise."""
    return float(np.prod([_falloff(64, rho).sum() for rho in level.lag1]))


def reclassified(before: ftv.Tumour, after: ftv.Tumour) -> float:
    """Share of the voxels in both masks whose SER fell into another display class."""
    both = before.mask & after.mask
    if not both.any():
        return 0.0 if before.voxels == after.voxels == 0 else 1.0
    limits = np.array(SER_CLASS_LIMITS, dtype=np.float32)
    classes = [np.digitize(tumour.ser[both], limits, right=True) for tumour in (before, after)]
    return float(np.mean(classes[0] != classes[1]))


def _enhancement_shift(before: Sequence[Float], after: Sequence[Float], mask: Bool) -> dict[str, float]:
    found = {}
    for name, phases in (("before", before), ("after", after)):
        found[f"pe_{name}_percent"] = float(percent_enhancement(phases[0], phases[1])[mask].mean())
        ser = signal_enhancement_ratio(phases[0], phases[1], phases[2])[mask]
        found[f"ser_{name}"] = float(np.clip(ser, 0, SER_HIGHEST).mean())
    return found


def rim_widths_mm(acquired: Sequence[Float], denoised_early: Float, visit: Visit) -> tuple[float, float] | None:
    """Distances over which the early signal rises from 10 to 90 % across the lesion's rim, acquired and denoised.

    ``None`` without a lesion. The rim is found in the acquired late phase and both profiles are read in early phases,
    whose noise is independent: the noise that drew the rim then does not steepen a profile. One rim serves both, for
    a few voxels that join or leave an outline move its width by a percent or two.
    """
    distance = _rim_distance_mm(acquired, visit)
    if distance is None:
        return None
    widths = [_rim_width_mm(distance, early) for early in (acquired[1], denoised_early)]
    return None if widths[0] is None or widths[1] is None else (widths[0], widths[1])


def _rim_distance_mm(phases: Sequence[Float], visit: Visit) -> npt.NDArray[np.float64] | None:
    """Distance to the rim of the largest lesion of the late phase, negative inside."""
    shape = _tumour([phases[0], phases[2], phases[2]], visit).mask
    parts, count = ndimage.label(shape, np.ones((3, 3, 3)))
    if count == 0:
        return None
    largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    solid = np.stack([ndimage.binary_fill_holes(one) for one in largest])
    spacing = visit.spacing_mm[1:]
    return np.stack([_signed_distance(one, spacing) for one in solid])


def _rim_width_mm(distance: npt.NDArray[np.float64], early: Float) -> float | None:
    edges = np.arange(-RIM_REACH_MM, RIM_REACH_MM + RIM_STEP_MM / 2, RIM_STEP_MM)
    bins = np.digitize(distance, edges)
    counts = np.bincount(bins.ravel(), minlength=len(edges) + 1)[1:-1]
    sums = np.bincount(bins.ravel(), early.ravel(), minlength=len(edges) + 1)[1:-1]
    usable = counts >= FEWEST_RIM_VOXELS
    if usable.sum() < 6:
        return None
    return _rise(((edges[:-1] + edges[1:]) / 2)[usable], sums[usable] / counts[usable])


def _signed_distance(mask: Bool, spacing: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Distance to the rim in mm, negative inside; far away where a slice holds no lesion."""
    if not mask.any():
        return np.full(mask.shape, 1e6)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    return np.asarray(np.where(mask, -(inside - spacing[0] / 2), outside - spacing[0] / 2))


def _rise(distance_mm: npt.NDArray[np.float64], profile: npt.NDArray[np.float64]) -> float | None:
    """10-90 % width of a falling profile, by a logistic edge fitted to it."""

    def edge(x: Any, inner: float, outer: float, centre: float, scale: float) -> Any:
        return outer + (inner - outer) / (1 + np.exp(np.clip((x - centre) / scale, -50, 50)))

    start = (profile[0], profile[-1], 0.0, 0.7)
    try:
        (_, _, _, scale), _ = curve_fit(
            edge, distance_mm, profile, p0=start, bounds=([-np.inf, -np.inf, -3, 0.05], [np.inf, np.inf, 3, 10])
        )
    except RuntimeError:
        return None
    return float(2 * np.log(9) * scale)


def tissue_mask(acquired: npt.NDArray[Any], visit: Visit) -> Bool:
    """Voxels of tissue in the pre-contrast phase, without the two pixels next to air."""
    threshold = visit.rule.pre_contrast_threshold
    pre = ndimage.gaussian_filter(acquired[visit.timing[0]].astype(np.float32), (0, 1, 1))
    tissue = pre >= (ftv.tissue_threshold(acquired[visit.timing[0]]) if threshold is None else threshold)
    near = np.ones((1, 2 * TISSUE_EROSION + 1, 2 * TISSUE_EROSION + 1), dtype=bool)
    eroded: Bool = ndimage.binary_erosion(tissue, near)
    return eroded


def residual_figures(
    acquired: npt.NDArray[Any], denoised: npt.NDArray[Any], tissue: Bool, lesion: Bool | None, visit: Visit
) -> dict[str, Any]:
    """What was taken away, in units of the local noise, over all tissue and inside the lesion, phase by phase."""
    names = ("residual_rms", "residual_gradient", "residual_lesion_z", "residual_peak_z")
    found: dict[str, Any] = {name: [] for name in (*names, "residual_lag1")}
    peaks: list[dict[str, Any]] = []
    for k, level in enumerate(visit.levels):
        if level.sigma <= 0 or not tissue.any():
            continue
        residual = acquired[k].astype(np.float32, copy=False) - denoised[k].astype(np.float32, copy=False)
        found["residual_rms"].append(float(np.sqrt(np.mean((residual[tissue] / level.sigma) ** 2))))
        found["residual_lag1"].append(list(measured_lag1(residual, tissue)))
        found["residual_gradient"].append(gradient_correlation(denoised[k], residual, tissue))
        z = residual / level.sigma
        del residual  # a large slice leaves no room for it
        bias = (2 * level.channels - 1) * level.sigma / (2 * np.maximum(denoised[k], level.sigma))
        if lesion is not None:
            independent = max(lesion.sum() / correlated_voxels(level), 1.0)
            mean = smaller(z[lesion].mean(keepdims=True), (z - bias)[lesion].mean(keepdims=True))
            found["residual_lesion_z"].append(abs(float(mean[0])) * float(np.sqrt(independent)))
        highest, here = structure_peaks(z, bias, tissue, level)
        found["residual_peak_z"].append(highest)
        peaks += [{"phase": k, **peak} for peak in here]
    found["peaks"] = sorted(peaks, key=lambda peak: -abs(peak["z"]))[:MOST_PEAKS]
    return {name: values for name, values in found.items() if values or name == "peaks"}


def gradient_correlation(image: npt.NDArray[Any], residual: npt.NDArray[Any], tissue: Bool) -> float:
    """Correlation of the steepness of the denoised image with the size of what was taken away, over tissue."""
    values = image.astype(np.float32, copy=False)
    steep = np.hypot(ndimage.sobel(values, axis=-1), ndimage.sobel(values, axis=-2))[tissue]
    size = np.abs(residual)[tissue]
    if steep.std() == 0 or size.std() == 0:
        return 0.0
    return float(np.corrcoef(steep, size)[0, 1])


def smaller(as_found: npt.NDArray[Any], without_bias: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The smaller of two deviations, 0 where their signs differ: a denoiser may leave or take the magnitude's bias."""
    least = np.minimum(np.abs(as_found), np.abs(without_bias))
    return np.asarray(np.where(as_found * without_bias > 0, np.sign(as_found) * least, 0))


def structure_peaks(
    z: npt.NDArray[Any], bias: npt.NDArray[Any], tissue: Bool, level: Level
) -> tuple[float, list[dict[str, Any]]]:
    """Places in tissue where the residual hangs together over a patch more than its noise could.

    Parameters
    ----------
    z, bias : residual and what the magnitude's bias may add to it, in standard deviations of the noise

    Returns
    -------
    the largest absolute deviation of a patch mean in standard deviations of patch means of pure noise, and the
    places above ``PEAK_SD``: ``{"index": [slice, row, column], "z": ...}``, largest first
    """
    unit = Level(1.0, 1.0, 1.0, level.channels, level.lag1, level.estimator)
    sides = [min(side, MOST_NOISE_SIDE) for side in z.shape[1:]]
    noise = noise_like((PATCH_NOISE, *sides), unit, np.random.default_rng(0))
    # A patch that lies half in air has half the summands, so its sum has a variance of about half.
    share = ndimage.gaussian_filter(tissue.astype(np.float32), (0, PATCH_PIXELS / 2**0.5, PATCH_PIXELS / 2**0.5))
    sd = _patch(noise).std() * np.sqrt(np.maximum(share, 0.1))
    patch = smaller(_patch(np.where(tissue, z, 0)), _patch(np.where(tissue, z - bias, 0))) / sd
    patch[~tissue] = 0
    size = np.abs(patch)
    top = (size == ndimage.maximum_filter(size, (3, 9, 9))) & (size > PEAK_SD)
    places = sorted(np.argwhere(top).tolist(), key=lambda place: -size[tuple(place)])[:MOST_PEAKS]
    return float(size.max(initial=0)), [{"index": place, "z": float(patch[tuple(place)])} for place in places]


def _patch(values: npt.NDArray[Any]) -> Float:
    single = values.astype(np.float32, copy=False)
    smoothed: Float = ndimage.gaussian_filter(single, (0, PATCH_PIXELS, PATCH_PIXELS))
    return smoothed


def repeat_phase(
    acquired: npt.NDArray[Any], denoised: npt.NDArray[Any], visit: Visit, alone: Alone | None = None
) -> dict[str, float]:
    """Mean squared difference of one phase from the independent next one, where nothing enhances or drifts.

    Empty where no two phases after contrast, or too few such voxels, are there. Only the difference between
    ``repeat_before`` and ``repeat_after`` means anything; smaller is better.

    Parameters
    ----------
    alone : early and late phase as denoised without seeing one another, by index [slice, row, column]; a model that
        sees other phases copies the very phase it is judged by, so its own output says nothing here
    """
    pre, early, late = visit.timing
    if max(visit.timing) >= len(acquired) or early == late:
        return {}
    sigma = max(visit.levels[early].sigma, visit.levels[late].sigma)
    smooth = {
        k: ndimage.gaussian_filter(acquired[k].astype(np.float32), (0, 2, 2)) for k in (pre, early, late)
    }  # fmt: skip
    threshold = visit.rule.pre_contrast_threshold or ftv.tissue_threshold(acquired[pre])
    still = (smooth[pre] > 0.64 * threshold) & (np.abs(percent_enhancement(smooth[pre], smooth[early])) < 30)
    still &= np.abs(smooth[late] - smooth[early]) < 1.2 * sigma
    still = ndimage.binary_erosion(still, np.ones((1, 3, 3), dtype=bool))
    if np.count_nonzero(still) < FEWEST_REPEAT_VOXELS:
        return {}
    found = {}
    judged = {k: denoised[k] for k in (early, late)} if alone is None else alone
    for name, values in (("before", {k: acquired[k] for k in (early, late)}), ("after", judged)):
        forth = (values[early].astype(np.float32) - acquired[late])[still]
        back = (values[late].astype(np.float32) - acquired[early])[still]
        found[f"repeat_{name}"] = float((forth.var() + back.var()) / 2)
    return found | {"repeat_voxels": int(np.count_nonzero(still))}
