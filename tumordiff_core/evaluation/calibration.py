"""Whether a model's own doubt is right: its 90 % intervals, and the look its residual must have, on known truth.

White Rician noise on references without noise of their own. The residual of a posterior mean is neither white nor as
large as the noise: E[r r^T] = sigma^2 (I - J), so it is held against that and not against the noise.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, special

from tumordiff_core.engine import context, local_means, uncertainty
from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel, posterior_mean
from tumordiff_core.evaluation.denoise import KINDS, noisy_case
from tumordiff_core.evaluation.references import Reference
from tumordiff_core.noise.correlation import lag1
from tumordiff_core.progress import Progress

Float = npt.NDArray[np.float64]

SHARE = 0.90
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
HALF_WIDTH = 1.6449
"""Standard deviations to either side of a normal mean that hold ``SHARE``."""

OFFSETS = tuple((row, column) for row in (0, 8, 16) for column in (0, 8, 16))
LEAST_SNR = 3.0
FEWEST_PATCHES = 400
EROSION = 2
PROBES = 4


@dataclass(frozen=True)
class Row:
    """One level of noise.

    Parameters
    ----------
    patches, coverage : 8x8 patches of tissue, and the share of them whose 90 % interval holds the truth
    z_mean, z_std : of (patch mean - truth) / predicted deviation; 0 and 1 when calibrated
    width_percent : median full width of the interval, in percent of sigma
    lag1, lag1_expected : correlation of the residual with its next row and column, measured and predicted
    power, power_expected : mean r^2 / sigma^2, measured and predicted
    held : share of patches whose interval of each of ``SHARES`` holds the truth
    """

    level: float
    patches: int
    coverage: float
    z_mean: float
    z_std: float
    width_percent: float
    lag1: tuple[float, float]
    lag1_expected: tuple[float, float]
    power: float
    power_expected: float
    held: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """All levels, and how coverage moves with them (per 10 % of noise; 0 when it does not)."""

    rows: tuple[Row, ...]
    slope: float

    def to_record(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return {"rows": [asdict(row) for row in self.rows], "slope_per_10_percent": self.slope}


def calibrate(
    model: LoadedModel, references: Sequence[Reference], levels: Sequence[float], *, seed: int = 0, progress: Progress
) -> Calibration:
    """Coverage and residual of a model at every level, on references without noise of their own."""
    progress.stage("check its doubt", len(levels) * len(references))
    rows = []
    for level in levels:
        parts = []
        for index, reference in enumerate(references):
            parts.append(_one(model, reference, level, index, seed))
            progress.advance()
        rows.append(_row(level, parts))
    return Calibration(tuple(rows), _slope([row.level for row in rows], [row.coverage for row in rows]))


@dataclass(frozen=True)
class _Part:
    """One slice: z and deviation of every patch; residual figures (lag-1 pairs and powers) and their weight."""

    z: Float
    std: Float
    measured: tuple[float, float, float]
    expected: tuple[float, float, float]
    weight: float


def _one(model: LoadedModel, reference: Reference, level: float, index: int, seed: int) -> _Part:
    case = noisy_case(reference, KINDS["rician"], level, index)
    noise = NoiseLevel(level)
    images, present = context.gather(case.noisy[None], 0, np.array([reference.centre]))
    if not model.neighbours:
        images, present = context.without(images, present, neighbours=False)
    shown, flags = torch.from_numpy(images).to(model.device), torch.from_numpy(present).to(model.device)
    tissue = usable(reference, level)
    with torch.inference_mode():
        at = posterior_mean(model, shown, flags, noise)
        generator = torch.Generator().manual_seed(seed + index)
        found = uncertainty.doubt(
            model, shown, flags, noise, at=at, mask=tissue[None], probes=PROBES, generator=generator,
            progress=Progress(),
        )  # fmt: skip
        mean = at[0, 0].cpu().numpy()
        pairs = [_patches(model, shown, flags, noise, mean, reference.image, tissue, offset) for offset in OFFSETS]
    residual = case.image - local_means.expected(at[0, 0].cpu(), level, 1).numpy().astype(np.float64)
    down, across = lag1(residual, tissue)
    power = float(np.mean(residual[tissue] ** 2)) / level**2 if tissue.any() else 0.0
    return _Part(
        np.concatenate([z for z, _ in pairs]), np.concatenate([std for _, std in pairs]), (down, across, power),
        (float(found.lag1[0, 0]), float(found.lag1[0, 1]), float(found.residual_power[0])), float(tissue.sum()),
    )  # fmt: skip


def usable(reference: Reference, level: float) -> npt.NDArray[np.bool_]:
    """Tissue two pixels from air whose signal stands above three sigma, where magnitude noise is nearly Gaussian."""
    inner = ndimage.binary_erosion(reference.mask, iterations=EROSION)
    return np.asarray(inner & (reference.image > LEAST_SNR * level), dtype=bool)


def _patches(
    model: LoadedModel, images: torch.Tensor, present: torch.Tensor, noise: NoiseLevel, mean: npt.NDArray[Any],
    truth: npt.NDArray[Any], tissue: npt.NDArray[np.bool_], offset: tuple[int, int],
) -> tuple[Float, Float]:  # fmt: skip
    """z and predicted deviation of the patches of one offset that lie wholly in usable tissue."""
    std, corners = uncertainty.patch_std(model, images, present, noise, offset=offset)
    size = uncertainty.PATCH
    z, kept = [], []
    for deviation, (top, left) in zip(std, corners, strict=True):
        patch = (slice(top, top + size), slice(left, left + size))
        if tissue[patch].all() and deviation > 0:
            z.append(float(mean[patch].mean() - truth[patch].mean()) / float(deviation))
            kept.append(float(deviation))
    return np.array(z), np.array(kept)


def _row(level: float, parts: Sequence[_Part]) -> Row:
    z, std = np.concatenate([p.z for p in parts]), np.concatenate([p.std for p in parts])
    weights = np.array([p.weight for p in parts]) + 1e-9
    measured = np.average([p.measured for p in parts], axis=0, weights=weights)
    expected = np.average([p.expected for p in parts], axis=0, weights=weights)
    nothing = float("nan")
    return Row(
        level=level,
        patches=len(z),
        coverage=float(np.mean(np.abs(z) < HALF_WIDTH)) if len(z) else nothing,
        z_mean=float(z.mean()) if len(z) else nothing,
        z_std=float(z.std()) if len(z) else nothing,
        width_percent=float(200 * HALF_WIDTH * np.median(std) / level) if len(z) else nothing,
        lag1=(float(measured[0]), float(measured[1])),
        lag1_expected=(float(expected[0]), float(expected[1])),
        power=float(measured[2]),
        power_expected=float(expected[2]),
        held=tuple(
            float(np.mean(np.abs(z) < special.ndtri((1 + share) / 2))) if len(z) else nothing for share in SHARES
        ),
    )


def _slope(levels: Sequence[float], coverage: Sequence[float]) -> float:
    if len(set(levels)) < 2:
        return 0.0
    return float(np.polyfit(np.asarray(levels) / 0.1, np.asarray(coverage), 1)[0])
