"""Where an array lies in the patient: LPS millimetres, orientation letters, laterality hints.

Arrays are [slice, row, column]; LPS: +x to the patient's left, +y to posterior, +z to the head (DICOM PS3.3 C.7.6.2).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = tuple[float, float, float]
Float2 = npt.NDArray[np.float64]

ORTHONORMAL_TOLERANCE = 1e-3
BOTH_SIDES_MM, MIDDLE_MM = 60.0, 20.0


@dataclass(frozen=True)
class Geometry:
    """The grid of a volume.

    Parameters
    ----------
    shape : voxels (slice, row, column)
    spacing_mm : distance between slices, rows, columns
    origin_mm : LPS position of the centre of voxel [0, 0, 0]
    row_direction : LPS unit vector along a row, that is towards growing *column* index (ImageOrientationPatient 1-3)
    column_direction : LPS unit vector along a column, towards growing *row* index (ImageOrientationPatient 4-6)
    slice_direction : LPS unit vector from slice to slice; the normal unless the stack is sheared
    frame_of_reference : UID, empty when unknown
    """

    shape: tuple[int, int, int]
    spacing_mm: Vector
    origin_mm: Vector = (0.0, 0.0, 0.0)
    row_direction: Vector = (1.0, 0.0, 0.0)
    column_direction: Vector = (0.0, 1.0, 0.0)
    slice_direction: Vector = (0.0, 0.0, 1.0)
    frame_of_reference: str = ""

    @property
    def affine(self) -> Float2:
        """4x4 matrix from index (slice, row, column, 1) to LPS mm."""
        matrix = np.eye(4)
        steps = (self.slice_direction, self.column_direction, self.row_direction)
        for column, (direction, spacing) in enumerate(zip(steps, self.spacing_mm, strict=True)):
            matrix[:3, column] = np.asarray(direction) * spacing
        matrix[:3, 3] = self.origin_mm
        return matrix

    def to_mm(self, index: npt.ArrayLike) -> Float2:
        """LPS mm of (fractional) indices [..., (slice, row, column)]."""
        points = np.asarray(index, dtype=np.float64)
        matrix = self.affine
        return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])

    def to_index(self, point_mm: npt.ArrayLike) -> Float2:
        """Fractional indices (slice, row, column) of LPS points in mm [..., 3]."""
        points = np.asarray(point_mm, dtype=np.float64)
        matrix = np.linalg.inv(self.affine)
        return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])

    @property
    def voxel_cc(self) -> float:
        """Volume of one voxel in cc, the shear of a tilted stack included."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) * 1e-3

    @property
    def plane(self) -> str:
        """``"sagittal"``, ``"coronal"`` or ``"axial"``: the axis the slice normal is nearest to."""
        normal = np.cross(self.row_direction, self.column_direction)
        return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(normal)))]

    def edge_letters(self) -> dict[str, str]:
        """Letters at the edges of a drawn slice: ``left``, ``right``, ``top``, ``bottom``."""
        return {
            "left": direction_letters(tuple(-c for c in self.row_direction)),
            "right": direction_letters(self.row_direction),
            "top": direction_letters(tuple(-c for c in self.column_direction)),
            "bottom": direction_letters(self.column_direction),
        }

    def to_record(self) -> dict[str, object]:
        """A JSON-ready record; ``from_record`` is its inverse."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_record(cls, record: dict[str, object]) -> "Geometry":
        """The geometry of a record made by ``to_record``."""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
        return cls(**values)  # type: ignore[arg-type]


def direction_letters(direction: tuple[float, ...]) -> str:
    """Patient letters of an LPS direction, largest component first: ``"P"``, ``"AL"`` (components above 0.2)."""
    letters = ("LR", "PA", "HF")
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(letters[i][0 if direction[i] > 0 else 1] for i in order if abs(direction[i]) > 0.2)


def laterality_hint(geometry: Geometry) -> str:
    """``"R"`` or ``"L"`` by the sign of the volume centre's x; only a hint, the isocentre is not the midline."""
    centre = geometry.to_mm([(n - 1) / 2 for n in geometry.shape])
    return "R" if centre[0] < 0 else "L"


def side_of(low_mm: float, high_mm: float) -> str:
    """``"R"``, ``"L"`` or ``"B"`` of a field that reaches from ``low_mm`` to ``high_mm`` (left is positive), else "".

    Only a hint, as above; a field that ends near the middle says nothing.
    """
    if low_mm < -BOTH_SIDES_MM and high_mm > BOTH_SIDES_MM:
        return "B"
    centre = (low_mm + high_mm) / 2
    return "" if abs(centre) < MIDDLE_MM else "R" if centre < 0 else "L"


def is_orthonormal(row: npt.ArrayLike, column: npt.ArrayLike) -> bool:
    """Whether two direction vectors are of unit length and perpendicular within 1e-3."""
    r, c = np.asarray(row, dtype=float), np.asarray(column, dtype=float)
    if not (np.isfinite(r).all() and np.isfinite(c).all()):
        return False
    faults = (abs(r @ r - 1), abs(c @ c - 1), abs(r @ c))
    return bool(max(faults) < ORTHONORMAL_TOLERANCE)
