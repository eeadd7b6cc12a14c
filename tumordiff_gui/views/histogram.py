"""Histograms whose bars can be chosen: a click on a bar says which items lie in it."""

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from tumordiff_gui import words
from tumordiff_gui.theme import apply
from tumordiff_gui.views.chart import Chart

BARS = 16


class Histogram(Chart):
    """A histogram of one value per item (for example PSNR per slice).

    Signals
    -------
    chosen : list of item indices in the bar that was clicked, empty when the choice was taken back
    """

    chosen = Signal(list)

    def __init__(self, title: str, x_title: str = "", *, bars: int = BARS, empty: str = "",
                 parent: QWidget | None = None) -> None:  # fmt: skip
        super().__init__(title, x_title, parent)
        self._bars, self._empty = bars, empty or words.NO_POINTS
        self._edges: list[float] = []
        self._members: list[list[int]] = []
        self._values: list[float] = []
        self._selected: int | None = None
        self._mark: float | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def set_values(self, values: Sequence[float]) -> None:
        """Show the distribution of these values; items without one (NaN) are left out."""
        self._values = [float(v) for v in values]
        finite = [v for v in self._values if math.isfinite(v)]
        self._selected = None
        self._edges, self._members = [], []
        if finite:
            low, high = min(finite), max(finite)
            if high <= low:
                low, high = low - 0.5, low + 0.5
            step = (high - low) / self._bars
            self._edges = [low + i * step for i in range(self._bars + 1)]
            self._members = [[] for _ in range(self._bars)]
            for item, value in enumerate(self._values):
                if math.isfinite(value):
                    self._members[min(int((value - low) / step), self._bars - 1)].append(item)
        self.update()

    def set_mark(self, value: float | None) -> None:
        """A vertical line at a value, for example of the slice that is shown."""
        self._mark = value
        self.update()

    @property
    def selected(self) -> int | None:
        """The bar that is chosen."""
        return self._selected

    def members(self, bar: int) -> list[int]:
        """The items in a bar."""
        return list(self._members[bar])

    def bar_rect(self, bar: int) -> QRectF:
        """Where a bar can be clicked: the whole height of its column."""
        rect = self.plot_rect()
        width = rect.width() / max(len(self._members), 1)
        return QRectF(rect.left() + bar * width, rect.top(), width, rect.height())

    def choose(self, bar: int | None) -> None:
        """Choose a bar, or none."""
        self._selected = bar
        self.chosen.emit([] if bar is None else self.members(bar))
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for bar in range(len(self._members)):
            if self.bar_rect(bar).contains(event.position()) and self._members[bar]:
                self.choose(None if bar == self._selected else bar)
                return
        if self._selected is not None:
            self.choose(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        filled = [bar for bar, items in enumerate(self._members) if items]
        if step is None or not filled:
            super().keyPressEvent(event)
            return
        here = filled.index(self._selected) if self._selected in filled else (-1 if step > 0 else 0)
        self.choose(filled[(here + step) % len(filled)])

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if not self._members:
            self.nothing(painter, self._empty)
            painter.end()
            return
        t = apply.current()
        most = max(len(items) for items in self._members)
        self.draw_frame(painter, (self._edges[0], self._edges[-1]), (0.0, float(most)))
        for bar, items in enumerate(self._members):
            column = self.bar_rect(bar)
            height = column.height() * len(items) / most
            drawn = QRectF(column.x() + 1, column.bottom() - height, max(column.width() - 2, 1), height)
            painter.fillRect(drawn, QColor(t.warning if bar == self._selected else t.accent))
        if self._mark is not None and self._edges[0] <= self._mark <= self._edges[-1]:
            rect = self.plot_rect()
            at = rect.left() + (self._mark - self._edges[0]) / (self._edges[-1] - self._edges[0]) * rect.width()
            painter.setPen(QColor(t.text))
            painter.drawLine(QPointF(at, rect.top()), QPointF(at, rect.bottom()))
        if self.hasFocus():
            painter.setPen(QColor(t.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()
