"""Clean slices to learn from: packs of real slices and stacks of a cohort with truth.

A *stack* is one patient's run of slices; ``bank.py`` draws crops from stacks.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core import files, paths
from tumordiff_core.engine import context
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort
from tumordiff_core.training import made_up
from tumordiff_core.training.mix import Mix
from tumordiff_core.training.split import Part, split

Float = npt.NDArray[np.float32]

PACK_KEYS = {"images", "patient", "slice_index", "split", "quiet", "noise_tissue", "stored_range"}
LAG1_KEY = "lag1"
"""Optional in a pack: float32 [slice, 2]."""

MANIFEST, MANIFEST_FORMAT = "manifest.json", 1
LARGEST_PACK_BYTES = 4_000_000_000

SIMULATED_SHAPES = ((40, 192, 192), (60, 256, 256))
SIMULATED_SEED, SEEDS_APART = 100_000, 1_000
"""No seed of a study or of the demo is one that trainings simulate with."""

BRIGHT_PERCENTILE = 99.9


@dataclass(frozen=True)
class Stack:
    """One patient's slices.

    Parameters
    ----------
    images : uint8 or float32 [slice, row, column]
    position : int [slice], slice index in the series, ascending
    noise : float32 [slice], noise as a share of the slice's maximum
    one_scale : bool [slice], whether neighbouring slices share one intensity scale
    lag1 : correlation of the noise of neighbouring rows and of neighbouring columns
    channels : receiver channels of its noise
    facts : what is known of patient and acquisition, fields of ``engine/known_facts.py``
    """

    patient: str
    part: Part
    quiet: bool
    images: npt.NDArray[Any]
    position: npt.NDArray[Any]
    noise: npt.NDArray[Any]
    one_scale: npt.NDArray[np.bool_]
    lag1: tuple[float, float] = (0.0, 0.0)
    channels: int = 1
    facts: Mapping[str, float] = field(default_factory=dict)


def read_pack(paths: Sequence[Path]) -> list[Stack]:
    """Stacks of one or more ``.npz`` packs of slices, joined by patient; their own split is obeyed.

    Raises InputError("training.not_a_pack").
    """
    parts = [_pack_arrays(path) for path in paths]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in (*PACK_KEYS, LAG1_KEY)}
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
                lag1=_typical_lag1(joined[LAG1_KEY][rows]),
            )
        )
    return stacks


def _pack_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > LARGEST_PACK_BYTES:
            raise InputError("training.not_a_pack", path, name=path.name, reason="it unpacks to more than 4 GB")
        with np.load(path, allow_pickle=False) as pack:
            missing = PACK_KEYS - set(pack.files)
            if missing:
                raise InputError("training.not_a_pack", path, name=path.name, reason=f"it lacks {min(missing)}")
            found = {key: pack[key] for key in PACK_KEYS}
            found[LAG1_KEY] = pack[LAG1_KEY] if LAG1_KEY in pack.files else np.full((len(found["images"]), 2), np.nan)
        if len({len(column) for column in found.values()}) > 1:
            raise InputError("training.not_a_pack", path, name=path.name, reason="its arrays differ in length")
        return found
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError("training.not_a_pack", path, name=path.name, reason="it cannot be read") from error


def _typical_lag1(measured: npt.NDArray[Any]) -> tuple[float, float]:
    known = measured[np.isfinite(measured).all(axis=1)]
    row, column = np.median(known, axis=0) if len(known) else (0.0, 0.0)
    return float(row), float(column)


def read_truth(folder: Path) -> list[Stack]:
    """Stacks of a synthetic cohort: the clean phases in each visit's ``truth.npz`` below ``folder``.

    Raises InputError("training.no_data") or ("training.not_a_pack").
    """
    visits = sorted(folder.rglob("truth.npz"))
    parts = split(visit.parent.parent.name for visit in visits)
    stacks = []
    for visit in visits:
        try:
            with np.load(visit, allow_pickle=False) as truth:
                clean = truth["clean"].astype(np.float32)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError("training.not_a_pack", visit, name=visit.name, reason="it cannot be read") from error
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
        spacing: list[float] = line.get("spacing_mm") or []
        known = {"thickness_mm": float(spacing[0]), "pixel_mm": float(spacing[1])} if len(spacing) == 3 else {}
        stacks.append(Stack(line["patient"], part, quiet, images, np.arange(count), noise, everywhere, facts=known))
    return stacks


def made_up_stacks(count: int, seed: int, *, side: int = 192, slices: int = 7) -> list[Stack]:
    """``count`` stacks of made-up anatomy without noise (about a second each, on every processor core)."""
    if count == 0:
        return []
    rngs = [np.random.default_rng((seed, k)) for k in range(count)]
    shape = (slices, side, side)
    # Spawned, for a forked child of a process that holds a GPU or threads may hang.
    with ProcessPoolExecutor(min(count, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        volumes = list(pool.map(made_up.volume, [shape] * count, rngs))
    everywhere = np.ones(slices, dtype=bool)
    return [
        Stack(f"made-up-{k}", "train", True, images, np.arange(slices), np.full(slices, 1e-3), everywhere)
        for k, images in enumerate(volumes)
    ]


def simulated_stacks(count: int, seed: int, *, progress: Progress) -> list[Stack]:
    """Both phases without noise of ``count`` simulated breasts, two stacks each (a few seconds a breast)."""
    progress.stage("simulate breasts", count)
    stacks: list[Stack] = []
    for k in range(count):
        shape = SIMULATED_SHAPES[k // len(cohort.PATIENTS) % len(SIMULATED_SHAPES)]
        plan = cohort.Plan(shape=shape, visits=1, seed=SIMULATED_SEED + SEEDS_APART * seed + k)
        clean = cohort.simulate(plan, cohort.PATIENTS[k % len(cohort.PATIENTS)])[0].clean[:2]
        scaled = clean / np.float32(np.percentile(clean, BRIGHT_PERCENTILE))
        place, everywhere = np.arange(len(clean[0])), np.ones(len(clean[0]), dtype=bool)
        noise = np.full(len(place), 1e-3)
        stacks.extend(Stack(f"simulated-{k}", "train", True, phase, place, noise, everywhere) for phase in scaled)
        progress.advance()
    return stacks


def place_of(named: str) -> Path:
    """Where the data lie: what was named, else the demo's.

    Raises MissingError("files.missing") for a name that is not there, InputError("training.no_data") without a demo.
    """
    place = Path(named) if named else paths.demo()
    if place.exists():
        return place
    if named:
        raise MissingError("files.missing", place, name=place.name)
    raise InputError("training.no_data", place, name=place.name)


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


def digest(stacks: Sequence[Stack]) -> str:
    """SHA-256 of whose slices these are and of what they show."""
    found = hashlib.sha256()
    for stack in stacks:
        found.update(f"{stack.patient} {stack.part} {stack.images.shape} {stack.images.dtype}".encode())
        found.update(np.ascontiguousarray(stack.images).data)
    return found.hexdigest()


def fingerprint(path: Path) -> str:
    """SHA-256 of a pack, or the folder's name for a cohort."""
    return files.sha256(path) if path.is_file() else path.name


