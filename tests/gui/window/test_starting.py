"""What happens before and right after the first paint, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tumordiff_gui import main

NOT_BEFORE_FIRST_PAINT = ("torch", "lightning", "SimpleITK", "scipy", "skimage", "pydicom", "pyqtgraph", "numpy",
                          "pydantic", "pluggy")  # fmt: skip
NEVER = ("torch", "lightning", "SimpleITK", "scipy", "skimage", "pydicom", "highdicom", "gdcm")
WHOLE = """
import sys
from tumordiff_gui import main
from tumordiff_gui.window import application
from PySide6.QtWidgets import QApplication
from PySide6.QtCore import QTimer
def look():
    for window in QApplication.topLevelWidgets():
        wiring = getattr(window, "wiring", None)
        if wiring is None:
            continue
        for module in wiring.specs:
            wiring.show_module(module)
        failed = [f.name for f in __import__("tumordiff_core.plugins.manager", fromlist=["x"]).door().failures]
        print("MODULES", sorted(sys.modules), "SHOWN", sorted(wiring.panels), "FAILED", failed, flush=True)
        window.close()
        return
    QTimer.singleShot(50, look)
app = application.make()
QTimer.singleShot(50, look)
sys.exit(main.main([]))
"""


def run(arguments: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    import tumordiff_core

    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "TUMORDIFF_HOME": str(home),
                   "TUMORDIFF_GENERAL_ACCEPTED_VERSION": tumordiff_core.__version__}  # fmt: skip
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120)


def test_the_first_paint_needs_nothing_heavy(tmp_path: Path):
    out = run(["-m", "tumordiff_gui", "--until-painted"], tmp_path)
    assert out.returncode == 0, out.stderr
    modules = set(json.loads(out.stdout.strip().splitlines()[-1])["modules"])
    assert modules.isdisjoint(NOT_BEFORE_FIRST_PAINT)


def test_every_module_of_the_window_is_shown_without_the_engine(tmp_path: Path):
    out = run(["-c", WHOLE], tmp_path)
    assert "MODULES" in out.stdout, out.stderr
    loaded = out.stdout.split("MODULES")[1].split("SHOWN")[0]
    assert [name for name in NEVER if f"'{name}'" in loaded] == []
    assert "'browse'" in out.stdout.split("SHOWN")[1] and "'read'" in out.stdout.split("SHOWN")[1]


def test_the_guard_turns_a_heavy_import_into_an_error_that_names_it():
    guard = main.Guard()
    with pytest.raises(ImportError, match="torch"):
        guard.find_spec("torch.nn", None)
    assert guard.find_spec("json", None) is None


def test_no_display_is_one_sentence_and_exit_code_one(tmp_path: Path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux starts without a display")
    environment["TUMORDIFF_HOME"] = str(tmp_path)
    out = subprocess.run([sys.executable, "-m", "tumordiff_gui"], env=environment, capture_output=True, text=True)
    assert out.returncode == 1
    assert len(out.stderr.strip().splitlines()) == 1 and "Traceback" not in out.stderr
