"""A catalogue at the size of the whole collection, entered as rows: 222 patients, 847 visits, 9,877 series, no files.

From the index of the real collection where it lies beside the checkout, else from made-up rows of the same counts.
"""

import csv
import gzip
import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from tumordiff_core.catalogue import database, listing

INDEX = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "ispy1_series_index.csv.gz"
PATIENTS, VISITS, SERIES = 222, 847, 9877
ROLES = (("SER", "ser_map"), ("PE", "pe_map"), ("SEG", "seg"), ("LOC", "localizer"), ("SCOUT", "localizer"),
         ("T2", "t2"), ("DIFF", "diffusion"), ("REPORT", "report"), ("DYN", "dynamic"), ("DCE", "dynamic"))  # fmt: skip
SUBTYPES = ("HR+/HER2-", "HER2+", "triple negative")


def rows() -> list[dict[str, Any]]:
    """The series of the collection, one record each, sorted by patient and study date."""
    if INDEX.is_file():
        with gzip.open(INDEX, "rt", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    return list(_made_up())


def _made_up() -> Iterator[dict[str, Any]]:
    left = SERIES
    for visit in range(VISITS):
        number = visit * PATIENTS // VISITS
        count = left // (VISITS - visit)
        left -= count
        for series in range(count):
            yield {
                "PatientID": f"ISPY1_{1001 + number}", "StudyInstanceUID": f"2.25.{visit}", "Modality": "MR",
                "StudyDate": str(date(1985, 1, 1) + timedelta(days=21 * visit)), "StudyDescription": "MR BREAST",
                "SeriesInstanceUID": f"2.25.{visit}.{series}", "SeriesNumber": str(series + 1),
                "SeriesDescription": ("Dynamic-3dfgre", "SER", "PE1", "T2-FSE", "LOC")[series % 5],
                "Manufacturer": ("GE MEDICAL SYSTEMS", "SIEMENS", "Philips Medical Systems")[number % 3],
                "PatientAge": f"{35 + number % 30:03}Y", "instanceCount": "60",
            }  # fmt: skip


def enter() -> tuple[int, int, int]:
    """Fill the catalogue of this home; returns how many patients, visits and series it holds."""
    chance = random.Random(7)
    counts = [0, 0, 0]
    with database.writing() as made:
        for patient_id, of_patient in groupby(rows(), lambda row: row["PatientID"]):
            listed = list(of_patient)
            age = next((row["PatientAge"] for row in listed if row["PatientAge"]), "")
            patient = made.execute(
                "INSERT INTO patients (patient_id, collection, sex, age, laterality) VALUES (?, ?, 'F', ?, ?)",
                (patient_id, "ISPY1", age, chance.choice("LR")),
            ).lastrowid
            facts = {"pcr": chance.choice((0, 1, None)), "subtype": chance.choice(SUBTYPES), "mri_ld_t1": 42}
            made.executemany(
                "INSERT INTO facts (patient_id, name, value) VALUES (?, ?, ?)",
                [(patient_id, name, json.dumps(value)) for name, value in facts.items()],
            )
            counts[0] += 1
            for number, (_, of_study) in enumerate(groupby(listed, lambda row: row["StudyInstanceUID"]), 1):
                counts[1] += 1
                counts[2] += _enter_study(made, patient, number, list(of_study))
            listing.refresh(made, patient)
    return counts[0], counts[1], counts[2]


def _enter_study(made: Any, patient: int, number: int, listed: list[dict[str, Any]]) -> int:
    first = listed[0]
    study = made.execute(
        "INSERT INTO studies (patient, uid, study_date, description, label, days, evidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (patient, first["StudyInstanceUID"], first["StudyDate"] or None, first["StudyDescription"], f"T{number}",
         21 * (number - 1), "date order"),
    ).lastrowid  # fmt: skip
    for row in listed:
        role = next((r for word, r in ROLES if word in row["SeriesDescription"].upper()), "other")
        series = made.execute(
            "INSERT OR IGNORE INTO series (study, uid, number, description, modality, vendor, role, files)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (study, row["SeriesInstanceUID"], int(row["SeriesNumber"] or 0), row["SeriesDescription"], row["Modality"],
             row["Manufacturer"], role, int(row["instanceCount"])),
        ).lastrowid  # fmt: skip
        for phase in range(3 if role == "dynamic" else 1 if row["Modality"] == "MR" else 0):
            made.execute(
                "INSERT OR IGNORE INTO phases (series, number, label, slices, files) VALUES (?, ?, ?, 60, x'')",
                (series, phase, ("pre", "post 1", "post 2")[phase] if role == "dynamic" else ""),
            )
    return len(listed)
