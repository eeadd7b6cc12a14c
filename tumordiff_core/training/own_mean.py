"""Learning from the network's own mean over mirror images, which holds less of its chance errors than one evaluation.

A clean slice is a target that scatters as widely as the posterior does, so that steps of a few crops go astray; the
mean over mirror images scatters by about a fiftieth of that. What the mean is wrong in, it can only learn from clean
slices: the target keeps a share of them, and the mean is that of a network renewed after every epoch (data
distillation, Radosavovic 2018, arXiv 1712.04440).
"""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from tumordiff_core.engine.denoise import MIRRORS

Network = Callable[[Tensor, Tensor], Tensor]
"""Images [crop, image, row, column] and condition -> F [crop, 1, row, column]."""

Denoise = Callable[[Network, Tensor], Tensor]
"""A network and noisy images [crop, image, row, column] -> denoised [crop, 1, row, column]."""


class OwnMean:
    """A copy of a network whose mean over mirror images makes up ``share`` of the targets; it learns nothing itself."""

    def __init__(self, network: nn.Module, share: float) -> None:
        self._network = copy.deepcopy(network).eval().requires_grad_(False)
        self._share = share

    @torch.no_grad()
    def target(self, clean: Tensor, noisy: Tensor, denoise: Denoise) -> Tensor:
        """What the network is to learn of some crops, [crop, 1, row, column]."""
        network = self._network.to(clean.device)
        means = [denoise(network, noisy.flip(axes)).flip(axes) if axes else denoise(network, noisy) for axes in MIRRORS]
        return torch.lerp(clean, torch.stack(means).mean(dim=0), self._share)

    def renew(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of a network of the same kind."""
        self._network.load_state_dict(weights)

    def weights(self) -> dict[str, Tensor]:
        """Its weights, to go on from."""
        return dict(self._network.state_dict())
