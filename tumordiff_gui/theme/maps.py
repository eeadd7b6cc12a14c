"""Colour maps for overlays and result views as 256 premultiplied 0xAARRGGBB values; never jet."""

import json
from functools import cache

import numpy as np
import numpy.typing as npt

from tumordiff_core import paths

# SER display classes of I-SPY 1 (upper limit belongs to the class): blue, purple, green, red, yellow, white.
SER_LIMITS = (0.9, 1.0, 1.3, 1.75, 3.0)
SER_COLOURS = ("#56B4E9", "#A77BE0", "#57B77D", "#F07167", "#F5D33F", "#FFFFFF")


@cache
def _anchors() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((paths.resources() / "themes" / "maps.json").read_text("utf-8"))["maps"]
    return found


def names() -> list[str]:
    """All maps: perceptually even ones only."""
    return sorted(_anchors())


@cache
def colours(name: str) -> npt.NDArray[np.uint32]:
    """A map of 256 opaque colours, uint32 0xFFRRGGBB; raises KeyError for an unknown name."""
    anchors = np.array([[int(a[i : i + 2], 16) for i in (1, 3, 5)] for a in _anchors()[name]], np.float64)
    at = np.linspace(0, len(anchors) - 1, 256)
    red, green, blue = (
        np.rint(np.interp(at, np.arange(len(anchors)), anchors[:, c])).astype(np.uint32) for c in range(3)
    )
    return (np.uint32(0xFF000000) | (red << 16) | (green << 8) | blue).astype(np.uint32)


def steps(limits: tuple[float, ...], classes: tuple[str, ...], low: float, high: float) -> npt.NDArray[np.uint32]:
    """A map of classes: ``classes[i]`` up to ``limits[i]``, the last one above, over values ``low`` to ``high``."""
    values = np.linspace(low, high, 256)
    table = np.array([0xFF000000 | int(c[1:], 16) for c in classes], np.uint32)
    return table[np.searchsorted(np.asarray(limits), values, side="left")]


def with_opacity(table: npt.NDArray[np.uint32], opacity: float) -> npt.NDArray[np.uint32]:
    """The same colours premultiplied with one opacity."""
    alpha = np.uint32(round(255 * min(max(opacity, 0.0), 1.0)))
    parts = [((table >> np.uint32(shift)) & np.uint32(255)) * alpha // np.uint32(255) for shift in (16, 8, 0)]
    return ((alpha << np.uint32(24)) | (parts[0] << np.uint32(16)) | (parts[1] << np.uint32(8)) | parts[2]).astype(
        np.uint32
    )
