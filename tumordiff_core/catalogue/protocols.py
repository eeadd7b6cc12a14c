"""Which visits a trial asks for, so that one that is missing can be shown."""

import re
from collections.abc import Collection

PROTOCOLS = {"ISPY1": ("T1", "T2", "T3", "T4"), "ISPY2": ("T0", "T1", "T2", "T3")}
"""Visits by what a collection's name holds, spaces and hyphens aside."""


def missing_visits(collection: str, labels: Collection[str]) -> list[str]:
    """Protocol visits without a study, in order; of other collections the gaps before the last visit that is there."""
    known = [int(label[1:]) for label in labels if re.fullmatch(r"T\d+", label)]
    if not known:
        return []
    named = collection.upper().replace("-", "").replace(" ", "")
    protocol = next((visits for name, visits in PROTOCOLS.items() if name in named), None)
    expected = protocol or tuple(f"T{n}" for n in range(min(1, *known), max(known) + 1))
    return [label for label in expected if label not in labels]
