"""The picture area: draws a layout, links its slice views, and knows which view is under the pointer."""

from collections.abc import Mapping

from PySide6.QtCore import QPoint, QTimer, Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from tumordiff_gui import words
from tumordiff_gui.state.layout import Layout
from tumordiff_gui.state.slice_view import SliceView, link
from tumordiff_gui.state.undo import Command, Undo
from tumordiff_gui.theme import tokens
from tumordiff_gui.views import corner_text
from tumordiff_gui.views.slice_view import SliceWidget

CINE_INTERVALS_MS = (500, 250, 160, 100, 66, 40)

Content = SliceView | QWidget | None


class Grid(QWidget):
    """The picture area, ``context.views`` of a module.

    Signals
    -------
    probed : text of the value under the pointer, empty outside
    menu_wanted : a slice widget and the global position of the click
    shown : the layout that is shown now
    again_wanted, update_wanted : the slice view model whose button was pressed
    """

    probed = Signal(str)
    menu_wanted = Signal(object, QPoint)
    shown = Signal(object)
    again_wanted = Signal(object)
    update_wanted = Signal(object)
    clicked = Signal(object, object)
    details_wanted = Signal(str, str)

    def __init__(self, undo: Undo, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._undo = undo
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(tokens.VIEW_GAP)
        self._layout: Layout | None = None
        self._contents: dict[str, Content] = {}
        self._widgets: dict[str, QWidget] = {}
        self._under: SliceWidget | None = None
        self._alone: str | None = None
        self._hide_names = False
        self._cine = QTimer(self, interval=CINE_INTERVALS_MS[3])
        self._cine.timeout.connect(self._cine_step)

    # showing

    @property
    def layout_shown(self) -> Layout | None:
        """The layout that is drawn now."""
        return self._layout

    @property
    def contents(self) -> dict[str, Content]:
        """What stands in each cell, by its name."""
        return dict(self._contents)

    def show(self, layout: Layout | None = None, cells: Mapping[str, Content] | None = None) -> None:  # type: ignore[override]
        """Draw a layout with its contents by cell name: a SliceView, any widget, or nothing yet.

        Widgets stay the caller's: they are hidden, not deleted, when something else is shown.
        """
        if layout is None:
            super().show()
            return
        self._clear()
        self._layout, self._contents = layout, dict(cells or {})
        for one in layout.links:
            linked = [c for c in (self._contents.get(name) for name in one.cells) if isinstance(c, SliceView)]
            link(linked, place="place" in one.what, grey="grey" in one.what, zoom="zoom" in one.what)
        for cell in layout.cells:
            widget = self._widget(self._contents.get(cell.name))
            self._widgets[cell.name] = widget
            self._grid.addWidget(widget, cell.row, cell.column, cell.rows, cell.columns)
            widget.setVisible(True)
        self._stretch(layout)
        self.shown.emit(layout)

    def change(self, layout: Layout, cells: Mapping[str, Content]) -> None:
        """Show another layout as a step that can be undone."""
        before, old = self._layout, dict(self._contents)
        if before is None:
            self.show(layout, cells)
            return
        self._undo.push(
            Command(
                words.LAYOUT_STEP.format(title=layout.title),
                lambda: self.show(layout, cells),
                lambda: self.show(before, old),
            )
        )

    def _widget(self, content: Content) -> QWidget:
        if isinstance(content, QWidget):
            return content
        widget = SliceWidget(content if content is not None else SliceView())
        widget.hide_names = self._hide_names
        widget.entered.connect(self._entered)
        widget.maximise_wanted.connect(self.maximise)
        widget.grey_dragged.connect(self._grey_dragged)
        widget.menu_wanted.connect(lambda one, at: self.menu_wanted.emit(one, at))
        widget.clicked.connect(lambda index, model=widget.model: self.clicked.emit(model, index))
        widget.again_wanted.connect(lambda model=widget.model: self.again_wanted.emit(model))
        widget.update_wanted.connect(lambda model=widget.model: self.update_wanted.emit(model))
        widget.details_wanted.connect(self.details_wanted)
        widget.model.probed.connect(self._probed)
        return widget

    def _clear(self) -> None:
        self._cine.stop()
        self._alone, self._under = None, None
        for widget in self._widgets.values():
            self._grid.removeWidget(widget)
            if isinstance(widget, SliceWidget):
                widget.model.probed.disconnect(self._probed, missing_ok=True)
                widget.close_view()
                widget.hide()
                widget.deleteLater()
            else:
                widget.hide()
                widget.setParent(None)
        self._widgets = {}
        for row in range(self._grid.rowCount()):
            self._grid.setRowStretch(row, 0)
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, 0)

    def _stretch(self, layout: Layout) -> None:
        rows = max((c.row + c.rows for c in layout.cells), default=0)
        columns = max((c.column + c.columns for c in layout.cells), default=0)
        for row in range(rows):
            self._grid.setRowStretch(row, layout.row_stretch[row] if row < len(layout.row_stretch) else 1)
        for column in range(columns):
            given = layout.column_stretch
            self._grid.setColumnStretch(column, given[column] if column < len(given) else 1)

    def close_all(self) -> None:
        """Let go of every view; called when the window closes."""
        self._clear()
        self._layout, self._contents = None, {}

    # which view

    def slice_widgets(self) -> list[SliceWidget]:
        """All slice views that are shown, in cell order."""
        return [w for w in self._widgets.values() if isinstance(w, SliceWidget)]

    def under_pointer(self) -> SliceWidget | None:
        """The slice view that keys act on: under the pointer, else the first one."""
        widgets = [w for w in self.slice_widgets() if w.isVisible()]
        return self._under if self._under in widgets else (widgets[0] if widgets else None)

    def widget_of(self, name: str) -> QWidget:
        """The widget in a cell; raises KeyError."""
        return self._widgets[name]

    def _entered(self, widget: SliceWidget) -> None:
        self._under = widget

    def maximise(self, widget: SliceWidget | None = None) -> None:
        """Show one view alone, or all again; slice, grey and zoom stay."""
        wanted = widget or self.under_pointer()
        name = next((n for n, w in self._widgets.items() if w is wanted), None)
        self._alone = None if self._alone is not None or len(self._widgets) < 2 else name
        for each, cell in self._widgets.items():
            cell.setVisible(self._alone in (None, each))
        layout = self._layout
        if layout is None:
            return
        if self._alone is None:
            self._stretch(layout)
            return
        chosen = layout.cell(self._alone)
        for row in range(self._grid.rowCount()):
            self._grid.setRowStretch(row, int(chosen.row <= row < chosen.row + chosen.rows))
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, int(chosen.column <= column < chosen.column + chosen.columns))

    @property
    def maximised(self) -> str | None:
        """The name of the cell that is shown alone."""
        return self._alone

    # what is drawn everywhere

    def set_hide_names(self, hidden: bool) -> None:
        """Show hashes in place of patient identifiers."""
        self._hide_names = hidden
        for widget in self.slice_widgets():
            widget.hide_names = hidden
            widget.update()

    def _grey_dragged(self, model: SliceView, before: tuple[float, float], after: tuple[float, float]) -> None:
        grey = model.grey
        text = words.GREY_STEP.format(width=corner_text.number(after[1]), center=corner_text.number(after[0]))
        self._undo.push(Command(text, lambda: grey.set(*after), lambda: grey.set(*before)), done=True)

    def set_grey(self, model: SliceView, center: float, width: float) -> None:
        """Set a view's window as one step that can be undone."""
        before = model.grey.window
        model.grey.set(center, width)
        if model.grey.window != before:
            self._grey_dragged(model, before, model.grey.window)

    def _probed(self, found: tuple[tuple[int, int, int], float | None] | None) -> None:
        widget = self._under
        if found is None or found[1] is None or widget is None or widget.model.picture is None:
            self.probed.emit("")
            return
        index, value = found
        picture = widget.model.picture
        mm = picture.geometry.to_mm(index)
        text = words.PROBE_LINE.format(
            value=corner_text.number(value), unit=picture.unit, x=mm[0], y=mm[1], z=mm[2],
            slice=index[0] + 1, row=index[1] + 1, column=index[2] + 1,
        )  # fmt: skip
        named = [o.title for o in widget.model.overlays if o.values.dtype == bool and bool(o.values[index])]
        self.probed.emit("   ".join([text, *named]))

    # cine

    def play(self) -> bool:
        """Start or stop running through the slices of the view under the pointer; says whether it runs."""
        if self._cine.isActive():
            self._cine.stop()
        elif self.under_pointer() is not None:
            self._cine.start()
        return self._cine.isActive()

    def pace(self, steps: int) -> None:
        """Run faster or slower."""
        here = CINE_INTERVALS_MS.index(self._cine.interval())
        self._cine.setInterval(CINE_INTERVALS_MS[min(max(here + steps, 0), len(CINE_INTERVALS_MS) - 1)])

    def _cine_step(self) -> None:
        widget = self.under_pointer()
        if widget is None or widget.model.picture is None:
            self._cine.stop()
            return
        model = widget.model
        here = model.slice_index
        model.go_to_slice(0 if here is None or here + 1 >= model.slices else here + 1)
