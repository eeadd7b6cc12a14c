"""The plugins module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Plugins."""
    return [
        ModuleSpec(
            id="plugins", title="Plugins", panel="tumordiff_gui.modules.plugins.panel:Panel",
            icon="puzzle-outline", group="work", order=95,
            keywords=("extensions", "modules", "enable", "disable", "traceback", "template", "version"),
        )
    ]  # fmt: skip
