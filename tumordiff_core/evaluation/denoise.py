"""The protocol of `tumordiff evaluate denoise`: made noise, methods, scores over patients.

What is judged on comes from ``references.py``. Noise is drawn anew for each slice from a fixed seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tumordiff_core.engine import context, uncertainty
from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel, posterior_mean
from tumordiff_core.evaluation import baselines, metrics, peer_scores, skin
from tumordiff_core.evaluation.cost import Cost
from tumordiff_core.evaluation.peer_scores import PeerScores
from tumordiff_core.evaluation.references import Reference
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import fermi_spectrum, gaussian_spectrum, lag1_of_spectrum
from tumordiff_core.noise.level import estimate
from tumordiff_core.noise.spectrum import radial
from tumordiff_core.progress import Progress

Float = npt.NDArray[np.float32]
Method = Callable[["Case"], Float]

RESIDUAL = "residual_"
"""Beginning of the scores that hold the residual's power over the noise's, ring by ring; the rest is the frequency."""


@dataclass(frozen=True)
class Kind:
    """A kind of noise.

    Parameters
    ----------
    channels : receiver channels of the magnitude; 0 is real-valued Gaussian noise, whose values may be negative, and of
        which methods hear that it is a magnitude of one channel
    colour : its spectrum by name
    uneven : twice as strong at the border as in the middle; its level is the root mean square over tissue
    ghost : share of the signal that lies half a field of view away, in the reference as well: denoising is not asked
        to know it from anatomy
    """

    name: str
    channels: int = 1
    colour: str = "white"
    uneven: bool = False
    ghost: float = 0.0

    def spectrum(self, rows: int, columns: int) -> npt.NDArray[np.float64] | None:
        """Amplitude spectrum [row, column], None for white noise."""
        if self.colour == "white":
            return None
        if self.colour == "zero-filled":
            return fermi_spectrum(rows, columns)
        return gaussian_spectrum(rows, columns, float(self.colour.removeprefix("lag ")))


KINDS = {
    kind.name: kind
    for kind in (
        Kind("rician"), Kind("two-channel", 2), Kind("four-channel", 4), Kind("zero-filled", 2, "zero-filled"),
        Kind("lag 0.25", 1, "lag 0.25"), Kind("lag 0.5", 1, "lag 0.5"),
        Kind("gaussian", 0), Kind("uneven", uneven=True), Kind("ghost", ghost=0.05),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One noisy slice among its noisy neighbours: reference, noisy stack and what is true of its noise.

    Parameters
    ----------
    spectrum : amplitude [row, column] of coloured noise
    strength : real [row, column], by how much the noise is stronger than its level, where it is uneven
    """

    reference: Reference
    noisy: Float
    noise: NoiseLevel
    spectrum: npt.NDArray[np.float64] | None = None
    strength: npt.NDArray[np.float64] | None = None

    @property
    def image(self) -> Float:
        """The noisy slice itself."""
        return np.asarray(self.noisy[self.reference.centre], dtype=np.float32)

    @cached_property
    def skin(self) -> tuple[npt.NDArray[np.float64], float] | None:
        """Rays across the skin line and the width of the reference's own edge there, None without a skin line."""
        rays = skin.rays_of(self.reference.image, self.reference.mask)
        return None if rays is None else (rays, skin.rise_px(self.reference.image, rays))

    @cached_property
    def residual_power(self) -> npt.NDArray[np.float64]:
        """Power by ring of a residual that is all of the noise, inside the window of ``residual_spectrum``."""
        window = uncertainty.tapered(self.reference.mask[None])[0]
        strength = 1.0 if self.strength is None else self.strength
        area = float(((window * strength) ** 2).sum()) * self.noise.sigma**2
        flat = np.ones(window.shape) if self.spectrum is None else np.broadcast_to(self.spectrum, window.shape) ** 2
        return area * radial(np.asarray(flat, dtype=np.float64), uncertainty.RINGS)


