"""Lesions with a known rim, drawn into clean crops: how far each pixel lies from it, and how high the lesion is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tumordiff_core.engine import context
from tumordiff_core.training.chance import Chance

LESIONS, THERE = 3, 0.8
"""Most lesions of a crop, and how likely each is."""

RADII = (1.2, 6.5)
CRISP, SOFT, SOFT_SHARE = (0.2, 0.6), (0.6, 1.4), 0.15
"""Radius and width of the edge, in pixels; soft ones teach that not every rim is crisp and are not judged."""

JUDGED_RADIUS = 2.0
GAINS = (0.2, 1.4)
LONGER, LOBED = 0.15, 0.1
THICKNESSES = (0.8, 4.0)
APART_PIXELS = 4.0
BORDER_PIXELS = 3
LEAST_SIGNAL = 0.08
TRIES = 6
BRIGHTEST = 1.3
NOWHERE = 99.0

SLICES = 1 + len(context.NEIGHBOURS)


@dataclass(frozen=True)
class Drawn:
    """Crops with lesions.

    Parameters
    ----------
    images : float32 [crop, IMAGES, row, column]
    distance : float32 [crop, row, column], pixels from the rim of the nearest lesion of the centre slice along the line
        to its centre, measured in the ellipsoid's own stretch; negative inside; ``NOWHERE`` where the nearest is not
        judged or there is none
    height : float32 [crop, row, column], what that lesion adds inside, in the units of the images
    """

    images: Tensor
    distance: Tensor
    height: Tensor


def added(images: Tensor, chance: Chance) -> Drawn:
    """Crops with up to three lobed ellipsoids each, which end in the neighbours as they end in the slice.

    Parameters
    ----------
    images : float32 [crop, IMAGES, row, column], values 0 to about 1
    """
    choices, (count, _, rows, columns) = chance.choices, images.shape
    bright = images[:, 0].cpu().numpy()
    y, x = (torch.arange(n, device=images.device, dtype=torch.float32) for n in (rows, columns))
    steps = chance.put(np.array([0, *context.NEIGHBOURS], dtype=np.float32))
    thickness = choices.uniform(*THICKNESSES, count)
    factor = torch.ones_like(images[:, :SLICES])
    nearest = torch.full_like(images[:, 0], NOWHERE)
    gains, judged = torch.zeros_like(nearest), torch.zeros_like(nearest, dtype=torch.bool)
    taken = np.zeros((count, 0, 3))
    for _ in range(LESIONS):
        radius = np.exp(choices.uniform(np.log(RADII[0]), np.log(RADII[1]), count))
        centre, there = _places(bright, taken, radius, choices)
        there &= choices.random(count) < THERE
        taken = np.concatenate([taken, _as_taken(centre, radius, there)], axis=1)
        soft = choices.random(count) < SOFT_SHARE
        width = np.where(soft, choices.uniform(*SOFT, count), choices.uniform(*CRISP, count))
        deep = choices.uniform(-0.5, 0.5, count) * np.minimum(radius / thickness, 1)
        gain = _spread(choices.uniform(*GAINS, count) * there, chance)
        across, rim = _outline(y, x, centre, radius, chance)
        depth = (steps - chance.put(deep)[:, None]) * chance.put(thickness)[:, None]
        inside = rim[:, None] - (across.square()[:, None] + depth.square()[..., None, None]).sqrt()
        factor = torch.maximum(factor, 1 + gain[:, None] * (inside / _spread(width, chance)[:, None]).sigmoid())
        nearer = (-inside[:, 0] < nearest) & chance.put(there)[:, None, None]
        nearest = torch.where(nearer, -inside[:, 0], nearest)
        gains = torch.where(nearer, gain, gains)
        judged = torch.where(nearer, chance.put(~soft & (radius >= JUDGED_RADIUS))[:, None, None], judged)
    height = gains * images[:, 0]
    changed = torch.cat([images[:, :SLICES] * factor, images[:, SLICES:]], dim=1)
    scale = (changed[:, 0].amax(dim=(1, 2)) / BRIGHTEST).clamp_min(1.0)
    distance = torch.where(judged, nearest, torch.full_like(nearest, NOWHERE))
    return Drawn(changed / scale[:, None, None, None], distance, height / scale[:, None, None])


def _places(
    bright: npt.NDArray[np.float32], taken: npt.NDArray[np.float64], radius: npt.NDArray[np.float64],
    choices: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:  # fmt: skip
    """A place [crop, (row, column)] in tissue and away from ``taken`` for each crop, and whether one was found."""
    count, rows, columns = bright.shape
    ends = (rows - BORDER_PIXELS, columns - BORDER_PIXELS)
    tried = choices.uniform(BORDER_PIXELS, ends, (TRIES, count, 2))
    signal = bright[np.arange(count), tried[..., 0].astype(int), tried[..., 1].astype(int)]
    apart = np.linalg.norm(tried[:, :, None] - taken[None, :, :, :2], axis=-1)
    free = (apart > radius[None, :, None] + taken[None, :, :, 2] + APART_PIXELS).all(axis=-1)
    usable = free & (signal > LEAST_SIGNAL)
    return tried[usable.argmax(axis=0), np.arange(count)], usable.any(axis=0)


def _as_taken(
    centre: npt.NDArray[np.float64], radius: npt.NDArray[np.float64], there: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Places and radii [crop, 1, 3]; those that are not there lie far away."""
    placed = np.concatenate([centre, radius[:, None]], axis=1)
    return np.where(there[:, None], placed, (-1e3, -1e3, 0.0))[:, None]


def _outline(
    y: Tensor, x: Tensor, centre: npt.NDArray[np.float64], radius: npt.NDArray[np.float64], chance: Chance
) -> tuple[Tensor, Tensor]:
    """Distance from the centre of a turned ellipse and its lobed radius in that direction, both [crop, row, column]."""
    choices, count = chance.choices, len(radius)
    turn, phase = choices.uniform(0, np.pi, count), choices.uniform(0, 2 * np.pi, count)
    longer = np.exp(choices.uniform(-LONGER, LONGER, count))
    lobes, depth = choices.integers(2, 5, count).astype(np.float64), choices.uniform(0, LOBED, count)
    down = y[None, :, None] - _spread(centre[:, 0], chance)
    right = x[None, None, :] - _spread(centre[:, 1], chance)
    cosine, sine = _spread(np.cos(turn), chance), _spread(np.sin(turn), chance)
    along = (cosine * right + sine * down) * _spread(longer, chance)
    across = (cosine * down - sine * right) / _spread(longer, chance)
    wave = (_spread(lobes, chance) * torch.atan2(across, along) + _spread(phase, chance)).cos()
    return torch.hypot(along, across), _spread(radius, chance) * (1 + _spread(depth, chance) * wave)


def _spread(values: npt.NDArray[np.float64], chance: Chance) -> Tensor:
    """One value a crop, as [crop, 1, 1]."""
    return chance.put(values)[:, None, None]
