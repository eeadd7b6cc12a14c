"""Could a small lesion have gone? Known lesions, inserted before the noise, looked for before and after denoising.

The observer is the channelized Hotelling observer with Laguerre-Gauss channels (Gallas & Barrett, JOSA A 2003;20:1725)
on the subtraction image; beside it clusters by the enhancement rule, recovered contrast and the width of edges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, special, stats
from scipy.optimize import curve_fit

from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel, blend, denoise_phase, posterior_mean, seen
from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import baselines
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import lag1_of_spectrum
from tumordiff_core.progress import Progress
from tumordiff_core.response import ftv
from tumordiff_core.simulation import cohort
from tumordiff_core.simulation.breast import step

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Denoise = Callable[[Float, NoiseLevel, Sequence[int]], Float]
"""Phases [phase, slice, row, column] of scale about 1, their noise, which slices -> [phase, chosen, row, column]."""

SIZES_MM = (3.0, 4.0, 5.0, 6.0, 8.0)
ENHANCEMENTS_PERCENT = (40.0, 60.0, 80.0, 100.0, 120.0)
NON_MASS_SHARE = 0.4
EDGE_MM = 0.35
GAP_MM = 16.0
REACH_MM = 9.0
CHANNELS = 10
CHANNEL_WIDTH_MM = 9.0
ENHANCING_PERCENT = 70.0
SMALLEST_CLUSTER = 5
NEAR_PIXELS = 2
DRAWS = 1000
SEED = 4000
CRISP_MM = 6.0


class Site(NamedTuple):
    """Where a lesion is, or could have been, and what it is like; ``present`` says which."""

    slice: int
    row: int
    column: int
    present: bool
    size_mm: float
    enhancement_percent: float
    mass: bool


# the lesions


def lesion_share(site: Site, spacing_mm: Sequence[float], rng: np.random.Generator) -> Float:
    """Share of lesion in the voxels of a block centred on a site, float32 [slice, row, column].

    A mass is a slightly lobulated ball; non-mass enhancement is a handful of clumps strewn over the same diameter.
    """
    reach = [int(np.ceil((site.size_mm / 2 + 2) / step_mm)) for step_mm in spacing_mm]
    axes = [np.arange(-n, n + 1) * step_mm for n, step_mm in zip(reach, spacing_mm, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    if site.mass:
        texture = np.cos(3 * np.arctan2(y, x) + rng.uniform(0, 2 * np.pi))
        radius = site.size_mm / 2 * (1 + 0.06 * texture)
        return step(radius - np.sqrt(x**2 + y**2 + z**2), EDGE_MM)
    share = np.zeros(z.shape)
    for _ in range(int(rng.integers(5, 9))):
        centre = rng.normal(0, site.size_mm / 4.5, 3)
        distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        share = np.maximum(share, step(site.size_mm / 5 + 0.4 - distance, EDGE_MM))
    return share.astype(np.float32)


def free_places(
    tissue: Bool, slices: Sequence[int], spacing_mm: Sequence[float], rng: np.random.Generator
) -> list[tuple[int, int, int]]:
    """Random places in tissue of some slices, ``GAP_MM`` apart within a slice and half of that from the border."""
    rows, columns = tissue.shape[1:]
    margin = [int(np.ceil(REACH_MM / step_mm)) + 1 for step_mm in spacing_mm[1:]]
    found: list[tuple[int, int, int]] = []
    for k in slices:
        inner = np.argwhere(tissue[k])
        taken: list[tuple[int, int]] = []
        for row, column in rng.permutation(inner):
            if not (margin[0] <= row < rows - margin[0] and margin[1] <= column < columns - margin[1]):
                continue
            apart = [np.hypot((row - r) * spacing_mm[1], (column - c) * spacing_mm[2]) for r, c in taken]
            if not apart or min(apart) >= GAP_MM:
                taken.append((int(row), int(column)))
        found.extend((int(k), row, column) for row, column in taken)
    return found


def drawn_sites(
    places: Sequence[tuple[int, int, int]], rng: np.random.Generator, *, present: float = 0.5
) -> list[Site]:
    """A lesion of random size, enhancement and kind at each place; ``present`` of them are really put in."""
    return [
        Site(
            *place, bool(rng.random() < present), float(rng.choice(SIZES_MM)), float(rng.choice(ENHANCEMENTS_PERCENT)),
            bool(rng.random() >= NON_MASS_SHARE),
        )
        for place in places
    ]  # fmt: skip


def inserted(
    pre: Float, early: Float, sites: Sequence[Site], spacing_mm: Sequence[float], rng: np.random.Generator
) -> tuple[Float, Float]:
    """The early phase with every lesion in it that is present, and the share of each site's lesion in every voxel.

    A lesion has the signal of what it grows in before contrast, and its own enhancement after it.
    """
    share = np.zeros(early.shape, dtype=np.float32)
    shown = early.astype(np.float32).copy()
    for site in sites:
        window, block = _window(site, early.shape, lesion_share(site, spacing_mm, rng))
        share[window] = np.maximum(share[window], block)
        if site.present:
            bright = pre[window] * np.float32(1 + site.enhancement_percent / 100)
            shown[window] = np.maximum(shown[window], shown[window] * (1 - block) + bright * block)
    return shown, share


def _window(site: Site, shape: tuple[int, ...], block: Float) -> tuple[tuple[slice, slice, slice], Float]:
    """Where a block lies in the volume, and the part of it that does."""
    outer, inner = [], []
    for centre, count, size in zip((site.slice, site.row, site.column), shape, block.shape, strict=True):
        first = centre - size // 2
        low, high = max(first, 0), min(first + size, count)
        outer.append(slice(low, high))
        inner.append(slice(low - first, high - first))
    return (outer[0], outer[1], outer[2]), block[tuple(inner)]


# the observer


def laguerre_gauss(side: int, width: float, count: int = CHANNELS) -> npt.NDArray[np.float64]:
    """Laguerre-Gauss channels of a square of ``side`` pixels, [pixel, channel]; ``width`` in pixels."""
    axis = np.arange(side) - (side - 1) / 2
    g = 2 * np.pi * (axis[:, None] ** 2 + axis[None, :] ** 2).ravel() / width**2
    return np.stack([np.sqrt(2) / width * np.exp(-g / 2) * special.eval_laguerre(j, g) for j in range(count)], axis=1)


def hotelling_scores(present: Array, absent: Array, channels: Array) -> tuple[Array, Array]:
    """Observer's ratings of regions [region, row, column], each half rated by the template of the other half."""
    v, u = (regions.reshape(len(regions), -1) @ channels for regions in (present, absent))
    ratings = [np.zeros(len(v)), np.zeros(len(u))]
    for fold in (0, 1):
        seen_v, seen_u = v[fold::2], u[fold::2]
        spread = (np.cov(seen_v.T) + np.cov(seen_u.T)) / 2
        ridge = 1e-6 * np.trace(spread) / len(spread) * np.eye(len(spread))
        template = np.linalg.solve(spread + ridge, seen_v.mean(axis=0) - seen_u.mean(axis=0))
        middle = (seen_v.mean(axis=0) + seen_u.mean(axis=0)) / 2 @ template
        width = np.sqrt(template @ spread @ template)
        ratings[0][1 - fold :: 2] = (v[1 - fold :: 2] @ template - middle) / width
        ratings[1][1 - fold :: 2] = (u[1 - fold :: 2] @ template - middle) / width
    return ratings[0], ratings[1]


