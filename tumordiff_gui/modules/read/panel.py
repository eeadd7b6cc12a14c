"""The read panel: phases, layout, grey window and overlays of what is open; the views are the grid's."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core.errors import TumorDiffError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_gui.modules.read import strings
from tumordiff_gui.modules.read.tags import TagViewer, rows_of
from tumordiff_gui.state import layout
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.state.layout import Cell, Layout
from tumordiff_gui.state.slice_view import Overlay, Picture, SliceView, link
from tumordiff_gui.theme import apply, icons, maps
from tumordiff_gui.views.column import heading, scrolling_column
from tumordiff_gui.views.placeholder import Placeholder

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

OWNER = "read"
MOST_SERIES_ROWS = 9
PHASES_IN_A_ROW = 4
LONG_NAME, LONG_NAMES_IN_A_ROW = 8, 2
PART = "part"
SAME_GRID_MM = 0.05
EMPTY = Layout("empty", strings.NOTHING_OPEN, (Cell("empty"),))
MAP_LOOKS = {"ser_map": (0.0, 2.0, "viridis", "SER", ""), "pe_map": (0.0, 200.0, "inferno", "PE", "%")}


class Panel(QWidget):
    """What is open, and how it is shown."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._context = context
        self._at = Selection()
        self._wanted = Selection()
        self._series: Any = None
        self._visit: Any = None
        self._single, self._three = layout.load("single"), layout.load("three")
        self._layout = self._three
        self._grey_of = ""
        self._shown = False
        self._tags: TagViewer | None = None
        self._masks: dict[str, tuple[Overlay, Geometry]] = {}
        self._eyes: dict[str, QToolButton] = {}
        self._wished: dict[bool, set[str]] = {False: set(), True: set()}
        self._on_map = False
        self._tag_files: dict[str, Path] = {}
        self._ticks: dict[str, QCheckBox] = {}
        self.views = {cell.name: SliceView(cell.axis) for cell in self._three.cells}
        link(list(self.views.values()), zoom=False)
        for view in self.views.values():
            view.phase_wanted.connect(self.show_phase)
            view.interpolate = context.settings.view.interpolate
        self._build()
        self.views["native"].grey.changed.connect(self._grey_changed)
        self.views["native"].changed.connect(self._view_changed)
        context.desk.opened.connect(self._opened)
        context.views.again_wanted.connect(self._again)
        context.views.shown.connect(self._layout_shown)

    # building

    def _build(self) -> None:
        column = scrolling_column(QVBoxLayout(self))
        self.title = QLabel(wordWrap=True)
        self.title.setFont(apply.font(15, semibold=True))
        self.subtitle = QLabel(wordWrap=True)
        self.subtitle.setProperty("role", "secondary")
        column.addWidget(self.title)
        column.addWidget(self.subtitle)
        self._phase_head = heading(strings.PHASES)
        column.addWidget(self._phase_head)
        self._phase_row = QGridLayout()
        self._phase_row.setSpacing(4)
        self._phases = QButtonGroup(self, exclusive=True)
        self._phases.idClicked.connect(self.show_phase)
        column.addLayout(self._phase_row)
        column.addWidget(heading(strings.SERIES))
        self.series_list = QListWidget()
        self.series_list.setAccessibleName(strings.SERIES)
        self.series_list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.series_list.itemActivated.connect(self._series_chosen)
        self.series_list.itemClicked.connect(self._series_chosen)
        column.addWidget(self.series_list)
        column.addWidget(heading(strings.LAYOUT))
        column.addLayout(self._layout_buttons())
        column.addWidget(heading(strings.GREY))
        column.addLayout(self._grey_row())
        column.addWidget(heading(strings.OVERLAYS))
        self._overlay_box = QVBoxLayout()
        self._no_overlays = QLabel(strings.NO_OVERLAYS, wordWrap=True)
        self._no_overlays.setProperty("role", "secondary")
        column.addWidget(self._no_overlays)
        column.addLayout(self._overlay_box)
        column.addSpacing(8)
        for text, action in ((strings.CROSSHAIR, "view.crosshair"), (strings.INTERPOLATE, "view.interpolate"),
                             (strings.INVERT, "grey.invert")):  # fmt: skip
            tick = QCheckBox(text)
            tick.clicked.connect(lambda _=False, a=action: self._context.actions.trigger(a))
            self._ticks[action] = tick
            column.addWidget(tick)
        self.tags_button = QPushButton(icons.icon("tag-multiple-outline"), strings.TAGS)
        self.tags_button.clicked.connect(self.show_tags)
        column.addWidget(self.tags_button)
        column.addStretch(1)

    def _layout_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self._layout_group = QButtonGroup(self, exclusive=True)
        shown = ((self._single, "square-outline"), (self._three, "view-quilt-outline"))
        for number, (one, icon) in enumerate(shown):
            button = QToolButton(checkable=True, checked=one is self._layout)
            button.setIcon(icons.icon(icon))
            button.setText(one.title)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            self._layout_group.addButton(button, number)
            row.addWidget(button)
        self._layout_group.idClicked.connect(lambda number: self.change_layout(shown[number][0]))
        row.addStretch(1)
        return row

    def _grey_row(self) -> QFormLayout:
        rows = QFormLayout()
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.width_box, self.center_box = QDoubleSpinBox(), QDoubleSpinBox()
        for box, name, low in ((self.width_box, strings.WIDTH, 0.001), (self.center_box, strings.CENTER, -1e7)):
            box.setRange(low, 1e7)
            box.setDecimals(1)
            box.setKeyboardTracking(False)
            box.setAccessibleName(name)
            box.valueChanged.connect(self._grey_typed)
            rows.addRow(name, box)
        buttons = QHBoxLayout()
        for text, action in ((strings.AUTO, "grey.auto"), (strings.HEADER, "grey.header")):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, a=action: self._context.actions.trigger(a))
            buttons.addWidget(button)
        rows.addRow(buttons)
        return rows

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self._shown = True
        actions = self._context.actions
        actions.handle("view.layout", self.next_layout, owner=OWNER)
        actions.handle("read.tags", self.show_tags, owner=OWNER)
        actions.handle("visit.before", lambda: self.step_visit(-1), owner=OWNER)
        actions.handle("visit.after", lambda: self.step_visit(1), owner=OWNER)
        for number in range(10):
            actions.handle(f"visit.{number}", lambda n=number: self.go_to_visit(f"T{n}"), owner=OWNER)
        if self._context.desk.open.series_uid and self._context.desk.open != self._at:
            self._opened(self._context.desk.open)
        self._show_views()

    def hidden(self) -> None:
        """Another module is shown."""
        self._shown = False
        self._context.actions.drop(OWNER)

    def _show_views(self) -> None:
        if not self._shown:
            return
        if not self._wanted.series_uid:
            empty = Placeholder(
                "radiology-box-outline",
                strings.NOTHING_OPEN,
                (strings.GO_BROWSE, lambda: self._context.desk.show_module("browse")),
                hint=strings.NOTHING_OPEN_HINT,
            )
            self._context.views.show(EMPTY, {"empty": empty})
        elif self._context.views.layout_shown is not self._layout:
            self._context.views.show(self._layout, self.views)

    # opening

    def _opened(self, at: Selection) -> None:
        self._wanted = at
        if not self._shown:
            return
        try:
            self._series = self._context.catalogue.series(at.series_uid)
            self._visit = self._context.catalogue.visit(at.study_uid)
        except (TumorDiffError, KeyError) as error:
            self._trouble(getattr(error, "sentence", strings.AWAY), "")
            return
        if at.study_uid != self._at.study_uid:
            self._masks, self._wished = {}, {False: set(), True: set()}
            self._place_overlays()
            self._grey_of = ""
            for view in self.views.values():
                view.zoom.fit()
        self._list_phases()
        self._list_series()
        self._list_overlays()
        self.show_phase(at.phase or 0)
        self._show_views()

    def show_phase(self, phase: int) -> None:
        """Bring a phase of the open series; the old picture stays until it is there."""
        at = replace(self._wanted, phase=phase)
        self._wanted = at
        button = self._phases.button(phase)
        if button is not None:
            button.setChecked(True)
        name = self._phase_name(phase)
        for view in self.views.values():
            view.set(loading=strings.LOADING.format(name=name), trouble="")
        self._context.pictures.phase(
            at.series_uid, phase, lambda picture: self._arrived(at, picture), lambda s, d: self._failed(at, s, d)
        )

    def _arrived(self, at: Selection, picture: Picture) -> None:
        if at != self._wanted:
            return
        before, self._at = self._at, at
        first = before.series_uid != at.series_uid
        picture = in_colour(picture, getattr(self._series, "role", ""))
        for view in self.views.values():
            view.show(picture, keep_grey=not first and not self._in_parts())
        if first:
            self._on_map = picture.colours is not None
            self._place_overlays()
        self._tell(picture)
        self._context.desk.select(at.patient_id, at.study_uid, at.series_uid, at.phase)
        self._window_of_visit(at)
        self._fetch_neighbours(at)

    def _window_of_visit(self, at: Selection) -> None:
        """One window for all phases of a visit, from its first post-contrast phase."""
        if self._series is None or len(self._series.phases) < 2 or self._in_parts() or self._grey_of == at.series_uid:
            return
        self._grey_of = at.series_uid
        was = self.views["native"].grey.window

        def post_arrived(picture: Picture) -> None:
            if self._at.series_uid == at.series_uid and self.views["native"].grey.window == was:
                self.views["native"].grey.set(*picture.default_window)

        self._context.pictures.phase(at.series_uid, 1, post_arrived)

    def _fetch_neighbours(self, at: Selection) -> None:
        for phase in getattr(self._series, "phases", ()):
            if self._context.pictures.kept(at.series_uid, phase.index) is None:
                self._context.pictures.phase(at.series_uid, phase.index, lambda _picture: None, first=False)

    def _failed(self, at: Selection, sentence: str, details: str) -> None:
        if at == self._wanted:
            self._trouble(sentence, details)

    def _trouble(self, sentence: str, details: str) -> None:
        for view in self.views.values():
            view.set(loading="", trouble=sentence if view.native else "", details=details)
        self._show_views()

    def _again(self, model: SliceView) -> None:
        if model in self.views.values():
            self._opened(self._wanted)

    def _tell(self, picture: Picture) -> None:
        facts = picture.facts
        visit = getattr(self._visit, "label", "") or str(facts.get("time_point") or "")
        description = str(facts.get("series_description") or getattr(self._series, "description", ""))
        self.title.setText("  ".join(t for t in (visit, description) if t))
        shape, spacing = picture.geometry.shape, picture.geometry.spacing_mm
        self.subtitle.setText(
            strings.GRID.format(
                plane=picture.geometry.plane, columns=shape[2], rows=shape[1], slices=shape[0],
                column_mm=spacing[2], row_mm=spacing[1], slice_mm=spacing[0],
            )
        )  # fmt: skip

    # phases, series, visits

    def _phase_name(self, phase: int) -> str:
        known = [p for p in getattr(self._series, "phases", ()) if p.index == phase]
        label = known[0].label if known else ""
        return label or (strings.PHASE_PRE if phase == 0 else strings.PHASE_AUTO.format(number=phase))

    def _in_parts(self) -> bool:
        """Whether what is open are stacks of one series that are no phases of an acquisition."""
        phases = getattr(self._series, "phases", ())
        return len(phases) > 1 and all(phase.label.startswith(PART) for phase in phases)

    def _list_phases(self) -> None:
        for button in self._phases.buttons():
            self._phases.removeButton(button)
            self._phase_row.removeWidget(button)
            button.deleteLater()
        phases = getattr(self._series, "phases", ())
        self._phase_head.setVisible(len(phases) > 1)
        self._phase_head.setText(strings.PARTS if self._in_parts() else strings.PHASES)
        for phase in phases if len(phases) > 1 else ():
            button = QToolButton(checkable=True)
            button.setText(self._phase_name(phase.index))
            if phase.effective_s is not None:
                button.setToolTip(f"{phase.effective_s:+.0f} s")
            elif self._in_parts():
                button.setToolTip(strings.SLICES.format(slices=phase.slices))
            self._phases.addButton(button, phase.index)
            place = self._phase_row.count()
            in_a_row = LONG_NAMES_IN_A_ROW if any(len(p.label) > LONG_NAME for p in phases) else PHASES_IN_A_ROW
            self._phase_row.addWidget(button, place // in_a_row, place % in_a_row)

    def _list_series(self) -> None:
        self.series_list.clear()
        for series in self._visit.series:
            if not series.phases:
                continue
            item = QListWidgetItem(series.description or series.role)
            item.setData(Qt.ItemDataRole.UserRole, series.uid)
            item.setToolTip(f"{series.role}  {series.remark}".strip())
            self.series_list.addItem(item)
            if series.uid == self._wanted.series_uid:
                self.series_list.setCurrentItem(item)
        rows = max(self.series_list.count(), 1)
        frame = 2 * self.series_list.frameWidth() + 2
        self.series_list.setFixedHeight(min(rows, MOST_SERIES_ROWS) * self.series_list.sizeHintForRow(0) + frame)

    def _series_chosen(self, item: QListWidgetItem) -> None:
        uid = str(item.data(Qt.ItemDataRole.UserRole))
        if uid != self._wanted.series_uid:
            self._context.desk.open_phase(replace(self._wanted, series_uid=uid, phase=0))

    def _visits(self) -> list[Any]:
        patient = self._context.catalogue.patient(self._wanted.patient_id)
        return [] if patient is None else sorted(patient.visits, key=lambda v: v.label)

    def go_to_visit(self, label: str) -> None:
        """The same series of another visit, at the same phase."""
        visit = next((v for v in self._visits() if v.label == label), None)
        role = getattr(self._series, "role", "dynamic")
        series = next((s for s in getattr(visit, "series", ()) if s.role == role and s.phases), None)
        if visit is None or series is None:
            self._context.desk.say(strings.VISIT_STEP.format(label=label))
            return
        phase = min(self._wanted.phase or 0, len(series.phases) - 1)
        self._context.desk.open_phase(Selection(self._wanted.patient_id, visit.study_uid, series.uid, phase))

    def step_visit(self, steps: int) -> None:
        """The visit before or after."""
        labels = [v.label for v in self._visits()]
        here = getattr(self._visit, "label", "")
        if here in labels and 0 <= labels.index(here) + steps < len(labels):
            self.go_to_visit(labels[labels.index(here) + steps])

    # layout, grey

    def change_layout(self, wanted: Layout) -> None:
        """Another layout, as a step that can be undone."""
        if wanted is not self._layout and self._wanted.series_uid:
            self._context.views.change(wanted, self.views)

    def next_layout(self) -> None:
        """Single, three, single ..."""
        self.change_layout(self._single if self._layout is self._three else self._three)

    def _layout_shown(self, shown: Layout) -> None:
        if shown is self._single or shown is self._three:
            self._layout = shown
            self._layout_group.button(0 if shown is self._single else 1).setChecked(True)

    def _grey_changed(self) -> None:
        grey = self.views["native"].grey
        for box, value in ((self.width_box, grey.width), (self.center_box, grey.center)):
            box.blockSignals(True)
            box.setDecimals(1 if grey.width >= 20 else 3)
            box.setValue(value)
            box.blockSignals(False)

    def _view_changed(self) -> None:
        view = self.views["native"]
        held = {
            "view.crosshair": view.crosshair, "view.interpolate": view.interpolate,
            "grey.invert": view.grey.inverted,
        }  # fmt: skip
        for action, on in held.items():
            self._ticks[action].setChecked(on)

    def _grey_typed(self) -> None:
        self._context.views.set_grey(self.views["native"], self.center_box.value(), self.width_box.value())

    # overlays

    def _list_overlays(self) -> None:
        while self._overlay_box.count():
            item = self._overlay_box.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        recorded = self._context.catalogue.recorded(self._wanted.study_uid)
        found = dict(getattr(recorded, "masks", {}) or {})
        masks = [label for label in strings.MASK_TITLES if label in found]
        masks += [label for label in found if label not in masks]
        self._eyes = {}
        for number, label in enumerate(masks):
            self._overlay_box.addWidget(self._overlay_row(label, strings.MASK_COLOURS[number % 4]))
        self._no_overlays.setVisible(not masks)

    def _overlay_row(self, label: str, colour: str) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        eye = self._eyes[label] = QToolButton()
        eye.setCheckable(True)
        eye.setIcon(icons.icon("eye-outline", colour))
        name = strings.MASK_TITLES.get(label, label)
        eye.setText(name)
        eye.setToolTip(f"{strings.MASK_HINTS.get(label, label)}\n{strings.OTHER_GRID}")
        eye.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        eye.setAccessibleName(f"{strings.SHOW} {name}")
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(10, 100)
        slider.setValue(45)
        slider.setAccessibleName(strings.OPACITY.format(name=name))
        slider.setFixedWidth(90)
        slider.valueChanged.connect(lambda value: self._set_opacity(label, value / 100))
        eye.toggled.connect(lambda on: self._toggle_mask(label, name, colour, on))
        line.addWidget(eye)
        line.addStretch(1)
        line.addWidget(slider)
        return row

    def _toggle_mask(self, label: str, name: str, colour: str, on: bool) -> None:
        wished = self._wished[self._on_map]
        wished.add(label) if on else wished.discard(label)
        if label in self._masks or not on:
            self._place_overlays()
            return
        study = self._wanted.study_uid

        def arrived(reply: dict[str, Any]) -> None:
            picture = self.views["native"].picture
            if study == self._wanted.study_uid and picture is not None:
                values = np.load(Path(reply["npy"]), mmap_mode="r", allow_pickle=False).astype(bool, copy=False)
                self._masks[label] = (Overlay(label, name, values, colour), geometry_of(reply, picture.geometry))
                self._place_overlays()

        body = {"op": "mask", "study_uid": study, "label": label}
        self._context.warm.ask("reader", body, arrived, lambda s, _d: self._context.jobs.troubled.emit(s))

    def _set_opacity(self, label: str, opacity: float) -> None:
        if label in self._masks:
            overlay, geometry = self._masks[label]
            self._masks[label] = (replace(overlay, opacity=opacity), geometry)
            self._place_overlays()

    def _place_overlays(self) -> None:
        """Put the masks over the views whose grid they were drawn on; a colour map starts without any."""
        wished = self._wished[self._on_map]
        for label, eye in self._eyes.items():
            eye.blockSignals(True)
            eye.setChecked(label in wished)
            eye.blockSignals(False)
        for view in self.views.values():
            grid = None if view.picture is None else view.picture.geometry
            view.set(overlays=tuple(
                replace(overlay, shown=label in wished) for label, (overlay, drawn_on) in self._masks.items()
                if grid is not None and same_grid(grid, drawn_on)
            ))  # fmt: skip

    # tags

    def show_tags(self) -> None:
        """The tags of the file behind the slice that is shown."""
        at = self._at
        files = self._context.catalogue.phase_files(at.series_uid, at.phase or 0) if at.series_uid else ()
        index = self.views["native"].slice_index or 0
        if not files:
            self._context.desk.say(strings.NO_FILES)
            return
        if self._tags is None:
            self._tags = TagViewer(self.window())
            self._tags.compare_wanted.connect(self._compare_tags)
        viewer = self._tags
        name = f"{self.title.text()}  {index + 1}/{len(files)}"
        viewer.show_rows(name, [])
        self._tag_files = self._others(files, index)
        viewer.set_others([(title, title) for title in self._tag_files])
        viewer.show()
        viewer.raise_()
        self._ask_tags(files[min(index, len(files) - 1)].path, lambda reply: viewer.show_rows(name, rows_of(reply)))

    def _compare_tags(self, title: str) -> None:
        viewer = self._tags
        if viewer is not None:
            self._ask_tags(self._tag_files[title], lambda reply: viewer.compare_with(title, rows_of(reply)))

    def _ask_tags(self, path: Path, arrived: Callable[[dict[str, Any]], None]) -> None:
        self._context.warm.ask(
            "reader", {"op": "tags", "path": str(path)}, arrived,
            lambda sentence, _details: self._context.jobs.troubled.emit(sentence), key="tags", first=True,
        )  # fmt: skip

    def _others(self, files: Sequence[Any], index: int) -> dict[str, Path]:
        """Files whose tags one may want beside those of a slice: its neighbours, phases, visits, other series."""
        found: dict[str, Path] = {}
        if index > 0:
            found[strings.TAGS_BEFORE] = files[index - 1].path
        if index + 1 < len(files):
            found[strings.TAGS_NEXT] = files[index + 1].path
        for phase in getattr(self._series, "phases", ()):
            if phase.index != self._at.phase:
                title = strings.TAGS_PHASE.format(phase=self._phase_name(phase.index))
                self._add_file(found, title, self._at.series_uid, phase.index, index)
        for visit in self._visits():
            for series in visit.series:
                if series.role != getattr(self._series, "role", "") or series.uid == self._at.series_uid:
                    continue
                title = strings.TAGS_VISIT.format(label=visit.label, series=series.description or series.role)
                self._add_file(found, title, series.uid, min(self._at.phase or 0, len(series.phases) - 1), index)
        for series in getattr(self._visit, "series", ()):
            if series.uid != self._at.series_uid and series.role != getattr(self._series, "role", ""):
                title = strings.TAGS_SERIES.format(series=series.description or series.role)
                self._add_file(found, title, series.uid, 0, 0)
        return found

    def _add_file(self, found: dict[str, Path], title: str, series_uid: str, phase: int, index: int) -> None:
        files = self._context.catalogue.phase_files(series_uid, max(phase, 0))
        if files:
            found[title] = files[min(index, len(files) - 1)].path


def same_grid(first: Geometry, second: Geometry) -> bool:
    """Whether voxel [k, r, c] of both lies at the same place."""
    return first.shape == second.shape and bool(np.allclose(first.affine, second.affine, atol=SAME_GRID_MM))


def geometry_of(reply: dict[str, Any], otherwise: Geometry) -> Geometry:
    """The grid that the reader names in its answer."""
    if not reply.get("record"):
        return otherwise
    record = json.loads(Path(reply["record"]).read_text("utf-8"))
    return Geometry.from_record(record["geometry"])


def in_colour(picture: Picture, role: str) -> Picture:
    """A derived map in its fixed range and colours; what is no map stays as it is."""
    if role not in MAP_LOOKS:
        return picture
    low, high, name, legend, unit = MAP_LOOKS[role]
    table = maps.colours(name).copy()
    table[0] = 0xFF000000
    window = ((low + high) / 2, high - low)
    return replace(picture, window=window, colours=table, legend=legend, unit=unit)
