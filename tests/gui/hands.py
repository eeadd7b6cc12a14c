"""Real mouse events for tests: drags that carry their button, moves, wheels."""

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget


def drag(widget: QWidget, button: Qt.MouseButton, start: tuple[float, float], end: tuple[float, float], *,
         modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier, steps: int = 8) -> None:  # fmt: skip
    """A real drag: press, moves that carry the button, release."""
    first, last = QPointF(*start), QPointF(*end)
    _mouse(widget, QEvent.Type.MouseButtonPress, first, button, button, modifier)
    for step in range(1, steps + 1):
        at = first + (last - first) * (step / steps)
        _mouse(widget, QEvent.Type.MouseMove, at, Qt.MouseButton.NoButton, button, modifier)
    _mouse(widget, QEvent.Type.MouseButtonRelease, last, button, Qt.MouseButton.NoButton, modifier)


def move(
    widget: QWidget, at: tuple[float, float], modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    """A move without a button."""
    _mouse(widget, QEvent.Type.MouseMove, QPointF(*at), Qt.MouseButton.NoButton, Qt.MouseButton.NoButton, modifier)


def _mouse(widget: QWidget, kind: QEvent.Type, at: QPointF, button: Qt.MouseButton, held: Qt.MouseButton,
           modifier: Qt.KeyboardModifier) -> None:  # fmt: skip
    whole = QPointF(widget.mapToGlobal(at.toPoint()))
    QApplication.sendEvent(widget, QMouseEvent(kind, at, whole, button, held, modifier))


def wheel(widget: QWidget, notches: float, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier, *,
          at: tuple[float, float] | None = None) -> None:  # fmt: skip
    """Turn the wheel; positive is away from the hand."""
    point = QPointF(*at) if at is not None else QPointF(widget.rect().center())
    whole = QPointF(widget.mapToGlobal(point.toPoint()))
    event = QWheelEvent(point, whole, QPoint(), QPoint(0, round(120 * notches)), Qt.MouseButton.NoButton, modifier,
                        Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(widget, event)
