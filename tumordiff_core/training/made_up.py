"""Made-up anatomy without any noise: soft bodies of ellipsoids over one another, textured, as stacks of slices.

Real references carry noise of their own; these carry none, and their edges and textures belong to no organ, so that a
network learns what noise is instead of what a breast is. It must not know any patient.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Float = npt.NDArray[np.float32]

BODIES = 260
SMALLEST, LARGEST = 1.5, 70.0
COVERED = 0.7
"""Spread of the logarithm by which a body leaves its place in the order of sizes."""

TEXTURED_SHARE = 0.3
FOLDED_SHARE = 0.5
"""Share of textured bodies that are sheets of two tissues folded into one another."""


def volume(shape: tuple[int, int, int], rng: np.random.Generator) -> Float:
    """One volume [slice, row, column], values 0 to about 1, painted back to front at twice the in-plane grid."""
    slices, rows, columns = shape
    fine = np.full((slices, 2 * rows, 2 * columns), rng.uniform(0, 0.3) if rng.random() < 0.5 else 0.0, np.float32)
    thickness = rng.uniform(1.0, 4.0)
    radii = 2 * SMALLEST * (LARGEST / SMALLEST) ** (rng.random(int(BODIES * rng.uniform(0.5, 1.5))) ** 1.6)
    # Large bodies mostly first, or they would cover the small ones.
    for radius in radii[np.argsort(-radii * np.exp(rng.normal(0, COVERED, len(radii))))]:
        _paint(fine, float(radius), thickness, rng)
    blurred = ndimage.gaussian_filter(fine, (0, 1, 1)) if rng.random() < 0.5 else fine
    coarse = blurred.reshape(slices, rows, 2, columns, 2).mean(axis=(2, 4))
    if rng.random() < 0.5:
        coarse *= 1 + 0.25 * _field(coarse.shape, (2, 4, 4), rng)
    return np.maximum(np.asarray(coarse, dtype=np.float32), 0)


def _paint(fine: Float, radius: float, thickness: float, rng: np.random.Generator) -> None:
    """Cover one turned ellipsoid of about this radius, in pixels of ``fine``."""
    slices, rows, columns = fine.shape
    radii = radius * np.exp(rng.uniform(-0.7, 0.7, 3))
    centre = rng.uniform(-0.1, 1.1, 3) * (slices, rows, columns)
    reach = float(radii.max()) * np.array([1 / (2 * thickness), 1, 1])
    lows = np.maximum(np.floor(centre - reach), 0).astype(int)
    highs = np.minimum(np.ceil(centre + reach) + 1, fine.shape).astype(int)
    if (lows >= highs).any():
        return
    z, y, x = (np.arange(a, b, dtype=np.float32) - np.float32(c) for a, b, c in zip(lows, highs, centre, strict=True))
    points = np.stack(np.meshgrid(2 * thickness * z, y, x, indexing="ij"), axis=-1)
    inside = ((points @ _rotation(rng) / radii.astype(np.float32)) ** 2).sum(axis=-1) < 1
    part = fine[lows[0] : highs[0], lows[1] : highs[1], lows[2] : highs[2]]
    value = np.float32(rng.beta(1.2, 2.0))
    paint = np.full(part.shape, value, np.float32)
    if rng.random() < TEXTURED_SHARE:
        grain = rng.uniform(6, 24)
        texture = _field(part.shape, tuple(max(2, round(n / grain)) for n in part.shape), rng)
        if rng.random() < FOLDED_SHARE:
            other = np.float32(rng.beta(1.2, 2.0))
            paint[np.abs(texture) < rng.uniform(0.2, 0.7)] = other
        else:
            paint *= 1 + np.float32(rng.uniform(0.03, 0.25)) * texture
    opacity = np.float32(1 if rng.random() < 0.7 else rng.uniform(0.3, 1))
    part[inside] += opacity * (paint[inside] - part[inside])


def _rotation(rng: np.random.Generator) -> Float:
    return np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)


def _field(shape: tuple[int, ...], knots: tuple[int, ...], rng: np.random.Generator) -> Float:
    """A smooth random field of about unit deviation: random knots, linearly interpolated."""
    coarse = rng.standard_normal(knots).astype(np.float32)
    factors = [n / k for n, k in zip(shape, knots, strict=True)]
    grown = ndimage.zoom(coarse, factors, order=2, grid_mode=True, mode="nearest")
    return np.asarray(grown[tuple(slice(n) for n in shape)], dtype=np.float32)
