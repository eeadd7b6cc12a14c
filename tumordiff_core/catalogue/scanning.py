"""Read the headers of some files of one folder, grouped by series; runs in a worker process or in this one."""

import atexit
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumordiff_core.catalogue import stored
from tumordiff_core.catalogue.doubtful import DoubtfulReader
from tumordiff_core.catalogue.stored import printable
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.errors import InputError, TumorDiffError

Found = tuple[str, int, int]
"""Name, size in bytes, modification time in ns."""

_FROM_DISK = ("path", "size", "mtime_ns")
_doubtful = DoubtfulReader()
atexit.register(_doubtful.close)


@dataclass(frozen=True)
class Chunk:
    """Some files of one folder; ``row`` and ``folder_row`` are where the catalogue keeps them."""

    row: int
    folder_row: int
    folder: str
    files: tuple[Found, ...]


@dataclass(frozen=True)
class ReadFile:
    """One file that was read: what it has beyond its group, as JSON."""

    name: str
    size: int
    mtime_ns: int
    sop_uid: str
    own: str


@dataclass(frozen=True)
class Group:
    """Files of one series in one folder, and the header values that all of them share (JSON)."""

    facts: dict[str, Any]
    common: str
    files: tuple[ReadFile, ...]


@dataclass(frozen=True)
class Skip:
    """One file that is not indexed."""

    name: str
    size: int
    mtime_ns: int
    code: str
    sentence: str


@dataclass(frozen=True)
class Reading:
    """What became of a chunk."""

    chunk: Chunk
    groups: tuple[Group, ...]
    skips: tuple[Skip, ...]


def read_chunk(chunk: Chunk) -> Reading:
    """Read every file of a chunk; none of them can end it."""
    series: dict[tuple[str, str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    skips = []
    for name, size, mtime_ns in chunk.files:
        try:
            refuse_known(name)
            header = read_header(stored.join(chunk.folder, name), doubtful=_doubtful.read)
        except TumorDiffError as error:
            skips.append(Skip(name, size, mtime_ns, error.code, printable(error.sentence)))
            continue
        who = tuple(str(header.get(k, "")) for k in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID"))
        series[who].append((name, header))  # type: ignore[index]
    return Reading(chunk, tuple(_group(files) for files in series.values()), tuple(skips))


def refuse_known(name: str) -> None:
    """Raise InputError for what its name tells not to be an image: "dicom.dicomdir", "index.volume_file", and
    "index.archive_inside" (an archive is opened only where it is named itself)."""
    lower = name.lower()
    shown = printable(name)
    if lower == "dicomdir":
        raise InputError("dicom.dicomdir", name=shown)
    if lower.endswith((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")):
        raise InputError("index.volume_file", name=shown)
    if lower.endswith((".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")):
        raise InputError("index.archive_inside", name=shown)


def _group(files: list[tuple[str, dict[str, Any]]]) -> Group:
    first = files[0][1]
    shared = set(first.items())
    for _, header in files[1:]:
        shared &= header.items()
    common = {key: v for key, v in shared if key not in _FROM_DISK} if len(files) > 1 else _alone(first)
    return Group(series_facts(first), stored.pack_header(common), tuple(_file(n, h, common) for n, h in files))


def _alone(header: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in header.items() if k not in _FROM_DISK}


def _file(name: str, header: dict[str, Any], common: dict[str, Any]) -> ReadFile:
    own = {k: v for k, v in header.items() if k not in common and k not in _FROM_DISK}
    return ReadFile(name, header["size"], header["mtime_ns"], str(header["SOPInstanceUID"]), stored.pack_header(own))


def series_facts(header: dict[str, Any]) -> dict[str, Any]:
    """What a series is called before its collection was asked."""
    number = header.get("SeriesNumber")
    return {
        "patient_id": str(header.get("PatientID", "")), "study_uid": str(header["StudyInstanceUID"]),
        "series_uid": str(header["SeriesInstanceUID"]), "number": number if isinstance(number, int) else None,
        "description": line(header.get("SeriesDescription")), "modality": line(header.get("Modality")),
        "vendor": line(header.get("Manufacturer")), "study_date": line(header.get("StudyDate")),
        "study_description": line(header.get("StudyDescription")), "sex": line(header.get("PatientSex")),
        "age": line(header.get("PatientAge")),
    }  # fmt: skip


def line(found: object) -> str:
    """A header value as one line of text."""
    return " ".join(str(part) for part in found) if isinstance(found, tuple) else str(found or "")


def exists(chunk: Chunk) -> bool:
    """Whether the folder of a chunk can still be reached."""
    return Path(chunk.folder).is_dir()
