"""Curves over steps, epochs, seconds or days; dashed for what is predicted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from tumordiff_gui import words
from tumordiff_gui.theme import apply
from tumordiff_gui.views.chart import Chart

LEGEND_ROW, LEGEND_SAMPLE = 15.0, 20.0
"""Height of a line of the legend, and room for the piece of curve beside its name, in pixels."""

LOOKED_AT = 200
"""Places along a line where it is asked whether the legend would hide it: trainings have thousands of points."""


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

        placed = [(line, [place(p) for p in found]) for line, found in drawn if found]
        for line, on_screen in placed:
            self._draw_line(painter, line, on_screen)
        if self._mark is not None and x[0] <= self._mark <= x[1]:
            painter.setPen(QPen(QColor(apply.current().warning), 1))
            at = place((self._mark, y[0])).x()
            painter.drawLine(QPointF(at, rect.top()), QPointF(at, rect.bottom()))
        self._legend(painter, placed)
        painter.end()

    def _draw_line(self, painter: QPainter, line: Line, points: list[QPointF]) -> None:
        colour = _colour(line.colour)
        painter.setPen(QPen(colour, 1.6, Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))
        if line.dots or len(points) == 1:
            painter.setBrush(colour)
            for point in points:
                painter.drawEllipse(point, 3, 3)

    def _legend(self, painter: QPainter, placed: list[tuple[Line, list[QPointF]]]) -> None:
        if len(placed) < 2:
            return
        painter.setFont(apply.font(11))
        names = painter.fontMetrics()
        width = max(names.horizontalAdvance(line.name) for line, _ in placed) + LEGEND_SAMPLE
        inner = self.plot_rect().adjusted(6, 6, -2, -6)
        place = freest(inner, QSizeF(width, len(placed) * LEGEND_ROW), [points for _, points in placed])
        for row, (line, _) in enumerate(placed):
            y = place.top() + row * LEGEND_ROW
            painter.setPen(QColor(apply.current().secondary))
            named = QRectF(place.left(), y, place.width() - 18, LEGEND_ROW)
            painter.drawText(named, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, line.name)
            painter.setPen(
                QPen(_colour(line.colour), 2, Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine)
            )
            middle = y + LEGEND_ROW / 2
            painter.drawLine(QPointF(place.right() - 12, middle), QPointF(place.right(), middle))


def freest(inside: QRectF, size: QSizeF, lines: Sequence[Sequence[QPointF]]) -> QRectF:
    """The corner of a plot that lines run through least, the upper right one if all are alike."""
    right, lower = inside.right() - size.width(), inside.bottom() - size.height()
    corners = [
        QRectF(QPointF(x, y), size)
        for x, y in ((right, inside.top()), (right, lower), (inside.left(), lower), (inside.left(), inside.top()))
    ]
    return min(corners, key=lambda corner: sum(_run_through(corner, points) for points in lines))


def _run_through(corner: QRectF, points: Sequence[QPointF]) -> int:
    """How many of ``LOOKED_AT`` places along a line lie in a corner."""
    last, found = len(points) - 1, 0
    for k in range(LOOKED_AT):
        at = last * k / (LOOKED_AT - 1)
        start, end = points[int(at)], points[min(int(at) + 1, last)]
        found += corner.contains(start + (end - start) * (at % 1))
    return found


def _colour(role: str) -> QColor:
    return QColor(role if role.startswith("#") else getattr(apply.current(), role))
