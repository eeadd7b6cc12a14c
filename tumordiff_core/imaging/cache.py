"""The volume cache: phases as memory-mapped ``.npy`` with a record beside each; always safe to delete.

An entry is there only when both its files are, and each is written whole. The least recently used ones go first.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core import files, paths, settings
from tumordiff_core.errors import MissingError, SpaceError, TumorDiffError

READER_VERSION = 2
"""Part of every key: raise it when the same files would be read into other values."""

FORMAT = 1
FREE_SHARE = 0.1
LEFTOVER_S = 3600.0


@dataclass(frozen=True)
class SourceFile:
    """One file that a volume is read from, as the catalogue recorded it."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Entry:
    """A cached array and its record."""

    npy: Path
    record: Path

    def array(self) -> npt.NDArray[Any]:
        """The array, memory-mapped and read only."""
        values: npt.NDArray[Any] = np.load(self.npy, mmap_mode="r", allow_pickle=False)
        return values

    def facts(self) -> dict[str, Any]:
        """What was recorded with the array: slope, intercept, geometry, provenance, facts."""
        return files.read_json(self.record, newest_format=FORMAT)


def source_of(path: Path) -> SourceFile:
    """A file as it lies on the disk now; raises MissingError("files.missing")."""
    try:
        facts = path.stat()
    except OSError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    return SourceFile(str(path), facts.st_size, facts.st_mtime_ns)


def key(series_uid: str, phase: int, sources: Iterable[SourceFile], *, version: int = READER_VERSION) -> str:
    """The name of an entry: SHA-256 over series, phase, sorted (path, size, mtime) and the reader's version."""
    digest = hashlib.sha256(f"{version}\0{series_uid}\0{phase}".encode())
    for source in sorted(sources, key=lambda s: s.path):
        digest.update(f"\0{source.path}\0{source.size}\0{source.mtime_ns}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def entry(name: str) -> Entry:
    """Where an entry of this key lies, whether it is there or not."""
    folder = paths.volumes()
    return Entry(folder / f"{name}.npy", folder / f"{name}.json")


def find(name: str) -> Entry | None:
    """The entry of a key, marked as used now; ``None`` where there is none or it is not whole."""
    here = entry(name)
    try:
        whole = here.npy.stat().st_size == here.facts().get("bytes")
    except (OSError, TumorDiffError):
        return None
    if not whole:
        return None
    os.utime(here.record)
    return here


def store(name: str, values: npt.NDArray[Any], record: dict[str, Any]) -> Entry:
    """Put an array [slice, row, column] and its record into the cache, making room by the budget first.

    Raises SpaceError("files.no_space") or TumorDiffError("files.not_written"); nothing half-written stays.
    """
    here = entry(name)
    here.npy.parent.mkdir(parents=True, exist_ok=True)
    make_room(values.nbytes)
    files.require_space(here.npy.parent, values.nbytes)
    _write_array(here.npy, values)
    files.write_json(here.record, {"format": FORMAT, **record, "bytes": here.npy.stat().st_size})
    return here


def update(here: Entry, facts: dict[str, Any]) -> None:
    """Write changed facts of an entry into its record, for example a corrected time point."""
    record = here.facts()
    if record.get("facts") != facts:
        files.write_json(here.record, {**record, "facts": facts})


def _write_array(target: Path, values: npt.NDArray[Any]) -> None:
    partial = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as file:
            np.save(file, np.ascontiguousarray(values), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno == 28:
            raise SpaceError("files.no_space", target, free_mb=files.free_mb(target), needed_mb="more") from error
        raise TumorDiffError(
            "files.not_written", target, name=target.name, reason=error.strerror or type(error).__name__
        ) from error


def budget_bytes() -> int:
    """The most the cache may hold: the setting, or a tenth of what the disk could give it, whichever is less."""
    folder = paths.volumes()
    place = folder
    while not place.exists():
        place = place.parent
    could_have = shutil.disk_usage(place).free + used_bytes()
    return int(min(settings.load().cache.budget_gb * 1e9, FREE_SHARE * could_have))


def used_bytes() -> int:
    """Bytes of all entries."""
    return sum(size for _, size, _ in _listing())


def make_room(needed: int) -> int:
    """Delete the least recently used entries until ``needed`` bytes fit into the budget; bytes deleted.

    An array larger than the whole budget still gets its turn: everything else goes.
    """
    listed = sorted(_listing())
    budget, used, freed = budget_bytes(), sum(size for _, size, _ in listed), 0
    for _, size, name in listed:
        if used - freed + needed <= budget:
            break
        if _delete(entry(name)):
            freed += size
    return freed


def clear() -> int:
    """Delete all entries; bytes deleted."""
    return sum(size for _, size, name in _listing() if _delete(entry(name)))


def _listing() -> list[tuple[float, int, str]]:
    """(last use, bytes, key) of all entries; torn leftovers of a crash are swept away on the way."""
    found: dict[str, tuple[float, int]] = {}
    try:
        names = list(os.scandir(paths.volumes()))
    except FileNotFoundError:
        return []
    for one in names:
        try:
            facts = one.stat()
        except FileNotFoundError:
            continue
        if ".partial-" in one.name:
            if time.time() - facts.st_mtime > LEFTOVER_S:
                Path(one.path).unlink(missing_ok=True)
            continue
        name = Path(one.name).stem
        used, size = found.get(name, (0.0, 0))
        found[name] = (max(used, facts.st_mtime), size + facts.st_size)
    return [(used, size, name) for name, (used, size) in found.items()]


def _delete(here: Entry) -> bool:
    """Delete an entry, record first; one that another process holds open (Windows) stays for the next time."""
    try:
        here.record.unlink(missing_ok=True)
        here.npy.unlink(missing_ok=True)
    except PermissionError:
        return False
    return True
