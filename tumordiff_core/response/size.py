"""How large a tumour mask is: its connected parts and its longest diameter."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.response.enhancement import Bool

FEW_POINTS = 1000


def parts(mask: Bool) -> list[Bool]:
    """Connected parts (26 neighbours), largest first."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [labels == number + 1 for number in np.argsort(-sizes, kind="stable")]


def longest_diameter_mm(mask: Bool, geometry: Geometry) -> float:
    """Longest distance between voxel centres of the largest part, in mm; 0 for an empty mask or one voxel."""
    found = parts(mask)
    return _widest_mm(geometry.to_mm(np.argwhere(found[0]))) if found else 0.0


def longest_in_plane_mm(mask: Bool, geometry: Geometry) -> tuple[float, int]:
    """Longest in-plane distance of the largest part in mm, and the slice it lies in; (0, -1) for an empty mask."""
    found = parts(mask)
    if not found:
        return 0.0, -1
    lengths = {
        k: _widest_mm(geometry.to_mm(np.argwhere(found[0] & _only(mask.shape, k))))
        for k in np.flatnonzero(found[0].any(axis=(1, 2))).tolist()
    }
    longest = max(lengths, key=lambda k: lengths[k])
    return lengths[longest], longest


def _only(shape: tuple[int, ...], slice_index: int) -> Bool:
    chosen = np.zeros(shape, dtype=bool)
    chosen[slice_index] = True
    return chosen


def _widest_mm(points_mm: npt.NDArray[Any]) -> float:
    if len(points_mm) < 2:
        return 0.0
    if len(points_mm) > FEW_POINTS:
        try:
            points_mm = points_mm[spatial.ConvexHull(points_mm).vertices]
        except spatial.QhullError:
            # Flat or straight masks have no hull with volume; their points are compared one by one.
            return _widest_in_blocks_mm(points_mm)
    return float(spatial.distance.pdist(points_mm).max())


def _widest_in_blocks_mm(points_mm: npt.NDArray[Any]) -> float:
    blocks = np.array_split(points_mm, len(points_mm) // FEW_POINTS + 1)
    return max(float(spatial.distance.cdist(block, points_mm).max()) for block in blocks)
