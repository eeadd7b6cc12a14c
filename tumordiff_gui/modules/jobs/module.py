"""The jobs module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Jobs."""
    return [
        ModuleSpec(
            id="jobs", title="Jobs", panel="tumordiff_gui.modules.jobs.panel:Panel",
            icon="progress-clock", group="work", order=90,
            keywords=("queue", "history", "progress", "log", "curves", "stop", "resume", "retry"),
        )
    ]  # fmt: skip