def neighbours_kept(mix: Mix, count: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which neighbours ``count`` crops are shown, bool [crop, NEIGHBOURS]: none, the nearest, or up to three a side."""
    kind = rng.random(count)
    reach = np.where(kind < mix.alone + mix.nearest, 1, rng.integers(2, 4, count)) * (kind >= mix.alone)
    shorter = np.where(rng.random(count) < 0.6, reach, rng.integers(0, reach + 1))
    turned = rng.random(count) < 0.5
    below, above = np.where(turned, reach, shorter), np.where(turned, shorter, reach)
    steps = np.array(context.NEIGHBOURS)
    return np.asarray((-below[:, None] <= steps) & (steps <= above[:, None]))


def is_beside(stack: Stack, k: int, step: int) -> bool:
    """Whether slice ``k + step`` was packed and shares the scale of slice ``k``."""
    j = k + step
    if not 0 <= j < len(stack.images) or stack.position[j] != stack.position[k] + step:
        return False
    return bool(stack.one_scale[j] and stack.one_scale[k])


def block_mean(images: npt.NDArray[Any], row_offset: int = 0, column_offset: int = 0) -> Float:
    """Means of 2x2 pixels from an offset, [..., row // 2, column // 2]: less noise, and whiter."""
    rows = (images.shape[-2] - row_offset) // 2 * 2
    columns = (images.shape[-1] - column_offset) // 2 * 2
    cut = images[..., row_offset : row_offset + rows, column_offset : column_offset + columns].astype(np.float32)
    blocks = cut.reshape(*cut.shape[:-2], rows // 2, 2, columns // 2, 2)
    return np.asarray(blocks.mean(axis=(-3, -1)), dtype=np.float32)
