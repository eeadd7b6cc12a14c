"""A tumour inside a breast: a lobulated ball with spicules, a leaky rim and a starved middle."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tumordiff_core.simulation.breast import Anatomy, step
from tumordiff_core.simulation.kinetics import Tissue

Float = npt.NDArray[np.float32]

SIGNAL = 68.0
"""Stored units before contrast, a little above gland."""

REACH = 2.0
"""No spicule is longer than this many radii."""


@dataclass(frozen=True)
class Lesion:
    """A tumour at one visit: where, how large, how leaky (1 at baseline), and the seed of its outline."""

    centre_mm: tuple[float, float, float]
    radius_mm: float
    leakage: float = 1.0
    spicules: int = 26
    seed: int = 0


def grow(anatomy: Anatomy, lesion: Lesion) -> tuple[Anatomy, Float]:
    """The breast with the tumour in it, and the tumour's share of each voxel [slice, row, column]."""
    share = np.zeros(anatomy.grid.shape, dtype=np.float32)
    still, water = anatomy.still.copy(), anatomy.water.copy()
    tissue = anatomy.tissue
    ktrans, kep, vp = tissue.ktrans.copy(), tissue.kep.copy(), tissue.vp.copy()
    window, offsets, distance = _around(anatomy, lesion)
    here = _share(lesion, offsets, distance, anatomy.texture[window]) * anatomy.room[window]
    share[window] = here
    leak, back = _leakage(lesion, distance, anatomy.texture[window], anatomy.second_texture[window])
    bright = anatomy.coil[window] * np.float32(SIGNAL) * (1 + 0.08 * anatomy.second_texture[window]) * here
    before = water[window] * (1 - here)
    weight = bright / np.maximum(bright + before, 1e-3)
    water[window] = bright + before
    still[window] *= 1 - here
    for values, target in ((ktrans, leak), (kep, back), (vp, np.full_like(here, 0.03))):
        values[window] = values[window] * (1 - weight) + target * weight
    return replace(anatomy, still=still, water=water, tissue=Tissue(ktrans, kep, vp, tissue.t1_s)), share


def _around(anatomy: Anatomy, lesion: Lesion) -> tuple[tuple[slice, slice, slice], list[Float], Float]:
    """The block that may hold tumour, and in it the offsets from the centre and the distance, all in mm."""
    reach = REACH * lesion.radius_mm + 3
    axes = [axis.ravel() for axis in anatomy.grid.axes()]
    ends = [np.searchsorted(a, (c - reach, c + reach)) for a, c in zip(axes, lesion.centre_mm, strict=True)]
    window = (slice(*ends[0]), slice(*ends[1]), slice(*ends[2]))
    near = np.ix_(*(a[w] - np.float32(c) for a, w, c in zip(axes, window, lesion.centre_mm, strict=True)))
    distance = np.sqrt(near[0] ** 2 + near[1] ** 2 + near[2] ** 2)
    return window, [np.asarray(axis) for axis in near], np.asarray(distance)


def _share(lesion: Lesion, offsets: list[Float], distance: Float, texture: Float) -> Float:
    rng = np.random.default_rng(lesion.seed)
    level = lesion.radius_mm * (1 + 0.2 * texture) - distance
    for _ in range(lesion.spicules):
        direction = rng.standard_normal(3).astype(np.float32)
        direction /= np.linalg.norm(direction)
        tip = np.float32(lesion.radius_mm * rng.uniform(1.25, REACH))
        thickness = np.float32(rng.uniform(1.8, 3.2))
        along = sum(axis * part for axis, part in zip(offsets, direction, strict=True))
        beside = np.sqrt(np.maximum(distance**2 - along**2, 0))
        ray = thickness * (1 - np.maximum(along, 0) / tip) - beside
        level = np.maximum(level, np.where(along > 0, ray, -9))
    return step(level, 0.45)


def _leakage(lesion: Lesion, distance: Float, first: Float, second: Float) -> tuple[Float, Float]:
    """Ktrans and kep per minute: a mottled mixture of washout and plateau, most leaky at the rim."""
    radius = distance / np.float32(lesion.radius_mm)
    rim = 0.03 * np.exp(-(((radius - 0.85) / 0.25) ** 2))
    starved = 1 - 0.65 * step(0.42 - radius + 0.12 * second, 0.07) * float(lesion.radius_mm > 12)
    ktrans = lesion.leakage * np.clip(0.098 + 0.02 * first + rim, 0.065, 0.17) * starved
    kep = np.clip(0.21 + 0.09 * second + 1.5 * rim, 0.06, 0.5) * (0.55 + 0.45 * lesion.leakage)
    return ktrans.astype(np.float32), kep.astype(np.float32)
