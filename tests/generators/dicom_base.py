"""Small made DICOM files: one base slice to be broken, and whole series with phases, for tests of every room."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

ROWS, COLUMNS = 24, 32
SPACING_MM = (2.0, 0.8, 0.7)
ORIGIN_MM = (-40.0, -100.0, 110.0)
NAMES = ("dicom base",)


def uid(*parts: object) -> str:
    """The same UID for the same words, in every run."""
    return str(generate_uid(prefix="2.25.", entropy_srcs=[*NAMES, *(str(part) for part in parts)]))


def slice_values(phase: int, number: int, seed: int = 0) -> npt.NDArray[np.int16]:
    """int16 [row, column]: a breast-like half disc with a bright spot that enhances, plus noise; never negative."""
    random = np.random.default_rng([seed, phase, number])
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    inside = (rows - ROWS / 2) ** 2 + (columns - COLUMNS) ** 2 < (0.8 * ROWS) ** 2
    spot = (rows - ROWS / 2) ** 2 + (columns - 0.7 * COLUMNS) ** 2 < 16
    values = 6 + 64 * inside + (0, 90, 80, 70, 65, 60)[min(phase, 5)] * (spot & inside)
    return np.clip(values + random.normal(0, 2, (ROWS, COLUMNS)), 0, None).astype(np.int16)


def base(
    *, patient: str = "BASE_1", study: str = "1", series: str = "dynamic", number: int = 3, phase: int = 0,
    slice_index: int = 0, slices: int = 10, description: str = "Dynamic-3dfgre", day: str = "19850110", seed: int = 0,
) -> Dataset:  # fmt: skip
    """One sagittal slice of a dynamic series as I-SPY 1 has them, ready to be changed and saved."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    data.SOPClassUID = MRImageStorage
    data.SOPInstanceUID = uid(patient, study, series, phase, slice_index)
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = day
    data.StudyTime = "093000"
    begin = 9 * 3600 + 50 * 60 + (0, 400, 745, 1090, 1435, 1780)[min(phase, 5)]
    data.AcquisitionTime = f"{begin // 3600:02}{begin % 3600 // 60:02}{begin % 60:02}"
    data.Modality, data.Manufacturer, data.ManufacturerModelName = "MR", "MADE", "PHANTOM"
    data.StudyDescription, data.SeriesDescription = "MR BREAST", description
    data.PatientName, data.PatientID, data.PatientBirthDate = "MADE^UP", patient, ""
    data.PatientSex, data.PatientAge = "F", "050Y"
    data.ScanningSequence, data.SequenceVariant, data.MRAcquisitionType = "GR", "SP", "3D"
    data.SliceThickness = data.SpacingBetweenSlices = SPACING_MM[0]
    data.RepetitionTime, data.EchoTime, data.FlipAngle, data.MagneticFieldStrength = 8.4, 4.2, 20, 1.5
    data.PatientPosition = "FFP"
    data.StudyInstanceUID, data.SeriesInstanceUID = uid(patient, study), uid(patient, study, series)
    data.StudyID, data.SeriesNumber, data.AcquisitionNumber = study, number, 1
    data.InstanceNumber = phase * slices + slice_index + 1
    data.ImagePositionPatient = [ORIGIN_MM[0] - SPACING_MM[0] * slice_index, *ORIGIN_MM[1:]]
    data.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    data.FrameOfReferenceUID, data.Laterality = uid(patient, study, "frame"), "R"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns, data.PixelSpacing = ROWS, COLUMNS, list(SPACING_MM[1:])
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.PixelData = slice_values(phase, slice_index, seed).tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    return data


def save(data: Dataset, path: Path) -> Path:
    """Write one data set as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path


def series(
    folder: Path, *, phases: int = 3, slices: int = 10, leave_out: Sequence[tuple[int, int]] = (),
    change: Callable[[Dataset, int, int], None] = lambda data, phase, number: None, **names: Any,
) -> list[Path]:  # fmt: skip
    """A dynamic series of ``phases`` x ``slices`` files, without the (phase, slice) pairs of ``leave_out``.

    ``change(data, phase, slice)`` may alter each data set before it is saved; ``names`` go to ``base``.
    """
    paths = []
    for phase in range(phases):
        for number in range(slices):
            if (phase, number) in leave_out:
                continue
            data = base(phase=phase, slice_index=number, slices=slices, **names)
            change(data, phase, number)
            paths.append(save(data, folder / f"{min(phase, 1) + 1}-{phase * slices + number + 1:03}.dcm"))
    return paths
