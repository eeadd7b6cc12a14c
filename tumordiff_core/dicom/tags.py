"""The tags that the catalogue keeps of every file, and how raw bytes become their values."""

import struct
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

_NAMES = """
SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID SyntheticData StudyDate SeriesDate AcquisitionDate
ContentDate StudyTime SeriesTime AcquisitionTime ContentTime AccessionNumber Modality Manufacturer InstitutionName
StudyDescription SeriesDescription ManufacturerModelName DerivationDescription PatientName PatientID
PatientBirthDate PatientSex PatientAge PatientWeight ClinicalTrialProtocolID ClinicalTrialSubjectID
ClinicalTrialTimePointID ClinicalTrialTimePointDescription PatientIdentityRemoved BodyPartExamined
ContrastBolusAgent ScanningSequence SequenceVariant ScanOptions MRAcquisitionType SequenceName SliceThickness
RepetitionTime EchoTime InversionTime EchoNumbers MagneticFieldStrength SpacingBetweenSlices EchoTrainLength
ProtocolName TriggerTime ReceiveCoilName AcquisitionMatrix FlipAngle PatientPosition StudyInstanceUID
SeriesInstanceUID StudyID SeriesNumber AcquisitionNumber InstanceNumber ImagePositionPatient
ImageOrientationPatient FrameOfReferenceUID Laterality ImageLaterality TemporalPositionIdentifier
NumberOfTemporalPositions SliceLocation SamplesPerPixel PhotometricInterpretation NumberOfFrames
PlanarConfiguration Rows Columns PixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation
PixelPaddingValue BurnedInAnnotation WindowCenter WindowWidth RescaleIntercept RescaleSlope RescaleType
LossyImageCompression ContentLabel
"""
KEYWORDS: tuple[str, ...] = tuple(_NAMES.split())

PRIVATE: dict[tuple[int, str, int], tuple[str, str]] = {
    (0x0019, "GEMS_ACQU_01", 0x5A): ("GEAcquisitionDuration", "FL"),
    (0x0019, "SIEMENS MR HEADER", 0x0A): ("MosaicSlices", "US"),
}
"""(group, private creator, element byte) -> (our name, VR); GE's duration is in microseconds."""

WANTED: dict[int, tuple[str, str]] = {}
"""Tag number -> (keyword, VR of the standard)."""

for _keyword in KEYWORDS:
    _tag = tag_for_keyword(_keyword)
    assert _tag is not None, _keyword
    WANTED[_tag] = (_keyword, dictionary_VR(_tag))

_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_ONE_LINE = {"CS", "DA", "TM", "AS", "UI", "DT", "AE"}
_FREE = {"LO", "SH", "PN", "UC"}
_PARAGRAPH = {"ST", "LT", "UT"}
TYPED = frozenset({"DS", "IS"})
"""VRs of numbers that are written as text."""

NUMBERS = TYPED | _NUMBERS.keys()
READABLE = frozenset({*NUMBERS, *_ONE_LINE, *_FREE, *_PARAGRAPH})
ENCODINGS = {"": "ascii", "ISO_IR 6": "ascii", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}
_REMEMBERED = 50_000
_known: dict[tuple[str, str, bytes], Any] = {}


class Doubt(Exception):
    """The strict reader cannot be sure; the full reader decides."""


def value(vr: str, raw: bytes, character_set: str) -> Any:
    """The value of little-endian bytes: text, int, float, a tuple of them, or ``None`` when empty.

    Raises Doubt for text outside ISO_IR 6, 100 and 192 and for numbers that do not parse (DICOM PS3.5 6.2).
    """
    key = (vr, character_set, raw)
    try:
        return _known[key]
    except KeyError:
        pass
    if len(_known) > _REMEMBERED:
        _known.clear()
    found = _known[key] = _convert(vr, raw, character_set)
    return found


def _convert(vr: str, raw: bytes, character_set: str) -> Any:
    if vr in _NUMBERS:
        return _binary(vr, raw)
    text = _text(raw, "" if vr in _ONE_LINE or vr in TYPED else character_set)
    if vr in _PARAGRAPH:
        return text.strip(" \0") or None
    if vr in TYPED and "\0" in text.rstrip(" \0"):
        # Padding belongs behind the last number: before or inside a list it leaves text that is none.
        raise Doubt
    parts = [part.strip(" \0") for part in text.split("\\")]
    if vr in _ONE_LINE and not all(part.isprintable() for part in parts):
        raise Doubt
    if not any(parts):
        return None
    if vr in TYPED:
        return _numbers(vr, parts)
    return parts[0] if len(parts) == 1 else tuple(parts)


def _binary(vr: str, raw: bytes) -> Any:
    form = _NUMBERS[vr]
    count, rest = divmod(len(raw), struct.calcsize(f"<{form}"))
    if rest:
        raise Doubt
    values = struct.unpack(f"<{count}{form}", raw)
    return None if not values else values[0] if count == 1 else values


def _text(raw: bytes, character_set: str) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    encoding = ENCODINGS.get(character_set, "ascii")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise Doubt from error


def _numbers(vr: str, parts: list[str]) -> Any:
    try:
        values = tuple((float if vr == "DS" else int)(part) for part in parts)
    except ValueError as error:
        raise Doubt from error
    return values[0] if len(values) == 1 else values
