"""The application object, and doing a list of steps without ever holding the event loop for long."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from tumordiff_gui import words


def make() -> QApplication:
    """The application; the one that is there already is used again (tests)."""
    there = QApplication.instance()
    if isinstance(there, QApplication):
        return there
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication([words.APP])
    app.setApplicationName(words.APP)
    app.setApplicationDisplayName(words.APP)
    return app


def in_slices(steps: Sequence[Callable[[], object]]) -> None:
    """Do the steps one per turn of the event loop, so that the window answers in between."""
    if not steps:
        return

    def step() -> None:
        steps[0]()
        in_slices(steps[1:])

    QTimer.singleShot(0, step)
