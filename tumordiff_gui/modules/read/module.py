"""The read module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Read."""
    return [
        ModuleSpec(
            id="read", title="Read", panel="tumordiff_gui.modules.read.panel:Panel",
            icon="radiology-box-outline", group="read", order=20,
            keywords=("view", "slices", "window", "tags", "dicom"),
        )
    ]  # fmt: skip
