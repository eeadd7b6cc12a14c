"""The two network families: the seed paper's UNet made aware of its noise level, and ours.

Both map images [batch, channel, row, column] and a condition [batch, condition] to an image of one channel; sides
must be multiples of ``network.multiple``.
"""

import itertools
from collections.abc import Sequence

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional

QUIET_START = 0.2
"""Share of its usual size that the last convolution of each residual branch begins with."""


class PaperArguments(BaseModel):
    """The paper's UNet: width of the first level, doubled on each of the lower levels."""

    input_channels: int = Field(1, ge=1, le=16)
    width: int = Field(16, ge=4, le=256, title="Width")
    levels: int = Field(3, ge=1, le=5, title="Levels")
    condition: int = Field(1, ge=1, le=16)
    octaves: int = Field(3, ge=1, le=12, title="Octaves of the level embedding")


class EdmArguments(BaseModel):
    """Our UNet: widths per level after a two-fold pixel-unshuffle."""

    input_channels: int = Field(9, ge=1, le=32, title="Input images")
    widths: tuple[int, ...] = Field((48, 80, 128, 160), title="Widths")
    encoder: int = Field(1, ge=1, le=8, title="Blocks per level on the way down")
    blocks: int = Field(2, ge=1, le=8, title="Blocks per level on the way up")
    middle: int = Field(2, ge=1, le=12, title="Blocks at the bottom")
    condition: int = Field(12, ge=1, le=32, title="Condition values")
    octaves: int = Field(8, ge=1, le=12, title="Octaves of the level embedding")
    attention: bool = Field(True, title="Attention")
    window: int = Field(8, ge=2, le=32, title="Attention window")


class LevelEmbedding(nn.Module):
    """A condition vector as features: cosines and sines of each value at some octaves, then two layers."""

    frequencies: Tensor

    def __init__(self, condition: int, width: int, octaves: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** torch.arange(octaves) * torch.pi / 4)
        inputs = 2 * octaves * condition
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, condition: Tensor) -> Tensor:
        """[batch, condition] -> [batch, width]."""
        angles = condition[:, :, None] * self.frequencies
        features = torch.cat([angles.cos(), angles.sin()], dim=2).flatten(1)
        embedded: Tensor = self.layers(features)
        return embedded


class Film(nn.Module):
    """Feature-wise scale and shift from the embedded condition; starts as the identity."""

    def __init__(self, embedding: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Scaled and shifted x."""
        scale, shift = self.linear(embedding)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, x, 1 + scale)


class PaperPair(nn.Module):
    """Two conv3x3-BatchNorm-ReLU; the noise level enters between normalisation and the first ReLU."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.film = Film(embedding, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[batch, inputs, row, column] -> [batch, outputs, row, column]."""
        x = functional.relu(self.film(self.first_norm(self.first(x)), embedding))
        return functional.relu(self.second_norm(self.second(x)))


class PaperUNet(nn.Module):
    """The seed paper's UNet: max-pool encoder, bottleneck, transposed-convolution decoder, concatenated skips."""

    def __init__(self, arguments: PaperArguments) -> None:
        super().__init__()
        widths = [arguments.width * 2**level for level in range(arguments.levels + 1)]
        embedding = 64
        self.multiple = 2**arguments.levels
        self.level = LevelEmbedding(arguments.condition, embedding, arguments.octaves)
        inputs = [arguments.input_channels, *widths[:-2]]
        self.down = nn.ModuleList(PaperPair(i, o, embedding) for i, o in zip(inputs, widths[:-1], strict=True))
        self.bottleneck = PaperPair(widths[-2], widths[-1], embedding)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, stride=2) for i, o in pairs)
        self.merge = nn.ModuleList(PaperPair(2 * o, o, embedding) for _, o in pairs)
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """The noise estimate, [batch, 1, row, column]."""
        embedding = self.level(condition)
        skips = []
        for pair in self.down:
            x = pair(x, embedding)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottleneck(x, embedding)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = merge(torch.cat([up(x), skip], dim=1), embedding)
        answer: Tensor = self.out(x)
        return answer


class PixelGroupNorm(nn.Module):
    """Group normalisation over channel groups at each pixel.

    Local statistics: a tile gives what the whole slice gives, which plain GroupNorm does not.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised x, same shape and memory format."""
        last = x.permute(0, 2, 3, 1)
        if self.groups == 1:
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            # Autocast would widen the result to 32 bits; the statistics are taken in 32 bits anyway.
            with torch.autocast(x.device.type, enabled=False):
                return functional.layer_norm(last, last.shape[-1:], weight, bias).permute(0, 3, 1, 2)
        grouped = last.reshape(*last.shape[:3], self.groups, -1)
        last = functional.layer_norm(grouped, grouped.shape[-1:]).flatten(3)
        return (last * self.weight + self.bias).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """Norm, SiLU, conv, FiLM, SiLU, conv (quiet at the start), plus the input."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm = PixelGroupNorm(channels, groups=1)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = Film(embedding, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        _start(self.first, 1.0)
        _start(self.second, QUIET_START)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[batch, channels, row, column], same shape."""
        y = self.first(functional.silu(self.norm(x)))
        answer: Tensor = x + self.second(functional.silu(self.film(y, embedding)))
        return answer


