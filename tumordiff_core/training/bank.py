"""The clean slices a training draws from, kept on the device that learns, so that crops are gathered batch by batch.

Slices lie end to end in one array: at the data's own pixels, as 2x2 means (half the noise), at other pixel sizes
(drawn anew at each ``renew``) and made up. Noise is not added here (``augment.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tumordiff_core.engine import context, known_facts
from tumordiff_core.errors import InputError
from tumordiff_core.training import uptake
from tumordiff_core.training.box_mean import box_mean
from tumordiff_core.training.chance import Chance
from tumordiff_core.training.datasets import Stack, is_beside, neighbours_kept
from tumordiff_core.training.mix import Mix

LARGEST_BANK = 200_000_000
"""Source pixels kept at once (about 12 bytes each); of more data, other stacks are read at each ``renew``."""

SMALLEST, LARGEST = 0.5, 2.2
"""Range of the factors by which 2x2 means are resampled."""

BRIGHTNESS = (0.55, 1.2)
QUIETEST = 0.005
PLACES, FIRST_PLACE, GLIMPSE = 3, 0.4, 6
"""Windows tried for a crop, share of crops that take the first, and points per side that tell how bright one is."""

AIR_SHARE, LOUDEST_AIR = 0.1, 4.0
"""The darkest tenth of a slice tells the level of its air, unless it lies above 4 sigma."""

AIR_CORE, AIR_RIM = 1.5, 2.2
"""Air is what lies, averaged over 9x9 pixels, below 1.5 times that level, and around it over 5x5 below 2.2 times."""


@dataclass(frozen=True)
class Crops:
    """Clean crops with what lies beside them.

    Parameters
    ----------
    images : float32 [crop, IMAGES, row, column] in the order of ``engine/context.py``, scaled so that 1 is about the
        slice's maximum; black where absent
    present : bool [crop, BESIDE], whether an image is there
    noise, lag1, channels : float32 [crop], [crop, 2] and [crop], the measured noise of the slice itself in the same
        scale; true of crops at the data's own pixels, with air and uptake as they are
    facts : float32 [crop, known_facts.LENGTH], what is known of patient and acquisition
    """

    images: Tensor
    present: npt.NDArray[np.bool_]
    noise: npt.NDArray[np.float32]
    lag1: npt.NDArray[np.float32]
    channels: npt.NDArray[np.float32]
    facts: npt.NDArray[np.float32]


def together(parts: Sequence[Crops]) -> Crops:
    """Some batches of crops as one."""
    beside = (f.name for f in fields(Crops) if f.name != "images")
    found = {name: np.concatenate([getattr(part, name) for part in parts]) for name in beside}
    return Crops(torch.cat([part.images for part in parts]), **found)


@dataclass(frozen=True)
class _Shelf:
    """Slices of one kind, end to end.

    Parameters
    ----------
    values : float16 [pixel] on the device
    offset, rows, columns : int64 [slice], first pixel and size
    beside : int64 [slice, NEIGHBOURS], first pixel of the neighbour, -1 where there is none
    peak, air : float32 [slice], brightest value and level of the air (0 where it is not known)
    weight : float64 [slice], how often a slice is drawn
    noise, lag1, channels : float32 [slice], [slice, 2] and [slice], the slice's own noise
    facts : float32 [slice, known_facts.LENGTH]
    """

    values: Tensor
    offset: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    beside: npt.NDArray[np.int64]
    peak: npt.NDArray[np.float32]
    air: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float32]
    lag1: npt.NDArray[np.float32]
    channels: npt.NDArray[np.float32]
    facts: npt.NDArray[np.float32]


class Bank:
    """Draws random crops of quiet slices and of made-up anatomy.

    Raises InputError("training.no_data") where no slice has a known level of noise.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        *,
        size: int,
        noisiest: float = 0.03,
        mix: Mix | None = None,
        made_up: Sequence[Stack] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        self._size, self._mix, self._device = size, mix or Mix(), torch.device(device)
        self._stacks = [stack for stack in stacks if np.isfinite(stack.noise).any()]
        if not self._stacks:
            raise InputError("training.no_data", name="the data set")
        quiet = any((stack.noise < noisiest).any() for stack in self._stacks)
        self._noisiest = noisiest if quiet else np.inf
        self._made_up = made_up
        self._kept: list[_Shelf] = []
        self._shown: list[Stack] = []
        self._halves: list[Tensor] = []
        self._all: _Shelf | None = None

    def renew(self, chance: Chance) -> None:
        """Draw new pixel sizes and, of data too large to keep, other stacks."""
        shown = self._chosen(chance)
        if [id(stack) for stack in shown] != [id(stack) for stack in self._shown]:
            self._all = None
            self._fill(shown)
        shelves, mix = list(self._kept), self._mix
        if mix.resampled > 0:
            factors = chance.log_uniform(SMALLEST, LARGEST, len(shown))
            resampled = [_resized(half, float(f)) for half, f in zip(self._halves, factors, strict=True)]
            shelves.append(_shelf(shown, resampled, self._real_share * mix.resampled, self._noisiest, halved=True))
        self._all = _joined(shelves)

    def draw(self, count: int, chance: Chance) -> Crops:
        """``count`` crops."""
        if self._all is None:
            self.renew(chance)
        assert self._all is not None
        shelf, choices, put = self._all, chance.choices, chance.put
        which = choices.choice(len(shelf.weight), count, p=shelf.weight)
        present = np.zeros((count, context.BESIDE), dtype=bool)
        present[:, : len(context.NEIGHBOURS)] = neighbours_kept(self._mix, count, choices) & (shelf.beside[which] >= 0)
        first = np.concatenate([shelf.offset[which][:, None], np.maximum(shelf.beside[which], 0)], axis=1)
        turned = choices.random(count) < 0.5
        grid = self._grid(shelf, which, turned, chance)
        images = shelf.values[put(first)[:, :, None, None] + grid[:, None]].float()
        black = shelf.air[which] * (choices.random(count) < self._mix.black_air)
        brightness = chance.log_uniform(*BRIGHTNESS, count)
        scale = brightness / shelf.peak[which]
        images = _blackened(images, black, chance) * put(scale)[:, None, None, None]
        images = functional.pad(images, (0, 0, 0, 0, 0, context.OTHER_PHASES))
        images = uptake.added(images, present, self._mix, chance)
        shown = np.concatenate([np.ones((count, 1)), present], axis=1)
        noise = shelf.noise[which] * brightness
        lag1 = np.where(turned[:, None], shelf.lag1[which][:, ::-1], shelf.lag1[which])
        images = images * put(shown)[:, :, None, None]
        return Crops(images, present, noise, lag1, shelf.channels[which], shelf.facts[which])

    @property
    def device(self) -> torch.device:
        """Where the slices are kept and crops arise."""
        return self._device

    @property
    def _real_share(self) -> float:
        return 1 - (self._mix.made_up if self._made_up else 0.0)

    def _chosen(self, chance: Chance) -> list[Stack]:
        if sum(stack.images.size for stack in self._stacks) <= LARGEST_BANK:
            return self._stacks
        drawable = [stack for stack in self._stacks if (stack.noise < self._noisiest).any()]
        chosen: list[Stack] = []
        pixels = 0
        for k in chance.choices.permutation(len(drawable)):
            pixels += drawable[k].images.size
            if chosen and pixels > LARGEST_BANK:
                break
            chosen.append(drawable[k])
        return chosen

    def _fill(self, shown: list[Stack]) -> None:
        mix, real = self._mix, self._real_share
        natives = [_on_device(stack.images, self._device) for stack in shown]
        halves = [functional.avg_pool2d(native.float(), 2).half() for native in natives]
        share = real * (1 - mix.native - mix.resampled)
        self._kept = [_shelf(shown, halves, share, self._noisiest, halved=True)]
        if mix.native > 0:
            self._kept.append(_shelf(shown, natives, real * mix.native, self._noisiest))
        if self._made_up:
            images = [_on_device(stack.images, self._device) for stack in self._made_up]
            self._kept.append(_shelf(self._made_up, images, mix.made_up, self._noisiest))
        self._shown, self._halves = shown, halves

    def _grid(
        self, shelf: _Shelf, which: npt.NDArray[np.int64], turned: npt.NDArray[np.bool_], chance: Chance
    ) -> Tensor:
        """Pixels of each crop within its slice, int64 [crop, row, column]: a window, flipped, some turned."""
        choices, put, size, count = chance.choices, chance.put, self._size, len(which)
        sides = np.stack([shelf.rows[which], shelf.columns[which]], axis=-1)
        room = np.maximum(sides - size, 0) + 1
        corners = put((choices.random((PLACES, count, 2)) * room).astype(np.int64))
        columns, wide = put(shelf.columns[which])[:, None, None], put(np.minimum(sides, size))
        spots = put((np.arange(GLIMPSE) + 0.5) / GLIMPSE)
        spread = corners[..., None] + (wide[None, :, :, None] * spots).long()
        points = spread[:, :, 0, :, None] * columns + spread[:, :, 1, None, :]
        signal = shelf.values[put(shelf.offset[which])[None, :, None, None] + points].float().mean(dim=(2, 3))
        first = put(choices.random(count) < FIRST_PLACE)
        best = torch.where(first, 0, signal.argmax(dim=0))
        corner = corners[best, torch.arange(count, device=best.device)]
        down = _reflected(_steps(size, corner[:, 0], choices, chance), put(sides[:, 0]))
        across = _reflected(_steps(size, corner[:, 1], choices, chance), put(sides[:, 1]))
        grid = down[:, :, None] * columns + across[:, None, :]
        swapped = down[:, None, :] * columns + across[:, :, None]
        return torch.where(put(turned)[:, None, None], swapped, grid)


