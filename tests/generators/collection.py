"""The full-scale generated collection: header-true DICOM with tiny pixels, and the truth beside it.

``make(folder)`` writes every series of the real index where it is at hand (9,877 series, 388,525 files), else twenty
made-up patients; ``patients=20, slices=6`` is the reduced one for ordinary tests. One header is encoded per series
and then patched in place for each file, so a file costs some ten microseconds and a write.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Literal

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items

from tests.generators import collection_plan as plan
from tests.generators.collection_plan import Series, Study

Layout = Literal["descriptive", "descriptive_old", "classic", "cloud"]
UCSF = "UCSF BIRP PRIVATE CREATOR 011710xx"
DESCRIPTIONS = {"T1": "baseline", "T2": "early-treatment", "T3": "inter-regimen", "T4": "pre-surgery"}
ROWS = COLUMNS = 8
SPACING_MM, SLICE_MM = 2.5, 2.0
_SOP, _TIME, _NUMBER, _ACQUISITION = "2.25." + "9" * 39, "235959.9", "-77777", "-66666"
_PLACE = ("1111.11111", "2222.22222", "3333.33333")
_DROPPED = str.maketrans("", "", '=:/<>*?"|\\')


@dataclass(frozen=True)
class VisitTruth:
    """What is planted in one study: its visit, the phases in time order, and roles where the plan knows them.

    ``phases`` are (series UID, rank inside the series); ``times_s`` their starts in seconds after injection.
    """

    patient: str
    label: str
    days: int | None
    phases: tuple[tuple[str, int], ...]
    times_s: tuple[float, ...]
    map_slices: int
    side: str
    roles: dict[str, str]
    series: dict[str, int]


@dataclass
class Truth:
    """The whole planted truth: study UID -> visit; counts of files and syntaxes."""

    folder: Path
    studies: dict[str, VisitTruth] = field(default_factory=dict)
    files: int = 0
    syntaxes: Counter[str] = field(default_factory=Counter)

    @property
    def patients(self) -> list[str]:
        """Patient ids in the order of writing."""
        return list(dict.fromkeys(visit.patient for visit in self.studies.values()))


def make(
    folder: Path, *, patients: int | Sequence[str] | None = None, slices: int | None = None, trial_tags: bool = True,
    layout: Layout = "descriptive", recorded: bool = True,
) -> Truth:  # fmt: skip
    """Write a collection below ``folder`` and say what is true of it.

    Parameters
    ----------
    patients : how many, or which ids; ``None`` for all
    slices : cut every phase to so many slices; ``None`` for the true counts
    trial_tags : whether files carry the visit's code and words
    layout : folder and file names as downloads have them (2020 and later, before, by UID) or as cloud copies
    recorded : whether derived objects carry group 0117 and name their source images
    """
    truth = Truth(folder)
    for study in plan.studies(patients, slices):
        writer = _StudyWriter(folder, study, layout, trial_tags, recorded)
        for series in study.series:
            writer.write(series, truth)
        truth.studies[study.uid] = planted(study)
    return truth


def planted(study: Study) -> VisitTruth:
    """What is true of one study of the plan, written or not."""
    by_uid = {s.uid: s for s in study.series}
    times = tuple(float(by_uid[uid].starts_s[n] - plan.INJECTION_S) for uid, n in study.phases)
    roles = {s.uid: s.role for s in study.series if s.role}
    files = {s.uid: s.files for s in study.series}
    return VisitTruth(
        study.patient, study.label, study.days, study.phases, times, study.map_slices, study.side, roles, files
    )


class _StudyWriter:
    def __init__(self, root: Path, study: Study, layout: Layout, trial_tags: bool, recorded: bool) -> None:
        self.study, self.layout, self.trial_tags, self.recorded = study, layout, trial_tags, recorded
        self.place = root / _study_folder(study, layout)

    def write(self, series: Series, truth: Truth) -> None:
        place = self.place / _series_folder(series, self.layout)
        place.mkdir(parents=True, exist_ok=True)
        templates = [_Template(self.data_set(series), syntax) for syntax in series.syntaxes]
        for n, values in enumerate(_files(series)):
            template = templates[n % len(templates)]
            name = _file_name(series, n, values, self.layout)
            (place / name).write_bytes(template.filled(values))
            truth.syntaxes[template.syntax] += 1
            truth.files += 1

    def data_set(self, series: Series) -> Dataset:
        data = _common(self.study, series)
        if self.trial_tags and self.study.label:
            data.ClinicalTrialTimePointID = self.study.label
            data.ClinicalTrialTimePointDescription = DESCRIPTIONS[self.study.label]
        if series.kind == "SR":
            _add_report(data)
        elif series.kind == "RGB":
            _add_colour(data)
        elif series.kind == "SEG":
            _add_mask(data, self.study, series, self.recorded)
        else:
            _add_image(data, series)
            if self.recorded and series.role in ("ser_map", "pe_map"):
                _add_record(data, self.study)
                data.DerivationDescription = "Map derived from time points (0=pre-contrast): " + (
                    "0,1,2" if series.role == "ser_map" else "0,1"
                )
        return data


def _common(study: Study, series: Series) -> Dataset:
    row, data = series.row, Dataset()
    day = row["StudyDate"].replace("-", "")
    data.SpecificCharacterSet = "ISO_IR 100"
    data.SOPClassUID, data.SOPInstanceUID = row["SOPClassUID"], _SOP
    data.StudyDate, data.SeriesDate = day, row["SeriesDate"].replace("-", "")
    data.ContentDate, data.StudyTime, data.AccessionNumber = day, "093848", ""
    data.Modality, data.Manufacturer = row["Modality"], row["Manufacturer"]
    data.ManufacturerModelName, data.ReferringPhysicianName = row["ManufacturerModelName"], ""
    data.StudyDescription, data.SeriesDescription = row["StudyDescription"], series.description
    data.PatientName, data.PatientID = f"{study.patient[-4:]}^6657^ISPY1", study.patient
    data.PatientBirthDate, data.PatientSex, data.PatientAge = "", row["PatientSex"], row["PatientAge"]
    data.PatientIdentityRemoved = "YES"
    data.ClinicalTrialSponsorName, data.ClinicalTrialProtocolID = "American_College_of_Radiology", "6657"
    data.ClinicalTrialSubjectID = study.patient[-4:]
    data.StudyInstanceUID, data.SeriesInstanceUID = study.uid, series.uid
    data.StudyID, data.SeriesNumber, data.InstanceNumber = study.study_id, series.number, _NUMBER
    return data


def _add_image(data: Dataset, series: Series) -> None:
    data.ImageType = list(series.image_type)
    data.AcquisitionDate = data.StudyDate
    data.AcquisitionTime = data.ContentTime = _TIME
    data.AcquisitionNumber = _ACQUISITION
    data.BodyPartExamined, data.ScanningSequence, data.SequenceVariant = "BREAST", "GR", "SP"
    data.MRAcquisitionType, data.SliceThickness, data.SpacingBetweenSlices = "3D", SLICE_MM, SLICE_MM
    data.RepetitionTime, data.EchoTime, data.FlipAngle, data.MagneticFieldStrength = 8.4, 4.2, 20, 1.5
    data.PatientPosition = "FFP"
    data.ImagePositionPatient = list(_PLACE)
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0] if series.grid in ("axial", "turned") else [0, 1, 0, 0, 0, -1]
    data.FrameOfReferenceUID = f"{data.StudyInstanceUID[:60]}.1"
    if series.laterality:
        data.Laterality = series.laterality
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = ROWS, COLUMNS
    step = SPACING_MM * (1.5 if series.grid == "coarse" else 1)
    data.PixelSpacing = [step, step]
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(series.row["PixelRepresentation"] or 0)
    if series.role == "ser_map":
        data.RescaleIntercept, data.RescaleSlope = 0, 0.001
    data.PixelData = bytes(2 * ROWS * COLUMNS)
    if "GE" in series.row["Manufacturer"]:
        data.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x5A, "FL", plan.DURATION_S * 1e6)
        data.private_block(0x0025, "GEMS_SERS_01", create=True).add_new(0x07, "SL", series.files)


def _add_colour(data: Dataset) -> None:
    data.ImageType, data.InstanceNumber = ["DERIVED", "SECONDARY"], _NUMBER
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.Rows, data.Columns, data.BitsAllocated, data.BitsStored, data.HighBit = ROWS, COLUMNS, 8, 8, 7
    data.PixelRepresentation, data.PixelData = 0, bytes(3 * ROWS * COLUMNS)


def _add_report(data: Dataset) -> None:
    data.ContentTime, data.ValueType, data.ContinuityOfContent = "120000", "CONTAINER", "SEPARATE"
    data.CompletionFlag, data.VerificationFlag = "COMPLETE", "UNVERIFIED"


def _place_mm(series: Series, k: int) -> tuple[float, float, float]:
    """Position of slice ``k``; series of one grid and side share theirs, all others lie elsewhere."""
    if series.grid in ("axial", "turned"):
        return (-100.0 - series.number % 7, -100.0, 20.0 + 5.0 * k)
    shift = {"map": 0.0, "coarse": 7.0, "own": 0.5 + series.number % 5}[series.grid]
    first = -40.1 if series.side > 0 else 40.1 + SLICE_MM * (series.slices - 1)
    return (first - shift - SLICE_MM * k, -106.2, 111.0)


@dataclass(frozen=True)
class _File:
    sop: str
    number: int
    acquisition: int
    time_s: float
    place: tuple[float, float, float]


def sop_uid(series: Series, number: int) -> str:
    """SOP instance UID of one file, always 44 characters long."""
    digest = hashlib.sha256(f"{series.uid}/{number}".encode()).digest()
    return f"2.25.1{int.from_bytes(digest[:16], 'big') % 10**38:038d}"


def _files(series: Series) -> Iterable[_File]:
    for n in range(series.files):
        phase, k = divmod(n, series.slices) if series.phases > 1 else (0, n)
        # Scanners write the time of reconstruction: the last slices of a phase come a second or two later.
        late = 0 if phase == 0 else max(0, k - series.slices + 3)
        yield _File(
            sop_uid(series, n + 1), n + 1, 0 if phase == 0 and series.phases > 1 else 2,
            series.starts_s[min(phase, len(series.starts_s) - 1)] + late, _place_mm(series, k),
        )  # fmt: skip


class _Template:
    """One encoded file whose own values are patched in place; all patches have the length of what they replace."""

    def __init__(self, data: Dataset, syntax: str) -> None:
        self.syntax = syntax
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, _SOP
        meta.TransferSyntaxUID = syntax
        file = BytesIO()
        whole = FileDataset(
            file, data, file_meta=meta, preamble=b"\0" * 128,
            is_implicit_VR=syntax == plan.IMPLICIT, is_little_endian=syntax != plan.BIG,
        )  # fmt: skip
        whole.save_as(file, enforce_file_format=True)
        self.bytes = file.getvalue()
        self.spots = {mark: _spots(self.bytes, mark) for mark in (_SOP, _TIME, _NUMBER, _ACQUISITION, *_PLACE)}

    def filled(self, values: _File) -> bytes:
        out = bytearray(self.bytes)
        texts = {
            _SOP: values.sop, _TIME: _clock(values.time_s), _NUMBER: f"{values.number:<6d}",
            _ACQUISITION: f"{values.acquisition:<6d}",
            **{mark: f"{mm:<10.4f}" for mark, mm in zip(_PLACE, values.place, strict=True)},
        }  # fmt: skip
        assert all(len(mark) == len(text) for mark, text in texts.items())
        for mark, spots in self.spots.items():
            for spot in spots:
                out[spot : spot + len(mark)] = texts[mark].encode()
        return bytes(out)


def _spots(content: bytes, mark: str) -> list[int]:
    found, at = [], content.find(mark.encode())
    while at >= 0:
        found.append(at)
        at = content.find(mark.encode(), at + 1)
    return found


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}{whole % 3600 // 60:02d}{whole % 60:02d}.0"


def _add_mask(data: Dataset, study: Study, series: Series, recorded: bool) -> None:
    """A fractional mask of two frames, half a pixel off, as the archive's writers placed them."""
    held = [k for k in (1, 2) if k < max(study.map_slices, 2)]
    voi, tissue = "VOI" in series.description, "Breast" in series.description
    data.ImageType, data.ContentLabel = ["DERIVED", "PRIMARY"], f"{'PE' if tissue else 'SER'}_{'VOI' * voi}MASK"
    data.ContentDescription, data.ContentCreatorName, data.ContentTime = "", "", "160559"
    data.SegmentationType, data.SegmentationFractionalType = "FRACTIONAL", "OCCUPANCY"
    data.MaximumFractionalValue, data.NumberOfFrames = 255, len(held)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.Rows, data.Columns = 1, "MONOCHROME2", ROWS, COLUMNS
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    frame = bytes(255 if n % 3 == 0 else 0 for n in range(ROWS * COLUMNS))
    data.PixelData = frame * len(held)
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient, measures.PixelSpacing = [0, 1, 0, 0, 0, -1], [SPACING_MM, SPACING_MM]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Items([orientation]), Items([measures])
    data.SharedFunctionalGroupsSequence = Items([shared])
    first = next((s for s in study.series if study.phases and s.uid == study.phases[0][0]), None)
    data.PerFrameFunctionalGroupsSequence = Items(_frame(first, k) for k in held)
    if recorded:
        _add_record(data, study, complete=voi)
        data.SourceImageSequence = Items(_sources(study, held))


