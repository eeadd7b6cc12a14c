"""The header of a derived (denoised) MR slice, by one pure function of source header, result record and options.

It reads and writes no file, asks no clock and draws no chance: the same three give the same header.
Modules and types: DICOM PS3.3 A.4 (MR Image), C.7.6.1.1.3 (derivation), C.7.5.2 (contributing equipment).
"""

import copy
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

import tumordiff_core
from tumordiff_core.dicom.quantise import Quantisation, decimal, quantisation, tissue_window
from tumordiff_core.dicom.uids import IMPLEMENTATION, derived_uid
from tumordiff_core.errors import UnsupportedError
from tumordiff_core.result_folder import Record

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
MAKER = "TumorDiff"
PRIVATE_SCHEME = "99TUMORDIFF"
RESEARCH = "Research use only."
IDENTITY_METHOD = "Removed before receipt; method not stated in source"
SERIES_NUMBERS = 1000
HIGHEST_NUMBER = 2**31 - 1

_SHARED = """
SyntheticData StudyDate AcquisitionDate StudyTime AcquisitionTime AccessionNumber ReferringPhysicianName
StudyDescription PatientName PatientID IssuerOfPatientID PatientBirthDate PatientSex PatientAge PatientSize
PatientWeight PatientIdentityRemoved DeidentificationMethod DeidentificationMethodCodeSequence
LongitudinalTemporalInformationModified StudyInstanceUID StudyID AcquisitionNumber Laterality ImageLaterality
BodyPartExamined PatientPosition FrameOfReferenceUID PositionReferenceIndicator ProtocolName
ImagePositionPatient ImageOrientationPatient SliceLocation SliceThickness SpacingBetweenSlices PixelSpacing
TemporalPositionIdentifier NumberOfTemporalPositions PhotometricInterpretation
ContrastBolusAgent ContrastBolusAgentSequence ContrastBolusRoute ContrastBolusVolume ContrastBolusStartTime
ContrastBolusTotalDose ContrastFlowRate ContrastBolusIngredient ContrastBolusIngredientConcentration
ScanningSequence SequenceVariant ScanOptions MRAcquisitionType SequenceName AngioFlag RepetitionTime EchoTime
NumberOfAverages ImagingFrequency ImagedNucleus EchoNumbers MagneticFieldStrength NumberOfPhaseEncodingSteps
EchoTrainLength PercentSampling PercentPhaseFieldOfView PixelBandwidth SpatialResolution ReconstructionDiameter
ReceiveCoilName TransmitCoilName AcquisitionMatrix InPlanePhaseEncodingDirection FlipAngle VariableFlipAngleFlag
SAR dBdt
"""
_TRIAL = """
ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID
ClinicalTrialSiteName ClinicalTrialSubjectID ClinicalTrialSubjectReadingID
"""
_VISIT = "ClinicalTrialTimePointID ClinicalTrialTimePointDescription"
_EMPTY_IF_UNKNOWN = """
StudyDate StudyTime AccessionNumber ReferringPhysicianName PatientName PatientID PatientBirthDate PatientSex StudyID
PatientPosition PositionReferenceIndicator SliceThickness ScanOptions MRAcquisitionType EchoTime EchoTrainLength
RepetitionTime
"""
KEPT = tuple(_SHARED.split())


@dataclass(frozen=True)
class Options:
    """What the exporting user may choose.

    Parameters
    ----------
    running_number : the new series number is 1000 times the source's plus this
    keep_private : private creators whose elements are kept
    confirmed : codes of the export gate's questions that were answered with yes
    """

    running_number: int = 1
    keep_private: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """What all slices of a derived series share."""

    quantisation: Quantisation
    window: tuple[float, float]
    pixels_sha256: str
    options: Options = field(default_factory=Options)


