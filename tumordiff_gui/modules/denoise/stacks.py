"""Stacks that are computed one slice at a time, while it is drawn: blend, residual in units of noise, single slices.

They look like arrays [slice, row, column] to the views (``shape``, ``dtype``, indexing) and hold nothing but their
sources, so that a slider costs the slice that is shown and nothing else.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]


class Stack:
    """Base: subclasses say what an index means."""

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __getitem__(self, index: Any) -> Float:
        raise NotImplementedError


class Shown(Stack):
    """Stored values in shown units: stored * slope + intercept."""

    def __init__(self, values: Any, slope: float = 1.0, intercept: float = 0.0) -> None:
        super().__init__(values.shape)
        self._values, self._slope, self._intercept = values, np.float32(slope), np.float32(intercept)

    def __getitem__(self, index: Any) -> Float:
        taken = np.asarray(self._values[index], np.float32)
        plain = self._slope == 1 and self._intercept == 0
        return taken if plain else np.asarray(taken * self._slope + self._intercept, np.float32)


class Sum(Stack):
    """Denoised + residual: what was acquired, for results whose source is not at hand."""

    def __init__(self, mean: Any, residual: Any) -> None:
        super().__init__(mean.shape)
        self._mean, self._residual = mean, residual

    def __getitem__(self, index: Any) -> Float:
        return np.asarray(self._mean[index], np.float32) + np.asarray(self._residual[index], np.float32)


class Blend(Stack):
    """original + weight (denoised - original); a weight of 1 is the denoised stack, 0 the original."""

    def __init__(self, original: Any, denoised: Any, weight: float) -> None:
        super().__init__(denoised.shape)
        self._original, self._denoised, self._weight = original, denoised, np.float32(weight)

    def __getitem__(self, index: Any) -> Float:
        if self._weight == 1:
            return np.asarray(self._denoised[index], np.float32)
        first = np.asarray(self._original[index], np.float32)
        if self._weight == 0:
            return first
        return np.asarray(first + self._weight * (np.asarray(self._denoised[index], np.float32) - first), np.float32)


class Residual(Stack):
    """(original - denoised) / sigma; 0 where either is unknown, so that nothing is drawn there."""

    def __init__(self, original: Any, denoised: Any, sigma: float) -> None:
        super().__init__(denoised.shape)
        self._original, self._denoised, self._sigma = original, denoised, np.float32(max(sigma, 1e-9))

    def __getitem__(self, index: Any) -> Float:
        difference = np.asarray(self._original[index], np.float32) - np.asarray(self._denoised[index], np.float32)
        return np.nan_to_num(np.asarray(difference / self._sigma, np.float32), nan=0.0, posinf=0.0, neginf=0.0)


class Slices(Stack):
    """Some slices of a stack, NaN elsewhere; ``put`` adds one as it arrives."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self._slices: dict[int, Float] = {}

    def put(self, index: int, values: Any) -> None:
        """Keep a slice [row, column]; raises ValueError for another shape."""
        if tuple(values.shape) != tuple(self.shape[1:]):
            raise ValueError(f"{values.shape} is no slice of {self.shape}")
        self._slices[index] = np.asarray(values, np.float32)

    def has(self, index: int) -> bool:
        return index in self._slices

    def __getitem__(self, index: Any) -> Float:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, int | np.integer):
            return np.asarray(self._one(int(first))[tuple(rest)], np.float32)
        whole = np.stack([self._one(k) for k in range(*first.indices(self.shape[0]))])
        return np.asarray(whole[(slice(None), *rest)], np.float32)

    def _one(self, index: int) -> Float:
        found = self._slices.get(index)
        return np.full(self.shape[1:], np.nan, np.float32) if found is None else found


def range_of(values: Any, share: float, part: Callable[[Float], Float] | None = None) -> float:
    """A percentile (0 to 100) of the middle slice, for fixed windows; 1 when it holds nothing positive."""
    middle = np.asarray(values[values.shape[0] // 2], np.float32)
    middle = part(middle) if part is not None else middle
    finite = middle[np.isfinite(middle)]
    found = float(np.percentile(finite, share)) if finite.size else 0.0
    return found if found > 0 else 1.0
