"""The response module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Response."""
    return [
        ModuleSpec(
            id="response", title="Response", panel="tumordiff_gui.modules.response.panel:Panel",
            icon="chart-timeline-variant", group="measure", order=60,
            keywords=("tumour", "volume", "FTV", "SER", "PE", "diameter", "visits", "change"),
        )
    ]  # fmt: skip
