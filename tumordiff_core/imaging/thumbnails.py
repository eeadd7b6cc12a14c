"""Small grey pictures of a slice, upright and in true proportions, as PNG files; knows no DICOM."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core import files
from tumordiff_core.imaging.geometry import Geometry

SIDE = 160
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SCREEN = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
"""LPS directions that point right and down on the screen: anterior on the left, head or anterior at the top."""


def window_of(values: npt.NDArray[Any]) -> tuple[float, float]:
    """(low, high) grey limits of one or more slices: half a percent at the dark end, tissue's 99.5 at the bright."""
    shown = np.asarray(values, dtype=np.float32)
    shown = shown[np.isfinite(shown)]
    tissue = shown[shown > shown.mean() * 0.2] if shown.size else shown
    if tissue.size == 0:
        return 0.0, 1.0
    low, high = float(np.percentile(shown, 0.5)), float(np.percentile(tissue, 99.5))
    return low, max(high, low + 1e-6)


def picture(
    values: npt.NDArray[Any],
    geometry: Geometry,
    limits: tuple[float, float],
    *,
    inverted: bool = False,
    side: int = SIDE,
) -> npt.NDArray[np.uint8]:
    """One slice as grey levels.

    Parameters
    ----------
    values : real [row, column], one slice of ``geometry``
    limits : values shown black and white

    Returns
    -------
    grey : uint8 [row, column], its longer side ``side`` pixels at most, turned as a reader expects it
    """
    low, high = limits
    grey = np.clip((np.asarray(values, dtype=np.float32) - low) * (255.0 / max(high - low, 1e-9)), 0, 255)
    grey = np.nan_to_num(255 - grey if inverted else grey)
    upright, (tall_mm, wide_mm) = _upright(grey, geometry)
    rows, columns = upright.shape
    scale = side / max(rows * tall_mm, columns * wide_mm)
    small = _resized(upright, max(round(rows * tall_mm * scale), 1), max(round(columns * wide_mm * scale), 1))
    return np.asarray(small, dtype=np.uint8)


def _upright(grey: npt.NDArray[Any], geometry: Geometry) -> tuple[npt.NDArray[Any], tuple[float, float]]:
    """A slice turned for the screen, and the mm of its rows and columns."""
    right, down = (np.asarray(v) for v in _SCREEN[geometry.plane])
    columns, rows = np.asarray(geometry.row_direction), np.asarray(geometry.column_direction)
    row_mm, column_mm = geometry.spacing_mm[1:]
    if abs(columns @ right) < abs(rows @ right):
        grey, columns, rows, row_mm, column_mm = grey.T, rows, columns, column_mm, row_mm
    if columns @ right < 0:
        grey = grey[:, ::-1]
    if rows @ down < 0:
        grey = grey[::-1]
    return grey, (row_mm, column_mm)


def _resized(grey: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """Means of the pixels that fall into each target pixel, else the nearest pixel."""
    for axis, target in enumerate((rows, columns)):
        have = grey.shape[axis]
        edges = np.linspace(0, have, target + 1)
        if target < have:
            begins = edges[:-1].astype(int)
            counts = np.diff([*begins, have]).astype(np.float32)
            sums = np.add.reduceat(grey, begins, axis=axis)
            grey = sums / (counts[:, None] if axis == 0 else counts)
        else:
            grey = np.take(grey, ((edges[:-1] + edges[1:]) / 2).astype(int).clip(0, have - 1), axis=axis)
    return grey


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of uint8 [row, column] grey levels (ISO 15948: 8 bit, colour type 0, no filter)."""
    rows, columns = grey.shape
    lines = np.zeros((rows, columns + 1), dtype=np.uint8)
    lines[:, 1:] = grey
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return (
        _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write(target: Path, grey: npt.NDArray[np.uint8]) -> None:
    """Write grey levels as a PNG file, whole or not at all."""
    files.write_bytes(target, png(grey))