def _frame(first: Series | None, k: int) -> Dataset:
    x, y, z = _place_mm(first, k) if first else (0.0, 0.0, 0.0)
    frame, position = Dataset(), Dataset()
    position.ImagePositionPatient = [x, y + SPACING_MM / 2, z - SPACING_MM / 2]
    frame.PlanePositionSequence = Items([position])
    return frame


def _sources(study: Study, held: Sequence[int]) -> Iterable[Dataset]:
    """The images of the first three phases at the slices that hold something."""
    by_uid = {s.uid: s for s in study.series}
    for uid, rank in study.phases[:3]:
        for k in held:
            item, series = Dataset(), by_uid[uid]
            item.ReferencedSOPClassUID = plan.MR_IMAGE
            item.ReferencedSOPInstanceUID = sop_uid(series, rank * series.slices + k + 1)
            yield item


def _add_record(data: Dataset, study: Study, *, complete: bool = False) -> None:
    """Group 0117 as the trial's analysis wrote it; the tissue threshold stands in the VOI masks alone."""
    by_uid = {s.uid: s for s in study.series}
    starts = [by_uid[uid].starts_s[n] - plan.INJECTION_S for uid, n in study.phases]
    block = data.private_block(0x0117, UCSF, create=True)
    parameters = [("PE_threshold", study.pe_threshold), ("minimum_neighbor_count", 9)]
    parameters += [("pre_contrast_threshold", 47)] if complete else []
    items = []
    for name, value in parameters:
        item = Dataset()
        inner = item.private_block(0x0117, UCSF, create=True)
        inner.add_new(0x12, "CS", "INTEGER")
        inner.add_new(0x14, "LO", name)
        inner.add_new(0x19, "IS", str(value))
        items.append(item)
    block.add_new(0x10, "SQ", Items(items))
    block.add_new(0x30, "IS", str(len(starts)))
    block.add_new(0x31, "DS", f"{plan.DURATION_S:.6f}")
    block.add_new(0x33, "TM", _clock(plan.INJECTION_S)[:6])
    block.add_new(0x34, "DS", [f"{s + plan.DURATION_S / 2:.4f}" for s in starts])
    block.add_new(0x35, "IS", ["0", "1", "2"])
    block.add_new(0xA1, "US", [2, 2, 1])
    block.add_new(0xA2, "US", [5, 6, 2])
    volume = Dataset()
    inner = volume.private_block(0x0117, UCSF, create=True)
    for element, vr, value in ((0xB1, "DS", "0"), (0xB2, "DS", "3"), (0xB3, "IS", "44"), (0xB4, "DS", "0.55")):
        inner.add_new(element, vr, value)
    inner.add_new(0xB5, "LO", f"FTVpe(PEearly>{study.pe_threshold}%)")
    block.add_new(0xB0, "SQ", Items([volume]))


