"""One evaluation at the matched noise level: the posterior mean of a slice, for both network families.

Works on scaled slices (1 is about the brightest tissue); who scales, and in which units sigma was given, is not
known here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tumordiff_core.engine import along_edges, context, ddpm, local_means, precision, precondition, samplers, schedules
from tumordiff_core.engine.local_means import share_of
from tumordiff_core.engine.rims import Rims
from tumordiff_core.engine.white_noise import WhiteNoise
from tumordiff_core.errors import ModelError, TumorDiffError
from tumordiff_core.noise.stabilise import stabiliser
from tumordiff_core.progress import Progress

Float = npt.NDArray[np.float32]
Window = tuple[slice, slice]
"""Rows and columns of a slice."""

TILE = 512
HALO = 256
LARGEST_WHOLE = 1024
SLOPE_STEP = 0.05
"""Half the width, in units of sigma, of the difference that gives the slope of the stabilisation."""


@dataclass(frozen=True)
class NoiseLevel:
    """The noise of one stack of slices, in the units of its values.

    Parameters
    ----------
    sigma : standard deviation of each part of a channel; 0 means that nothing is to be removed
    lag1 : correlation of neighbouring rows and neighbouring columns
    channels : receiver channels
    """

    sigma: float
    lag1: tuple[float, float] = (0.0, 0.0)
    channels: int = 1


@dataclass(frozen=True)
class LoadedModel:
    """A network ready for inference and what its card says about its use.

    ``facts`` is what is known of patient and acquisition (``known_facts.encoded``), empty where a network takes none.
    ``mirrors`` is how many mirror images its answer is the mean over: 1, 2 or 4; ``local_means`` is how much of what
    local averages lost or gained is given back (``local_means.py``); ``along_edges``: what noise is left at edges is
    smoothed along them (``along_edges.py``); ``rims_given_back``: by the network ``rims``, where the model comes with
    one (``rims.py``). ``white`` has weights for white noise, where the model comes with some.
    """

    name: str
    family: str
    network: nn.Module
    sigma_data: float
    sigma_range: tuple[float, float]
    neighbours: bool
    device: torch.device
    joint_phases: bool = False
    facts: tuple[float, ...] = ()
    mirrors: int = 1
    local_means: float = 0.0
    along_edges: bool = False
    rims_given_back: bool = False
    rims: Rims | None = None
    white: WhiteNoise | None = None

    def network_for(self, noise: NoiseLevel) -> nn.Module:
        """The network whose weights serve this noise."""
        return self.network if self.white is None else self.white.network_for(self.network, noise.sigma, noise.lag1)


def for_phases(
    model: LoadedModel, phases: int, *, local_means: float | None = None, edges: bool = True, rims: bool = True
) -> LoadedModel:  # fmt: skip
    """The model as it serves a series of so many phases.

    Where phases are compared, edges are smoothed along themselves, if ``edges`` says so, rims of lesions are given back
    by a model that can, if ``rims`` says so, and so is most of what local means lost; in one stack none of it, unless
    ``local_means`` names a share.
    """
    compared = phases > 1
    return replace(
        model, local_means=share_of(local_means, phases), along_edges=edges and compared,
        rims_given_back=rims and compared and model.rims is not None,
    )  # fmt: skip


MIRRORS = ((), (-2, -1), (-1,), (-2,))
"""Axes along which a slice is mirrored: as it is, turned by half, along its rows, along its columns."""


def condition_of(
    sigma: Tensor, lag1: Tensor, channels: Tensor, present: Tensor, facts: Tensor | None = None
) -> Tensor:  # fmt: skip
    """What our network is told: ln(sigma) / 4, the two lag-1 correlations, log2(channels) / 4, which images are there.

    A network that takes them is told the facts of patient and acquisition as well.

    Parameters
    ----------
    sigma, channels : float32 [batch]
    lag1 : float32 [batch, 2]
    present : float32 [batch, BESIDE]
    facts : float32 [batch, known_facts.LENGTH]

    Returns
    -------
    float32 [batch, 4 + BESIDE], longer by the facts where they are given
    """
    told = [sigma.clamp_min(1e-8).log()[:, None] / 4, lag1, channels.log2()[:, None] / 4, present]
    return torch.cat(told if facts is None else [*told, facts], dim=1)


def posterior_mean(model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel) -> Tensor:
    """E[x | y] of the centre slices, the default output; along edges smoothed, rims and local means given back as told.

    Parameters
    ----------
    images : float32 [batch, IMAGES, row, column], magnitudes in the order of ``context.py``, black where absent
    present : float32 [batch, BESIDE]

    Returns
    -------
    float32 [batch, 1, row, column]
    """
    found = [
        _mean(model, images.flip(axes), present, noise).flip(axes) if axes else _mean(model, images, present, noise)
        for axes in MIRRORS[: model.mirrors]
    ]
    mean = found[0] if len(found) == 1 else torch.stack(found).mean(dim=0)
    if noise.sigma <= 0:
        return mean
    if model.along_edges:
        mean = along_edges.smoothed(mean, noise.sigma, local_means.seen_of(images[:, :1]))
    if model.rims_given_back and model.rims is not None:
        mean = model.rims.given_back(mean, noise.sigma, local_means.seen_of(images[:, :1]))
    if model.local_means <= 0:
        return mean
    return local_means.given_back(images[:, :1], mean, noise.sigma, noise.channels, model.local_means)


def _mean(model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel) -> Tensor:
    if model.family == "paper-unet":
        return _paper_mean(model, images[:, :1], noise)
    return _edm_mean(model, images, present, noise)


def _edm_mean(model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel) -> Tensor:
    batch = images.shape[0]
    sigma = images.new_full((batch,), noise.sigma)
    c = precondition.coefficients(sigma[:, None, None, None], model.sigma_data)
    lag1 = images.new_tensor([noise.lag1]).expand(batch, -1)
    facts = images.new_tensor([model.facts]).expand(batch, -1) if model.facts else None
    condition = condition_of(sigma, lag1, images.new_full((batch,), float(noise.channels)), present, facts)
    answer = padded(model.network_for(noise), images * c.c_in, condition)
    return (c.c_skip * images[:, :1] + c.c_out * answer.float()).clamp_min(0)


def _paper_mean(model: LoadedModel, images: Tensor, noise: NoiseLevel) -> Tensor:
    """Stabilise, go to [-1, 1] and to the matched time, closed form of x_0, exact unbiased inverse."""
    transform, sigma = stabiliser(noise.channels), noise.sigma
    stable = _pixelwise(images, lambda y: transform.forward(y, sigma), SLOPE_STEP * sigma) * sigma
    alpha_bar = float(schedules.alpha_bar_of(2 * sigma))
    x_0 = clean_estimate(model.network, (2 * stable - 1) * alpha_bar**0.5, alpha_bar)
    return _pixelwise((x_0 + 1) / 2 / sigma, lambda z: transform.inverse(z, sigma), SLOPE_STEP)


class _Pixelwise(torch.autograd.Function):
    """A tabulated function of every pixel; its slope is a central difference, so that the filter can be asked for."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, function: Callable[[Float], Float], step: float) -> Tensor:
        ctx.save_for_backward(values)
        ctx.function, ctx.step = function, step
        return torch.from_numpy(function(values.detach().cpu().numpy())).to(values.device)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        at, step = ctx.saved_tensors[0].detach().cpu().numpy(), np.float32(ctx.step)
        slope = (ctx.function(at + step) - ctx.function(at - step)) / (2 * step)
        return gradient[0] * torch.from_numpy(slope).to(gradient[0]), None, None


