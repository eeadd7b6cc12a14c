"""Scores of classical filters, kept: BM4D takes a minute a slice, and it answers the same to the same noisy slice.

Only scores are kept, one line each, under a digest of what they depend on: the reference with its neighbours and mask,
the noise, the filter with its strengths, and the packages it rests on.
"""

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tumordiff_core.evaluation import baselines
from tumordiff_core.evaluation.references import Reference

PROTOCOL = 4
"""Raised whenever the drawing of noise, the stabilisation around a filter or the scores change."""

PACKAGES = ("numpy", "scipy", "scikit-image", "PyWavelets", "bm3d", "bm4d")


class PeerScores:
    """Scores by digest, read once from a file of lines and appended to it; a line that is none is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, float | None]] = {}
        try:
            lines = path.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                key, scores = json.loads(line)
                self._known[str(key)] = {
                    str(name): None if value is None else float(value) for name, value in scores.items()
                }
            except (ValueError, TypeError, AttributeError):
                continue

    def get(self, key: str) -> dict[str, float | None] | None:
        """The scores kept under a digest, and the seconds they took at the time."""
        return self._known.get(key)

    def keep(self, key: str, scores: dict[str, float | None]) -> None:
        """Keep them; where the disk refuses, the next evaluation computes them again."""
        self._known[key] = scores
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write("\n" + json.dumps([key, scores]))  # a torn last line must not swallow this one
        except OSError:
            return


def key(name: str, reference: Reference, noise: dict[str, Any]) -> str:
    """Digest of what a filter's scores on a reference depend on; ``noise`` says kind, level and number of the draw."""
    strengths = baselines.FACTORS[name][1] if name in baselines.FACTORS else ()
    place = [reference.centre, reference.stack.shape]
    told = json.dumps([PROTOCOL, name, strengths, _releases(), place, noise], sort_keys=True)
    digest = hashlib.sha256(told.encode())
    digest.update(reference.stack.tobytes())
    digest.update(reference.mask.tobytes())
    digest.update(b"" if reference.lesion is None else reference.lesion.tobytes())
    return digest.hexdigest()


@cache
def _releases() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found
