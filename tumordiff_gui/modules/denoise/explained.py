"""The strip under the explained pixel: how much each slice counts, what it means, what the network reacts to."""

import html
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.modules.denoise.previews import Explanation
from tumordiff_gui.theme import apply, maps
from tumordiff_gui.views.corner_text import number
from tumordiff_gui.views.curve import Curve, Line

BAR_PX, NAME_PX, SHARE_PX = 20, 78, 48
MAPS_ACROSS = 4


class Explained(QWidget):
    """Shares, sentences and feature maps of the pixel that was clicked; says so while there is none.

    Signals
    -------
    image_wanted : the place among the images of the filter whose bar was chosen
    features_wanted : the reader asked for the feature maps
    """

    image_wanted = Signal(int)
    features_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 12, 8)
        row.setSpacing(16)
        left, right = QVBoxLayout(), QVBoxLayout()
        self.head = QLabel(strings.SHARES_TITLE)
        self.head.setFont(apply.font(12, semibold=True))
        self.bars = Bars()
        self.bars.chosen.connect(self.image_wanted)
        left.addWidget(self.head)
        left.addWidget(self.bars)
        left.addStretch(1)
        row.addLayout(left, 2)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.text = QLabel(wordWrap=True, alignment=Qt.AlignmentFlag.AlignTop)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setProperty("role", "panel")
        self.text.setFont(apply.font(12))
        self.text.setTextFormat(Qt.TextFormat.RichText)
        scroll.setWidget(self.text)
        row.addWidget(scroll, 4)
        self.spectrum = Curve(strings.SPECTRUM_TITLE, strings.SPECTRUM_X, empty=strings.SPECTRUM_EMPTY)
        self.spectrum.setToolTip(strings.SPECTRUM_LEGEND)
        row.addWidget(self.spectrum, 3)
        self.ask = QPushButton(strings.SHOW_FEATURES)
        self.ask.setToolTip(strings.FEATURES_LEGEND)
        self.ask.clicked.connect(self.features_wanted)
        self.maps = FeatureMaps()
        right.addWidget(self.ask)
        right.addWidget(self.maps, 1)
        row.addLayout(right, 3)
        self.say(strings.EXPLAIN_EMPTY)

    def show_spectrum(self, spectrum: dict[str, Any]) -> None:
        """The residual's spectrum against the predicted one; hidden where neither is known."""
        self.spectrum.setVisible(bool(spectrum))
        self.spectrum.set_lines(spectrum_lines(spectrum))

    def say(self, sentence: str) -> None:
        """No explanation: why, or what to do."""
        self.text.setText(_paragraphs([sentence]))
        for widget in (self.head, self.bars, self.ask, self.maps):
            widget.hide()
        self.bars.show_shares([], [])

    def tell(self, found: Explanation, sentences: list[str], features: list[npt.NDArray[Any]]) -> None:
        """Show an explanation; ``features`` are its maps as they lie on the screen, [row, column] each."""
        self.text.setText(_paragraphs(sentences))
        self.head.show()
        self.bars.show()
        self.bars.show_shares(found.names, found.share)
        self.ask.setVisible(found.features is None)
        self.maps.setVisible(bool(features))
        self.maps.show_maps(features)


def _paragraphs(sentences: list[str]) -> str:
    return "".join(f'<p style="margin: 0 0 5px 0">{html.escape(text, quote=False)}</p>' for text in sentences)


def spectrum_lines(spectrum: dict[str, Any]) -> list[Line]:
    """Measured and predicted power in dB of the largest predicted one, over cycles per pixel."""
    if not spectrum:
        return []
    most, lines = max(*spectrum["predicted"], 1e-12), []
    known = (("measured", strings.SPECTRUM_MEASURED, "accent"), ("predicted", strings.SPECTRUM_PREDICTED, "secondary"))
    for name, title, colour in known:
        pairs = zip(spectrum["cycles_per_pixel"], spectrum[name], strict=True)
        points = tuple((f, 10 * math.log10(power / most)) for f, power in pairs if power > 0)
        lines.append(Line(title, points, colour, dashed=name == "predicted", dots=True))
    return lines


