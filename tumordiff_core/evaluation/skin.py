"""The width of the edge at the skin line: how far an image takes from 10 to 90 % of its rise out of the air.

Rays cross the outline of the tissue at right angles; each is put where the reference itself rises, so that neither a
crooked outline nor noise widens their mean.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OUTWARDS, INWARDS, STEP = 8.0, 8.0, 0.25
AIR, RIM = (-8.0, -6.0), (0.0, 6.0)
"""Pixels from the rise that count as air, and those among which the rim's height is looked for."""

LEAST_RISE = 0.1
FEWEST_RAYS = 20


def rise_px(image: Array, rays: Float) -> float:
    """Distance from 10 to 90 % of the mean rise at the skin line, in pixels; NaN where an image does not rise.

    Parameters
    ----------
    image : real [row, column]
    rays : of the image's reference, at least one
    """
    offsets = np.arange(AIR[0], RIM[1] + STEP / 2, STEP)
    points = rays[:, 0, :, None] + rays[:, 1, :, None] * offsets
    profile = _along(image, points).mean(axis=0)
    low = profile[offsets <= AIR[1]].mean()
    high = profile[offsets >= RIM[0]].max()
    if not high - low > 0:
        return float("nan")
    share = (profile - low) / (high - low)
    return _first(offsets, share, 0.9) - _last_before(offsets, share, 0.1)


def rays_of(reference: Array, mask: Mask) -> Float | None:
    """Where rays out of the air meet half of a reference's rise, and their directions inwards: [ray, 2, axis].

    Parameters
    ----------
    reference : real [row, column] of peak 1
    mask : bool [row, column], its tissue

    Returns
    -------
    None where hardly any skin line is seen
    """
    rays = _rays(reference, mask)
    return rays if len(rays) >= FEWEST_RAYS else None


def _rays(reference: Array, mask: Mask) -> Float:
    soft = ndimage.gaussian_filter(mask.astype(np.float64), 2)
    slopes = np.stack(np.gradient(soft))
    outlines = measure.find_contours(np.pad(mask, 1).astype(np.float64), 0.5)
    if not outlines:
        return np.empty((0, 2, 2))
    start = max(outlines, key=len)[::2] - 1
    inwards = np.stack([ndimage.map_coordinates(axis, start.T, order=1, mode="nearest") for axis in slopes], axis=1)
    length = np.linalg.norm(inwards, axis=1, keepdims=True)
    inwards = inwards / np.maximum(length, 1e-9)
    offsets = np.arange(-OUTWARDS, INWARDS + STEP / 2, STEP)
    points = start[:, :, None] + inwards[:, :, None] * offsets
    side = np.array(reference.shape)[None, :, None]
    inside = ((points >= 0) & (points <= side - 1)).all(axis=(1, 2)) & (length[:, 0] > 0)
    values = _along(reference, points)
    air = np.median(values[:, : round(OUTWARDS / 2 / STEP)], axis=1, keepdims=True)
    height = values.max(axis=1, keepdims=True) - air
    risen = values - air >= height / 2
    at = risen.argmax(axis=1)
    usable = inside & (height[:, 0] >= LEAST_RISE) & (at > 0)
    rows = np.flatnonzero(usable)
    before = values[rows, at[rows] - 1] - air[rows, 0]
    after = values[rows, at[rows]] - air[rows, 0]
    share = (height[rows, 0] / 2 - before) / np.maximum(after - before, 1e-9)
    crossing = offsets[at[rows] - 1] + STEP * share
    where = start[rows] + inwards[rows] * crossing[:, None]
    return np.stack([where, inwards[rows]], axis=1)


def _along(image: Array, points: Float) -> Float:
    """Values [ray, step] at points [ray, axis, step]."""
    values = ndimage.map_coordinates(np.asarray(image, np.float64), points.transpose(1, 0, 2), order=3, mode="nearest")
    return np.asarray(values)


def _first(offsets: Float, share: Float, level: float) -> float:
    """Where a profile first comes up to a level."""
    k = int((share >= level).argmax())
    return float(offsets[k] if k == 0 else _between(offsets, share, k, level))


def _last_before(offsets: Float, share: Float, level: float) -> float:
    """Where a profile leaves a level for good on its way to the first 90 %."""
    top = int((share >= 0.9).argmax())
    below = np.flatnonzero(share[: top + 1] < level)
    return float(offsets[0] if not len(below) else _between(offsets, share, int(below[-1]) + 1, level))


def _between(offsets: Float, share: Float, k: int, level: float) -> float:
    return float(offsets[k - 1] + STEP * (level - share[k - 1]) / (share[k] - share[k - 1]))
