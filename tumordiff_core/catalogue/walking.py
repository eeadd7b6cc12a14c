"""Find files below a folder: each folder once, regular files only, and only folders whose listing has changed.

Follows symbolic links, so every (device, inode) of a folder is entered once; sources are only ever looked at.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b


@dataclass
class Listing:
    """One folder: its files as (name, size, mtime in ns), what is no regular file, and why it could not be read."""

    path: str
    files: list[tuple[str, int, int]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    trouble: str = ""

    def digest(self) -> bytes:
        """16 bytes that differ when a name, a size or a time differs."""
        text = "\n".join(f"{name}\0{size}\0{mtime_ns}" for name, size, mtime_ns in self.files)
        return blake2b(("\0".join(self.odd) + text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def walk(top: str) -> Iterator[Listing]:
    """Every folder from ``top`` down, files and folders in the order of their names."""
    entered: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        path = waiting.pop()
        listing = Listing(path)
        below: list[str] = []
        try:
            facts = os.stat(path)  # noqa: PTH116 - millions of them
            if (facts.st_dev, facts.st_ino) in entered:
                continue
            entered.add((facts.st_dev, facts.st_ino))
            with os.scandir(path) as entries:
                for entry in entries:
                    _sort_out(entry, listing, below)
        except OSError as error:
            listing.trouble = error.strerror or "no access"
        listing.files.sort()
        listing.odd.sort()
        waiting.extend(sorted(below, reverse=True))
        yield listing


def _sort_out(entry: "os.DirEntry[str]", listing: Listing, below: list[str]) -> None:
    try:
        if entry.is_dir():
            below.append(entry.path)
            return
        facts = entry.stat()
    except OSError:
        listing.odd.append(entry.name)
        return
    if stat.S_ISREG(facts.st_mode):
        listing.files.append((entry.name, facts.st_size, facts.st_mtime_ns))
    else:
        listing.odd.append(entry.name)
