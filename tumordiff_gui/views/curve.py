"""Curves over steps, epochs, seconds or days; dashed for what is predicted."""

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from tumordiff_gui import words
from tumordiff_gui.theme import apply
from tumordiff_gui.views.chart import Chart


@dataclass(frozen=True)
class Line:
    """One curve: its points (x, y), the token role or ``#rrggbb`` it is drawn in."""

    name: str
    points: tuple[tuple[float, float], ...]
    colour: str = "accent"
    dashed: bool = False
    dots: bool = False


class Curve(Chart):
    """A chart of lines; ``set_lines`` replaces them, ``log`` draws y on a logarithmic axis."""

    def __init__(self, title: str, x_title: str = "", *, log: bool = False, empty: str = "",
                 parent: QWidget | None = None) -> None:  # fmt: skip
        super().__init__(title, x_title, parent)
        self._log, self.empty = log, empty or words.NO_POINTS
        self._lines: tuple[Line, ...] = ()
        self._mark: float | None = None

    def set_lines(self, lines: tuple[Line, ...] | list[Line]) -> None:
        """Show these curves."""
        self._lines = tuple(lines)
        self.update()

    def set_mark(self, x: float | None) -> None:
        """A vertical line at x, for example the step or slice that is shown."""
        self._mark = x
        self.update()

    def _drawable(self, line: Line) -> list[tuple[float, float]]:
        found = [(x, y) for x, y in line.points if math.isfinite(x) and math.isfinite(y)]
        return [(x, math.log10(y)) for x, y in found if y > 0] if self._log else found

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        drawn = [(line, self._drawable(line)) for line in self._lines]
        points = [p for _, found in drawn for p in found]
        if not points:
            self.nothing(painter, self.empty)
            painter.end()
            return
        x = (min(p[0] for p in points), max(p[0] for p in points))
        y = (min(p[1] for p in points), max(p[1] for p in points))
        x = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
        pad = (y[1] - y[0]) * 0.08 or 0.5
        y = (y[0] - pad, y[1] + pad)
        self.draw_frame(painter, x, y, log_y=self._log)
        rect = self.plot_rect()

        def place(point: tuple[float, float]) -> QPointF:
            return QPointF(
                rect.left() + (point[0] - x[0]) / (x[1] - x[0]) * rect.width(),
                rect.bottom() - (point[1] - y[0]) / (y[1] - y[0]) * rect.height(),
            )

        for line, found in drawn:
            self._draw_line(painter, line, [place(p) for p in found])
        if self._mark is not None and x[0] <= self._mark <= x[1]:
            painter.setPen(QPen(QColor(apply.current().warning), 1))
            at = place((self._mark, y[0])).x()
            painter.drawLine(QPointF(at, rect.top()), QPointF(at, rect.bottom()))
        self._legend(painter, [line for line, found in drawn if found])
        painter.end()

    def _draw_line(self, painter: QPainter, line: Line, points: list[QPointF]) -> None:
        if not points:
            return
        colour = _colour(line.colour)
        painter.setPen(QPen(colour, 1.6, Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        if line.dots or len(points) == 1:
            painter.setBrush(colour)
            for point in points:
                painter.drawEllipse(point, 3, 3)

    def _legend(self, painter: QPainter, lines: list[Line]) -> None:
        if len(lines) < 2:
            return
        painter.setFont(apply.font(11))
        right = self.width() - 14.0
        for row, line in enumerate(lines):
            y = self.plot_rect().top() + 6 + row * 15
            painter.setPen(QColor(apply.current().secondary))
            painter.drawText(QRectF(right - 150, y, 132, 14), Qt.AlignmentFlag.AlignRight, line.name)
            painter.setPen(
                QPen(_colour(line.colour), 2, Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine)
            )
            painter.drawLine(QPointF(right - 12, y + 7), QPointF(right, y + 7))


def _colour(role: str) -> QColor:
    return QColor(role if role.startswith("#") else getattr(apply.current(), role))
