"""The browse panel: search, tree, import; it tells the desk what is chosen and opened."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core.errors import TumorDiffError
from tumordiff_gui.modules.browse import strings
from tumordiff_gui.modules.browse.board import Board
from tumordiff_gui.modules.browse.filters import Filters
from tumordiff_gui.modules.browse.skipped import Skipped
from tumordiff_gui.modules.browse.tree import Delegate, Row, Tree, rows_of
from tumordiff_gui.modules.browse.visit_edit import VisitEdit
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.state.layout import Cell, Layout
from tumordiff_gui.state.undo import Command
from tumordiff_gui.theme import apply, icons
from tumordiff_gui.views.placeholder import Placeholder

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

TYPING_PAUSE_MS = 120
REFRESH_MS = 400
PATIENCE_FACTOR = 8
MOST_UNFOLDED = 12
BOARD = Layout("board", "Board", (Cell("board"),))
MOST_REMEMBERED = 200
ORDERS: dict[str, Callable[[Any], Any] | None] = {
    "id": None, "age": lambda p: number_in(p.age), "subtype": lambda p: p.facts.get("subtype"),
    "pcr": lambda p: p.facts.get("pcr"),
}  # fmt: skip


class Panel(QWidget):
    """Patients, visits, series and phases."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._context = context
        self._patients: list[Any] = []
        self._results: list[Any] = []
        self._refresh_timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._refresh_timer.timeout.connect(self.refresh)
        self._search_timer = QTimer(self, singleShot=True, interval=TYPING_PAUSE_MS)
        self._search_timer.timeout.connect(self.refresh)
        self._import_job = ""
        self._listed_stamp: tuple[Any, ...] = ()
        self._board_stamp: tuple[Any, ...] = ()
        self._shown = False
        self.dialogue: VisitEdit | None = None
        self.skipped: Skipped | None = None
        self.board = Board(context.warm)
        self.board.opened.connect(self.open)
        self.board.chosen.connect(self._choose)
        self.board.edit_wanted.connect(self.edit_visit)
        self.board.result_wanted.connect(lambda folder: context.desk.choose_result(Path(folder)))
        self._build()
        context.desk.selected.connect(self._desk_selected)
        context.desk.catalogue_changed.connect(self.refresh_soon)
        context.desk.names_hidden.connect(self._names_hidden)
        context.jobs.changed.connect(self._job_changed)
        context.jobs.ended.connect(self._job_ended)

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 10, 8, 8)
        column.setSpacing(8)
        top = QHBoxLayout()
        self.search = QLineEdit(placeholderText=strings.SEARCH, clearButtonEnabled=True)
        self.search.setAccessibleName(strings.SEARCH)
        self.search.addAction(icons.icon("magnify", "secondary"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(lambda _: self._search_timer.start())
        self.import_button = QToolButton()
        self.import_button.setIcon(icons.icon("folder-open-outline"))
        self.import_button.setToolTip(strings.IMPORT)
        self.import_button.setAccessibleName(strings.IMPORT)
        self.import_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.import_button)
        menu.addAction(strings.IMPORT_FOLDER, self.import_folder)
        menu.addAction(strings.IMPORT_FILE, self.import_file)
        self.import_button.setMenu(menu)
        top.addWidget(self.search, 1)
        top.addWidget(self.import_button)
        column.addLayout(top)
        self.filters = Filters()
        top.insertWidget(1, self.filters.sort)
        self.filters.changed.connect(self.refresh)
        column.addWidget(self.filters)
        self.tree = QTreeView(headerHidden=True, uniformRowHeights=True)
        self.tree.setAccessibleName(strings.TREE)
        self.tree.setEditTriggers(QTreeView.EditTrigger.NoEditTriggers)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.setIndentation(14)
        self.tree.customContextMenuRequested.connect(self._menu)
        self.tree.doubleClicked.connect(self._double_clicked)
        self.model = Tree(self)
        self.tree.setModel(self.model)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.tree.setItemDelegate(Delegate(self.tree))
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.selectionModel().currentChanged.connect(self._current_changed)
        enter = QShortcut(QKeySequence(Qt.Key.Key_Return), self.tree, context=Qt.ShortcutContext.WidgetShortcut)
        enter.activated.connect(lambda: self._double_clicked(self.tree.currentIndex()))
        self.empty = Placeholder(
            "folder-open-outline", strings.EMPTY, (strings.IMPORT_FOLDER, self.import_folder), hint=strings.EMPTY_HINT
        )
        self.nothing = QLabel(wordWrap=True, alignment=Qt.AlignmentFlag.AlignCenter)
        self.nothing.setProperty("role", "secondary")
        column.addWidget(self.tree, 1)
        column.addWidget(self.empty, 1)
        column.addWidget(self.nothing, 1)
        column.addWidget(self._import_line())
        self.away = QLabel(wordWrap=True)
        self.away.setProperty("role", "warning")
        self.away.hide()
        column.addWidget(self.away)
        self.empty.hide()
        self.nothing.hide()

    def _import_line(self) -> QFrame:
        self.import_line = QFrame()
        row = QHBoxLayout(self.import_line)
        row.setContentsMargins(4, 0, 4, 0)
        self.import_text = QLabel()
        self.import_text.setProperty("role", "secondary")
        self.why = QPushButton(strings.WHY)
        self.why.setProperty("role", "flat")
        self.why.clicked.connect(self._show_skipped)
        row.addWidget(self.import_text, 1)
        row.addWidget(self.why)
        self.import_line.hide()
        return self.import_line

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self._shown = True
        self.refresh()

    def hidden(self) -> None:
        """Another module is shown."""
        self._shown = False

    def listed(self) -> list[str]:
        """Patients as listed now, for the first paint of the next start."""
        return [row.name for row in self.model.root.children[:MOST_REMEMBERED]]

    # filling

    def refresh_soon(self) -> None:
        """Ask the catalogue again in a moment; many calls become one."""
        if not self._refresh_timer.isActive():
            self._refresh_timer.start()

    def refresh(self) -> None:
        """Ask the catalogue again; what is open, selected and scrolled to stays."""
        query = f"{self.search.text().strip()} {self.filters.words}".strip()
        began = time.monotonic()
        try:
            self._results = list(self._context.catalogue.results())
            self._patients = self._in_order(self._context.catalogue.tree(query))
            self._tell_away()
        except (TumorDiffError, ImportError) as error:
            self.nothing.setText(getattr(error, "sentence", strings.NO_CATALOGUE))
            self._show_only(self.nothing)
            return
        took_ms = (time.monotonic() - began) * 1000
        self._refresh_timer.setInterval(max(REFRESH_MS, round(took_ms * PATIENCE_FACTOR)))
        hidden = self._context.desk.hide_names
        if not query:
            self.filters.set_subtypes(str(p.facts["subtype"]) for p in self._patients if p.facts.get("subtype"))
        stamp = (self._patients, self._results, hidden, query, apply.current().name)
        if stamp != self._listed_stamp:
            self._listed_stamp = stamp
            self._fill(rows_of(self._patients, self._results, hide_names=hidden), query)
        self._show_board()

    def _in_order(self, patients: Iterable[Any]) -> list[Any]:
        """The patients that no filter of ours leaves out, in the order that was chosen; unknown values come last."""
        found = list(patients)
        if self.filters.without_result:
            done = {result.patient_id for result in self._results}
            found = [patient for patient in found if patient.patient_id not in done]
        key = ORDERS[self.filters.order]
        return found if key is None else sorted(found, key=lambda patient: _last_if_unknown(key(patient)))

    def _tell_away(self) -> None:
        gone = [Path(str(root["path"])) for root in self._context.catalogue.roots() if not root["present"]]
        self.away.setText(strings.DISK_AWAY.format(names=", ".join(place.name or str(place) for place in gone)))
        self.away.setToolTip(strings.DISK_AWAY_HINT.format(paths="\n".join(str(place) for place in gone)))
        self.away.setVisible(bool(gone))

    def _fill(self, root: Row, query: str) -> None:
        open_keys, current, scroll = self._open_keys(), self._current(), self.tree.verticalScrollBar().value()
        first = not self.model.root.children
        self.model.set_root(root)
        if query and len(root.children) <= MOST_UNFOLDED:
            self.tree.expandToDepth(1)
        for patient_id, key in open_keys:
            self.tree.setExpanded(self.model.index_of(key, patient_id), True)
        if first and len(root.children) == 1:
            self.tree.expandToDepth(1)
        at = self._context.desk.selection
        self._set_current(*(current if current[0] else (_key_of(at), at.patient_id)))
        self.tree.verticalScrollBar().setValue(scroll)
        if root.children:
            self._show_only(self.tree)
        elif query or self.filters.without_result:
            self.nothing.setText(self._nothing_text())
            self._show_only(self.nothing)
        else:
            self._show_only(self.empty)

    def _show_only(self, widget: QWidget) -> None:
        for each in (self.tree, self.empty, self.nothing):
            each.setVisible(each is widget)

    def _nothing_text(self) -> str:
        if self.filters.line.isVisibleTo(self.filters):
            return f"{strings.NOTHING_FILTERED}\n{strings.NOTHING_FILTERED_HINT}"
        query = self.search.text().strip()
        return f"{strings.NOTHING_FOUND.format(query=query)}\n{strings.NOTHING_FOUND_HINT}"

    def _open_keys(self) -> list[tuple[str, str]]:
        """(patient, key) of the rows that are unfolded, parents first; what is folded is not looked into."""
        found, waiting = [], list(self.model.root.children)
        while waiting:
            row = waiting.pop(0)
            patient_id = row.selection.patient_id
            if row.has_children and self.tree.isExpanded(self.model.index_of(row.key, patient_id)):
                found.append((patient_id, row.key))
                waiting.extend(row.children)
        return found

    def _current_key(self) -> str:
        return self._current()[0]

    def _current(self) -> tuple[str, str]:
        row = self.model.row_of(self.tree.currentIndex())
        return (row.key, row.selection.patient_id) if row is not None else ("", "")

    def _set_current(self, key: str, patient_id: str) -> None:
        index = self.model.index_of(key, patient_id) if key else QModelIndex()
        if index.isValid():
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            self.tree.selectionModel().setCurrentIndex(index, flags)

    # choosing and opening

    def _current_changed(self, index: QModelIndex, _before: QModelIndex) -> None:
        row = self.model.row_of(index)
        if row is not None:
            at = row.selection
            self._context.desk.select(at.patient_id, at.study_uid, at.series_uid, at.phase)

    def _choose(self, at: Selection) -> None:
        self._context.desk.select(at.patient_id, at.study_uid, at.series_uid, at.phase)

    def _desk_selected(self, at: Selection) -> None:
        if self._current_key() != _key_of(at):
            row = self.model.row_of(self.tree.currentIndex())
            if row is None or row.selection != at:
                self._set_current(_key_of(at), at.patient_id)
        self._show_board()
        self.board.select(at)

    def _double_clicked(self, index: QModelIndex) -> None:
        row = self.model.row_of(index)
        if row is None:
            return
        if row.kind == "result":
            self._context.desk.choose_result(Path(row.node.folder))
        elif row.kind in {"series", "phase"} and (row.kind == "phase" or row.node.phases):
            self.open(row.selection)
        elif row.kind == "visit":
            dynamic = next((s for s in row.node.series if s.role == "dynamic" and s.phases), None)
            if dynamic is not None:
                self.open(Selection(row.selection.patient_id, row.selection.study_uid, dynamic.uid))

    def open(self, at: Selection) -> None:
        """Show a phase in Read."""
        self._context.desk.open_phase(at)
        self._context.desk.show_module("read")

    def _show_board(self) -> None:
        if not self._shown:
            return
        wanted = self._context.desk.selection.patient_id
        patient = next((p for p in self._patients if p.patient_id == wanted), None)
        if patient is None and wanted:
            patient = self._context.catalogue.patient(wanted)
        if patient is None:
            content: QWidget = self._board_placeholder()
        else:
            results = [r for r in self._results if any(r.study_uid == v.study_uid for v in patient.visits)]
            stamp = (patient, results, self._context.desk.hide_names, apply.current().name)
            if stamp != self._board_stamp:
                self._board_stamp = stamp
                self.board.show_patient(patient, results, hide_names=self._context.desk.hide_names)
            self.board.select(self._context.desk.selection)
            content = self.board
        shown = self._context.views.contents.get("board")
        same = isinstance(shown, Placeholder) and isinstance(content, Placeholder) and shown.text == content.text
        if shown is not content and not same:
            self._context.views.show(BOARD, {"board": content})

    def _board_placeholder(self) -> Placeholder:
        if self._patients:
            return Placeholder("account-outline", strings.CHOOSE_PATIENT, hint=strings.CHOOSE_PATIENT_HINT)
        if self.nothing.isVisibleTo(self):
            first, _, hint = self.nothing.text().partition("\n")
            return Placeholder("filter-variant", first, hint=hint)
        return Placeholder(
            "folder-open-outline",
            strings.EMPTY,
            (strings.IMPORT_FOLDER, self.import_folder),
            (strings.IMPORT_FILE, self.import_file),
            hint=strings.EMPTY_HINT,
        )

    def _names_hidden(self, _hidden: bool) -> None:
        self.refresh()

    # the menu of a row

    def _menu(self, at: QPoint) -> None:
        row = self.model.row_of(self.tree.indexAt(at))
        if row is None:
            return
        self.menu_of(row).popup(self.tree.viewport().mapToGlobal(at))

    def menu_of(self, row: Row) -> QMenu:
        """What can be done with a row."""
        menu = QMenu(self)
        if row.kind in {"series", "phase"}:
            menu.addAction(strings.OPEN, lambda: self.open(row.selection))
        if row.kind == "series" and row.node.role == "dynamic":
            menu.addAction(strings.DENOISE, lambda: self._denoise(row))
        if row.kind == "visit":
            menu.addAction(strings.EDIT_VISIT, lambda: self.edit_visit(row.node))
        identifier = row.selection.series_uid or row.selection.study_uid or row.selection.patient_id
        menu.addAction(strings.COPY_ID, lambda: QGuiApplication.clipboard().setText(identifier))
        return menu

    def _denoise(self, row: Row) -> None:
        self._choose(row.selection)
        self._context.desk.show_module("denoise")

    # correcting a visit

    def edit_visit(self, visit: Any) -> None:
        """Ask for label and days of a visit; the change goes onto the undo stack."""
        self.dialogue = VisitEdit(self, visit.label, visit.days, visit.evidence)
        self.dialogue.accepted.connect(lambda: self._keep_visit(visit, *self.dialogue.answer()))
        self.dialogue.open()

    def _keep_visit(self, visit: Any, label: str, days: int | None) -> None:
        edits = self._context.edits
        try:
            before = edits.set_time_point(visit.study_uid, label, days)
        except TumorDiffError as error:
            self._context.jobs.troubled.emit(error.sentence)
            return

        def again() -> None:
            edits.set_time_point(visit.study_uid, label, days)
            self._context.desk.catalogue_moved()

        def back() -> None:
            edits.restore_time_point(before)
            self._context.desk.catalogue_moved()

        text = strings.EDIT_STEP.format(old=visit.label or strings.NO_LABEL, new=label)
        self._context.undo.push(Command(text, again, back), done=True)
        self._context.desk.say(strings.EDIT_DONE.format(new=label))
        self._context.desk.catalogue_moved()

    # importing

    def import_folder(self) -> None:
        """The window's own import: asks for a folder."""
        self._context.actions.trigger("app.import")

    def import_file(self) -> None:
        """Ask for a zip, a DICOMDIR or a table and import it."""
        found, _ = QFileDialog.getOpenFileName(self, strings.IMPORT_FILE)
        if found:
            self._context.import_paths([Path(found)])

    def _job_changed(self, job_id: str) -> None:
        view = self._context.jobs.job(job_id)
        if view.record.task != "index":
            return
        self._import_job = job_id
        if view.active:
            self.refresh_soon()
            count = round(view.done)
            total = round(view.total) if view.total else None
            text = strings.IMPORT_RUNNING_UNKNOWN.format(stage=view.stage)
            if total:
                text = strings.IMPORT_RUNNING.format(done=f"{count:,}", total=f"{total:,}")
            self._tell_import(text, view.warnings)

    def _job_ended(self, job_id: str, state: str) -> None:
        view = self._context.jobs.job(job_id)
        if view.record.task == "index":
            self._tell_import(strings.IMPORT_DONE if view.warnings else "", view.warnings)
            self.refresh_soon()

    def _tell_import(self, text: str, skipped: list[str]) -> None:
        if skipped:
            text = f"{text}   {strings.IMPORT_SKIPPED.format(count=len(skipped))}"
        self.import_text.setText(text)
        self.why.setVisible(bool(skipped))
        self.import_line.setVisible(bool(text))

    def _show_skipped(self) -> None:
        known = self._context.jobs.has(self._import_job)
        told = self._context.jobs.job(self._import_job).warnings if known else []
        self.skipped = Skipped(self, [*self._context.catalogue.doubts(), *self._context.catalogue.skipped()], told)
        self.skipped.open()


def number_in(text: Any) -> int | None:
    """The number of an age such as ``"052Y"``; ``None`` where there is none."""
    digits = "".join(c for c in str(text or "").split(".")[0] if c.isdigit())
    return int(digits) if digits else None


def _last_if_unknown(value: Any) -> tuple[bool, Any]:
    return (True, 0) if value is None else (False, value)


def _key_of(at: Selection) -> str:
    """The key of the row that a selection names."""
    if at.series_uid and at.phase is not None:
        return f"f:{at.series_uid}:{at.phase}"
    if at.series_uid:
        return f"s:{at.series_uid}"
    if at.study_uid:
        return f"v:{at.study_uid}"
    return f"p:{at.patient_id}" if at.patient_id else ""
