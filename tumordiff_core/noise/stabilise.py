"""Variance stabilisation of magnitude noise and its exact unbiased inverse, for any number of channels.

After Foi, ISBI 2011 ("Noise estimation and removal in MR imaging: the variance-stabilization approach"): a function
``f`` with ``std f(y) = 1`` whatever the signal, and an inverse that maps ``E[f(y) | x]`` back to ``x``. Both are built
numerically from the distribution of a non-central chi variable (Gudbjartsson & Patz 1995, eq. 1, for one channel;
Constantinides 1997 for more), so no table is shipped; how the slope is found is our own.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import roots_genlaguerre

Float = npt.NDArray[np.float64]

LARGEST_SNR = 60.0
ROUNDS = 60
DAMPING = 0.5
NODES = 64


@dataclass(frozen=True)
class Stabiliser:
    """The tables for one number of channels, for noise of standard deviation 1.

    ``y`` and ``f`` sample the forward transform; ``x`` and ``mean_f`` sample ``E[f(y) | x]``.
    """

    channels: int
    y: Float
    f: Float
    x: Float
    mean_f: Float

    def forward(self, values: npt.NDArray[Any], sigma: float) -> npt.NDArray[np.float32]:
        """Stabilised values (standard deviation 1) of magnitudes with noise ``sigma``: ``f`` of Foi 2011; any shape."""
        scaled = np.asarray(values, dtype=np.float64) / sigma
        inside = np.interp(scaled, self.y, self.f)
        beyond = np.maximum(scaled - self.y[-1], 0.0)
        return np.asarray(inside + beyond, dtype=np.float32)

    def expected(self, signal: npt.NDArray[Any], sigma: float) -> npt.NDArray[np.float32]:
        """``E[f(y) | x]`` of noise-free signals: what a perfect filter of stabilised data would return (Foi 2011)."""
        scaled = np.asarray(signal, dtype=np.float64) / sigma
        inside = np.interp(scaled, self.x, self.mean_f)
        return np.asarray(inside + np.maximum(scaled - self.x[-1], 0.0), dtype=np.float32)

    def inverse(self, stabilised: npt.NDArray[Any], sigma: float) -> npt.NDArray[np.float32]:
        """The signal whose stabilised mean is given, never negative; any shape.

        The exact unbiased inverse of Foi 2011: it undoes ``expected`` and not ``forward``, whose own inverse would
        leave the bias of the magnitude.
        """
        values = np.asarray(stabilised, dtype=np.float64)
        inside = np.interp(values, self.mean_f, self.x)
        beyond = np.maximum(values - self.mean_f[-1], 0.0)
        return np.asarray((inside + beyond) * sigma, dtype=np.float32)


def _samples(x: Float, channels: int) -> tuple[Float, Float]:
    """Magnitudes [signal, node] and their weights [node] by Gauss-Hermite times Gauss-Laguerre quadrature.

    y^2 = (x + n)^2 + c with n standard normal and c chi-squared of 2 L - 1 degrees of freedom.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    alpha = (2 * channels - 1) / 2 - 1
    half, gamma = roots_genlaguerre(NODES, alpha)
    weight = np.outer(weights / weights.sum(), gamma / gamma.sum()).ravel()
    first = (x[:, None] + nodes[None, :])[:, :, None] ** 2
    return np.sqrt(first + 2 * half[None, None, :]).reshape(len(x), -1), weight


def _on_a_square(x: Float, nodes: int) -> tuple[Float, Float]:
    """The same for one channel by Gauss-Hermite quadrature in both parts of the noise, which is rough where x is 0."""
    at, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weight = np.outer(weights, weights).ravel() / weights.sum() ** 2
    y = np.hypot((x[:, None] + at)[:, :, None], at[None, None, :])
    return y.reshape(len(x), -1), weight


@cache
def stabiliser(channels: int = 1, rounds: int = ROUNDS, square: int = 0) -> Stabiliser:
    """Build the transform for ``channels`` receiver channels (takes about a second, once per process).

    The slope begins as 1 / std(y | x) at E[y | x]; ``rounds`` of refinement divide it by the deviation that is left
    (Foi 2011). With ``square`` nodes and one channel the deviation is measured by Gauss-Hermite quadrature in both
    parts of the noise.
    """
    x = np.concatenate([np.linspace(0, 8, 161), np.linspace(8, LARGEST_SNR, 131)[1:]])
    y, weight = _on_a_square(x, square) if square and channels == 1 else _samples(x, channels)
    mean_y = y @ weight
    slope = 1.0 / np.sqrt((y**2) @ weight - mean_y**2)
    grid = np.linspace(0, LARGEST_SNR + 8, 4097)
    for _ in range(rounds):
        f = _integral(grid, mean_y, slope)
        values = np.interp(y, grid, f)
        mean_f = values @ weight
        deviation = np.sqrt(np.maximum((values**2) @ weight - mean_f**2, 1e-12))
        slope = slope / deviation**DAMPING
    f = _integral(grid, mean_y, slope)
    mean_f = np.interp(y, grid, f) @ weight
    return Stabiliser(channels, grid, f, x, np.maximum.accumulate(mean_f))


def _integral(grid: Float, mean_y: Float, slope: Float) -> Float:
    density = np.interp(grid, mean_y, slope)
    return np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
