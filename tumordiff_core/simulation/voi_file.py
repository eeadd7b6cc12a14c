"""The mask file in which the trial recorded a visit's rule, box and published tumour volume (private group 0117)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tumordiff_core.simulation.dicom_files import (
    DYNAMIC_NUMBER,
    MR_IMAGE,
    UCSF,
    StudyFacts,
    code_item,
    common_tags,
    save,
)

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
VOI_NUMBER = 32100


@dataclass(frozen=True)
class Rule:
    """What an analysis of one visit records: thresholds, box [slice, row, column] with both ends inside, volumes."""

    pe_threshold_percent: float
    minimum_neighbours: int
    pre_contrast_threshold: int
    ser_threshold: float
    voi_start: tuple[int, int, int]
    voi_end: tuple[int, int, int]
    volume_voxels: int
    washout_voxels: int


def write_voi_mask(folder: Path, facts: StudyFacts, mask: npt.NDArray[np.bool_], rule: Rule) -> Path:
    """Write the tumour mask inside the box [slice, row, column] with the rule that made it, and return the file.

    Like the collection's: only slices that hold something (at least the middle one of the box), values 0 and 255,
    and the origin of every frame half a pixel off, because its writers took the corner for the centre.
    """
    held = np.flatnonzero(mask.any(axis=(1, 2)))
    if not held.size:
        held = np.array([(rule.voi_start[0] + rule.voi_end[0]) // 2])
    ds = common_tags(facts)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.SOPClassUID, ds.Modality = SEGMENTATION, "SEG"
    ds.SOPInstanceUID = facts.uid("mask")
    ds.SeriesInstanceUID = facts.uid("series", VOI_NUMBER)
    ds.SeriesNumber, ds.InstanceNumber = VOI_NUMBER, 1
    ds.SeriesDescription = f"VOI PE Segmentation thresh={rule.pe_threshold_percent:.0f}"
    ds.SeriesTime = ds.ContentTime = "120000"
    ds.ContentLabel, ds.ContentDescription = "SER_VOIMASK", "SYNTHETIC"
    ds.ContentCreatorName = "TumorDiff^"
    ds.DerivationDescription = "PE threshold and neighbour count inside a box, on simulated images"
    ds.SegmentationType, ds.SegmentationFractionalType, ds.MaximumFractionalValue = "FRACTIONAL", "OCCUPANCY", 255
    ds.SegmentSequence = Sequence([_segment()])
    ds.LossyImageCompression = "00"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = facts.geometry.shape[1:]
    ds.NumberOfFrames = len(held)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    _add_frames(ds, facts, held)
    _add_rule(ds, facts, rule)
    pixels = (mask[held].astype(np.uint8) * 255).tobytes()
    ds.PixelData = pixels + b"\0" * (len(pixels) % 2)
    place = folder / f"{VOI_NUMBER}.000000-{ds.SeriesDescription.replace('=', '')}-{ds.SeriesInstanceUID[-5:]}"
    place.mkdir(parents=True)
    save(ds, place / "1-1.dcm")
    return place / "1-1.dcm"


def _segment() -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel, item.SegmentAlgorithmType = 1, "PE Tumor", "AUTOMATIC"
    item.SegmentAlgorithmName = "PE threshold"
    item.SegmentedPropertyCategoryCodeSequence = Sequence(
        [code_item("49755003", "SCT", "Morphologically Abnormal Structure")]
    )
    item.SegmentedPropertyTypeCodeSequence = Sequence([code_item("108369006", "SCT", "Neoplasm")])
    return item


def _add_frames(ds: Dataset, facts: StudyFacts, held: npt.NDArray[np.intp]) -> None:
    organization = facts.uid("dimensions")
    ds.DimensionOrganizationSequence = Sequence([Dataset()])
    ds.DimensionOrganizationSequence[0].DimensionOrganizationUID = organization
    index = Dataset()
    index.DimensionOrganizationUID = organization
    index.DimensionIndexPointer, index.FunctionalGroupPointer = 0x00200032, 0x00209113
    ds.DimensionIndexSequence = Sequence([index])
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    spacing = facts.geometry.spacing_mm
    measures.PixelSpacing = [f"{spacing[1]:.6g}", f"{spacing[2]:.6g}"]
    measures.SliceThickness = f"{spacing[0]:.6g}"
    orientation.ImageOrientationPatient = [*facts.geometry.row_direction, *facts.geometry.column_direction]
    segment = Dataset()
    segment.ReferencedSegmentNumber = 1
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    shared.SegmentIdentificationSequence = Sequence([segment])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence(_frame(facts, int(k), n + 1) for n, k in enumerate(held))
    sources = [_reference(facts.uid("image", k + 1)) for k in held]
    series = Dataset()
    series.SeriesInstanceUID = facts.uid("series", DYNAMIC_NUMBER)
    series.ReferencedInstanceSequence = Sequence(_reference(facts.uid("image", k + 1)) for k in held)
    ds.SourceImageSequence = Sequence(sources)
    ds.ReferencedSeriesSequence = Sequence([series])


def _frame(facts: StudyFacts, k: int, rank: int) -> Dataset:
    frame, content, position = Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = rank
    corner = facts.geometry.to_mm([k, 0.5, 0.5])
    position.ImagePositionPatient = [f"{value:.8g}" for value in corner]
    frame.FrameContentSequence = Sequence([content])
    frame.PlanePositionSequence = Sequence([position])
    return frame


def _reference(sop_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = MR_IMAGE, sop_uid
    return item


def _parameters(rule: Rule) -> Iterator[tuple[str, str, int, str, str]]:
    yield "PE_threshold", "FLOAT", 0x18, "DS", f"{rule.pe_threshold_percent:g}"
    yield "minimum_neighbor_count", "INTEGER", 0x19, "IS", str(rule.minimum_neighbours)
    yield "tissue_masking_method", "STRING", 0x1A, "LO", "PERCENT_MAX"
    yield "PCT_background_threshold", "FLOAT", 0x18, "DS", "60"
    yield "pre_contrast_threshold", "FLOAT", 0x18, "DS", str(rule.pre_contrast_threshold)


def _add_rule(ds: Dataset, facts: StudyFacts, rule: Rule) -> None:
    """The private group in which the trial recorded thresholds, box, timing and volumes."""
    block = ds.private_block(0x0117, UCSF, create=True)
    items = []
    for name, kind, element, vr, value in _parameters(rule):
        item = Dataset()
        inner = item.private_block(0x0117, UCSF, create=True)
        inner.add_new(0x12, "CS", kind)
        inner.add_new(0x14, "LO", name)
        inner.add_new(element, vr, value)
        items.append(item)
    block.add_new(0x10, "SQ", Sequence(items))
    block.add_new(0x30, "IS", str(len(facts.start_s)))
    block.add_new(0x31, "DS", f"{facts.duration_s:.6g}")
    block.add_new(0x33, "TM", facts.clock(0).strftime("%H%M%S"))
    block.add_new(0x34, "DS", [f"{value:.6g}" for value in facts.effective_s])
    block.add_new(0x35, "IS", ["0", "1", "2"])
    block.add_new(0x3A, "LO", "AUTOMATIC")
    block.add_new(0xA1, "US", [rule.voi_start[2], rule.voi_start[1], rule.voi_start[0]])
    block.add_new(0xA2, "US", [rule.voi_end[2], rule.voi_end[1], rule.voi_end[0]])
    volumes = []
    percent = f"{rule.pe_threshold_percent:.0f}"
    for label, lowest, voxels in (
        (f"FTVpe(PEearly>{percent}%)", 0.0, rule.volume_voxels),
        (f"FTVser(PEearly>{percent}%, SER>{rule.ser_threshold:g})", rule.ser_threshold, rule.washout_voxels),
    ):
        item = Dataset()
        inner = item.private_block(0x0117, UCSF, create=True)
        inner.add_new(0xB1, "DS", f"{lowest:g}")
        inner.add_new(0xB2, "DS", "3")
        inner.add_new(0xB3, "IS", str(voxels))
        inner.add_new(0xB4, "DS", f"{voxels * facts.geometry.voxel_cc:.10g}")
        inner.add_new(0xB5, "LO", label)
        volumes.append(item)
    block.add_new(0xB0, "SQ", Sequence(volumes))
