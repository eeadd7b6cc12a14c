"""The train module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Train."""
    return [
        ModuleSpec(
            id="train", title="Train", panel="tumordiff_gui.modules.train.panel:Panel",
            icon="school-outline", group="denoise", order=50,
            keywords=("training", "loss", "model", "epochs", "network", "learn", "preset", "paper"),
        )
    ]  # fmt: skip
