"""The real study ISPY1_1002 through the collection's own door: visit, roles, phases, recorded analysis, masks, maps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumordiff_core.dicom import maps, masks, order, private, study
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.plugins.specs import PatientRecord, StudyRecord

pytestmark = pytest.mark.real
NAMES = {"seg_pe": "seg", "seg_breast": "seg", "seg_voi_pe": "seg", "seg_voi_breast": "seg"}


@pytest.fixture(scope="module")
def visit(ispy1_dicom: Path) -> StudyRecord:
    (found,) = study.records(read_header(path) for path in ispy1_dicom.rglob("*.dcm"))
    return found


@pytest.fixture(scope="module")
def meaning(visit: StudyRecord) -> study.Meaning:
    return study.meaning(visit)


def test_the_study_is_claimed_and_every_series_has_its_role(
    visit: StudyRecord, meaning: study.Meaning, ispy1_expected: dict[str, Any]
) -> None:
    assert (meaning.collection, meaning.failures) == ("ispy1", ())
    expected = {s["number"]: NAMES.get(s["role"], s["role"]) for s in ispy1_expected["series"]}
    assert {s.number: meaning.roles[s.uid] for s in visit.series} == expected


def test_the_visit_is_baseline_by_its_own_words(visit: StudyRecord) -> None:
    (point,) = study.time_points(PatientRecord(visit.patient_id, (visit,)))
    assert (point.label, point.days, point.evidence) == ("T1", 0, "trial tags: baseline")


def test_three_phases_with_the_verified_times(meaning: study.Meaning, ispy1_expected: dict[str, Any]) -> None:
    expected = ispy1_expected["dynamic"]
    (dynamic,) = meaning.dynamics
    assert [len(p.paths) for p in dynamic.phases] == [60, 60, 60]
    assert [p.start_s for p in dynamic.phases] == expected["phase_start_s_after_injection"]
    assert [p.effective_s for p in dynamic.phases] == pytest.approx(expected["effective_delay_s"])
    assert (dynamic.early, dynamic.late, dynamic.complete, dynamic.remark) == (1, 2, True, "")


def test_the_recorded_rule_box_and_volumes_are_exact(
    visit: StudyRecord, meaning: study.Meaning, ispy1_expected: dict[str, Any]
) -> None:
    found, voi = meaning.recorded, ispy1_expected["voi"]
    assert found is not None
    assert found.source_series_uid == next(s.uid for s in visit.series if s.number == 3)
    assert (found.pe_threshold_percent, found.pre_contrast_threshold, found.minimum_neighbours) == (70, 47, 9)
    assert found.voi_start == tuple(reversed(voi["start_col_row_slice"]))
    assert found.voi_end == tuple(reversed(voi["end_col_row_slice_inclusive"]))
    published = ispy1_expected["published"]
    assert [(p.voxels, p.volume_cc) for p in found.published] == [
        (published["ftv_pe_voxels"], pytest.approx(published["ftv_pe_cc"])),
        (published["ftv_ser_voxels"], pytest.approx(published["ftv_ser_cc"])),
    ]
    assert {k: list(v) for k, v in found.quality.items() if k != "Protocol Compliance"} == {
        k: v for k, v in ispy1_expected["qc"].items() if k != "Protocol Compliance"
    }
    assert found.quality["Protocol Compliance"] == (1.0, "YES")
    assert (found.early, found.late, found.omit) == (1, 2, ())
    assert found.display_ranges == {"SER": (0, 2), "PE": (0, 200)}


def test_the_box_in_millimetres_gives_the_recorded_voxels(visit: StudyRecord, meaning: study.Meaning) -> None:
    found = meaning.recorded
    assert found is not None
    record = private.read(Path(found.masks["SER_VOIMASK"]))
    by_path = {h["path"]: h for s in visit.series for h in s.headers}
    grid = order.grid([by_path[path] for path in meaning.dynamics[0].phases[0].paths])
    assert private.corners(record.boxes[0], grid) == (found.voi_start, found.voi_end)


def test_masks_lie_on_the_images_in_spite_of_half_a_pixel(
    visit: StudyRecord, meaning: study.Meaning, ispy1_expected: dict[str, Any]
) -> None:
    found = meaning.recorded
    assert found is not None
    by_path = {h["path"]: h for s in visit.series for h in s.headers}
    grid = order.grid([by_path[path] for path in meaning.dynamics[0].phases[0].paths])
    numbers = {"SER_MASK": "32000", "PE_MASK": "32001", "SER_VOIMASK": "32100", "PE_VOIMASK": "32101"}
    for label, number in numbers.items():
        mask = masks.read_mask(Path(found.masks[label]), grid)
        held = np.flatnonzero(mask.values.any(axis=(1, 2)))
        expected = ispy1_expected["seg"]
        assert mask.voxels == expected["voxels"][number]
        assert (held[0], held[-1]) == (expected["first_slice"][number], expected["last_slice"][number])
        assert mask.offset_pixels == pytest.approx(0.5, abs=1e-6)


def test_maps_come_in_their_own_units_with_a_fixed_range(visit: StudyRecord, meaning: study.Meaning) -> None:
    found = meaning.recorded
    assert found is not None
    for kind, largest, used in (("SER", 3.0, (0, 1, 2)), ("PE", 310, (0, 1))):
        series = next(s for s in visit.series if s.uid == found.maps[kind])
        volume = maps.read_map([Path(str(h["path"])) for h in series.headers])
        assert volume.values.max() == pytest.approx(largest)
        assert volume.facts["display_range"] == maps.DISPLAY_RANGES[kind]
        assert maps.phases_used(series.headers[0]) == used
