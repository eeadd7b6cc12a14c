import filecmp
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from SimpleITK import ReadImage

from tests.generators import cohort as small
from tumordiff_core.errors import InputError
from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort

UCSF = "UCSF BIRP PRIVATE CREATOR 011710xx"


@pytest.fixture(scope="module")
def record(synthetic_cohort: Path) -> dict:
    return cohort.read(synthetic_cohort)


def headers(series: Path) -> list[pydicom.Dataset]:
    return sorted((pydicom.dcmread(path) for path in series.iterdir()), key=lambda ds: int(ds.InstanceNumber))


@pytest.fixture(scope="module")
def baseline(synthetic_cohort: Path, record: dict) -> list[pydicom.Dataset]:
    return headers(synthetic_cohort / record["visits"][0]["series"])


def voi_file(series: Path) -> pydicom.Dataset:
    (path,) = series.parent.glob("32100*/1-1.dcm")
    return pydicom.dcmread(path)


def test_a_download_has_patients_studies_and_series_as_folders(synthetic_cohort: Path, record: dict) -> None:
    assert [v["visit"] for v in record["visits"]] == ["T1", "T2", "T1", "T2"]
    series = synthetic_cohort / record["visits"][0]["series"]
    patient, study = series.parts[-3:-1]
    assert patient == "SYN-DEMO-001"
    assert study.startswith("02-22-2020-") and "MR BREASTUNI UE" in study
    names = sorted(path.name for path in series.iterdir())
    assert (names[0], names[-1], len(names)) == ("1-001.dcm", "2-024.dcm", 36)


def test_every_file_says_that_it_is_synthetic(baseline: list[pydicom.Dataset]) -> None:
    for ds in baseline:
        assert ds.SyntheticData == "YES"
        assert "SYNTHETIC" in ds.ImageType and "SYNTHETIC" in ds.SeriesDescription
        assert ds.PatientID.startswith("SYN-DEMO")


def test_files_carry_the_trials_time_points_and_real_intervals(synthetic_cohort: Path, record: dict) -> None:
    found = []
    for visit in record["visits"][:2]:
        ds = headers(synthetic_cohort / visit["series"])[0]
        day = date.fromisoformat(ds.StudyDate)
        found.append((ds.ClinicalTrialTimePointID, ds.ClinicalTrialTimePointDescription, day))
    assert [f[:2] for f in found] == [("T1", "baseline"), ("T2", "early-treatment")]
    assert (found[1][2] - found[0][2]).days == 18


def test_phases_are_merged_and_hidden_as_in_the_collection(baseline: list[pydicom.Dataset]) -> None:
    positions = [tuple(ds.ImagePositionPatient) for ds in baseline]
    assert positions[:12] == positions[12:24] == positions[24:]
    assert len(set(positions)) == 12
    assert [int(ds.AcquisitionNumber) for ds in baseline[::12]] == [0, 2, 2]
    assert len({ds.AcquisitionTime for ds in baseline[12:24]}) == 2


def test_slices_run_to_the_right_and_the_left_breast_lies_at_positive_x(synthetic_cohort: Path, record: dict) -> None:
    for visit, side, sign in ((record["visits"][0], "R", -1), (record["visits"][2], "L", 1)):
        first, second = headers(synthetic_cohort / visit["series"])[:2]
        assert first.Laterality == side
        assert np.sign(first.ImagePositionPatient[0]) == sign
        assert second.ImagePositionPatient[0] - first.ImagePositionPatient[0] == pytest.approx(-10.0)


def test_simpleitk_reads_a_phase_as_one_volume(synthetic_cohort: Path, record: dict) -> None:
    series = synthetic_cohort / record["visits"][0]["series"]
    image = ReadImage(sorted(str(path) for path in series.glob("1-*.dcm")))
    assert image.GetSize() == (64, 64, 12)
    assert image.GetSpacing() == pytest.approx((2.8125, 2.8125, 10.0))


def test_the_tumour_enhances_as_designed(synthetic_cohort: Path, record: dict) -> None:
    truth = cohort.read_truth(synthetic_cohort, record["visits"][0])
    pre, early, late = (phase[truth["tumour"]] for phase in truth["clean"])
    percent = 100 * (early - pre) / pre
    ratio = (early - pre) / (late - pre)
    assert 110 < np.median(percent) < 200
    assert 0.9 < np.median(ratio) < 1.5
    assert np.mean((percent > 70) & (percent < 240)) > 0.85
    assert np.mean((ratio > 0.6) & (ratio < 1.7)) > 0.85


