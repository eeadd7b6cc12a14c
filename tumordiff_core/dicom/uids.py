"""UIDs that depend on nothing but what they name: no clock, no chance, no machine."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

ROOT = "2.25."
IMPLEMENTATION = "2.25.108117170961363373363519399066216543706"
"""Implementation class UID in the file meta information of everything we write (DICOM PS3.10 7.1)."""


def derived_uid(kind: str, source_uid: str, options: Mapping[str, Any], pixels_sha256: str) -> str:
    """The UID of something made from a source: the same for the same words, another for anything else.

    ``2.25.`` and the decimal of the first 128 bits of a SHA-256 (DICOM PS3.5 B.2): at most 44 characters.

    Parameters
    ----------
    kind : what it names, for example ``"instance"``
    options : JSON-ready; the order of its keys does not matter
    pixels_sha256 : hex digest of the stored pixels
    """
    text = json.dumps([kind, source_uid, options, pixels_sha256], sort_keys=True, ensure_ascii=True)
    return ROOT + str(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
