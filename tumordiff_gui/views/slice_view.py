"""Draws one ``state.slice_view.SliceView`` and turns mouse gestures into changes of it.

A plain widget with a painter: measured faster than a graphics scene, and one changed view repaints alone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QImage,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from tumordiff_gui import words
from tumordiff_gui.state.slice_view import ZOOM_STEP, Overlay, Picture, SliceView
from tumordiff_gui.theme import tokens
from tumordiff_gui.views import pixels
from tumordiff_gui.views.decorations import Decorations
from tumordiff_gui.views.notice import Notice

WHEEL_NOTCH = 120
CLICK_SLACK_PX = 4
BUSY_AFTER_MS = 300
ZOOM_PER_PX = 1.01


@dataclass
class _Drag:
    kind: str
    start: QPointF
    last: QPointF
    window: tuple[float, float]
    moved: bool = False


class SliceWidget(QWidget):
    """A slice view on the screen.

    Signals
    -------
    grey_dragged : (view, window before, window after) once per drag, for the undo stack
    entered : the pointer came in; keys act on this view from now on
    maximise_wanted : double click or Return
    menu_wanted : right click without moving, with its global position
    again_wanted : the reader pressed "Try again"
    clicked : a voxel index (slice, row, column) was clicked without dragging
    """

    grey_dragged = Signal(object, object, object)
    entered = Signal(object)
    maximise_wanted = Signal(object)
    menu_wanted = Signal(object, object)
    again_wanted = Signal()
    update_wanted = Signal()
    details_wanted = Signal(str, str)
    clicked = Signal(object)

    def __init__(self, model: SliceView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.hide_names = False
        self.paints = 0
        self._drag: _Drag | None = None
        self._wheel = 0
        self._pointer: QPointF | None = None
        self._grey_key: tuple[Any, ...] = ()
        self._grey_image: QImage | None = None
        self._grey_bytes: npt.NDArray[Any] | None = None
        self._drawn: Picture | None = None
        self._table_key: tuple[Any, ...] = ()
        self._table: npt.NDArray[Any] | None = None
        self._overlay_cache: dict[str, tuple[tuple[Any, ...], QImage, Any]] = {}
        self._decorations = Decorations()
        self.notice = Notice(self)
        self.notice.again_pressed.connect(self.again_wanted)
        self.update_button = QPushButton(f"●  {words.UPDATE}", self)
        self.update_button.setToolTip(words.STALE)
        self.update_button.setStyleSheet(f"color: {tokens.ON_BLACK_DERIVED};")
        self.update_button.clicked.connect(self.update_wanted)
        self.update_button.hide()
        self.notice.details_pressed.connect(lambda: self.details_wanted.emit(self.model.trouble, self.model.details))
        self._busy_timer = QTimer(self, singleShot=True, interval=BUSY_AFTER_MS)
        self._busy_timer.timeout.connect(self.update)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(96, 96)
        self.setAccessibleName(model.title or words.NOTHING_SHOWN)
        model.changed.connect(self._model_changed)
        self._model_changed()

    def close_view(self) -> None:
        """Let go of the model; called by the grid before the widget goes."""
        self.model.changed.disconnect(self._model_changed, missing_ok=True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._place_children()

    def sizeHint(self) -> QSize:
        return QSize(320, 320)

    def _model_changed(self) -> None:
        if self.model.loading and not self._busy_timer.isActive():
            self._busy_timer.start()
        if self.notice.sentence.text() != self.model.trouble:
            self.notice.say(self.model.trouble, details=bool(self.model.details))
        if self.update_button.isHidden() == self.model.stale:
            self.update_button.setVisible(self.model.stale)
            self._place_children()
        if self._pointer is not None:
            self._probe(self._pointer)
        self.update()

    def _place_children(self) -> None:
        self.notice.place()
        size = self.update_button.sizeHint()
        top = self._decorations.under_corners() + 4
        self.update_button.setGeometry(self.width() - size.width() - 8, top, size.width(), size.height())

    # where things are on the screen

    def _fit_scale(self) -> float:
        """Logical pixels per mm at which the whole slice fits."""
        across_mm, down_mm = self._extent_mm()
        return min(self.width() / across_mm, self.height() / down_mm)

    def _extent_mm(self) -> tuple[float, float]:
        picture, plane = self.model.picture, self.model.plane
        assert picture is not None and plane is not None
        shape, spacing = picture.geometry.shape, picture.geometry.spacing_mm
        return shape[plane.across] * spacing[plane.across], shape[plane.down] * spacing[plane.down]

    def picture_rect(self) -> QRectF:
        """Where the whole slice lies, in widget coordinates (it may reach beyond the widget)."""
        across_mm, down_mm = self._extent_mm()
        scale = self._fit_scale() * self.model.zoom.factor
        width, height = across_mm * scale, down_mm * scale
        x = self.width() * (0.5 + self.model.zoom.offset[0]) - width / 2
        y = self.height() * (0.5 + self.model.zoom.offset[1]) - height / 2
        return QRectF(x, y, width, height)

    def index_at(self, point: QPointF) -> tuple[float, float, float] | None:
        """Fractional voxel [slice, row, column] under a point, ``None`` outside the picture."""
        picture, plane, here = self.model.picture, self.model.plane, self.model.slice_index
        if picture is None or plane is None or here is None:
            return None
        rect = self.picture_rect()
        if not rect.contains(point):
            return None
        shape = picture.geometry.shape
        across = (point.x() - rect.x()) / rect.width() * shape[plane.across] - 0.5
        down = (point.y() - rect.y()) / rect.height() * shape[plane.down] - 0.5
        if plane.flip_across != self.model.flipped:
            across = shape[plane.across] - 1 - across
        if plane.flip_down:
            down = shape[plane.down] - 1 - down
        index = [0.0, 0.0, 0.0]
        index[plane.axis], index[plane.across], index[plane.down] = float(here), across, down
        return index[0], index[1], index[2]

    def pointed(self) -> tuple[int, int, int] | None:
        """The voxel [slice, row, column] under the pointer, ``None`` when it is elsewhere."""
        index = None if self._pointer is None else self.index_at(self._pointer)
        return None if index is None else (round(index[0]), round(index[1]), round(index[2]))

    def point_of(self, index: tuple[float, float, float]) -> QPointF:
        """Where the centre of a voxel lies on the widget; the inverse of ``index_at``."""
        picture, plane = self.model.picture, self.model.plane
        assert picture is not None and plane is not None
        shape, rect = picture.geometry.shape, self.picture_rect()
        across, down = index[plane.across], index[plane.down]
        if plane.flip_across != self.model.flipped:
            across = shape[plane.across] - 1 - across
        if plane.flip_down:
            down = shape[plane.down] - 1 - down
        return QPointF(
            rect.x() + (across + 0.5) / shape[plane.across] * rect.width(),
            rect.y() + (down + 0.5) / shape[plane.down] * rect.height(),
        )

    def zoom_percent(self) -> float:
        """Screen pixels per voxel across, in percent."""
        picture, plane = self.model.picture, self.model.plane
        if picture is None or plane is None:
            return 100.0
        return 100 * self.picture_rect().width() * self.devicePixelRatioF() / picture.geometry.shape[plane.across]

    def zoom_at(self, factor: float, point: QPointF) -> None:
        """Zoom by a factor, keeping what is under a point under it."""
        if self.model.picture is None:
            return
        before = self.model.zoom
        new = before.factor * factor
        centre = QPointF(self.width() * (0.5 + before.offset[0]), self.height() * (0.5 + before.offset[1]))
        old_factor = before.factor
        before.set(new)
        grown = before.factor / old_factor
        moved = point + (centre - point) * grown
        before.set(before.factor, (moved.x() / self.width() - 0.5, moved.y() / self.height() - 0.5))

    def one_to_one(self) -> None:
        """One voxel across per screen pixel."""
        if self.model.picture is not None:
            self.model.zoom.set(self.model.zoom.factor * 100 / self.zoom_percent(), (0.0, 0.0))

    # drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        self.paints += 1
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.DARK.viewport))
        if self.model.picture is not None:
            self._draw_picture(painter)
        self._decorations.draw(painter, self)
        painter.end()

    def busy_text(self) -> str:
        """What is being loaded, once it takes longer than 300 ms; the old picture stays."""
        return self.model.loading if self.model.loading and not self._busy_timer.isActive() else ""

    def _draw_picture(self, painter: QPainter) -> None:
        index = self.model.slice_index
        if index is None:
            return
        rect = self.picture_rect()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.model.interpolate)
        painter.drawImage(rect, self._grey(index))
        for overlay in self.model.overlays:
            if overlay.shown and overlay.opacity > 0:
                painter.drawImage(rect, self._overlay(overlay, index))
        if self.model.crosshair and self.model.index is not None:
            self._draw_crosshair(painter, rect)

    def _grey(self, index: int) -> QImage:
        model = self.model
        picture, plane = model.picture, model.plane
        assert picture is not None and plane is not None
        invert = picture.inverted != model.grey.inverted
        table_key = (id(picture), model.grey.window, invert)
        if table_key != self._table_key:
            self._table, self._table_key = pixels.table_for(picture, model.grey.window, invert), table_key
        key = (*table_key, index, model.axis, model.flipped)
        if key != self._grey_key or self._grey_image is None:
            slice_ = pixels.on_screen(picture.values, plane, index, flipped=model.flipped)
            grey = pixels.grey_slice(picture, slice_, model.grey.window, invert, self._table)
            height, width = grey.shape
            shown = grey if picture.colours is None else picture.colours[grey]
            kind = QImage.Format.Format_Grayscale8 if picture.colours is None else QImage.Format.Format_RGB32
            # The picture is held as long as its drawing: a key by id is only worth something while the id is taken.
            self._grey_bytes, self._grey_key, self._drawn = shown, key, picture
            self._grey_image = QImage(shown.data, width, height, shown.strides[0], kind)
        return self._grey_image

    def _overlay(self, overlay: Overlay, index: int) -> QImage:
        model = self.model
        assert model.plane is not None
        key = (id(overlay), index, model.axis, model.flipped)
        held = self._overlay_cache.get(overlay.name)
        if held is None or held[0] != key:
            slice_ = pixels.on_screen(overlay.values, model.plane, index, flipped=model.flipped)
            drawn = pixels.overlay_slice(overlay, slice_)
            height, width = drawn.shape
            image = QImage(drawn.data, width, height, width * 4, QImage.Format.Format_ARGB32_Premultiplied)
            held = (key, image, (drawn, overlay))
            self._overlay_cache[overlay.name] = held
        return held[1]

    def _draw_crosshair(self, painter: QPainter, rect: QRectF) -> None:
        index = self.model.index
        assert index is not None
        point = self.point_of((float(index[0]), float(index[1]), float(index[2])))
        gap = 10.0
        painter.setPen(QPen(QColor(tokens.ON_BLACK_CROSSHAIR), 1))
        left, right = max(rect.left(), 0.0), min(rect.right(), float(self.width()))
        top, bottom = max(rect.top(), 0.0), min(rect.bottom(), float(self.height()))
        painter.drawLine(QPointF(left, point.y()), QPointF(point.x() - gap, point.y()))
        painter.drawLine(QPointF(point.x() + gap, point.y()), QPointF(right, point.y()))
        painter.drawLine(QPointF(point.x(), top), QPointF(point.x(), point.y() - gap))
        painter.drawLine(QPointF(point.x(), point.y() + gap), QPointF(point.x(), bottom))

    # gestures

    def mousePressEvent(self, event: QMouseEvent) -> None:
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        kind = {
            Qt.MouseButton.LeftButton: "pan" if shift else ("box" if control else "grey"),
            Qt.MouseButton.MiddleButton: "pan",
            Qt.MouseButton.RightButton: "zoom",
        }.get(event.button())
        if kind is None or self.model.picture is None or self._drag is not None:
            return
        self._drag = _Drag(kind, event.position(), event.position(), self.model.grey.window)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer = event.position()
        if self._drag is None:
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self._follow(event.position())
            self._probe(event.position())
            return
        drag = self._drag
        if (event.position() - drag.start).manhattanLength() >= CLICK_SLACK_PX:
            drag.moved = True
        if not drag.moved:
            return
        step, drag.last = event.position() - drag.last, event.position()
        if drag.kind == "grey":
            pace = max(drag.window[1], 1e-6) / 256
            self.model.grey.set(self.model.grey.center + step.y() * pace, self.model.grey.width + step.x() * pace)
        elif drag.kind == "pan":
            offset = self.model.zoom.offset
            moved = (offset[0] + step.x() / self.width(), offset[1] + step.y() / self.height())
            self.model.zoom.set(self.model.zoom.factor, moved)
        elif drag.kind == "zoom":
            self.zoom_at(ZOOM_PER_PX ** -step.y(), drag.start)
        elif drag.kind == "box":
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag, self._drag = self._drag, None
        if drag is None:
            return
        if not drag.moved:
            self._clicked(drag, event)
        elif drag.kind == "box":
            self._window_from_box(QRectF(drag.start, event.position()).normalized())
        if self.model.grey.window != drag.window:
            self.grey_dragged.emit(self.model, drag.window, self.model.grey.window)
        self.update()

    def _clicked(self, drag: _Drag, event: QMouseEvent) -> None:
        if drag.kind == "zoom":
            self.menu_wanted.emit(self, event.globalPosition().toPoint())
            return
        index = self.index_at(event.position())
        if index is not None and drag.kind == "pan":
            self.model.go_to_index(index)
        elif index is not None:
            self.clicked.emit(tuple(round(i) for i in index))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.maximise_wanted.emit(self)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y() or event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_at(ZOOM_STEP ** (turned / WHEEL_NOTCH), event.position())
            event.accept()
            return
        self._wheel += turned
        notches = int(self._wheel / WHEEL_NOTCH)
        self._wheel -= notches * WHEEL_NOTCH
        if notches and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.model.ask_phase(-notches)
        elif notches and not event.modifiers() & Qt.KeyboardModifier.AltModifier:
            self.model.scroll(-notches)
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_at(1 + event.value(), event.position())
            return True
        return super().event(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        self.entered.emit(self)

    def leaveEvent(self, event: QEvent) -> None:
        self._pointer = None
        self.model.probed.emit(None)

    def box(self) -> QRectF | None:
        """The rectangle that is being drawn for the grey window, if there is one."""
        if self._drag is None or self._drag.kind != "box" or not self._drag.moved:
            return None
        return QRectF(self._drag.start, self._drag.last).normalized()

    def _window_from_box(self, box: QRectF) -> None:
        first, last = self.index_at(box.topLeft()), self.index_at(box.bottomRight())
        picture = self.model.picture
        if first is None or last is None or picture is None:
            return
        bounds = tuple(
            slice(max(round(min(a, b)), 0), max(round(max(a, b)), 0) + 1) for a, b in zip(first, last, strict=True)
        )
        values = np.asarray(picture.values[bounds], np.float32) * picture.slope + picture.intercept
        values = values[np.isfinite(values)]
        if values.size > 1:
            low, high = (float(v) for v in np.percentile(values, (1, 99)))
            self.model.grey.set((low + high) / 2, max(high - low, 1e-6))

    def _follow(self, point: QPointF) -> None:
        index = self.index_at(point)
        if index is not None:
            self.model.go_to_index(index)

    def _probe(self, point: QPointF) -> None:
        index, picture = self.index_at(point), self.model.picture
        if index is None or picture is None:
            self.model.probed.emit(None)
            return
        nearest = (round(index[0]), round(index[1]), round(index[2]))
        self.model.probed.emit((nearest, picture.value_at(nearest)))