def _pixelwise(values: Tensor, function: Callable[[Float], Float], step: float) -> Tensor:
    answer: Tensor = _Pixelwise.apply(values, function, step)  # type: ignore[no-untyped-call]
    return answer


def posterior_samples(
    model: LoadedModel,
    images: Tensor,
    present: Tensor,
    noise: NoiseLevel,
    *,
    count: int,
    steps: int,
    generator: torch.Generator,
    progress: Progress,
) -> Tensor:
    """``count`` draws from p(x | y) by the ancestral chain from the matched level; [count, batch, 1, row, column].

    Short chains under-disperse: below 200 steps the spread is a lower bound.
    """
    draws = []
    start, alpha_bars, clean_of = chain_of(model, images, present, noise, steps)
    for _ in range(count):
        drawn = samplers.ancestral(start, alpha_bars, clean_of, generator)
        draws.append(back_to_image(model, drawn, noise))
        progress.check()
    return torch.stack(draws)


def chain_of(
    model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel, steps: int
) -> tuple[Tensor, list[float], samplers.CleanOf]:
    """The noisy slices as x_t at their matched level, the levels of the chain, and the network's x_0 at each."""
    if model.family == "paper-unet":
        transform = stabiliser(noise.channels)
        stable = transform.forward(images[:, :1].cpu().numpy(), noise.sigma) * np.float32(noise.sigma)
        alpha_bars = samplers.levels_from(2 * noise.sigma, steps, schedules.linear())
        start = (torch.from_numpy(2 * stable - 1) * alpha_bars[0] ** 0.5).to(images.device)

        def estimate(x_t: Tensor, alpha_bar: float) -> Tensor:
            return in_pieces(lambda window: clean_estimate(model.network, x_t[..., *window], alpha_bar), x_t)

        return start, alpha_bars, estimate
    alpha_bars = samplers.levels_from(noise.sigma, steps)

    def clean_of(x_t: Tensor, alpha_bar: float) -> Tensor:
        sigma = ((1 - alpha_bar) / alpha_bar) ** 0.5
        left = NoiseLevel(sigma, noise.lag1, noise.channels)

        def piece(window: Window) -> Tensor:
            shown = torch.cat([x_t[..., *window] / alpha_bar**0.5, images[:, 1:, *window]], dim=1)
            return _edm_mean(model, shown, present, left)

        return in_pieces(piece, x_t)

    return images[:, :1] * alpha_bars[0] ** 0.5, alpha_bars, clean_of


