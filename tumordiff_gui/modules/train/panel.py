"""The train panel: preset, data, form; the run that is shown with its progress; the model it leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core import model_cards, units
from tumordiff_core.errors import TumorDiffError
from tumordiff_gui import words
from tumordiff_gui.background.jobs import JobView, traceback_of
from tumordiff_gui.background.warm import Request
from tumordiff_gui.forms.form import Form
from tumordiff_gui.modules.train import strings
from tumordiff_gui.modules.train.charts import LAYOUT, Charts, best_epoch
from tumordiff_gui.theme import apply, icons
from tumordiff_gui.views.column import MARGIN, SPACING, heading, scrolling_column

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

TASK = "train"
SHOWN_FIRST = ("name", "epochs", "steps", "batch", "learning_rate")
APART = ("data", "preset", "arguments")
SPLIT_AFTER_MS = 300


class Panel(QWidget):
    """What is trained, how, and how far it is."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._context = context
        self._shown = False
        self._run: str | None = None
        self._split: dict[str, Any] = {}
        self._split_trouble = ""
        self._request: Request | None = None
        self.charts = Charts()
        self._split_timer = QTimer(self, singleShot=True, interval=SPLIT_AFTER_MS)
        self._split_timer.timeout.connect(self._ask_split)
        self._build(context.params(TASK))
        context.jobs.listed.connect(self._list_runs)
        context.jobs.changed.connect(self._job_changed)
        context.jobs.ended.connect(lambda job, _state: self._job_changed(job))
        context.desk.result_chosen.connect(self._result_chosen)

    # building

    def _build(self, params: Any) -> None:
        self._outer = QVBoxLayout(self)
        self._column = scrolling_column(self._outer)
        title = QLabel(strings.TITLE)
        title.setFont(apply.font(15, semibold=True))
        self._column.addWidget(title)
        self._column.addWidget(_wrapped("secondary", strings.SUBTITLE))
        self._build_run()
        self._build_preset()
        self._build_data()
        self._build_form(params)
        self._column.addStretch(1)

    def _build_preset(self) -> None:
        self._column.addWidget(heading(strings.PRESET))
        row = QHBoxLayout()
        row.setSpacing(4)
        self.presets = QButtonGroup(self, exclusive=True)
        for number, (name, (text, hint)) in enumerate(strings.PRESETS.items()):
            button = QToolButton(checkable=True, checked=number == 0)
            button.setText(text)
            button.setToolTip(hint)
            button.setProperty("preset", name)
            self.presets.addButton(button, number)
            row.addWidget(button)
        row.addStretch(1)
        self._column.addLayout(row)
        self.preset_hint = _wrapped("secondary", strings.PRESETS["ours"][1])
        self._column.addWidget(self.preset_hint)
        self.presets.idClicked.connect(lambda _: self._preset_chosen())

    def _build_data(self) -> None:
        self._column.addWidget(heading(strings.DATA))
        row = QHBoxLayout()
        self.data = QLineEdit(placeholderText=strings.DATA_EMPTY)
        self.data.setAccessibleName(strings.DATA_LABEL)
        self.data.setToolTip(strings.DATA_LABEL)
        self.data.textChanged.connect(self._data_changed)
        choose = QToolButton()
        choose.setIcon(icons.icon("folder-open-outline"))
        choose.setAccessibleName(strings.CHOOSE)
        choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(choose)
        menu.addAction(strings.CHOOSE_PACK, self._choose_pack)
        menu.addAction(strings.CHOOSE_COHORT, self._choose_cohort)
        choose.setMenu(menu)
        row.addWidget(self.data, 1)
        row.addWidget(choose)
        self._column.addLayout(row)
        self.counts = _wrapped("secondary", "")
        self._column.addWidget(self.counts)

    def _build_form(self, params: Any) -> None:
        self._column.addWidget(heading(strings.FORM))
        rest = tuple(n for n in params.model_fields if n not in SHOWN_FIRST and n not in APART)
        self.form = Form(params, only=SHOWN_FIRST)
        self.more = Form(params, only=rest)
        self.more.hide()
        for form in (self.form, self.more):
            form.changed.connect(self._refresh)
        self.fold = QPushButton(strings.MORE)
        self.fold.setProperty("role", "flat")
        self.fold.clicked.connect(self._fold)
        self._column.addWidget(self.form)
        self._column.addWidget(self.more)
        self._column.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        self.start = QPushButton(icons.icon("play", "on_accent"), strings.START)
        self.start.setProperty("role", "primary")
        self.start.clicked.connect(self.begin)
        # Below the scrolling part, so that it is in reach however small the window is.
        below = QVBoxLayout()
        below.setContentsMargins(MARGIN, SPACING, MARGIN, MARGIN)
        below.addWidget(self.start)
        self._outer.addLayout(below)

    def _build_run(self) -> None:
        self.run_box = QWidget()
        column = QVBoxLayout(self.run_box)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(heading(strings.RUNS))
        self.runs = QComboBox()
        self.runs.setAccessibleName(strings.RUNS)
        self.runs.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.runs.setMinimumContentsLength(8)
        self.runs.activated.connect(lambda _: self.show_run(self.runs.currentData()))
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName(strings.RUNS)
        self.progress = _wrapped("", "")
        self.progress.setFont(apply.font(12, tabular=True))
        self.note = _wrapped("error", "")
        for widget in (self.runs, self.bar, self.progress, self.note):
            column.addWidget(widget)
        self.stop_epoch, self.stop_now = QPushButton(strings.STOP_EPOCH), QPushButton(strings.STOP_NOW)
        self.resume, self.retry = QPushButton(strings.RESUME), QPushButton(strings.RETRY)
        self.details, self.install = QPushButton(words.DETAILS), QPushButton()
        self.use = QPushButton(icons.icon("auto-fix"), strings.USE)
        self.install.setToolTip(strings.INSTALL_HINT)
        self.model = _wrapped("secondary", strings.NO_MODEL)
        column.addLayout(
            _row((self.stop_epoch, lambda: self._stop("epoch")), (self.stop_now, lambda: self._stop("now")))
        )
        column.addLayout(_row((self.resume, self._resume)))
        column.addLayout(_row((self.retry, self._retry), (self.details, self._show_details)))
        column.addWidget(self.model)
        column.addLayout(_row((self.install, self._install), (self.use, self._use)))
        self._column.addWidget(self.run_box)

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self._shown = True
        chosen = self._context.desk.result
        if chosen is not None:
            self._result_chosen(chosen)
        self._list_runs()
        if not self._split:
            self._split_timer.start()
        if self._context.views.layout_shown is not LAYOUT:
            self._context.views.show(LAYOUT, self.charts.cells())
        self._refresh()

    def hidden(self) -> None:
        """Another module is shown."""
        self._shown = False

    # data and split

    def _choose_pack(self) -> None:
        found, _ = QFileDialog.getOpenFileName(self, strings.CHOOSE, self.data.text(), strings.PACK_FILTER)
        if found:
            self.data.setText(found)

    def _choose_cohort(self) -> None:
        found = QFileDialog.getExistingDirectory(self, strings.CHOOSE, self.data.text())
        if found:
            self.data.setText(found)

    def _data_changed(self) -> None:
        self._split, self._split_trouble = {}, ""
        self._split_timer.start()
        self._refresh()

    def _ask_split(self) -> None:
        """Ask the child who is in which part; the newest question wins."""
        if self._request is not None:
            self._request.cancel()
        self.counts.setText(strings.SPLIT_READING)

        def answered(reply: dict[str, Any]) -> None:
            self._split, self._split_trouble = reply, ""
            self._tell_split()
            self._refresh()

        def failed(sentence: str, _details: str) -> None:
            self._split, self._split_trouble = {}, sentence
            self._tell_split()
            self._refresh()

        body = {"op": "split", "data": self.data.text().strip()}
        self._request = self._context.warm.ask("preview", body, answered, failed, key="split")

    def _tell_split(self) -> None:
        role = "error" if self._split_trouble else "secondary"
        self.counts.setProperty("role", role)
        self.counts.style().unpolish(self.counts)
        self.counts.style().polish(self.counts)
        if self._split_trouble:
            self.counts.setText(self._split_trouble)
            self.charts.split.show_text(self._split_trouble)
            return
        patients = self._split["patients"]
        counts = {part: len(ids) for part, ids in patients.items()}
        self.counts.setText(
            strings.SPLIT_COUNTS.format(total=sum(counts.values()), slices=self._split["slices"], **counts)
        )
        self.charts.split.show_split(patients)

    # preset and form

    @property
    def preset(self) -> str:
        """A key of ``strings.PRESETS``."""
        return str(self.presets.checkedButton().property("preset"))

    def _preset_chosen(self) -> None:
        self.preset_hint.setText(strings.PRESETS[self.preset][1])
        self._refresh()

    def _fold(self) -> None:
        self.more.setVisible(self.more.isHidden())
        self.fold.setText(strings.MORE if self.more.isHidden() else strings.LESS)

    def values(self) -> dict[str, Any]:
        """The whole parameter record as the form says it."""
        own = {"data": self.data.text().strip(), "preset": self.preset}
        shown = {name: value for name, value in self.form.values().items() if name in SHOWN_FIRST}
        return {**self.more.values(), **shown, **own}

    def begin(self) -> None:
        """Start a training as a job and show it."""
        if self._why_not_start():
            return
        values = self.values()
        title = strings.JOB_TITLE.format(name=values["name"])
        job = self._context.jobs.start(TASK, values, title=title, seed=int(values.get("seed") or 0))
        if job is not None:
            self._list_runs()
            self.show_run(job)

    def _why_not_start(self) -> str:
        if not (self.form.check() and self.more.check()):
            return strings.START_WHY_FORM
        return strings.START_WHY_DATA if self._split_trouble else ""

    # runs

    def _views(self) -> list[JobView]:
        return [view for view in self._context.jobs.all() if view.record.task == TASK]

    def _view(self) -> JobView | None:
        jobs = self._context.jobs
        return jobs.job(self._run) if self._run is not None and jobs.has(self._run) else None

    def _list_runs(self) -> None:
        views = self._views()
        if self._view() is None:
            self._run = views[0].id if views else None
        self.runs.clear()
        for view in views:
            self.runs.addItem(_entry(view), view.id)
        self.runs.setCurrentIndex(self.runs.findData(self._run))
        self.run_box.setVisible(bool(views))
        self._refresh()

    def show_run(self, job_id: str) -> None:
        """Show the curves and the state of a run."""
        self._run = job_id
        self.runs.setCurrentIndex(self.runs.findData(job_id))
        self._refresh()

    def _result_chosen(self, folder: Path) -> None:
        """A model was opened elsewhere: show the run that left it."""
        found = next((view for view in self._views() if view.result == folder), None)
        if found is not None:
            self._run = found.id
            self._list_runs()

    def _job_changed(self, job_id: str) -> None:
        row = self.runs.findData(job_id)
        if row >= 0 and self._context.jobs.has(job_id):
            self.runs.setItemText(row, _entry(self._context.jobs.job(job_id)))
        if job_id == self._run:
            self._refresh()

    def _stop(self, word: str) -> None:
        if self._run is not None:
            self._context.jobs.stop(self._run, word)

    def _resume(self) -> None:
        if self._run is not None:
            self._context.jobs.resume(self._run)

    def _retry(self) -> None:
        job = self._context.jobs.retry(self._run) if self._run is not None else None
        if job is not None:
            self._list_runs()
            self.show_run(job)

    def _show_details(self) -> None:
        view = self._view()
        if view is not None:
            text = "\n".join([view.sentence, *view.warnings, *view.log[-200:], traceback_of(view)])
            self._context.show_details(view.record.title, text)

    # telling

    def _refresh(self) -> None:
        """Bring progress, curves, buttons and model into line."""
        why, view = self._why_not_start(), self._view()
        self.start.setEnabled(not why)
        self.start.setToolTip(why)
        self.charts.show_run(view)
        self._tell_progress(view)
        self._tell_buttons(view)
        self._tell_model(view)

    def _tell_progress(self, view: JobView | None) -> None:
        self.bar.setVisible(view is not None and view.active)
        self.note.hide()
        if view is None:
            self.progress.setText(strings.NO_RUN)
            return
        fraction = view.fraction
        self.bar.setRange(0, 0 if fraction is None and view.state == "running" else 1000)
        self.bar.setValue(round(1000 * (fraction or 0)))
        self.progress.setText("   ".join(progress_texts(view)))
        if view.state in {"failed", "lost"}:
            self._say("error", view.sentence or words.JOB_STATES[view.state])
        elif view.active and self._differs(view):
            self._say("warning", strings.CHANGED)

    def _say(self, role: str, text: str) -> None:
        self.note.setProperty("role", role)
        self.note.style().unpolish(self.note)
        self.note.style().polish(self.note)
        self.note.setText(text)
        self.note.show()

    def _differs(self, view: JobView) -> bool:
        now = self.values()
        return any(now.get(name) != value for name, value in view.record.params.items() if name in now)

    def _tell_buttons(self, view: JobView | None) -> None:
        active, state = view is not None and view.active, "" if view is None else view.state
        for button in (self.stop_epoch, self.stop_now):
            button.setVisible(active)
        self.stop_epoch.setEnabled(state in {"running", "queued"})
        self.resume.setVisible(state in {"stopped", "lost"} or (state == "failed" and last_epoch(view) is not None))
        epoch = last_epoch(view)
        self.resume.setText(strings.RESUME if epoch is None else strings.RESUME_FROM.format(epoch=round(epoch)))
        self.retry.setVisible(state == "failed")
        self.details.setVisible(state in {"failed", "lost"})

    # the model

    def _models_left(self, view: JobView | None) -> list[Path]:
        """The models a finished run left: one, or what a recipe keeps."""
        return [] if view is None or view.result is None else model_cards.left_in(view.result)

    def _tell_model(self, view: JobView | None) -> None:
        left = self._models_left(view)
        name = ", ".join(folder.name for folder in left)
        places = model_cards.places()
        installed = bool(left) and all(any((p / f.name / "card.json").is_file() for p in places) for f in left)
        self.install.setVisible(bool(left) and not installed)
        self.use.setVisible(installed)
        self.install.setText(strings.INSTALL.format(name=name))
        if not left:
            self.model.setText(strings.NO_MODEL)
        elif installed:
            self.model.setText(strings.INSTALLED.format(name=name))
        else:
            # The curves of a recipe run over all its stages, so that their best epoch is of no one model.
            best = best_epoch(view.metrics) if view is not None and len(left) == 1 else None
            error = words.MISSING if best is None else f"{best[1]:.4g}"
            self.model.setText(strings.MODEL_READY.format(name=name, error=error))

    def _install(self) -> None:
        view = self._view()
        if view is None or view.result is None:
            return
        try:
            found = model_cards.install(view.result)
        except TumorDiffError as error:
            self._say("error", error.sentence)
            return
        self._context.desk.say(strings.INSTALLED.format(name=", ".join(model.card.name for model in found)))
        self._context.desk.catalogue_moved()
        self._refresh()

    def _use(self) -> None:
        left = self._models_left(self._view())
        if left:
            self._context.desk.model = left[0].name
            self._context.desk.show_module("denoise")


