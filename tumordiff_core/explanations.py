"""Why a result came out as it did, kept in its folder ``explained/``: chains, filters, attention and feature maps.

``explained.json`` and its arrays are written with the result and never change; what a reader asked about later is
appended to ``asked.jsonl``, one line for each pixel, with arrays of its own beside.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core import files

FORMAT = 1
FOLDER, RECORD, ASKED = "explained", "explained.json", "asked.jsonl"
MAPS = ("npy", "attention", "features")
"""Fields of a row that name an array file; empty where the model has none."""

Arrays = Mapping[str, npt.NDArray[Any] | None]


@dataclass(frozen=True)
class Kept:
    """What a result folder says of itself; file names are whole paths.

    Parameters
    ----------
    pixels : ``phase, slice, row, column, model, npy, names, offsets, share, total, width_px, attention, features`` and
        ``with_features``, the newest last
    chains : ``phase, slice, model, chain, npy, t, sigma, change`` of a reverse chain; ``chain`` is its name
    """

    pixels: list[dict[str, Any]] = field(default_factory=list)
    chains: list[dict[str, Any]] = field(default_factory=list)

    def pixel(self, phase: int, place: tuple[int, int, int], *, features: bool) -> dict[str, Any] | None:
        """The newest row about this voxel, with its feature maps where they are asked for."""
        rows = (row for row in reversed(self.pixels) if (row["phase"], *_place(row)) == (phase, *place))
        return next((row for row in rows if row["with_features"] or not features), None)

    def last_place(self, phase: int) -> tuple[int, int, int] | None:
        """The voxel of this phase that was explained last."""
        return next((_place(row) for row in reversed(self.pixels) if row["phase"] == phase), None)

    def chain(self, phase: int, index: int) -> dict[str, Any] | None:
        """The chain of a slice of this phase."""
        return next((row for row in self.chains if (row["phase"], row["slice"]) == (phase, index)), None)


def _place(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return int(row["slice"]), int(row["row"]), int(row["column"])


def stored(result: Path, row: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
    """The row with the names of its arrays, which are written under the hash of their content."""
    place = result / FOLDER
    # Without its parents: a result that was deleted meanwhile must not come back as an empty one.
    place.mkdir(exist_ok=True)
    named = dict(row)
    for name, values in arrays.items():
        if values is None or not values.size:
            named[name] = ""
            continue
        small = np.ascontiguousarray(values, dtype="<f4" if name == "npy" else "<f2")
        named[name] = f"{hashlib.sha256(small.data).hexdigest()[:16]}.npy"
        if not (place / named[name]).exists():
            np.save(place / named[name], small, allow_pickle=False)
    return named


def write(result: Path, pixels: list[dict[str, Any]], chains: list[dict[str, Any]]) -> None:
    """Write what the job itself explained into a result that is being made."""
    files.write_json(result / FOLDER / RECORD, {"format": FORMAT, "pixels": pixels, "chains": chains})


def append(result: Path, row: Mapping[str, Any], arrays: Arrays) -> None:
    """Keep one more pixel with a finished result; raises OSError where its folder cannot be written."""
    line = json.dumps(stored(result, row, arrays), ensure_ascii=False) + "\n"
    with (result / FOLDER / ASKED).open("a", encoding="utf-8") as file:
        file.write(line)


def read(result: Path) -> Kept:
    """Everything kept with a result; nothing where it was made without.

    A line that was torn while it was written is left out. Raises InputError("files.not_json"), ("files.newer_format").
    """
    place = result / FOLDER
    record: dict[str, Any] = {"pixels": [], "chains": []}
    if (place / RECORD).is_file():
        record |= files.read_json(place / RECORD, newest_format=FORMAT)
    asked = (place / ASKED).read_text("utf-8").splitlines() if (place / ASKED).is_file() else []
    rows = [row for row in map(_parsed, asked) if row is not None]
    return Kept([_whole(place, row) for row in (*record["pixels"], *rows)],
                [_whole(place, row) for row in record["chains"]])  # fmt: skip


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return row


def _whole(place: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **{name: str(place / Path(row[name]).name) for name in MAPS if row.get(name)}}
