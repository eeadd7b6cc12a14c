"""How sure a posterior mean is: its Jacobian J = dD/dy gives the posterior covariance, Cov[x | y] = J C.

For y = x + n with noise covariance C (sigma^2 I when white): Tweedie's formula and its covariance, Efron 2011 (JASA
106:1602); for images Manor & Michaeli 2024 (2309.13598). For magnitude noise it holds where the signal is above about
three sigma. J is never formed: random probes see it through one more evaluation each, by a forward difference
(Ramani 2008, Monte-Carlo SURE, TIP 17:1540).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from tumordiff_core.engine import local_means
from tumordiff_core.engine.denoise import (
    LoadedModel,
    NoiseLevel,
    Window,
    fits_whole,
    in_pieces,
    posterior_mean,
    seen,
)
from tumordiff_core.noise import fourier
from tumordiff_core.noise.correlation import gaussian_spectrum
from tumordiff_core.noise.spectrum import radial
from tumordiff_core.progress import Progress

Float = npt.NDArray[np.float32]
Mean = Callable[[Tensor], Tensor]

STEP = 0.05
"""Length of the forward difference, in units of sigma."""

PROBES = 4
SMOOTHING_PIXELS = 2.0
WHITE_LAG1 = 0.05
PATCH = 8
PATCH_SPACING = 24
RINGS = np.linspace(0, 0.5, 11)
"""Edges of the rings of the radial spectra, in cycles per pixel."""

JUDGED = (0.1, 0.45)
"""Between these frequencies a residual's spectrum is held against the predicted one; below lies anatomy."""

TAPER_PIXELS = 2.0


@dataclass(frozen=True)
class Doubt:
    """What the probes say of some slices.

    Parameters
    ----------
    std : float32 [batch, row, column], posterior standard deviation of each pixel, in the units of sigma
    trace : float32 [batch], mean of Cov[x | y] / sigma^2: also MSE / sigma^2 without a reference (Stein)
    lag1 : float32 [batch, 2], lag-1 correlation that the residual must have along rows and columns
    residual_power : float32 [batch], mean r^2 / sigma^2 that the residual must have
    spectrum : float32 [batch, ring], power over ``RINGS`` that the residual must have, summed over tissue
    """

    std: Float
    trace: Float
    lag1: Float
    residual_power: Float
    spectrum: Float


def mean_of(model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel) -> Mean:
    """D as a function of the centre slice alone [batch, 1, row, column]; what lies beside stays as it is."""
    return _pieced_mean(model, lambda window: images[:, 1:, *window], present, noise)


def _mean_of_phase(model: LoadedModel, phases: Float, phase: int, rows: npt.NDArray[Any], noise: NoiseLevel) -> Mean:
    """``mean_of`` for some slices of a phase, with what lies beside gathered for each tile."""

    def beside(window: Window) -> Tensor:
        return seen(model, phases[..., *window], phase, rows)[0][:, 1:].to(model.device)

    _, present = seen(model, phases[..., :0, :0], phase, rows)
    return _pieced_mean(model, beside, present.to(model.device), noise)


def _pieced_mean(model: LoadedModel, beside: Callable[[Window], Tensor], present: Tensor, noise: NoiseLevel) -> Mean:
    def run(centre: Tensor) -> Tensor:
        def piece(window: Window) -> Tensor:
            return posterior_mean(model, torch.cat([centre[..., *window], beside(window)], dim=1), present, noise)

        return in_pieces(piece, centre)

    return run


def directional(mean: Mean, centre: Tensor, at: Tensor, direction: Tensor, sigma: float) -> Tensor:
    """J times a direction of unit size, by one forward difference of ``STEP`` sigma (as Manor & Michaeli 2024 do)."""
    step = STEP * sigma
    return (mean(centre + step * direction) - at).div_(step)


