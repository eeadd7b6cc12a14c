"""The jobs dock: every job with stage, progress and time left; stop, resume, retry; its result one click away."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_gui import words
from tumordiff_gui.background.job_text import STATE_ICONS, details_text, left_text, row_text
from tumordiff_gui.background.jobs import Jobs, JobView
from tumordiff_gui.background.machine import Machine, load_text
from tumordiff_gui.state.desk import Desk
from tumordiff_gui.theme import apply, icons

MOST_ROWS = 40


class Row(QFrame):
    """One job."""

    def __init__(self, dock: "JobsDock", view: JobView) -> None:
        super().__init__()
        self._dock, self.view = dock, view
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 3, 12, 3)
        line.setSpacing(10)
        self._icon = QLabel()
        self._title = QLabel(view.record.title)
        self._title.setMinimumWidth(180)
        self._text = QLabel()
        self._text.setProperty("role", "secondary")
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.bar = QProgressBar(textVisible=False)
        self.bar.setFixedWidth(140)
        self.bar.setAccessibleName(view.record.title)
        self.left = QLabel()
        self.left.setFixedWidth(96)
        self.stop = QToolButton()
        self.stop.setText(words.STOP)
        self.stop.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.stop.clicked.connect(lambda: dock.jobs.stop(view.id, "step"))
        menu = QMenu(self.stop)
        for word, text in words.STOP_WORDS.items():
            menu.addAction(text, lambda word=word: dock.jobs.stop(view.id, word))
        self.stop.setMenu(menu)
        self.resume = QPushButton(words.RESUME)
        self.resume.clicked.connect(lambda: dock.jobs.resume(view.id))
        self.retry = QPushButton(words.RETRY)
        self.retry.clicked.connect(lambda: dock.jobs.retry(view.id))
        self.details = QPushButton(words.DETAILS)
        self.details.clicked.connect(lambda: dock.details_wanted.emit(view.record.title, details_text(view)))
        self.open = QPushButton(words.OPEN_RESULT)
        self.open.setProperty("role", "primary")
        self.open.clicked.connect(self._open)
        for widget in (self._icon, self._title):
            line.addWidget(widget)
        line.addWidget(self._text, 1)
        for widget in (self.bar, self.left, self.stop, self.resume, self.retry, self.details, self.open):
            line.addWidget(widget)
        self.refresh()

    def _open(self) -> None:
        if self.view.result is not None:
            self._dock.desk.choose_result(self.view.result)

    def refresh(self) -> None:
        """Say where the job stands now."""
        view = self.view
        name, role = STATE_ICONS[view.state]
        self._icon.setPixmap(icons.icon(name, role).pixmap(18, 18))
        self._icon.setToolTip(words.JOB_STATES[view.state])
        self._text.setText(row_text(view))
        self._text.setToolTip("\n".join(view.warnings[-5:]))
        self.bar.setVisible(view.active)
        fraction = view.fraction
        self.bar.setRange(0, 0 if fraction is None and view.state == "running" else 1000)
        self.bar.setValue(round(1000 * (fraction or 0)))
        self.left.setText(left_text(view))
        self.stop.setVisible(view.active)
        self.stop.setEnabled(view.state != "stopping")
        self.resume.setVisible(view.state in {"stopped", "lost"})
        self.retry.setVisible(view.state in {"failed", "stopped"})
        self.details.setVisible(view.state in {"failed", "lost"})
        self.open.setVisible(view.state == "done" and view.result is not None)


class JobsDock(QFrame):
    """All jobs, newest first; the line above counts them.

    Signals
    -------
    details_wanted : (title, text)
    counted : (running, waiting, overall fraction or None)
    """

    details_wanted = Signal(str, str)
    counted = Signal(int, int, object)

    def __init__(self, jobs: Jobs, desk: Desk) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self.jobs, self.desk = jobs, desk
        self.rows: dict[str, Row] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(12, 6, 8, 4)
        title = QLabel(words.JOBS_TITLE)
        title.setProperty("role", "title")
        self._count = QLabel()
        self._count.setProperty("role", "secondary")
        self._load = QLabel()
        self._load.setProperty("role", "secondary")
        self._load.setFont(apply.font(12, tabular=True))
        self.machine = Machine(self)
        self.machine.told.connect(lambda load: self._load.setText(load_text(load)))
        more = QPushButton(words.ALL_JOBS)
        more.setProperty("role", "flat")
        more.clicked.connect(lambda: desk.show_module("jobs"))
        close = QToolButton()
        close.setIcon(icons.icon("close", "secondary"))
        close.setAccessibleName(words.DISMISS)
        close.clicked.connect(self.hide)
        head.addWidget(title)
        head.addSpacing(12)
        head.addWidget(self._count, 1)
        head.addWidget(self._load)
        head.addWidget(more)
        head.addWidget(close)
        column.addLayout(head)
        self._list = QWidget()
        self._rows = QVBoxLayout(self._list)
        self._rows.setContentsMargins(0, 0, 0, 4)
        self._rows.setSpacing(0)
        self._empty = QLabel(words.NO_JOBS_YET)
        self._empty.setProperty("role", "secondary")
        self._empty.setContentsMargins(12, 8, 12, 8)
        self._rows.addWidget(self._empty)
        self._rows.addStretch(1)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setProperty("role", "clear")
        scroll.setWidget(self._list)
        column.addWidget(scroll, 1)
        self.setMinimumHeight(120)
        jobs.listed.connect(self._relist)
        jobs.changed.connect(self._changed)
        self._relist()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.machine.begin()
        self._relist()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.machine.end()

    def _relist(self) -> None:
        self._recount()
        if not self.isVisible():
            return
        wanted = {view.id: view for view in self.jobs.all()[:MOST_ROWS]}
        for job_id in [i for i in self.rows if i not in wanted]:
            self.rows.pop(job_id).deleteLater()
        for position, (job_id, view) in enumerate(wanted.items()):
            if job_id not in self.rows:
                self.rows[job_id] = Row(self, view)
                self._rows.insertWidget(position + 1, self.rows[job_id])
        self._empty.setVisible(not wanted)

    def _changed(self, job_id: str) -> None:
        if job_id in self.rows:
            self.rows[job_id].refresh()
        self._recount()

    def _recount(self) -> None:
        views = self.jobs.all()
        running = [v for v in views if v.state in {"running", "stopping"}]
        waiting = sum(v.state == "queued" for v in views)
        done = sum(v.state == "done" for v in views)
        self._count.setText(words.JOBS_COUNT.format(running=len(running), waiting=waiting, done=done))
        fractions = [v.fraction for v in running if v.fraction is not None]
        self.counted.emit(len(running), waiting, sum(fractions) / len(fractions) if fractions else None)