@dataclass
class Table:
    """Every score of every method on every slice: rows with patient, position, kind, level, method and scores."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def column(self, method: str, kind: str, level: float, score: str) -> dict[str, float]:
        """Mean score of each patient."""
        asked = (method, kind, level)
        return _by_patient([r for r in self.rows if (r["method"], r["kind"], r["level"]) == asked], score)

    def methods(self) -> list[str]:
        """Methods in the order they were run."""
        return list(dict.fromkeys(row["method"] for row in self.rows))


def _by_patient(rows: Sequence[dict[str, Any]], score: str) -> dict[str, float]:
    """Means over the slices that have such a place; what is no number stays none."""
    there = [row for row in rows if row[score] is not None]
    return metrics.by_patient([row[score] for row in there], [row["patient"] for row in there])


def noisy_case(reference: Reference, kind: Kind, level: float, index: int) -> Case:
    """The noisy stack of reference number ``index``; the slice's own draws come first, in the protocol's order."""
    rng = np.random.default_rng(1000 * round(100 * level) + index)
    rows, columns = reference.stack.shape[-2:]
    if kind.ghost:
        moved = np.roll(reference.stack, rows // 2, axis=-2)
        reference = replace(reference, stack=(reference.stack + np.float32(kind.ghost) * moved).astype(np.float32))
    spectrum = kind.spectrum(rows, columns)
    strength = _rising(reference.mask) if kind.uneven else None
    sigma = level if strength is None else level * strength
    noisy = np.empty_like(reference.stack)
    order = sorted(range(len(noisy)), key=lambda k: (abs(k - reference.centre), k))
    for k in order:
        if kind.channels:
            noisy[k] = magnitude(reference.stack[k], sigma, rng, kind.channels, spectrum)
        else:
            noisy[k] = reference.stack[k] + sigma * rng.standard_normal((rows, columns))
    lag1 = (0.0, 0.0) if spectrum is None else lag1_of_spectrum(spectrum)
    return Case(reference, noisy, NoiseLevel(level, lag1, max(kind.channels, 1)), spectrum, strength)


def _rising(mask: metrics.Mask) -> npt.NDArray[np.float64]:
    """Strength of noise that doubles from the middle to the borders, root mean square 1 over tissue."""
    y, x = (np.linspace(-1, 1, side) for side in mask.shape)
    strength = 1 + np.minimum(np.hypot(y[:, None], x[None, :]), 1.0)
    return np.asarray(strength / np.sqrt((strength[mask] ** 2).mean() if mask.any() else 1.0))


def model_method(model: LoadedModel, *, neighbours: bool, blind: bool = False) -> Method:
    """A model as a method, with or without the neighbouring slices, with the true or the measured level."""

    def run(case: Case) -> Float:
        noise = case.noise
        if blind:
            level = estimate(case.noisy if neighbours else case.image[None])
            noise = NoiseLevel(level.sigma, level.lag1, level.channels)
        with torch.inference_mode():
            images, present = context.gather(case.noisy[None], 0, np.array([case.reference.centre]))
            if not neighbours:
                images, present = context.without(images, present, neighbours=False)
            shown = torch.from_numpy(images).to(model.device)
            mean = posterior_mean(model, shown, torch.from_numpy(present).to(model.device), noise)
        return np.asarray(mean[0, 0].cpu().numpy(), dtype=np.float32)

    return run


def baseline_method(name: str) -> Method:
    """A classical filter as a method; it gets the true level, and the true spectrum where it takes one."""

    def run(case: Case) -> Float:
        level, channels, spectrum = case.noise.sigma, case.noise.channels, case.spectrum
        if name == baselines.VOLUMETRIC:
            stack = baselines.run_volume(case.noisy, level, channels=channels, spectrum=spectrum)
            return np.asarray(stack[case.reference.centre], dtype=np.float32)
        return baselines.run(name, case.image, level, channels=channels, spectrum=spectrum)

    return run


def evaluate(
    found: Sequence[Reference],
    methods: dict[str, Method],
    kinds: Sequence[Kind],
    levels: Sequence[float],
    *,
    kept: PeerScores | None = None,
    stage: str = "evaluate",
    progress: Progress,
) -> Table:
    """Run every method on every reference, kind and level; a row also says how long the method took when it was run.

    Classical filters whose scores are ``kept`` are not run again.
    """
    table = Table()
    progress.stage(stage, len(methods) * len(kinds) * len(levels) * len(found))
    for kind in kinds:
        for level in levels:
            cases = [noisy_case(reference, kind, level, index) for index, reference in enumerate(found)]
            for name, method in methods.items():
                for index, case in enumerate(cases):
                    noise = {**asdict(kind), "level": level, "index": index}
                    scores = _scores(method, case) if kept is None else _kept(name, method, case, noise, kept)
                    reference = case.reference
                    place = {"patient": reference.patient, "position": reference.position}
                    table.rows.append({**place, "kind": kind.name, "level": level, "method": name, **scores})
                    progress.advance()
    return table


def _scores(method: Method, case: Case) -> dict[str, float | None]:
    """Scores of one method on one noisy slice, its residual's spectrum, its skin line, and what it cost.

    ``skin_px`` is the width of the edge at the skin line, ``skin_percent`` how much wider it is than the reference's;
    ``grew_mb`` is by how much the process grew meanwhile, which a method's first call does most.
    """
    with Cost() as cost:
        image = method(case)
    reference = case.reference
    found = metrics.scores(image, reference.image, reference.mask, lesion=reference.lesion)._asdict()
    edge: dict[str, float | None] = {"skin_px": None, "skin_percent": None}
    if case.skin is not None:
        rays, own = case.skin
        width = skin.rise_px(image, rays)
        edge = {"skin_px": width, "skin_percent": 100 * (width / own - 1)}
    return {**found, **edge, "seconds": cost.seconds, "grew_mb": cost.grew_mb, **residual_spectrum(case, image)}


def residual_spectrum(case: Case, image: Float) -> dict[str, float | None]:
    """Power in tissue of what an image [row, column] left out, over that of the noise, by ring of spatial frequency.

    None where there is no tissue, or where a ring holds less than a hundredth of the noise's mean power.
    """
    window = uncertainty.tapered(case.reference.mask[None])
    residual = (case.image - image)[None]
    found = uncertainty.ring_power(residual, residual, window)[0]
    middles = (uncertainty.RINGS[1:] + uncertainty.RINGS[:-1]) / 2
    whole = case.residual_power
    held = whole > 0.01 * whole.mean()
    return {
        f"{RESIDUAL}{middle:.3f}": float(power / all_of_it) if there else None
        for middle, power, all_of_it, there in zip(middles, found, whole, held, strict=True)
    }


def _kept(
    name: str, method: Method, case: Case, noise: dict[str, Any], kept: PeerScores
) -> dict[str, float | None]:  # fmt: skip
    """The same of a classical filter, from what is kept of it where it has been run before."""
    if not baselines.available([name]):
        return _scores(method, case)
    key = peer_scores.key(name, case.reference, noise)
    scores = kept.get(key)
    if scores is None:
        scores = _scores(method, case)
        kept.keep(key, scores)
    return scores


def summary(table: Table, against: str) -> list[dict[str, Any]]:
    """One line per kind, level and method: means over patients, the paired difference to ``against``, worse slices.

    A score is None where no slice has such a place.
    """
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for row in table.rows:
        groups.setdefault((row["kind"], row["level"], row["method"]), []).append(row)
    lines = []
    for (kind, level, method), rows in groups.items():
        line: dict[str, Any] = {"kind": kind, "level": level, "method": method}
        for score in (*metrics.Scores._fields, "skin_px", "skin_percent"):
            column = _by_patient(rows, score)
            line[score] = metrics.bootstrap(column)._asdict() if column else None
        line["seconds"] = float(np.median([row["seconds"] for row in rows]))
        line["grew_mb"] = max(row["grew_mb"] for row in rows)
        ours = _by_patient(rows, "psnr_tissue")
        for peer in dict.fromkeys((against, "bm4d+vst", "identity")):
            theirs = _by_patient(groups.get((kind, level, peer), []), "psnr_tissue")
            if method != peer and set(ours) & set(theirs):
                pair = metrics.paired(ours, theirs)
                line[f"over {peer}"] = {**pair._asdict(), "difference": pair.difference._asdict()}
        line["worse_than_input"] = worse_slices(rows, groups.get((kind, level, "identity"), []))
        lines.append(line)
    return lines


def worse_slices(ours: Sequence[dict[str, Any]], inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many slices, of how many patients, came out worse than their noisy input, and the exact 95 % upper bound.

    A slice that came out as no numbers is worse.
    """
    before = {(row["patient"], row["position"]): row["psnr_tissue"] for row in inputs}
    after = {(row["patient"], row["position"]): row["psnr_tissue"] for row in ours}
    worse = sum(not after[place] >= before[place] for place in after if place in before)
    return {
        "slices": worse, "of": len(before), "patients": len({patient for patient, _ in before}),
        "upper_bound_95": metrics.rate_bound(worse, len(before)),
    }  # fmt: skip
