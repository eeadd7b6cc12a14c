"""The job ``index``: what it reports, leaves behind and refuses."""

import csv
import json
from pathlib import Path

import pytest

from tests.generators import dicom_base
from tumordiff_core.catalogue import queries
from tumordiff_core.jobs import events, folder, worker


def index(*paths: Path, **more: object) -> Path:
    job = folder.new_job("index", {"paths": [str(p) for p in paths], **more})
    worker.main(job)
    return job


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    dicom_base.series(tmp_path / "disk" / "dynamic")
    (tmp_path / "disk" / "notes.txt").write_text("no image " * 30)
    (tmp_path / "disk" / "empty.dcm").write_bytes(b"")
    return tmp_path / "disk"


def test_it_counts_and_lists_what_it_skipped(home: Path, disk: Path):
    job = index(disk)
    assert folder.state(job) == "done"
    record = json.loads((job / "result" / "result.json").read_text("utf-8"))
    assert record["kind"] == "index"
    figures = record["figures"]
    assert figures["seen"] == figures["indexed"] + figures["copies"] + figures["skipped"] == 32
    with (job / "result" / "tables" / "skipped.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(Path(r["path"]).name, r["code"]) for r in rows} == {
        ("notes.txt", "dicom.not_dicom"),
        ("empty.dcm", "dicom.empty_file"),
    }
    assert all(r["sentence"].endswith(".") for r in rows)
    told = events.read_all(job)
    assert [e["code"] for e in told if e["kind"] == "warning"] == ["dicom.empty_file"]
    assert any(e["kind"] == "progress" and e["stage"] == "read headers" and e["total"] == 32 for e in told)
    assert [r.kind for r in queries.results()] == ["index"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "series.empty_folder"),
        ({"a.txt": b"text " * 100, "b.txt": b"more " * 100}, "series.no_dicom"),
        ({"a.dcm": b"", "b.txt": b"more " * 100}, "index.nothing_usable"),
    ],
)
def test_nothing_usable_ends_with_a_sentence(home: Path, tmp_path: Path, files: dict[str, bytes], code: str):
    place = tmp_path / "disk"
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    job = index(place)
    assert folder.state(job) == "failed"
    end = events.read_all(job)[-1]
    assert end["code"] == code and len(end["sentence"].split()) <= 30
    assert not (job / "result").exists() and not (job / "result.part").exists()


def test_headers_are_read_in_several_processes(home: Path, disk: Path):
    job = index(disk, processes=2)
    assert folder.state(job) == "done"
    series = queries.tree()[0].visits[0].series[0]
    assert (series.files, [p.slices for p in series.phases]) == (30, [10, 10, 10])


def test_a_result_that_ended_unseen_is_found_and_a_deleted_one_forgotten(home: Path, disk: Path):
    import shutil

    index(disk)
    visit = queries.tree()[0].visits[0]
    job = folder.new_job("denoise", {})
    (job / "result").mkdir()
    facts = {"study_uid": visit.study_uid, "patient_id": "BASE_1"}
    found = [{"level": "note"}, {"level": "confirm"}]
    (job / "result" / "result.json").write_text(json.dumps(
        {"format": 1, "kind": "denoised", "title": "Denoised", "created": "2026-01-01", "facts": facts,
         "series_uids": ["1.2"], "findings": found}))  # fmt: skip
    queries.look_again()
    (result,) = queries.results(visit.study_uid)
    assert (result.kind, result.series_uid, result.status) == ("denoised", "1.2", "confirm")
    assert [p.patient_id for p in queries.tree("result:denoised")] == ["BASE_1"]
    shutil.rmtree(job)
    assert queries.results(visit.study_uid) == []
