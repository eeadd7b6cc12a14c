"""Other people's networks for the same task: DnCNN, NAFNet, and the UNets of MONAI and diffusers.

All map images [batch, IMAGES, row, column] and a condition [batch, CONDITION] to [batch, 1, row, column], as ours does,
and are trained inside the same preconditioning, which subtracts: D = c_skip y + c_out F(c_in y). That is why none of
them adds its input to its answer. All are told the same: each value of the condition is one more input image of
constant value (as FFDNet is told its level: Zhang 2018, TIP 27:4608), for none of them takes such a vector.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tumordiff_core.engine import context
from tumordiff_core.engine.networks import PixelGroupNorm
from tumordiff_core.training.module import CONDITION

INPUTS = context.IMAGES + CONDITION
DNCNN_LAYERS = 17
"""As the paper has it for one known noise level; for unknown ones it takes 20."""

NAFNET_BLOCKS, NAFNET_MIDDLE = (2, 2), 4
"""Blocks per level and at the bottom: the paper's shape with fewer levels, so that small networks stay wide."""

GROUPS = 4
"""Groups of the normalisation of both UNets; their widths are multiples of it."""

LARGEST_WIDTH = 512


def with_planes(x: Tensor, condition: Tensor) -> Tensor:
    """The images and, behind them, one image of constant value for each value of the condition."""
    return torch.cat([x, condition[:, :, None, None].expand(-1, -1, *x.shape[-2:])], dim=1)


class DnCnn(nn.Module):
    """DnCNN (Zhang 2017, TIP 26:3142): conv-ReLU, conv-BatchNorm-ReLU, conv; its answer is the residual R.

    The paper's clean image is y - R. Here it is c_skip y - c_out R, for preconditioning takes the residual away.
    """

    multiple = 1

    def __init__(self, width: int, layers: int = DNCNN_LAYERS) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Conv2d(INPUTS, width, 3, padding=1), nn.ReLU()]
        for _ in range(layers - 2):
            blocks += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.residual = nn.Sequential(*blocks, nn.Conv2d(width, 1, 3, padding=1))
        for layer in self.residual:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Minus the residual, [batch, 1, row, column]."""
        answer: Tensor = -self.residual(with_planes(x, condition))
        return answer


def simple_gate(x: Tensor) -> Tensor:
    """One half of the channels times the other half (Chen 2022): NAFNet's only nonlinearity besides its attention."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NafBlock(nn.Module):
    """NAFNet's block (Chen 2022): a gated depthwise part with channel attention, then a gated feed-forward.

    Each part is added to its input times a learned scale per channel that starts at zero.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.feed_norm = PixelGroupNorm(channels, 1), PixelGroupNorm(channels, 1)
        self.widen = nn.Conv2d(channels, 2 * channels, 1)
        self.depthwise = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.attend = nn.Conv2d(channels, channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        self.feed = nn.Conv2d(channels, 2 * channels, 1)
        self.feed_project = nn.Conv2d(channels, channels, 1)
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.feed_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, row, column], same shape."""
        y = simple_gate(self.depthwise(self.widen(self.norm(x))))
        y = y * self.attend(y.mean(dim=(2, 3), keepdim=True))
        x = x + self.project(y) * self.scale
        answer: Tensor = x + self.feed_project(simple_gate(self.feed(self.feed_norm(x)))) * self.feed_scale
        return answer


class NafNet(nn.Module):
    """NAFNet (Chen 2022, arXiv 2204.04676): a UNet of its blocks, 2x2 convs down, pixel-shuffle up, added skips.

    Channel attention takes means over all that it is shown: crops in training, whole slices afterwards.
    """

    def __init__(
        self, width: int, blocks: Sequence[int] = NAFNET_BLOCKS, middle: int = NAFNET_MIDDLE
    ) -> None:  # fmt: skip
        super().__init__()
        widths = [width * 2**level for level in range(len(blocks) + 1)]
        self.multiple = 2 ** len(blocks)
        self.enter = nn.Conv2d(INPUTS, width, 3, padding=1)
        self.encoder = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], blocks, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, stride=2) for w in widths[:-1])
        self.middle = _blocks(widths[-1], middle)
        self.grow = nn.ModuleList(nn.Conv2d(2 * w, 4 * w, 1, bias=False) for w in reversed(widths[:-1]))
        self.decoder = nn.ModuleList(_blocks(w, n) for w, n in reversed(list(zip(widths[:-1], blocks, strict=True))))
        self.leave = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """F, [batch, 1, row, column]."""
        x = self.enter(with_planes(x, condition))
        skips = []
        for stack, shrink in zip(self.encoder, self.shrink, strict=True):
            x = stack(x)
            skips.append(x)
            x = shrink(x)
        x = self.middle(x)
        for grow, stack in zip(self.grow, self.decoder, strict=True):
            x = stack(functional.pixel_shuffle(grow(x), 2) + skips.pop())
        answer: Tensor = self.leave(x)
        return answer


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(NafBlock(width) for _ in range(count)))


