"""Which pictures stand side by side: original, denoised at a strength, residual in units of noise, doubt."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tumordiff_core.imaging.volume import Provenance
from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.modules.denoise.stacks import Blend, Residual, Shown, Slices, range_of
from tumordiff_gui.state.slice_view import Overlay, Picture
from tumordiff_gui.theme import maps

RESIDUAL_SIGMAS = 4.0


@dataclass(frozen=True)
class Source:
    """The acquired phase that everything is compared with.

    Parameters
    ----------
    picture : as it is shown
    stack : its shown values [slice, row, column]
    """

    picture: Picture
    stack: Any


def source_of(picture: Picture) -> Source:
    """The acquired phase, in shown units."""
    stack: Any = picture.values
    if picture.values.dtype != np.float32 or (picture.slope, picture.intercept) != (1.0, 0.0):
        stack = Shown(picture.values, picture.slope, picture.intercept)
    return Source(picture, stack)


def provenance_of(source: Source) -> Provenance:
    """What is made from an acquisition is derived; from a simulation it stays synthetic."""
    return "synthetic" if source.picture.provenance == "synthetic" else "derived"


def full_strength(source: Source, mean: Any, computed: float) -> Any:
    """The denoised stack at strength 1 from one that was computed at another; a strength of 0 holds nothing."""
    return mean if computed in (0.0, 1.0) else Blend(source.stack, mean, 1 / computed)


def denoised(source: Source, full: Any, strength: float) -> Picture:
    """The denoised phase at a strength, in the window of the original."""
    values: Any = Blend(source.stack, full, strength)
    return Picture(
        values, source.picture.geometry, window=source.picture.default_window, inverted=source.picture.inverted,
        provenance=provenance_of(source), unit=source.picture.unit, facts=source.picture.facts,
    )  # fmt: skip


def residual(source: Source, full: Any, strength: float, sigma: float) -> Picture:
    """What was taken away at a strength, in units of noise, zero black."""
    values: Any = Residual(source.stack, Blend(source.stack, full, strength), sigma)
    return Picture(
        values, source.picture.geometry, window=(0.0, 2 * RESIDUAL_SIGMAS), provenance=provenance_of(source), unit="σ",
        colours=maps.colours("CET-D13"), legend=strings.RESIDUAL, facts=source.picture.facts,
    )  # fmt: skip


def spread(source: Source, std: Any) -> Picture:
    """The posterior standard deviation, from black to its 99.5th percentile."""
    high = range_of(std, 99.5)
    values: Any = Shown(std)
    return Picture(
        values, source.picture.geometry, window=(high / 2, high), provenance=provenance_of(source),
        unit=source.picture.unit, colours=maps.colours("magma"), legend=strings.UNCERTAINTY,
        facts=source.picture.facts,
    )  # fmt: skip


def equivalent_filter(source: Source, weights: Any, offsets: list[int], pixel: tuple[int, int, int]) -> Picture:
    """The weights [image, row, column] around a pixel in percent, on their own small grid in the patient, zero pale.

    Images are put into the order of the stack; those of other phases (offset 0 again) are left out.
    """
    geometry, reach = source.picture.geometry, weights.shape[1] // 2
    low, high = min(offsets), max(offsets)
    stack = np.zeros((high - low + 1, *weights.shape[1:]), np.float32)
    for image, offset in sorted(zip(weights, offsets, strict=True), key=lambda pair: pair[1] == 0):
        stack[offset - low] = 100 * image
    stack[-low] = 100 * weights[0]
    corner = (pixel[0] + low, pixel[1] - reach, pixel[2] - reach)
    x, y, z = (float(v) for v in geometry.to_mm(corner))
    around = replace(geometry, shape=stack.shape, origin_mm=(x, y, z))
    most = max(float(np.abs(stack).max()), 1e-3)
    return Picture(
        stack, around, window=(0.0, 2 * most), provenance=provenance_of(source), unit="%",
        colours=maps.colours("CET-D13"), legend=strings.FILTER_WEIGHT, facts=source.picture.facts,
    )  # fmt: skip


def attention(source: Source, spread: Any, index: int) -> Overlay:
    """Where the network looked from a pixel of slice ``index`` [row, column]; nothing is drawn outside its window."""
    stack = Slices(source.picture.geometry.shape)
    stack.put(index, np.where(np.asarray(spread) > 0, spread, np.nan))
    values: Any = stack
    most = max(float(np.max(spread)), 1e-12)
    return Overlay(
        "attention", strings.ATTENTION, values, colours=maps.colours("magma"), limits=(0.0, most), opacity=0.4
    )


def truth(source: Source, clean: Any) -> Picture:
    """The clean phase of a simulated series."""
    return replace(
        source.picture, values=clean, slope=1.0, intercept=0.0, window=source.picture.default_window,
        provenance="synthetic",
    )  # fmt: skip


def single(source: Source, stack: Any, provenance: Provenance | None = None) -> Picture:
    """A stack that holds a few slices only, in the window of the original."""
    return Picture(
        stack, source.picture.geometry, window=source.picture.default_window, inverted=source.picture.inverted,
        provenance=provenance or provenance_of(source), unit=source.picture.unit, facts=source.picture.facts,
    )  # fmt: skip
