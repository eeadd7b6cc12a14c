"""Figures of a denoised stack slice by slice: against the truth where it is known, else against what was acquired."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core.evaluation.metrics import scores, tissue_mask

Array = npt.NDArray[Any]
Figures = dict[str, list[float | None]]


def per_slice(acquired: Array, denoised: Array, truth: Array | None, *, sigma: float, peak: float) -> Figures:
    """PSNR and SSIM in tissue, and the size and correlation of the residual, for each slice.

    Parameters
    ----------
    acquired, denoised, truth : real [slice, row, column], same units; without a truth the acquired slices stand in
    sigma : noise level in those units
    peak : the range of PSNR and SSIM in those units

    Returns
    -------
    Lists by name: ``psnr``, ``ssim`` of the denoised slices, ``psnr_before``, ``ssim_before`` of the acquired ones
    (empty without a truth), ``residual`` (standard deviation in tissue over sigma), ``lag1`` of the residual.
    ``None`` where a slice holds no tissue or a figure is not finite.
    """
    found: Figures = {n: [] for n in ("psnr", "ssim", "psnr_before", "ssim_before", "residual", "lag1")}
    reference = acquired if truth is None else truth
    for k in range(len(acquired)):
        mask = tissue_mask(np.asarray(reference[k], np.float32) / peak)
        after = scores(denoised[k], reference[k], mask, peak=peak) if mask.any() else None
        found["psnr"].append(_finite(after and after.psnr_tissue))
        found["ssim"].append(_finite(after and after.ssim_tissue))
        if truth is not None:
            before = scores(acquired[k], reference[k], mask, peak=peak) if mask.any() else None
            found["psnr_before"].append(_finite(before and before.psnr_tissue))
            found["ssim_before"].append(_finite(before and before.ssim_tissue))
        size, lag1 = residual_figures(np.asarray(acquired[k], np.float64) - denoised[k], mask, sigma)
        found["residual"].append(_finite(size))
        found["lag1"].append(_finite(lag1))
    return found


def residual_figures(residual: Array, mask: npt.NDArray[np.bool_], sigma: float) -> tuple[float, float]:
    """Standard deviation over sigma, and correlation of neighbours along rows, of a residual inside a mask."""
    if not mask.any() or sigma <= 0:
        return math.nan, math.nan
    centred = residual - residual[mask].mean()
    variance = float((centred[mask] ** 2).mean())
    both = mask[:, 1:] & mask[:, :-1]
    if variance == 0 or not both.any():
        return math.sqrt(variance) / sigma, math.nan
    return math.sqrt(variance) / sigma, float((centred[:, 1:] * centred[:, :-1])[both].mean()) / variance


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
