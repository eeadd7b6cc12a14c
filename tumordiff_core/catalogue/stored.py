"""How values lie in the database: paths that may not be UTF-8, header values, what a study records."""

import hashlib
import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tumordiff_core.plugins.specs import Header, PublishedVolume, Recorded


def to_stored(path: str) -> str | bytes:
    """A path as text, or as its bytes where it is not UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def to_path(found: str | bytes) -> str:
    """The path that ``to_stored`` stored."""
    return os.fsdecode(found) if isinstance(found, bytes) else found


def text_path(folder: str | bytes, name: str | bytes) -> str:
    """The path of a file in a folder as text; many thousands are made, so no Path is."""
    return f"{to_path(folder)}{os.sep}{to_path(name)}"


def join(folder: str | bytes, name: str | bytes) -> Path:
    """The path of a file in a folder."""
    return Path(text_path(folder, name))


def shown(folder: str | bytes, shown_folder: str, name: str | bytes) -> str:
    """The path as the reader knows it; what is not UTF-8 is written with replacement signs."""
    place = shown_folder or to_path(folder)
    return os.fsencode(f"{place}{os.sep}{to_path(name)}").decode("utf-8", "replace")


def sop_key(uid: str) -> int:
    """63 bits of a UID's hash: small enough to be an index of its own."""
    return int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=8).digest(), "big") >> 1


def pack_header(values: Header) -> str:
    """Header values as JSON."""
    return json.dumps(dict(values), ensure_ascii=True, separators=(",", ":"))


def unpack_header(text: str) -> dict[str, Any]:
    """Header values from JSON; lists become the tuples they were."""
    return tuples(json.loads(text))


def tuples(found: dict[str, Any]) -> dict[str, Any]:
    """Header values as they were before JSON made lists of tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in found.items()}


def recorded_to(record: Recorded) -> str:
    """What a study records, as JSON."""
    return json.dumps(asdict(record), ensure_ascii=True, separators=(",", ":"))


def recorded_from(text: str) -> Recorded:
    """The record that ``recorded_to`` wrote; fields of another version are dropped."""
    known = {f.name for f in fields(Recorded)}
    found = {key: _tuples(v) for key, v in json.loads(text).items() if key in known}
    found["published"] = tuple(PublishedVolume(**one) for one in found.get("published", ()))
    return Recorded(**found)


def _tuples(found: Any) -> Any:
    if isinstance(found, list):
        return tuple(_tuples(v) for v in found)
    if isinstance(found, dict):
        return {key: _tuples(v) for key, v in found.items()}
    return found


def printable(name: str) -> str:
    """A file name as text that every console and file can take."""
    return os.fsencode(name).decode("utf-8", "replace")