def doubt(
    model: LoadedModel,
    images: Tensor,
    present: Tensor,
    noise: NoiseLevel,
    *,
    at: Tensor | None = None,
    mask: npt.NDArray[np.bool_] | None = None,
    amplitude: npt.NDArray[Any] | None = None,
    probes: int = PROBES,
    generator: torch.Generator,
    progress: Progress,
) -> Doubt:
    """Posterior deviation, trace and the residual's expected look for some slices, from ``probes`` evaluations more.

    The error is Cov[x | y] = J C (Efron 2011; Manor & Michaeli 2024), its trace MSE as in Stein 1981 (SURE). A probe z
    has the covariance C of the noise, so E[z (J z)^T] = C J^T (Hutchinson 1990), and the residual of a posterior mean
    has E[r r^T] = C - J C: its power and lag-1 follow from z against z - J z. Where G of its residual is given back
    (``local_means.py``), the residual is (1 - G) of that, so (1 - G) z is held against z - J z, with J of the whole
    answer; the error is then J C less G z against z - J z. Smoothing along edges (``along_edges.py``) and giving rims
    back (``rims.py``) have no such form: their answer is taken for the posterior mean, with J of the whole. For a true
    posterior mean the first would read the error at edges too small; with the networks we ship it lowers the error.

    Parameters
    ----------
    images : float32 [batch, IMAGES, row, column]; present : float32 [batch, BESIDE]
    at : float32 [batch, 1, row, column], the posterior mean where it is known already
    mask : bool [batch, row, column], where the means are taken (everywhere if not given)
    amplitude : the noise's amplitude spectrum [row, column] where it is known better than by its lag-1 correlation
    """
    mean, centre = mean_of(model, images, present, noise), images[:, :1]
    return _doubt(
        mean, centre, mean(centre) if at is None else at, noise, share=model.local_means, mask=mask,
        amplitude=amplitude, probes=probes, generator=generator, progress=progress,
    )  # fmt: skip


def _doubt(
    mean: Mean,
    centre: Tensor,
    known: Tensor,
    noise: NoiseLevel,
    *,
    share: float,
    mask: npt.NDArray[np.bool_] | None,
    amplitude: npt.NDArray[Any] | None,
    probes: int,
    generator: torch.Generator,
    progress: Progress,
) -> Doubt:
    """``doubt`` of a known mean; ``share`` of local means is given back."""
    inside = np.ones((centre.shape[0], *centre.shape[2:]), bool) if mask is None else mask
    covariance = np.zeros(inside.shape, dtype=np.float32)
    moments, spectrum = np.zeros((len(inside), 4)), np.zeros((len(inside), len(RINGS) - 1))
    for _ in range(probes):
        probe = probe_of(noise, centre.shape, generator, amplitude).to(centre.device)
        moved = directional(mean, centre, known, probe, noise.sigma)
        z, jz = (field[:, 0].cpu().numpy() for field in (probe, moved))
        error, held, rest = z * jz, z, z - jz
        del moved, jz  # a large slice leaves no room for them beside what follows
        if share > 0:
            gz = share * _averaged(probe, local_means.seen_of(centre))[:, 0].cpu().numpy()
            error -= gz * rest
            held = z - gz
            del gz
        del probe, z
        covariance += error
        moments += _moments(error, held, rest, inside)
        del error
        spectrum += ring_power(held, rest, tapered(inside))
        del held, rest
        progress.check()
    trace, power, rows, columns = (moments / probes).T
    smooth = ndimage.gaussian_filter(covariance / probes, (0, SMOOTHING_PIXELS, SMOOTHING_PIXELS))
    std = np.sqrt(np.clip(smooth, 0, 1)) * noise.sigma
    least = np.maximum(power, 1e-6)
    lag1 = np.stack([rows / least, columns / least], axis=1)
    found = (std, trace, lag1, least, spectrum / probes)
    return Doubt(*(values.astype(np.float32) for values in found))


