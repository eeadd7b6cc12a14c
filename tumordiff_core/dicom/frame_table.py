"""The functional groups of a multi-frame object as a small table, so that its frames are known without its file.

The table is a JSON text in the header: what all frames share, what each has of its own under the keywords of
single-frame headers, and ``order`` (temporal position, then dimension indices).
"""

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset

KEYWORD = "FrameTable"
ENHANCED = frozenset({"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4", "1.2.840.10008.5.1.4.1.1.2.1"})
"""Enhanced MR, legacy converted enhanced MR, enhanced CT: their geometry stands in functional groups."""

_GROUPS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth"),
    "TemporalPositionSequence": ("TemporalPositionTimeOffset",),
    "FrameAnatomySequence": ("FrameLaterality",),
}
_TOP = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "ExtendedOffsetTable")


def read(file: Path | BinaryIO) -> dict[str, Any]:
    """The table of a file: ``shared``, ``frames`` (empty where no frame has groups), ``offsets``.

    Raises whatever pydicom does for groups that are damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=list(_TOP))
        own = list(data.get("PerFrameFunctionalGroupsSequence") or ())
        shared = (data.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
        offsets = np.frombuffer(data.get("ExtendedOffsetTable") or b"", dtype="<u8").tolist()
        return {"shared": _values(shared), "frames": [_own(one) for one in own], "offsets": offsets}


def packed(file: BinaryIO) -> str:
    """The table as JSON, empty where there is none to be had: reading the pixels will say why."""
    file.seek(0)
    try:
        table = read(file)
    except Exception:
        # pydicom raises whatever the broken byte led to; the rest of the header is sound.
        return ""
    return json.dumps(table, separators=(",", ":")) if table["frames"] or table["shared"] else ""


def unpacked(text: str) -> dict[str, Any]:
    """The table that ``packed`` packed, lists as the tuples of headers."""
    table: dict[str, Any] = json.loads(text)
    for one in (table["shared"], *table["frames"]):
        one.update({keyword: tuple(value) for keyword, value in one.items() if isinstance(value, list)})
    return table


def _values(groups: Dataset) -> dict[str, Any]:
    found = {}
    for group, keywords in _GROUPS.items():
        item = (groups.get(group) or [None])[0]
        for keyword in keywords:
            value = None if item is None else _value(item.get(keyword))
            if value is not None:
                found[keyword] = value
    return found


def _own(groups: Dataset) -> dict[str, Any]:
    found = _values(groups)
    content = (groups.get("FrameContentSequence") or [Dataset()])[0]
    moment = str(content.get("FrameAcquisitionDateTime") or content.get("FrameReferenceDateTime") or "")
    if len(moment) >= 14:
        found["AcquisitionDate"], found["AcquisitionTime"] = moment[:8], moment[8:].split("+")[0].split("-")[0]
    duration_ms = _value(content.get("FrameAcquisitionDuration"))
    if isinstance(duration_ms, float):
        found["FrameAcquisitionDuration"] = duration_ms
    index = content.get("TemporalPositionIndex")
    if index is not None:
        found["TemporalPositionIdentifier"] = int(index)
    indices = content.get("DimensionIndexValues") or ()
    listed = tuple(int(v) for v in (indices if isinstance(indices, Iterable) else (indices,)))
    # The temporal position, then the dimension indices: files in this order interleave no phases.
    found["order"] = (int(index or 0), *listed)
    return found


def _value(found: Any) -> Any:
    """Numbers as floats or tuples of them, text as text."""
    if found is None or found == "":
        return None
    if isinstance(found, str):
        return found
    try:
        if hasattr(found, "__iter__"):
            return tuple(float(v) for v in found)
        return float(found)
    except (TypeError, ValueError):
        return None
