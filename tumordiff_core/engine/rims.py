"""What a posterior mean loses at the rims of lesions is given back: a small network that goes on from it.

A posterior mean is unsure where an edge of a few sigma lies, so on average over lesions it lies below the truth just
inside a rim and above it just outside: the rim looks wider, whatever the network. The small network learned the least
change that takes this away on average over made-up lesions, by distance from the rim and height of the lesion
(``training/rims.py``). It sees the mean in units of sigma, so that one serves every level.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from tumordiff_core.engine import gaussian
from tumordiff_core.engine.along_edges import LARGEST_SNR
from tumordiff_core.engine.local_means import away_from_zeros

FAMILY = "rims"
FINE_PIXELS, COARSE_PIXELS = 1.0, 3.0
"""The network sees the mean less its Gaussian of the first, and what lies between both."""

BRIGHTNESS, BRIGHTEST_SNR = 0.8, 100.0
"""About half the logarithm of the signal-to-noise ratio of tissue, which becomes the network's zero, and the largest
ratio that the network is told: few crops that it learned from are brighter."""

SEEN = 3
FARTHEST_PIXELS = 16


class RimArguments(BaseModel):
    """Channels, and the distance of the pixels that each layer between the first and the last compares."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(32, ge=1, le=256)
    dilations: tuple[Annotated[int, Field(ge=1, le=FARTHEST_PIXELS)], ...] = Field((1, 2, 3, 2, 1), max_length=8)


class RimNetwork(nn.Module):
    """From a posterior mean in units of sigma to what is missing; nothing before it learned."""

    def __init__(self, arguments: RimArguments) -> None:
        super().__init__()
        width = arguments.width
        self.first = nn.Conv2d(SEEN, width, 3, padding=1)
        self.middle = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=step, dilation=step) for step in arguments.dilations
        )
        self.last = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, mean: Tensor) -> Tensor:
        """Images [batch, 1, row, column] in units of sigma, to the change of the mean in the same."""
        fine, coarse = gaussian.smoothed(mean, FINE_PIXELS), gaussian.smoothed(mean, COARSE_PIXELS)
        told = (
            torch.asinh(mean - fine),
            torch.asinh(fine - coarse),
            torch.log1p(mean.clamp(0, BRIGHTEST_SNR)) / 2 - BRIGHTNESS,
        )
        x = torch.cat(told, dim=1).contiguous(memory_format=torch.channels_last)
        x = functional.relu(self.first(x), inplace=True)
        for layer in self.middle:
            found = functional.relu(layer(x), inplace=True)
            # A gradient needs what a sum in place would overwrite; without one it saves a third of the memory.
            x = found + x if torch.is_grad_enabled() else found.add_(x)
        change: Tensor = self.last(x)
        return change


@dataclass(frozen=True)
class Rims:
    """The network that gives rims back, ready for inference.

    Parameters
    ----------
    name, weights_sha256 : of its model, for records
    """

    name: str
    weights_sha256: str
    network: nn.Module

    def given_back(self, mean: Tensor, sigma: float, measured: Tensor) -> Tensor:
        """``given_back`` by this network."""
        return given_back(self.network, mean, sigma, measured)

    def told(self) -> dict[str, Any]:
        """For a record."""
        return {"name": self.name, "weights_sha256": self.weights_sha256}


def given_back(network: nn.Module, mean: Tensor, sigma: float, measured: Tensor) -> Tensor:
    """The mean with its rims given back, never negative.

    Parameters
    ----------
    mean : float [batch, 1, row, column]; sigma : noise of the image that it was made from, in its units
    measured : float32, same shape, 1 where something was measured and 0 where a scanner wrote zeros
    """
    # The change is a small part of a mean of many sigma: bfloat16 would be right to two digits of the mean only.
    with torch.autocast(mean.device.type, enabled=False):
        values = (mean.float() / sigma).clamp_max(LARGEST_SNR)
        change = away_from_zeros(measured) * network(values)
        found: Tensor = (mean.float() + sigma * change).clamp_min(0)
        return found
