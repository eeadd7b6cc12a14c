"""Patients into train, validation and test by a stable hash of their id; data that bring a split are obeyed."""

import hashlib
from collections.abc import Iterable
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
