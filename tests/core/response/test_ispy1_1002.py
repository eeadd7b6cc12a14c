"""The real study: its recorded rule gives its published volume, and its own maps and masks voxel by voxel."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tumordiff_core.dicom import stack
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.response import enhancement, ftv, size

pytestmark = pytest.mark.real
RULE = ftv.Rule(pe_threshold_percent=70, pre_contrast_threshold=47, minimum_neighbours=9)


@dataclass
class Study:
    folder: Path
    phases: np.ndarray
    geometry: Geometry
    voi: ftv.Box
    expected: dict[str, Any]

    def series(self, number: int) -> Path:
        return next(self.folder.glob(f"*/*/{number}.000000-*"))

    def mask(self, number: int) -> np.ndarray:
        """One SEG on the grid of the dynamic: frames placed by their position, pixels by their index."""
        segmentation = pydicom.dcmread(next(self.series(number).glob("*.dcm")))
        mask = np.zeros(self.geometry.shape, dtype=bool)
        for frame, pixels in zip(segmentation.PerFrameFunctionalGroupsSequence, segmentation.pixel_array, strict=True):
            position = frame.PlanePositionSequence[0].ImagePositionPatient
            mask[round(self.geometry.to_index(position)[0])] = pixels > 0
        return mask


@pytest.fixture(scope="module")
def study(ispy1_dicom: Path, ispy1_expected: dict[str, Any]) -> Study:
    folder = next(ispy1_dicom.glob("*/*/3.000000-*"))
    volume = stack.open_folder(folder)
    voi = ispy1_expected["voi"]
    start, end = (tuple(reversed(voi[name])) for name in ("start_col_row_slice", "end_col_row_slice_inclusive"))
    return Study(ispy1_dicom, volume.values, volume.geometry, (start, end), ispy1_expected)


@pytest.fixture(scope="module")
def found(study: Study) -> ftv.Tumour:
    return ftv.tumour(*study.phases, RULE, voi=study.voi)


def test_recorded_rule_gives_the_published_volume(study: Study, found: ftv.Tumour) -> None:
    published = study.expected["published"]
    assert (found.voxels, found.ser_voxels) == (4350, 3604)
    assert (found.voxels, found.ser_voxels) == (published["ftv_pe_voxels"], published["ftv_ser_voxels"])
    assert ftv.ftv_cc(found.mask, study.geometry) == pytest.approx(published["ftv_pe_cc"], abs=1e-9)


def test_masks_equal_the_studys_own(study: Study, found: ftv.Tumour) -> None:
    assert ftv.dice(found.mask, study.mask(32100)) == 1.0
    assert ftv.dice(found.enhancing, study.mask(32000)) == 1.0
    assert ftv.dice(found.tissue, study.mask(32001)) == 1.0


def test_stored_maps_are_reproduced_with_no_differing_voxel(study: Study, found: ftv.Tumour) -> None:
    percent = enhancement.percent_enhancement(study.phases[0], study.phases[1])
    pe_map = stack.open_folder(study.series(31001)).values[0]
    assert np.count_nonzero(enhancement.stored_pe(percent, found.tissue) != pe_map) == 0
    ser_map = np.rint(stack.open_folder(study.series(31000)).values[0] * 1000).astype(np.int16)
    assert np.count_nonzero(enhancement.stored_ser(found.ser, found.enhancing) != ser_map) == 0


def test_ser_classes_are_the_verified_ones(study: Study, found: ftv.Tumour) -> None:
    expected = study.expected["counts"]["ser_classes_float32"]
    assert list(enhancement.ser_classes(found.ser, found.mask).values()) == list(expected.values())


def test_threshold_is_found_again_from_the_images(study: Study) -> None:
    assert ftv.tissue_threshold(study.phases[0], study.voi) == 47


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("threshold_46", {"pre_contrast_threshold": 46}), ("threshold_48", {"pre_contrast_threshold": 48}),
        ("pe_69", {"pe_threshold_percent": 69}), ("pe_80", {"pe_threshold_percent": 80}),
        ("neighbours_8", {"minimum_neighbours": 8}), ("neighbours_10", {"minimum_neighbours": 10}),
    ],
)  # fmt: skip
def test_sensitivity_of_the_volume_is_the_verified_one(study: Study, name: str, change: dict[str, Any]) -> None:
    changed = ftv.tumour(*study.phases, replace(RULE, **change), voi=study.voi)
    assert changed.voxels == study.expected["sensitivity"][name]


def test_diameters_are_the_verified_ones(study: Study, found: ftv.Tumour) -> None:
    expected = study.expected["diameters_mm"]
    in_plane, at = size.longest_in_plane_mm(found.mask, study.geometry)
    assert (round(in_plane, 2), at) == (expected["ours_in_plane_largest_component"], 39)
    assert round(size.longest_diameter_mm(found.mask, study.geometry), 2) == expected["ours_3d_largest_component"]
    assert [int(p.sum()) for p in size.parts(found.mask)] == study.expected["counts"]["components_26"]
