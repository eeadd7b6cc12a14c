"""Windows for tests: offscreen unless a test is marked x11, in a home of their own, nothing left behind."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from tests.gui import fakes


@pytest.fixture
def wiring(home: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A whole window over the made-up catalogue, 1280 x 800, browse shown; no child processes."""
    import tumordiff_core
    from tumordiff_gui import main
    from tumordiff_gui.background.pictures import Pictures
    from tumordiff_gui.theme import apply
    from tumordiff_gui.window.frame import Window
    from tumordiff_gui.window.wiring import Wiring

    monkeypatch.setenv("TUMORDIFF_GENERAL_ACCEPTED_VERSION", tumordiff_core.__version__)
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    apply.apply(app, "dark")
    mistakes: list[str] = []
    main.LISTENERS.append(lambda kind, text: mistakes.append(text))
    window = Window({})
    window.resize(1280, 800)
    made = Wiring(window, main.MODULES)
    catalogue = fakes.FakeCatalogue(fakes.cohort())
    warm = fakes.FakeWarm(catalogue, tmp_path / "reader")
    made.context.__dict__.update(catalogue=catalogue, edits=fakes.FakeEdits(catalogue))
    made.context.warm.close()
    made.context.warm = warm
    made.context.pictures = Pictures(warm)
    qtbot.addWidget(window, before_close_func=lambda _: made.close())
    window.show()
    made.begin([])
    qtbot.waitUntil(lambda: made.shown == "browse")
    yield made
    made.close()
    main.LISTENERS.clear()
    assert mistakes == [], mistakes[0]


@pytest.fixture
def context(wiring: Any) -> Any:
    """What modules are given."""
    return wiring.context


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
