"""What curves and histograms share: axes with round ticks, the theme's colours, calm drawing."""

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QWidget

from tumordiff_gui.theme import apply

LEFT, RIGHT, TOP, BOTTOM = 48.0, 12.0, 26.0, 24.0


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers inside a range, at most ``most`` of them."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def round_log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Logarithms (base 10) of 1, 2 and 5 times powers of ten inside a range of logarithms; fewer when too many fit."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    for factors in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        powers = range(math.floor(low), math.ceil(high) + 1)
        found = [p + math.log10(f) for p in powers for f in factors if low <= p + math.log10(f) <= high]
        if len(found) <= most:
            break
    return found if len(found) > 1 else round_ticks(low, high, most)


def tick_text(value: float) -> str:
    """A tick in few characters."""
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e") if value and abs(value) < 1e-3 else f"{value:.4g}"


class Chart(QWidget):
    """Base of the charts: a titled frame with two axes."""

    def __init__(self, title: str, x_title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.x_title = title, x_title
        self.setAccessibleName(title)
        self.setMinimumSize(160, 110)

    def sizeHint(self) -> QSize:
        return QSize(320, 180)

    def plot_rect(self) -> QRectF:
        """Where the axes span."""
        return QRectF(LEFT, TOP, max(self.width() - LEFT - RIGHT, 1), max(self.height() - TOP - BOTTOM, 1))

    def draw_frame(
        self, painter: QPainter, x: tuple[float, float], y: tuple[float, float], *, log_y: bool = False
    ) -> None:
        """Panel, title, ticks and hairlines for data ranges ``x`` and ``y``."""
        t = apply.current()
        painter.fillRect(self.rect(), QColor(t.panel))
        rect = self.plot_rect()
        painter.setFont(apply.font(12, semibold=True))
        painter.setPen(QColor(t.text))
        painter.drawText(QRectF(12, 4, self.width() - 24, 18), Qt.AlignmentFlag.AlignLeft, self.title)
        painter.setFont(apply.font(11, tabular=True))
        metrics = QFontMetricsF(painter.font())
        for value in (round_log_ticks if log_y else round_ticks)(*y, most=max(int(rect.height() // 32), 2)):
            at = rect.bottom() - (value - y[0]) / max(y[1] - y[0], 1e-12) * rect.height()
            painter.setPen(QPen(QColor(t.hairline), 1))
            painter.drawLine(QPointF(rect.left(), at), QPointF(rect.right(), at))
            painter.setPen(QColor(t.secondary))
            text = tick_text(float(f"{10**value:.2g}") if log_y else value)
            painter.drawText(QPointF(rect.left() - 6 - metrics.horizontalAdvance(text), at + 4), text)
        for value in round_ticks(*x, most=max(int(rect.width() // 64), 2)):
            at = rect.left() + (value - x[0]) / max(x[1] - x[0], 1e-12) * rect.width()
            text = tick_text(value)
            painter.drawText(QPointF(at - metrics.horizontalAdvance(text) / 2, rect.bottom() + 14), text)
        if self.x_title:
            width = metrics.horizontalAdvance(self.x_title)
            painter.drawText(QPointF(self.width() - RIGHT - width, 16), self.x_title)

    def nothing(self, painter: QPainter, text: str) -> None:
        """The empty state of a chart."""
        t = apply.current()
        painter.fillRect(self.rect(), QColor(t.panel))
        painter.setFont(apply.font(12, semibold=True))
        painter.setPen(QColor(t.text))
        painter.drawText(QRectF(12, 4, self.width() - 24, 18), Qt.AlignmentFlag.AlignLeft, self.title)
        painter.setFont(apply.font(12))
        painter.setPen(QColor(t.secondary))
        painter.drawText(QRectF(self.rect()), Qt.AlignmentFlag.AlignCenter, text)
