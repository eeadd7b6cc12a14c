"""The jobs panel: meter, filter and list of all jobs; the chosen one is shown in the picture area."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QListView, QMessageBox, QVBoxLayout, QWidget

from tumordiff_core.errors import TumorDiffError
from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.background.machine import Machine
from tumordiff_gui.modules.jobs import strings
from tumordiff_gui.modules.jobs.changes import Changes
from tumordiff_gui.modules.jobs.details import Details
from tumordiff_gui.modules.jobs.listing import JOB_ROLE, JobDelegate, JobList, fits
from tumordiff_gui.modules.jobs.meter import Meter
from tumordiff_gui.state.layout import Cell, Layout
from tumordiff_gui.theme import apply, icons
from tumordiff_gui.views.placeholder import Placeholder

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

LAYOUT = Layout("job", strings.LIST, (Cell("job"),))


class Panel(QWidget):
    """All jobs, newest first."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._context = context
        self._shown = False
        self.chosen = ""
        self.dialogue: QWidget | None = None
        self.details = Details()
        self.details.wanted.connect(self.act)
        self.machine = Machine(self)
        self._build()
        self.machine.told.connect(self.meter.show_load)
        context.jobs.listed.connect(self._relist)
        context.jobs.changed.connect(self._changed)

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 10, 8, 8)
        column.setSpacing(8)
        head = QLabel(strings.MACHINE)
        head.setFont(apply.font(12, semibold=True))
        self.meter = Meter()
        self.search = QLineEdit(placeholderText=strings.SEARCH, clearButtonEnabled=True)
        self.search.setAccessibleName(strings.SEARCH)
        self.search.addAction(icons.icon("magnify", "secondary"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(lambda _: self._relist())
        self.filter = QComboBox()
        self.filter.setAccessibleName(strings.SHOW)
        for key, title in strings.SHOWN.items():
            self.filter.addItem(title, key)
        self.filter.currentIndexChanged.connect(lambda _: self._relist())
        self.count = QLabel()
        self.count.setProperty("role", "secondary")
        self.model = JobList(self)
        self.list = QListView(uniformItemSizes=True)
        self.list.setAccessibleName(strings.LIST)
        self.list.setMouseTracking(True)
        self.list.setModel(self.model)
        self.list.setItemDelegate(JobDelegate(self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.selectionModel().currentChanged.connect(self._current_changed)
        self.list.doubleClicked.connect(lambda _: self.act("open"))
        self.nothing = QLabel(strings.NOTHING_FITS, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.nothing.setProperty("role", "secondary")
        for widget in (head, self.meter, self.search, self.filter, self.count):
            column.addWidget(widget)
        column.addWidget(self.list, 1)
        column.addWidget(self.nothing, 1)

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self._shown = True
        self.machine.begin()
        self._relist()

    def hidden(self) -> None:
        """Another module is shown."""
        self._shown = False
        self.machine.end()

    def may_close(self) -> bool:
        """The window closes: the machine is no longer looked at."""
        self.machine.end()
        return True

    # listing

    def _relist(self) -> None:
        if not self._shown:
            return
        everything = self._context.jobs.all()
        typed, shown = self.search.text().lower().split(), str(self.filter.currentData())
        self.model.set_jobs([view for view in everything if fits(view, typed, shown)])
        self._count(everything)
        self.list.setVisible(bool(self.model.jobs))
        self.nothing.setVisible(not self.model.jobs and bool(everything))
        known = {view.id for view in everything}
        if self.chosen not in known:
            running = next((view.id for view in everything if view.active), "")
            self.choose(running or (everything[0].id if everything else ""))
        self._show()

    def _count(self, everything: list[JobView]) -> None:
        running = sum(view.state in {"running", "stopping"} for view in everything)
        waiting = sum(view.state == "queued" for view in everything)
        ended = len(everything) - running - waiting
        self.count.setText(strings.COUNT.format(running=running, waiting=waiting, ended=ended))

    def _changed(self, job_id: str) -> None:
        if not self._shown:
            return
        self.model.touched(job_id)
        self._count(self._context.jobs.all())
        if job_id == self.chosen:
            self.details.refresh()

    def _current_changed(self, index: QModelIndex, _before: QModelIndex) -> None:
        view = index.data(JOB_ROLE)
        if view is not None:
            self.choose(view.id)

    def choose(self, job_id: str) -> None:
        """Show a job; an empty id shows none."""
        self.chosen = job_id
        index = self.model.index_of(job_id)
        if index.isValid() and self.list.currentIndex() != index:
            self.list.setCurrentIndex(index)
        self._show()

    def _show(self) -> None:
        if not self._shown:
            return
        views = self._context.views
        if not self._context.jobs.has(self.chosen):
            if not isinstance(views.contents.get("job"), Placeholder):
                views.show(LAYOUT, {"job": self._placeholder()})
            return
        self.details.show_job(self._context.jobs.job(self.chosen))
        if views.contents.get("job") is not self.details:
            views.show(LAYOUT, {"job": self.details})

    def _placeholder(self) -> Placeholder:
        if self._context.jobs.all():
            return Placeholder("progress-clock", strings.CHOOSE, hint=strings.CHOOSE_HINT)
        return Placeholder("progress-clock", strings.NO_JOBS, hint=strings.NO_JOBS_HINT)

    # acting

    def act(self, what: str) -> None:
        """Do what a button of the chosen job says."""
        jobs = self._context.jobs
        if not jobs.has(self.chosen):
            return
        view = jobs.job(self.chosen)
        if what.startswith("stop"):
            jobs.stop(view.id, what.split()[1])
        elif what == "resume":
            jobs.resume(view.id)
        elif what == "retry":
            self._started(jobs.retry(view.id))
        elif what == "changes":
            self._ask_changes(view)
        elif what == "open" and view.result is not None:
            self._context.desk.choose_result(view.result)
        elif what == "folder":
            QGuiApplication.clipboard().setText(str(view.folder))
            self._context.desk.say(strings.FOLDER_COPIED)
        elif what == "delete":
            self._ask_delete(view)

    def _started(self, job_id: str | None) -> None:
        if job_id is not None:
            self.choose(job_id)

    def _ask_changes(self, view: JobView) -> None:
        try:
            model = self._context.params(view.record.task)
        except TumorDiffError:
            self._context.jobs.troubled.emit(strings.NO_FORM.format(task=view.record.task))
            return
        self.dialogue = dialogue = Changes(self, view.record.title, model, dict(view.record.params))
        dialogue.answered.connect(lambda changes: self._started(self._context.jobs.retry(view.id, changes)))
        dialogue.open()

    def _ask_delete(self, view: JobView) -> None:
        self.dialogue = box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setText(strings.DELETE_ASK)
        box.setInformativeText(strings.DELETE_TELL.format(title=view.record.title))
        yes = box.addButton(strings.DELETE_YES, QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        yes.clicked.connect(lambda: self._delete(view))
        box.open()

    def _delete(self, view: JobView) -> None:
        self._context.jobs.delete(view.id)
        if not self._context.jobs.has(view.id):
            self._context.desk.say(strings.DELETED.format(title=view.record.title))
            self._context.desk.catalogue_moved()