def sentences_of(found: Explanation, pixel: str, pixel_mm: float) -> list[str]:
    """What an explanation says to a reader, one sentence each; ``pixel`` is the sentence that names the place."""
    if not np.any(found.weights):
        return [pixel, strings.FILTER_NOTHING]
    width = strings.FILTER_WIDTH.format(mm=number(found.width_px * pixel_mm), pixels=number(found.width_px))
    said = [pixel, strings.FILTER_LEGEND, width, strings.FILTER_TOTAL.format(total=found.total)]
    if len(found.names) > 1:
        said.append(strings.SHARES_LEGEND.format(percent=100 * (1 - found.share[0])))
    else:
        said.append(strings.ONE_SLICE)
    said.append(strings.NO_ATTENTION if found.attention is None else strings.ATTENTION_LEGEND)
    if found.features is not None:
        said.append(strings.FEATURES_LEGEND if len(found.features) else strings.NO_FEATURES)
    if found.not_kept:
        said.append(strings.NOT_KEPT.format(why=found.not_kept))
    return said


class Bars(QWidget):
    """One bar for each image; a click or Up and Down choose one.

    Signals
    -------
    chosen : place of the bar
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._shares: list[float] = []
        self.selected = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(strings.SHARES_TITLE)

    def show_shares(self, names: list[str], shares: list[float]) -> None:
        """Show these; the first is chosen."""
        self._names, self._shares, self.selected = list(names), list(shares), 0
        self.setAccessibleDescription(
            ", ".join(strings.SHARE.format(name=n, percent=100 * s) for n, s in zip(names, shares, strict=True))
        )
        self.updateGeometry()
        self.update()

    def mark(self, place: int) -> None:
        """The image that is shown."""
        if place != self.selected:
            self.selected = place
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, BAR_PX * max(len(self._names), 1))

    def minimumSizeHint(self) -> QSize:
        return QSize(180, BAR_PX * len(self._names))

    def bar_rect(self, place: int) -> QRectF:
        """Where a bar is drawn and clicked."""
        return QRectF(0, place * BAR_PX, self.width(), BAR_PX)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = int(event.position().y() // BAR_PX)
        if place < len(self._names):
            self.chosen.emit(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is None or not self._names:
            super().keyPressEvent(event)
            return
        self.chosen.emit(min(max(self.selected + step, 0), len(self._names) - 1))

    def paintEvent(self, event: QPaintEvent) -> None:
        t, painter = apply.current(), QPainter(self)
        painter.setFont(apply.font(12, tabular=True))
        middle = Qt.AlignmentFlag.AlignVCenter
        room = max(self.width() - NAME_PX - SHARE_PX, 1)
        for place, (name, share) in enumerate(zip(self._names, self._shares, strict=True)):
            rect = self.bar_rect(place)
            chosen = place == self.selected
            painter.setPen(QColor(t.text if chosen else t.secondary))
            painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | middle, name)
            painter.drawText(rect, Qt.AlignmentFlag.AlignRight | middle, strings.PERCENT.format(percent=100 * share))
            drawn = QRectF(NAME_PX, rect.top() + 4, max(room * share, 1.0), BAR_PX - 8)
            painter.fillRect(drawn, QColor(t.warning if chosen else t.accent))
        if self.hasFocus() and self._names:
            painter.setPen(QColor(t.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()


class FeatureMaps(QWidget):
    """Small pictures side by side, each in its own range."""

    def __init__(self) -> None:
        super().__init__()
        self._images: list[QImage] = []
        self.setAccessibleName(strings.SHOW_FEATURES)
        self.setMinimumHeight(60)

    def show_maps(self, features: list[npt.NDArray[Any]]) -> None:
        """Show these [row, column]."""
        self._images = [_image(each) for each in features]
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, across = QPainter(self), MAPS_ACROSS
        down = max(-(-len(self._images) // across), 1)
        width, height = self.width() / across, self.height() / down
        for place, image in enumerate(self._images):
            side = min((width - 4) / image.width(), (height - 4) / image.height())
            size = (image.width() * side, image.height() * side)
            left = place % across * width + (width - size[0]) / 2
            painter.drawImage(QRectF(left, place // across * height + (height - size[1]) / 2, *size), image)
        painter.end()


def _image(values: npt.NDArray[Any]) -> QImage:
    low, high = (float(v) for v in np.percentile(values, (1, 99)))
    level = np.clip((np.asarray(values, np.float32) - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8)
    drawn = np.ascontiguousarray(maps.colours("magma")[level])
    rows, columns = drawn.shape
    return QImage(drawn.data, columns, rows, columns * 4, QImage.Format.Format_RGB32).copy()
