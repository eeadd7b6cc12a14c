"""PSNR and SSIM inside tissue, and statistics over patients (never over slices)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats
from skimage.metrics import structural_similarity

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

DRAWS = 4000
FAR_FROM_TISSUE = 3
"""Pixels from the tissue at which air begins, for the skin's own edge is neither."""


def tissue_mask(reference: npt.NDArray[Any], *, largest: bool = True) -> Mask:
    """Where there is tissue in a slice of peak 1: blurred (std 2) above 0.10, holes filled, largest component."""
    mask = ndimage.binary_fill_holes(ndimage.gaussian_filter(reference.astype(np.float64), 2) > 0.10)
    labels, count = ndimage.label(mask)
    if count <= 1 or not largest:
        return np.asarray(mask, dtype=bool)
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])), dtype=bool)


class Scores(NamedTuple):
    """Scores of one slice; None where there is no such place, NaN where an image holds no numbers there.

    Parameters
    ----------
    psnr_tissue, psnr_whole, psnr_lesion : dB
    ssim_tissue, ssim_whole, ssim_lesion : mean structural similarity
    bias_tissue, bias_air : mean difference from the reference, as a share of the peak
    """

    psnr_tissue: float
    ssim_tissue: float
    psnr_whole: float
    ssim_whole: float
    psnr_lesion: float | None
    ssim_lesion: float | None
    bias_tissue: float
    bias_air: float | None


def scores(
    image: npt.NDArray[Any], reference: npt.NDArray[Any], mask: Mask, *, lesion: Mask | None = None, peak: float = 1.0
) -> Scores:
    """Score a slice against its reference; values below 0 count as 0, none is clipped above.

    Parameters
    ----------
    image, reference : real [row, column], same units
    mask, lesion : bool [row, column], tissue and, where it is known, the lesion with its surroundings
    peak : the range of PSNR and SSIM, in those units
    """
    shown = np.maximum(image, 0).astype(np.float64) / peak
    truth = reference.astype(np.float64) / peak
    error = shown - truth
    _, similarity = structural_similarity(
        truth, shown, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    air = ~ndimage.binary_dilation(mask, iterations=FAR_FROM_TISSUE)
    seen = lesion is not None and lesion.any()
    return Scores(
        _psnr(error[mask]), _mean(similarity[mask]), _psnr(error), float(similarity.mean()),
        _psnr(error[lesion]) if seen else None, _mean(similarity[lesion]) if seen else None, _mean(error[mask]),
        _mean(error[air]) if air.any() else None,
    )  # fmt: skip


def _psnr(error: npt.NDArray[Any]) -> float:
    power = _mean(error**2)
    return float("inf") if power == 0 else -10 * float(np.log10(power))


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if values.size else float("nan")


class Interval(NamedTuple):
    """A mean over patients with its bootstrap 95 % interval."""

    mean: float
    low: float
    high: float


def by_patient(values: Sequence[float], patients: Sequence[str]) -> dict[str, float]:
    """Mean over the slices of each patient."""
    names = np.asarray(patients)
    array = np.asarray(values, dtype=float)
    return {str(name): float(array[names == name].mean()) for name in np.unique(names)}


def bootstrap(per_patient: Mapping[str, float], *, seed: int = 0) -> Interval:
    """Mean and percentile 95 % interval over 4,000 draws of patients."""
    values = np.array([per_patient[name] for name in sorted(per_patient)])
    draws = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


class Paired(NamedTuple):
    """One method against another, patient by patient."""

    difference: Interval
    better: int
    patients: int
    p_value: float | None


def paired(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Paired:
    """Paired difference over the patients both have, with the Wilcoxon signed-rank p-value (None below 6 patients)."""
    common = sorted(set(ours) & set(theirs))
    difference = {name: ours[name] - theirs[name] for name in common}
    values = np.array(list(difference.values()))
    p_value = float(stats.wilcoxon(values).pvalue) if len(values) >= 6 and np.any(values) else None
    return Paired(bootstrap(difference), int((values > 0).sum()), len(common), p_value)


def rate_bound(events: int, trials: int) -> float:
    """Exact 95 % upper bound of a rate (Clopper-Pearson), 1 for no trials: 0 of 24 bounds it at 0.117."""
    return 1.0 if events >= trials else float(stats.beta.ppf(0.95, events + 1, trials - events))
