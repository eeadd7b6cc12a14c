"""The words in the corners of a view, from the view's own picture; a missing value prints ``-``."""

import hashlib
from dataclasses import dataclass
from typing import Any

from tumordiff_core import units
from tumordiff_gui import words
from tumordiff_gui.state.slice_view import SliceView


@dataclass(frozen=True)
class Corners:
    """Lines of the four corners, and the side of the body that is always shown."""

    top_left: tuple[str, ...]
    top_right: tuple[str, ...]
    bottom_left: tuple[str, ...]
    side: str
    side_doubtful: bool


def number(value: float) -> str:
    """A value with about four significant digits and no exponent."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def corners(view: SliceView, zoom_percent: float, *, hide_names: bool) -> Corners:
    """The corner lines of a view that shows a picture."""
    picture = view.picture
    assert picture is not None
    facts = picture.facts
    minimal = view.annotations != "all"
    side, doubtful = laterality(facts)
    if view.annotations == "off":
        return Corners((), (), (), side, doubtful)
    series = str(facts.get("series_description") or words.MISSING)
    top_right = (view.title,) if view.title else (series,)
    if not minimal:
        top_right = tuple(t for t in (view.title, series, phase(facts), matrix(picture.geometry.shape)) if t)
    top_left = patient_lines(facts, hide_names=hide_names)
    return Corners(
        top_left[:2] if minimal else top_left, top_right, bottom_left(view, zoom_percent, minimal), side, doubtful
    )


def patient_lines(facts: dict[str, Any], *, hide_names: bool) -> tuple[str, ...]:
    """Who and when."""
    patient = str(facts.get("patient_id") or words.MISSING)
    if hide_names and patient != words.MISSING:
        patient = words.ANONYMOUS.format(code=hashlib.sha256(patient.encode()).hexdigest()[:6])
    days = facts.get("days")
    visit = str(facts.get("time_point") or words.MISSING)
    if days is not None:
        visit = words.VISIT.format(label=visit, day=units.format_days(int(days)))
    age = facts.get("age")
    who = (
        patient
        if age in (None, "") or hide_names
        else f"{patient}  {words.YEARS.format(age=str(age).lstrip('0').rstrip('Yy'))}"
    )
    date = "" if hide_names else str(facts.get("study_date") or "")
    return tuple(line for line in (who, visit, date) if line)


def phase(facts: dict[str, Any]) -> str:
    """``post 1 2/3 +151 s``."""
    count = int(facts.get("phases") or 1)
    label = str(facts.get("phase_label") or "")
    if count < 2 and not label:
        return ""
    text = words.PHASE.format(label=label, number=int(facts.get("phase") or 0) + 1, count=count).strip()
    seconds = facts.get("effective_s")
    return text if seconds is None else f"{text}  {words.PHASE_TIME.format(seconds=float(seconds))}"


def matrix(shape: tuple[int, int, int]) -> str:
    """Columns, rows and slices."""
    return words.MATRIX.format(columns=shape[2], rows=shape[1], slices=shape[0])


def bottom_left(view: SliceView, zoom_percent: float, minimal: bool) -> tuple[str, ...]:
    """Window, zoom, slice and its position."""
    assert view.picture is not None and view.plane is not None
    grey = words.WINDOW.format(width=number(view.grey.width), center=number(view.grey.center))
    index = view.slice_index
    slice_ = words.SLICE_OUTSIDE if index is None else words.SLICE.format(number=index + 1, count=view.slices)
    if minimal:
        return (slice_, grey)
    axis = {"sagittal": 0, "coronal": 1, "axial": 2}[view.plane.name]
    position = words.POSITION.format(axis="xyz"[axis], mm=view.place.position_mm[axis])
    plane = words.PLANES[view.plane.name]
    name = plane if view.native else words.REFORMATTED.format(plane=plane)
    return (name, f"{slice_}   {position}", f"{grey}   {words.ZOOM.format(percent=round(zoom_percent))}")


def laterality(facts: dict[str, Any]) -> tuple[str, bool]:
    """The side in words, and whether it is only a hint (drawn with ``?``) or disputed."""
    side = str(facts.get("laterality") or "").upper()[:1]
    source = str(facts.get("laterality_source") or "").lower()
    doubtful = any(word in source for word in ("hint", "disagree", "conflict", "geometry", "position"))
    if side not in words.LATERALITY:
        return words.LATERALITY_UNKNOWN, True
    text = words.LATERALITY[side]
    return (words.LATERALITY_DOUBT.format(side=text), True) if doubtful else (text, False)
