"""The export job: what is refused, what is asked, what is kept of the answer, and that nothing half-written stays."""

import json
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.generators import denoised, dicom_base
from tumordiff_core.dicom import stack
from tumordiff_core.errors import InputError, MissingError, PluginError, UnsupportedError
from tumordiff_core.jobs import events, worker
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Finding
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import Result, open_result
from tumordiff_core.tasks import export
from tumordiff_core.tasks.export import ExportParams

MOVED = Finding("confirm", "export.tumour_reshaped", {"dice": "0.900", "limit": "0.96"})


class Gate:
    """A gate of a stranger, asked like our own."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = list(findings)

    @hookimpl
    def check_export(self, result: Any, exporter: str, options: Any) -> list[Finding]:
        return self.findings


@pytest.fixture
def result(tmp_path: Path, home: Path) -> Result:
    dicom_base.series(tmp_path / "source", phases=3, slices=4)
    volume = stack.open_folder(tmp_path / "source")
    return denoised.make(tmp_path / "result", volume, volume.values.astype("float32"), levels=[denoised.GIVEN] * 3)


def params(made: Result, tmp_path: Path, **more: Any) -> ExportParams:
    return ExportParams(**{"result": str(made.folder), "to": str(tmp_path / "out"), **more})


def gate(*findings: Finding) -> None:
    manager.door().add("stranger", Gate(*findings))


def test_refusal_of_any_gate_ends_it(result: Result, tmp_path: Path) -> None:
    gate(MOVED, Finding("refuse", "export.not_acquired", {"found": "mask"}))
    with pytest.raises(UnsupportedError) as caught:
        export.write_result(params(result, tmp_path, yes=True), Progress())
    assert caught.value.code == "export.not_acquired"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("answer", [{}, {"confirmed": ["export.ftv_moved"]}])
def test_question_without_its_answer_ends_it_with_a_sentence(
    result: Result, tmp_path: Path, answer: dict[str, Any]
) -> None:
    gate(MOVED)
    with pytest.raises(UnsupportedError) as caught:
        export.write_result(params(result, tmp_path, **answer), Progress())
    assert caught.value.code == MOVED.code
    assert "--yes" in caught.value.sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("answer", "by"), [({"yes": True}, "yes"), ({"confirmed": ["export.tumour_reshaped"]}, "hand")]
)
def test_what_was_confirmed_stands_in_job_and_header(
    result: Result, tmp_path: Path, answer: dict[str, Any], by: str
) -> None:
    gate(MOVED)
    folder = jobs.new_job("export", params(result, tmp_path, **answer).model_dump())
    assert worker.main(folder) == 0
    record = open_result(folder / "result").record
    (finding,) = [f for f in record.findings if f["level"] == "confirm"]
    assert (finding["code"], finding["confirmed"], finding["answered_by"]) == (MOVED.code, True, by)
    assert record.facts["confirmed"] == ["the tumor masks before and after overlap by 0.900"]
    data = pydicom.dcmread(next((tmp_path / "out").glob("*.dcm")))
    assert "Confirmed by the exporting user: the tumor masks before and after overlap by 0.900" in (
        data.DerivationDescription
    )
    warnings = [e for e in events.read_all(folder) if e["kind"] == "warning"]
    assert [e["code"] for e in warnings] == [MOVED.code]


def test_unanswered_question_fails_the_job_and_leaves_nothing(result: Result, tmp_path: Path) -> None:
    gate(MOVED)
    folder = jobs.new_job("export", params(result, tmp_path).model_dump())
    assert worker.main(folder) == 1
    assert "--yes" in str(jobs.failure(folder))
    assert not (folder / "result").exists()
    assert not (tmp_path / "out").exists()


def test_gate_that_raises_is_a_refusal(result: Result, tmp_path: Path) -> None:
    class Raising:
        @hookimpl
        def check_export(self, result: Any, exporter: str, options: Any) -> list[Finding]:
            raise RuntimeError("broken")

    manager.door().add("stranger", Raising())
    with pytest.raises(UnsupportedError) as caught:
        export.write_result(params(result, tmp_path, yes=True), Progress())
    assert "stranger" in caught.value.sentence


def test_result_is_of_kind_export_and_whole(result: Result, tmp_path: Path) -> None:
    folder = jobs.new_job("export", params(result, tmp_path, yes=True).model_dump())
    assert worker.main(folder) == 0
    made = open_result(folder / "result")
    made.check_files()
    assert (made.record.kind, made.record.provenance) == ("export", "derived")
    assert made.record.figures["files"] == 12
    assert made.record.facts["patient_id"] == "BASE_1"
    assert [source.sop_uid for source in made.record.sources] == [s.sop_uid for s in result.record.sources]


def test_result_is_found_by_job_and_by_the_end_of_its_name(result: Result, tmp_path: Path) -> None:
    folder = jobs.new_job("denoise", {})
    result.folder.rename(folder / "result")
    for number, name in enumerate((folder.name, folder.name[-4:], str(folder), str(folder / "result"))):
        assert export.write_result(
            ExportParams(result=name, to=str(tmp_path / f"out{number}"), yes=True), Progress()
        )  # fmt: skip


def test_target_that_is_there_is_refused_and_untouched(result: Result, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError) as caught:
        export.write_result(params(result, tmp_path, yes=True), Progress())
    assert caught.value.code == "files.exists"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"result": "nothing-like-it"}, MissingError, "jobs.unknown"),
        ({"as_": "banana"}, PluginError, "plugins.unknown"),
        ({"options": {"running_number": 0}}, InputError, "plugins.bad_params"),
    ],
)
def test_impossible_request_is_one_sentence(
    result: Result, tmp_path: Path, change: dict[str, Any], error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as caught:
        export.write_result(params(result, tmp_path, yes=True, **change), Progress())
    assert caught.value.code == code  # type: ignore[attr-defined]


def test_stop_while_writing_leaves_nothing(result: Result, tmp_path: Path) -> None:
    folder = jobs.new_job("export", params(result, tmp_path, yes=True).model_dump())
    (folder / "stop").write_text("step")

    class Stopping(Progress):
        def asked_to_stop(self) -> str:
            return "step"

    with pytest.raises(Exception, match="stopped"):
        export.write_result(params(result, tmp_path, yes=True), Stopping())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "result", "source"]


def test_service_answers_findings_and_header_before_anything_is_written(result: Result, tmp_path: Path) -> None:
    gate(MOVED)
    reply = json.loads(json.dumps(export.handle(params(result, tmp_path).model_dump())))
    assert MOVED.code in [finding["code"] for finding in reply["findings"]]
    assert ["SeriesNumber", "3", "3001"] in reply["header"]
    assert not (tmp_path / "out").exists()


def test_service_shows_no_header_after_a_refusal(result: Result, tmp_path: Path) -> None:
    gate(Finding("refuse", "own.code", {"sentence": "Not today."}))
    reply = export.handle(params(result, tmp_path).model_dump())
    assert reply["header"] == []
    assert "Not today." in [finding["sentence"] for finding in reply["findings"]]
