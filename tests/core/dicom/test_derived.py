"""The header of a derived slice: what is kept, what is new, what the standard allows, and nothing by chance."""

import copy
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.generators import dicom_base
from tumordiff_core.dicom import derived
from tumordiff_core.dicom.check import missing_attributes
from tumordiff_core.errors import UnsupportedError
from tumordiff_core.result_folder import Record

VALUES = np.random.default_rng(1).uniform(0, 200, (2, 3, 24, 32)).astype(np.float32)
STORED = np.arange(24 * 32, dtype="<i2").reshape(24, 32)
TRIAL = {"ClinicalTrialSponsorName": "S", "ClinicalTrialProtocolID": "P", "ClinicalTrialSubjectID": "1"}


def record(**changes: Any) -> Record:
    fields: dict[str, Any] = {
        "kind": "denoised", "provenance": "derived", "created": "2026-01-31T10:15:02+00:00", "seed": 7,
        "model": {"name": "small-6", "version": "1", "weights_sha256": "ab" * 32, "family": "unet"},
        "noise": {"sigma": [3.22, 3.26], "estimator": "air"}, "params": {"strength": 1.0, "input": "/somewhere"},
        "figures": {"ftv_before_cc": 5.31, "ftv_after_cc": 5.28, "rule": "recorded"},
    }  # fmt: skip
    return Record(**{**fields, **changes})


def source(**changes: Any) -> Dataset:
    data = dicom_base.base(slice_index=4)
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    return data


def header(data: Dataset, made: Record | None = None, options: derived.Options | None = None) -> Dataset:
    made = made or record()
    series = derived.plan(VALUES, made, options or derived.Options())
    return derived.derived_header(data, made, series, instance_number=5, stored=STORED)


def test_a_reader_sees_at_once_that_it_is_derived_and_from_what() -> None:
    data = source()
    found = header(data)
    assert list(found.ImageType) == ["DERIVED", "SECONDARY", "OTHER", "DENOISED"]
    assert found.SeriesDescription == "DENOISED Dynamic-3dfgre"
    assert "not an acquisition" in found.ImageComments
    assert found.SourceImageSequence[0].ReferencedSOPInstanceUID == data.SOPInstanceUID
    assert found.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == data.SeriesInstanceUID
    for words in ("small-6", "ab" * 32, "3.22, 3.26", "seed 7", "5.31 cc, now 5.28 cc", "Research use only."):
        assert words in found.DerivationDescription
    assert (found.SeriesNumber, found.InstanceNumber) == (3001, 5)


@pytest.mark.parametrize(
    "keyword",
    [
        "StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName", "StudyDate", "PixelSpacing",
        "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "AcquisitionTime", "Laterality",
    ],
)  # fmt: skip
def test_place_patient_and_study_are_kept(keyword: str) -> None:
    data = source()
    assert header(data)[keyword].value == data[keyword].value


def test_geometry_keeps_the_very_text_of_the_source() -> None:
    data = source(ImagePositionPatient=["-48.100000", "1e2", "110.0000"])
    assert [v.original_string for v in header(data).ImagePositionPatient] == ["-48.100000", "1e2", "110.0000"]


def test_same_input_gives_the_same_header_and_the_source_is_not_touched() -> None:
    data = source()
    before = copy.deepcopy(data)
    assert header(data) == header(data)
    assert data == before


def test_a_mean_over_mirror_images_is_told_of() -> None:
    found = header(source(), record(params={"strength": 1.0, "mirrors": 4}))
    assert "mean over 4 mirror images; strength 1.0" in found.DerivationDescription
    assert "mirror" not in header(source()).DerivationDescription


def test_local_means_given_back_are_told_of() -> None:
    found = header(source(), record(params={"strength": 1.0}, figures={"local_means": 0.7}))
    assert "0.7 of what local means lost given back; strength 1.0" in found.DerivationDescription
    for figures, sigma in (({}, 3.0), ({"local_means": 0.0}, 3.0), ({"local_means": 0.7}, 0.0)):
        told = record(figures=figures, noise={"sigma": [sigma, sigma]})
        assert "local means" not in header(source(), told).DerivationDescription


def test_edges_smoothed_along_themselves_are_told_of() -> None:
    found = header(source(), record(figures={"along_edges": True}))
    assert "noise left at edges smoothed along them; strength" in found.DerivationDescription
    for figures, sigma in (({"along_edges": False}, 3.0), ({"along_edges": True}, 0.0)):
        told = record(figures=figures, noise={"sigma": [sigma, sigma]})
        assert "at edges" not in header(source(), told).DerivationDescription


