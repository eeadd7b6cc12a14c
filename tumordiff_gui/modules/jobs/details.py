"""One job in the picture area: where it stands, what can be done, its log, curves, parameters and trouble."""

from datetime import datetime
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QTabWidget,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
)

from tumordiff_gui import words
from tumordiff_gui.background.job_text import STATE_ICONS, left_text, row_text
from tumordiff_gui.background.jobs import JobView, log_of, traceback_of
from tumordiff_gui.modules.jobs import strings
from tumordiff_gui.modules.jobs.curves import Curves
from tumordiff_gui.theme import apply, icons

FULL = 1000


class Details(QFrame):
    """Everything about the chosen job.

    Signals
    -------
    wanted : what shall be done: ``"stop step"``, ``"stop epoch"``, ``"stop now"``, ``"resume"``, ``"retry"``,
        ``"changes"``, ``"open"``, ``"folder"`` or ``"delete"``
    """

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.view: JobView | None = None
        self._log_stamp: tuple[Any, ...] = ()
        self._trouble_stamp: tuple[Any, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 12)
        column.setSpacing(8)
        head = QHBoxLayout()
        self._icon = QLabel()
        self.title = QLabel(wordWrap=True)
        self.title.setFont(apply.font(20, semibold=True))
        head.addWidget(self._icon)
        head.addWidget(self.title, 1)
        column.addLayout(head)
        self.text = QLabel(wordWrap=True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.text)
        line = QHBoxLayout()
        self.bar = QProgressBar(textVisible=False)
        self.left = QLabel()
        self.left.setProperty("role", "secondary")
        line.addWidget(self.bar, 1)
        line.addWidget(self.left)
        column.addLayout(line)
        column.addLayout(self._buttons())
        self.tabs = QTabWidget()
        self.log = QPlainTextEdit(readOnly=True, placeholderText=strings.NO_LOG)
        self.trouble = QPlainTextEdit(readOnly=True, placeholderText=strings.NO_TROUBLE)
        for box, name in ((self.log, strings.LOG), (self.trouble, strings.TROUBLE)):
            box.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
            box.setAccessibleName(name)
        self.curves = Curves()
        self.params = QTreeWidget()
        self.params.setRootIsDecorated(False)
        self.params.setAccessibleName(strings.PARAMS)
        self.params.setHeaderLabels([strings.NAME, strings.VALUE])
        self.params.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        for widget, name in ((self.log, strings.LOG), (self.curves, strings.CURVES), (self.params, strings.PARAMS),
                             (self.trouble, strings.TROUBLE)):  # fmt: skip
            self.tabs.addTab(widget, name)
        self.tabs.currentChanged.connect(lambda _: self.refresh())
        column.addWidget(self.tabs, 1)

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.stop = QToolButton()
        self.stop.setText(words.STOP)
        self.stop.setToolTip(strings.STOP_HINT)
        self.stop.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.stop.clicked.connect(lambda: self.wanted.emit("stop step"))
        menu = QMenu(self.stop)
        for word, text in words.STOP_WORDS.items():
            menu.addAction(text, lambda word=word: self.wanted.emit(f"stop {word}"))
        self.stop.setMenu(menu)
        row.addWidget(self.stop)
        self.actions_: dict[str, QPushButton] = {}
        rows = (
            ("open", words.OPEN_RESULT, ""), ("resume", words.RESUME, strings.RESUME_HINT),
            ("retry", words.RETRY, strings.RETRY_HINT), ("changes", strings.CHANGES, strings.CHANGES_HINT),
            ("folder", strings.FOLDER, ""), ("delete", strings.DELETE, ""),
        )  # fmt: skip
        for name, text, hint in rows:
            button = QPushButton(text)
            button.setToolTip(hint)
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            self.actions_[name] = button
            row.addWidget(button)
        self.actions_["open"].setProperty("role", "primary")
        self.actions_["delete"].setProperty("role", "danger")
        row.addStretch(1)
        return row

    def show_job(self, view: JobView) -> None:
        """Another job, or the same one after it moved."""
        if self.view is not view:
            self.view, self._log_stamp, self._trouble_stamp = view, (), ()
            self.curves.clear()
            self._fill_params(view)
            self.title.setText(view.record.title)
        self.refresh()

    def refresh(self) -> None:
        """Say where the job stands now; only the open tab is filled."""
        view = self.view
        if view is None:
            return
        name, role = STATE_ICONS[view.state]
        self._icon.setPixmap(icons.icon(name, role).pixmap(24, 24))
        self._icon.setToolTip(words.JOB_STATES[view.state])
        self.text.setText(row_text(view))
        self.text.setProperty("role", "error" if view.state == "failed" else "secondary")
        self.text.style().polish(self.text)
        self.bar.setVisible(view.active)
        self.bar.setRange(0, 0 if view.fraction is None and view.state == "running" else FULL)
        self.bar.setValue(round(FULL * (view.fraction or 0.0)))
        self.left.setText(left_text(view))
        self._enable(view)
        if self.tabs.currentWidget() is self.log:
            self._fill_log(view)
        elif self.tabs.currentWidget() is self.curves:
            self.curves.show_metrics(view.metrics)
        elif self.tabs.currentWidget() is self.trouble:
            self._fill_trouble(view)

    def _enable(self, view: JobView) -> None:
        idle = view.state in {"stopped", "failed", "lost"}
        self.stop.setEnabled(view.state in {"queued", "running"})
        able = {
            "open": view.state == "done" and view.result is not None, "resume": idle, "retry": not view.active,
            "changes": not view.active, "folder": True, "delete": view.state not in {"running", "stopping"},
        }  # fmt: skip
        for name, on in able.items():
            self.actions_[name].setEnabled(on)
        self.actions_["open"].setToolTip("" if able["open"] else strings.RESULT_NONE)
        self.actions_["delete"].setToolTip("" if able["delete"] else strings.RUNNING_CANNOT)

    def _fill_log(self, view: JobView) -> None:
        written = log_of(view)
        stamp = (len(view.log), view.log[-1:], len(written), written[-80:])
        if stamp == self._log_stamp:
            return
        self._log_stamp = stamp
        text = "\n".join(part for part in ("\n".join(view.log), written) if part)
        _replace(self.log, text)

    def _fill_trouble(self, view: JobView) -> None:
        stamp = (len(view.warnings), view.state)
        if stamp == self._trouble_stamp:
            return
        self._trouble_stamp = stamp
        _replace(self.trouble, "\n".join(p for p in (view.sentence, *view.warnings, traceback_of(view)) if p))

    def _fill_params(self, view: JobView) -> None:
        self.params.clear()
        record = view.record
        made = datetime.fromisoformat(record.created).astimezone().strftime("%Y-%m-%d %H:%M")
        facts = {**vars(record), "created": made, "inputs": ", ".join(record.inputs)}
        for name, title in strings.FACTS.items():
            if facts[name] not in (None, ""):
                self.params.addTopLevelItem(QTreeWidgetItem([title, str(facts[name])]))
        for name, value in record.params.items():
            item = QTreeWidgetItem([name, str(value)])
            item.setToolTip(1, str(value))
            self.params.addTopLevelItem(item)


def _replace(box: QPlainTextEdit, text: str) -> None:
    """Other text in the same place: who reads the end stays at the end, who scrolled back stays there."""
    scroll = box.verticalScrollBar()
    at, at_end = scroll.value(), scroll.value() >= scroll.maximum() - 1
    box.setPlainText(text)
    scroll.setValue(scroll.maximum() if at_end else at)
