"""What is drawn over the pixels of a slice view: letters, side of the body, corners, scale bar, badges, states."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap

from tumordiff_gui import words
from tumordiff_gui.theme import apply, icons, tokens
from tumordiff_gui.views import corner_text

if TYPE_CHECKING:
    from tumordiff_gui.views.slice_view import SliceWidget

MARGIN = 8.0
MOST_LINES = 4
"""Lines of an upper corner: of the right one title, series, phase and size."""

CORNER_PX = 11
CRAMPED_PX = 250
RAMP_PX = 96.0
OUTLINE_PX = 3.0
Ramp = tuple[str, npt.NDArray[np.uint32], tuple[float, float], str]
BADGE_COLOURS = {
    "DERIVED": tokens.ON_BLACK_DERIVED, "SYNTHETIC": tokens.ON_BLACK_PREDICTED,
    "PREDICTED": tokens.ON_BLACK_PREDICTED, "FLIPPED": tokens.ON_BLACK_DERIVED,
    "OUT OF TRAINED RANGE": tokens.ON_BLACK_DERIVED, "UNEVALUATED": tokens.ON_BLACK_DERIVED,
}  # fmt: skip
HATCHED = frozenset({"SYNTHETIC", "PREDICTED"})
HATCH_WIDTH = 7.0
SCALE_STEPS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
MOST_CACHED_TEXTS = 64


class Decorations:
    """Draws all decorations of one view; outlined texts are kept as small pictures until they change."""

    def __init__(self) -> None:
        self._texts: dict[tuple[object, ...], QPixmap] = {}

    def draw(self, painter: QPainter, widget: "SliceWidget") -> None:
        """Everything over the pixels, the states included."""
        if widget.model.picture is None:
            self._empty(painter, widget)
        else:
            self._over_picture(painter, widget)
        busy = widget.busy_text()
        if busy:
            painter.fillRect(QRectF(0, 0, widget.width(), 2), QColor(apply.current().accent))
            self.text(painter, widget, busy, QPointF(widget.width() / 2, 6), "top", tokens.ON_BLACK_DIM)

    def under_corners(self) -> int:
        """How far down the lines of the upper corners reach, in pixels."""
        return round(MARGIN + MOST_LINES * QFontMetricsF(self._font()).height())

    def _over_picture(self, painter: QPainter, widget: "SliceWidget") -> None:
        lines = corner_text.corners(widget.model, widget.zoom_percent(), hide_names=widget.hide_names)
        width, height = float(widget.width()), float(widget.height())
        if any(word in HATCHED for word in widget.model.badge_words()):
            self._hatch(painter, width, height)
        step = QFontMetricsF(self._font()).height()
        roomy = width >= CRAMPED_PX
        for row, line in enumerate(lines.top_left if roomy else ()):
            self.text(painter, widget, line, QPointF(MARGIN, MARGIN + row * step), "left")
        for row, line in enumerate(lines.top_right if roomy else ()):
            shown = self._cut(line, width, lines.side)
            self.text(painter, widget, shown, QPointF(width - MARGIN, MARGIN + row * step), "right")
        for row, line in enumerate(reversed(lines.bottom_left)):
            self.text(painter, widget, line, QPointF(MARGIN, height - MARGIN - (row + 1) * step), "left")
        self._letters(painter, widget, lines.bottom_left, step)
        self._side(painter, widget, lines, step)
        if widget.model.annotations != "off":
            self._scale_bar(painter, widget, step)
            self._legends(painter, widget, step)
        box = widget.box()
        if box is not None:
            painter.setPen(QPen(QColor(tokens.ON_BLACK_CROSSHAIR), 1, Qt.PenStyle.DashLine))
            painter.drawRect(box)

    def _cut(self, line: str, width: float, side: str) -> str:
        """A line of the right corner, shortened where it would run over the side of the body in the middle."""
        half = QFontMetricsF(self._font(bold=True)).horizontalAdvance(side) / 2
        room = width / 2 - half - 2 * MARGIN
        return QFontMetricsF(self._font()).elidedText(line, Qt.TextElideMode.ElideMiddle, room)

    def _letters(self, painter: QPainter, widget: "SliceWidget", below: tuple[str, ...], step: float) -> None:
        plane = widget.model.plane
        assert plane is not None
        letters = dict(plane.letters)
        if widget.model.flipped:
            letters["left"], letters["right"] = letters["right"], letters["left"]
        width, height = float(widget.width()), float(widget.height())
        middle = (height - step) / 2
        colour = tokens.ON_BLACK_TEXT
        self.text(painter, widget, letters["left"], QPointF(MARGIN, middle), "left", colour, bold=True)
        self.text(painter, widget, letters["right"], QPointF(width - MARGIN, middle), "right", colour, bold=True)
        self.text(painter, widget, letters["top"], QPointF(width / 2, MARGIN / 2), "top", colour, bold=True)
        row = self._free_row(below, width, letters["bottom"])
        bottom = QPointF(width / 2, height - (MARGIN if row else MARGIN / 2) - (row + 1) * step)
        self.text(painter, widget, letters["bottom"], bottom, "top", colour, bold=True)

    def _free_row(self, below: tuple[str, ...], width: float, letter: str) -> int:
        """The lowest row of text, counted from the bottom, whose middle the corner text leaves free."""
        metrics = QFontMetricsF(self._font())
        reach = width / 2 - QFontMetricsF(self._font(bold=True)).horizontalAdvance(letter) / 2 - MARGIN / 2
        taken = [MARGIN + metrics.horizontalAdvance(line) + OUTLINE_PX > reach for line in reversed(below)]
        return next((row for row, is_taken in enumerate(taken) if not is_taken), len(taken))

    def _side(self, painter: QPainter, widget: "SliceWidget", lines: corner_text.Corners, step: float) -> None:
        colour = tokens.ON_BLACK_DERIVED if lines.side_doubtful else tokens.ON_BLACK_TEXT
        top = MARGIN / 2 + step * 1.2
        self.text(painter, widget, lines.side, QPointF(widget.width() / 2, top), "top", colour, bold=True)
        top += step * 1.35
        for word in widget.model.badge_words():
            self._badge(painter, word, QPointF(widget.width() / 2, top), step)
            top += step * 1.6

    def _badge(self, painter: QPainter, word: str, centre_top: QPointF, step: float) -> None:
        font = self._font(bold=True)
        metrics = QFontMetricsF(font)
        width = metrics.horizontalAdvance(word) + 12
        rect = QRectF(centre_top.x() - width / 2, centre_top.y(), width, step * 1.3)
        colour = QColor(BADGE_COLOURS.get(word, tokens.ON_BLACK_DIM))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(0, 0, 0, 200))
        painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DashLine if word in HATCHED else Qt.PenStyle.SolidLine))
        painter.drawRoundedRect(rect, 3, 3)
        painter.setFont(font)
        painter.setPen(colour)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, word)
        painter.restore()

    def _hatch(self, painter: QPainter, width: float, height: float) -> None:
        brush = QBrush(QColor(tokens.ON_BLACK_PREDICTED), Qt.BrushStyle.BDiagPattern)
        for rect in (
            QRectF(0, 0, width, HATCH_WIDTH), QRectF(0, height - HATCH_WIDTH, width, HATCH_WIDTH),
            QRectF(0, 0, HATCH_WIDTH, height), QRectF(width - HATCH_WIDTH, 0, HATCH_WIDTH, height),
        ):  # fmt: skip
            painter.fillRect(rect, brush)

    def _scale_bar(self, painter: QPainter, widget: "SliceWidget", step: float) -> None:
        across_mm = widget._extent_mm()[0]
        per_mm = widget.picture_rect().width() / across_mm
        most = widget.width() / 4
        fitting = [mm for mm in SCALE_STEPS_MM if mm * per_mm <= most]
        if not fitting:
            return
        mm = fitting[-1]
        label = words.SCALE_CM.format(cm=mm / 10) if mm >= 10 else words.SCALE_MM.format(mm=mm)
        right, y = widget.width() - MARGIN, widget.height() - MARGIN - 3
        left = right - mm * per_mm
        for colour, thick in ((tokens.ON_BLACK_OUTLINE, 3.0), (tokens.ON_BLACK_TEXT, 1.0)):
            painter.setPen(QPen(QColor(colour), thick))
            painter.drawLine(QPointF(left, y), QPointF(right, y))
            painter.drawLine(QPointF(left, y - 4), QPointF(left, y + 1))
            painter.drawLine(QPointF(right, y - 4), QPointF(right, y + 1))
        self.text(painter, widget, label, QPointF(right, y - step - 5), "right", tokens.ON_BLACK_DIM)

    def _legends(self, painter: QPainter, widget: "SliceWidget", step: float) -> None:
        y = widget.height() - MARGIN - 4.6 * step
        picture, grey = widget.model.picture, widget.model.grey
        if picture is not None and picture.colours is not None:
            ends = (grey.center - grey.width / 2, grey.center + grey.width / 2)
            self._ramp(painter, widget, y, step, (picture.legend, picture.colours, ends, picture.unit))
            y -= 2.4 * step
        for overlay in widget.model.overlays:
            if not overlay.shown:
                continue
            right = widget.width() - MARGIN
            if overlay.colours is None or overlay.values.dtype == bool:
                painter.fillRect(QRectF(right - 10, y + 2, 10, 10), QColor(overlay.colour))
                self.text(painter, widget, overlay.title, QPointF(right - 16, y), "right")
            else:
                ramp = (overlay.title, overlay.colours, overlay.limits, overlay.unit)
                self._ramp(painter, widget, y, step, ramp)
            y -= 1.9 * step

    def _ramp(self, painter: QPainter, widget: "SliceWidget", y: float, step: float, ramp: Ramp) -> None:
        """A colour bar with its name and ends."""
        title, colours, (low, high), unit = ramp
        right, parts = widget.width() - MARGIN, 32
        for part in range(parts):
            colour = QColor(int(colours[part * 8]) & 0xFFFFFF)
            painter.fillRect(
                QRectF(right - RAMP_PX + part * RAMP_PX / parts, y + step, RAMP_PX / parts + 0.5, 8), colour
            )
        ends = f"{corner_text.number(low)} – {corner_text.number(high)} {unit}".rstrip()
        self.text(painter, widget, f"{title}  {ends}", QPointF(right, y - 2), "right")

    def _empty(self, painter: QPainter, widget: "SliceWidget") -> None:
        if widget.model.trouble:
            return
        centre = QPointF(widget.width() / 2, widget.height() / 2)
        icons.paint(painter, "image-off-outline", QRectF(centre.x() - 16, centre.y() - 36, 32, 32), "#5A6470")
        text = widget.busy_text() or widget.model.title or words.NOTHING_SHOWN
        self.text(painter, widget, text, QPointF(centre.x(), centre.y() + 4), "top", tokens.ON_BLACK_DIM)

    def _font(self, *, bold: bool = False) -> QFont:
        return apply.font(CORNER_PX, semibold=bold, tabular=True)

    def text(self, painter: QPainter, widget: "SliceWidget", text: str, at: QPointF, anchor: str,
             colour: str = tokens.ON_BLACK_TEXT, *, bold: bool = False) -> None:  # fmt: skip
        """Text with a 1 px black outline; ``anchor`` says whether ``at`` is its left, right or top centre."""
        if not text:
            return
        ratio = widget.devicePixelRatioF()
        key = (text, colour, bold, ratio)
        made = self._texts.get(key)
        if made is None:
            if len(self._texts) > MOST_CACHED_TEXTS:
                self._texts.clear()
            made = self._texts[key] = self._outlined(text, colour, bold, ratio)
        width = made.width() / ratio
        x = {"left": at.x(), "right": at.x() - width, "top": at.x() - width / 2}[anchor]
        painter.drawPixmap(QPointF(round(x), round(at.y())), made)

    def _outlined(self, text: str, colour: str, bold: bool, ratio: float) -> QPixmap:
        font = self._font(bold=bold)
        metrics = QFontMetricsF(font)
        width, height = metrics.horizontalAdvance(text) + OUTLINE_PX, metrics.height() + 2
        made = QPixmap(max(round(width * ratio), 1), max(round(height * ratio), 1))
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setFont(font)
        base = metrics.ascent() + 1
        painter.setPen(QColor(tokens.ON_BLACK_OUTLINE))
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)):
            painter.drawText(QPointF(1 + dx, base + dy), text)
        painter.setPen(QColor(colour))
        painter.drawText(QPointF(1, base), text)
        painter.end()
        return made
