"""The slices that methods are judged on: quiet patients nobody trained on, at several pixel sizes, and phantoms.

A reference of the pack is no truth: it carries noise of its own (1 to 3 % of its maximum), which compresses
differences; phantoms carry none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import metrics
from tumordiff_core.imaging import formats
from tumordiff_core.simulation import cohort
from tumordiff_core.training.datasets import Stack, block_mean, is_beside

Float = npt.NDArray[np.float32]

REACH = 4
"""Slices kept to either side of a reference: what the widest peer (BM4D on nine slices) may see."""

PHANTOM_SEED = 77
FEWEST_TISSUE = 0.03
AROUND_LESION = 3

SMALLEST_SIDE = 11
"""The window of SSIM."""


@dataclass(frozen=True)
class Reference:
    """One slice among its neighbours.

    Parameters
    ----------
    patient, position : whose slice, and which of the patient's run
    stack : float32 [slice, row, column], neighbouring slices in one scale, over the maximum of the slice itself (of the
        nine slices in the sets of five patients)
    centre : which slice of ``stack`` is judged
    mask : bool [row, column], tissue
    lesion : bool [row, column], a lesion dilated by ``AROUND_LESION`` pixels, where one is known to be there
    """

    patient: str
    position: int
    stack: Float
    centre: int
    mask: metrics.Mask
    lesion: metrics.Mask | None = None

    @property
    def image(self) -> Float:
        """The slice itself."""
        return np.asarray(self.stack[self.centre], dtype=np.float32)


def of_pack(stacks: Sequence[Stack], part: str = "test", *, native: bool = False) -> list[Reference]:
    """The second and the second to last slice of the quiet patients of a split, in order of patient id.

    Parameters
    ----------
    native : at the pack's own pixels instead of 2x2 means
    """
    found: list[Reference] = []
    for stack in sorted((s for s in stacks if s.part == part and s.quiet), key=lambda s: s.patient):
        count = len(stack.images)
        wanted = (1, count - 2) if count >= 3 else (0,)
        found.extend(_of_stack(stack, k, native=native) for k in wanted)
    return found


def _of_stack(stack: Stack, k: int, *, native: bool) -> Reference:
    first, last = k, k
    while k - first < REACH and is_beside(stack, k, first - 1 - k):
        first -= 1
    while last - k < REACH and is_beside(stack, k, last + 1 - k):
        last += 1
    cut = stack.images[first : last + 1]
    return _reference(stack.patient, k, cut.astype(np.float32) if native else block_mean(cut), k - first)


def _reference(patient: str, position: int, stack: Float, centre: int) -> Reference:
    scaled = (stack / max(float(stack[centre].max()), 1e-6)).astype(np.float32)
    return Reference(patient, position, scaled, centre, metrics.tissue_mask(scaled[centre]))


def at_pixel_size(reference: Reference, factor: float) -> Reference:
    """The same anatomy at ``factor`` times the pixel size: below 1 finer and smoother, above 1 coarser."""
    if factor > 1:
        width = factor / 2 - 0.3
        smooth = ndimage.gaussian_filter(reference.stack, (0, width, width)) if factor != 2 else reference.stack
        stack = block_mean(smooth) if factor == 2 else ndimage.zoom(smooth, (1, 1 / factor, 1 / factor), order=1)
    else:
        stack = ndimage.zoom(reference.stack, (1, 1 / factor, 1 / factor), order=3)
    stack = np.maximum(np.asarray(stack, dtype=np.float32), 0)
    return _reference(reference.patient, reference.position, stack, reference.centre)


SETS = ("pack", "five", "five-native", "finer", "coarser", "native", "phantom")
FIVE = ("ISPY1_1015", "ISPY1_1025", "ISPY1_1117", "ISPY1_1135", "ISPY1_1140")
NINE, OF_NINE = 9, (3, 5)
"""The slices that BM4D sees of each of the five patients, and those of them that are judged."""


def of_set(name: str, stacks: Sequence[Stack]) -> list[Reference]:
    """References by the name of their set.

    ``pack``: 2x2 means of the test patients; ``finer``, ``coarser``: the same at 0.5 and 2 times the pixel size;
    ``native``: at the pack's own pixels; ``five``: slices 3 and 5 of the first nine of five patients, the volume that
    BM4D was measured on, and ``five-native`` the same at the pack's own pixels; ``phantom``: simulated breasts without
    noise.
    """
    if name == "phantom":
        return phantoms()
    if name in ("five", "five-native"):
        chosen = sorted((s for s in stacks if s.patient in FIVE), key=lambda s: s.patient)
        return [one for stack in chosen for one in _of_nine(stack, native=name == "five-native")]
    if name == "native":
        return of_pack(stacks, native=True)
    found = of_pack(stacks)
    factor = {"finer": 0.5, "coarser": 2.0}.get(name)
    return found if factor is None else [at_pixel_size(reference, factor) for reference in found]


def _of_nine(stack: Stack, *, native: bool) -> list[Reference]:
    """Two slices of a volume of nine in one scale; all tissue counts, not its largest component alone."""
    cut = stack.images[:NINE]
    volume = cut.astype(np.float32) if native else block_mean(cut)
    volume = (volume / max(float(volume.max()), 1e-6)).astype(np.float32)
    return [
        Reference(stack.patient, k, volume, k, metrics.tissue_mask(volume[k], largest=False))
        for k in OF_NINE
        if k < len(volume)
    ]


def phantoms(*, patients: int = 3, visits: int = 1) -> list[Reference]:
    """Slices of simulated breasts without noise, before contrast and early after it; another seed than the demo's."""
    plan = cohort.Plan(patients=patients, visits=visits, seed=PHANTOM_SEED)
    found: list[Reference] = []
    for patient in cohort.PATIENTS[:patients]:
        for rank, visit in enumerate(cohort.simulate(plan, patient)):
            for phase in (0, 1):
                clean = visit.clean[phase]
                depth = len(clean)
                for k in (depth // 4, depth // 2, 3 * depth // 4):
                    one = _of_volume(f"{patient.patient_id} T{rank + 1}", clean, k, name=100 * phase + k)
                    found.append(replace(one, lesion=_around(visit.tumour[k])))
    return [reference for reference in found if reference.mask.mean() > FEWEST_TISSUE]


def _around(tumour: metrics.Mask) -> metrics.Mask | None:
    return ndimage.binary_dilation(tumour, iterations=AROUND_LESION) if tumour.any() else None


def of_file(path: Path, *, patient: str = "") -> list[Reference]:
    """Slices of a noise-free volume in a file (as ``imaging/formats.py`` reads them): three in its middle.

    ``patient`` is the name of the file if not given.
    Raises what reading raises, InputError("volume.not_finite"), InputError("evaluate.no_reference").
    """
    return of_values(formats.read(path).values[0], patient or path.stem, path)


def of_values(volume: npt.NDArray[Any], patient: str, path: Path) -> list[Reference]:
    """Three slices in the middle of a volume [slice, row, column]; ``path`` is where it was read from.

    Raises InputError("volume.not_finite"), InputError("evaluate.no_reference").
    """
    values = np.asarray(volume, dtype=np.float32)
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise InputError("volume.not_finite", path, count=wrong)
    if min(values.shape[1:]) < SMALLEST_SIDE:
        raise InputError(
            "evaluate.no_reference", path, name=path.name, found="x".join(map(str, values.shape)) + " voxels"
        )
    depth = len(values)
    middle = sorted({depth // 3, depth // 2, 2 * depth // 3})
    scaled = values / max(float(values.max()), 1e-6)
    found = [_of_volume(patient, scaled, k, name=k, rescale=False) for k in middle]
    seen = [reference for reference in found if reference.mask.any()]
    if not seen:
        raise InputError("evaluate.no_reference", path, name=path.name, found="no tissue in its middle")
    return seen


def _of_volume(patient: str, values: npt.NDArray[Any], k: int, *, name: int, rescale: bool = True) -> Reference:
    first, last = max(k - REACH, 0), min(k + REACH, len(values) - 1)
    stack = np.array(values[first : last + 1], dtype=np.float32)  # a copy, so that the volume can go
    if rescale:
        return _reference(patient, name, stack, k - first)
    return Reference(patient, name, stack, k - first, stack[k - first] > 0.1)