def plan(values: npt.NDArray[Any], record: Record, options: Options) -> Series:
    """Step, window and pixel digest of a whole series [phase, slice, row, column] in rescaled units.

    A windowed look must show enhancement, so all slices of all phases share one window.
    """
    sigma = min((float(s) for s in record.noise.get("sigma", ()) if s is not None), default=0.0)
    whole = bool(np.array_equal(values, np.rint(values)))
    quantised = quantisation(float(values.min()), float(values.max()), sigma, whole=whole)
    digest = hashlib.sha256()
    for phase in values:
        digest.update(quantised.stored(phase).tobytes())
    return Series(quantised, tissue_window(values), digest.hexdigest(), options)


def derived_header(
    source: Dataset, record: Record, series: Series, *, instance_number: int, stored: npt.NDArray[np.int16]
) -> Dataset:
    """The data set of one derived slice, pixels and file meta included, ready to be written.

    Parameters
    ----------
    source : header of the acquired slice, decoded, without pixels; never changed
    record : the result that the values come from
    series : what ``plan`` made of the whole series
    stored : int16 [row, column]

    Raises
    ------
    UnsupportedError("export.not_mr")
    """
    if str(source.get("SOPClassUID", "")) != MR_IMAGE:
        raise UnsupportedError("export.not_mr", found=str(source.get("Modality", "unknown")))
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    _copy(source, data, KEPT)
    _trial(source, data)
    _identity(data)
    _general(source, data, record, series, instance_number, hashlib.sha256(stored.tobytes()).hexdigest())
    _derivation(source, data, record, series.options)
    _equipment(source, data, record)
    _conditional(source, data)
    _pixels(source, data, series, stored)
    _private(source, data, series.options.keep_private)
    data.file_meta = _file_meta(data)
    return data


def _copy(source: Dataset, data: Dataset, keywords: tuple[str, ...]) -> None:
    for keyword in keywords:
        if keyword in source:
            element = source[keyword]
            # A name remembers the bytes of the source's character set; its text is what is kept.
            plain = str(element.value) if element.VR == "PN" else None
            data.add(copy.deepcopy(element)) if plain is None else setattr(data, keyword, plain)


def _trial(source: Dataset, data: Dataset) -> None:
    """The trial's subject only where its type 1 attributes are known; missing type 2 ones are added empty."""
    _copy(source, data, tuple(_VISIT.split()))
    subject = source.get("ClinicalTrialSubjectID") or source.get("ClinicalTrialSubjectReadingID")
    if source.get("ClinicalTrialSponsorName") and source.get("ClinicalTrialProtocolID") and subject:
        _copy(source, data, tuple(_TRIAL.split()))
        for keyword in ("ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName"):
            if keyword not in data:
                setattr(data, keyword, "")
    if "ClinicalTrialTimePointDescription" in data and "ClinicalTrialTimePointID" not in data:
        data.ClinicalTrialTimePointID = ""


def _identity(data: Dataset) -> None:
    method = data.get("DeidentificationMethod") or data.get("DeidentificationMethodCodeSequence")
    if data.get("PatientIdentityRemoved") == "YES" and not method:
        data.DeidentificationMethod = IDENTITY_METHOD
    for keyword in _EMPTY_IF_UNKNOWN.split():
        if keyword not in data:
            setattr(data, keyword, None)


def _general(
    source: Dataset, data: Dataset, record: Record, series: Series, instance_number: int, slice_sha256: str
) -> None:
    words = identity(record, series.options)
    data.SOPClassUID = MR_IMAGE
    data.SOPInstanceUID = derived_uid("instance", str(source.SOPInstanceUID), words, slice_sha256)
    data.SeriesInstanceUID = derived_uid("series", str(source.SeriesInstanceUID), words, series.pixels_sha256)
    data.SeriesNumber = series_number(source.get("SeriesNumber"), series.options.running_number)
    data.Modality = "MR"
    data.SeriesDescription = f"DENOISED {source.get('SeriesDescription', '')}".strip()[:64].strip()
    data.InstanceNumber = instance_number
    data.ImageType = ["DERIVED", "SECONDARY", "OTHER", "DENOISED"]
    data.ImageComments = f"DERIVED: denoised, not an acquisition. {RESEARCH}"
    day, time = _moment(record)
    data.SeriesDate = data.ContentDate = data.InstanceCreationDate = day
    data.SeriesTime = data.ContentTime = data.InstanceCreationTime = time
    for keyword in ("BurnedInAnnotation", "RecognizableVisualFeatures"):
        setattr(data, keyword, "YES" if source.get(keyword) == "YES" else "NO")
    data.LossyImageCompression = "01" if source.get("LossyImageCompression") == "01" else "00"
    if data.LossyImageCompression == "01":
        _copy(source, data, ("LossyImageCompressionRatio", "LossyImageCompressionMethod"))