def back_to_image(model: LoadedModel, x_0: Tensor, noise: NoiseLevel) -> Tensor:
    """A clean estimate of ``chain_of`` in the scale of the images."""
    if model.family != "paper-unet":
        return x_0
    stable = ((x_0 + 1) / 2).cpu().numpy() / np.float32(noise.sigma)
    return torch.from_numpy(stabiliser(noise.channels).inverse(stable, noise.sigma)).to(x_0.device)


def clean_estimate(network: nn.Module, x_t: Tensor, alpha_bar: float) -> Tensor:
    """The closed form of x_0 (Ho 2020, eq. 15) with the network's eps at this very level."""
    sigma = ((1 - alpha_bar) / alpha_bar) ** 0.5
    condition = x_t.new_full((x_t.shape[0], 1), float(np.log(max(sigma, 1e-8)) / 4))
    return ddpm.clean_from_eps(x_t, alpha_bar, padded(network, x_t, condition).float())


def padded(network: nn.Module, x: Tensor, condition: Tensor) -> Tensor:
    """The network on sides padded to its multiple by reflection (by repetition where an image is too small)."""
    multiple = int(getattr(network, "multiple", 1))
    rows, columns = x.shape[-2:]
    below, right = -rows % multiple, -columns % multiple
    if below or right:
        mode = "reflect" if below < rows and right < columns else "replicate"
        x = functional.pad(x, (0, right, 0, below), mode=mode)
    answer = network(x.contiguous(memory_format=torch.channels_last), condition)
    if not _is_ours(network):
        _check_answer(answer, x)
    kept: Tensor = answer[..., :rows, :columns]
    return kept


def _is_ours(network: nn.Module) -> bool:
    return type(network).__module__.startswith("tumordiff_core.")


def _check_answer(answer: Any, x: Tensor) -> None:
    """A stranger's network must answer one finite image for each it is shown.

    Raises ModelError("model.other_shape") or ("model.not_numbers").
    """
    expected = (x.shape[0], 1, *x.shape[-2:])
    found = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
    if found != expected:
        raise ModelError("model.other_shape", found=found, expected=expected)
    if not bool(torch.isfinite(answer).all()):
        raise ModelError("model.not_numbers", count=int((~torch.isfinite(answer)).sum()))


