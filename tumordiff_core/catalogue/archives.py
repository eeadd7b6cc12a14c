"""Unpack an archive's members into the cache under names of our own, streaming, within limits; never beside it."""

import gzip
import hashlib
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tumordiff_core import files, paths
from tumordiff_core.catalogue.scanning import Skip
from tumordiff_core.errors import InputError
from tumordiff_core.progress import Progress

LARGEST_RATIO = 200
LARGEST_TOTAL = 50_000_000_000
FREE_OF_RATIO = 1_000_000
_BLOCK = 1 << 20
_INSIDE = (".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz")


class Readable(Protocol):
    """What can be read in blocks."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


@dataclass(frozen=True)
class Opened:
    """Where the members lie, which of them were not unpacked, and folders of earlier states of the archive."""

    folder: Path
    skips: tuple[Skip, ...]
    older: tuple[Path, ...]


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive or a gzip of one file."""
    return zipfile.is_zipfile(path) or (path.suffix.lower() == ".gz" and _begins(path, b"\x1f\x8b"))


def _begins(path: Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


def unpack(path: Path, *, progress: Progress) -> Opened:
    """Unpack an archive once; asked again for the same archive, its folder is already there.

    Raises InputError("archive.unreadable"), SpaceError("files.no_space"), Stopped; nothing half-unpacked stays.
    """
    facts = path.stat()
    who = hashlib.sha256(str(path).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    place = paths.cache() / "archives" / who
    target = place / hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:16]
    record = target / "skipped.json"
    if not record.is_file():
        if target.exists():
            shutil.rmtree(target)
        with files.whole_folder(target) as partial:
            (partial / "files").mkdir()
            skips = _unpack(path, partial / "files", progress)
            files.write_json(partial / record.name, {"format": 1, "skips": [vars(skip) for skip in skips]})
    kept = files.read_json(record, newest_format=1)["skips"]
    older = [other for other in place.iterdir() if other != target]
    for other in older:
        shutil.rmtree(other, ignore_errors=True)
    return Opened(target / "files", tuple(Skip(**one) for one in kept), tuple(other / "files" for other in older))


def _unpack(path: Path, folder: Path, progress: Progress) -> list[Skip]:
    try:
        if not zipfile.is_zipfile(path):
            with gzip.open(path) as inner:
                target = folder / files.safe_name(path.stem)
                skip = _stream(inner, target, path.name, path.stat().st_size, LARGEST_TOTAL)
            return [skip] if skip else []
        with zipfile.ZipFile(path) as archive:
            return _unpack_zip(archive, folder, progress)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError("archive.unreadable", path, name=path.name) from error


def _unpack_zip(archive: zipfile.ZipFile, folder: Path, progress: Progress) -> list[Skip]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    files.require_space(folder, min(sum(member.file_size for member in members), LARGEST_TOTAL))
    left, skips = LARGEST_TOTAL, []
    for number, member in enumerate(members):
        progress.check()
        skip = _refuse(member)
        if skip is None:
            # Names of members are never used as paths: a number and a hash stand for them.
            target = folder / f"{number:06}-{files.safe_name(Path(member.filename).name)}"
            try:
                with archive.open(member) as inner:
                    skip = _stream(inner, target, member.filename, member.compress_size, left)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
                target.unlink(missing_ok=True)
                skip = _skip(member.filename, "archive.member", member.file_size)
            left -= target.stat().st_size if target.exists() else 0
        if skip is not None:
            skips.append(skip)
    return skips


def _refuse(member: zipfile.ZipInfo) -> Skip | None:
    if member.flag_bits & 1:
        return _skip(member.filename, "archive.locked", member.file_size)
    if stat.S_ISLNK(member.external_attr >> 16):
        return _skip(member.filename, "archive.member", member.file_size)
    if member.filename.lower().endswith(_INSIDE):
        return _skip(member.filename, "archive.nested", member.file_size)
    return None


def _stream(inner: Readable, target: Path, name: str, packed: int, left: int) -> Skip | None:
    """Copy one member in blocks; one that unpacks too far is removed again."""
    limit = min(packed * LARGEST_RATIO + FREE_OF_RATIO, left)
    written = 0
    with target.open("wb") as out:
        while block := inner.read(_BLOCK):
            written += len(block)
            if written > limit:
                break
            out.write(block)
    if written <= limit:
        return None
    target.unlink()
    return _skip(name, "archive.bomb", written)


def _skip(name: str, code: str, size: int) -> Skip:
    shown = name.encode("utf-8", "replace").decode()
    last = shown.replace("\\", "/").rstrip("/").split("/")[-1][:80] or "?"
    error = InputError(code, name=last, ratio=LARGEST_RATIO) if code == "archive.bomb" else InputError(code, name=last)
    return Skip(shown, size, 0, code, error.sentence)