def identity(record: Record, options: Options) -> dict[str, Any]:
    """Everything that makes two exports of one source different; no places on disk, no clock."""
    params = {k: v for k, v in record.params.items() if k not in {"input", "out", "yes", "series"}}
    words = {
        "model": record.model, "noise": record.noise, "params": params, "seed": record.seed,
        "running_number": options.running_number, "keep_private": options.keep_private,
        "confirmed": options.confirmed, "program": tumordiff_core.__version__, "created": record.created,
    }  # fmt: skip
    cleaned: dict[str, Any] = json.loads(json.dumps(words, default=str))
    return cleaned


def series_number(source: Any, running_number: int) -> int:
    """1000 times the source's number plus a running number, or the running number alone where that is too large."""
    number = SERIES_NUMBERS * int(source or 0) + running_number
    return number if 0 <= number <= HIGHEST_NUMBER else running_number


def _moment(record: Record) -> tuple[str, str]:
    try:
        made = datetime.fromisoformat(record.created)
    except ValueError:
        return "", ""
    return made.strftime("%Y%m%d"), made.strftime("%H%M%S")


def _derivation(source: Dataset, data: Dataset, record: Record, options: Options) -> None:
    data.DerivationDescription = derivation_text(record, options)
    data.DerivationCodeSequence = Sequence([_code("DENOISE", PRIVATE_SCHEME, "Noise reduction by diffusion model")])
    image = _reference(source)
    image.SpatialLocationsPreserved = "YES"
    image.PurposeOfReferenceCodeSequence = Sequence(
        [_code("121322", "DCM", "Source image for image processing operation")]
    )
    data.SourceImageSequence = Sequence([image])
    series = Dataset()
    series.ReferencedInstanceSequence = Sequence([_reference(source)])
    series.SeriesInstanceUID = source.SeriesInstanceUID
    data.ReferencedSeriesSequence = Sequence([series])


