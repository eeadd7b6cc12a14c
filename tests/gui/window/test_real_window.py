"""On a real X11 window under Xvfb; skipped with a sentence where there is none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.x11
LOOK = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from tumordiff_gui import main
from tumordiff_gui.window import application
app = application.make()
def look():
    for window in QApplication.topLevelWidgets():
        wiring = getattr(window, "wiring", None)
        if wiring is not None and wiring.shown == "browse" and window.isVisible():
            picture = window.grab()
            print("SEEN", app.platformName(), picture.width(), picture.height(), flush=True)
            window.close()
            return
    QTimer.singleShot(50, look)
QTimer.singleShot(50, look)
sys.exit(main.main([]))
"""


@pytest.fixture
def display() -> Iterator[str]:
    """A display of its own on a free number, ended by its own process."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed, so no real window can be opened: apt-get install xvfb")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "2560x1600x24", "-nolisten", "tcp"],
        pass_fds=(write,), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(timeout=10)


def test_the_window_opens_on_x11_and_closes_cleanly(display: str, tmp_path: Path):
    import tumordiff_core

    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "TUMORDIFF_HOME": str(tmp_path),
                   "TUMORDIFF_GENERAL_ACCEPTED_VERSION": tumordiff_core.__version__}  # fmt: skip
    out = subprocess.run([sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    assert "SEEN xcb" in out.stdout
