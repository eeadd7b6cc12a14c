"""Patients into train, validation and test by a stable hash of their id; data that bring a split are obeyed."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

Part = Literal["train", "val", "test"]
TRAIN_PERCENT, VAL_PERCENT = 80, 10


def part_of(patient_id: str) -> Part:
    """80/10/10 by the SHA-256 of the patient id: never by slice, the same on every machine."""
    hundredth = int.from_bytes(hashlib.sha256(patient_id.encode()).digest()[:8], "big") % 100
    if hundredth < TRAIN_PERCENT:
        return "train"
    return "val" if hundredth < TRAIN_PERCENT + VAL_PERCENT else "test"


def split(patients: Iterable[str]) -> dict[str, Part]:
    """A part for each patient; a cohort too small for the hash gives its last two patients to val and test."""
    names = sorted(set(patients))
    parts: dict[str, Part] = {name: part_of(name) for name in names}
    if len(names) >= 3:
        absent: list[Part] = [part for part in ("val", "test") if part not in parts.values()]
        parts.update(zip(reversed(names), absent, strict=False))
    if "train" not in parts.values() and names:
        parts[names[0]] = "train"
    return parts


def stratified(strata: Mapping[str, str], known: Mapping[str, Part] | None = None) -> dict[str, Part]:
    """80/10/10 by patient within each stratum and over all; patients of an earlier split keep their part.

    Parameters
    ----------
    strata : patient id -> name of its stratum, for example ``"pcr 1, HER2pos"``
    known : an earlier split, obeyed before anything else

    Patients are taken in the order of their hash, and each goes where its stratum and the whole lack most.
    """
    parts: dict[str, Part] = {name: part for name, part in (known or {}).items() if name in strata}
    shares: dict[Part, float] = {"train": TRAIN_PERCENT / 100, "val": VAL_PERCENT / 100}
    shares["test"] = 1 - sum(shares.values())
    overall: Counter[Part] = Counter(parts.values())
    within: dict[str, Counter[Part]] = defaultdict(Counter)
    for name, part in parts.items():
        within[strata[name]][part] += 1
    for name in sorted(strata.keys() - parts.keys(), key=lambda n: hashlib.sha256(n.encode()).digest()):
        here = within[strata[name]]
        lack = {
            part: share * (here.total() + overall.total() + 2) - here[part] - overall[part]
            for part, share in shares.items()
        }
        part = max(lack, key=lambda p: lack[p])
        parts[name] = part
        here[part] += 1
        overall[part] += 1
    return parts
