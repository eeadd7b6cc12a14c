"""Gaussian filters of images and their derivatives, by one axis after the other."""

import torch
from torch import Tensor
from torch.nn import functional


def weights(pixels: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Places (pixels) and weights, sum 1, of a Gaussian cut off at four standard deviations of ``pixels``."""
    reach = round(4 * pixels)
    at = torch.arange(-reach, reach + 1, dtype=torch.float32, device=device)
    heights = torch.exp(-(at**2) / (2 * pixels**2))
    return at, heights / heights.sum()


def filtered(values: Tensor, axis: int, pixels: float, order: int = 0) -> Tensor:
    """Images [batch, 1, row, column] by a Gaussian of ``pixels`` along one axis, -2 or -1, or its first derivative."""
    at, heights = weights(pixels, values.device)
    reach = len(at) // 2
    if order:
        heights = heights * at / pixels**2
    side = (0, 0, reach, reach) if axis == -2 else (reach, reach, 0, 0)
    kernel = heights[None, None, :, None] if axis == -2 else heights[None, None, None, :]
    return functional.conv2d(functional.pad(values, side, mode="replicate"), kernel)


def smoothed(values: Tensor, pixels: float) -> Tensor:
    """Images [batch, 1, row, column] by a round Gaussian of ``pixels`` standard deviation."""
    return filtered(filtered(values, -2, pixels), -1, pixels)
