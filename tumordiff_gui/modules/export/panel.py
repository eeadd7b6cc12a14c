"""The export panel: which result, as what, where to, what is said before it leaves; header and report beside it."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core import files, result_folder, units
from tumordiff_core.errors import TumorDiffError
from tumordiff_gui import words
from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.forms.form import Form
from tumordiff_gui.modules.export import strings
from tumordiff_gui.modules.export.remarks import Remarks
from tumordiff_gui.modules.export.report import Preview, validator_text
from tumordiff_gui.state.layout import Cell, Layout
from tumordiff_gui.theme import apply, icons
from tumordiff_gui.views.column import scrolling_column
from tumordiff_gui.views.placeholder import Placeholder

if TYPE_CHECKING:
    from tumordiff_core.result_folder import Record
    from tumordiff_gui.context import Context

TASK = "export"
SERVICE = "export"
LAYOUT = Layout("export", strings.HEADER, (Cell("export"),))
HIDDEN_OPTIONS = ("confirmed",)
CHECK_AFTER_MS = 200
NOT_EXPORTED = {"export", "index", "transfer"}


class Panel(QWidget):
    """One result on its way out."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._context = context
        self._shown = False
        self._checking: Any = None
        self._checked = False
        self._trouble = ""
        self._details = ""
        self._job = ""
        self._target_typed = False
        self._figures: dict[str, Any] = {}
        self._written: Record | None = None
        self.form: Form | None = None
        self.preview = Preview()
        self.preview.folder_wanted.connect(self.show_in_folder)
        self.preview.list_wanted.connect(self._show_validator)
        self._later = QTimer(self, singleShot=True, interval=CHECK_AFTER_MS)
        self._later.timeout.connect(self.check)
        self._build()
        context.desk.result_chosen.connect(self._result_chosen)
        context.desk.catalogue_changed.connect(self.refresh)
        context.jobs.changed.connect(self._job_changed)
        context.jobs.ended.connect(self._job_ended)
        context.views.again_wanted.connect(lambda _: self.check() if self._shown else None)

    # building

    def _build(self) -> None:
        outer = QVBoxLayout(self)
        column = scrolling_column(outer)
        self.result_box = QComboBox()
        self.result_box.setAccessibleName(strings.RESULT)
        self.result_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.result_box.activated.connect(lambda _: self._result_changed())
        self.kind_box = QComboBox()
        self.kind_box.setAccessibleName(strings.KIND)
        self.kind_box.activated.connect(lambda _: self._kind_changed())
        self._form_place = QVBoxLayout()
        for title, widget in ((strings.RESULT, self.result_box), (strings.KIND, self.kind_box)):
            column.addWidget(_head(title))
            column.addWidget(widget)
        column.addWidget(_head(strings.OPTIONS))
        column.addLayout(self._form_place)
        column.addWidget(_head(strings.TARGET))
        column.addLayout(self._target_row())
        self.target_trouble = QLabel(wordWrap=True)
        self.target_trouble.setProperty("role", "error")
        self.target_trouble.hide()
        column.addWidget(self.target_trouble)
        column.addWidget(_head(strings.REMARKS))
        self.remarks = Remarks()
        self.remarks.answered.connect(self._show_button)
        column.addWidget(self.remarks)
        column.addStretch(1)
        outer.addWidget(self._foot())

    def _target_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.target = QLineEdit(placeholderText=strings.TARGET_HINT)
        self.target.setAccessibleName(strings.TARGET)
        self.target.setToolTip(strings.TARGET_HINT)
        self.target.textEdited.connect(lambda _: self._target_edited())
        button = QToolButton()
        button.setIcon(icons.icon("folder-open-outline"))
        button.setAccessibleName(strings.CHOOSE_TARGET)
        button.setToolTip(strings.CHOOSE_TARGET)
        button.clicked.connect(self._choose_target)
        row.addWidget(self.target, 1)
        row.addWidget(button)
        return row

    def _foot(self) -> QFrame:
        foot = QFrame()
        column = QVBoxLayout(foot)
        column.setContentsMargins(12, 6, 12, 12)
        self.trouble = QLabel(wordWrap=True)
        self.trouble.setProperty("role", "error")
        self.trouble.hide()
        row = QHBoxLayout()
        self.running_text = QLabel()
        self.running_text.setProperty("role", "secondary")
        self.stop_button = QPushButton(strings.STOP)
        self.stop_button.clicked.connect(lambda: self._context.jobs.stop(self._job))
        row.addWidget(self.running_text, 1)
        row.addWidget(self.stop_button)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setAccessibleName(strings.WRITE)
        self.write_button = QPushButton(icons.icon("export-variant", "on_accent"), strings.WRITE)
        self.write_button.setProperty("role", "primary")
        self.write_button.clicked.connect(self.write)
        column.addWidget(self.trouble)
        column.addLayout(row)
        column.addWidget(self.progress)
        column.addWidget(self.write_button)
        return foot

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self._shown = True
        self.refresh()
        if self._context.desk.result is not None:
            self._result_chosen(self._context.desk.result)
        self._show()

    def hidden(self) -> None:
        """Another module is shown."""
        self._shown = False
        self._later.stop()

    # which result, as what

    def refresh(self) -> None:
        """List the results again; what was chosen stays chosen."""
        if not self._shown:
            return
        if self.kind_box.count() == 0:
            for exporter in self._context.exporters():
                self.kind_box.addItem(exporter.title, exporter.name)
            self.kind_box.setCurrentIndex(max(self.kind_box.findData("dicom"), 0))
        before = self.folder
        self.result_box.clear()
        for folder, title in self._results():
            self.result_box.addItem(title, str(folder))
        if before is not None:
            self.result_box.setCurrentIndex(max(self.result_box.findData(str(before)), 0))
        if self.folder != before or self.form is None:
            self._kind_changed()

    def _results(self) -> list[tuple[Path, str]]:
        """Folders of finished results that can leave, newest first, with a line each."""
        try:
            rows = list(self._context.catalogue.results())
        except (TumorDiffError, ImportError):
            rows = []
        found = {str(r.folder): (str(r.created), r.title or r.kind) for r in rows if r.kind not in NOT_EXPORTED}
        for view in self._context.jobs.all():
            if view.result is not None and view.record.task not in NOT_EXPORTED:
                found.setdefault(str(view.result), (view.record.created, view.record.title))
        kept = {f: said for f, said in found.items() if (Path(f) / "result.json").is_file()}
        newest = sorted(kept.items(), key=lambda item: item[1][0], reverse=True)
        return [
            (Path(f), strings.RESULT_LINE.format(title=title, when=_when(created))) for f, (created, title) in newest
        ]

    @property
    def folder(self) -> Path | None:
        """The result folder that is chosen."""
        chosen = self.result_box.currentData()
        return Path(chosen) if chosen else None

    @property
    def kind(self) -> str:
        """The name of the exporter that is chosen."""
        return str(self.kind_box.currentData() or "")

    def choose(self, folder: Path, kind: str = "") -> None:
        """Choose a result, and a kind where one is given."""
        if self.result_box.findData(str(folder)) < 0:
            self.result_box.insertItem(0, folder.parent.name, str(folder))
        self.result_box.setCurrentIndex(self.result_box.findData(str(folder)))
        if kind:
            self.kind_box.setCurrentIndex(max(self.kind_box.findData(kind), 0))
        self._kind_changed()

    def _result_chosen(self, folder: Path) -> None:
        if not self._shown:
            return
        try:
            record = result_folder.open_result(folder).record
        except TumorDiffError as error:
            self._trouble = error.sentence
            self._show()
            return
        if record.kind == TASK:
            self._show_written(record)
        elif folder != self.folder:
            self.choose(folder)

    def _result_changed(self) -> None:
        self._target_typed = False
        self._kind_changed()

    def _kind_changed(self) -> None:
        """Another form; everything that was said is said anew."""
        if self.form is not None:
            self.form.hide()
            self.form.deleteLater()
            self.form = None
        while (item := self._form_place.takeAt(0)) is not None:
            if item.widget() is not None:
                item.widget().deleteLater()
        if self.kind:
            options = self._context.options(self.kind)
            self.form = Form(options, without=HIDDEN_OPTIONS)
            self.form.changed.connect(self._options_changed)
            self._form_place.addWidget(self.form)
            if not set(options.model_fields) - set(HIDDEN_OPTIONS):
                nothing = QLabel(strings.NO_OPTIONS)
                nothing.setProperty("role", "secondary")
                self._form_place.addWidget(nothing)
        self._figures, self._written = {}, None
        self.remarks.clear()
        self.preview.show_header([], nothing=strings.LOADING)
        self._suggest_target()
        self._options_changed()

    def _options_changed(self) -> None:
        self._checked = False
        self._written = None
        self.preview.state.setText(strings.STALE if self.preview.table.rowCount() else "")
        self._later.start()
        self._show()

    # where to

    def _suggest_target(self) -> None:
        if self._target_typed or self.folder is None:
            return
        facts: dict[str, Any] = {}
        try:
            facts = result_folder.open_result(self.folder).record.facts
        except TumorDiffError as error:
            self._trouble = error.sentence
        name = files.safe_name(f"{facts.get('patient_id', 'result')} {facts.get('time_point', '')} {self.kind}")
        self.target.setText(str(Path.home() / name))

    def _target_edited(self) -> None:
        self._target_typed = True
        self._show_button()

    def _choose_target(self) -> None:
        found = QFileDialog.getExistingDirectory(self, strings.CHOOSE_TARGET, str(Path(self.target.text()).parent))
        if found:
            self.target.setText(str(Path(found) / Path(self.target.text() or self.kind).name))
            self._target_edited()

    def _target_fault(self) -> str:
        """Why nothing can be written there; empty when it can."""
        text = self.target.text().strip()
        if not text:
            return ""
        place = Path(text)
        taken = place.exists() and (place.is_file() or any(place.iterdir()))
        return TumorDiffError("files.exists", place, name=place.name).sentence if taken else ""

    # what is said before

    def params(self) -> dict[str, Any]:
        """The job's parameters as chosen."""
        options = self.form.values() if self.form is not None else {}
        return {
            "result": str(self.folder or ""), "to": self.target.text().strip(), "as_": self.kind,
            "options": {name: value for name, value in options.items() if name not in HIDDEN_OPTIONS},
            "confirmed": self.remarks.confirmed,
        }  # fmt: skip

    def check(self) -> None:
        """Ask what there is to say about this export; the answer comes later."""
        self._later.stop()
        if self.folder is None or self.form is None or not self.form.check():
            self._show()
            return
        self._trouble = ""
        if self._checking is not None:
            self._checking.cancel()
        body = {"op": "check", **self.params()}
        self._checking = self._context.warm.ask(SERVICE, body, self._answered, self._failed, key=SERVICE)
        self._show()

    def _answered(self, reply: dict[str, Any]) -> None:
        self._checking, self._checked = None, True
        self._figures = dict(reply.get("figures", {}))
        files_ahead = int(reply.get("files", 0))
        self.write_button.setText(strings.WRITE_COUNT.format(count=files_ahead) if files_ahead else strings.WRITE)
        self.remarks.show_findings(list(reply["findings"]))
        nothing = strings.REFUSED if self.remarks.refused else f"{strings.NO_HEADER}\n{strings.NO_HEADER_HINT}"
        self.preview.show_header(list(reply.get("header", ())), nothing=nothing)
        self.preview.state.clear()
        self._show()

    def _failed(self, sentence: str, details: str) -> None:
        self._checking, self._checked = None, False
        self._trouble, self._details = sentence, details
        self.remarks.clear()
        self.preview.show_header([], nothing=sentence)
        self.preview.state.clear()
        self._show()

    # writing

    def write(self) -> None:
        """Start the job."""
        if self._why_not():
            return
        self._written, self._trouble = None, ""
        title = strings.JOB_TITLE.format(title=self._title(), kind=self.kind_box.currentText())
        self._job = self._context.jobs.start(TASK, self.params(), title=title) or ""
        self._show()

    def _title(self) -> str:
        return self.result_box.currentText().split("   ")[0]

    def _own(self) -> JobView | None:
        jobs = self._context.jobs
        return jobs.job(self._job) if self._job and jobs.has(self._job) else None

    def _job_changed(self, job_id: str) -> None:
        if job_id == self._job:
            self._show_job()

    def _job_ended(self, job_id: str, state: str) -> None:
        if job_id != self._job:
            return
        view = self._context.jobs.job(job_id)
        if state == "done" and view.result is not None:
            self._show_written(result_folder.open_result(view.result).record)
        elif state in {"failed", "lost"}:
            self._trouble = view.sentence or words.JOB_STATES[state]
            self._checked = False
            self.check()
            self._trouble = view.sentence or words.JOB_STATES[state]
        self._show()

    def _show_written(self, record: "Record") -> None:
        self._written = record
        self._show()

    def show_in_folder(self) -> None:
        """Show what was written in the system's file manager."""
        place = self.written_to()
        if place is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(place)))

    def written_to(self) -> Path | None:
        """The folder of the files just written."""
        if self._written is None:
            return None
        place = Path(str(self._written.facts.get("to", "")))
        return place if place.is_dir() else place.parent

    def _show_validator(self) -> None:
        if self._written is not None:
            text = validator_text(self._written) + strings.COMPLAIN
            self._context.show_details(strings.VALIDATOR_TITLE, text)

    # showing

    def _show(self) -> None:
        self._show_job()
        self.preview.show_report(self._written, self._figures)
        self.trouble.setText(self._trouble)
        self.trouble.setVisible(bool(self._trouble))
        if self._checking is not None and not self.remarks.ticks and not self.remarks.refused:
            self.remarks.say(strings.CHECKING)
        if not self._shown:
            return
        views = self._context.views
        if self.folder is None and self._written is None:
            if not isinstance(views.contents.get("export"), Placeholder):
                views.show(LAYOUT, {"export": self._placeholder()})
        elif views.contents.get("export") is not self.preview:
            views.show(LAYOUT, {"export": self.preview})

    def _placeholder(self) -> Placeholder:
        go = (strings.TO_DENOISE, lambda: self._context.desk.show_module("denoise"))
        return Placeholder("export-variant", strings.NO_RESULTS, go, hint=strings.NO_RESULTS_HINT)

    def _show_job(self) -> None:
        view = self._own()
        active = view is not None and view.active
        for widget in (self.running_text, self.stop_button, self.progress):
            widget.setVisible(active)
        if view is not None and active:
            text = strings.WAITING if view.state == "queued" else strings.RUNNING.format(stage=view.stage)
            left = "" if view.left_s is None else words.JOB_LEFT.format(left=units.format_duration(view.left_s))
            self.running_text.setText("   ".join(t for t in (text, left) if t))
            self.progress.setRange(0, 0 if view.fraction is None else 1000)
            self.progress.setValue(round(1000 * (view.fraction or 0.0)))
        self._show_button()

    def _show_button(self) -> None:
        fault = self._target_fault() if self._written is None else ""
        self.target_trouble.setText(fault)
        self.target_trouble.setVisible(bool(fault))
        why = self._why_not()
        self.write_button.setEnabled(not why)
        self.write_button.setToolTip(why)

    def _why_not(self) -> str:
        """Why nothing can be written now; empty when it can."""
        view = self._own()
        reasons = (
            (self.folder is None, strings.NO_RESULTS_HINT),
            (view is not None and view.active, strings.WHY_RUNNING),
            (self.form is None or not self.form.check(), strings.WHY_WRONG),
            (self.remarks.refused, strings.WHY_REFUSED),
            (not self._checked, self._trouble or strings.WHY_CHECKING),
            (self.remarks.open > 0, strings.WHY_UNANSWERED),
            (not self.target.text().strip(), strings.WHY_TARGET),
        )
        return next((why for wrong, why in reasons if wrong), "") or self._target_fault()


def _head(text: str) -> QLabel:
    label = QLabel(text)
    label.setFont(apply.font(12, semibold=True))
    return label


def _when(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone().strftime(strings.WHEN)
    except ValueError:
        return ""
