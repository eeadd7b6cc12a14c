"""Sentences that a reader meets rarely: each is said by the task that owes it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest

from tests.generators import dicom_base
from tumordiff_core.dicom import pixels
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.errors import InputError, TumorDiffError
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.jobs import worker
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import denoise, reader


class Warnings(Progress):
    """Keeps what it was warned of."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[str] = []

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "warning":
            self.codes.append(fields["code"])


def test_the_reader_names_what_it_is_never_asked_for(home: Path):
    with pytest.raises(InputError) as unknown:
        reader.handle({"op": "sing"})
    assert unknown.value.code == "reader.unknown" and "thumbnail" in unknown.value.sentence


def test_the_reader_without_memory_says_so(home: Path, monkeypatch: pytest.MonkeyPatch):
    def too_much(_request: dict[str, Any]) -> dict[str, Any]:
        raise MemoryError

    monkeypatch.setattr(reader, "limit_memory", lambda: None)
    monkeypatch.setattr(reader, "_phase", too_much)
    with pytest.raises(InputError) as full:
        reader.handle({"op": "phase", "series_uid": "1.2", "phase": 0})
    assert full.value.code == "reader.no_memory"


def test_a_phase_or_mask_that_the_catalogue_does_not_hold_is_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    from tumordiff_core.catalogue import queries

    monkeypatch.setattr(reader, "limit_memory", lambda: None)
    monkeypatch.setattr(queries, "phase_files", lambda uid, phase: [])
    monkeypatch.setattr(queries, "recorded", lambda uid: None)
    with pytest.raises(InputError) as phase:
        reader.handle({"op": "phase", "series_uid": "1.2", "phase": 4})
    assert phase.value.code == "series.no_phase" and "phase 5" in phase.value.sentence
    with pytest.raises(InputError) as mask:
        reader.handle({"op": "mask", "study_uid": "1.2", "label": "SER_MASK"})
    assert mask.value.code == "series.no_mask"


def test_noise_above_what_the_model_learned_is_a_warning():
    told, model, scaling = Warnings(), SimpleNamespace(sigma_range=(0.0, 0.2)), SimpleNamespace(range=100.0)
    for sigma, codes in [(19.0, []), (30.0, ["denoise.out_of_range"])]:
        denoise.warn_out_of_range(model, [SimpleNamespace(sigma=sigma)], scaling, told)  # type: ignore[arg-type,list-item]
        assert told.codes == codes


def test_a_slice_of_another_size_is_named(tmp_path: Path):
    headers = [dict(read_header(path)) for path in dicom_base.series(tmp_path, phases=1, slices=3)]
    headers[1]["Rows"] += 2
    with pytest.raises(InputError) as odd:
        pixels.require_readable(headers)
    assert odd.value.code == "dicom.matrix_differs" and odd.value.path == Path(headers[1]["path"])


def test_a_decoder_that_dies_of_a_file_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dicom_base.series(tmp_path, phases=1, slices=2)
    headers = [read_header(path) for path in sorted(tmp_path.rglob("*.dcm"))]

    def dies(_headers: Any, _wanted: Any) -> Any:
        raise TumorDiffError("jobs.child_gone")

    monkeypatch.setattr(pixels, "_request", lambda header: {})
    monkeypatch.setattr(pixels, "_ask", dies)
    with pytest.raises(InputError) as died:
        pixels._decode(headers)
    assert died.value.code == "dicom.decoder_died"


def test_a_patient_without_three_phases_has_nothing_to_measure(tmp_path: Path, home: Path):
    dicom_base.series(tmp_path / "source", phases=1, slices=4)
    indexed = jobfolder.new_job("index", {"paths": [str(tmp_path / "source")], "processes": 1}, claim=True)
    assert worker.main(indexed, claimed=1) == 0
    patient = str(pydicom.dcmread(next((tmp_path / "source").rglob("*.dcm"))).PatientID)
    measured = jobfolder.new_job("response", {"patient": patient}, claim=True)
    assert worker.main(measured, claimed=1) == 1
    end = jobfolder.end_event(measured, 1)
    assert end is not None and end["code"] == "response.nothing_to_measure"
