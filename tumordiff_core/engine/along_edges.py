"""Noise that a posterior mean left at edges, smoothed along them by one step of diffusion.

Where an edge may lie a network believes what it sees, so that noise stays there that it takes everywhere else. The step
is u_t = div(T grad u) with T = t t^T along the edge, after coherence-enhancing diffusion (Weickert 1999, IJCV 31:111):
the direction comes from the structure tensor, and the step is taken where that is coherent and steep. A curved edge has
hardly any flux, where mean curvature motion would take contrast from small lesions; tips and corners lose a little.
"""

import torch
from torch import Tensor
from torch.nn import functional

from tumordiff_core.engine import gaussian
from tumordiff_core.engine.gaussian import filtered
from tumordiff_core.engine.local_means import away_from_zeros

TIME = 0.2
"""Length of the step: it spreads by twice that, a variance in square pixels. Longer ones take more from lesions."""

DERIVATIVE_PIXELS, TENSOR_PIXELS = 0.8, 1.0
FLAT_SLOPE, STEEP_SLOPE = 0.5, 2.0
"""Between these slopes, in sigma per pixel, the step grows from nothing to its full length."""

LEAST = 1e-6
LARGEST_SNR = 1e6


def smoothed(mean: Tensor, sigma: float, measured: Tensor) -> Tensor:
    """A posterior mean whose edges are smoothed along themselves, never negative.

    Gradients pass through the image and not through the direction of its edges.

    Parameters
    ----------
    mean : float [batch, 1, row, column]; sigma : noise of the image that it was made from, in its units
    measured : float32, same shape, 1 where something was measured and 0 where a scanner wrote zeros
    """
    # Squares and differences of slopes in bfloat16 would be right to two digits only.
    with torch.autocast(mean.device.type, enabled=False):
        values = mean.float()
        with torch.no_grad():
            by_row, by_both, by_column = _step((values / sigma).clamp_max(LARGEST_SNR))
            free = away_from_zeros(measured)
            by_row, by_both, by_column = free * by_row, free * by_both, free * by_column
        return (values + _spread(values, by_row, by_both, by_column)).clamp_min(0)


def _spread(values: Tensor, by_row: Tensor, by_both: Tensor, by_column: Tensor) -> Tensor:
    """div(T grad u) with slopes and fluxes at the corners of pixels: what leaves one pixel arrives in the next."""
    corners = functional.pad(values, (1, 1, 1, 1), mode="replicate")
    down = _halved(corners[..., 1:, :] - corners[..., :-1, :], -1)
    right = _halved(corners[..., 1:] - corners[..., :-1], -2)
    rows, both, columns = (
        _halved(_halved(functional.pad(part, (1, 1, 1, 1), mode="replicate"), -1), -2)
        for part in (by_row, by_both, by_column)
    )
    downwards, rightwards = rows * down + both * right, both * down + columns * right
    change_down = _halved(downwards[..., 1:, :] - downwards[..., :-1, :], -1)
    return change_down + _halved(rightwards[..., 1:] - rightwards[..., :-1], -2)


def _halved(values: Tensor, axis: int) -> Tensor:
    """Means of neighbours along one axis."""
    count = values.shape[axis]
    return (values.narrow(axis, 0, count - 1) + values.narrow(axis, 1, count - 1)) / 2


def _step(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far each second derivative (rows, both, columns) counts: the tangent's outer product times the step."""
    rows = filtered(filtered(values, -2, DERIVATIVE_PIXELS, 1), -1, DERIVATIVE_PIXELS)
    columns = filtered(filtered(values, -1, DERIVATIVE_PIXELS, 1), -2, DERIVATIVE_PIXELS)
    a, b, c = (
        gaussian.smoothed(product, TENSOR_PIXELS) for product in (rows * rows, rows * columns, columns * columns)
    )
    difference = torch.hypot(a - c, 2 * b)
    strength = a + c
    length = (strength.clamp_min(0).sqrt() - FLAT_SLOPE) / (STEEP_SLOPE - FLAT_SLOPE)
    length = TIME * length.clamp(0, 1) * (difference / (strength + LEAST)) ** 2
    cosine, sine = (a - c) / (difference + LEAST), 2 * b / (difference + LEAST)
    return length * (1 - cosine) / 2, -length * sine / 2, length * (1 + cosine) / 2
