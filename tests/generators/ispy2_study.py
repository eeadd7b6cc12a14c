"""Studies as the I-SPY 2 collection has them: axial, both breasts, many phases, the trial's selection and its maps.

Names, numbers and tags follow the published collection: ``ISPY2MRIT0`` as study description, ``...T0`` as study
number, the trial's copies called ``ISPY2: VOLSER: uni-lateral cropped: original DCE`` (told apart by temporal
positions from 0 alone: instance numbers and times repeat), maps ``: SER`` and ``: PE2`` beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from tests.generators import dicom_base

Layout = Literal["merged", "series per phase", "before and after"]
SELECTION = "ISPY2: VOLSER: uni-lateral cropped: original DCE"
Words = Literal["code", "description", "study"]
DESCRIPTIONS = {"T0": "baseline", "T1": "early-treatment", "T2": "inter-regimen", "T3": "pre-surgery"}
AXIAL = [1, 0, 0, 0, 1, 0]
CONTRAST = (0, 12, 90, 85, 80, 75, 70, 66)
FIRST_S, STEP_S = 10 * 3600, 90


@dataclass(frozen=True)
class Visit:
    """What is planted in a visit: how many phases were acquired, how many slices, on which side the selection is."""

    label: str
    phases: int = 7
    slices: int = 10
    layout: Layout = "merged"
    side: Literal["L", "R"] = "L"
    words: Words = "code"
    selected: bool = True
    acquired: bool = True


def make(folder: Path, visit: Visit, *, day: str, patient: str = "ISPY2-990001") -> str:
    """Write a visit below ``folder``; returns the study's UID."""
    if visit.acquired:
        _acquired(folder / "acquired", visit, day, patient)
    if visit.selected:
        _selected(folder / "selected", visit, day, patient)
    return dicom_base.uid(patient, visit.label)


def values_of(phase: int, number: int) -> np.ndarray:
    """Stored values of a slice of a phase, acquired or selected: int16 [row, column]."""
    values = dicom_base.slice_values(0, number)
    values[10:14, 12:18] += CONTRAST[phase]
    return values


def _base(visit: Visit, day: str, patient: str, phase: int, number: int, series: str) -> Dataset:
    data = dicom_base.base(
        patient=patient, study=visit.label, series=series, phase=phase, slice_index=number, slices=visit.slices, day=day
    )
    data.StudyDescription, data.StudyID = f"ISPY2MRI{visit.label}", f"{patient[-6:]}{visit.label}"
    data.ClinicalTrialProtocolID, data.ClinicalTrialSubjectID = "ISPY2", patient[-6:]
    if visit.words == "code":
        data.ClinicalTrialTimePointID = visit.label
    elif visit.words == "description":
        data.ClinicalTrialTimePointDescription = DESCRIPTIONS[visit.label]
    data.Manufacturer, data.Laterality = "GE MEDICAL SYSTEMS", ""
    data.PatientPosition, data.ImageOrientationPatient = "HFP", AXIAL
    data.PixelSpacing = [10.0, 10.0]
    data.ImagePositionPatient = [-155.0, -120.0, -20.0 + 2 * number]
    begin = FIRST_S + STEP_S * phase + (60 if phase else 0)
    data.AcquisitionTime = f"{begin // 3600:02}{begin % 3600 // 60:02}{begin % 60:02}"
    data.PixelData = values_of(phase, number).tobytes()
    return data


def _acquired(folder: Path, visit: Visit, day: str, patient: str) -> None:
    """The dynamic acquisition as scanned, both breasts: one series, one for each phase, or one before and one after."""
    for phase in range(visit.phases):
        number, description = _series_of(visit, phase)
        for k in range(visit.slices):
            data = _base(visit, day, patient, phase, k, f"dynamic {number}")
            data.SeriesNumber, data.SeriesDescription = number, description
            if visit.layout == "merged":
                # Some scanners name the temporal position in a part of the slices only.
                data.AcquisitionNumber = phase + 1
                if k < visit.slices // 2:
                    data.TemporalPositionIdentifier = phase + 1
            dicom_base.save(data, folder / f"{phase}-{k:03}.dcm")
    for k in range(visit.slices):
        data = _base(visit, day, patient, 0, k, "t2")
        data.SeriesNumber, data.SeriesDescription = 2, "ISPY2: Ax T2 FSE"
        dicom_base.save(data, folder / f"t2-{k:03}.dcm")


def _series_of(visit: Visit, phase: int) -> tuple[int, str]:
    if visit.layout == "series per phase":
        return 600 + phase, f"ISPY2: Ph{phase}/Ax Vibrant MPH"
    if visit.layout == "before and after":
        return (5, "ISPY2: t1_fl3d_tra_pre") if phase == 0 else (7, "ISPY2: t1_fl3d_tra_post")
    return 6, "ISPY2: Ax Vibrant PRE/POST"


def _selected(folder: Path, visit: Visit, day: str, patient: str) -> None:
    """The trial's own copy of all phases, cropped to one side, and the maps made from it."""

    def crop(data: Dataset, number: int, description: str) -> None:
        data.SeriesNumber, data.SeriesDescription = number, description
        data.ImagePositionPatient = [15.0 if visit.side == "L" else -155.0, *data.ImagePositionPatient[1:]]
        data.PixelSpacing = [10.0, 4.5]
        data.InstanceNumber = round((float(data.ImagePositionPatient[2]) + 20) / 2) + 1
        data.AcquisitionTime = "100000"
        del data.AcquisitionNumber

    def write(name: str, phases: int, change: Callable[[Dataset, int], None]) -> None:
        for phase in range(phases):
            for k in range(visit.slices):
                data = _base(visit, day, patient, phase, k, name)
                change(data, phase)
                dicom_base.save(data, folder / name / f"{dicom_base.uid(name, phase, k)[-12:]}.dcm")

    def original(data: Dataset, phase: int) -> None:
        crop(data, 61800, SELECTION)
        data.TemporalPositionIdentifier, data.NumberOfTemporalPositions = phase, visit.phases

    def derived(kind: str, number: int) -> Callable[[Dataset, int], None]:
        def change(data: Dataset, phase: int) -> None:
            crop(data, number, SELECTION.replace("original DCE", kind))
            data.ImageType = ["DERIVED", "PRIMARY", "DCE", kind.rstrip("2")]
            data.DerivationDescription = "VOLSER,BACKGROUND=47,SER PE THRESHOLD=70"

        return change

    write("original", visit.phases, original)
    write("ser", 1, derived("SER", 61000))
    write("pe", 1, derived("PE2", 61002))
