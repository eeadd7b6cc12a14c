"""The figures beside the pictures: before and after in a table, PSNR and SSIM of all slices, bars to choose slices."""

import math

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from tumordiff_core import units
from tumordiff_core.result_folder import Record
from tumordiff_gui import words
from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.modules.denoise.findings import expected_gain, mean
from tumordiff_gui.theme import apply
from tumordiff_gui.views.histogram import Histogram

MOST_LINKS = 14
CHART_MINIMUM = 76
Row = tuple[str, str, str]


class Figures(QWidget):
    """Shown in a cell beside the views.

    Signals
    -------
    slice_wanted : a slice the reader chose by its bar
    """

    slice_wanted = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumWidth(200)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 8)
        column.setSpacing(4)
        self.state = QLabel(strings.FIGURES_EMPTY, wordWrap=True)
        self.state.setProperty("role", "secondary")
        self.state.setContentsMargins(12, 0, 12, 0)
        column.addWidget(self.state)
        self._table = QGridLayout()
        self._table.setContentsMargins(12, 0, 12, 0)
        self._table.setHorizontalSpacing(12)
        self._table.setVerticalSpacing(2)
        self._table.setColumnStretch(0, 1)
        column.addLayout(self._table)
        self._rows: list[tuple[QLabel, ...]] = []
        self.doubt = QLabel(strings.SPREAD_LEGEND, wordWrap=True)
        self.doubt.setProperty("role", "secondary")
        self.doubt.setContentsMargins(12, 0, 12, 0)
        self.doubt.hide()
        column.addWidget(self.doubt)
        self.psnr = Histogram(strings.PSNR_TITLE, bars=14, empty=words.MISSING)
        self.ssim = Histogram(strings.SSIM_TITLE, bars=14, empty=words.MISSING)
        for chart in (self.psnr, self.ssim):
            chart.chosen.connect(lambda items, chart=chart: self._chosen(chart, items))
            chart.setMinimumHeight(CHART_MINIMUM)
            column.addWidget(chart, 1)
        self.links = QLabel(strings.CHOOSE_A_BAR, wordWrap=True, textFormat=Qt.TextFormat.RichText)
        self.links.setContentsMargins(12, 0, 12, 0)
        self.links.linkActivated.connect(lambda text: self.slice_wanted.emit(int(text)))
        column.addWidget(self.links)
        self._figures: dict[str, list[float]] = {}

    def hasHeightForWidth(self) -> bool:
        return False

    def sizeHint(self) -> QSize:
        return QSize(240, 200)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, 120)

    def clear(self) -> None:
        """No result: the empty state."""
        self._figures = {}
        self.state.setText(strings.FIGURES_EMPTY)
        self.state.show()
        self._fill([])
        self.doubt.hide()
        for chart in (self.psnr, self.ssim):
            chart.set_values([])
        self.links.setText("")

    def show_figures(self, record: Record, figures: dict[str, list[float]], *, done: int, total: int, truth: bool,
                     slice_index: int | None, phase: int = 0, spread: bool = False, trouble: str = "",
                     ) -> None:  # fmt: skip
        """The table of a result and the distributions of its slices, as far as they are measured."""
        self.state.setText(trouble or strings.FIGURES_WORKING.format(done=done, total=total))
        self.state.setVisible(bool(trouble) or done < total)
        self._fill(rows_of(record, figures, truth=truth, slice_index=slice_index, phase=phase))
        self.doubt.setVisible(spread)
        if figures != self._figures:
            self._figures = {name: list(values) for name, values in figures.items()}
            against = strings.TO_TRUTH if truth else strings.TO_ACQUIRED
            for chart, name in ((self.psnr, "psnr"), (self.ssim, "ssim")):
                chart.x_title = against
                chart.set_values(figures.get(name, []))
            self.links.setText(strings.CHOOSE_A_BAR if done else "")
        self._mark(figures, slice_index)

    def _mark(self, figures: dict[str, list[float]], slice_index: int | None) -> None:
        for chart, name in ((self.psnr, "psnr"), (self.ssim, "ssim")):
            values = figures.get(name, [])
            known = slice_index is not None and slice_index < len(values) and math.isfinite(values[slice_index])
            chart.set_mark(values[slice_index] if known and slice_index is not None else None)

    def _fill(self, rows: list[Row]) -> None:
        head: list[Row] = [("", strings.COLUMN_BEFORE, strings.COLUMN_AFTER)] if rows else []
        shown = head + rows
        while len(self._rows) < len(shown):
            self._rows.append(self._new_row(len(self._rows)))
        for at, labels in enumerate(self._rows):
            for column, label in enumerate(labels):
                label.setVisible(at < len(shown))
                if at < len(shown):
                    label.setText(shown[at][column])

    def _new_row(self, at: int) -> tuple[QLabel, ...]:
        labels = tuple(QLabel() for _ in range(3))
        for column, label in enumerate(labels):
            label.setFont(apply.font(12, tabular=True))
            if at == 0 or column == 0:
                label.setProperty("role", "secondary")
            if column:
                label.setAlignment(Qt.AlignmentFlag.AlignRight)
            self._table.addWidget(label, at, column)
        return labels

    def _chosen(self, chart: Histogram, items: list[int]) -> None:
        other = self.ssim if chart is self.psnr else self.psnr
        if items and other.selected is not None:
            other.choose(None)
        if not items:
            if other.selected is None:
                self.links.setText(strings.CHOOSE_A_BAR)
            return
        links = "  ".join(f'<a href="{k}">{k + 1}</a>' for k in items[:MOST_LINKS])
        more = strings.CHOSEN_MORE.format(count=len(items) - MOST_LINKS) if len(items) > MOST_LINKS else ""
        self.links.setText(strings.CHOSEN.format(links=links) + more)
        self.slice_wanted.emit(items[0])


def rows_of(
    record: Record, figures: dict[str, list[float]], *, truth: bool, slice_index: int | None, phase: int = 0
) -> list[Row]:
    """The metric table: what, before, after; ``-`` where nothing is known."""
    ftv, dash = record.figures, words.MISSING
    rows = [(strings.ROW_FTV, units.format_cc(ftv.get("ftv_before_cc")), units.format_cc(ftv.get("ftv_after_cc")))]
    if ftv.get("ftv_dice") is not None:
        rows.append((strings.ROW_DICE, dash, strings.RATIO.format(value=ftv["ftv_dice"])))
    rows.append((strings.ROW_RESIDUAL, dash, _text(mean(figures.get("residual", [])), strings.SIGMAS)))
    gain = expected_gain(record, phase)
    if gain is not None:
        rows.append((strings.ROW_GAIN, dash, strings.GAIN.format(value=gain)))
    if truth:
        rows.append(_pair(strings.ROW_PSNR, "psnr", strings.DB, figures))
        rows.append(_pair(strings.ROW_SSIM, "ssim", strings.RATIO, figures))
    if truth and slice_index is not None and slice_index < len(figures.get("psnr", [])):
        here = {name: values[slice_index : slice_index + 1] for name, values in figures.items()}
        rows.append(_pair(strings.ROW_SLICE.format(row=strings.PSNR_TITLE), "psnr", strings.DB, here))
        rows.append(_pair(strings.ROW_SLICE.format(row=strings.SSIM_TITLE), "ssim", strings.RATIO, here))
    return rows


def _pair(title: str, name: str, template: str, figures: dict[str, list[float]]) -> Row:
    before, after = (_text(mean(figures.get(key, [])), template) for key in (f"{name}_before", name))
    return title, before, after


def _text(value: float | None, template: str) -> str:
    return words.MISSING if value is None else template.format(value=value)
