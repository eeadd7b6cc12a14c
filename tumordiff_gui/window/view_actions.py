"""Answers of the keys that act on the view under the pointer."""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap

from tumordiff_gui import words
from tumordiff_gui.actions import Actions
from tumordiff_gui.state.slice_view import SliceView
from tumordiff_gui.state.undo import Command, Undo
from tumordiff_gui.theme import apply, tokens
from tumordiff_gui.views.grid import Grid
from tumordiff_gui.views.slice_view import SliceWidget

OPACITY_STEP = 0.1
ANNOTATIONS = ("all", "minimal", "off")
FOOT = 22


def answer(grid: Grid, actions: Actions, undo: Undo) -> None:
    """Answer every view action that needs no module."""

    def on_view(act: Callable[[SliceWidget], object]) -> Callable[[], None]:
        def answered() -> None:
            widget = grid.under_pointer()
            if widget is not None:
                act(widget)

        return answered

    def on_model(act: Callable[[SliceView], object]) -> Callable[[], None]:
        return on_view(lambda widget: act(widget.model))

    answers: dict[str, Callable[[], None]] = {
        "slice.up": on_model(lambda m: m.scroll(-1)),
        "slice.down": on_model(lambda m: m.scroll(1)),
        "slice.first": on_model(lambda m: m.go_to_slice(0)),
        "slice.last": on_model(lambda m: m.go_to_slice(m.slices - 1)),
        "phase.before": on_model(lambda m: m.ask_phase(-1)),
        "phase.after": on_model(lambda m: m.ask_phase(1)),
        "grey.auto": on_model(lambda m: automatic(grid, m)),
        "grey.header": on_model(lambda m: from_header(grid, m)),
        "grey.invert": on_model(lambda m: m.grey.invert()),
        "zoom.fit": on_model(lambda m: m.zoom.fit()),
        "zoom.one": on_view(lambda w: w.one_to_one()),
        "zoom.reset": on_model(lambda m: reset(grid, m)),
        "view.maximise": on_view(grid.maximise),
        "view.crosshair": lambda: for_all(grid, "crosshair"),
        "view.interpolate": lambda: for_all(grid, "interpolate"),
        "view.annotations": lambda: next_annotations(grid),
        "view.mask": on_model(lambda m: toggle_overlays(m, masks=True)),
        "view.overlay": on_model(lambda m: toggle_overlays(m, masks=False)),
        "view.fainter": on_model(lambda m: change_opacity(m, -OPACITY_STEP)),
        "view.stronger": on_model(lambda m: change_opacity(m, OPACITY_STEP)),
        "view.flip": on_model(lambda m: flip(m, undo)),
        "view.play": lambda: (grid.play(), None)[1],
        "view.slower": lambda: grid.pace(-1),
        "view.faster": lambda: grid.pace(1),
    }
    for number in range(1, 10):
        answers[f"grey.preset{number}"] = on_model(lambda m, n=number: preset(grid, m, n))
    for action_id, act in answers.items():
        actions.handle(action_id, act, owner="views")


def automatic(grid: Grid, model: SliceView) -> None:
    """The 0.5-99.5 percentile window of the tissue, whatever the header says."""
    if model.picture is not None:
        grid.set_grey(model, *replace(model.picture, window=None).default_window)


def from_header(grid: Grid, model: SliceView) -> None:
    """The header's window, or the automatic one where there is none."""
    if model.picture is not None:
        grid.set_grey(model, *model.picture.default_window)


def preset(grid: Grid, model: SliceView, number: int) -> None:
    """Fixed windows relative to the picture's own: narrow, middle, wide; fixed ranges for maps; parts of the range."""
    if model.picture is None:
        return
    center, width = model.picture.default_window
    low = center - width / 2
    windows = {
        1: (center, width * 0.5), 2: (center, width), 3: (center, width * 2), 4: (0.0, width), 5: (100.0, 200.0),
        6: (1.0, 2.0), 7: (low + width, width * 2),
        8: (center + width / 4, width / 2), 9: (center - width / 4, width / 2),
    }  # fmt: skip
    grid.set_grey(model, *windows[number])


def reset(grid: Grid, model: SliceView) -> None:
    """Fit, middle slice kept, default window; never turns the picture."""
    model.zoom.fit()
    from_header(grid, model)


def for_all(grid: Grid, field: str) -> None:
    """Turn something on or off in all views at once."""
    widgets = grid.slice_widgets()
    wanted = not any(getattr(w.model, field) for w in widgets)
    for widget in widgets:
        widget.model.set(**{field: wanted})


def next_annotations(grid: Grid) -> None:
    """All, minimal, off; the side of the body and the badges stay."""
    widgets = grid.slice_widgets()
    if widgets:
        here = ANNOTATIONS.index(widgets[0].model.annotations)
        for widget in widgets:
            widget.model.set(annotations=ANNOTATIONS[(here + 1) % len(ANNOTATIONS)])


def toggle_overlays(model: SliceView, *, masks: bool) -> None:
    """Show or hide the masks, or the maps, of a view."""
    chosen = [o for o in model.overlays if (o.colours is None) == masks]
    wanted = not any(o.shown for o in chosen)
    model.set(overlays=tuple(replace(o, shown=wanted) if o in chosen else o for o in model.overlays))


def change_opacity(model: SliceView, step: float) -> None:
    """Make the overlays of a view fainter or stronger."""
    changed = (replace(o, opacity=min(max(o.opacity + step, 0.1), 1.0)) for o in model.overlays)
    model.set(overlays=tuple(changed))


def flip(model: SliceView, undo: Undo) -> None:
    """Left and right changed over, with a badge; can be undone."""

    def turn() -> None:
        model.set(flipped=not model.flipped)

    undo.push(Command(words.FLIP_STEP, turn, turn))


def burnt_in(picture: QPixmap) -> QPixmap:
    """The picture with the research-use line under it."""
    ratio = picture.devicePixelRatio()
    width, height = round(picture.width() / ratio), round(picture.height() / ratio)
    made = QPixmap(round(width * ratio), round((height + FOOT) * ratio))
    made.setDevicePixelRatio(ratio)
    made.fill(QColor(tokens.DARK.viewport))
    painter = QPainter(made)
    painter.drawPixmap(0, 0, picture)
    painter.setFont(apply.font(12, semibold=True))
    painter.setPen(QColor(tokens.ON_BLACK_DERIVED))
    painter.drawText(QRect(8, height, width - 16, FOOT), Qt.AlignmentFlag.AlignVCenter, words.RESEARCH_USE)
    painter.end()
    return made
