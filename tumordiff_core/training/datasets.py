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
from tumordiff_core.engine import context
from tumordiff_core.errors import InputError
from tumordiff_core.training import made_up
from tumordiff_core.training.split import Part, split

Float = npt.NDArray[np.float32]

PACK_KEYS = {"images", "patient", "slice_index", "split", "quiet", "noise_tissue", "stored_range"}
MANIFEST, MANIFEST_FORMAT = "manifest.json", 1
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


def read_manifest(path: Path) -> list[Stack]:
    """Stacks of a preprocess manifest, one per phase, mapped and not read; its own split is obeyed.

    The quieter half of the stacks counts as quiet.

    Raises InputError("files.not_json", "files.newer_format"), ("training.not_a_pack") where an array is gone.
    """
    manifest = files.read_json(path, newest_format=MANIFEST_FORMAT)
    if manifest.get("kind") != "preprocess" or not manifest.get("arrays"):
        raise InputError("training.no_data", path, name=path.name)
    typical = float(np.median([np.median(line["noise"]) for line in manifest["arrays"]]))
    stacks = []
    for line in manifest["arrays"]:
        try:
            images = np.load(path.parent / line["name"], mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError("training.not_a_pack", path, name=path.name, reason=f"{line['name']} is gone") from error
        noise, count = np.asarray(line["noise"]), len(images)
        quiet = float(np.median(noise)) <= typical
        everywhere = np.ones(count, dtype=bool)
        part = manifest["split"][line["patient"]]
        stacks.append(Stack(line["patient"], part, quiet, images, np.arange(count), noise, everywhere))
    return stacks


def made_up_stacks(count: int, seed: int, *, side: int = 192, slices: int = 7) -> list[Stack]:
    """``count`` stacks of made-up anatomy without noise (about a second each)."""
    found = []
    for k in range(count):
        images = made_up.volume((slices, side, side), np.random.default_rng((seed, k)))
        everywhere = np.ones(slices, dtype=bool)
        found.append(Stack(f"made-up-{k}", "train", True, images, np.arange(slices), np.full(slices, 1e-3), everywhere))
    return found


def read_data(path: Path) -> list[Stack]:
    """Stacks of a pack file (with every ``*_more.npz`` beside it), a preprocess manifest or a cohort with truth.

    Raises InputError("training.no_data") or ("training.not_a_pack").
    """
    if path.is_dir():
        return read_manifest(path / MANIFEST) if (path / MANIFEST).is_file() else read_truth(path)
    if path.name == MANIFEST:
        return read_manifest(path)
    if not path.is_file():
        raise InputError("training.no_data", path, name=path.name)
    more = path.with_name(f"{path.stem}_more.npz")
    return read_pack([path, more] if more.is_file() else [path])


def fingerprint(path: Path) -> str:
    """SHA-256 of a pack, or the folder's name for a cohort."""
    return files.sha256(path) if path.is_file() else path.name


@dataclass(frozen=True)
class Crops:
    """Clean crops with what lies beside them.

    Parameters
    ----------
    images : float32 [crop, IMAGES, row, column] in the order of ``engine/context.py``, scaled so that 1 is about the
        slice's maximum; black where absent
    present : float32 [crop, BESIDE], 1 where an image is there
    """

    images: Float
    present: Float


@dataclass(frozen=True)
class Mix:
    """How crops are drawn, as shares of all crops.

    Parameters
    ----------
    made_up : from noise-free made-up anatomy
    native : real slices at their own pixels instead of 2x2 means
    resampled : at another pixel size
    alone, nearest : without any neighbour, with the two nearest at most; the rest may have all
    phases : with one or two other phases, made from the slice by contrast uptake and a small shift
    """

    made_up: float = 0.2
    native: float = 0.15
    resampled: float = 0.25
    alone: float = 0.3
    nearest: float = 0.3
    phases: float = 0.15


class CropSampler:
    """Draws random crops of quiet slices: 2x2 means (half the noise), native pixels, and resampled anatomy."""

    def __init__(
        self,
        stacks: Sequence[Stack],
        *,
        size: int,
        noisiest: float = 0.02,
        mix: Mix | None = None,
        made_up_stacks: Sequence[Stack] = (),
    ) -> None:
        self._size = size
        self._mix = mix or Mix()
        entries = [(s, k) for s in stacks for k in range(len(s.images)) if np.isfinite(s.noise[k])]
        quiet = [(s, k) for s, k in entries if s.noise[k] < noisiest]
        self._entries = quiet or entries
        if not self._entries:
            raise InputError("training.no_data", name="the data set")
        self._made_up = [(s, k) for s in made_up_stacks for k in range(len(s.images))]
        weight = np.array([1.0 / max(float(s.noise[k]), 0.005) for s, k in self._entries])
        self._probability = weight / weight.sum()

    def __len__(self) -> int:
        return len(self._entries)

    def draw(self, count: int, rng: np.random.Generator) -> Crops:
        """``count`` crops."""
        images = np.zeros((count, context.IMAGES, self._size, self._size), dtype=np.float32)
        present = np.zeros((count, context.BESIDE), dtype=np.float32)
        for row in range(count):
            images[row], present[row] = self._one(rng)
        return Crops(images, present)

    def _one(self, rng: np.random.Generator) -> tuple[Float, Float]:
        made_up = bool(self._made_up) and rng.random() < self._mix.made_up
        entries = self._made_up if made_up else self._entries
        choice = rng.integers(len(entries)) if made_up else rng.choice(len(entries), p=self._probability)
        stack, k = entries[int(choice)]
        images = np.zeros((context.IMAGES, self._size, self._size), dtype=np.float32)
        present = np.zeros(context.BESIDE, dtype=np.float32)
        steps = [step for step in _steps_kept(self._mix, rng) if is_beside(stack, k, step)]
        columns = [0, *(1 + context.NEIGHBOURS.index(step) for step in steps)]
        crop = self._crop(stack, [k, *(k + step for step in steps)], made_up, rng)
        images[columns] = crop
        present[[column - 1 for column in columns[1:]]] = 1
        if rng.random() < self._mix.phases:
            _add_phases(images, present, rng)
        return _symmetry(images, int(rng.integers(8))), present

    def _crop(self, stack: Stack, slices: list[int], made_up: bool, rng: np.random.Generator) -> Float:
        """The same window of some slices, scaled by the first one's maximum."""
        kind = rng.random()
        halved = not made_up and kind >= self._mix.native
        factor = 1.0
        if self._mix.native <= kind < self._mix.native + self._mix.resampled:
            factor = float(np.exp(rng.uniform(np.log(0.5), np.log(2.2))))
        rows, columns = stack.images.shape[1:]
        room = min(rows, columns) // (2 if halved else 1) - 1
        factor = max(factor, (self._size + 2) / max(room, 1)) if factor != 1 and room >= 2 else 1.0
        side = self._size if factor == 1 else int(np.ceil((self._size + 2) / factor))
        window = _window(stack.images, slices, side * (2 if halved else 1), rng)
        pixels = block_mean(window) if halved else window.astype(np.float32)
        if factor != 1:
            pixels = _zoomed(pixels, factor)[..., : self._size, : self._size]
        peak = max(float(stack.images[slices[0]].max()), 1e-3) * (0.95 if halved else 1.0)
        return pixels * np.float32(np.exp(rng.uniform(np.log(0.55), np.log(1.2))) / peak)


def _steps_kept(mix: Mix, rng: np.random.Generator) -> tuple[int, ...]:
    kind = rng.random()
    if kind < mix.alone:
        return ()
    reach = 1 if kind < mix.alone + mix.nearest else int(rng.integers(2, 4))
    below, above = (reach, reach) if rng.random() < 0.6 else (int(rng.integers(reach + 1)), reach)
    if rng.random() < 0.5:
        below, above = above, below
    return tuple(step for step in context.NEIGHBOURS if -below <= step <= above)


def is_beside(stack: Stack, k: int, step: int) -> bool:
    """Whether slice ``k + step`` was packed and shares the scale of slice ``k``."""
    j = k + step
    if not 0 <= j < len(stack.images) or stack.position[j] != stack.position[k] + step:
        return False
    return bool(stack.one_scale[j] and stack.one_scale[k])


def _add_phases(images: Float, present: Float, rng: np.random.Generator) -> None:
    """Give the centre an uptake of its own and add one or two other phases of it, a little shifted, in place."""
    before = images[0].copy()
    first = 1 + len(context.NEIGHBOURS)
    uptake = _uptake(before, rng)
    for column in range(first, first + int(rng.integers(1, context.OTHER_PHASES + 1))):
        shown = before * (1 + np.float32(rng.uniform(0, 1.3)) * uptake)
        images[column] = _shifted(shown, rng) if rng.random() < 0.5 else shown
        present[column - 1] = 1
    images[:first] *= 1 + np.float32(rng.uniform(0, 1.3) if rng.random() < 0.67 else 0.0) * uptake
    images /= np.float32(max(1.0, float(images[0].max()) / 1.3))


def _uptake(image: Float, rng: np.random.Generator) -> Float:
    """Relative contrast uptake [row, column]: glandular, smooth, and up to three lesions with edges of their own."""
    rows, columns = image.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    smooth = ndimage.zoom(rng.uniform(0, 0.5, (4, 4)), (rows / 4, columns / 4), order=1, grid_mode=True, mode="nearest")
    uptake = np.asarray(smooth, dtype=np.float32)
    if rng.random() < 0.5:
        bright = ndimage.gaussian_filter(image, 1.5)
        uptake = uptake * np.clip(bright / max(float(bright.mean()), 1e-6), 0, 2)
    for _ in range(int(rng.integers(4))):
        cy, cx, radius = rng.uniform(0, rows), rng.uniform(0, columns), float(np.exp(rng.uniform(0.7, 2.9)))
        distance = np.hypot((y - cy) * np.float32(np.exp(rng.uniform(-0.4, 0.4))), x - cx)
        edge = 1 / (1 + np.exp(np.clip((distance - radius) / rng.uniform(0.3, 1.2), -30, 30)))
        uptake = uptake + np.float32(rng.uniform(0.3, 1.8)) * edge.astype(np.float32)
    return uptake


def _shifted(image: Float, rng: np.random.Generator) -> Float:
    """Moved by up to a pixel, as a patient does between phases."""
    moved = ndimage.shift(image, rng.uniform(-1, 1, 2), order=3, mode="nearest")
    return np.maximum(np.asarray(moved, dtype=np.float32), 0)


def block_mean(images: npt.NDArray[Any], row_offset: int = 0, column_offset: int = 0) -> Float:
    """Means of 2x2 pixels from an offset, [..., row // 2, column // 2]: less noise, and whiter."""
    rows = (images.shape[-2] - row_offset) // 2 * 2
    columns = (images.shape[-1] - column_offset) // 2 * 2
    cut = images[..., row_offset : row_offset + rows, column_offset : column_offset + columns].astype(np.float32)
    blocks = cut.reshape(*cut.shape[:-2], rows // 2, 2, columns // 2, 2)
    return np.asarray(blocks.mean(axis=(-3, -1)), dtype=np.float32)


def _window(images: npt.NDArray[Any], slices: list[int], side: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """A square window of some slices, mostly where there is signal; padded where the slice is smaller."""
    rows, columns = images.shape[1:]
    height, width = min(side, rows), min(side, columns)
    best, most = (0, 0), -1.0
    for _ in range(3):
        top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
        signal = float(images[slices[0], top : top + height : 4, left : left + width : 4].mean())
        if signal > most:
            best, most = (top, left), signal
        if rng.random() < 0.4:
            break
    window = images[slices, best[0] : best[0] + height, best[1] : best[1] + width]
    if height == width == side:
        return window
    mode: Any = "reflect" if 2 * min(height, width) > side else "edge"
    return np.pad(window, ((0, 0), (0, side - height), (0, side - width)), mode=mode)


def _zoomed(pixels: Float, factor: float) -> Float:
    """Anatomy at another pixel size, averaged first where it shrinks."""
    if factor < 1:
        width = 0.5 / factor - 0.3
        pixels = np.asarray(ndimage.gaussian_filter(pixels, (0, width, width)))
    grown = ndimage.zoom(pixels, (1, factor, factor), order=3 if factor > 1 else 1)
    return np.maximum(np.asarray(grown, dtype=np.float32), 0)


def _symmetry(images: Float, which: int) -> Float:
    turned = np.rot90(images, which % 4, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if which >= 4 else turned)
