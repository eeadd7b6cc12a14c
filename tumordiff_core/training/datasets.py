"""Clean slices to learn from: packs of real slices and stacks of a cohort with truth, drawn as random crops.

A *stack* is one patient's run of slices. Noise is not added here (``augment.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tumordiff_core import files
from tumordiff_core.errors import InputError
from tumordiff_core.training.split import Part, split

Float = npt.NDArray[np.float32]

NATIVE_SHARE = 0.15
RESAMPLED_SHARE = 0.25
PACK_KEYS = {"images", "patient", "slice_index", "split", "quiet", "noise_tissue", "stored_range"}
LARGEST_PACK_BYTES = 4_000_000_000


@dataclass(frozen=True)
class Stack:
    """One patient's slices.

    Parameters
    ----------
    images : uint8 or float32 [slice, row, column]
    position : int [slice], slice index in the series, ascending
    noise : float32 [slice], noise as a share of the slice's maximum
    one_scale : bool [slice], whether neighbouring slices share one intensity scale
    """

    patient: str
    part: Part
    quiet: bool
    images: npt.NDArray[Any]
    position: npt.NDArray[Any]
    noise: npt.NDArray[Any]
    one_scale: npt.NDArray[np.bool_]


def read_pack(paths: Sequence[Path]) -> list[Stack]:
    """Stacks of one or more ``.npz`` packs of slices, joined by patient; their own split is obeyed.

    Raises InputError("training.not_a_pack").
    """
    parts = [_pack_arrays(path) for path in paths]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in PACK_KEYS}
    stacks = []
    for patient in np.unique(joined["patient"]):
        rows = np.flatnonzero(joined["patient"] == patient)
        rows = rows[np.argsort(joined["slice_index"][rows], kind="stable")]
        images = joined["images"][rows]
        peak = np.maximum(images.reshape(len(rows), -1).max(axis=1), 1)
        stacks.append(
            Stack(
                patient=str(patient),
                part=str(joined["split"][rows[0]]),  # type: ignore[arg-type]
                quiet=bool(joined["quiet"][rows].any()),
                images=images,
                position=joined["slice_index"][rows].astype(int),
                noise=joined["noise_tissue"][rows] / peak,
                one_scale=joined["stored_range"][rows] > 0,
            )
        )
    return stacks


def _pack_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        if path.stat().st_size > LARGEST_PACK_BYTES:
            raise InputError("training.not_a_pack", path, name=path.name, reason="it is larger than 4 GB")
        with np.load(path, allow_pickle=False) as pack:
            missing = PACK_KEYS - set(pack.files)
            if missing:
                raise InputError("training.not_a_pack", path, name=path.name, reason=f"it lacks {min(missing)}")
            return {key: pack[key] for key in PACK_KEYS}
    except (OSError, ValueError, EOFError) as error:
        raise InputError("training.not_a_pack", path, name=path.name, reason="it cannot be read") from error


def read_truth(folder: Path) -> list[Stack]:
    """Stacks of a synthetic cohort: the clean phases in each visit's ``truth.npz`` below ``folder``.

    Raises InputError("training.no_data").
    """
    visits = sorted(folder.rglob("truth.npz"))
    parts = split(visit.parent.parent.name for visit in visits)
    stacks = []
    for visit in visits:
        with np.load(visit, allow_pickle=False) as truth:
            clean = truth["clean"].astype(np.float32)
        patient = visit.parent.parent.name
        for phase in clean:
            slices = np.flatnonzero(phase.reshape(len(phase), -1).max(axis=1) > 0)
            stacks.append(
                Stack(
                    patient,
                    parts[patient],
                    True,
                    phase[slices],
                    slices,
                    np.full(len(slices), 0.01),
                    np.ones(len(slices), dtype=bool),
                )
            )
    if not stacks:
        raise InputError("training.no_data", folder, name=folder.name)
    return stacks


def read_data(path: Path) -> list[Stack]:
    """Stacks of a pack file (with every ``*_more.npz`` beside it) or of a cohort folder with truth.

    Raises InputError("training.no_data") or ("training.not_a_pack").
    """
    if path.is_dir():
        return read_truth(path)
    if not path.is_file():
        raise InputError("training.no_data", path, name=path.name)
    more = path.with_name(f"{path.stem}_more.npz")
    return read_pack([path, more] if more.is_file() else [path])


def fingerprint(path: Path) -> str:
    """SHA-256 of a pack, or the folder's name for a cohort."""
    return files.sha256(path) if path.is_file() else path.name


@dataclass(frozen=True)
class Crops:
    """Clean crops with their neighbours.

    Parameters
    ----------
    images : float32 [crop, 3, row, column], scaled so that 1 is about the slice's maximum; slice i, i - 1, i + 1
    present : float32 [crop, 2], 1 where the neighbour i - 1, i + 1 exists
    """

    images: Float
    present: Float


