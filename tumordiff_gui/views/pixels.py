"""From stored values to the 8-bit picture and the overlay colours of one slice; numpy only, no widgets."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_gui.state.slice_view import Overlay, Picture, Plane
from tumordiff_gui.theme import maps

Array = npt.NDArray[Any]


def on_screen(values: Array, plane: Plane, index: int, *, flipped: bool = False) -> Array:
    """The slice [row on screen, column on screen] of a volume, as a view without copying.

    Parameters
    ----------
    values : [slice, row, column]
    index : along ``plane.axis``
    flipped : left and right changed over against the convention
    """
    slice_ = values[(slice(None),) * plane.axis + (index,)]
    if plane.across < plane.down:
        slice_ = slice_.T
    if plane.flip_across != flipped:
        slice_ = slice_[:, ::-1]
    return slice_[::-1] if plane.flip_down else slice_


def window_table(
    dtype: np.dtype[Any], slope: float, intercept: float, window: tuple[float, float], invert: bool
) -> Array:
    """8-bit grey for each stored value of a 1- or 2-byte integer type, uint8 [256 or 65536], by its bit pattern.

    LINEAR of PS3.3 C.11.2.1.2: ``(x - (c - 0.5)) / (w - 1) + 0.5`` for widths above 1.
    """
    count = 1 << (8 * dtype.itemsize)
    stored = np.arange(count, dtype=np.dtype(f"u{dtype.itemsize}")).view(dtype)
    return to_grey(stored.astype(np.float32) * np.float32(slope) + np.float32(intercept), window, invert)


def to_grey(shown: Array, window: tuple[float, float], invert: bool, *, exact: bool = False) -> npt.NDArray[np.uint8]:
    """8-bit grey of shown values, same shape; NaN becomes black; ``exact`` puts the center in the very middle."""
    center, width = window
    # The half and the one of LINEAR presume integer values; maps in ratios have windows of a few units at most.
    if width > 2 and not exact:
        center, width = center - 0.5, width - 1
    scaled = (shown - np.float32(center)) * np.float32(255 / width) + np.float32(127.5)
    np.clip(scaled, 0, 255, out=scaled)
    if shown.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False, nan=255.0 if invert else 0.0)
    grey = scaled.astype(np.uint8)
    return np.subtract(255, grey, dtype=np.uint8) if invert else grey


def grey_slice(
    picture: Picture, slice_: Array, window: tuple[float, float], invert: bool, table: Array | None
) -> Array:
    """8-bit grey of one screen slice, C order, from a window table where the stored type allows one."""
    if table is not None:
        bits = np.ascontiguousarray(slice_).view(np.dtype(f"u{slice_.dtype.itemsize}"))
        return np.take(table, bits)
    shown = np.ascontiguousarray(slice_, dtype=np.float32)
    if picture.slope != 1.0 or picture.intercept != 0.0:
        shown = shown * np.float32(picture.slope) + np.float32(picture.intercept)
    return to_grey(shown, window, invert, exact=picture.colours is not None)


def table_for(picture: Picture, window: tuple[float, float], invert: bool) -> Array | None:
    """The window table of a picture, ``None`` where its stored type is too wide for one."""
    dtype = picture.values.dtype
    if dtype.kind not in "iu" or dtype.itemsize > 2 or dtype.byteorder == ">":
        return None
    return window_table(dtype, picture.slope, picture.intercept, window, invert)


def overlay_slice(overlay: Overlay, slice_: Array) -> npt.NDArray[np.uint32]:
    """Premultiplied 0xAARRGGBB of one screen slice of an overlay, C order; 0 where nothing is drawn."""
    if slice_.dtype == bool or overlay.colours is None:
        colour = np.array([int(overlay.colour[1:], 16) | 0xFF000000], np.uint32)
        table = np.array([0, maps.with_opacity(colour, overlay.opacity)[0]], np.uint32)
        return table[np.ascontiguousarray(slice_).astype(np.uint8)]
    low, high = overlay.limits
    values = np.ascontiguousarray(slice_, dtype=np.float32)
    missing = ~np.isfinite(values)
    scaled = np.where(missing, low, values)
    level = np.clip((scaled - low) * (255.0 / max(high - low, 1e-9)), 0, 255).astype(np.uint8)
    drawn = maps.with_opacity(overlay.colours, overlay.opacity)[level]
    drawn[missing] = 0
    return drawn
