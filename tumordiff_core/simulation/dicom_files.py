"""Simulated phases as the DICOM files that an I-SPY 1 download would hold: tags, folder names.

It knows tags only; anatomy, noise and the tumour rule are made elsewhere.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from tumordiff_core.imaging.geometry import Geometry

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
UCSF = "UCSF BIRP PRIVATE CREATOR 011710xx"
SCAN_BEGIN = (9, 49, 28)


@dataclass(frozen=True)
class StudyFacts:
    """Who, when and which side; everything that is the same in all files of one visit."""

    patient_id: str
    subject: str
    time_point: str
    description: str
    study_date: date
    side: str
    age: int
    geometry: Geometry
    start_s: tuple[float, ...]
    effective_s: tuple[float, ...]
    duration_s: float
    seed: int
    keys: tuple[object, ...] = field(default=())

    def uid(self, *parts: object) -> str:
        """A UID that depends on nothing but the cohort's seed, the visit and ``parts``."""
        text = "/".join(str(part) for part in ("tumordiff simulation", self.seed, *self.keys, *parts))
        return "2.25." + str(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))

    @property
    def study_uid(self) -> str:
        """Study instance UID."""
        return self.uid("study")

    @property
    def study_id(self) -> str:
        """A short number for the study."""
        return f"{int(hashlib.sha256(self.study_uid.encode()).hexdigest(), 16) % 900_000 + 100_000}"

    def folder(self, root: Path) -> Path:
        """The study's folder as a download since 2020 names it."""
        day = self.study_date.strftime("%m-%d-%Y")
        return root / self.patient_id / f"{day}-{self.study_id}-{STUDY_DESCRIPTION}-{self.study_uid[-5:]}"

    def clock(self, after_injection_s: float) -> datetime:
        """Time of day at so many seconds after the injection; the first phase starts at 09:49:28."""
        begin = datetime.combine(self.study_date, datetime.min.time()).replace(
            hour=SCAN_BEGIN[0], minute=SCAN_BEGIN[1], second=SCAN_BEGIN[2]
        )
        return begin + timedelta(seconds=round(after_injection_s - self.start_s[0]))


STUDY_DESCRIPTION = "SYNTHETIC MR BREASTUNI UE"
SERIES_DESCRIPTION = "SYNTHETIC Dynamic-3dfgre"
DYNAMIC_NUMBER = 3