def _averaged(probe: Tensor, measured: Tensor) -> Tensor:
    """``local_means.averaged`` tile by tile where the slice is large: its convolutions take ten times the slice."""
    return in_pieces(lambda window: local_means.averaged(probe[..., *window], measured[..., *window]), probe)


def phase_doubt(
    model: LoadedModel,
    phases: npt.NDArray[np.float32],
    phase: int,
    mean: npt.NDArray[np.float32],
    noise: NoiseLevel,
    *,
    mask: npt.NDArray[np.bool_],
    amplitude: npt.NDArray[Any] | None = None,
    generator: torch.Generator,
    batch: int = 4,
    progress: Progress,
) -> Doubt:
    """The doubt of every slice of one denoised phase, from one evaluation more per slice.

    Parameters
    ----------
    phases : float32 [phase, slice, row, column], as they were denoised; mean : float32 [slice, row, column]
    mask : bool [slice, row, column], tissue
    batch : slices at once; one where a slice is evaluated tile by tile
    """
    found: list[Doubt] = []
    batch = batch if fits_whole(phases.shape) else 1
    for first in range(0, len(mean), batch):
        rows = np.arange(first, min(first + batch, len(mean)))
        centre = torch.from_numpy(phases[phase, rows][:, None]).to(model.device)
        known = torch.from_numpy(np.ascontiguousarray(mean[rows])[:, None]).to(model.device)
        with torch.inference_mode():
            found.append(
                _doubt(_mean_of_phase(model, phases, phase, rows, noise), centre, known, noise, share=model.local_means,
                       mask=mask[rows], amplitude=amplitude, probes=1, generator=generator, progress=progress)
            )  # fmt: skip
        progress.advance(len(rows))
    names = ("std", "trace", "lag1", "residual_power", "spectrum")
    joined = [np.concatenate([getattr(d, name) for d in found]) for name in names]
    along = np.sqrt(ndimage.gaussian_filter1d(joined[0].astype(np.float32) ** 2, 1.0, axis=0))
    return Doubt(along, *joined[1:])


def tapered(mask: npt.NDArray[np.bool_]) -> Float:
    """A window [batch, row, column] that falls softly to 0 at a mask's rim, so that its edge does not smear spectra."""
    near = np.ones((1, 3, 3), dtype=bool)
    inner = ndimage.binary_erosion(mask, near, iterations=round(2 * TAPER_PIXELS), border_value=0)
    return np.asarray(ndimage.gaussian_filter(inner.astype(np.float32), (0, TAPER_PIXELS, TAPER_PIXELS)))


def ring_power(first: npt.NDArray[Any], second: npt.NDArray[Any], window: Float) -> npt.NDArray[np.float64]:
    """Cross power of two stacks [batch, row, column] inside a window over ``RINGS``, [batch, ring]."""
    return np.stack([_ring_power(a, b, w) for a, b, w in zip(first, second, window, strict=True)])


def _ring_power(first: npt.NDArray[Any], second: npt.NDArray[Any], window: Float) -> npt.NDArray[np.float64]:
    """Cross power of two images inside a window over ``RINGS``; in place, for a large slice."""
    power = fourier.fft2(first * window)
    np.conj(power, out=power)
    power *= fourier.fft2(second * window)
    return radial(power.real, RINGS)


