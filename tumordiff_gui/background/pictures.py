"""Brings phases to the views: maps what the reader put into the cache, and remembers the newest ones."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tumordiff_core import files
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.result_folder import Result
from tumordiff_gui.background.warm import Request, Warm
from tumordiff_gui.state.slice_view import Picture

MOST_KEPT = 16
RECORD_FORMAT = 99


class Pictures:
    """Phases of catalogued series as pictures, asked for by series and phase."""

    def __init__(self, warm: Warm) -> None:
        self._warm = warm
        self._kept: OrderedDict[tuple[str, int], Picture] = OrderedDict()
        self._files: dict[tuple[str, int], tuple[str, str]] = {}

    def kept(self, series_uid: str, phase: int) -> Picture | None:
        """A phase that is open already."""
        return self._kept.get((series_uid, phase))

    def phase(self, series_uid: str, phase: int, ready: Callable[[Picture], None],
              failed: Callable[[str, str], None] | None = None, *, first: bool = True) -> Request | None:  # fmt: skip
        """Bring a phase: ``ready(picture)`` is called at once when it is open, else when the reader has it."""
        held = self._kept.get((series_uid, phase))
        if held is not None:
            self._kept.move_to_end((series_uid, phase))
            ready(held)
            return None

        def answered(reply: dict[str, Any]) -> None:
            try:
                picture = picture_of_reply(reply)
            except (TumorDiffError, OSError, KeyError, TypeError, ValueError) as error:
                if failed is not None:
                    failed(TumorDiffError("jobs.child_gone").sentence, repr(error))
                return
            self._kept[(series_uid, phase)] = picture
            self._files[(series_uid, phase)] = (str(reply["npy"]), str(reply["record"]))
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            ready(picture)

        body = {"op": "phase", "series_uid": series_uid, "phase": phase}
        return self._warm.ask("reader", body, answered, failed, key=f"phase {series_uid} {phase}", first=first)

    def files(self, series_uid: str, phase: int) -> tuple[str, str] | None:
        """Array and record of a phase that was brought, as another warm child wants them."""
        return self._files.get((series_uid, phase))

    def forget(self) -> None:
        """Let go of all phases, for example when a study is closed or the catalogue changed."""
        self._kept.clear()


def picture_of_reply(reply: dict[str, Any]) -> Picture:
    """The picture of a reader's reply ``{"npy": path, "record": path}``, mapped, not copied."""
    record = files.read_json(Path(reply["record"]), newest_format=RECORD_FORMAT)
    values = np.load(Path(reply["npy"]), mmap_mode="r", allow_pickle=False)
    window = record.get("window")
    return Picture(
        values=values,
        geometry=Geometry.from_record(record["geometry"]),
        slope=float(record.get("slope", 1.0)),
        intercept=float(record.get("intercept", 0.0)),
        window=None if not window else (float(window[0]), float(window[1])),
        inverted=record.get("photometric") == "MONOCHROME1",
        provenance=record.get("provenance", "acquired"),
        unit=str(record.get("unit") or ""),
        facts=dict(record.get("facts") or {}),
    )


def picture_of_result(result: Result, name: str, phase: int, *, window: tuple[float, float] | None = None) -> Picture:
    """One phase of an array of a result folder as a picture on the result's grid."""
    values = result.array(name)
    volume = values[phase] if values.ndim == 4 else values
    record = result.record
    facts = {**record.facts, "phase": phase, "phases": values.shape[0] if values.ndim == 4 else 1}
    if phase < len(record.labels):
        facts["phase_label"] = record.labels[phase]
    if phase < len(record.phase_s):
        facts["effective_s"] = record.phase_s[phase]
    geometry = result.geometry or Geometry(shape=volume.shape, spacing_mm=(1.0, 1.0, 1.0))
    return Picture(values=volume, geometry=geometry, window=window, provenance=record.provenance, facts=facts)