def test_a_responder_shrinks(record: dict) -> None:
    first, second = record["visits"][:2]
    assert first["response"] == "responder"
    assert second["ftv_truth_cc"] < 0.75 * first["ftv_truth_cc"]


def test_the_true_volume_is_the_trials_rule_on_the_clean_phases(synthetic_cohort: Path, record: dict) -> None:
    visit = record["visits"][0]
    truth = cohort.read_truth(synthetic_cohort, visit)
    pre, early, _ = np.rint(truth["clean"])
    box = tuple(slice(a, b + 1) for a, b in zip(*visit["voi"], strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        percent = np.float32(100) * (early - pre) / pre
    candidates = (pre >= visit["pre_contrast_threshold"]) & (percent >= 70)
    padded = np.pad(candidates.astype(int), 1)
    around = sum(
        padded[1 + a : 13 + a, 1 + b : 65 + b, 1 + c : 65 + c]
        for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)
    ) - candidates  # fmt: skip
    expected = np.zeros_like(candidates)
    expected[box] = (candidates & (around >= 9))[box]
    np.testing.assert_array_equal(truth["ftv"], expected)
    voxel_cc = 10.0 * 2.8125**2 / 1000
    assert visit["ftv_truth_cc"] == pytest.approx(expected.sum() * voxel_cc)


def test_the_recorded_rule_and_volume_stand_in_the_private_group(synthetic_cohort: Path, record: dict) -> None:
    visit = record["visits"][0]
    ds = voi_file(synthetic_cohort / visit["series"])
    block = ds.private_block(0x0117, UCSF)
    parameters = {}
    for item in block[0x10].value:
        inner = item.private_block(0x0117, UCSF)
        value = next(inner[e].value for e in (0x18, 0x19, 0x1A) if e in inner)
        parameters[inner[0x14].value] = value
    assert parameters["pre_contrast_threshold"] == visit["pre_contrast_threshold"]
    assert parameters["minimum_neighbor_count"] == 9
    assert list(block[0xA1].value) == visit["voi"][0][::-1]
    assert list(block[0xA2].value) == visit["voi"][1][::-1]
    first = block[0xB0].value[0].private_block(0x0117, UCSF)
    assert float(first[0xB4].value) == pytest.approx(visit["ftv_acquired_cc"])
    assert int((ds.pixel_array > 0).sum()) == int(first[0xB3].value)


def test_stored_values_are_the_truth_plus_noise(
    synthetic_cohort: Path, record: dict, baseline: list[pydicom.Dataset]
) -> None:
    clean = cohort.read_truth(synthetic_cohort, record["visits"][0])["clean"]
    stored = np.stack([ds.pixel_array for ds in baseline]).reshape(clean.shape)
    tissue = clean > 40
    residual = stored[tissue] - clean[tissue]
    assert residual.std() == pytest.approx(3.2, rel=0.05)


def test_the_same_seed_writes_the_same_bytes(synthetic_cohort: Path, tmp_path: Path) -> None:
    again = small.make(tmp_path / "again", cohort.Plan(shape=(12, 64, 64), patients=1, visits=2))
    compared = filecmp.dircmp(synthetic_cohort / "ISPY1" / "SYN-DEMO-001", again / "ISPY1" / "SYN-DEMO-001")
    assert not compared.left_only and not compared.right_only
    for path in (again / "ISPY1").rglob("*.dcm"):
        assert path.read_bytes() == (synthetic_cohort / path.relative_to(again)).read_bytes()
    other = small.make(tmp_path / "other", cohort.Plan(shape=(12, 64, 64), patients=1, visits=1, seed=1))
    assert cohort.read(other)["visits"][0]["study_uid"] != cohort.read(again)["visits"][0]["study_uid"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="already there"):
        cohort.make(tmp_path, small.SMALL, processes=1, progress=Progress())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_dciodvfy_finds_no_error(synthetic_cohort: Path, record: dict) -> None:
    import shutil
    import subprocess

    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed here")
    series = synthetic_cohort / record["visits"][0]["series"]
    (mask,) = series.parent.glob("32100*/1-1.dcm")
    for path in (series / "1-001.dcm", mask):
        told = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert [line for line in told.stderr.splitlines() if line.startswith("Error")] == []
