"""The stress test on a series of one's own: known lesions put into it, denoised, looked for; what is reliably kept.

The lesions are added to the acquired phases, so the series keeps its own noise and anatomy. The same places without a
lesion are the other half of every comparison.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel, posterior_mean, seen
from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import detectability
from tumordiff_core.evaluation.detectability import ENHANCEMENTS_PERCENT, SIZES_MM, Site
from tumordiff_core.progress import Progress
from tumordiff_core.response import ftv

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

SLICES = 6
APART_MM = 12.0
FEWEST_PLACES = 8
SMOOTHING_PIXELS = 1.5
FALSE_ALARMS = 0.05
RELIABLE = 0.9
MOST_TURNS = 40


@dataclass(frozen=True)
class Opened:
    """A series as the network sees it.

    Parameters
    ----------
    phases : float32 [phase, slice, row, column], 1 is about the brightest tissue
    noise : per phase, in that scale
    pre, early : phases before and after contrast; equal in a series of one phase, which is then looked at by itself
    """

    phases: Float
    noise: Sequence[NoiseLevel]
    spacing_mm: tuple[float, float, float]
    pre: int = 0
    early: int = 1
    name: str = "the series"


@dataclass(frozen=True)
class Cell:
    """Lesions of one size and enhancement: share found at 5 % false alarms, and contrast kept, before and after."""

    size_mm: float
    enhancement_percent: float
    lesions: int
    found_acquired: float
    found_denoised: float
    contrast_denoised: float


@dataclass(frozen=True)
class Point:
    """Smallest enhancement at which nine of ten lesions of a size are found; ``None``: at none that was tried."""

    size_mm: float
    acquired_percent: float | None
    denoised_percent: float | None


def tissue_of(opened: Opened) -> tuple[Bool, list[int]]:
    """Where lesions may grow, bool [slice, row, column], and the slices with most room, ``APART_MM`` apart."""
    pre = ndimage.gaussian_filter(opened.phases[opened.pre], (0, 1, 1))
    above = pre[pre > 0]
    threshold = ftv.PERCENT_OF_MAXIMUM * float(np.percentile(above, ftv.MAXIMUM_PERCENTILE)) if above.size else 1.0
    tissue = ndimage.binary_erosion(pre >= threshold, np.ones((1, 5, 5)))
    if opened.early != opened.pre:
        early = ndimage.gaussian_filter(opened.phases[opened.early], (0, 1, 1))
        bright = early > 1.5 * np.maximum(pre, 1e-6)
        tissue &= ~ndimage.binary_dilation(bright & tissue, np.ones((1, 5, 5)))
    room, chosen = tissue.sum(axis=(1, 2)), list[int]()
    for k in np.argsort(room)[::-1]:
        apart = [abs(int(k) - other) * opened.spacing_mm[0] for other in chosen]
        if room[k] and len(chosen) < SLICES and (not apart or min(apart) >= APART_MM):
            chosen.append(int(k))
    return np.asarray(tissue, dtype=bool), sorted(chosen)


def denoised(model: LoadedModel, opened: Opened, added: Float | None, slices: Sequence[int]) -> Float:
    """The phases before and after contrast of some slices, denoised; [2, chosen, row, column], zeros for no phase.

    Parameters
    ----------
    added : float32 [slice, row, column], what lesions add to the early phase and every later one, as contrast that
        stays; nothing if not given
    """
    phases = opened.phases
    if added is not None:
        phases = phases.copy()
        phases[opened.early :] += added
    out = np.zeros((2, len(slices), *phases.shape[2:]), dtype=np.float32)
    wanted = [(1, opened.early)] if opened.pre == opened.early else [(0, opened.pre), (1, opened.early)]
    for column, phase in wanted:
        for k, place in enumerate(slices):
            if opened.noise[phase].sigma <= 0:
                out[column, k] = phases[phase, place]
                continue
            images, present = seen(model, phases, phase, np.array([place]))
            with torch.inference_mode():
                mean = posterior_mean(
                    model, images.to(model.device), present.to(model.device), opened.noise[phase]
                )  # fmt: skip
            out[column, k] = mean[0, 0].cpu().numpy()
    return out


@dataclass
class _Regions:
    """Subtraction images around every lesion and around the same places without it."""

    sites: list[Site]
    acquired: list[Float]
    acquired_absent: list[Float]
    denoised: list[Float]
    denoised_absent: list[Float]
    gained: list[float]
    inserted: list[float]


def run(
    model: LoadedModel, opened: Opened, *, seconds: float = 90.0, most_turns: int = MOST_TURNS, seed: int = 0,
    progress: Progress,
) -> tuple[list[Cell], list[Point]]:  # fmt: skip
    """Insert, denoise and look, turn after turn, until the time is used; cells by size and enhancement, and the curve.

    Raises InputError("evaluate.no_tissue") when the series has no room for lesions.
    """
    tissue, slices = tissue_of(opened)
    rng = np.random.default_rng(seed)
    places = detectability.free_places(tissue, slices, opened.spacing_mm, rng)
    if len(places) < FEWEST_PLACES:
        raise InputError("evaluate.no_tissue", name=opened.name, found=len(places), expected=FEWEST_PLACES)
    began = time.monotonic()
    progress.stage("insert lesions and denoise", most_turns)
    before = denoised(model, opened, None, slices)
    per_turn = time.monotonic() - began
    regions = _Regions([], [], [], [], [], [], [])
    deck: list[tuple[float, float]] = []
    for turn in range(most_turns):
        if turn and time.monotonic() - began + per_turn > seconds:
            progress.advance(most_turns - turn)
            break
        started = time.monotonic()
        here = places if turn == 0 else detectability.free_places(tissue, slices, opened.spacing_mm, rng)
        _turn(model, opened, here, slices, before, deck, regions, rng)
        per_turn = time.monotonic() - started
        progress.advance()
    cells = _cells(regions, opened)
    return cells, curve(cells)


def _turn(
    model: LoadedModel, opened: Opened, places: Sequence[tuple[int, int, int]], slices: Sequence[int], before: Float,
    deck: list[tuple[float, float]], regions: _Regions, rng: np.random.Generator,
) -> None:  # fmt: skip
    """One lesion at every place, sizes and enhancements dealt evenly."""
    sites = []
    for place in places:
        if not deck:
            deck.extend((size, pe) for size in SIZES_MM for pe in ENHANCEMENTS_PERCENT)
            rng.shuffle(deck)
        size, pe = deck.pop()
        sites.append(Site(*place, True, float(size), float(pe), bool(rng.random() >= detectability.NON_MASS_SHARE)))
    width = (0, SMOOTHING_PIXELS, SMOOTHING_PIXELS)
    early = opened.phases[opened.early]
    smooth_pre, smooth_early = (ndimage.gaussian_filter(opened.phases[k], width) for k in (opened.pre, opened.early))
    with_lesions, share = detectability.inserted(smooth_pre, smooth_early, sites, opened.spacing_mm, rng)
    added = with_lesions - smooth_early
    after = denoised(model, opened, added, slices)
    reach = [int(np.ceil(detectability.REACH_MM / step)) for step in opened.spacing_mm[1:]]
    base = np.zeros_like(early) if opened.pre == opened.early else opened.phases[opened.pre]
    for site in sites:
        k = slices.index(site.slice)
        rows, columns = (slice(m - r, m + r + 1) for m, r in zip((site.row, site.column), reach, strict=True))
        full = (site.slice, rows, columns)
        plain = early[full] - base[full]
        regions.sites.append(site)
        regions.acquired_absent.append(plain)
        regions.acquired.append(plain + added[full])
        shown, empty = ((d[1, k] - d[0, k])[rows, columns] for d in (after, before))
        regions.denoised.append(shown)
        regions.denoised_absent.append(empty)
        regions.gained.append(float(((shown - empty) * share[full]).sum()))
        regions.inserted.append(float((added[full] * share[full]).sum()))


def _cells(regions: _Regions, opened: Opened) -> list[Cell]:
    """Found and kept by size and enhancement; a template per size, the threshold from places without lesions."""
    side = regions.acquired[0].shape
    channels = detectability.laguerre_gauss(min(side), detectability.CHANNEL_WIDTH_MM / opened.spacing_mm[1])
    sizes = np.array([site.size_mm for site in regions.sites])
    strengths = np.array([site.enhancement_percent for site in regions.sites])
    gained, inserted = np.array(regions.gained), np.array(regions.inserted)
    found = []
    for size in SIZES_MM:
        of_size = np.flatnonzero(sizes == size)
        if len(of_size) < 2 * len(ENHANCEMENTS_PERCENT):
            continue
        hit = [
            _found(_square(present, of_size), _square(absent, None), channels)
            for present, absent in (
                (regions.acquired, regions.acquired_absent), (regions.denoised, regions.denoised_absent)
            )
        ]  # fmt: skip
        for strength in ENHANCEMENTS_PERCENT:
            chosen = strengths[of_size] == strength
            if not chosen.any():
                continue
            contrast = gained[of_size][chosen].sum() / max(float(inserted[of_size][chosen].sum()), 1e-9)
            found.append(
                Cell(
                    size, strength, int(chosen.sum()), float(hit[0][chosen].mean()), float(hit[1][chosen].mean()),
                    float(contrast),
                )
            )  # fmt: skip
    return found


def _square(regions: Sequence[Float], chosen: npt.NDArray[Any] | None) -> Float:
    """Regions cut to a square, each without the mean of its border, so that slow anatomy counts less."""
    side = min(regions[0].shape)
    stacked = np.stack([regions[k] for k in (range(len(regions)) if chosen is None else chosen)])
    rows, columns = ((n - side) // 2 for n in stacked.shape[1:])
    cut = stacked[:, rows : rows + side, columns : columns + side]
    border = np.concatenate([cut[:, 0], cut[:, -1], cut[:, :, 0], cut[:, :, -1]], axis=1)
    return np.asarray(cut - border.mean(axis=1)[:, None, None], dtype=np.float32)


def _found(present: Float, absent: Float, channels: npt.NDArray[Any]) -> Bool:
    ratings, alarms = detectability.hotelling_scores(present, absent, channels)
    return np.asarray(ratings > np.quantile(alarms, 1 - FALSE_ALARMS), dtype=bool)


def curve(cells: Sequence[Cell]) -> list[Point]:
    """The smallest enhancement of each size that is reliably found, before and after, by linear interpolation."""
    points = []
    for size in sorted({cell.size_mm for cell in cells}):
        row = sorted((c for c in cells if c.size_mm == size), key=lambda c: c.enhancement_percent)
        strengths = [cell.enhancement_percent for cell in row]
        points.append(
            Point(
                size, _reached(strengths, [c.found_acquired for c in row]),
                _reached(strengths, [c.found_denoised for c in row]),
            )
        )  # fmt: skip
    return points


def _reached(strengths: Sequence[float], rates: Sequence[float]) -> float | None:
    """The strength from which on all rates are reliable, interpolated from the last one that is not."""
    if not rates or rates[-1] < RELIABLE:
        return None
    low = max((k for k, rate in enumerate(rates) if rate < RELIABLE), default=None)
    if low is None:
        return strengths[0]
    part = (RELIABLE - rates[low]) / (rates[low + 1] - rates[low])
    return float(strengths[low] + part * (strengths[low + 1] - strengths[low]))


def picture(points: Sequence[Point], *, width: int = 420, height: int = 240) -> str:
    """The curve as inline SVG: size across, smallest reliable enhancement upwards; dashed as acquired."""
    most = max(ENHANCEMENTS_PERCENT)

    def place(size: float, strength: float) -> str:
        x = 50 + (size - SIZES_MM[0]) / (SIZES_MM[-1] - SIZES_MM[0]) * (width - 70)
        return f"{x:.1f},{20 + (1 - strength / (1.1 * most)) * (height - 60):.1f}"

    lines = []
    for name, colour, dash in (("acquired", "#6B7680", "6 4"), ("denoised", "#1768AC", "none")):
        values = [(p.size_mm, getattr(p, f"{name}_percent")) for p in points]
        found = " ".join(place(size, value) for size, value in values if value is not None)
        lines.append(f'<polyline points="{found}" fill="none" stroke="{colour}" stroke-dasharray="{dash}"/>')
        lines.extend(
            f'<circle cx="{c.split(",")[0]}" cy="{c.split(",")[1]}" r="3" fill="{colour}"/>' for c in found.split()
        )
    style = f'y="{height - 22}" font-size="11" text-anchor="middle"'
    marks = "".join(f'<text x="{place(size, 0).split(",")[0]}" {style}>{size:g}</text>' for size in SIZES_MM) + "".join(
        f'<text x="44" y="{place(3, pe).split(",")[1]}" font-size="11" text-anchor="end">{pe:g}</text>'
        for pe in ENHANCEMENTS_PERCENT
    )
    legend = (
        f'<text x="{width / 2}" y="{height - 4}" font-size="11" text-anchor="middle">size in mm; smallest enhancement '
        f"in percent found in 9 of 10 (solid: denoised, dashed: acquired)</text>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">'
        f"{marks}{''.join(lines)}{legend}</svg>"
    )