def common_tags(facts: StudyFacts) -> Dataset:
    """Patient, trial, study, equipment and frame of reference."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    day = facts.study_date.strftime("%Y%m%d")
    ds.SyntheticData = "YES"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = day
    ds.StudyTime = "093848"
    ds.AccessionNumber = ds.ReferringPhysicianName = ds.PatientBirthDate = ""
    ds.Manufacturer = "TumorDiff"
    ds.ManufacturerModelName = "Simulated 1.5 T breast scanner"
    ds.DeviceSerialNumber = "0"
    ds.SoftwareVersions = "simulation 1"
    ds.ContributingEquipmentSequence = Sequence([_synthesizer()])
    ds.StudyDescription = STUDY_DESCRIPTION
    ds.PatientName = f"{facts.subject}^SYNTHETIC"
    ds.PatientID = facts.patient_id
    ds.PatientSex = "F"
    ds.PatientAge = f"{facts.age:03d}Y"
    ds.ClinicalTrialSponsorName = "None (simulated)"
    ds.ClinicalTrialProtocolID = "6657"
    ds.ClinicalTrialProtocolName = "SYNTHETIC, IN THE STYLE OF ACRIN 6657"
    ds.ClinicalTrialSiteID = ds.ClinicalTrialSiteName = ""
    ds.ClinicalTrialSubjectID = facts.subject
    ds.ClinicalTrialTimePointID = facts.time_point
    ds.ClinicalTrialTimePointDescription = facts.description
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Simulated: there is no patient"
    ds.BodyPartExamined = "BREAST"
    ds.PatientPosition = "FFP"
    ds.StudyInstanceUID = facts.study_uid
    ds.StudyID = facts.study_id
    ds.FrameOfReferenceUID = facts.uid("frame")
    ds.PositionReferenceIndicator = "XY"
    return ds


def _synthesizer() -> Dataset:
    item = Dataset()
    item.Manufacturer = "TumorDiff"
    item.ManufacturerModelName = "Simulated 1.5 T breast scanner"
    item.ContributionDescription = "Simulated, not acquired. Research use only."
    item.PurposeOfReferenceCodeSequence = Sequence([code_item("109100", "DCM", "Synthesizing Equipment")])
    return item


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """One coded concept."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _dynamic_template(facts: StudyFacts) -> Dataset:
    ds = common_tags(facts)
    spacing = facts.geometry.spacing_mm
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER", "SYNTHETIC"]
    ds.SOPClassUID = MR_IMAGE
    ds.Modality = "MR"
    ds.SeriesDescription = SERIES_DESCRIPTION
    ds.AcquisitionDate = ds.SeriesDate
    ds.SeriesTime = facts.clock(facts.start_s[0]).strftime("%H%M%S")
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "GR", "SP", "FS", "3D"
    ds.SliceThickness = ds.SpacingBetweenSlices = f"{spacing[0]:.6g}"
    ds.RepetitionTime, ds.EchoTime, ds.NumberOfAverages, ds.FlipAngle = "8.4", "4.2", "1", "20"
    ds.ImagingFrequency, ds.ImagedNucleus, ds.MagneticFieldStrength, ds.EchoTrainLength = "63.87", "1H", "1.5", "1"
    ds.AcquisitionMatrix = [facts.geometry.shape[2], 0, 0, facts.geometry.shape[1] * 3 // 4]
    ds.InPlanePhaseEncodingDirection = "COL"
    ds.ReceiveCoilName = f"{facts.side}_BREAST"
    ds.ContrastBolusAgent = "SIMULATED"
    ds.Laterality = facts.side
    ds.SeriesInstanceUID = facts.uid("series", DYNAMIC_NUMBER)
    ds.SeriesNumber = DYNAMIC_NUMBER
    ds.ImageOrientationPatient = [*facts.geometry.row_direction, *facts.geometry.column_direction]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = facts.geometry.shape[1:]
    ds.PixelSpacing = [f"{spacing[1]:.6g}", f"{spacing[2]:.6g}"]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.LossyImageCompression = "00"
    gems = ds.private_block(0x0019, "GEMS_ACQU_01", create=True)
    gems.add_new(0x5A, "FL", facts.duration_s * 1e6)
    _add_quality(ds)
    return ds


def _add_quality(ds: Dataset) -> None:
    block = ds.private_block(0x0117, UCSF, create=True)
    scores = (("Fat Suppression", 3, "GOOD"), ("Image Quality", 3, "HIGH"), ("Artifact", 0, "NO"))
    items = []
    for factor, score, meaning in scores:
        item = Dataset()
        inner = item.private_block(0x0117, UCSF, create=True)
        inner.add_new(0xC0, "CS", "SCORE")
        inner.add_new(0xC1, "LO", factor)
        inner.add_new(0xC2, "DS", str(score))
        inner.add_new(0xC3, "CS", meaning)
        items.append(item)
    block.add_new(0x24, "SQ", Sequence(items))


def write_dynamic(folder: Path, facts: StudyFacts, values: npt.NDArray[np.int16]) -> Path:
    """Write the phases [phase, slice, row, column] as one merged series and return its folder.

    As in the collection: instance numbers run through phases, all phases after contrast share acquisition number 2
    and the file name's first part, and one phase carries more than one acquisition time.
    """
    ds = _dynamic_template(facts)
    place = folder / f"{DYNAMIC_NUMBER}.000000-{SERIES_DESCRIPTION}-{ds.SeriesInstanceUID[-5:]}"
    place.mkdir(parents=True)
    phases, slices = values.shape[:2]
    positions = facts.geometry.to_mm(np.array([[k, 0, 0] for k in range(slices)]))
    for phase in range(phases):
        started = facts.clock(facts.start_s[phase])
        for k in range(slices):
            number = phase * slices + k + 1
            late = timedelta(seconds=int(phase > 0 and k >= slices - 2))
            ds.AcquisitionTime = ds.ContentTime = (started + late).strftime("%H%M%S")
            ds.AcquisitionNumber = 0 if phase == 0 else 2
            ds.InstanceNumber = number
            ds.ImagePositionPatient = [f"{value:.6g}" for value in positions[k]]
            ds.SliceLocation = f"{-positions[k][0]:.6g}"
            _window(ds, values[phase, k])
            ds.SOPInstanceUID = facts.uid("image", number)
            ds.PixelData = values[phase, k].astype("<i2").tobytes()
            save(ds, place / f"{min(phase, 1) + 1}-{k + 1 + slices * max(phase - 1, 0):03d}.dcm")
    return place


def _window(ds: Dataset, values: npt.NDArray[np.int16]) -> None:
    """Half the slice's own maximum and the maximum, as the collection's dynamic series have it."""
    top = max(int(values.max()), 2)
    ds.WindowCenter, ds.WindowWidth = str(top // 2), str(top)


def save(ds: Dataset, path: Path) -> None:
    """Write one file: explicit VR little endian, the same bytes for the same tags."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = "2.25.168450173461820174923849203848576201934"
    meta.ImplementationVersionName = "TUMORDIFF_SIM"
    file = FileDataset(str(path), ds, file_meta=meta, preamble=b"\0" * 128)
    file.save_as(path, enforce_file_format=True, overwrite=False)
