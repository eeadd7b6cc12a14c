"""Files that hold many slices: phases are told apart in the catalogue, and each is opened by itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.generators import dicom_base
from tests.generators.enhanced import enhanced
from tumordiff_core.catalogue import importing, queries
from tumordiff_core.dicom import stack
from tumordiff_core.errors import InputError
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import preprocess, reader

BEGINS_S = (0, 200, 300, 400)


def index(folder: Path) -> Any:
    """The one visit of a folder, imported."""
    report = importing.run([folder], progress=Progress())
    assert report.seen == report.indexed, report.skips
    (patient,) = queries.tree()
    (visit,) = patient.visits
    return visit


def opened(uid: str, phase: int) -> np.ndarray:
    """Rescaled values of a phase as the window shows it."""
    reply = reader.handle({"op": "phase", "series_uid": uid, "phase": phase})
    record = json.loads(Path(reply["record"]).read_text("utf-8"))
    assert record["facts"]["phases"] == 4
    found: np.ndarray = np.load(reply["npy"]) * record["slope"] + record["intercept"]
    return found


@pytest.mark.parametrize(("timed_by", "half_s"), [("moments", 45), ("offsets", 50)])
def test_an_enhanced_object_shows_its_phases_with_their_seconds(
    home: Path, tmp_path: Path, timed_by: Any, half_s: float
) -> None:
    values = enhanced(tmp_path / "disk" / "a.dcm", slices=10, phases=4, begins_s=BEGINS_S, timed_by=timed_by)
    visit = index(tmp_path / "disk")
    (series,) = visit.series
    assert (series.role, series.files) == ("dynamic", 1)
    assert [(p.label, p.slices) for p in series.phases] == [(n, 10) for n in ("pre", "post 1", "post 2", "post 3")]
    assert [p.effective_s for p in series.phases] == [s - 200 + half_s for s in BEGINS_S]
    for phase in range(4):
        np.testing.assert_array_equal(opened(series.uid, phase), values[phase] * 2.0 + 1.0)
    found = queries.dynamic(visit.study_uid)
    assert found is not None and found.complete and (found.early, found.late) == (2, 3)
    headers = [stack.headers_at(phase.places) for phase in found.phases]
    read, geometry = stack.read_phases(headers)
    np.testing.assert_array_equal(read, values * 2.0 + 1.0)
    assert geometry.spacing_mm == dicom_base.SPACING_MM


def test_a_whole_enhanced_series_is_read_with_its_seconds(home: Path, tmp_path: Path) -> None:
    values = enhanced(tmp_path / "a.dcm", slices=10, phases=4, begins_s=BEGINS_S)
    volume = stack.read_series([tmp_path / "a.dcm"])
    np.testing.assert_array_equal(volume.values, values * 2.0 + 1.0)
    assert volume.labels == ("pre", "post 1", "post 2", "post 3")
    assert volume.phase_s == (-155.0, 45.0, 145.0, 245.0)


def test_phases_may_lie_in_several_enhanced_objects(home: Path, tmp_path: Path) -> None:
    one = enhanced(tmp_path / "disk" / "a.dcm", slices=10, phases=2, begins_s=(0, 200))
    two = enhanced(tmp_path / "disk" / "b.dcm", slices=10, phases=2, begins_s=(300, 400), first_phase=2, phase=2)
    visit = index(tmp_path / "disk")
    (series,) = visit.series
    assert [p.slices for p in series.phases] == [10] * 4
    for phase, values in enumerate([*one, *two]):
        np.testing.assert_array_equal(opened(series.uid, phase), values * 2.0 + 1.0)
    assert len(queries.files_of(series.uid)) == 40


def test_each_phase_of_an_enhanced_object_is_preprocessed(home: Path, tmp_path: Path) -> None:
    values = enhanced(tmp_path / "disk" / "a.dcm", slices=10, phases=4, begins_s=BEGINS_S)
    index(tmp_path / "disk")
    (tmp_path / "out").mkdir()
    orders = list(preprocess._orders(preprocess.PreprocessParams(), tmp_path / "out"))
    assert len({order.key for order in orders}) == 4
    for order, phase in zip(orders, values, strict=True):
        assert preprocess.make(order)["files"] == 1
        np.testing.assert_array_equal(np.load(tmp_path / "out" / order.name), phase * 2.0 + 1.0)


def test_a_damaged_frame_table_costs_the_phases_and_not_the_import(home: Path, tmp_path: Path) -> None:
    import pydicom

    enhanced(tmp_path / "disk" / "a.dcm", slices=10, phases=2)
    data = pydicom.dcmread(tmp_path / "disk" / "a.dcm")
    data.PerFrameFunctionalGroupsSequence = data.PerFrameFunctionalGroupsSequence[:3]
    data.save_as(tmp_path / "disk" / "a.dcm")
    (series,) = index(tmp_path / "disk").series
    assert (series.files, series.role) == (1, "other")
    with pytest.raises(InputError, match="3 frames were found"):
        reader.cached_phase(series.uid, 0)
