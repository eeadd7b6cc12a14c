"""What the network sees beside a slice: its neighbours along the stack and the same slice in the other phases.

Order of the images: the centre slice, the neighbours of ``NEIGHBOURS``, then ``OTHER_PHASES`` other phases. An image
that is absent is black and its flag is 0, so one network serves a single slice, a stack and a dynamic series.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

NEIGHBOURS = (-1, 1, -2, 2, -3, 3)
OTHER_PHASES = 2
BESIDE = len(NEIGHBOURS) + OTHER_PHASES
IMAGES = 1 + BESIDE


def gather(phases: npt.NDArray[Any], phase: int, slices: npt.NDArray[Any]) -> tuple[Float, Float]:
    """Images and presence flags for some slices of one phase.

    Parameters
    ----------
    phases : real [phase, slice, row, column], one scale
    phase : which phase is denoised
    slices : int [batch], which of its slices

    Returns
    -------
    float32 [batch, IMAGES, row, column] and float32 [batch, BESIDE]
    """
    count, depth = phases.shape[:2]
    images = np.zeros((len(slices), IMAGES, *phases.shape[2:]), dtype=np.float32)
    present = np.zeros((len(slices), BESIDE), dtype=np.float32)
    images[:, 0] = phases[phase, slices]
    for column, step in enumerate(NEIGHBOURS):
        beside = slices + step
        there = (beside >= 0) & (beside < depth)
        images[there, 1 + column] = phases[phase, beside[there]]
        present[:, column] = there
    for column, other in enumerate(others(phase, count), len(NEIGHBOURS)):
        images[:, 1 + column] = phases[other, slices]
        present[:, column] = 1
    return images, present


def others(phase: int, count: int) -> list[int]:
    """The other phases that help most: the nearest in time, the later one first."""
    return sorted((k for k in range(count) if k != phase), key=lambda k: (abs(k - phase), -k))[:OTHER_PHASES]


def without(
    images: Float, present: Float, *, neighbours: bool = True, phases: bool = True
) -> tuple[Float, Float]:  # fmt: skip
    """The same images with the neighbours or the other phases taken away."""
    kept = present.copy()
    if not neighbours:
        kept[:, : len(NEIGHBOURS)] = 0
    if not phases:
        kept[:, len(NEIGHBOURS) :] = 0
    shown = images.copy()
    shown[:, 1:] *= kept[:, :, None, None]
    return shown, kept


def names(present: npt.NDArray[Any]) -> dict[int, str]:
    """Names of the images that are there, by their place in the order; ``present`` is float32 [BESIDE]."""
    beside = [*(f"slice {step:+d}" for step in NEIGHBOURS), "nearest phase", "next phase"]
    return {0: "this slice", **{1 + k: beside[k] for k in range(BESIDE) if present[k] > 0}}
