"""Which files a DICOMDIR names that are not there; the files that are there are found by looking."""

import os
import warnings
from pathlib import Path

import pydicom

NAME = "DICOMDIR"
LARGEST_BYTES = 64_000_000


def missing(index: Path) -> list[str]:
    """Names of the entries without a file, as the DICOMDIR writes them; empty for one that cannot be read.

    Upper and lower case and a version suffix (``;1``) do not matter; what leads out of the folder counts as missing.
    """
    try:
        if index.stat().st_size > LARGEST_BYTES:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            entries = pydicom.dcmread(index, specific_tags=["DirectoryRecordSequence"]).get("DirectoryRecordSequence")
            named = [entry.get("ReferencedFileID") for entry in entries or ()]
    except Exception:
        # pydicom raises whatever a broken byte leads to; the folder is read in any case.
        return []
    parts = [[one] if isinstance(one, str) else [str(p) for p in one] for one in named if one]
    return ["/".join(names) for names in parts if not _is_there(index.parent, names)]


def _is_there(folder: Path, names: list[str]) -> bool:
    place = folder
    for name in names:
        if name in {"", ".", ".."} or "/" in name or "\\" in name or Path(name).is_absolute():
            return False
        if not (place / name).exists():
            wanted = name.lower()
            try:
                alike = [e for e in os.listdir(place) if e.lower().split(";")[0] == wanted]  # noqa: PTH208
            except OSError:
                return False
            if not alike:
                return False
            name = alike[0]
        place = place / name
    return place.is_file()