def denoise_phase(
    model: LoadedModel,
    phases: npt.NDArray[Any],
    phase: int,
    noise: NoiseLevel,
    *,
    batch: int = 4,
    tile: int = TILE,
    progress: Progress,
) -> Float:
    """The posterior mean of every slice of one phase, seen with its neighbours and the other phases.

    Parameters
    ----------
    phases : real [phase, slice, row, column], one scale; sigma 0 returns the phase unchanged
    batch : slices at once; halved, with a warning, when memory runs out

    Returns
    -------
    float32 [slice, row, column]

    Raises
    ------
    ModelError("model.raised", "model.other_shape", "model.not_numbers") where the network came with a plugin
    """
    source = np.ascontiguousarray(phases, dtype=np.float32)
    if noise.sigma <= 0:
        for _ in source[phase]:
            progress.advance()
        return np.asarray(source[phase])
    out = np.empty(source.shape[1:], dtype=np.float32)
    first = 0
    while first < len(out):
        rows = np.arange(first, min(first + batch, len(out)))
        try:
            out[rows] = _some(model, source, phase, rows, noise, tile)
        except TumorDiffError:
            raise
        except Exception as error:
            if not _out_of_memory(error) or (batch == 1 and tile <= 128):
                if _is_ours(model.network):
                    raise
                raise ModelError("model.raised", name=model.name, error=type(error).__name__) from error
            batch, tile = (batch // 2, tile) if batch > 1 else (1, tile // 2)
            progress.warn("denoise.less_memory", f"Memory ran short: going on with {batch} slices and tiles of {tile}.")
            continue
        progress.advance(len(rows))
        first += len(rows)
    return out


def denoise_stack(
    model: LoadedModel,
    values: npt.NDArray[Any],
    noise: NoiseLevel,
    *,
    batch: int = 4,
    tile: int = TILE,
    progress: Progress,
) -> Float:
    """The posterior mean of a stack [slice, row, column] that has no other phases; see ``denoise_phase``."""
    return denoise_phase(model, np.asarray(values)[None], 0, noise, batch=batch, tile=tile, progress=progress)


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "memory" in str(error).lower()


def _some(model: LoadedModel, source: Float, phase: int, rows: npt.NDArray[Any], noise: NoiseLevel, tile: int) -> Float:
    half = precision.faster(model.device) == torch.bfloat16

    def run(window: Window) -> Tensor:
        images, present = seen(model, source[..., *window], phase, rows)
        return posterior_mean(model, images.to(model.device), present.to(model.device), noise).cpu()

    with torch.inference_mode(), torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=half):
        return in_pieces(run, torch.from_numpy(source[phase, rows][:, None]), tile)[:, 0].numpy()


def seen(model: LoadedModel, phases: Float, phase: int, rows: npt.NDArray[Any]) -> tuple[Tensor, Tensor]:
    """What a model sees for some slices of a phase: images [batch, IMAGES, row, column], flags [batch, BESIDE].

    Other phases are shown only to a model whose card allows it: they may move the enhancement that is measured.
    """
    images, present = context.gather(phases, phase, rows)
    flags = images[..., :0, :0]
    _, shown = context.without(flags, present, neighbours=model.neighbours, phases=model.joint_phases)
    # An absent image is never written, so that it takes no memory.
    for one, beside in np.argwhere(shown < present):
        images[one, 1 + beside] = 0
    return torch.from_numpy(images), torch.from_numpy(shown)


def fits_whole(shape: Sequence[int], tile: int = TILE) -> bool:
    """Whether a slice [.., row, column] is given to the network as it is, and not tile by tile."""
    return max(shape[-2:]) <= LARGEST_WHOLE and tile >= TILE


def in_pieces(run: Callable[[Window], Tensor], like: Tensor, tile: int | None = None) -> Tensor:
    """What ``run`` gives for a slice like [.., row, column]: whole where it fits, else tile by tile."""
    tile = TILE if tile is None else tile
    if fits_whole(like.shape, tile):
        return run((slice(None), slice(None)))
    return by_tiles(run, torch.empty_like(like), like.shape[-2:], tile)


def by_tiles(
    run: Callable[[Window], Tensor], out: Tensor, shape: Sequence[int], tile: int, *, scale: int = 1
) -> Tensor:  # fmt: skip
    """Fill ``out`` with the cores of what ``run`` gives for each tile with a halo as wide as the network sees.

    Parameters
    ----------
    out : [.., row, column] of a grid ``scale`` times coarser than the slice; shape : rows and columns of the slice
    """
    for top, left in _origins(shape[0], shape[1], tile):
        rows, columns = with_halo(top, left, tile)
        y, x, side = (top - rows.start) // scale, (left - columns.start) // scale, tile // scale
        core = run((rows, columns))[..., y : y + side, x : x + side]
        out[..., top // scale : top // scale + side, left // scale : left // scale + side] = core
    return out


def with_halo(top: int, left: int, tile: int) -> Window:
    """A tile and as much around it as the network sees; its ends may lie beyond the slice."""
    return slice(max(top - HALO, 0), top + tile + HALO), slice(max(left - HALO, 0), left + tile + HALO)


def _origins(rows: int, columns: int, tile: int) -> Iterator[tuple[int, int]]:
    for top in range(0, rows, tile):
        for left in range(0, columns, tile):
            yield top, left


def blend(noisy: npt.NDArray[Any], denoised: npt.NDArray[Any], strength: float) -> Float:
    """``strength`` of what a denoiser changed; 1 is the posterior mean, and what it left alone stays bit for bit."""
    if strength == 1:
        return denoised.astype(np.float32, copy=False)
    return np.asarray(noisy + np.float32(strength) * (denoised - noisy), dtype=np.float32)
