"""Is what lies on the disk what was meant: values and positions of two volumes, compared after a round trip."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core.errors import InputError
from tumordiff_core.imaging import formats
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.imaging.volume import Volume, require_finite
from tumordiff_core.progress import Progress

GEOMETRY_TOLERANCE_MM = 1e-3
FLOAT32_ROUNDING = 1e-6


def value_difference(found: npt.NDArray[Any], meant: npt.NDArray[Any]) -> float:
    """Largest absolute difference of two arrays; infinite for different shapes."""
    if found.shape != meant.shape:
        return float("inf")
    return float(np.abs(found.astype(np.float64) - meant.astype(np.float64)).max(initial=0.0))


def corner_distance_mm(found: Geometry, meant: Geometry) -> float:
    """Largest distance in mm between the same corner voxels of two grids; infinite for different shapes."""
    if found.shape != meant.shape:
        return float("inf")
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(meant.shape) - 1)
    return float(np.linalg.norm(found.to_mm(corners) - meant.to_mm(corners), axis=1).max())


def allowed_difference(meant: npt.NDArray[Any], step: float = 0.0) -> float:
    """Half a stored step, and the rounding of float32 on top of it."""
    largest = max(abs(float(meant.max(initial=0.0))), abs(float(meant.min(initial=0.0))), 1.0)
    return step / 2 + FLOAT32_ROUNDING * largest


def require_same(
    found: npt.NDArray[Any], meant: npt.NDArray[Any], places: tuple[Geometry, Geometry] | None, reader: str, step: float
) -> dict[str, float]:
    """The differences of what a reader found to what was meant.

    Parameters
    ----------
    places : the grid found and the grid meant; ``None`` for a format without positions
    reader : its name, for the sentence
    step : distance of neighbouring stored values, 0 for floating point

    Raises
    ------
    InputError("export.differs")
    """
    differences = {"value_difference": value_difference(found, meant)}
    if differences["value_difference"] > allowed_difference(meant, step):
        raise InputError("export.differs", what=f"values by {differences['value_difference']:.3g} in {reader}")
    if places is not None:
        differences["geometry_difference_mm"] = corner_distance_mm(*places)
        if differences["geometry_difference_mm"] > GEOMETRY_TOLERANCE_MM:
            raise InputError("export.differs", what=f"positions by {differences['geometry_difference_mm']:.3g} mm")
    return differences


def write_and_compare(volume: Volume, path: Path, progress: Progress, *, positions: bool = True) -> dict[str, Any]:
    """Write one volume file, read it back, and return the report on both.

    Parameters
    ----------
    positions : whether the format keeps them

    Raises
    ------
    InputError("volume.not_finite", "export.differs"), GeometryError("geometry.sheared"), SpaceError
    """
    progress.stage("write")
    require_finite(volume.values)
    formats.write(volume, path)
    progress.stage("read back")
    found = formats.read(path)
    places = (found.geometry, volume.geometry) if positions else None
    differences = require_same(found.values, np.asarray(volume.values), places, "tumordiff", 0.0)
    readers = {"readers": {"tumordiff": differences}, "step": 0.0, "half_step": 0.0}
    return {"files": 1, "bytes": path.stat().st_size, **readers}
