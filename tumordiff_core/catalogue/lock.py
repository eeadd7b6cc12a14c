"""One import at a time: a lock that the system lets go of when its holder dies."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tumordiff_core import paths
from tumordiff_core.progress import Progress

LOOK_EVERY_S = 0.2


@contextmanager
def import_lock(progress: Progress) -> Iterator[None]:
    """Wait until no other import writes to this catalogue; raises Stopped when asked to stop meanwhile."""
    place = paths.catalogue_file().with_suffix(".importing")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a+b") as file:
        told = False
        while not _taken(file):
            if not told:
                progress.stage("wait for another import")
                told = True
            progress.check()
            time.sleep(LOOK_EVERY_S)
        yield


def _taken(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - only there

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
