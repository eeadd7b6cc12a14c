"""The left column of Denoise: what is denoised, by which model, how, and what came of it; knows no pictures."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core import units
from tumordiff_gui import words
from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.forms.form import Form
from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.modules.denoise.findings import Said
from tumordiff_gui.theme import apply, icons
from tumordiff_gui.views.column import heading, scrolling_column

FORM_FIELDS = (
    "sigma", "uncertainty", "alarms", "explanation", "chain", "mirrors", "local_means", "along_edges", "rims",
    "samples", "seed",
)  # fmt: skip
OF_ONE_SERIES = ("sigma", "local_means")
"""Fields that go back to automatic with another series: what suits one may harm the next."""

STRENGTH_PARTS = 100
LAYOUTS = (
    ("compare", strings.COMPARE, strings.COMPARE_HINT, "view-grid-outline"),
    ("models", strings.MODELS, strings.MODELS_HINT, "compare"),
    ("steps", strings.STEPS, strings.STEPS_HINT, "chart-timeline-variant"),
    ("explain", strings.EXPLAIN, strings.EXPLAIN_HINT, "target"),
)
LEVEL_ICONS = {
    "good": ("check-circle-outline", "good"), "note": ("information-outline", "secondary"),
    "warning": ("alert-outline", "warning"),
}  # fmt: skip


class Controls(QWidget):
    """Widgets and their signals; the panel decides what they mean.

    Signals
    -------
    strength_moved : the slider's value, while it moves
    strength_set : (before, after) once per drag or key
    finding_chosen : a Said that names a place
    """

    series_chosen = Signal(str)
    phase_chosen = Signal(int)
    model_chosen = Signal(str)
    result_chosen = Signal(object)
    form_changed = Signal()
    run_pressed = Signal()
    stop_pressed = Signal(str)
    details_pressed = Signal()
    card_pressed = Signal()
    strength_moved = Signal(float)
    strength_set = Signal(float, float)
    keep_pressed = Signal()
    export_pressed = Signal()
    stress_pressed = Signal()
    layout_chosen = Signal(str)
    finding_chosen = Signal(object)

    def __init__(self, params: Any) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._column = scrolling_column(QVBoxLayout(self))
        self._strength_before = 1.0
        self._build_source()
        self._build_model(params)
        self._build_run()
        self._build_layouts()
        self._build_result()
        self._build_findings()
        self._column.addStretch(1)

    # building

    def _build_source(self) -> None:
        self.title = _wrapped()
        self.title.setFont(apply.font(15, semibold=True))
        self._column.addWidget(self.title)
        self.series = QComboBox()
        self.series.setAccessibleName(strings.SERIES)
        _shrinking(self.series)
        self.series.activated.connect(lambda _: self.series_chosen.emit(str(self.series.currentData())))
        self._column.addWidget(self.series)
        self._phase_row = QHBoxLayout()
        self._phase_row.setSpacing(4)
        self.phases = QButtonGroup(self, exclusive=True)
        self.phases.idClicked.connect(self.phase_chosen)
        self._column.addLayout(self._phase_row)
        self.trouble = _wrapped("warning")
        self.trouble.hide()
        self._column.addWidget(self.trouble)

    def _build_model(self, params: Any) -> None:
        self._column.addWidget(heading(strings.MODEL))
        row = QHBoxLayout()
        self.model = QComboBox()
        self.model.setAccessibleName(strings.MODEL)
        _shrinking(self.model)
        self.model.activated.connect(lambda _: self.model_chosen.emit(str(self.model.currentData())))
        self.card = QPushButton(strings.CARD)
        self.card.setToolTip(strings.CARD_HINT)
        self.card.clicked.connect(self.card_pressed)
        row.addWidget(self.model, 1)
        row.addWidget(self.card)
        self._column.addLayout(row)
        self.model_note = _wrapped("warning")
        self.model_note.hide()
        self._column.addWidget(self.model_note)
        self.noise = _wrapped("secondary")
        self.noise.setText(strings.NOISE_UNKNOWN)
        self._column.addWidget(self.noise)
        self.form = Form(params, {"input": strings.NO_INPUT_YET}, only=FORM_FIELDS)
        self.form.changed.connect(self.form_changed)
        rims = self.form.editor("rims")
        self._rims = [rims, *(label for label in self.form.findChildren(QLabel) if label.buddy() is rims)]
        self._rims_hint = rims.toolTip()
        self._column.addWidget(self.form)

    def _build_run(self) -> None:
        row = QHBoxLayout()
        self.run = QPushButton(icons.icon("play", "on_accent"), strings.RUN)
        self.run.setProperty("role", "primary")
        self.run.clicked.connect(self.run_pressed)
        self.stop = QToolButton()
        self.stop.setText(words.STOP)
        self.stop.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        self.stop.clicked.connect(lambda: self.stop_pressed.emit("step"))
        menu = QMenu(self.stop)
        for word in ("step", "now"):
            menu.addAction(words.STOP_WORDS[word], lambda word=word: self.stop_pressed.emit(word))
        self.stop.setMenu(menu)
        row.addWidget(self.run, 1)
        row.addWidget(self.stop)
        self._column.addLayout(row)
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName(strings.RUN)
        self.progress = _wrapped("secondary")
        self.details = QPushButton(words.DETAILS)
        self.details.setProperty("role", "flat")
        self.details.clicked.connect(self.details_pressed)
        for widget in (self.bar, self.progress, self.details):
            self._column.addWidget(widget)
        self.stress = QPushButton(icons.icon("flask-outline"), strings.STRESS)
        self.stress.clicked.connect(self.stress_pressed)
        self._column.addWidget(self.stress)
        self.show_job(None)

    def _build_layouts(self) -> None:
        self._column.addWidget(heading(strings.LAYOUT))
        grid = QGridLayout()
        grid.setSpacing(4)
        self.layouts = QButtonGroup(self, exclusive=True)
        for number, (_name, title, hint, icon) in enumerate(LAYOUTS):
            button = QToolButton(checkable=True, checked=number == 0)
            button.setIcon(icons.icon(icon))
            button.setText(title)
            button.setToolTip(hint)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            self.layouts.addButton(button, number)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            grid.addWidget(button, number // 2, number % 2)
        self.layouts.idClicked.connect(lambda number: self.layout_chosen.emit(LAYOUTS[number][0]))
        self._column.addLayout(grid)

    def _build_result(self) -> None:
        self._column.addWidget(heading(strings.RESULT))
        self.result = QComboBox()
        self.result.setAccessibleName(strings.RESULT)
        _shrinking(self.result)
        self.result.activated.connect(lambda _: self.result_chosen.emit(self.result.currentData()))
        self._column.addWidget(self.result)
        row = QHBoxLayout()
        label = QLabel(strings.STRENGTH)
        self.strength = QSlider(Qt.Orientation.Horizontal, minimum=0, maximum=STRENGTH_PARTS, value=STRENGTH_PARTS)
        self.strength.setAccessibleName(strings.STRENGTH)
        self.strength.setToolTip(strings.STRENGTH_HINT)
        self.strength.setPageStep(10)
        self.strength.sliderPressed.connect(self._strength_grabbed)
        self.strength.sliderReleased.connect(self._strength_dropped)
        self.strength.valueChanged.connect(self._strength_changed)
        self.strength_value = QLabel(strings.STRENGTH_VALUE.format(value=1.0))
        self.strength_value.setFont(apply.font(12, tabular=True))
        self.strength_value.setFixedWidth(36)
        row.addWidget(label)
        row.addWidget(self.strength, 1)
        row.addWidget(self.strength_value)
        self._column.addLayout(row)
        hint = QLabel(strings.HOLD)
        hint.setProperty("role", "secondary")
        self._column.addWidget(hint)
        buttons = QHBoxLayout()
        self.export = QPushButton(icons.icon("export-variant"), strings.EXPORT)
        self.export.clicked.connect(self.export_pressed)
        self.keep = QPushButton()
        self.keep.clicked.connect(self.keep_pressed)
        self.keep.hide()
        buttons.addWidget(self.export)
        buttons.addWidget(self.keep)
        buttons.addStretch(1)
        self._column.addLayout(buttons)

    def _build_findings(self) -> None:
        self._findings_head = heading(strings.FINDINGS)
        self._column.addWidget(self._findings_head)
        self._findings = QVBoxLayout()
        self._findings.setSpacing(6)
        self._rows: list[FindingRow] = []
        self._column.addLayout(self._findings)
        self.show_findings([])

    # strength

    def _strength_grabbed(self) -> None:
        self._strength_before = self.strength.value() / STRENGTH_PARTS

    def _strength_changed(self, value: int) -> None:
        now = value / STRENGTH_PARTS
        before, dragged = self._strength_before, self.strength.isSliderDown()
        self.strength_value.setText(strings.STRENGTH_VALUE.format(value=now))
        self.strength_moved.emit(now)
        if not dragged:
            self._strength_before = now
            self.strength_set.emit(before, now)

    def _strength_dropped(self) -> None:
        now = self.strength.value() / STRENGTH_PARTS
        before, self._strength_before = self._strength_before, now
        if now != before:
            self.strength_set.emit(before, now)

    def set_strength(self, value: float) -> None:
        """Put the slider somewhere without a step on the undo stack."""
        self.strength.blockSignals(True)
        self.strength.setValue(round(value * STRENGTH_PARTS))
        self.strength.blockSignals(False)
        self._strength_before = value
        self.strength_value.setText(strings.STRENGTH_VALUE.format(value=value))

    # telling

    def show_series(self, rows: Sequence[tuple[str, str]], uid: str) -> None:
        """The series that can be chosen, as (uid, title)."""
        self.series.clear()
        for each, title in rows:
            self.series.addItem(title, each)
        self.series.setCurrentIndex(self.series.findData(uid))
        self.series.setVisible(len(rows) > 1)

    def show_phases(self, names: Sequence[tuple[int, str]], phase: int) -> None:
        """A button for each phase, none when there is one only."""
        for button in self.phases.buttons():
            self.phases.removeButton(button)
            self._phase_row.removeWidget(button)
            button.hide()
            button.deleteLater()
        for index, name in names if len(names) > 1 else ():
            button = QToolButton(checkable=True, checked=index == phase)
            button.setText(name)
            self.phases.addButton(button, index)
            self._phase_row.addWidget(button)

    def say_trouble(self, sentence: str) -> None:
        """A sentence under the series; empty for none."""
        self.trouble.setText(sentence)
        self.trouble.setVisible(bool(sentence))

    def say_model(self, sentence: str) -> None:
        """A sentence under the model; empty for none."""
        self.model_note.setText(sentence)
        self.model_note.setVisible(bool(sentence))

    def offer_rims(self, offered: bool) -> None:
        """Whether rims can be chosen; where they cannot, the box says why and keeps its tick for another model."""
        for widget in self._rims:
            widget.setEnabled(offered)
            widget.setToolTip(self._rims_hint if offered else strings.RIMS_WHY_NOT)

    def show_results(self, rows: Sequence[tuple[Path, str]], chosen: Path | None) -> None:
        """The results of the series and, first, the preview."""
        self.result.clear()
        self.result.addItem(strings.RESULT_PREVIEW, None)
        for folder, text in rows:
            self.result.addItem(text, folder)
        index = next((n for n, (folder, _) in enumerate(rows, 1) if folder == chosen), 0)
        self.result.setCurrentIndex(index)
        self.result.setToolTip("" if rows else strings.NO_RESULTS)

    def show_job(self, view: JobView | None) -> None:
        """How far the job of this series is, or its sentence when it failed."""
        active = view is not None and view.active
        self.bar.setVisible(active)
        self.stop.setVisible(active)
        self.progress.hide()
        self.details.hide()
        if view is None:
            return
        if active:
            fraction = view.fraction
            self.bar.setRange(0, 0 if fraction is None and view.state == "running" else 1000)
            self.bar.setValue(round(1000 * (fraction or 0)))
            self.stop.setEnabled(view.state != "stopping")
            self.progress.setProperty("role", "secondary")
            self.progress.setText(_job_text(view))
            self.progress.show()
        elif view.state in {"failed", "lost"}:
            self.progress.setProperty("role", "error")
            self.progress.setText(view.sentence or words.JOB_STATES[view.state])
            self.progress.show()
            self.details.show()
        self.progress.style().unpolish(self.progress)
        self.progress.style().polish(self.progress)

    def show_findings(self, said: Sequence[Said]) -> None:
        """One row for each sentence; those that name a place are links."""
        self._findings_head.setVisible(bool(said))
        while len(self._rows) < len(said):
            self._rows.append(self._new_row())
        for at, row in enumerate(self._rows):
            row.setVisible(at < len(said))
            if at < len(said):
                row.tell(said[at])

    def _new_row(self) -> "FindingRow":
        row = FindingRow()
        row.chosen.connect(self.finding_chosen)
        self._findings.addWidget(row)
        return row


class FindingRow(QWidget):
    """One sentence with its sign.

    Signals
    -------
    chosen : the Said, when it names a place and its link was pressed
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        self._sign = QLabel()
        self.text = _wrapped()
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.linkActivated.connect(lambda _: self.chosen.emit(self._said))
        self._said: Said | None = None
        line.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.text, 1)

    def tell(self, said: Said) -> None:
        """Say this sentence."""
        if said == self._said:
            return
        self._said = said
        self._sign.setPixmap(icons.icon(*LEVEL_ICONS[said.level]).pixmap(16, 16))
        shown = html.escape(said.text)
        self.text.setText(shown if said.index is None else f'<a href="go">{shown}</a>')
        self.text.setAccessibleName(said.text)


def _job_text(view: JobView) -> str:
    if view.state == "queued":
        return strings.WAITING
    if view.state == "stopping":
        return words.JOB_STATES["stopping"]
    parts = [view.stage]
    if view.total:
        parts = [strings.PROGRESS.format(stage=view.stage, done=round(view.done), total=round(view.total))]
    if view.left_s is not None:
        parts.append(strings.LEFT.format(left=units.format_duration(view.left_s)))
    return "   ".join(parts)


def _wrapped(role: str = "") -> QLabel:
    label = QLabel(wordWrap=True)
    if role:
        label.setProperty("role", role)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def _shrinking(box: QComboBox) -> None:
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
