"""The export module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Export."""
    return [
        ModuleSpec(
            id="export", title="Export", panel="tumordiff_gui.modules.export.panel:Panel",
            icon="export-variant", group="share", order=80,
            keywords=("DICOM", "NIfTI", "NRRD", "MetaImage", "PNG", "CSV", "write", "save", "header", "round trip"),
        )
    ]  # fmt: skip
