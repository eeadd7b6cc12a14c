"""The child that reads doubtful headers with pydicom: one path per line in, one JSON line per answer out.

It ends when its stdin closes; ``doubtful.py`` starts, times and replaces it. It imports as little as it can.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tumordiff_core.catalogue.stored import printable
from tumordiff_core.dicom.headers import read_with_pydicom
from tumordiff_core.errors import TumorDiffError

MEMORY_BYTES = 1_500_000_000


def serve() -> None:
    """Answer paths from stdin until it closes."""
    _limit_memory()
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(Path(os.fsdecode(bytes.fromhex(json.loads(line)))))), file=answers, flush=True)


def _answer(path: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    try:
        return "", {}, read_with_pydicom(path)
    except TumorDiffError as error:
        return error.code, {**error.fields, **({"name": printable(path.name)} if "name" in error.fields else {})}, {}
    except Exception:
        # Whatever a hostile file leads to: memory, recursion, struct errors.
        return "dicom.unreadable", {"name": printable(path.name), "reason": "damaged inside"}, {}


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - there is none on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, MEMORY_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    serve()
