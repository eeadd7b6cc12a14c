"""A series that holds several geometries or stacks is listed in parts, and each part is opened by itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.generators import dicom_base
from tumordiff_core.catalogue import importing, queries
from tumordiff_core.errors import InputError
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import reader

PLANES = ([0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1])


def index(folder: Path) -> Any:
    """The one series of a folder, imported."""
    importing.run([folder], progress=Progress())
    (patient,) = queries.tree()
    return patient.visits[0].series[0]


def opened(uid: str, part: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Stored values of a part and its record, as the window gets them."""
    reply = reader.handle({"op": "phase", "series_uid": uid, "phase": part})
    return np.load(reply["npy"]), json.loads(Path(reply["record"]).read_text("utf-8"))


def three_planes(data: Dataset, _: int, k: int) -> None:
    plane = k // 3
    data.SeriesDescription = "T1 3 planes"
    data.ImageOrientationPatient = PLANES[plane]
    normal = np.cross(PLANES[plane][:3], PLANES[plane][3:])
    data.ImagePositionPatient = [float(v) for v in 10 * plane + 5.0 * (k % 3) * normal]


def test_three_planes_are_three_parts_with_their_planes(home: Path, tmp_path: Path) -> None:
    dicom_base.series(tmp_path / "disk", phases=1, slices=9, change=three_planes)
    found = index(tmp_path / "disk")
    assert [(p.label, p.slices) for p in found.phases] == [
        ("part 1 sagittal", 3), ("part 2 axial", 3), ("part 3 coronal", 3),
    ]  # fmt: skip
    assert found.remark == InputError("series.parts", count=3).sentence
    assert found.role == "localizer"
    for part in range(3):
        values, record = opened(found.uid, part)
        np.testing.assert_array_equal(values[0], dicom_base.slice_values(0, 3 * part))
        assert record["geometry"]["shape"][0] == 3
        assert record["facts"]["phase_label"] == found.phases[part].label
        assert Path(reader.handle({"op": "thumbnail", "series_uid": found.uid, "phase": part})["png"]).is_file()


def both_sides(data: Dataset, _: int, k: int) -> None:
    x = 40.0 + 2 * k if k < 10 else -160.0 + 2 * (k - 10)
    data.ImagePositionPatient = [x, *dicom_base.ORIGIN_MM[1:]]
    data.SeriesDescription = "BILAT T1 SPGR"


@pytest.mark.parametrize("phases", [1, 3])
def test_two_parallel_stacks_are_two_parts_and_no_gap(home: Path, tmp_path: Path, phases: int) -> None:
    dicom_base.series(tmp_path / "disk", phases=phases, slices=20, change=both_sides)
    found = index(tmp_path / "disk")
    assert [p.slices for p in found.phases] == [10] * 2 * phases
    assert "missing" not in found.remark and "2 stacks" in found.remark
    names = [f"part {n} sagittal" for n in (1, 2)]
    expected = names if phases == 1 else [f"{name}, {n}" for name in names for n in (1, 2, 3)]
    assert [p.label for p in found.phases] == expected
    values, record = opened(found.uid, len(found.phases) - 1)
    assert len(values) == 10 and record["facts"]["missing_slices"] == []


@pytest.mark.parametrize("second", [10, 9])
def test_two_echoes_at_the_same_places_are_parts_and_no_phases(home: Path, tmp_path: Path, second: int) -> None:
    def echo(data: Dataset, number: int, _: int) -> None:
        data.EchoNumbers, data.EchoTime, data.SeriesDescription = number + 1, 2.4 + 2.6 * number, "T1 AX IN_OUT"
        data.InstanceNumber = 2 * int(data.InstanceNumber) % 20 + number + 1

    lost = [(1, k) for k in range(second, 10)]
    dicom_base.series(tmp_path / "disk", phases=2, slices=10, change=echo, leave_out=lost)
    found = index(tmp_path / "disk")
    assert found.role == "other" and [p.slices for p in found.phases] == [10, second]
    for part in range(2):
        values, record = opened(found.uid, part)
        np.testing.assert_array_equal(values[3], dicom_base.slice_values(part, 3))
        assert record["facts"]["missing_slices"] == []


def test_slices_that_are_missing_stay_missing(home: Path, tmp_path: Path) -> None:
    lost = [(0, k) for k in range(8, 14)]
    dicom_base.series(tmp_path / "disk", phases=1, slices=20, leave_out=lost)
    found = index(tmp_path / "disk")
    assert len(found.phases) == 1 and "6 in all" in found.remark
    values, record = opened(found.uid, 0)
    assert len(values) == 20 and record["facts"]["missing_slices"] == list(range(8, 14))


def test_more_parts_than_can_be_listed_are_said(home: Path, tmp_path: Path) -> None:
    def fan(data: Dataset, _: int, k: int) -> None:
        angle = np.radians(k)
        data.ImageOrientationPatient = [float(np.cos(angle)), float(np.sin(angle)), 0, 0, 0, -1]

    dicom_base.series(tmp_path / "disk", phases=1, slices=70, change=fan)
    found = index(tmp_path / "disk")
    assert len(found.phases) == 64 and InputError("series.many_parts", count=70, listed=64).sentence in found.remark