def spectrum_difference_db(measured: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> list[float | None]:
    """How much more power than predicted each ring holds, in dB; None where nothing was predicted."""
    pairs = zip(measured, predicted, strict=True)
    return [float(10 * np.log10(m / p)) if m > 0 and p > 0 else None for m, p in pairs]


def worst_difference_db(difference: list[float | None]) -> float | None:
    """The largest difference of the judged rings, with its sign; None where none is known."""
    middles = (RINGS[1:] + RINGS[:-1]) / 2
    judged = [d for d, f in zip(difference, middles, strict=True) if d is not None and JUDGED[0] < f < JUDGED[1]]
    return max(judged, key=abs, default=None)


def _moments(error: Float, held: Float, rest: Float, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Means over the mask of the error, held rest, and of held against rest at the next row and column; [batch, 4]."""
    found = np.zeros((len(error), 4))
    for k, (variance, probe, left, mask) in enumerate(zip(error, held, rest, inside, strict=True)):
        found[k] = (
            _mean(variance[mask]), _mean((probe * left)[mask]),
            _held_beside(probe, left, mask, np.s_[1:], np.s_[:-1]),
            _held_beside(probe, left, mask, np.s_[:, 1:], np.s_[:, :-1]),
        )  # fmt: skip
    return found


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if values.size else 0.0


def _held_beside(probe: Float, left: Float, mask: npt.NDArray[np.bool_], after: Any, before: Any) -> float:
    """Mean over the mask of a probe against what is left at the next row or column, both ways."""
    both = probe[after] * left[before]
    both += probe[before] * left[after]
    return _mean(both[mask[after] & mask[before]] / 2)


def probe_of(
    noise: NoiseLevel, shape: torch.Size, generator: torch.Generator, amplitude: npt.NDArray[Any] | None = None
) -> Tensor:
    """Unit-variance probes [batch, 1, row, column]: random signs for white noise, else Gaussian and as correlated."""
    if max(noise.lag1) < WHITE_LAG1:
        return torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
    rows, columns = shape[-2:]
    spectrum = torch.from_numpy(
        gaussian_spectrum(rows, columns, noise.lag1) if amplitude is None else amplitude
    ).float()  # fmt: skip
    # An amplitude is even, so half of the frequencies tell all.
    coloured = torch.fft.rfft2(torch.randn(shape, generator=generator)).mul_(spectrum[:, : columns // 2 + 1])
    probe: Tensor = torch.fft.irfft2(coloured, s=(rows, columns))
    return probe


def patch_std(
    model: LoadedModel, images: Tensor, present: Tensor, noise: NoiseLevel, *, offset: tuple[int, int] = (0, 0)
) -> tuple[Float, npt.NDArray[np.int64]]:
    """Posterior deviation of the means of many 8x8 patches of one slice, all by one evaluation more.

    Along a direction v, v^T Cov[x | y] v = sigma^2 v^T J v (Manor & Michaeli 2024), with v the mean of a patch:
    sd^2 = sigma^2 / 64 * mean over the patch of (J 1_patch); patches lie ``PATCH_SPACING`` apart, so that they do not
    see one another. Where local means are given back, G 1_patch against (1 - J) 1_patch is taken off (see ``doubt``).
    White noise only.

    Returns
    -------
    float32 [patch] in the units of sigma, and int [patch, 2] first row and column of each
    """
    mean = mean_of(model, images, present, noise)
    centre = images[:1, :1]
    rows, columns = centre.shape[-2:]
    corners = [
        (top, left)
        for top in range(offset[0], rows - PATCH + 1, PATCH_SPACING)
        for left in range(offset[1], columns - PATCH + 1, PATCH_SPACING)
    ]
    direction = torch.zeros_like(centre)
    for top, left in corners:
        direction[..., top : top + PATCH, left : left + PATCH] = 1
    seen = directional(mean, centre, mean(centre), direction, noise.sigma)[0, 0].cpu().numpy()
    ones = direction[0, 0].cpu().numpy()
    back = model.local_means * local_means.transposed(direction, local_means.seen_of(centre))[0, 0].cpu().numpy()
    less = back * (ones - seen)
    means = [
        (seen[top : top + PATCH, left : left + PATCH].sum() - less[_cell(top), _cell(left)].sum()) / PATCH**2
        for top, left in corners
    ]
    return np.asarray(noise.sigma / PATCH * np.sqrt(np.maximum(means, 0)), np.float32), np.array(corners, np.int64)


def _cell(first: int) -> slice:
    """The rows or columns that are nearer to the patch that begins at ``first`` than to the next one."""
    beside = (PATCH_SPACING - PATCH) // 2
    return slice(max(first - beside, 0), first + PATCH + beside)
