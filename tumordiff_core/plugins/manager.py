"""Loads plugins one by one, keeps failures apart, and answers who offers what; it runs no plugin's work itself."""

import importlib
import traceback
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from tumordiff_core import settings
from tumordiff_core.errors import PluginError
from tumordiff_core.plugins import builtin, hookspecs, specs

Named = TypeVar("Named", bound=Any)
GROUP = "tumordiff"


class Door:
    """The registered plugins of this process and the failures met while loading them."""

    def __init__(self, strangers: Iterable[EntryPoint], disabled: Iterable[str] = ()) -> None:
        self.failures: list[specs.PluginFailure] = []
        self.names: list[tuple[str, str]] = []
        self._plugins = pluggy.PluginManager(hookspecs.PROJECT)
        self._plugins.add_hookspecs(hookspecs)
        for dotted in builtin.PLUGINS:
            self._load_ours(dotted)
        skipped = set(disabled)
        for entry in strangers:
            if entry.name not in skipped:
                self._load(entry)

    def _load_ours(self, dotted: str) -> None:
        # The window keeps the engine's packages out, so one of ours that needs them at the top may fail there too.
        try:
            plugin = importlib.import_module(dotted)
        except ImportError as error:
            self._fail(dotted, "built in", f"could not be imported: {error}")
            return
        self.add(dotted, plugin, version="built in")

    def _load(self, entry: EntryPoint) -> None:
        version = entry.dist.version if entry.dist else "?"
        try:
            plugin = entry.load()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._fail(entry.name, version, f"could not be imported: {type(error).__name__}")
            return
        self.add(entry.name, plugin, version=version)

    def add(self, name: str, plugin: Any, *, version: str = "?") -> None:
        """Register one plugin; what is wrong with it becomes a failure, never an exception."""
        if self._plugins.has_plugin(name):
            self._fail(name, version, "another plugin has this name", with_traceback=False)
            return
        try:
            self._plugins.register(plugin, name=name)
            self._plugins.check_pending()
        except (pluggy.PluginValidationError, TypeError, ValueError) as error:
            self._fail(name, version, f"its hooks do not fit: {error}")
            if self._plugins.has_plugin(name):
                self._plugins.unregister(name=name)
            return
        self.names.append((name, version))

    def _fail(self, name: str, version: str, reason: str, *, with_traceback: bool = True) -> None:
        text = traceback.format_exc() if with_traceback else ""
        self.failures.append(specs.PluginFailure(name, version, reason, text))

    def fail(self, name: str, reason: str) -> None:
        """Record that a plugin failed in use, with the traceback of the exception being handled."""
        version = dict(self.names).get(name, "?")
        self._fail(name, version, reason)

    def each(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Call one hook plugin by plugin: (plugin name, answer); a plugin that raises is recorded and passed over."""
        answers: list[tuple[str, Any]] = []
        for name, _ in self.names:
            plugin = self._plugins.get_plugin(name)
            if getattr(plugin, hook, None) is None:
                continue
            others = [p for n, p in self._plugins.list_name_plugin() if p is not None and n != name]
            try:
                found = self._plugins.subset_hook_caller(hook, remove_plugins=others)(**arguments)
            except Exception as error:
                self._fail(name, dict(self.names)[name], f"{hook} raised {type(error).__name__}")
                continue
            answers.extend((name, answer) for answer in found)
        return answers

    def collect(self, hook: str, kind: type[Named]) -> list[Named]:
        """All records of one kind; the first of a name wins, others and wrong types become failures."""
        found: dict[str, Named] = {}
        for plugin, records in self.each(hook):
            for record in records if isinstance(records, list | tuple) else [records]:
                key = getattr(record, "name", None) or getattr(record, "id", None)
                if not isinstance(record, kind) or not isinstance(key, str):
                    self._once(plugin, f"{hook} returned {type(record).__name__}, not {kind.__name__}")
                elif key in found:
                    self._once(plugin, f"{kind.__name__.lower()} {key!r} is already taken")
                else:
                    found[key] = record
        return list(found.values())

    def _once(self, plugin: str, reason: str) -> None:
        if not any(f.name == plugin and f.reason == reason for f in self.failures):
            self._fail(plugin, dict(self.names).get(plugin, "?"), reason, with_traceback=False)


@cache
def door() -> Door:
    """The door of this process, opened at first use."""
    return Door(entry_points(group=GROUP), settings.load().plugins.disabled)


def load(dotted: str) -> Any:
    """The object that ``"package.module:name"`` names.

    Raises PluginError("plugins.bad_record") if it cannot be imported.
    """
    module, _, name = dotted.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError("plugins.bad_record", name=dotted, reason=str(error)) from error


def _pick(records: list[Named], kind: str, name: str) -> Named:
    for record in records:
        if (getattr(record, "name", None) or getattr(record, "id", None)) == name:
            return record
    known = ", ".join(sorted(r.name for r in records)) or "none"
    raise PluginError("plugins.unknown", kind=kind, name=name, known=known)


def tasks() -> list[specs.Task]:
    """All kinds of jobs."""
    return door().collect("register_tasks", specs.Task)


def task(name: str) -> specs.Task:
    """One kind of job by name; raises PluginError("plugins.unknown")."""
    return _pick(tasks(), "task", name)


def exporters() -> list[specs.Exporter]:
    """All kinds of export."""
    return door().collect("register_exporters", specs.Exporter)


def exporter(name: str) -> specs.Exporter:
    """One kind of export by name; raises PluginError("plugins.unknown")."""
    return _pick(exporters(), "exporter", name)


def services() -> list[specs.Service]:
    """All services of warm children."""
    return door().collect("register_services", specs.Service)


def service(name: str) -> specs.Service:
    """One service by name; raises PluginError("plugins.unknown")."""
    return _pick(services(), "service", name)


def collections() -> list[specs.Collection]:
    """All known collections, ours last so that a stranger's more special one is asked first."""
    return door().collect("register_collections", specs.Collection)


def readers() -> list[specs.Reader]:
    """All readers of file formats."""
    return door().collect("register_readers", specs.Reader)


def denoisers() -> list[specs.Denoiser]:
    """All denoising methods."""
    return door().collect("register_denoisers", specs.Denoiser)


def networks() -> list[specs.Network]:
    """All network families."""
    return door().collect("register_networks", specs.Network)


def loss(name: str) -> specs.Loss:
    """One training loss by name; raises PluginError("plugins.unknown")."""
    return _pick(door().collect("register_losses", specs.Loss), "loss", name)


def augmentation(name: str) -> specs.Augmentation:
    """One augmentation by name; raises PluginError("plugins.unknown")."""
    return _pick(door().collect("register_augmentations", specs.Augmentation), "augmentation", name)


def modules() -> list[specs.ModuleSpec]:
    """All modules of the window."""
    return door().collect("register_modules", specs.ModuleSpec)


def check_export(result: Any, exporter_name: str, options: Any) -> list[specs.Finding]:
    """Every plugin's remarks on an export, flattened; a gate that raises counts as a refusal."""
    before = len(door().failures)
    answers = door().each("check_export", result=result, exporter=exporter_name, options=options)
    findings = [finding for _, found in answers for finding in found]
    for failure in door().failures[before:]:
        reason = f"its export check failed: {failure.reason}"
        findings.append(specs.Finding("refuse", "plugins.bad_record", {"name": failure.name, "reason": reason}))
    return findings


def register_commands(app: Any) -> None:
    """Let every plugin add its verbs to the command line."""
    door().each("register_commands", app=app)


def job_finished(folder: Path, state: str) -> None:
    """Tell every plugin that a job ended."""
    door().each("job_finished", folder=folder, state=state)


def report() -> dict[str, Any]:
    """What is loaded, what each plugin offers and what failed: names, versions, reasons, tracebacks."""
    offers: dict[str, list[Any]] = {
        "tasks": tasks(), "exporters": exporters(), "services": services(), "collections": collections(),
        "readers": readers(), "denoisers": denoisers(), "networks": networks(), "modules": modules(),
    }  # fmt: skip
    return {
        "plugins": [{"name": name, "version": version} for name, version in door().names],
        "offers": {kind: [getattr(r, "name", None) or r.id for r in records] for kind, records in offers.items()},
        "failures": [vars(f) for f in door().failures],
        "disabled": list(settings.load().plugins.disabled),
    }
