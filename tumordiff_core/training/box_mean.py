"""Means over squares of pixels, on the device that learns."""

import torch
from torch import Tensor


def box_mean(images: Tensor, width: int) -> Tensor:
    """Mean over ``width`` x ``width`` pixels, fewer at the borders, by running sums (pooling takes far longer).

    Parameters
    ----------
    images : float32 [..., row, column]
    width : odd
    """
    half = width // 2
    for axis in (-2, -1):
        count = images.shape[axis]
        sums = images.cumsum(axis)
        first, last = torch.zeros_like(sums.narrow(axis, 0, 1)), sums.narrow(axis, count - 1, 1)
        sums = torch.cat([first] * (half + 1) + [sums] + [last] * half, dim=axis)
        at = torch.arange(count, device=images.device)
        inside = (at + half + 1).clamp_max(count) - (at - half).clamp_min(0)
        spread = inside.to(images.dtype).unsqueeze(1) if axis == -2 else inside.to(images.dtype)
        images = (sums.narrow(axis, width, count) - sums.narrow(axis, 0, count)) / spread
    return images
