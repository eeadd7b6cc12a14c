"""The model of one slice view: which picture, which slice, which grey, which zoom, what lies over it.

Linked views share one ``Place``, ``Grey`` or ``Zoom`` object, so they cannot drift apart; views only draw.
Screen axes follow the reader's conventions and the geometry, never the file order.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from tumordiff_core import settings
from tumordiff_core.imaging.geometry import Geometry, Vector, direction_letters
from tumordiff_core.imaging.volume import Provenance

Annotations = Literal["all", "minimal", "off"]
ZOOM_STEP = 2 ** (1 / 4)
LARGEST_ZOOM = 32.0
SMALLEST_ZOOM = 0.25

# LPS directions that point right and down on the screen, by plane: patient right on screen left, anterior on the
# left in sagittal views, head or anterior at the top (DICOM PS3.3 C.7.6.1.1.1 letters, radiological convention).
_SCREEN = {
    "axial": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}


@dataclass(frozen=True)
class Plane:
    """How one array axis is scrolled on a grid and the other two lie on the screen.

    ``across`` and ``down`` are array axes; a flip says that the index grows against the screen direction.
    """

    axis: int
    across: int
    down: int
    flip_across: bool
    flip_down: bool
    name: str
    letters: dict[str, str]


def plane_of(geometry: Geometry, axis: int, *, anterior_left: bool = True) -> Plane:
    """The plane seen when ``axis`` of a grid is scrolled; ``anterior_left=False`` turns sagittal planes round."""
    directions = (geometry.slice_direction, geometry.column_direction, geometry.row_direction)
    first, second = (other for other in range(3) if other != axis)
    normal = np.abs(np.cross(directions[first], directions[second]))
    name = ("sagittal", "coronal", "axial")[int(np.argmax(normal))]
    right, below = (np.asarray(vector) for vector in _SCREEN[name])
    if name == "sagittal" and not anterior_left:
        right = -right
    reach = [abs(float(np.dot(directions[a], right))) for a in (first, second)]
    across, down = (first, second) if reach[0] > reach[1] else (second, first)
    flip_across = float(np.dot(directions[across], right)) < 0
    flip_down = float(np.dot(directions[down], below)) < 0
    to_right = tuple(c * (-1 if flip_across else 1) for c in directions[across])
    to_bottom = tuple(c * (-1 if flip_down else 1) for c in directions[down])
    letters = {
        "left": direction_letters(tuple(-c for c in to_right)), "right": direction_letters(to_right),
        "top": direction_letters(tuple(-c for c in to_bottom)), "bottom": direction_letters(to_bottom),
    }  # fmt: skip
    return Plane(axis, across, down, flip_across, flip_down, name, letters)


@dataclass(frozen=True)
class Picture:
    """One phase on its grid.

    Parameters
    ----------
    values : real dtype [slice, row, column], stored values (mapped files welcome)
    geometry : its grid, LPS mm
    slope, intercept : shown and measured value = stored * slope + intercept
    window : default (center, width) in shown values
    inverted : MONOCHROME1; turned over at display only
    unit : printed after a value
    colours : uint32 [256] of 0xFFRRGGBB over the window instead of grey, see ``theme.maps``; ``legend`` names it
    facts : patient_id, study_uid, series_uid, time_point, days, laterality, laterality_source, series_description,
        phase_label, phase, phases, effective_s, study_date, age - whatever is known
    """

    values: npt.NDArray[Any]
    geometry: Geometry
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] | None = None
    inverted: bool = False
    provenance: Provenance = "acquired"
    unit: str = ""
    colours: npt.NDArray[np.uint32] | None = None
    legend: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def default_window(self) -> tuple[float, float]:
        """Header window, else from the 0.5 percentile of the middle third to the 99.5 of its tissue."""
        if self.window is not None and self.window[1] > 1:
            return self.window
        count = self.values.shape[0]
        middle = np.asarray(self.values[count // 3 : max(count // 3 + 1, 2 * count // 3) : 2, ::4, ::4])
        shown = middle.astype(np.float32) * self.slope + self.intercept
        shown = shown[np.isfinite(shown)]
        tissue = shown[shown > shown.mean() * 0.2] if shown.size else shown
        if tissue.size == 0:
            return 0.5, 1.0
        low, high = float(np.percentile(shown, 0.5)), float(np.percentile(tissue, 99.5))
        return (low + high) / 2, max(high - low, 1e-6)

    @cached_property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """The three planes of its grid, by scrolled array axis."""
        left = settings.load().study.sagittal_anterior_left
        first, second, third = (plane_of(self.geometry, axis, anterior_left=left) for axis in range(3))
        return first, second, third

    def value_at(self, index: tuple[int, int, int]) -> float | None:
        """Shown value of a voxel, ``None`` outside the grid."""
        if any(not 0 <= i < n for i, n in zip(index, self.values.shape, strict=True)):
            return None
        return float(self.values[index]) * self.slope + self.intercept


@dataclass(frozen=True)
class Overlay:
    """Something drawn over the slices.

    Parameters
    ----------
    name, title : who it is, and its legend
    values : bool mask, or float map in its own unit, [slice, row, column] on the picture's grid
    colour : ``#rrggbb`` of a mask
    colours : uint32 [256] of premultiplied 0xAARRGGBB for a map, see ``theme.maps``
    limits : (low, high) of a map; values outside take the end colours, NaN nothing
    opacity : 0 to 1
    """

    name: str
    title: str
    values: npt.NDArray[Any]
    colour: str = "#E5AE3B"
    colours: npt.NDArray[np.uint32] | None = None
    limits: tuple[float, float] = (0.0, 1.0)
    opacity: float = 0.45
    shown: bool = True
    unit: str = ""


class Place:
    """One position in patient coordinates (LPS mm), shared by linked views."""

    changed = Signal()

    def __init__(self, position_mm: Vector = (0.0, 0.0, 0.0)) -> None:
        self.position_mm = position_mm

    def move_to(self, position_mm: Vector) -> None:
        """Go to a position."""
        if position_mm != self.position_mm:
            self.position_mm = position_mm
            self.changed.emit()


class Grey:
    """One grey window in shown values, shared by linked views."""

    changed = Signal()

    def __init__(self, center: float = 0.5, width: float = 1.0) -> None:
        self.center, self.width, self.inverted = center, width, False

    @property
    def window(self) -> tuple[float, float]:
        """Center and width."""
        return self.center, self.width

    def set(self, center: float, width: float) -> None:
        """Set center and width; the width stays above zero."""
        new = (float(center), max(float(width), 1e-6))
        if new != self.window:
            self.center, self.width = new
            self.changed.emit()

    def invert(self) -> None:
        """Turn black and white over, at display only."""
        self.inverted = not self.inverted
        self.changed.emit()


class Zoom:
    """One zoom (1 = the picture fits) and pan (fractions of the view), shared by linked views."""

    changed = Signal()

    def __init__(self) -> None:
        self.factor, self.offset = 1.0, (0.0, 0.0)

    def set(self, factor: float, offset: tuple[float, float] | None = None) -> None:
        """Set the factor and, where given, the pan."""
        factor = min(max(factor, SMALLEST_ZOOM), LARGEST_ZOOM)
        new = (factor, self.offset if offset is None else offset)
        if new != (self.factor, self.offset):
            self.factor, self.offset = new
            self.changed.emit()

    def fit(self) -> None:
        """Show the whole picture."""
        self.set(1.0, (0.0, 0.0))


class SliceView:
    """One view of one picture along one array axis.

    Attributes
    ----------
    changed : fires when anything that is drawn changed
    phase_wanted : fires with a phase index the reader asked for (keys, Shift+wheel); the module brings the picture
    probed : fires with (index, shown value) under the pointer, or ``None`` outside
    """

    changed = Signal()
    phase_wanted = Signal(int)
    probed = Signal(object)

    def __init__(self, axis: int = 0, title: str = "") -> None:
        self.axis = axis
        self.title = title
        self.picture: Picture | None = None
        self.overlays: tuple[Overlay, ...] = ()
        self.badges: tuple[str, ...] = ()
        self.annotations: Annotations = "all"
        self.crosshair = False
        self.interpolate = False
        self.flipped = False
        self.loading = ""
        self.trouble = ""
        self.details = ""
        self.stale = False
        self.native = axis == 0
        self.place, self.grey, self.zoom = Place(), Grey(), Zoom()
        self._listen(True)

    def _listen(self, on: bool) -> None:
        for shared in (self.place, self.grey, self.zoom):
            if on:
                shared.changed.connect(self._shared_changed)
            else:
                shared.changed.disconnect(self._shared_changed, missing_ok=True)

    def _shared_changed(self) -> None:
        self.changed.emit()

    def share(self, *, place: Place | None = None, grey: Grey | None = None, zoom: Zoom | None = None) -> None:
        """Use another's position, grey or zoom from now on: this is what linking means."""
        self._listen(False)
        self.place, self.grey, self.zoom = place or self.place, grey or self.grey, zoom or self.zoom
        self._listen(True)
        self.changed.emit()

    def show(self, picture: Picture | None, *, keep_grey: bool = True) -> None:
        """Show a picture; slice, grey and zoom stay where they are when the new one has the same grid.

        ``keep_grey=False`` goes to the picture's own default window.
        """
        old, self.picture = self.picture, picture
        self.loading = self.trouble = ""
        if picture is not None:
            same = old is not None and old.geometry == picture.geometry
            if not same and self.slice_index is None:
                middle = [(n - 1) // 2 for n in picture.geometry.shape]
                self.place.move_to(_vector(picture.geometry.to_mm(middle)))
            if old is None or not keep_grey:
                self.grey.set(*picture.default_window)
        self.changed.emit()

    def set(self, **fields: Any) -> None:
        """Change drawn fields: overlays, badges, annotations, crosshair, loading, trouble, stale, title ..."""
        for name, value in fields.items():
            if not hasattr(self, name):
                raise AttributeError(name)
            setattr(self, name, value)
        self.changed.emit()

    @property
    def plane(self) -> Plane | None:
        """The plane that is cut, ``None`` without a picture."""
        return None if self.picture is None else self.picture.planes[self.axis]

    @property
    def slices(self) -> int:
        """How many slices this view can scroll through."""
        return 0 if self.picture is None else self.picture.geometry.shape[self.axis]

    @property
    def index(self) -> tuple[int, int, int] | None:
        """The voxel nearest to the position, ``None`` when it lies outside the grid."""
        if self.picture is None:
            return None
        nearest = np.rint(self.picture.geometry.to_index(self.place.position_mm)).astype(int)
        inside = all(0 <= i < n for i, n in zip(nearest, self.picture.geometry.shape, strict=True))
        return (int(nearest[0]), int(nearest[1]), int(nearest[2])) if inside else None

    @property
    def slice_index(self) -> int | None:
        """The slice that is shown, ``None`` when the position lies outside the stack."""
        if self.picture is None:
            return None
        along = float(self.picture.geometry.to_index(self.place.position_mm)[self.axis])
        nearest = int(np.rint(along))
        return nearest if 0 <= nearest < self.slices else None

    def go_to_slice(self, index: int) -> None:
        """Scroll to a slice, kept inside the stack."""
        if self.picture is None:
            return
        here = self.picture.geometry.to_index(self.place.position_mm)
        here[self.axis] = min(max(index, 0), self.slices - 1)
        self.place.move_to(_vector(self.picture.geometry.to_mm(here)))

    def scroll(self, steps: int) -> None:
        """Scroll by some slices."""
        if self.picture is not None:
            current = self.slice_index
            self.go_to_slice((self.slices // 2 if current is None else current) + steps)

    def go_to_index(self, index: tuple[float, float, float]) -> None:
        """Put the position on a (fractional) voxel [slice, row, column]."""
        if self.picture is not None:
            self.place.move_to(_vector(self.picture.geometry.to_mm(index)))

    def ask_phase(self, steps: int) -> None:
        """Ask for a later or earlier phase of the same series, kept inside it."""
        if self.picture is None:
            return
        phases = int(self.picture.facts.get("phases") or 1)
        here = int(self.picture.facts.get("phase") or 0)
        wanted = min(max(here + steps, 0), phases - 1)
        if wanted != here:
            self.phase_wanted.emit(wanted)

    def badge_words(self) -> tuple[str, ...]:
        """DERIVED, SYNTHETIC or PREDICTED by provenance, FLIPPED, and whatever the module added."""
        words = (
            [] if self.picture is None or self.picture.provenance == "acquired" else [self.picture.provenance.upper()]
        )
        if self.flipped:
            words.append("FLIPPED")
        return (*words, *self.badges)


def _vector(point: npt.NDArray[Any]) -> Vector:
    return float(point[0]), float(point[1]), float(point[2])


def link(views: list[SliceView], *, place: bool = True, grey: bool = True, zoom: bool = True) -> None:
    """Make views share position, grey and zoom of the first one."""
    for view in views[1:]:
        first = views[0]
        view.share(
            place=first.place if place else None,
            grey=first.grey if grey else None,
            zoom=first.zoom if zoom else None,
        )
