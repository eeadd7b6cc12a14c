"""Find files below a folder: each folder once, regular files only, and only folders whose listing has changed.

Follows symbolic links, so every (device, inode) of a folder is entered once; sources are only ever looked at.
"""

import os
import stat
from collections.abc import Iterable, Iterator
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
        return blake2b(repr((self.odd, self.files)).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def walk(top: str) -> Iterator[Listing]:
    """Every folder from ``top`` down, files and folders in the order of their names."""
    entered: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        path = waiting.pop()
        listing = Listing(path)
        below: list[str] = []
        try:
            facts = os.stat(path)  # noqa: PTH116 - hundreds of thousands of them
            if (facts.st_dev, facts.st_ino) in entered:
                continue
            entered.add((facts.st_dev, facts.st_ino))
            with os.scandir(path) as entries:
                _sort_out(entries, listing, below)
        except OSError as error:
            listing.trouble = error.strerror or "no access"
        listing.files.sort()
        listing.odd.sort()
        waiting.extend(sorted(below, reverse=True))
        yield listing


def _sort_out(entries: "Iterable[os.DirEntry[str]]", listing: Listing, below: list[str]) -> None:
    # One loop without calls of our own: this is nearly all that a rescan of an unchanged disk does.
    keep = listing.files.append
    for entry in entries:
        try:
            if entry.is_dir():
                below.append(entry.path)
                continue
            facts = entry.stat()
        except OSError:
            listing.odd.append(entry.name)
            continue
        if stat.S_ISREG(facts.st_mode):
            keep((entry.name, facts.st_size, facts.st_mtime_ns))
        else:
            listing.odd.append(entry.name)
