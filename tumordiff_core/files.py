"""Write a file or a folder whole or not at all, check free space, make safe names; knows nothing of what is written."""

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tumordiff_core.errors import InputError, MissingError, SpaceError, TumorDiffError

RENAME_PATIENCE_S = 2.0


def rename(source: Path, target: Path) -> None:
    """Rename, trying again for two seconds while a virus scanner or a slow share holds the name."""
    end = time.monotonic() + RENAME_PATIENCE_S
    while True:
        try:
            source.rename(target)
            return
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _temporary_beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file whole: a temporary name beside it, flushed to disk, then renamed over ``target``.

    Raises SpaceError("files.no_space") or TumorDiffError("files.not_written"); ``target`` is then as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _temporary_beside(target)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _as_sentence(error, target) from error


def write_json(target: Path, record: dict[str, Any]) -> None:
    """Write a JSON record whole (UTF-8, sorted by insertion)."""
    write_bytes(target, json.dumps(record, ensure_ascii=False, indent=1).encode())


def read_json(path: Path, *, newest_format: int) -> dict[str, Any]:
    """Read a JSON record of ours.

    Raises MissingError("files.missing"), InputError("files.not_json") or ("files.newer_format").
    """
    try:
        record = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("files.not_json", path, name=path.name) from error
    if not isinstance(record, dict):
        raise InputError("files.not_json", path, name=path.name)
    found = record.get("format", 1)
    if not isinstance(found, int) or found > newest_format:
        raise InputError("files.newer_format", path, name=path.name, found=found, expected=newest_format)
    return record


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target`` when the block ends well and vanishes when it raises.

    Raises InputError("files.exists") when ``target`` is there and not an empty folder, SpaceError or
    TumorDiffError("files.not_written") as the disk says.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("files.exists", target, name=target.name)
    partial = _temporary_beside(target)
    try:
        partial.mkdir(parents=True)
        yield partial
        if target.exists():
            target.rmdir()
        rename(partial, target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise _as_sentence(error, target) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def flush(paths: Iterable[Path]) -> None:
    """Make sure that files just written are on the disk before they are renamed into place."""
    for path in paths:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _as_sentence(error: OSError, target: Path) -> TumorDiffError:
    if error.errno == 28:
        return SpaceError("files.no_space", target, free_mb=free_mb(target), needed_mb="more")
    return TumorDiffError("files.not_written", target, name=target.name, reason=error.strerror or type(error).__name__)


def free_mb(path: Path) -> int:
    """Free megabytes on the disk of ``path`` or of its nearest existing parent."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free // 1_000_000


def require_space(path: Path, needed_bytes: float) -> None:
    """Raise SpaceError("files.no_space") unless ``needed_bytes`` and a twentieth more are free at ``path``."""
    needed_mb = int(needed_bytes * 1.05 / 1e6) + 1
    free = free_mb(path)
    if free < needed_mb:
        raise SpaceError("files.no_space", path, free_mb=free, needed_mb=needed_mb)


def safe_name(text: str, *, limit: int = 40) -> str:
    """A folder name from a text of unknown origin: letters, digits, ``_`` and ``-``, plus 8 hex of its hash."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:limit].strip("-")
    return f"{plain}-{digest}" if plain else digest


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