def area(present: Array, absent: Array) -> float:
    """Area under the ROC curve of two sets of ratings (Mann-Whitney)."""
    ranks = stats.rankdata(np.concatenate([present, absent]))
    n, m = len(present), len(absent)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def analytic_area(signal: Array, covariance: Array, channels: Array) -> float:
    """Area of the same observer that knows a signal [pixel] and the noise covariance [pixel, pixel]."""
    s = signal @ channels
    detectability = np.sqrt(s @ np.linalg.solve(channels.T @ covariance @ channels, s))
    return float(stats.norm.cdf(detectability / np.sqrt(2)))


def area_difference(
    ours: tuple[Array, Array], theirs: tuple[Array, Array], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Difference of two areas over the same lesions, and its bootstrap 95 % interval over lesions."""
    rng = np.random.default_rng(seed)
    n, m = len(ours[0]), len(ours[1])
    found = np.empty(draws)
    for k in range(draws):
        a, b = rng.integers(n, size=n), rng.integers(m, size=m)
        found[k] = area(ours[0][a], ours[1][b]) - area(theirs[0][a], theirs[1][b])
    low, high = np.percentile(found, [2.5, 97.5])
    return area(*ours) - area(*theirs), float(low), float(high)


# what is measured of one method


@dataclass
class Seen:
    """What a method shows of all sites so far.

    Parameters
    ----------
    present, absent : subtraction images [row, column] around sites with and without a lesion
    sites : those with a lesion, in that order
    hits, could : per such site, whether a cluster was found, and whether it is there without noise
    gained, inserted : contrast sums over the lesions
    invented : clusters where nothing enhances
    profiles : per crisp mass and pixel, distance from its rim (mm), signal over its own, and its own
    """

    present: list[Float]
    absent: list[Float]
    sites: list[Site]
    hits: list[bool]
    could: list[bool]
    gained: float = 0.0
    inserted: float = 0.0
    invented: int = 0
    profiles: tuple[list[Float], list[Float], list[Float]] | None = None


def nothing_seen() -> Seen:
    """No site yet."""
    return Seen([], [], [], [], [], profiles=([], [], []))


@dataclass(frozen=True)
class Slice:
    """One slice before and after noise: phases [phase, row, column], without lesions and with them, and its sites."""

    without: Float
    truth: Float
    share: Float
    threshold: float
    sites: Sequence[Site]
    spacing_mm: Sequence[float]


def look(seen_so_far: Seen, image: Float, one: Slice) -> None:
    """Add what a method shows of one slice [phase, row, column]."""
    real, true = clusters(image, one.threshold), clusters(one.truth, one.threshold)
    seen_so_far.invented += _invented(real, one)
    subtraction = image[1] - image[0]
    gain = subtraction - (one.without[1] - one.without[0])
    added = one.truth[1] - one.without[1]
    reach = [int(np.ceil(REACH_MM / step_mm)) for step_mm in one.spacing_mm[1:]]
    for site in one.sites:
        window = (_around(site.row, reach[0]), _around(site.column, reach[1]))
        region = subtraction[window].astype(np.float32)
        if not site.present:
            seen_so_far.absent.append(region)
            continue
        core = one.share[window] > 0.5
        near = ndimage.binary_dilation(core)
        seen_so_far.present.append(region)
        seen_so_far.sites.append(site)
        seen_so_far.hits.append(bool((real[window] & near).any()))
        seen_so_far.could.append(bool((true[window] & near).any()))
        seen_so_far.gained += float((gain[window] * one.share[window]).sum())
        seen_so_far.inserted += float((added[window] * one.share[window]).sum())
        if site.mass and site.size_mm >= CRISP_MM and seen_so_far.profiles is not None:
            for kept, values in zip(
                seen_so_far.profiles, _profile(site, gain[window], added[window], one.spacing_mm), strict=True
            ):
                kept.append(values)


def _around(middle: int, reach: int) -> slice:
    return slice(middle - reach, middle + reach + 1)


def clusters(image: Float, threshold: float) -> Bool:
    """Clusters of at least five pixels of tissue that enhance by 70 % or more, bool [row, column]."""
    pre, early = image
    hot = (pre >= threshold) & (100 * (early - pre) >= ENHANCING_PERCENT * np.maximum(pre, 1e-6))
    labels, count = ndimage.label(hot, np.ones((3, 3)))
    size = np.bincount(labels.ravel(), minlength=count + 1)
    size[0] = 0
    return np.asarray(size[labels] >= SMALLEST_CLUSTER)


def _invented(real: Bool, one: Slice) -> int:
    """Clusters that lie farther than two pixels from anything that enhances without noise."""
    pre, early = one.truth
    hot = 100 * (early - pre) >= ENHANCING_PERCENT * np.maximum(pre, 1e-6)
    near = ndimage.binary_dilation(hot, iterations=NEAR_PIXELS) if hot.any() else hot
    labels, count = ndimage.label(real, np.ones((3, 3)))
    return int(count) - len(set(np.unique(labels[near & real])) - {0})


def _profile(site: Site, gain: Array, added: Array, spacing_mm: Sequence[float]) -> tuple[Float, Float, Float]:
    """Pixel by pixel: distance from the rim in mm, signal over the lesion's own, and the lesion's own signal."""
    rows, columns = gain.shape
    y = (np.arange(rows) - rows // 2) * spacing_mm[1]
    x = (np.arange(columns) - columns // 2) * spacing_mm[2]
    distance = np.hypot(y[:, None], x[None, :]) - site.size_mm / 2
    height = max(float(added.max()), 1e-6)
    relative = (gain.ravel() / height).astype(np.float32)
    return distance.ravel().astype(np.float32), relative, np.full(relative.shape, height, np.float32)


def edge_width_mm(found: Seen) -> float | None:
    """Distance of the 10-90 % rise of all crisp masses, by one logistic edge; faint ones weigh less."""
    if found.profiles is None or not found.profiles[0]:
        return None
    distance, height, own = (np.concatenate(kept) for kept in found.profiles)

    def edge(x: Array, inside: float, outside: float, centre: float, scale: float) -> Array:
        return np.asarray(outside + (inside - outside) * special.expit((centre - x) / scale))

    near = np.abs(distance) < 5
    try:
        best, _ = curve_fit(
            edge,
            distance[near],
            height[near],
            p0=(1, 0, 0, 0.4),
            sigma=1 / own[near],
            bounds=([-5, -5, -3, 0.05], [5, 5, 3, 5]),
        )
    except RuntimeError:
        return None
    return float(2 * np.log(9) * best[3])


def figures(found: Seen, noisy: Seen, spacing_mm: Sequence[float]) -> dict[str, Any]:
    """A method's figures beside those of its noisy input: areas, clusters, contrast, edge."""
    channels = laguerre_gauss(found.present[0].shape[0], CHANNEL_WIDTH_MM / spacing_mm[1])
    ratings = [hotelling_scores(np.stack(s.present), np.stack(s.absent), channels) for s in (found, noisy)]
    difference, low, high = area_difference(ratings[0], ratings[1])
    width = edge_width_mm(found)
    before = edge_width_mm(noisy)
    return {
        "present": len(found.present), "absent": len(found.absent), "area": area(*ratings[0]),
        "area_noisy": area(*ratings[1]), "difference": difference, "low_95": low, "high_95": high,
        "missed": missed(found), "missed_noisy": missed(noisy), "of": sum(found.could),
        "invented": found.invented, "invented_noisy": noisy.invented,
        "contrast": found.gained / max(found.inserted, 1e-9),
        "contrast_noisy": noisy.gained / max(noisy.inserted, 1e-9),
        "edge_mm": width, "edge_change_percent": None if not width or not before else 100 * (width / before - 1),
    }  # fmt: skip


def missed(found: Seen) -> int:
    """Lesions with a cluster in the noise-free image and none in this one."""
    return sum(could and not hit for could, hit in zip(found.could, found.hits, strict=True))


# the study on phantoms


def of_model(model: LoadedModel, strength: float = 1.0) -> Denoise:
    """A model as a method: every phase seen with its neighbours and the other phases; ``strength`` of its mean."""

    def run(phases: Float, noise: NoiseLevel, slices: Sequence[int]) -> Float:
        out = np.empty((len(phases), len(slices), *phases.shape[2:]), dtype=np.float32)
        for phase in range(len(phases)):
            for k, place in enumerate(slices):
                images, present = seen(model, phases, phase, np.array([place]))
                with torch.inference_mode():
                    mean = posterior_mean(model, images.to(model.device), present.to(model.device), noise)
                out[phase, k] = blend(phases[phase, place], mean[0, 0].cpu().numpy(), strength)
        return out

    return run


def of_filter(name: str, *, channels: int = 1, spectrum: Array | None = None) -> Denoise:
    """A classical filter as a method, each phase by itself, with the noise's true spectrum where it takes one."""

    def run(phases: Float, noise: NoiseLevel, slices: Sequence[int]) -> Float:
        return np.stack([filtered(phase, noise.sigma, slices) for phase in phases])

    def filtered(volume: Float, sigma: float, slices: Sequence[int]) -> Float:
        if name == baselines.VOLUMETRIC:
            return baselines.run_volume(volume, sigma, channels=channels, spectrum=spectrum)[list(slices)]
        return np.stack([baselines.run(name, volume[k], sigma, channels=channels, spectrum=spectrum) for k in slices])

    return run


@dataclass(frozen=True)
class Anatomy:
    """Noise-free phases before and after contrast of one phantom, and where a lesion may be put.

    Parameters
    ----------
    phases : float32 [2, slice, row, column], 1 is the 99.9th percentile
    tissue : bool [slice, row, column]
    threshold : least signal of tissue before contrast
    """

    phases: Float
    tissue: Bool
    threshold: float
    spacing_mm: tuple[float, float, float]


def anatomies(plan: cohort.Plan | None = None, *, patients: int = 3) -> list[Anatomy]:
    """Simulated breasts without noise; their own tumours are left alone."""
    made = plan or cohort.Plan(shape=(40, 192, 192), visits=1, seed=SEED)
    found = []
    for patient in cohort.PATIENTS[:patients]:
        visit = cohort.simulate(made, patient)[0]
        phases = visit.clean[:2] / np.float32(np.percentile(visit.clean, 99.9))
        pre = ndimage.gaussian_filter(phases[0], (0, 1, 1))
        threshold = ftv.PERCENT_OF_MAXIMUM * float(np.percentile(pre[pre > 0.05], ftv.MAXIMUM_PERCENTILE))
        tissue = ndimage.binary_erosion(pre >= threshold, np.ones((1, 3, 3)))
        tissue &= ~ndimage.binary_dilation(visit.tumour, iterations=5)
        tissue &= ndimage.maximum_filter(phases[1], (1, 5, 5)) < 1.5 * np.maximum(phases[0], 1e-6)
        found.append(Anatomy(phases.astype(np.float32), tissue, threshold, cohort.spacing_mm(made)))
    return found


def study(
    breasts: Sequence[Anatomy], methods: Mapping[str, Denoise], level: float, *, spectrum: Array | None = None,
    channels: int = 1, wanted: int = 500, seed: int = SEED, progress: Progress,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Figures of every method on at least ``wanted`` lesions present and as many absent, noise drawn anew each round.

    Raises InputError("evaluate.no_tissue") when a round finds no room at all.
    """
    progress.stage("look for small lesions", 2 * wanted)
    noisy = nothing_seen()
    found = {name: nothing_seen() for name in methods}
    lag1 = (0.0, 0.0) if spectrum is None else lag1_of_spectrum(spectrum)
    noise, turn = NoiseLevel(level, lag1, channels), 0
    while min(len(noisy.present), len(noisy.absent)) < wanted:
        breast = breasts[turn % len(breasts)]
        rng = np.random.default_rng((seed, turn))
        slices = _spread_slices(breast, turn)
        sites = drawn_sites(free_places(breast.tissue, slices, breast.spacing_mm, rng), rng)
        if not sites:
            raise InputError("evaluate.no_tissue", name="the phantom", found=0, expected=1)
        early, share = inserted(breast.phases[0], breast.phases[1], sites, breast.spacing_mm, rng)
        truth = np.stack([breast.phases[0], early])
        acquired = magnitude(truth, level, rng, channels, spectrum)
        places = sorted({site.slice for site in sites})
        shown = {"": acquired[:, places], **{n: method(acquired, noise, places) for n, method in methods.items()}}
        for k, place in enumerate(places):
            here = [site for site in sites if site.slice == place]
            one = Slice(
                breast.phases[:, place], truth[:, place], share[place], breast.threshold, here, breast.spacing_mm
            )
            for name, images in shown.items():
                look(found[name] if name else noisy, images[:, k], one)
        progress.advance(len(sites))
        turn += 1
    return {name: figures(one, noisy, breasts[0].spacing_mm) for name, one in found.items()}


def _spread_slices(breast: Anatomy, turn: int) -> list[int]:
    """Slices with tissue, more than a lesion apart, other ones every turn."""
    gap = int(np.ceil((max(SIZES_MM) + 4) / breast.spacing_mm[0]))
    rich = np.flatnonzero(breast.tissue.sum(axis=(1, 2)) > 50)
    return [int(k) for k in rich if k % gap == turn % gap]


# the sphere whose tumour volume is known


RADIUS_VOXELS = 5.0
BOX = 28
SPHERE_RULE = ftv.Rule(pe_threshold_percent=70, pre_contrast_threshold=0.6, minimum_neighbours=9)


@dataclass(frozen=True)
class Sphere:
    """Tumour volume of a noisy sphere before and after denoising, over all draws: mean bias and mean Dice."""

    snr: float
    method: str
    bias_percent: float
    dice: float
    false_far: float

    def to_record(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def sphere_phases() -> Float:
    """Phases [2, 28, 28, 28] without noise: a ball of radius 5 that enhances by 120 % in tissue that does by 20 %."""
    axis = np.arange(BOX) - (BOX - 1) / 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    share = step(RADIUS_VOXELS - distance, 0.35)
    return np.stack([np.ones_like(share), 1 + 0.2 + share * np.float32(1.0)]).astype(np.float32)


def spheres(methods: Mapping[str, LoadedModel], snr: float, *, draws: int = 24, progress: Progress) -> list[Sphere]:
    """Bias and overlap of the rule's tumour volume: untouched, and by each model on both phases or on S0 alone."""
    clean = sphere_phases()
    truth = ftv.tumour(clean[0], clean[1], clean[1], SPHERE_RULE).mask
    far = ~ndimage.binary_dilation(truth, iterations=NEAR_PIXELS)
    high = float(clean.max())
    progress.stage("measure the sphere", draws)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for draw in range(draws):
        noisy = magnitude(clean, 1 / snr, np.random.default_rng((SEED, round(10 * snr), draw)))
        shown: dict[str, Float] = {"untouched": noisy}
        for name, model in methods.items():
            scaled, noise = noisy / np.float32(high), NoiseLevel(1 / snr / high)
            both = [denoise_phase(model, scaled, k, noise, batch=BOX, progress=Progress()) * high for k in (0, 1)]
            shown[name] = np.stack(both)
            shown[f"{name}, S0 only"] = np.stack([both[0], noisy[1]])
        for name, phases in shown.items():
            mask = ftv.tumour(phases[0], phases[1], phases[1], SPHERE_RULE).mask
            bias = 100 * (mask.sum() / truth.sum() - 1)
            rows.setdefault(name, []).append((float(bias), ftv.dice(mask, truth), float((mask & far).sum())))
        progress.advance()
    return [Sphere(snr, name, *(float(v) for v in np.mean(found, axis=0))) for name, found in rows.items()]