def test_rims_given_back_are_told_of_with_the_weights_that_did_it() -> None:
    told = record()
    served = record(model={**told.model, "rims": {"name": "m-rims", "weights_sha256": "e" * 64}})
    said = f"rims of lesions given back by m-rims, SHA-256 {'e' * 64}; strength"
    assert said in header(source(), served).DerivationDescription
    assert "rims" not in header(source(), told).DerivationDescription


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8}, {"params": {"strength": 0.5}}, {"params": {"strength": 1.0, "mirrors": 2}},
        {"params": {"strength": 1.0, "local_means": 0.7}},
        {"noise": {"sigma": [3.0, 3.0]}}, {"created": "2026-02-01T00:00:00+00:00"},
    ],
)  # fmt: skip
def test_another_result_gets_other_uids(change: dict[str, Any]) -> None:
    first, second = header(source()), header(source(), record(**change))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID


def test_uids_do_not_know_where_the_input_lay() -> None:
    elsewhere = record(params={"strength": 1.0, "input": "/elsewhere"})
    assert header(source()).SOPInstanceUID == header(source(), elsewhere).SOPInstanceUID


def test_confirmed_remarks_and_running_number_stand_in_the_header() -> None:
    found = header(source(), options=derived.Options(running_number=2, confirmed=("tumor volume moved by 3 %",)))
    assert found.SeriesNumber == 3002
    assert "Confirmed by the exporting user: tumor volume moved by 3 %." in found.DerivationDescription


def test_long_text_is_cut_before_research_use() -> None:
    found = header(source(), options=derived.Options(confirmed=("a remark " * 200,)))
    assert len(found.DerivationDescription) <= 1024
    assert found.DerivationDescription.endswith("Research use only.")


@pytest.mark.parametrize(
    ("changes", "keyword", "kept"),
    [
        ({"InversionTime": 100, "ScanningSequence": "GR"}, "InversionTime", False),
        ({"InversionTime": 100, "ScanningSequence": ["GR", "IR"]}, "InversionTime", True),
        ({"TriggerTime": 5}, "TriggerTime", False),
        ({"TriggerTime": 5, "ScanOptions": "CG"}, "TriggerTime", True),
        ({"SmallestImagePixelValue": 0}, "SmallestImagePixelValue", False),
        ({"PixelPaddingValue": 0}, "PixelPaddingValue", False),
    ],
)
def test_attributes_under_a_condition_are_kept_only_with_it(changes: dict[str, Any], keyword: str, kept: bool) -> None:
    assert (keyword in header(source(**changes))) is kept


def test_what_the_originals_lack_is_added() -> None:
    found = header(source(PatientIdentityRemoved="YES", **TRIAL, ClinicalTrialTimePointID="T1"))
    assert found.ClinicalTrialSiteName == ""
    assert found.ClinicalTrialTimePointID == "T1"
    assert found.DeidentificationMethod == derived.IDENTITY_METHOD
    assert missing_attributes(found) == []


def test_lossy_history_and_inverted_grey_never_go_away() -> None:
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": 7, "LossyImageCompressionMethod": "ISO_1"}
    found = header(source(**lossy, PhotometricInterpretation="MONOCHROME1"))
    assert (found.LossyImageCompression, found.LossyImageCompressionRatio) == ("01", 7)
    assert found.PhotometricInterpretation == "MONOCHROME1"


def test_scanner_and_program_are_both_named_after_earlier_equipment() -> None:
    earlier = Dataset()
    earlier.Manufacturer = "EARLIER"
    items = header(source(ContributingEquipmentSequence=Sequence([earlier]))).ContributingEquipmentSequence
    assert [item.Manufacturer for item in items] == ["EARLIER", "MADE", "TumorDiff"]
    assert items[2].ContributionDateTime == "20260131101502+0000"


def test_private_elements_are_dropped_unless_their_creator_is_named() -> None:
    data = source()
    data.private_block(0x0117, "KEEP ME", create=True).add_new(0x01, "LO", "score")
    assert 0x0117 not in {element.tag.group for element in header(data)}
    kept = header(data, options=derived.Options(keep_private=("KEEP ME",)))
    assert kept.private_block(0x0117, "KEEP ME")[0x01].value == "score"


def test_text_outside_latin_survives() -> None:
    found = header(source(SpecificCharacterSet="ISO_IR 192", PatientName="山田^太郎", StudyDescription="МРТ"))
    assert (str(found.PatientName), found.StudyDescription) == ("山田^太郎", "МРТ")
    assert found.SpecificCharacterSet == "ISO_IR 192"


def test_long_description_and_huge_series_number_fit() -> None:
    found = header(source(SeriesDescription="x" * 64, SeriesNumber=2**31 - 1))
    assert len(found.SeriesDescription) == 64
    assert found.SeriesNumber == 1


def test_what_is_no_mr_image_is_refused() -> None:
    with pytest.raises(UnsupportedError) as caught:
        header(source(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG"))
    assert caught.value.code == "export.not_mr"
    assert "SEG" in caught.value.sentence
