"""Where a training's randomness comes from: choices on the processor, pixels on the device that learns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Chance:
    """Two generators of one seed.

    Parameters
    ----------
    choices : draws what a crop is, on the processor, so that the device is never waited for
    pixels : draws fields of noise on the device
    """

    choices: np.random.Generator
    pixels: torch.Generator

    @property
    def device(self) -> torch.device:
        """Where pixels are drawn."""
        return self.pixels.device

    def normal(self, *shape: int) -> Tensor:
        """Standard normal float32 on the device."""
        return torch.randn(shape, generator=self.pixels, device=self.device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform float32 on the device, drawn on the processor."""
        return self.put(self.choices.uniform(low, high, shape))

    def log_uniform(self, low: float, high: float, *shape: int) -> npt.NDArray[np.float32]:
        """Log-uniform choices, float32 on the processor."""
        return np.exp(self.choices.uniform(np.log(low), np.log(high), shape)).astype(np.float32)

    def put(self, values: npt.NDArray[np.generic]) -> Tensor:
        """Choices as a tensor on the device: numbers with a point as float32, others as they are."""
        found = torch.from_numpy(np.ascontiguousarray(values))
        found = found.float() if found.is_floating_point() else found
        return found.to(self.device, non_blocking=True)


def seeded(*seeds: int, device: torch.device | str = "cpu") -> Chance:
    """The randomness of some seeds, the same on every run on one device."""
    choices = np.random.default_rng(seeds)
    pixels = torch.Generator(device).manual_seed(int(choices.integers(2**62)))
    return Chance(choices, pixels)
