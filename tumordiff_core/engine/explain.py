"""Why a pixel came out as it did: its equivalent filter, what each image gave, what each step of the chain changed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tumordiff_core.engine import context, denoise, samplers
from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel, Window, back_to_image, chain_of, posterior_mean
from tumordiff_core.engine.networks import WindowAttention

Float = npt.NDArray[np.float32]

REACH = 15
ALIGNED = 128
"""Side of the squares whose corners every piece of a large slice begins at."""

CHAIN_PIXELS = 2**25
"""A chain keeps so many pixels at most: 8 steps of a slice of 2048 x 2048, 2 of one of 4096 x 4096."""


@dataclass(frozen=True)
class Filter:
    """The row of dD/dy that belongs to one pixel: how much every noisy pixel around it moves the answer.

    Parameters
    ----------
    weights : float32 [image, 2 REACH + 1, 2 REACH + 1] around the pixel, in the order of ``context.py``
    share : float32 [image], how much of the absolute weight each image has; sums to 1
    total : sum of the centre image's weights; near 1 where the mean is kept
    width_pixels : root mean square distance of the centre image's absolute weights
    """

    weights: Float
    share: Float
    total: float
    width_pixels: float


def equivalent_filter(
    model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel, row: int, column: int
) -> Filter:
    """The linear filter that the network amounts to at one pixel of this very slice (one backward pass).

    Parameters
    ----------
    images : float32 [1, IMAGES, row, column]; present : float32 [1, BESIDE]
    """
    window, row, column = _about(images, row, column)
    seen = images[..., *window].detach().clone().requires_grad_(True)
    with torch.enable_grad():
        posterior_mean(model, seen, present, noise)[0, 0, row, column].backward()  # type: ignore[no-untyped-call]
    assert seen.grad is not None
    seen.grad[0, 1:] *= present[0, :, None, None]  # an absent image is black whatever its weights are
    gradient = np.pad(seen.grad[0].cpu().numpy(), ((0, 0), (REACH, REACH), (REACH, REACH)))
    weights = gradient[:, row : row + 2 * REACH + 1, column : column + 2 * REACH + 1].astype(np.float32)
    size = np.abs(weights).sum(axis=(1, 2))
    distance = np.hypot(*np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1])
    centre = np.abs(weights[0])
    width = float(np.sqrt((centre * distance**2).sum() / max(float(centre.sum()), 1e-12)))
    share = (size / max(float(size.sum()), 1e-12)).astype(np.float32)
    return Filter(weights, share, float(weights[0].sum()), width)


def _about(images: Tensor, row: int, column: int) -> tuple[Window, int, int]:
    """All that the network sees for one pixel of a large slice, and the pixel's place in it; else the whole slice."""
    if denoise.fits_whole(images.shape):
        return (slice(None), slice(None)), row, column
    rows, columns = denoise.with_halo(row // ALIGNED * ALIGNED, column // ALIGNED * ALIGNED, ALIGNED)
    return (rows, columns), row - rows.start, column - columns.start


Maps = dict[str, npt.NDArray[Any] | None]


def pixel(
    model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel, row: int, column: int, *, features: bool
) -> tuple[dict[str, Any], Maps]:
    """Everything that is said of one pixel, JSON-ready, and its arrays.

    Returns
    -------
    ``names``, ``offsets`` along the stack and ``share`` of its images, ``total`` and ``width_px`` of its filter; and
    ``npy`` the filter [image, 31, 31], ``attention`` [row, column], ``features`` [feature, row, column] if asked for
    """
    found = equivalent_filter(model, images, present, noise, row, column)
    names, steps = context.names(present[0].cpu().numpy()), (0, *context.NEIGHBOURS, *[0] * context.OTHER_PHASES)
    said = {
        "row": row, "column": column, "names": list(names.values()), "offsets": [steps[k] for k in names],
        "share": [float(found.share[k]) for k in names], "total": found.total, "width_px": found.width_pixels,
        "with_features": features,
    }  # fmt: skip
    maps: Maps = {
        "npy": found.weights[list(names)], "attention": attention_map(model, images, present, noise, row, column),
        "features": feature_maps(model, images, present, noise) if features else None,
    }  # fmt: skip
    return said, maps


@dataclass(frozen=True)
class Chain:
    """The reverse chain of one slice, step by step.

    Parameters
    ----------
    sigma : noise left before each step, in the scale of the images
    alpha_bar : the level of each step
    images : float32 [step + 1, row, column], what each step began with, and the clean image that the last one ended in
    change : root mean square change of the clean estimate that each step made (0 for the first)
    """

    sigma: list[float]
    alpha_bar: list[float]
    images: Float
    change: list[float]


def chain(
    model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel, steps: int, *, name: str = "ddim",
    seed: int = 0,
) -> Chain:  # fmt: skip
    """What each step of a chain from the matched level adds to the clean estimate.

    ``name`` is one of ``samplers.CHAINS``; ``seed`` is that of the ancestral chain, the others draw nothing. A slice
    so large that its steps would hold more than ``CHAIN_PIXELS`` is shown in fewer, 2 at least. Without noise every
    step is the slice itself.
    """
    rows, columns = images.shape[-2:]
    steps = min(steps, max(CHAIN_PIXELS // (rows * columns), 2))
    if noise.sigma == 0:
        same = np.repeat(images[0, :1].cpu().numpy(), steps + 1, axis=0)
        return Chain([0.0] * steps, [1.0] * steps, same, [0.0] * steps)
    kept, change = np.empty((steps + 1, rows, columns), dtype=np.float32), [0.0]

    def keep(k: int, x_t: Tensor, x_0: Tensor) -> None:
        kept[k] = back_to_image(model, x_t / alpha_bars[k] ** 0.5, noise)[0, 0].cpu().numpy()
        clean = back_to_image(model, x_0, noise)[0, 0].cpu().numpy()
        if k > 0:
            change.append(float(np.sqrt(np.mean((clean - kept[-1]) ** 2))))
        kept[-1] = clean

    with torch.inference_mode():
        start, alpha_bars, clean_of = chain_of(model, images, present, noise, steps)
        alpha_bars = samplers.levels_of(name, alpha_bars)
        samplers.along(name, start, alpha_bars, clean_of, torch.Generator().manual_seed(seed), keep)
    first = ((1 - alpha_bars[0]) / alpha_bars[0]) ** 0.5
    sigma = [noise.sigma * ((1 - a) / a) ** 0.5 / max(first, 1e-12) for a in alpha_bars]
    return Chain(sigma, list(alpha_bars), kept, change)


def attention_map(
    model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel, row: int, column: int
) -> Float | None:
    """Where the bottleneck looks from one pixel: softmax weights over its window, spread to pixels; None without one.

    Returns
    -------
    float32 [row, column], mean over heads; 0 outside the window
    """
    layer = next((m for m in model.network_for(noise).modules() if isinstance(m, WindowAttention)), None)
    if layer is None:
        return None
    whole = images.shape[-2:]
    place, row, column = _about(images, row, column)
    images = images[..., *place]
    grid = _input_of(layer, model, images, present, noise)
    rows, columns = images.shape[-2:]
    scale = int(model.network.multiple)  # type: ignore[arg-type]
    with torch.inference_mode():
        q, k, _ = layer._windows(_padded(layer.project(layer.norm(grid)), layer.window))
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1).mean(dim=1).cpu().numpy()
    w = layer.window
    r, c = min(row // scale, grid.shape[2] - 1), min(column // scale, grid.shape[3] - 1)
    across = -(-grid.shape[3] // w)
    window = weights[(r // w) * across + c // w].reshape(w * w, w, w)[(r % w) * w + c % w]
    spread = np.zeros((-(-grid.shape[2] // w) * w, across * w), dtype=np.float32)
    spread[r // w * w : r // w * w + w, c // w * w : c // w * w + w] = window
    found = np.zeros(whole, dtype=np.float32)
    found[place] = np.kron(spread, np.ones((scale, scale), np.float32))[:rows, :columns]
    return found


def _input_of(layer: nn.Module, model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel) -> Tensor:
    """What a layer is given when the network denoises these images."""
    kept: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _layer, given: kept.append(given[0]))
    try:
        with torch.inference_mode():
            posterior_mean(model, images, present, noise)
    finally:
        hook.remove()
    return kept[0]


def _grid_of(
    layer: WindowAttention, model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel
) -> Tensor:  # fmt: skip
    """``_input_of`` the bottleneck's layer, tile by tile where the slice is large."""
    if denoise.fits_whole(images.shape):
        return _input_of(layer, model, images, present, noise)
    shape, scale = images.shape[-2:], int(model.network.multiple)  # type: ignore[arg-type]
    out = images.new_empty(len(images), len(layer.norm.weight), *(-(-side // scale) for side in shape))

    def run(window: Window) -> Tensor:
        return _input_of(layer, model, images[..., *window], present, noise)

    return denoise.by_tiles(run, out, shape, denoise.TILE, scale=scale)


def _padded(x: Any, window: int) -> Any:
    return nn.functional.pad(x, (0, -x.shape[3] % window, 0, -x.shape[2] % window))


def feature_maps(
    model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel, *, count: int = 8
) -> Float | None:
    """The ``count`` liveliest features at the bottleneck [feature, row, column]; None for other network families."""
    layer = next((m for m in model.network_for(noise).modules() if isinstance(m, WindowAttention)), None)
    if layer is None:
        return None
    features = _grid_of(layer, model, images, present, noise)[0].cpu().numpy()
    liveliest = np.argsort(features.std(axis=(1, 2)))[::-1][:count]
    return np.asarray(features[liveliest], dtype=np.float32)