class CropSampler:
    """Draws random crops of quiet slices: 2x2 means (half the noise), native pixels, and resampled anatomy."""

    def __init__(
        self, stacks: Sequence[Stack], *, size: int, noisiest: float = 0.02, keep_neighbours: float = 0.6
    ) -> None:
        self._size = size
        self._keep = keep_neighbours
        entries = [(s, k) for s in stacks for k in range(len(s.images)) if np.isfinite(s.noise[k])]
        quiet = [(s, k) for s, k in entries if s.noise[k] < noisiest]
        self._entries = quiet or entries
        if not self._entries:
            raise InputError("training.no_data", name="the data set")
        weight = np.array([1.0 / max(float(s.noise[k]), 0.005) for s, k in self._entries])
        self._probability = weight / weight.sum()

    def __len__(self) -> int:
        return len(self._entries)

    def draw(self, count: int, rng: np.random.Generator) -> Crops:
        """``count`` crops."""
        images = np.empty((count, 3, self._size, self._size), dtype=np.float32)
        present = np.zeros((count, 2), dtype=np.float32)
        for row, choice in enumerate(rng.choice(len(self._entries), count, p=self._probability)):
            stack, k = self._entries[choice]
            images[row], present[row] = self._one(stack, k, rng)
        return Crops(images, present)

    def _one(self, stack: Stack, k: int, rng: np.random.Generator) -> tuple[Float, Float]:
        triple, present = _neighbours(stack, k, rng.random(2) < self._keep)
        kind = rng.random()
        if kind < NATIVE_SHARE:
            pixels = triple
        else:
            pixels = block_mean(triple, int(rng.integers(2)), int(rng.integers(2)))
            if kind < NATIVE_SHARE + RESAMPLED_SHARE:
                pixels = _resampled(pixels, float(np.exp(rng.uniform(np.log(0.5), np.log(2.2)))), self._size, rng)
        peak = max(float(pixels[0].max()), 1.0)
        crop = _crop(pixels, self._size, rng) * np.float32(rng.uniform(0.7, 1.2) / peak)
        return _symmetry(crop, int(rng.integers(8))), present


def block_mean(images: npt.NDArray[Any], row_offset: int = 0, column_offset: int = 0) -> Float:
    """Means of 2x2 pixels from an offset, [..., row // 2, column // 2]: less noise, and whiter."""
    rows = (images.shape[-2] - row_offset) // 2 * 2
    columns = (images.shape[-1] - column_offset) // 2 * 2
    cut = images[..., row_offset : row_offset + rows, column_offset : column_offset + columns].astype(np.float32)
    blocks = cut.reshape(*cut.shape[:-2], rows // 2, 2, columns // 2, 2)
    return np.asarray(blocks.mean(axis=(-3, -1)), dtype=np.float32)


def _neighbours(stack: Stack, k: int, wanted: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[Any], Float]:
    images = np.stack([stack.images[k]] * 3)
    present = np.zeros(2, dtype=np.float32)
    for side, step in enumerate((-1, 1)):
        j = k + step
        near = 0 <= j < len(stack.images) and stack.position[j] == stack.position[k] + step
        if near and wanted[side] and stack.one_scale[j] and stack.one_scale[k]:
            images[side + 1] = stack.images[j]
            present[side] = 1.0
    return images, present


def _resampled(pixels: Float, factor: float, size: int, rng: np.random.Generator) -> Float:
    """Anatomy at another pixel size: a window that becomes at least ``size`` pixels wide, averaged first if shrunk."""
    factor = max(factor, (size + 2) / min(pixels.shape[-2:]))
    side = min(int(np.ceil((size + 2) / factor)), *pixels.shape[-2:])
    window = _crop(pixels, side, rng)
    if factor < 1:
        window = ndimage.gaussian_filter(window, (0, 0.5 / factor - 0.3, 0.5 / factor - 0.3))
    zoomed: Float = ndimage.zoom(window, (1, factor, factor), order=3 if factor > 1 else 1).astype(np.float32)
    return np.maximum(zoomed, 0)


def _crop(pixels: npt.NDArray[Any], size: int, rng: np.random.Generator) -> Float:
    rows, columns = pixels.shape[-2:]
    if min(rows, columns) < size:
        pad = [(0, 0), (0, max(size - rows, 0)), (0, max(size - columns, 0))]
        pixels = np.pad(pixels, pad, mode="reflect" if min(rows, columns) * 2 > size else "edge")
        rows, columns = pixels.shape[-2:]
    best, most = None, -1.0
    for _ in range(3):
        top, left = int(rng.integers(rows - size + 1)), int(rng.integers(columns - size + 1))
        crop = pixels[..., top : top + size, left : left + size]
        signal = float(crop[0].mean())
        if signal > most:
            best, most = crop, signal
        if rng.random() < 0.4:
            break
    assert best is not None
    return best.astype(np.float32)


def _symmetry(images: Float, which: int) -> Float:
    turned = np.rot90(images, which % 4, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if which >= 4 else turned)