def _steps(size: int, start: Tensor, choices: np.random.Generator, chance: Chance) -> Tensor:
    """``size`` steps from ``start``, upwards or downwards, int64 [crop, step]."""
    steps = np.arange(size)
    flipped = choices.random(len(start)) < 0.5
    return start[:, None] + chance.put(np.where(flipped[:, None], steps[::-1], steps))


def _reflected(index: Tensor, length: Tensor) -> Tensor:
    """Indices beyond the last row mirrored back into a slice smaller than the crop."""
    period = 2 * length[:, None]
    index = index.remainder(period)
    return torch.minimum(index, period - 1 - index)


def _on_device(images: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    """float16 [slice, row, column] on the device, 1 at the stack's maximum."""
    values = torch.from_numpy(np.array(images, dtype=np.float32)).to(device)
    return (values / values.max().clamp_min(1e-6)).half()


def _resized(half: Tensor, factor: float) -> Tensor:
    """Anatomy at another pixel size, averaged where it shrinks."""
    sides = [max(8, round(side * factor)) for side in half.shape[-2:]]
    grown = functional.interpolate(half.float()[:, None], sides, mode="bicubic", antialias=factor < 1)
    return grown[:, 0].clamp_min(0).half()


def _shelf(
    stacks: Sequence[Stack], images: Sequence[Tensor], share: float, noisiest: float, *, halved: bool = False
) -> _Shelf:
    """One kind of slices, drawn with ``share`` of all draws, the quiet ones more often."""
    offset: list[int] = []
    beside: list[list[int]] = []
    at = 0
    for stack, pixels in zip(stacks, images, strict=True):
        count, area = len(pixels), int(pixels.shape[1] * pixels.shape[2])
        offset.extend(at + area * k for k in range(count))
        beside.extend(
            [at + area * (k + step) if is_beside(stack, k, step) else -1 for step in context.NEIGHBOURS]
            for k in range(count)
        )
        at += count * area
    noise = np.concatenate([stack.noise for stack in stacks]).astype(np.float32)
    loud = ~np.isfinite(noise) | (noise >= noisiest)
    weight = np.where(loud, 0.0, 1.0 / np.maximum(np.nan_to_num(noise, nan=1.0), QUIETEST))
    return _Shelf(
        values=torch.cat([pixels.flatten() for pixels in images]),
        offset=np.array(offset),
        rows=np.concatenate([np.full(len(p), p.shape[1]) for p in images]),
        columns=np.concatenate([np.full(len(p), p.shape[2]) for p in images]),
        beside=np.array(beside),
        peak=np.concatenate([p.float().amax(dim=(1, 2)).clamp_min(1e-3).cpu().numpy() for p in images]),
        air=np.concatenate([_air(p, s.noise) for p, s in zip(images, stacks, strict=True)]),
        weight=share * weight / weight.sum(),
        noise=noise / np.float32(2 if halved else 1),
        lag1=np.concatenate([np.tile(stack.lag1, (len(stack.images), 1)) for stack in stacks]).astype(np.float32),
        channels=np.concatenate([np.full(len(s.images), s.channels) for s in stacks]).astype(np.float32),
        facts=np.concatenate([np.tile(known_facts.encoded(s.facts), (len(s.images), 1)) for s in stacks]),
    )


def _air(images: Tensor, noise: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Level of the air of each slice, 0 where the darkest tenth is too bright to be air."""
    smooth = functional.avg_pool2d(images.float(), 5, stride=3)
    levels = []
    for k, share in enumerate(noise):
        seen = smooth[k][smooth[k] > 0]
        level = float(torch.quantile(seen[:: max(len(seen) // 10_000, 1)], AIR_SHARE)) if len(seen) else 0.0
        levels.append(level if level < LOUDEST_AIR * float(share) * float(images[k].max()) else 0.0)
    return np.array(levels, dtype=np.float32)


def _blackened(images: Tensor, air: npt.NDArray[np.float32], chance: Chance) -> Tensor:
    """The air set to 0 in the crops [crop, image, row, column] whose level of air [crop] is given and not 0."""
    rows = np.flatnonzero(air)
    if not len(rows):
        return images
    where, level = chance.put(rows), chance.put(air[rows])[:, None, None, None]
    chosen = images[where]
    smooth, smoother = box_mean(chosen, 5), box_mean(chosen, 9)
    # One pixel of 13 x 13 is enough; sums that a device adds up in another order may miss 0 by a little.
    near = box_mean((smoother < AIR_CORE * level).to(images.dtype), 13) > 0.5 / 13**2
    return images.index_copy(0, where, torch.where(near & (smooth < AIR_RIM * level), 0.0, chosen))


def _joined(shelves: Sequence[_Shelf]) -> _Shelf:
    starts = np.cumsum([0, *(len(shelf.values) for shelf in shelves)])
    found = {f.name: [getattr(shelf, f.name) for shelf in shelves] for f in fields(_Shelf)}
    found["offset"] = [a + s for a, s in zip(found["offset"], starts[:-1], strict=True)]
    found["beside"] = [np.where(a < 0, -1, a + s) for a, s in zip(found["beside"], starts[:-1], strict=True)]
    values = torch.cat(found.pop("values"))
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    joined["weight"] = joined["weight"] / joined["weight"].sum()
    return _Shelf(values=values, **joined)
