"""What is plugged in, as records: names, versions, what each offers, what failed, what is disabled."""

import importlib.metadata
from dataclasses import dataclass, field
from typing import Any

from tumordiff_core import settings
from tumordiff_core.plugins import manager, specs
from tumordiff_gui.modules.plugins import strings


@dataclass
class Plugin:
    """One plugin as the window lists it.

    Parameters
    ----------
    name : of its entry point; for ours the dotted name of its module
    version : of its package, ``"built in"`` for ours
    state : ``"on"``, ``"failed"`` or ``"off"``
    offers : titles by hook
    failures : what went wrong, newest last
    """

    name: str
    version: str
    state: str
    offers: dict[str, list[str]] = field(default_factory=dict)
    failures: list[specs.PluginFailure] = field(default_factory=list)

    @property
    def ours(self) -> bool:
        """Whether it comes with TumorDiff."""
        return self.version == strings.OURS

    @property
    def title(self) -> str:
        """The name without our package's own: ``tasks.train``."""
        name = self.name
        for prefix in ("tumordiff_core.", "tumordiff_gui."):
            name = name.removeprefix(prefix)
        return name.removesuffix(".module") if self.ours else name

    @property
    def text(self) -> str:
        """Everything a search looks at."""
        offered = " ".join(title for titles in self.offers.values() for title in titles)
        return f"{self.name} {self.version} {strings.STATES[self.state]} {offered}".lower()


def plugins() -> list[Plugin]:
    """All plugins of this process: strangers first, then ours; disabled and failed ones among them."""
    door = manager.door()
    found = {name: Plugin(name, version, "on") for name, version in door.names}
    for hook in strings.KINDS:
        for name, records in door.each(hook):
            titles = [_title(record) for record in (records if isinstance(records, list | tuple) else [records])]
            found[name].offers.setdefault(hook, []).extend(titles)
    for failure in door.failures:
        plugin = found.setdefault(failure.name, Plugin(failure.name, failure.version, "failed"))
        plugin.state = "failed"
        plugin.failures.append(failure)
    for name in settings.load().plugins.disabled:
        found.setdefault(name, Plugin(name, _version(name), "off")).state = "off"
    return sorted(found.values(), key=lambda p: (p.ours, p.state == "on", p.title))


def _title(record: Any) -> str:
    return str(getattr(record, "title", "") or getattr(record, "name", "") or getattr(record, "id", record))


def _version(name: str) -> str:
    """The version of a package that is installed but not loaded; ``?`` when it is gone."""
    for entry in importlib.metadata.entry_points(group=manager.GROUP, name=name):
        if entry.dist is not None:
            return str(entry.dist.version)
    return "?"


def set_disabled(name: str, disabled: bool) -> None:
    """Keep in the settings whether a plugin is left out from the next start on."""
    record = settings.load()
    names = [n for n in record.plugins.disabled if n != name]
    record.plugins.disabled = (*names, name) if disabled else tuple(names)
    settings.save(record)
