"""Files of a series become one volume: ordered by position, split into phases, rescaled, with what its tags tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.generators import dicom_base
from tumordiff_core import settings
from tumordiff_core.dicom import stack
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.errors import InputError, MissingError, UnsupportedError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


def expected(phases: int, slices: int) -> np.ndarray:
    return np.stack([[dicom_base.slice_values(p, k) for k in range(slices)] for p in range(phases)])


def test_phases_are_told_apart_whatever_the_files_are_called(tmp_path: Path) -> None:
    paths = dicom_base.series(tmp_path / "s", phases=3, slices=10)
    for number, path in enumerate(np.random.default_rng(0).permutation(paths)):
        Path(path).rename(tmp_path / "s" / f"x{number}")
    volume = stack.open_folder(tmp_path / "s")
    np.testing.assert_array_equal(volume.values, expected(3, 10))
    assert volume.values.dtype == np.int16 and volume.provenance == "acquired"
    assert volume.geometry.spacing_mm == dicom_base.SPACING_MM and volume.geometry.origin_mm == dicom_base.ORIGIN_MM
    assert volume.labels == ("pre", "post 1", "post 2") and len(volume.facts["sources"]) == 30


def test_one_of_several_series_is_chosen_by_its_number(tmp_path: Path) -> None:
    dicom_base.series(tmp_path / "a", phases=1, slices=4, series="one", number=3)
    dicom_base.series(tmp_path / "b", phases=1, slices=5, series="two", number=4, description="Other")
    with pytest.raises(InputError, match="2 series arrived"):
        stack.open_folder(tmp_path)
    assert stack.open_folder(tmp_path, series_number=4).geometry.shape[0] == 5
    with pytest.raises(InputError, match="series has number 9"):
        stack.open_folder(tmp_path, series_number=9)


@pytest.mark.parametrize("kind", ["gone", "empty", "texts"])
def test_a_folder_without_images_is_said(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "f"
    if kind != "gone":
        folder.mkdir()
    if kind == "texts":
        (folder / "a.txt").write_text("text")
    with pytest.raises(MissingError if kind == "gone" else InputError) as caught:
        stack.open_folder(folder)
    codes = {"gone": "files.missing", "empty": "series.empty_folder", "texts": "series.no_dicom"}
    assert caught.value.code == codes[kind]


def test_a_missing_slice_is_refused_for_measuring_and_named(tmp_path: Path) -> None:
    dicom_base.series(tmp_path / "s", phases=2, slices=10, leave_out=[(1, 4)])
    with pytest.raises(InputError, match="lice 5 of 10 in phase 2 is missing"):
        stack.open_folder(tmp_path / "s")


def test_a_cut_file_is_named_rather_than_the_gap(tmp_path: Path) -> None:
    paths = dicom_base.series(tmp_path / "s", phases=1, slices=10)
    paths[4].write_bytes(paths[4].read_bytes()[:600])
    with pytest.raises(InputError, match="cut off inside its header"):
        stack.open_folder(tmp_path / "s")


def test_a_mask_is_no_series_to_open(tmp_path: Path) -> None:
    data = dicom_base.base()
    data.SOPClassUID, data.Modality = "1.2.840.10008.5.1.4.1.1.66.4", "SEG"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    dicom_base.save(data, tmp_path / "s" / "a.dcm")
    with pytest.raises(UnsupportedError, match="is a mask"):
        stack.open_folder(tmp_path / "s")


def test_values_are_rescaled_slice_by_slice(tmp_path: Path) -> None:
    def rescale(data: Dataset, phase: int, number: int) -> None:
        data.RescaleSlope, data.RescaleIntercept = 0.5 + number, -phase

    dicom_base.series(tmp_path / "s", phases=2, slices=8, change=rescale)
    volume = stack.open_folder(tmp_path / "s")
    slopes = (0.5 + np.arange(8))[None, :, None, None]
    shifts = np.arange(2)[:, None, None, None]
    np.testing.assert_allclose(volume.values, expected(2, 8) * slopes - shifts, rtol=1e-6)
    assert volume.values.dtype == np.float32


AXIAL = [1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("tags", "side"),
    [
        ({"Laterality": "L"}, ("L", "tag")),
        ({"ImageLaterality": "L", "Laterality": None}, ("L", "tag")),
        ({"Laterality": None, "ReceiveCoilName": "L_BREAST"}, ("L", "coil")),
        ({"Laterality": None}, ("R", "position")),
        ({"Laterality": None, "ImageOrientationPatient": AXIAL}, ("R", "position")),
        ({"Laterality": None, "ImageOrientationPatient": AXIAL, "ImagePositionPatient": [-10, 0, 0]}, ("", "")),
        (
            {
                "Laterality": None,
                "ImageOrientationPatient": AXIAL,
                "ImagePositionPatient": [-160, 0, 0],
                "PixelSpacing": [10, 10],
            },
            ("B", "position"),
        ),
    ],
)
def test_the_side_and_how_it_is_known(tmp_path: Path, tags: dict[str, Any], side: tuple[str, str]) -> None:
    data = dicom_base.base()
    for keyword, value in tags.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    header = read_header(dicom_base.save(data, tmp_path / "a.dcm"))
    phase = stack.read_stored_phase([header])
    assert stack.laterality(header, phase.geometry) == side


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        ([-60.0, 150.0, 450.0], ("pre", "post 1", "post 2")),
        ([-300.0, -60.0, 150.0], ("pre 1", "pre 2", "post 1")),
        ([None, None], ("phase 1", "phase 2")),
        ([10.0, 20.0], ("phase 1", "phase 2")),
    ],
)
def test_phases_are_named_by_their_times(times: list[float | None], labels: tuple[str, ...]) -> None:
    assert stack.phase_labels(times) == labels


@pytest.mark.real
def test_the_real_dynamic_series_is_one_volume(ispy1_dicom: Path, ispy1_expected: dict[str, Any]) -> None:
    volume = stack.open_folder(ispy1_dicom, series_number=3)
    dynamic = ispy1_expected["dynamic"]
    assert volume.values.shape == (3, 60, 256, 256) and volume.values.dtype == np.int16
    assert volume.values.max(axis=(1, 2, 3)).tolist() == dynamic["max"]
    assert list(volume.phase_s) == pytest.approx(dynamic["effective_delay_s"], abs=1.0)
    assert volume.facts["laterality"] == "R" and volume.facts["role"] == "dynamic"
