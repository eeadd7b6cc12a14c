"""A volume: values [phase, slice, row, column], where they lie, what they are; checks of values live here too."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tumordiff_core.errors import InputError
from tumordiff_core.imaging.geometry import Geometry

Provenance = Literal["acquired", "derived", "predicted", "synthetic"]


@dataclass(frozen=True)
class Volume:
    """Phases of one grid.

    Parameters
    ----------
    values : any real dtype [phase, slice, row, column], rescaled intensity
    geometry : the grid of one phase
    provenance : set once by who made the values; drawn by every view, written by every exporter
    labels : one per phase, for example ``("pre", "post 1", "post 2")``
    phase_s : effective seconds after injection per phase, ``None`` where unknown
    facts : whatever else the source says (laterality, patient id, series UID ...), JSON-ready
    """

    values: npt.NDArray[Any]
    geometry: Geometry
    provenance: Provenance = "acquired"
    labels: tuple[str, ...] = ()
    phase_s: tuple[float | None, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or self.values.shape[1:] != self.geometry.shape:
            raise InputError("volume.wrong_shape", shape=tuple(self.values.shape))

    @property
    def phases(self) -> int:
        """Number of phases."""
        return int(self.values.shape[0])

    def with_values(self, values: npt.NDArray[Any], provenance: Provenance) -> "Volume":
        """The same grid and facts with other values."""
        return replace(self, values=values, provenance=provenance)


def require_finite(values: npt.NDArray[Any]) -> None:
    """Raise InputError("volume.not_finite") if any value is NaN or infinite."""
    if np.issubdtype(values.dtype, np.floating):
        bad = int(values.size - np.count_nonzero(np.isfinite(values)))
        if bad:
            raise InputError("volume.not_finite", count=bad)


def require_contrast(values: npt.NDArray[Any]) -> None:
    """Raise InputError("volume.constant") if all values are the same."""
    if values.size == 0 or values.min() == values.max():
        raise InputError("volume.constant", value=float(values.flat[0]) if values.size else "missing")
