"""Scores of classical filters, kept: BM4D takes a minute a slice, and it answers the same to the same noisy slice.

Only scores are kept, one line each, under a digest of everything they depend on: the reference with its neighbours and
mask, the noise, the filter and its package.
"""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tumordiff_core.evaluation import baselines
from tumordiff_core.evaluation.references import Reference

PROTOCOL = 1
"""Raised whenever noise, mask or scores change."""


class PeerScores:
    """Scores by digest, read once from a file of lines and appended to it; a line that is none is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, float]] = {}
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            try:
                key, scores = json.loads(line)
                self._known[str(key)] = {str(name): float(value) for name, value in scores.items()}
            except (ValueError, TypeError, AttributeError):
                continue

    def get(self, key: str) -> dict[str, float] | None:
        """The scores and seconds kept under a digest."""
        return self._known.get(key)

    def keep(self, key: str, scores: dict[str, float]) -> None:
        """Keep them; where the disk refuses, the next evaluation computes them again."""
        self._known[key] = scores
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([key, scores]) + "\n")
        except OSError:
            return


def key(name: str, reference: Reference, noise: dict[str, Any]) -> str:
    """Digest of what a filter's scores on a reference depend on; ``noise`` says kind, level and number of the draw."""
    package = baselines.NEEDS.get(name, "scikit-image").replace("pywt", "PyWavelets")
    try:
        release = version(package)
    except PackageNotFoundError:
        release = ""
    told = json.dumps(
        [PROTOCOL, name, package, release, reference.centre, reference.stack.shape, noise], sort_keys=True
    )
    digest = hashlib.sha256(told.encode())
    digest.update(reference.stack.tobytes())
    digest.update(reference.mask.tobytes())
    return digest.hexdigest()
