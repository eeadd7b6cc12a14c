"""The one table of actions: title, keys, context; menus, palette, key sheet and dispatch all read these rows.

Keys are the Radiology preset; ``resources/keys/<preset>.json`` holds what other presets change.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from tumordiff_core import paths

Where = Literal["window", "view"]


@dataclass(frozen=True)
class Action:
    """One row.

    Parameters
    ----------
    id : ``"group.name"``
    title : as menus and the palette show it
    keys : Qt key sequences in portable text, the first is shown
    where : ``window`` keys act everywhere, ``view`` keys on the view under the pointer
    """

    id: str
    title: str
    keys: tuple[str, ...] = ()
    where: Where = "window"
    group: str = "general"
    icon: str = ""
    hidden: bool = False


def _visits() -> tuple[Action, ...]:
    return tuple(Action(f"visit.{n}", f"Go to visit T{n}", (str(n),), "view", "visit") for n in range(10))


def _presets() -> tuple[Action, ...]:
    titles = ("Breast, narrow", "Breast, middle", "Breast, wide", "Subtraction", "Percent enhancement", "SER",
              "Full range", "Upper half", "Lower half")  # fmt: skip
    return tuple(
        Action(f"grey.preset{n}", f"Window preset {n}: {title}", (f"Shift+{n}",), "view", "grey")
        for n, title in enumerate(titles, 1)
    )


ACTIONS: tuple[Action, ...] = (
    Action("app.import", "Import folder, zip or file…", ("Ctrl+O",), group="file", icon="folder-open-outline"),
    Action("app.export", "Export result…", ("Ctrl+E",), group="file", icon="export-variant"),
    Action("app.screenshot", "Save a picture of the views…", ("Ctrl+Shift+C",), group="file", icon="camera-outline"),
    Action("app.settings", "Settings…", ("Ctrl+,",), group="file", icon="cog-outline"),
    Action("app.quit", "Quit", ("Ctrl+Q",), group="file"),
    Action("edit.undo", "Undo", ("Ctrl+Z",), group="edit", icon="undo-variant"),
    Action("edit.redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), group="edit", icon="redo-variant"),
    Action("edit.history", "History", ("Ctrl+H",), group="edit", icon="history"),
    Action("go.palette", "Command palette", ("Ctrl+K",), group="go", icon="magnify"),
    Action("go.module", "Find a module", ("Ctrl+F",), group="go", icon="view-quilt-outline"),
    Action("go.patient", "Find a patient", ("Ctrl+P",), group="go", icon="account-outline"),
    Action("go.back", "Module before", ("Alt+Left",), group="go", icon="arrow-left"),
    Action("go.forward", "Module after", ("Alt+Right",), group="go", icon="arrow-right"),
    Action("go.jobs", "Jobs", ("Ctrl+J",), group="go", icon="progress-clock"),
    Action("go.keys", "Keys", ("?",), group="help", icon="keyboard-outline"),
    Action("go.about", "About TumorDiff", group="help", icon="information-outline"),
    Action("look.theme", "Dark or light", group="look", icon="theme-light-dark"),
    Action("look.full", "Full screen", ("F11",), group="look", icon="fullscreen"),
    Action("look.panel", "Show or hide the panel", ("Ctrl+B",), group="look"),
    Action("look.names", "Hide names", ("Ctrl+Shift+H",), group="look", icon="incognito"),
    Action("read.tags", "DICOM tags of this slice", ("Ctrl+T",), group="view", icon="tag-multiple-outline"),
    Action("slice.up", "Slice before", ("Up",), "view", "slice"),
    Action("slice.down", "Slice after", ("Down",), "view", "slice"),
    Action("slice.first", "First slice", ("Home",), "view", "slice"),
    Action("slice.last", "Last slice", ("End",), "view", "slice"),
    Action("phase.before", "Phase before", ("Left",), "view", "phase"),
    Action("phase.after", "Phase after", ("Right",), "view", "phase"),
    Action("visit.before", "Visit before", ("PgUp",), "view", "visit"),
    Action("visit.after", "Visit after", ("PgDown",), "view", "visit"),
    *_visits(),
    Action("grey.auto", "Window: automatic", ("A",), "view", "grey", "contrast-circle"),
    Action("grey.header", "Window: from the header", ("Shift+A",), "view", "grey"),
    *_presets(),
    Action("grey.invert", "Invert", ("I",), "view", "grey", "invert-colors"),
    Action("zoom.fit", "Fit", ("F",), "view", "zoom"),
    Action("zoom.one", "One to one", ("Shift+F",), "view", "zoom"),
    Action("zoom.reset", "Reset view", ("R",), "view", "zoom", "restart"),
    Action("view.maximise", "Maximise or restore", ("Return",), "view", "layout", "fullscreen"),
    Action("view.layout", "Next layout", ("\\",), "view", "layout", "view-quilt-outline"),
    Action("view.annotations", "Annotations: all, minimal, off", ("X",), "view", "show", "eye-outline"),
    Action("view.crosshair", "Crosshair", ("C",), "view", "show", "crosshairs"),
    Action("view.mask", "Mask on or off", ("S",), "view", "show", "layers-triple-outline"),
    Action("view.overlay", "Overlay on or off", ("O",), "view", "show"),
    Action("view.fainter", "Overlay fainter", ("[",), "view", "show"),
    Action("view.stronger", "Overlay stronger", ("]",), "view", "show"),
    Action("view.flip", "Flip left and right", ("H",), "view", "show"),
    Action("view.interpolate", "Interpolation", ("Shift+I",), "view", "show"),
    Action("view.play", "Play slices", ("Space",), "view", "cine", "play"),
    Action("view.slower", "Play slower", ("<",), "view", "cine"),
    Action("view.faster", "Play faster", (">",), "view", "cine"),
    Action("view.original", "Hold: original, release: denoised", ("D",), "view", "compare"),
    Action("view.explain", "Explain the pixel under the pointer", ("Shift+W",), "view", "compare", "target"),
)

PRESETS = ("radiology", "slicer", "itk-snap")


def rows(preset: str = "radiology") -> tuple[Action, ...]:
    """The table with the keys of a preset."""
    file = paths.resources() / "keys" / f"{preset}.json"
    if not file.is_file():
        return ACTIONS
    changed: dict[str, list[str]] = json.loads(file.read_text("utf-8"))["keys"]
    return tuple(replace(a, keys=tuple(changed[a.id])) if a.id in changed else a for a in ACTIONS)


class Actions:
    """Who answers which action now: the window, the views, or the module that is shown."""

    def __init__(self, preset: str = "radiology") -> None:
        self._rows = {row.id: row for row in rows(preset)}
        self._handlers: dict[str, list[tuple[str, Callable[[], None]]]] = {}
        self._releases: dict[str, list[tuple[str, Callable[[], None]]]] = {}

    def all(self) -> list[Action]:
        """All rows, those that modules added included."""
        return list(self._rows.values())

    def row(self, action_id: str) -> Action:
        """One row; raises KeyError."""
        return self._rows[action_id]

    def add(self, row: Action) -> None:
        """A module's own row; a known id keeps its first row."""
        self._rows.setdefault(row.id, row)

    def handle(self, action_id: str, answer: Callable[[], None], *, owner: str = "window",
               released: Callable[[], None] | None = None) -> None:  # fmt: skip
        """Answer an action from now on; the newest answer wins until ``drop(owner)``.

        ``released`` is called when the key is let go (hold actions).
        """
        self._handlers.setdefault(action_id, []).append((owner, answer))
        if released is not None:
            self._releases.setdefault(action_id, []).append((owner, released))

    def drop(self, owner: str) -> None:
        """Forget all answers of an owner, for example when its module is hidden."""
        for table in (self._handlers, self._releases):
            for action_id in table:
                table[action_id] = [entry for entry in table[action_id] if entry[0] != owner]

    def can(self, action_id: str) -> bool:
        """Whether somebody answers this action now."""
        return bool(self._handlers.get(action_id))

    def trigger(self, action_id: str) -> bool:
        """Do it; False when nobody answers."""
        entries = self._handlers.get(action_id)
        if not entries:
            return False
        entries[-1][1]()
        return True

    def release(self, action_id: str) -> None:
        """The key of a hold action was let go."""
        entries = self._releases.get(action_id)
        if entries:
            entries[-1][1]()

    def by_key(self, where: Where) -> dict[str, str]:
        """Action ids by portable key text, for one context."""
        return {key: row.id for row in self._rows.values() if row.where == where for key in row.keys}
