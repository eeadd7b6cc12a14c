"""The order of starting: what must be said before Qt, the frame's first paint, then everything else in short slices.

Nothing that takes long to import may stand at the top of this file; ``load`` brings it when its turn has come.
"""

import faulthandler
import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any

from tumordiff_core import paths

MODULES = (
    "tumordiff_gui.modules.browse.module",
    "tumordiff_gui.modules.read.module",
    "tumordiff_gui.modules.denoise.module",
    "tumordiff_gui.modules.train.module",
    "tumordiff_gui.modules.response.module",
    "tumordiff_gui.modules.export.module",
    "tumordiff_gui.modules.jobs.module",
    "tumordiff_gui.modules.plugins.module",
)
AFTER_FIRST_PAINT = (
    "numpy", "psygnal", "pydantic", "pluggy", "psutil", "PySide6.QtSvg", "tumordiff_core.settings",
    "tumordiff_core.plugins.manager", "tumordiff_gui.background.jobs", "tumordiff_gui.context",
    "tumordiff_gui.window.wiring",
)  # fmt: skip
KEPT_OUT = frozenset(
    {"torch", "lightning", "pytorch_lightning", "SimpleITK", "gdcm", "highdicom", "pynetdicom", "pydicom"}
)
SWITCH_INTERVAL_S = 0.0005
LARGEST_LOG_BYTES = 2_000_000
load = importlib.import_module


class Guard(MetaPathFinder):
    """Keeps the engine's packages out of the window's process: importing one is a plugin's failure."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse what must not be here; everything else is somebody else's."""
        if fullname.partition(".")[0] in KEPT_OUT:
            raise ImportError(f"{fullname} is kept out of the window; write a job or ask a warm child")
        return None


def main(arguments: Sequence[str] = ()) -> int:
    """Open the window on the given paths; 1 with one sentence when no window can be opened."""
    until_painted = "--until-painted" in arguments
    given = [a for a in arguments if not a.startswith("-")]
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if not any(isinstance(finder, Guard) for finder in sys.meta_path):
        sys.meta_path.insert(0, Guard())
    trouble = load("tumordiff_core.display").trouble()
    if trouble:
        print(trouble, file=sys.stderr)  # noqa: T201
        return 1
    catch_mistakes()
    app = load("tumordiff_gui.window.application").make()
    remembered = read_remembered()
    frame = load("tumordiff_gui.window.frame")
    load("tumordiff_gui.theme.apply").apply(app, theme_wish())
    window = frame.Window(remembered)
    if until_painted:
        window.painted.connect(lambda: tell_first_paint())
    else:
        window.painted.connect(lambda: load("tumordiff_gui.window.application").in_slices(furnishing(window, given)))
    window.show()
    return int(app.exec())


def furnishing(window: Any, given: Sequence[str]) -> list[Any]:
    """What follows the first paint, one short step per turn of the event loop."""
    steps: list[Any] = [lambda name=name: load(name) for name in AFTER_FIRST_PAINT]
    return [*steps, lambda: load("tumordiff_gui.window.wiring").furnish(window, MODULES, given)]


def tell_first_paint() -> None:
    """Print when the first paint happened and what was imported by then, and end: what the benchmark reads."""
    print(json.dumps({"painted": time.time(), "modules": sorted(sys.modules)}), flush=True)  # noqa: T201
    os._exit(0)


def read_remembered() -> dict[str, Any]:
    """What the window remembers from last time; nothing when it cannot be read."""
    try:
        record = json.loads((paths.state() / "window.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def theme_wish() -> str:
    """The theme of the settings, read before pydantic may be imported."""
    named = os.environ.get("TUMORDIFF_GENERAL_THEME", "")
    if named:
        return named
    try:
        return str(json.loads((paths.config() / "settings.json").read_text("utf-8"))["general"]["theme"])
    except (OSError, ValueError, KeyError, TypeError):
        return "dark"


def catch_mistakes() -> None:
    """Send what nobody caught, in any thread or slot, to the log; a slot that raises is never silent."""
    place = paths.logs()
    place.mkdir(parents=True, exist_ok=True)
    crash = (place / "window-crash.txt").open("a", encoding="utf-8")
    faulthandler.enable(crash)
    sys.excepthook = report
    threading.excepthook = lambda hit: report(hit.exc_type, hit.exc_value, hit.exc_traceback)


def report(kind: type[BaseException], value: BaseException | None, trace: TracebackType | None) -> None:
    """Write an uncaught exception to the log, redacted, and tell the listeners."""
    text = "".join(traceback.format_exception(kind, value, trace))
    write_log(text)
    for listener in list(LISTENERS):
        listener(kind.__name__, text)


LISTENERS: list[Any] = []
"""Called with (kind, traceback) for every uncaught exception; the window shows a sentence."""


def write_log(text: str) -> None:
    """Append to the window's log; an old one is kept once."""
    file = paths.logs() / "window.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.stat().st_size > LARGEST_LOG_BYTES:
        file.replace(file.with_name("window.before.log"))
    redacted = load("tumordiff_core.logs").redact(text)
    with file.open("a", encoding="utf-8") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {redacted}\n")
