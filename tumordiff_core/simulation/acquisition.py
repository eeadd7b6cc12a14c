"""The scanner: how a breast becomes stored numbers in three phases; it knows no patient and writes no file."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import fermi_spectrum
from tumordiff_core.simulation.breast import Anatomy
from tumordiff_core.simulation.kinetics import Sequence, signal_ratio

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Protocol:
    """One dynamic acquisition.

    Parameters
    ----------
    effective_s : centre of each phase after injection, the first before it
    start_s : start of each phase after injection
    sigma : noise of each channel's two parts, stored units
    channels : elements of the receiver coil, combined as root sum of squares
    """

    effective_s: tuple[float, ...] = (-280.1, 142.9, 487.9)
    start_s: tuple[float, ...] = (-423.0, 0.0, 345.0)
    duration_s: float = 285.8
    sigma: float = 3.2
    channels: int = 2
    sequence: Sequence = field(default_factory=Sequence)


def clean_phases(anatomy: Anatomy, protocol: Protocol) -> Float:
    """Noise-free magnitude, float32 [phase, slice, row, column] in stored units, as sharp as the scanner can see.

    The acquired part of k-space is the one that colours the noise (192 of 256 phase-encoding lines, elliptical).
    """
    response = fermi_spectrum(*anatomy.grid.shape[1:])
    half = (response / response[0, 0])[:, : anatomy.grid.shape[2] // 2 + 1].astype(np.float32)
    phases = []
    for moment in protocol.effective_s:
        seen = anatomy.still + anatomy.water * signal_ratio(anatomy.tissue, moment, protocol.sequence)
        phases.append(np.fft.irfft2(np.fft.rfft2(seen) * half, s=anatomy.grid.shape[1:]))
    return np.maximum(np.stack(phases), 0).astype(np.float32)


def acquire(clean: Float, protocol: Protocol, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Stored numbers with the noise of a zero-filled acquisition, int16 [phase, slice, row, column]."""
    spectrum = fermi_spectrum(*clean.shape[2:])
    noisy = [magnitude(phase, protocol.sigma, rng, protocol.channels, spectrum) for phase in clean]
    return np.rint(np.stack(noisy)).astype(np.int16)
