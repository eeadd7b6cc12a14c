"""The browse module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Browse."""
    return [
        ModuleSpec(
            id="browse", title="Browse", panel="tumordiff_gui.modules.browse.panel:Panel",
            icon="database-search-outline", group="read", order=10,
            keywords=("patients", "studies", "import", "series", "open"),
        )
    ]  # fmt: skip
