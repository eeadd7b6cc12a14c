"""SER and PE maps: how they are shown, what their description tells, and their values on the images' grid.

The window stored in these files counts in stored units although a rescale follows, and an empty slice says 1 and 2:
it is never used.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tumordiff_core.dicom import stack
from tumordiff_core.errors import UnsupportedError
from tumordiff_core.imaging.volume import Volume
from tumordiff_core.plugins.specs import Header
from tumordiff_core.progress import Progress

DISPLAY_RANGES: Mapping[str, tuple[float, float]] = {"SER": (0.0, 2.0), "PE": (0.0, 200.0)}
"""Fixed window of each map, lowest and highest shown value: SER without a unit, PE in percent."""

UNITS: Mapping[str, str] = {"SER": "", "PE": "%"}
_TIME_POINTS = re.compile(r"time points?[^:]*:\s*(\d+(?:\s*,\s*\d+)*)", re.IGNORECASE)


def kind_of(header: Header) -> str:
    """``"SER"``, ``"PE"`` or nothing, from the third and later values of ImageType."""
    kinds = header.get("ImageType")
    later = tuple(str(k).upper() for k in kinds[2:]) if isinstance(kinds, tuple) else ()
    if "SER" in later:
        return "SER"
    return "PE" if {"PE", "PE1", "PE2"} & set(later) else ""


def phases_used(header: Header) -> tuple[int, ...]:
    """The phases a map was computed from, 0 = before contrast, as its derivation description says; else empty."""
    found = _TIME_POINTS.search(str(header.get("DerivationDescription", "")))
    return tuple(int(number) for number in found.group(1).split(",")) if found else ()


def read_map(paths: Sequence[Path], *, progress: Progress | None = None) -> Volume:
    """A map in its own unit, with the fixed display range in ``facts["display_range"]``.

    A PE map stores whole percent, 0 where enhancement is negative or there is no tissue; a SER map stores 0 outside
    the enhancing mask: neither tells these apart.

    Raises
    ------
    UnsupportedError("map.not_one") and what ``stack.read_series`` raises
    """
    volume = stack.read_series(paths, progress=progress)
    kind = {"ser_map": "SER", "pe_map": "PE"}.get(str(volume.facts.get("role")), "")
    if not kind:
        raise UnsupportedError("map.not_one", paths[0].parent, description=volume.facts.get("series_description"))
    volume.facts.update(unit=UNITS[kind], display_range=DISPLAY_RANGES[kind])
    return volume
