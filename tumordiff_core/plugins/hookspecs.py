"""The whole public door on one page: every hook, what it returns and who calls it."""

from pathlib import Path
from typing import Any

import pluggy

from tumordiff_core.plugins import specs

PROJECT = "tumordiff"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_collections() -> list[specs.Collection]:  # type: ignore[empty-body]
    """Collections whose time points, roles and phases you know; asked by the catalogue."""


@hookspec
def register_readers() -> list[specs.Reader]:  # type: ignore[empty-body]
    """File formats you can read as a volume; asked by ``imaging/formats.py``."""


@hookspec
def register_tasks() -> list[specs.Task]:  # type: ignore[empty-body]
    """Kinds of jobs; asked by the worker, the command line and the forms."""


@hookspec
def register_services() -> list[specs.Service]:  # type: ignore[empty-body]
    """What a warm child answers; asked by ``jobs/child.py``."""


@hookspec
def register_denoisers() -> list[specs.Denoiser]:  # type: ignore[empty-body]
    """Denoising methods; asked by ``tasks/denoise.py`` and the evaluation."""


@hookspec
def register_networks() -> list[specs.Network]:  # type: ignore[empty-body]
    """Network families for training and model folders; asked by ``training/`` and ``engine/weights.py``."""


@hookspec
def register_losses() -> list[specs.Loss]:  # type: ignore[empty-body]
    """Training losses; asked by ``training/`` for the name that the train form gives."""


@hookspec
def register_augmentations() -> list[specs.Augmentation]:  # type: ignore[empty-body]
    """Changes of clean crops before noise; asked by ``training/`` for the names that the train form gives."""


@hookspec
def register_exporters() -> list[specs.Exporter]:  # type: ignore[empty-body]
    """Kinds of export; asked by ``tasks/export.py`` and the export module."""


@hookspec
def check_export(result: Any, exporter: str, options: Any) -> list[specs.Finding]:  # type: ignore[empty-body]
    """Remarks on an export before it is written (``result`` is a ``result_folder.Result``); a ``refuse`` ends it."""


@hookspec
def register_modules() -> list[specs.ModuleSpec]:  # type: ignore[empty-body]
    """Modules of the window; asked by the window, which imports a panel when it is first shown."""


@hookspec
def register_commands(app: Any) -> None:
    """Add verbs to the Typer app of the command line."""


@hookspec
def job_finished(folder: Path, state: str) -> None:
    """A job ended (``done``, ``stopped`` or ``failed``); called by its worker after the end event."""
