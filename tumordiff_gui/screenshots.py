"""All pictures for ``docs/`` by one command, from the demo cohort and never from a real patient.

``python -m tumordiff_gui.screenshots`` makes the demo where it is missing and draws every module in dark, one of them
in light too; ``--all`` draws both themes at one and two times scale.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEventLoop, QSize, QTimer
from PySide6.QtWidgets import QWidget

import tumordiff_core
from tumordiff_core import paths
from tumordiff_core.jobs.start import child_environment
from tumordiff_gui import main as starting
from tumordiff_gui import words
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.theme import apply
from tumordiff_gui.views.slice_view import SliceWidget
from tumordiff_gui.window import application
from tumordiff_gui.window.frame import Window
from tumordiff_gui.window.wiring import Wiring

SIZE = QSize(1280, 800)
THEMES = ("dark", "light")
SCALES = (1, 2)
IN_LIGHT = "response"
DOCS = Path(__file__).parent.parent / "docs" / "pictures"
PATIENCE_MS = 90_000
LOOK_EVERY_MS = 100
SMALLEST = 0
SETTLE_LOOKS = 20
SHOWN_RESULTS = {"denoise": "denoised", "response": "response", "train": "model", "export": "denoised"}
SHORT_TRAINING = ("--name", "demo-model", "--epochs", "4", "--steps", "6", "--batch", "4", "--crop", "32")


def main(arguments: Sequence[str]) -> int:
    """Draw all pictures into a folder; the exit code of what failed first, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tumordiff_gui.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=DOCS)
    parser.add_argument("--home", type=Path, default=paths.demo(), help="the demo's home (default: where demo puts it)")
    parser.add_argument("--only", default="", help="one module")
    parser.add_argument("--all", action="store_true", help="both themes at one and two times scale")
    parser.add_argument("--one", nargs=2, metavar=("THEME", "SCALE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        return draw(given.folder, given.one[0], int(given.one[1]), given.only)
    code = make_demo(given.home)
    given.folder.mkdir(parents=True, exist_ok=True)
    for theme, scale, only in wanted(given.only, everything=given.all):
        code = code or _child(given.folder, theme, scale, given.home, only)
    return code


def wanted(only: str, *, everything: bool) -> list[tuple[str, int, str]]:
    """Which (theme, scale, module) are drawn; an empty module means all of them."""
    if everything:
        return [(theme, scale, only) for theme in THEMES for scale in SCALES]
    return [("dark", 1, only), *([("light", 1, IN_LIGHT)] if only in ("", IN_LIGHT) else [])]


def make_demo(home: Path) -> int:
    """Run the demo, and a training of some seconds for its curves, where the demo's home has none yet; the exit code.

    Another home than the demo's own is taken as it is.
    """
    known = {folder.name.split("-")[2] for folder in (home / "data" / "jobs").glob("*-*-*-*")}
    cohorts = sorted((home / "data").glob("cohort-*"))
    code = 0
    if "demo" not in known and home == paths.demo():
        code = _tumordiff("demo", "--headless")
        cohorts = sorted((home / "data").glob("cohort-*"))
    if not code and "train" not in known and cohorts:
        code = _tumordiff("train", str(cohorts[0]), *SHORT_TRAINING, TUMORDIFF_HOME=str(home))
    if not (home / "data" / "catalogue.sqlite").is_file():
        print(words.NO_DEMO, file=sys.stderr)  # noqa: T201
        return code or 1
    return code


def _tumordiff(*arguments: str, **environment: str) -> int:
    asked = [sys.executable, "-m", "tumordiff_core", *arguments]
    return subprocess.run(asked, env=child_environment() | environment, check=False).returncode


def _child(folder: Path, theme: str, scale: int, home: Path, only: str) -> int:
    environment = child_environment() | {
        "TUMORDIFF_HOME": str(home), "QT_SCALE_FACTOR": str(scale), "TUMORDIFF_GENERAL_THEME": theme,
        "TUMORDIFF_GENERAL_ACCEPTED_VERSION": tumordiff_core.__version__,
    }  # fmt: skip
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.platform.startswith("linux"):
        environment["QT_QPA_PLATFORM"] = "offscreen"
    asked = [sys.executable, "-m", "tumordiff_gui.screenshots", str(folder), "--one", theme, str(scale), "--only", only]
    return subprocess.run(asked, env=environment, check=False).returncode


def draw(folder: Path, theme: str, scale: int, only: str) -> int:
    """Draw every module in this process, in one theme at one scale."""
    app = application.make()
    apply.apply(app, theme)
    window = Window({})
    wiring = Wiring(window, starting.MODULES)
    window.show()
    window.resize(SIZE)
    wiring.begin([])
    window.resize(SIZE)
    mark = "" if scale == 1 else f"@{scale}x"
    for module_id in wiring.specs:
        if only and module_id != only:
            continue
        prepare(wiring, module_id)
        settle(wiring)
        window.grab().save(str(folder / f"{module_id}-{theme}{mark}.png"), "PNG", SMALLEST)
    window.close()
    return 0


def prepare(wiring: Wiring, module_id: str) -> None:
    """Put on the desk what the picture of a module should show."""
    catalogue, desk = wiring.context.catalogue, wiring.context.desk
    patients = catalogue.tree()
    if not patients:
        wiring.show_module(module_id)
        return
    patient = patients[0]
    visit = patient.visits[0]
    dynamic = next((s for s in visit.series if s.role == "dynamic" and s.phases), None)
    if module_id == "browse" or dynamic is None:
        desk.select(patient.patient_id)
    else:
        desk.open_phase(Selection(patient.patient_id, visit.study_uid, dynamic.uid, min(1, len(dynamic.phases) - 1)))
    for result in catalogue.results():
        if result.kind == SHOWN_RESULTS.get(module_id):
            desk.choose_result(Path(result.folder))
            break
    wiring.show_module(module_id)


def settle(wiring: Wiring) -> None:
    """Wait until nothing loads any more, no child is asked any more, and the window has been drawn."""
    loop, calm = QEventLoop(), [0]

    def look() -> None:
        calm[0] = calm[0] + 1 if is_calm(wiring.window) and not wiring.context.warm.busy else 0
        if calm[0] >= SETTLE_LOOKS:
            loop.quit()

    timer = QTimer(interval=LOOK_EVERY_MS)
    timer.timeout.connect(look)
    timer.start()
    QTimer.singleShot(PATIENCE_MS, loop.quit)
    loop.exec()
    timer.stop()


def is_calm(window: QWidget) -> bool:
    """Whether no visible view is loading and every thumbnail has its picture."""
    views = [w for w in window.findChildren(SliceWidget) if w.isVisible()]
    thumbs = [w for w in window.findChildren(QWidget) if w.isVisible() and type(w).__name__ == "Thumb"]
    return not any(w.model.loading for w in views) and all(
        getattr(t, "image", None) is not None or getattr(t, "trouble", "") for t in thumbs
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
