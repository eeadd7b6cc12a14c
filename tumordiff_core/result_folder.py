"""Read and write a result folder (format 1): what was done to what, with arrays, tables and pictures beside it."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumordiff_core import files
from tumordiff_core.errors import InputError
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.imaging.volume import Provenance, Volume

FORMAT = 1
Kind = Literal[
    "denoised", "registration", "response", "forecast", "evaluation", "model", "cohort", "export", "index",
    "preprocess", "deidentified", "transfer",
]  # fmt: skip


class Source(BaseModel):
    """One file the result was made from."""

    path: str
    sop_uid: str = ""
    sha256: str = ""
    phase: int = 0
    slice: int = 0


class Record(BaseModel):
    """What ``result.json`` holds."""

    model_config = ConfigDict(extra="allow")

    format: int = FORMAT
    kind: Kind
    provenance: Provenance
    title: str = ""
    series_uids: list[str] = Field(default_factory=list)
    sources: list[Source] = Field(default_factory=list)
    params: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] = Field(default_factory=dict)
    noise: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    units: dict[str, str] = Field(default_factory=dict)
    geometry: dict[str, Any] | None = None
    labels: list[str] = Field(default_factory=list)
    phase_s: list[float | None] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)
    figures: dict[str, Any] = Field(default_factory=dict)
    findings: list[dict[str, Any]] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    created: str = ""
    files: dict[str, str] = Field(default_factory=dict)


class Result:
    """A result folder opened for reading."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder = folder
        self.record = record

    def array(self, name: str) -> npt.NDArray[Any]:
        """An array of the result, memory-mapped; raises InputError("result.damaged") if it is not one."""
        try:
            values: npt.NDArray[Any] = np.load(
                self.folder / "arrays" / f"{name}.npy", mmap_mode="r", allow_pickle=False
            )
        except (OSError, ValueError) as error:
            raise InputError("result.damaged", self.folder, name=f"{name}.npy") from error
        return values

    def has_array(self, name: str) -> bool:
        """Whether the result holds an array of this name."""
        return (self.folder / "arrays" / f"{name}.npy").is_file()

    @property
    def geometry(self) -> Geometry | None:
        """The grid of its arrays, where it has one."""
        return None if self.record.geometry is None else Geometry.from_record(self.record.geometry)

    def volume(self, name: str) -> Volume:
        """An array [phase, slice, row, column] with its grid, labels and facts.

        Raises InputError("result.damaged") if it is missing or lies on no grid.
        """
        geometry, values = self.geometry, self.array(name)
        if geometry is None or values.ndim != 4 or values.shape[1:] != geometry.shape:
            raise InputError("result.damaged", self.folder, name=f"{name}.npy")
        record = self.record
        return Volume(
            values, geometry, record.provenance, tuple(record.labels), tuple(record.phase_s), dict(record.facts)
        )

    def check_files(self) -> None:
        """Raise InputError("result.damaged") if any file differs from its recorded SHA-256."""
        for name, digest in self.record.files.items():
            file = self.folder / name
            if not file.is_file() or files.sha256(file) != digest:
                raise InputError("result.damaged", self.folder, name=name)


def save_array(folder: Path, name: str, values: npt.NDArray[Any]) -> None:
    """Write one array, little-endian and C order, under ``arrays/`` of a result that is being made."""
    place = folder / "arrays"
    place.mkdir(parents=True, exist_ok=True)
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    files.require_space(place, little.nbytes)
    np.save(place / f"{name}.npy", little, allow_pickle=False)


def finish(folder: Path, record: Record) -> None:
    """Write ``result.json`` last, with the SHA-256 of every file already in the folder."""
    names = sorted(Path(base, name).relative_to(folder) for base, _, found in os.walk(folder) for name in found)
    record.files = {name.as_posix(): files.sha256(folder / name) for name in names if name.name != "result.json"}
    files.write_json(folder / "result.json", record.model_dump(mode="json"))


def open_result(folder: Path) -> Result:
    """Open a result folder.

    Raises InputError("result.not_one"), ("files.not_json") or ("files.newer_format").
    """
    if not (folder / "result.json").is_file():
        raise InputError("result.not_one", folder, name=folder.name)
    try:
        record = Record.model_validate(files.read_json(folder / "result.json", newest_format=FORMAT))
    except ValidationError as error:
        raise InputError("result.not_one", folder, name=folder.name) from error
    return Result(folder, record)
