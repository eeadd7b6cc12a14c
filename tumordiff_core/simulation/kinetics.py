"""From contrast agent to brightness: arterial input, extended Tofts tissue, spoiled gradient echo; nothing of anatomy.

Concentrations in mmol/l, rates per minute, times in minutes after injection unless a name says seconds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

# Blood concentration after 0.1 mmol/kg: Parker et al., Magn Reson Med 2006;56:993, table 1.
PASS_AREA = (0.809, 0.330)
PASS_TIME_MIN = (0.17046, 0.365)
TAIL_HEIGHT = 1.050
TAIL_RATE = 0.1685
TAIL_START_MIN = 0.483
HAEMATOCRIT = 0.42

RELAXIVITY = 4.5
"""Per mmol/l and second, gadopentetate at 1.5 T and body temperature."""


@dataclass(frozen=True)
class Sequence:
    """A spoiled gradient echo without T2* weighting: repetition time and flip angle."""

    repetition_s: float = 0.0084
    flip_degrees: float = 20.0


@dataclass(frozen=True)
class Tissue:
    """Maps of one grid that decide how a voxel enhances.

    Parameters
    ----------
    ktrans : float32 [slice, row, column], per minute
    kep : float32 [slice, row, column], per minute
    vp : float32 [slice, row, column], share of plasma
    t1_s : longitudinal relaxation time before contrast
    """

    ktrans: Float
    kep: Float
    vp: Float
    t1_s: float = 1.2


def blood(minutes: float) -> float:
    """Concentration in whole blood; the two bolus passes count as over by the time an image is centred."""
    if minutes <= TAIL_START_MIN:
        return 0.0
    return TAIL_HEIGHT * float(np.exp(-TAIL_RATE * minutes))


def concentration(tissue: Tissue, minutes: float) -> Float:
    """Concentration in tissue [slice, row, column] by the extended Tofts model, in closed form.

    The Gaussian passes of the input are taken as impulses (they last seconds, tissue answers in minutes) and its
    sigmoid as a step. Tofts et al., J Magn Reson Imaging 1999;10:223.
    """
    if minutes <= TAIL_START_MIN:
        return np.zeros_like(tissue.ktrans)
    # Where tissue and tail decay alike the closed form is 0 / 0; a thousandth beside it the limit is met.
    alike = np.abs(tissue.kep - np.float32(TAIL_RATE)) < 1e-3
    kep = np.where(alike, np.float32(TAIL_RATE + 1e-3), tissue.kep)
    answer = np.zeros_like(kep)
    for area, moment in zip(PASS_AREA, PASS_TIME_MIN, strict=True):
        answer += np.float32(area) * np.exp(-kep * np.float32(minutes - moment))
    gap = kep - np.float32(TAIL_RATE)
    before = np.exp(np.float32(-TAIL_RATE * TAIL_START_MIN) - kep * np.float32(minutes - TAIL_START_MIN))
    answer += np.float32(TAIL_HEIGHT) * (np.float32(np.exp(-TAIL_RATE * minutes)) - before) / gap
    plasma = blood(minutes) / (1 - HAEMATOCRIT)
    leaked = tissue.ktrans * answer / np.float32(1 - HAEMATOCRIT)
    return np.asarray(leaked + tissue.vp * np.float32(plasma), dtype=np.float32)


def enhancement(contrast: Float, t1_s: float, sequence: Sequence) -> Float:
    """Signal with contrast over signal without, same shape: spoiled gradient echo in the steady state (Ernst)."""
    cosine = np.cos(np.deg2rad(sequence.flip_degrees))

    def steady(decay: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray((1 - decay) / (1 - np.float32(cosine) * decay), dtype=np.float32)

    rate = np.float32(1 / t1_s) + np.float32(RELAXIVITY) * contrast
    with_contrast = steady(np.exp(-np.float32(sequence.repetition_s) * rate))
    without = steady(np.exp(np.full(1, -sequence.repetition_s / t1_s, dtype=np.float32)))
    return with_contrast / without


def signal_ratio(tissue: Tissue, effective_s: float, sequence: Sequence) -> Float:
    """How many times its signal before contrast each voxel has at an effective time after injection, float32."""
    if effective_s <= 0:
        return np.ones_like(tissue.ktrans)
    return enhancement(concentration(tissue, effective_s / 60), tissue.t1_s, sequence)
