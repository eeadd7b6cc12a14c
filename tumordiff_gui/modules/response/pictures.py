"""The maps of a response result as pictures and overlays, each on the grid of its own visit."""

from typing import Any

import numpy as np

from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.result_folder import Result
from tumordiff_gui.modules.response import strings
from tumordiff_gui.state.slice_view import Overlay, Picture
from tumordiff_gui.theme import maps

SER_RANGE, PE_RANGE = (0.0, 3.0), (0.0, 200.0)
OPACITY = 0.75


def map_picture(result: Result, row: dict[str, Any], what: str) -> Picture:
    """The ``pe`` or ``ser`` map of one row in its fixed range and colours; raises KeyError, InputError."""
    low, high = PE_RANGE if what == "pe" else SER_RANGE
    table = (maps.colours("inferno") if what == "pe" else ser_table()).copy()
    table[0] = 0xFF000000
    return Picture(
        values=result.array(row["arrays"][what]), geometry=Geometry.from_record(row["geometry"]),
        window=((low + high) / 2, high - low), provenance="synthetic" if row["kind"] == "synthetic" else "derived",
        unit=strings.UNIT_PERCENT if what == "pe" else "", colours=table,
        legend=strings.LEGEND_PE if what == "pe" else strings.LEGEND_SER, facts=facts_of(result, row),
    )  # fmt: skip


def tumour_overlay(result: Result, row: dict[str, Any]) -> Overlay:
    """The SER classes of the tumour's voxels, nothing elsewhere; raises KeyError, InputError."""
    mask = np.asarray(result.array(row["arrays"]["tumour"])).astype(bool)
    ratio = np.where(mask, np.asarray(result.array(row["arrays"]["ser"]), dtype=np.float32), np.float32(np.nan))
    return Overlay(
        "ser-classes", strings.LEGEND_SER, ratio, colours=ser_table(), limits=SER_RANGE, opacity=OPACITY,
    )  # fmt: skip


def ser_table() -> Any:
    """The six display classes as 256 colours over SER 0 to 3."""
    return maps.steps(maps.SER_LIMITS, maps.SER_COLOURS, *SER_RANGE)


def facts_of(result: Result, row: dict[str, Any]) -> dict[str, Any]:
    """What the corners of a view say about one row."""
    return {
        "patient_id": str(result.record.facts.get("patient_id", "")), "study_uid": row["study_uid"],
        "time_point": row["visit"], "days": row["days"], "series_description": strings.KINDS.get(row["kind"], ""),
        "series_uid": next(iter(row.get("series_uids", ())), ""), "laterality": row.get("laterality", ""),
        "laterality_source": row.get("laterality_source", ""),
    }  # fmt: skip