def derivation_text(record: Record, options: Options) -> str:
    """How the values were made, in one paragraph of at most 1,024 characters."""
    model, noise, figures = record.model, record.noise, record.figures
    sigma = ", ".join(f"{float(s):.3g}" for s in noise.get("sigma", ()) if s is not None) or "not measured"
    parts = [
        "Denoised, not an acquisition.",
        f"{MAKER} {tumordiff_core.__version__}, model {model.get('name', 'unknown')} {model.get('version', '?')}",
        f"({model.get('family', 'unknown family')}), weights SHA-256 {model.get('weights_sha256', 'unknown')};",
        f"noise SD per phase {sigma} ({noise.get('estimator', 'given')});",
        f"strength {record.params.get('strength', 1)}; seed {record.seed}.",
    ]
    white = model.get("white_noise")
    if white:
        share = ", ".join(f"{float(part):.2g}" for part in white["share"])
        parts.insert(3, f"{share} per phase of white-noise weights {white['name']}, SHA-256 {white['weights_sha256']};")
    if record.params.get("mirrors", 1) > 1:
        parts.insert(-1, f"mean over {record.params['mirrors']} mirror images;")
    if figures.get("local_means") and any(noise.get("sigma", ())):
        parts.insert(-1, f"{figures['local_means']:.2g} of what local means lost given back;")
    if figures.get("along_edges") and any(noise.get("sigma", ())):
        parts.insert(-1, "noise left at edges smoothed along them;")
    rims = model.get("rims")
    if rims:
        parts.insert(-1, f"rims of lesions given back by {rims['name']}, SHA-256 {rims['weights_sha256']};")
    before, after = figures.get("ftv_before_cc"), figures.get("ftv_after_cc")
    if before is not None and after is not None:
        parts.append(f"Tumor volume (FTV, {figures.get('rule', 'assumed')} rule) {before:.2f} cc, now {after:.2f} cc.")
    if options.confirmed:
        parts.append(f"Confirmed by the exporting user: {', '.join(options.confirmed)}.")
    return f"{' '.join(parts)[: 1023 - len(RESEARCH)]} {RESEARCH}"


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _equipment(source: Dataset, data: Dataset, record: Record) -> None:
    data.Manufacturer, data.ManufacturerModelName = MAKER, MAKER
    data.SoftwareVersions = tumordiff_core.__version__
    scanner = Dataset()
    _copy(source, scanner, ("Manufacturer", "InstitutionName", "StationName", "ManufacturerModelName",
                            "DeviceSerialNumber", "SoftwareVersions"))  # fmt: skip
    scanner.Manufacturer = scanner.get("Manufacturer") or "unknown"
    scanner.PurposeOfReferenceCodeSequence = Sequence([_code("109101", "DCM", "Acquisition Equipment")])
    ours = Dataset()
    ours.Manufacturer, ours.ManufacturerModelName = MAKER, MAKER
    ours.SoftwareVersions = tumordiff_core.__version__
    if all(_moment(record)):
        ours.ContributionDateTime = "".join(_moment(record)) + _offset(record)
    ours.ContributionDescription = f"Noise reduction by diffusion model. {RESEARCH}"
    ours.PurposeOfReferenceCodeSequence = Sequence([_code("109102", "DCM", "Processing Equipment")])
    earlier = copy.deepcopy(list(source.get("ContributingEquipmentSequence", ())))
    data.ContributingEquipmentSequence = Sequence([*earlier, scanner, ours])


def _offset(record: Record) -> str:
    return datetime.fromisoformat(record.created).strftime("%z")


def _conditional(source: Dataset, data: Dataset) -> None:
    """Attributes that the standard allows or demands under a condition only (DICOM PS3.3 C.8.3.1)."""
    if not data.get("ScanningSequence"):
        data.ScanningSequence = "RM"
    if not data.get("SequenceVariant"):
        data.SequenceVariant = "NONE"
    scanning = source.get("ScanningSequence") or ()
    if "IR" in ([scanning] if isinstance(scanning, str) else list(scanning)):
        _copy(source, data, ("InversionTime",))
    options = source.get("ScanOptions") or ()
    if "CG" in ([options] if isinstance(options, str) else list(options)):
        _copy(source, data, ("TriggerTime",))


def _pixels(source: Dataset, data: Dataset, series: Series, stored: npt.NDArray[np.int16]) -> None:
    data.SamplesPerPixel = 1
    if data.get("PhotometricInterpretation") != "MONOCHROME1":
        data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = stored.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    centre, width = series.window
    data.WindowCenter, data.WindowWidth = f"{centre:.6g}", f"{width:.6g}"
    data.WindowCenterWidthExplanation = "TISSUE"
    if series.quantisation.rescaled:
        data.RescaleIntercept = decimal(series.quantisation.intercept)
        data.RescaleSlope = decimal(series.quantisation.slope)
        data.RescaleType = "US"
    data.PixelData = stored.astype("<i2").tobytes()
    data["PixelData"].VR = "OW"


def _private(source: Dataset, data: Dataset, creators: tuple[str, ...]) -> None:
    """Elements of the named private creators, at the places they have in the source."""
    for element in source:
        if element.tag.is_private and element.tag.is_private_creator and element.value in creators:
            block = element.tag.element << 8
            data.add(copy.deepcopy(element))
            for own in source.group_dataset(element.tag.group):
                if block <= own.tag.element < block + 0x100:
                    data.add(copy.deepcopy(own))


def _file_meta(data: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = f"TUMORDIFF_{tumordiff_core.__version__}"[:16]
    return meta
