"""Weights of their own for white noise: the whiter the noise, the more of them, with no step in between.

A network that serves every noise gives away some of what it could do for the simplest one. Both sets of weights are of
one network and the white ones went on from the general ones, so that what lies between them works as well
(Wortsman 2022, arXiv 2203.05482).
"""

import copy
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

WHITE, COLOURED = 0.05, 0.15
"""Mean lag-1 correlation up to which noise counts as white, and from which on the general weights serve alone."""

FADE = 1.5
"""The white weights serve alone from this many times their lowest level on, and not at all below it."""

GRAINS = 16
"""Mixtures that are kept apart: the share of the white weights is rounded to so many parts."""


@dataclass(frozen=True)
class WhiteNoise:
    """A network for white noise and the lowest level it was trained for.

    Parameters
    ----------
    name, weights_sha256 : of its model, for records
    lowest : standard deviation, as a share of the image's maximum
    """

    name: str
    weights_sha256: str
    network: nn.Module
    lowest: float

    def share(self, sigma: float, lag1: tuple[float, float]) -> float:
        """How much of its weights serve noise of this level and these correlations, 0 to 1."""
        whiteness = (COLOURED - sum(lag1) / 2) / (COLOURED - WHITE)
        strength = (sigma / max(self.lowest, 1e-8) - 1) / (FADE - 1)
        share = min(max(whiteness, 0.0), 1.0) * min(max(strength, 0.0), 1.0)
        return round(share * GRAINS) / GRAINS

    def network_for(self, general: nn.Module, sigma: float, lag1: tuple[float, float]) -> nn.Module:
        """The general network, this one, or one between the two."""
        share = self.share(sigma, lag1)
        if share in (0, 1):
            return self.network if share else general
        return _between(general, self.network, share)


@lru_cache(maxsize=4)
def _between(general: nn.Module, white: nn.Module, share: float) -> nn.Module:
    # Kept for later calls, of which some ask for gradients: tensors made in inference mode would refuse them.
    with torch.inference_mode(mode=False), torch.no_grad():
        mixed = copy.deepcopy(general)
        for own, other in zip(mixed.parameters(), white.parameters(), strict=True):
            own.lerp_(other, share)
    return mixed
