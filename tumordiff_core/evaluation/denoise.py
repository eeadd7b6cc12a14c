"""The protocol of `tumordiff evaluate denoise`: references, made noise, methods, scores over patients.

References are quiet patients' slices, 2x2 means of peak 1, that no model was trained on; they are references, not
truth: their own noise compresses differences. Noise is drawn anew for each slice from a fixed seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel, posterior_mean
from tumordiff_core.evaluation import baselines, metrics
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import fermi_spectrum, gaussian_spectrum, lag1_of_spectrum
from tumordiff_core.noise.level import estimate
from tumordiff_core.progress import Progress
from tumordiff_core.training.datasets import Stack, block_mean

Float = npt.NDArray[np.float32]
Method = Callable[["Case"], Float]


@dataclass(frozen=True)
class Reference:
    """One slice with its neighbours.

    Parameters
    ----------
    images : float32 [3, row, column], slice i, i - 1, i + 1 over the maximum of slice i
    present : which neighbours exist in the same scale
    """

    patient: str
    position: int
    images: Float
    present: tuple[bool, bool]
    mask: metrics.Mask


@dataclass(frozen=True)
class Kind:
    """A kind of noise: channels and, by name, its spectrum."""

    name: str
    channels: int = 1
    colour: str = "white"

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
    )
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One noisy slice: reference, noisy triple [3, row, column] and what is true of its noise."""

    reference: Reference
    noisy: Float
    noise: NoiseLevel


@dataclass
class Table:
    """Every score of every method on every slice: rows with patient, position, kind, level, method and scores."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def column(self, method: str, kind: str, level: float, score: str) -> dict[str, float]:
        """Mean score of each patient."""
        chosen = [r for r in self.rows if (r["method"], r["kind"], r["level"]) == (method, kind, level)]
        return metrics.by_patient([r[score] for r in chosen], [r["patient"] for r in chosen])

    def methods(self) -> list[str]:
        """Methods in the order they were run."""
        return list(dict.fromkeys(row["method"] for row in self.rows))


def references(stacks: Sequence[Stack], part: str = "test") -> list[Reference]:
    """Two slices of each quiet patient of a split, at positions 1 and n - 2 of its run, in order of patient id."""
    found = []
    for stack in sorted((s for s in stacks if s.part == part and s.quiet), key=lambda s: s.patient):
        count = len(stack.images)
        for k in (1, count - 2) if count >= 3 else (0,):
            near = (max(k - 1, 0), min(k + 1, count - 1))
            triple = block_mean(stack.images[[k, *near]])
            peak = max(float(triple[0].max()), 1e-6)
            scaled = (triple / peak).astype(np.float32)
            one = [bool(stack.one_scale[j] and stack.one_scale[k] and j != k) for j in near]
            mask = metrics.tissue_mask(scaled[0])
            found.append(Reference(stack.patient, k, scaled, (one[0], one[1]), mask))
    return found


def noisy_case(reference: Reference, kind: Kind, level: float, index: int) -> Case:
    """The noisy triple of reference number ``index``; the centre slice's draws come first, in the protocol's order."""
    rng = np.random.default_rng(1000 * round(100 * level) + index)
    spectrum = kind.spectrum(*reference.images.shape[-2:])
    noisy = np.stack([magnitude(image, level, rng, kind.channels, spectrum) for image in reference.images])
    lag1 = (0.0, 0.0) if spectrum is None else lag1_of_spectrum(spectrum)
    return Case(reference, noisy, NoiseLevel(level, lag1, kind.channels))


def model_method(model: LoadedModel, *, neighbours: bool, blind: bool = False) -> Method:
    """A model as a method, with or without the neighbouring slices, with the true or the measured level."""

    def run(case: Case) -> Float:
        present = [float(p and neighbours) for p in case.reference.present]
        noise = case.noise
        if blind:
            level = estimate(case.noisy[:1])
            noise = NoiseLevel(level.sigma, level.lag1, level.channels)
        with torch.inference_mode():
            images = torch.from_numpy(case.noisy)[None].to(model.device)
            mean = posterior_mean(model, images, torch.tensor([present]).to(model.device), noise)
        return np.asarray(mean[0, 0].cpu().numpy(), dtype=np.float32)

    return run


def baseline_method(name: str) -> Method:
    """A classical filter as a method; it gets the true level."""

    def run(case: Case) -> Float:
        return baselines.run(name, case.noisy[0], case.noise.sigma, channels=case.noise.channels)

    return run


def evaluate(
    found: Sequence[Reference],
    methods: dict[str, Method],
    kinds: Sequence[Kind],
    levels: Sequence[float],
    *,
    progress: Progress,
) -> Table:
    """Run every method on every reference, kind and level."""
    table = Table()
    progress.stage("evaluate", len(methods) * len(kinds) * len(levels) * len(found))
    for kind in kinds:
        for level in levels:
            cases = [noisy_case(reference, kind, level, index) for index, reference in enumerate(found)]
            for name, method in methods.items():
                for case in cases:
                    table.rows.append(_row(name, kind.name, level, case, method(case)))
                    progress.advance()
    return table


def _row(name: str, kind: str, level: float, case: Case, image: Float) -> dict[str, Any]:
    score = metrics.scores(image, case.reference.images[0], case.reference.mask)
    reference = case.reference
    return {
        "patient": reference.patient, "position": reference.position, "kind": kind, "level": level,
        "method": name, **score._asdict(),
    }  # fmt: skip


def summary(table: Table, against: str) -> list[dict[str, Any]]:
    """One line per kind, level and method: means over patients, the paired difference to ``against``, worse slices."""
    lines = []
    combinations = dict.fromkeys((r["kind"], r["level"], r["method"]) for r in table.rows)
    for kind, level, method in combinations:
        line: dict[str, Any] = {"kind": kind, "level": level, "method": method}
        for score in metrics.Scores._fields:
            line[score] = metrics.bootstrap(table.column(method, kind, level, score))._asdict()
        for peer in (against, "identity"):
            theirs = table.column(peer, kind, level, "psnr_tissue")
            if theirs and method != peer:
                pair = metrics.paired(table.column(method, kind, level, "psnr_tissue"), theirs)
                line[f"over {peer}"] = {**pair._asdict(), "difference": pair.difference._asdict()}
        line["worse_than_input"] = worse_slices(table, method, kind, level)
        lines.append(line)
    return lines


def worse_slices(table: Table, method: str, kind: str, level: float) -> dict[str, Any]:
    """How many slices came out worse than their noisy input, and the exact 95 % upper bound of that rate."""

    def by_slice(name: str) -> dict[tuple[str, int], float]:
        rows = [r for r in table.rows if (r["method"], r["kind"], r["level"]) == (name, kind, level)]
        return {(r["patient"], r["position"]): r["psnr_tissue"] for r in rows}

    ours, inputs = by_slice(method), by_slice("identity")
    worse = sum(ours[key] < inputs[key] for key in ours if key in inputs)
    return {"slices": worse, "of": len(inputs), "upper_bound_95": metrics.rate_bound(worse, len(inputs))}
