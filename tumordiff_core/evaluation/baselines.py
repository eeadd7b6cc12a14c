"""Classical filters to compare with, alone and between stabilisation and its exact inverse; BM3D where installed."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import restoration

from tumordiff_core.noise.stabilise import stabiliser

Float = npt.NDArray[np.float32]
Filter = Callable[[Float, float, float], Float]
Spectrum = npt.NDArray[np.float64] | None


def identity(image: Float, sigma: float, factor: float) -> Float:
    """The noisy input itself."""
    return image


def gaussian(image: Float, sigma: float, factor: float) -> Float:
    """Gaussian blur of standard deviation ``factor`` pixels."""
    return np.asarray(ndimage.gaussian_filter(image, factor))


def total_variation(image: Float, sigma: float, factor: float) -> Float:
    """Chambolle's total variation with weight ``factor`` sigma."""
    return np.asarray(restoration.denoise_tv_chambolle(image, weight=factor * sigma))


def wavelet(image: Float, sigma: float, factor: float) -> Float:
    """Daubechies-2 wavelets with BayesShrink (needs PyWavelets)."""
    return np.asarray(restoration.denoise_wavelet(image, sigma=factor * sigma, wavelet="db2", method="BayesShrink"))


def nlm(image: Float, sigma: float, factor: float) -> Float:
    """Fast non-local means, patch 5, distance 6, h = ``factor`` sigma."""
    return np.asarray(
        restoration.denoise_nl_means(
            image, patch_size=5, patch_distance=6, h=factor * sigma, sigma=sigma, fast_mode=True
        )
    )


def bm3d(image: Float, sigma: float, factor: float, spectrum: Spectrum = None) -> Float:
    """BM3D (package ``bm3d``, non-commercial; extra ``bench``), given the noise's true spectrum where it has one."""
    import bm3d as package  # noqa: PLC0415 - a peer that is not always installed

    return np.asarray(package.bm3d(image, _power(image, factor * sigma, spectrum)), dtype=np.float32)


def bm4d(stack: Float, sigma: float, spectrum: Spectrum = None) -> Float:
    """BM4D (package ``bm4d``, non-commercial; extra ``bench``) on a stack [slice, row, column]."""
    import bm4d as package  # noqa: PLC0415 - a peer that is not always installed

    return np.asarray(package.bm4d(stack, _power(stack, sigma, spectrum)), dtype=np.float32)


# BM3D and BM4D call numpy's trapz, gone since 2.4, as soon as they are given a spectrum.
vars(np).setdefault("trapz", np.trapezoid)


def _power(image: Float, sigma: float, spectrum: Spectrum) -> Any:
    """The deviation of white noise, else the power spectrum of coloured noise over every frequency."""
    if spectrum is None:
        return sigma
    return np.broadcast_to(sigma**2 * spectrum**2, image.shape) * image.size


FACTORS: dict[str, tuple[Filter, tuple[float, float, float]]] = {
    "identity": (identity, (1, 1, 1)),
    "gaussian": (gaussian, (0.5, 0.7, 1.1)),
    "gaussian+vst": (gaussian, (0.6, 1.0, 1.3)),
    "tv": (total_variation, (0.5, 0.7, 0.7)),
    "tv+vst": (total_variation, (0.65, 0.8, 0.8)),
    "nlm": (nlm, (0.6, 0.4, 0.4)),
    "nlm+vst": (nlm, (0.6, 0.6, 0.8)),
    "wavelet": (wavelet, (1, 1, 1)),
    "wavelet+vst": (wavelet, (1, 1, 1)),
    "bm3d": (bm3d, (1, 1, 1)),
    "bm3d+vst": (bm3d, (1, 1, 1)),
}
"""Filter and its strength factor at 5, 10 and 15 % noise, tuned on quiet validation patients."""

NEEDS = {
    "wavelet": "pywt", "wavelet+vst": "pywt", "bm3d": "bm3d", "bm3d+vst": "bm3d", "bm4d+vst": "bm4d",
}  # fmt: skip


VOLUMETRIC = "bm4d+vst"
ROUNDS, SQUARE = 30, 41
"""Refinements and nodes of the filters' stabilisation, as they were measured first; the product's own is finer and
costs them up to 0.06 dB where noise is strong."""

KNOWN = (*FACTORS, VOLUMETRIC)


def available(names: Sequence[str]) -> list[str]:
    """Those of ``names`` that are known and whose package is installed."""
    known = [name for name in names if name in KNOWN]
    return [name for name in known if name not in NEEDS or find_spec(NEEDS[name]) is not None]


def run(
    name: str, image: npt.NDArray[Any], sigma: float, *, channels: int = 1, spectrum: Spectrum = None
) -> Float:  # fmt: skip
    """One filter on one slice [row, column] of peak 1 with the true sigma; strength interpolated between levels.

    Filters that take a noise spectrum (BM3D) get the true one: amplitude [row, column] with mean power 1.
    """
    function, factors = FACTORS[name]
    factor = float(np.interp(sigma, (0.05, 0.10, 0.15), factors))
    values = image.astype(np.float32)

    def filtered(given: Float, level: float) -> Float:
        if function is bm3d:
            return bm3d(given, level, factor, spectrum)
        return np.asarray(function(given, level, factor), dtype=np.float32)

    if not name.endswith("+vst"):
        return filtered(values, sigma)
    transform = stabiliser(channels, ROUNDS, SQUARE)
    return transform.inverse(filtered(transform.forward(values, sigma), 1.0), sigma)


def run_volume(stack: npt.NDArray[Any], sigma: float, *, channels: int = 1, spectrum: Spectrum = None) -> Float:
    """BM4D between stabilisation and its exact inverse on a stack [slice, row, column] of peak 1."""
    transform = stabiliser(channels, ROUNDS, SQUARE)
    return transform.inverse(bm4d(transform.forward(stack.astype(np.float32), sigma), 1.0, spectrum), sigma)
