"""What every module of the window is given: the desk, the undo stack, background work, catalogue, views."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from PySide6.QtWidgets import QWidget

from tumordiff_core import settings
from tumordiff_core.plugins import manager, specs
from tumordiff_gui.actions import Actions
from tumordiff_gui.background.jobs import Jobs
from tumordiff_gui.background.pictures import Pictures
from tumordiff_gui.background.warm import Warm
from tumordiff_gui.state.desk import Desk
from tumordiff_gui.state.undo import Undo
from tumordiff_gui.views.grid import Grid


@dataclass
class Context:
    """Handed to ``Panel.__init__``; modules meet through it and never import one another."""

    desk: Desk
    undo: Undo
    jobs: Jobs
    warm: Warm
    pictures: Pictures
    views: Grid
    actions: Actions
    window: QWidget | None = None
    show_details: Callable[[str, str], None] = lambda title, text: None
    """Shows (title, text) in a dialogue that can be copied from; set by the window."""
    import_paths: Callable[[Sequence[Path]], None] = lambda places: None
    """Imports folders, archives and files as one job; set by the window."""

    @cached_property
    def catalogue(self) -> ModuleType:
        """``tumordiff_core.catalogue.queries``, imported when first asked for."""
        return importlib.import_module("tumordiff_core.catalogue.queries")

    @cached_property
    def edits(self) -> ModuleType:
        """``tumordiff_core.catalogue.edits``: what the reader changes; each function returns what was there before."""
        return importlib.import_module("tumordiff_core.catalogue.edits")

    @property
    def settings(self) -> settings.Settings:
        """The settings as they are now."""
        return settings.load()

    def params(self, task: str) -> Any:
        """The parameter record class of a task, for its form; raises PluginError."""
        return manager.load(manager.task(task).params)

    def options(self, exporter: str) -> Any:
        """The options record class of an exporter, for its form; raises PluginError."""
        return manager.load(manager.exporter(exporter).options)

    def exporters(self) -> list[specs.Exporter]:
        """All kinds of export, ours and those of plugins."""
        return manager.exporters()


def build(views: Grid, undo: Undo, actions: Actions, window: QWidget | None = None) -> Context:
    """A context around an existing picture area and undo stack."""
    warm = Warm(window)
    return Context(
        desk=Desk(), undo=undo, jobs=Jobs(window), warm=warm, pictures=Pictures(warm), views=views, actions=actions,
        window=window,
    )  # fmt: skip