class TimedUNet(nn.Module):
    """A UNet of a diffusion library: told the level as its time, 250 ln(sigma), besides the planes of all values.

    Its time runs from -1,240 to -357 for the levels trained on, as wide as the libraries' own 0 to 1,000.
    """

    def __init__(self, network: nn.Module, levels: int) -> None:
        super().__init__()
        self.network = network
        self.multiple = 2 ** (levels - 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """F, [batch, 1, row, column]."""
        answer = self.network(with_planes(x, condition), 1000 * condition[:, 0])
        found: Tensor = getattr(answer, "sample", answer)
        return found


def monai_unet(widths: Sequence[int]) -> nn.Module:
    """MONAI's DiffusionModelUNet: two residual blocks per level, attention only at the bottom, where it always is."""
    network = import_module("monai.networks.nets").DiffusionModelUNet(
        spatial_dims=2, in_channels=INPUTS, out_channels=1, channels=tuple(widths), num_res_blocks=2,
        attention_levels=(False,) * len(widths), norm_num_groups=GROUPS, num_head_channels=GROUPS,
    )  # fmt: skip
    return TimedUNet(network, len(widths))


def diffusers_unet(widths: Sequence[int]) -> nn.Module:
    """diffusers' UNet2DModel: two residual blocks per level, attention only at the bottom."""
    network = import_module("diffusers").UNet2DModel(
        in_channels=INPUTS, out_channels=1, block_out_channels=tuple(widths), layers_per_block=2,
        down_block_types=("DownBlock2D",) * len(widths), up_block_types=("UpBlock2D",) * len(widths),
        norm_num_groups=GROUPS, attention_head_dim=GROUPS,
    )  # fmt: skip
    return TimedUNet(network, len(widths))


def unet_widths() -> Iterator[tuple[int, int, int]]:
    """Widths of three levels in steps of few parameters, smallest first; the lowest level is about twice as wide."""
    for width in range(GROUPS, LARGEST_WIDTH, GROUPS):
        for more in range(3):
            yield width, width, 2 * width + GROUPS * more


@dataclass(frozen=True)
class Peer:
    """A network to compare with: how it is built for a width, from which widths, smallest first, and what it needs.

    ``arguments`` of a training is {"width": one of ``widths``}; ``package`` is empty where the network is written here.
    """

    name: str
    build: Callable[[Any], nn.Module]
    widths: Callable[[], Iterator[Any]] = field(default=lambda: iter(range(2, LARGEST_WIDTH)))
    package: str = ""

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return not self.package or find_spec(self.package) is not None

    def made(self, arguments: dict[str, Any]) -> nn.Module:
        """The network of given arguments."""
        return self.build(arguments["width"])


PEERS = (
    Peer("DnCNN", DnCnn), Peer("NAFNet", NafNet),
    Peer("MONAI DiffusionModelUNet", monai_unet, unet_widths, "monai"),
    Peer("diffusers UNet2DModel", diffusers_unet, unet_widths, "diffusers"),
)  # fmt: skip


def parameters(network: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def arguments_for(peer: Peer, wanted: int) -> dict[str, Any]:
    """The arguments whose network has about ``wanted`` parameters: the nearest of its widths; none is allocated."""

    def size(width: Any) -> int:
        with torch.device("meta"):
            return parameters(peer.build(width))

    widths = list(peer.widths())
    at = bisect_left(widths, wanted, key=size)
    return {"width": min(widths[max(at - 1, 0) : at + 1], key=lambda width: abs(size(width) - wanted))}
