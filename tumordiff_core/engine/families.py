"""Our network families and our denoiser, through the plugin door; imports no torch."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Network

ROOM = "tumordiff_core.engine.networks"


@hookimpl
def register_networks() -> list[Network]:
    """The paper's UNet and ours."""
    return [
        Network("paper-unet", "UNet of the seed paper", f"{ROOM}:PaperArguments", f"{ROOM}:build_paper"),
        Network("edm-unet", "Preconditioned residual UNet", f"{ROOM}:EdmArguments", f"{ROOM}:build_edm"),
    ]
