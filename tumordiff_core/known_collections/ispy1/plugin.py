"""The collection at the plugin door: names only, so that reading it imports no DICOM."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Collection

NAME = "ispy1"


@hookimpl
def register_collections() -> list[Collection]:
    """The collection of the I-SPY 1 trial."""
    room = "tumordiff_core.known_collections.ispy1.collection"
    names = ("claims", "time_points", "roles", "phases", "recorded", "clinical")
    return [Collection(NAME, "I-SPY 1 (ACRIN 6657)", *(f"{room}:{name}" for name in names))]
