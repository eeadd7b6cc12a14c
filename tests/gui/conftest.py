"""Windows for tests: offscreen unless a test is marked x11, in a home of their own, nothing left behind."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["QT_QPA_PLATFORM"] = os.environ.get("QT_QPA_PLATFORM") or "offscreen"

import pytest
from PySide6.QtCore import QProcess, QTimer
from PySide6.QtWidgets import QApplication

from tests.gui import fakes


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own; the catalogue of these tests is made up, so no database is opened."""
    from tumordiff_core import settings
    from tumordiff_core.plugins import manager

    place = tmp_path / "home"
    monkeypatch.setenv("TUMORDIFF_HOME", str(place))
    settings.load.cache_clear()
    manager.door.cache_clear()
    yield place
    settings.load.cache_clear()
    manager.door.cache_clear()


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
    assert made.findChildren(QProcess) == []
    assert [t.name for t in threading.enumerate() if t.name == "watchdog"] == []
    assert [t for t in made.findChildren(QTimer) if t.isActive() and not t.isSingleShot()] == []
    assert mistakes == [], mistakes[0]


@pytest.fixture
def context(wiring: Any) -> Any:
    """What modules are given."""
    return wiring.context
