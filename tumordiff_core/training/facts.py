"""Joins what tables say of patients and their acquisitions to the stacks that a training learns from."""

import csv
import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tumordiff_core.errors import InputError
from tumordiff_core.plugins import manager
from tumordiff_core.training.datasets import Stack

Facts = dict[str, dict[str, float]]

LARGEST_TABLE = 100_000_000
"""Characters of an unpacked table that are read at most."""

VENDORS = {"ge": "vendor_ge", "siemens": "vendor_siemens", "philips": "vendor_philips"}
CLINICAL = {"age": "age_years", "hr": "hr_positive", "her2": "her2_positive"}
"""Clinical fact of a collection, and the field it fills."""


def read(paths: Sequence[Path]) -> Facts:
    """Fields of ``engine/known_facts.py`` by patient id: clinical tables of a collection, and indexes of series.

    An index of series is a comma-separated table, plain or gzipped, with the columns PatientID and Manufacturer.

    Raises InputError("training.no_facts") where a table says nothing of any patient, and what reading it raises.
    """
    found: Facts = {}
    for path in paths:
        if not path.is_file():
            raise InputError("training.no_facts", path, name=path.name)
        said = _of_index(path) or _of_clinical(path)
        if not any(said.values()):
            raise InputError("training.no_facts", path, name=path.name)
        for patient, facts in said.items():
            found.setdefault(patient, {}).update(facts)
    return found


def joined(stacks: Sequence[Stack], facts: Mapping[str, Mapping[str, float]]) -> list[Stack]:
    """The stacks with what is known of their patients."""
    return [replace(stack, facts={**stack.facts, **facts.get(stack.patient, {})}) for stack in stacks]


def _of_clinical(path: Path) -> Facts:
    found: Facts = {}
    for collection in manager.collections():
        for fact in manager.load(collection.clinical)(path):
            field = CLINICAL.get(fact.name)
            if field and isinstance(fact.value, int | float):
                found.setdefault(fact.patient_id, {})[field] = float(fact.value)
    return found


def _of_index(path: Path) -> Facts:
    if not path.name.endswith((".csv", ".csv.gz")):
        return {}
    found: Facts = {}
    for row in csv.DictReader(io.StringIO(_text(path))):
        if not {"PatientID", "Manufacturer"} <= row.keys():
            return {}
        known = found.setdefault(row["PatientID"], {})
        for word, field in VENDORS.items():
            if row["Manufacturer"]:
                known[field] = float(row["Manufacturer"].lower().startswith(word))
        age = (row.get("PatientAge") or "").removesuffix("Y")
        if age.isdecimal():
            known.setdefault("age_years", float(age))
    return found


def _text(path: Path) -> str:
    """A table's text, unpacked up to a limit.

    Raises InputError("training.no_facts") where it is larger, damaged or no text.
    """
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            raw = file.read(LARGEST_TABLE + 1)
        if len(raw) <= LARGEST_TABLE:
            return raw.decode("utf-8-sig")
    except (OSError, EOFError, ValueError, zlib.error):
        pass
    raise InputError("training.no_facts", path, name=path.name)