def _study_folder(study: Study, layout: Layout) -> Path:
    root = Path("ISPY1") / study.patient
    if layout in ("classic", "cloud"):
        return (Path("ispy1") / study.patient if layout == "cloud" else root) / study.uid
    day = (study.day or date(1985, 1, 1)).strftime("%m-%d-%Y")
    middle = f"{study.study_id}-" if layout == "descriptive" else ""
    return root / f"{day}-{middle}{_clean(study.fields['StudyDescription'])}-{study.uid[-5:]}"


def _series_folder(series: Series, layout: Layout) -> str:
    if layout == "cloud":
        return f"{series.row['Modality']}_{series.uid}"
    if layout == "classic":
        return series.uid
    number = f"{series.number:.6f}" if layout == "descriptive" else str(series.number)
    return f"{number}-{_clean(series.description)}-{series.uid[-5:]}"


def _clean(name: str) -> str:
    return name.translate(_DROPPED).strip()


def _file_name(series: Series, n: int, values: _File, layout: Layout) -> str:
    """Ranks by acquisition and instance (since 2020), running numbers (before), or names without any order."""
    if layout == "cloud":
        digest = hashlib.sha256(values.sop.encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}.dcm"
    if layout != "descriptive":
        return f"{n + 1:06d}.dcm"
    if series.kind != "MR":
        return f"1-{n + 1}.dcm"
    first = series.slices if series.phases > 1 else 0
    return f"1-{n + 1:03d}.dcm" if n < first or not first else f"2-{n + 1 - first:03d}.dcm"
