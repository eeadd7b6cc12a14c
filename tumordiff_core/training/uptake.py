"""Contrast uptake drawn into clean crops: lesions and glandular tissue that brighten, and other phases of a slice."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tumordiff_core.engine import context
from tumordiff_core.training.box_mean import box_mean
from tumordiff_core.training.chance import Chance
from tumordiff_core.training.mix import Mix

LESIONS = 5
SMALL_SHARE = 0.5
SMALL, ANY = ((0.0, 1.5), (0.25, 0.6)), ((0.3, 2.9), (0.25, 1.2))
"""Logarithm of the radius and width of the edge, in pixels, of the lesions that are easily lost, and of all others."""

SLICES = 1 + len(context.NEIGHBOURS)
BRIGHTEST = 1.3


def added(images: Tensor, present: npt.NDArray[np.bool_], mix: Mix, chance: Chance) -> Tensor:
    """The crops, some of them with uptake in the slices; ``mix.phases`` of all get other phases too.

    Parameters
    ----------
    images : float32 [crop, IMAGES, row, column], the other phases still black
    present : bool [crop, BESIDE], changed in place where other phases are added
    """
    choices, count = chance.choices, len(images)
    rows = np.flatnonzero(choices.random(count) < mix.uptake)
    if not len(rows):
        return images
    phased = choices.random(len(rows)) < mix.phases / max(mix.uptake, 1e-6)
    second = phased & (choices.random(len(rows)) < 0.5)
    where = chance.put(rows)
    chosen = images[where]
    before = chosen[:, :SLICES]
    taken_up = _uptake(before, chance)
    amount = chance.put(choices.uniform(0, BRIGHTEST, len(rows)) * (choices.random(len(rows)) < 0.67))
    slices = before * (1 + amount[:, None, None, None] * taken_up)
    others = []
    for there in (phased, second):
        amount = chance.uniform(0, BRIGHTEST, len(rows))[:, None, None]
        other = before[:, 0] * (1 + amount * taken_up[:, 0])
        others.append(_shifted(other, chance) * chance.put(there.astype(np.float32))[:, None, None])
    changed = torch.cat([slices, torch.stack(others, dim=1)], dim=1)
    changed = changed / (changed[:, 0].amax(dim=(1, 2)) / BRIGHTEST).clamp_min(1.0)[:, None, None, None]
    present[rows, len(context.NEIGHBOURS)] = phased
    present[rows, len(context.NEIGHBOURS) + 1] = second
    return images.index_copy(0, where, changed)


def _uptake(slices: Tensor, chance: Chance) -> Tensor:
    """Relative uptake [crop, slice, row, column]: smooth, glandular, and up to five lesions with edges of their own.

    A lesion is an ellipsoid: it ends in the neighbours as it ends in the slice.
    """
    count, _, rows, columns = slices.shape
    choices = chance.choices
    knots = chance.uniform(0, 0.5, count, 1, 4, 4)
    uptake = functional.interpolate(knots, (rows, columns), mode="bilinear", align_corners=False)
    bright = box_mean(slices, 5)
    bright = (bright / slices[:, :1].mean(dim=(2, 3), keepdim=True).clamp_min(1e-6)).clamp(0, 2)
    glandular = chance.put(choices.random(count) < 0.5)[:, None, None, None]
    uptake = uptake * torch.where(glandular, bright, torch.ones_like(bright))
    steps = chance.put(np.array([0, *context.NEIGHBOURS], dtype=np.float32))
    thickness = chance.uniform(0.7, 5.0, count)[:, None]
    y, x = (torch.arange(n, device=slices.device, dtype=torch.float32) for n in (rows, columns))
    for _ in range(LESIONS):
        there = choices.random(count) < 0.5
        cy, cx = chance.uniform(0, rows, count, 1), chance.uniform(0, columns, count, 1)
        cz = chance.uniform(-1, 1, count, 1)
        small = choices.random(count) < SMALL_SHARE
        radius = np.exp(np.where(small, choices.uniform(*SMALL[0], count), choices.uniform(*ANY[0], count)))
        longer = chance.put(np.exp(choices.uniform(-0.4, 0.4, count)))[:, None]
        across = ((y - cy) * longer)[:, None, :, None] ** 2 + ((x - cx)[:, None, None, :]) ** 2
        distance = (across + ((steps - cz) * thickness)[:, :, None, None] ** 2).sqrt()
        width = np.where(small, choices.uniform(*SMALL[1], count), choices.uniform(*ANY[1], count))
        inside = chance.put(radius)[:, None, None, None] - distance
        edge = torch.sigmoid(inside / chance.put(width)[:, None, None, None])
        gain = chance.put(choices.uniform(0.3, 1.8, count) * there)[:, None, None, None]
        uptake = uptake + gain * edge
    return uptake


def _shifted(images: Tensor, chance: Chance) -> Tensor:
    """Half of the images [crop, row, column] moved by up to a pixel, as a patient does between phases."""
    count, rows, columns = images.shape
    moves = chance.choices.uniform(-1, 1, (count, 2)) * (chance.choices.random((count, 1)) < 0.5)
    turn = np.zeros((count, 2, 3), dtype=np.float32)
    turn[:, 0, 0] = turn[:, 1, 1] = 1
    turn[:, 0, 2], turn[:, 1, 2] = 2 * moves[:, 1] / columns, 2 * moves[:, 0] / rows
    grid = functional.affine_grid(chance.put(turn), [count, 1, rows, columns], align_corners=False)
    moved = functional.grid_sample(images[:, None], grid, mode="bicubic", padding_mode="border", align_corners=False)
    return moved[:, 0].clamp_min(0)