def last_epoch(view: JobView | None) -> float | None:
    """The last epoch whose validation is known: a checkpoint lies there."""
    points = [] if view is None else view.metrics.get("val_x0", [])
    return points[-1][0] if points else None


def progress_texts(view: JobView) -> list[str]:
    """Epoch, pace, time left, learning rate and the best epoch, as far as they are known."""
    epochs, steps = int(view.record.params.get("epochs") or 0), int(view.record.params.get("steps") or 0)
    training = view.stage == "train" and bool(view.total) and steps > 0
    texts = []
    if view.state == "queued":
        texts.append(strings.WAITING)
    elif not view.active:
        known = last_epoch(view)
        state = words.JOB_STATES[view.state]
        texts.append(state if known is None else strings.ENDED.format(state=state, epoch=round(known)))
    elif training:
        texts.append(strings.EPOCH.format(epoch=min(int(view.done // steps) + 1, epochs), epochs=epochs))
        if view.left_s is not None and view.total is not None:
            pace = view.left_s / max(view.total - view.done, 1)
            texts.append(strings.PACE.format(seconds=f"{pace:.2g}"))
            texts.append(strings.LEFT.format(left=units.format_duration(view.left_s)))
    else:
        texts.append(strings.STAGE.format(stage=view.stage or words.JOB_STATES[view.state]))
    rates = view.metrics.get("learning_rate", [])
    if rates and view.active:
        texts.append(strings.RATE.format(rate=rates[-1][1]))
    best = best_epoch(view.metrics)
    if best is not None:
        texts.append(strings.BEST.format(epoch=round(best[0])))
    return texts


def _entry(view: JobView) -> str:
    name = str(view.record.params.get("name") or view.record.title)
    return strings.RUN_ENTRY.format(name=name, state=words.JOB_STATES[view.state])


def _row(*buttons: tuple[QPushButton, Callable[[], None]]) -> QHBoxLayout:
    row = QHBoxLayout()
    for button, act in buttons:
        button.clicked.connect(lambda _=False, act=act: act())
        row.addWidget(button)
    row.addStretch(1)
    return row


def _wrapped(role: str, text: str) -> QLabel:
    label = QLabel(text, wordWrap=True)
    if role:
        label.setProperty("role", role)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