class WindowAttention(nn.Module):
    """Self-attention inside square windows of the bottleneck grid (so tiles aligned to windows agree)."""

    def __init__(self, channels: int, window: int, heads: int = 4) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.norm = PixelGroupNorm(channels, groups=1)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, row, column], same shape; edges are padded to whole windows and masked."""
        batch, _, rows, columns = x.shape
        w = self.window
        pad_rows, pad_columns = -rows % w, -columns % w
        q, k, v = self._windows(functional.pad(self.project(self.norm(x)), (0, pad_columns, 0, pad_rows)))
        mask = None
        if pad_rows or pad_columns:
            inside = functional.pad(x.new_ones(1, 1, rows, columns), (0, pad_columns, 0, pad_rows))
            inside = functional.unfold(inside, w, stride=w)[0].T > 0
            mask = inside[None, :, None, None, :].expand(batch, -1, -1, -1, -1).flatten(0, 1)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        y = self._image(y, batch, rows + pad_rows, columns + pad_columns)[:, :, :rows, :columns]
        answer: Tensor = x + self.out(y)
        return answer

    def _windows(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, channels, rows, columns = x.shape
        w, head = self.window, channels // 3 // self.heads
        x = x.reshape(batch, 3, self.heads, head, rows // w, w, columns // w, w)
        q, k, v = x.permute(1, 0, 4, 6, 2, 5, 7, 3).reshape(3, -1, self.heads, w * w, head)
        return q, k, v

    def _image(self, y: Tensor, batch: int, rows: int, columns: int) -> Tensor:
        w = self.window
        y = y.reshape(batch, rows // w, columns // w, self.heads, w, w, -1)
        image = y.permute(0, 3, 6, 1, 4, 2, 5).reshape(batch, -1, rows, columns)
        return image.contiguous(memory_format=torch.channels_last)


class Blur(nn.Module):
    """Binomial 1-2-1 low-pass before or after resampling by two: no aliasing, no checkerboard."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", torch.outer(row, row).expand(channels, 1, 3, 3).clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Low-passed x, same shape."""
        # Repeated edges by hand: torch.compile has the strides of replication_pad2d's gradient wrong (torch 2.13).
        rows = torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2)
        padded = torch.cat([rows[..., :1], rows, rows[..., -1:]], dim=3)
        return functional.conv2d(padded, self.kernel, groups=x.shape[1])


class EdmUNet(nn.Module):
    """Our network F of the EDM form: residual blocks, FiLM, one attention layer, antialiased resampling.

    Input channels are the noisy images (centre slice first), absent ones black; the condition says which are there.
    """

    def __init__(self, arguments: EdmArguments) -> None:
        super().__init__()
        widths, embedding = arguments.widths, 128
        self.multiple = 2 ** len(widths)
        self.level = LevelEmbedding(arguments.condition, embedding, arguments.octaves)
        self.enter = nn.Conv2d(4 * arguments.input_channels, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_stack(w, embedding, arguments.encoder) for w in widths[:-1])
        self.shrink = nn.ModuleList(
            nn.Sequential(Blur(a), nn.Conv2d(a, b, 3, stride=2, padding=1)) for a, b in _steps(widths)
        )
        self.middle = _stack(widths[-1], embedding, arguments.middle)
        self.attention = WindowAttention(widths[-1], arguments.window) if arguments.attention else nn.Identity()
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in reversed(_steps(widths)))
        self.smooth = nn.ModuleList(Blur(w) for w in reversed(widths[:-1]))
        self.decoder = nn.ModuleList(_stack(w, embedding, arguments.blocks) for w in reversed(widths[:-1]))
        self.leave = nn.Conv2d(widths[0], 4, 3, padding=1)
        _start(self.leave, QUIET_START)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """F, [batch, 1, row, column]."""
        embedding = self.level(condition)
        x = self.enter(functional.pixel_unshuffle(x, 2))
        skips = []
        for stack, shrink in zip(self.encoder, self.shrink, strict=True):
            x = _run(stack, x, embedding)
            skips.append(x)
            x = shrink(x)
        x = self.attention(_run(self.middle, x, embedding))
        for grow, smooth, stack in zip(self.grow, self.smooth, self.decoder, strict=True):
            x = smooth(functional.interpolate(grow(x), scale_factor=2, mode="nearest")) + skips.pop()
            x = _run(stack, x, embedding)
        return functional.pixel_shuffle(self.leave(x), 2)


def _start(layer: nn.Conv2d, share: float) -> None:
    """He's initialisation times a share: zero branches learn several times slower in the first thousand steps."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight.mul_(share)
        layer.bias.zero_()


def _steps(widths: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(widths))


def _stack(width: int, embedding: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(Residual(width, embedding) for _ in range(count))


def _run(stack: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
    assert isinstance(stack, nn.ModuleList)
    for block in stack:
        x = block(x, embedding)
    return x


def build_paper(arguments: PaperArguments) -> nn.Module:
    """The paper's network (family ``paper-unet``)."""
    return PaperUNet(arguments)


def build_edm(arguments: EdmArguments) -> nn.Module:
    """Our network (family ``edm-unet``)."""
    return EdmUNet(arguments)
