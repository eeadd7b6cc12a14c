"""The denoise module's line for the module picker."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules() -> list[ModuleSpec]:
    """Denoise."""
    return [
        ModuleSpec(
            id="denoise", title="Denoise", panel="tumordiff_gui.modules.denoise.panel:Panel",
            icon="auto-fix", group="denoise", order=40,
            keywords=("noise", "residual", "uncertainty", "diffusion", "ddpm", "strength", "psnr", "ssim", "model"),
        )
    ]  # fmt: skip
