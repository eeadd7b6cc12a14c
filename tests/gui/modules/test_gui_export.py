"""Export: result and kind, header beside its source, remarks to confirm, writing, report, and the four states."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtGui import QDesktopServices

from tumordiff_core import result_folder
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_gui.modules.export import strings
from tumordiff_gui.views.placeholder import Placeholder

MOVED = {
    "level": "confirm", "code": "export.ftv_moved", "fields": {}, "remark": "moved",
    "sentence": "Tumor volume moved from 5.31 to 5.60 cc (+5.5 %).",
}  # fmt: skip
NOTE = {"level": "note", "code": "export.no_voi", "fields": {}, "remark": "no box", "sentence": "No box is recorded."}
REFUSED = {"level": "refuse", "code": "export.not_acquired", "fields": {}, "remark": "map", "sentence": "It is a map."}
HEADER = [
    ["ImageType", "ORIGINAL\\PRIMARY", "DERIVED\\SECONDARY\\OTHER\\DENOISED"],
    ["PatientID", "DEMO-001", "DEMO-001"],
]
FTV = {"ftv_before_cc": 5.31, "ftv_after_cc": 5.28}


def write_result(place: Path, kind: str = "denoised", **fields: Any) -> Path:
    """A result folder of DEMO-001 with a record only."""
    place.mkdir(parents=True)
    facts = {"patient_id": "DEMO-001", "time_point": "T1", **fields.pop("facts", {})}
    record = result_folder.Record(
        kind=kind, provenance="derived", facts=facts, created="2026-01-02T03:04:05+00:00", **fields
    )
    result_folder.finish(place, record)
    return place


def enter(context: Any, folder: Path, title: str = "Denoised DCE T1") -> None:
    """Put a result into the made-up catalogue."""
    context.catalogue.shown_results.append(SimpleNamespace(
        folder=str(folder), job="", kind="denoised", title=title, created="2026-01-02T03:04:05+00:00",
        study_uid="1.2.1.1", series_uid="", patient_id="DEMO-001", status="",
    ))  # fmt: skip


def answers(context: Any, *findings: dict[str, Any], header: list[list[str]] = HEADER) -> None:
    """What the check will say from now on."""
    context.warm.check = lambda body: {"findings": list(findings), "header": header, "figures": FTV, "title": ""}


@pytest.fixture
def panel(wiring: Any, tmp_path: Path, qtbot: Any) -> Any:
    """The panel with one result, checked without a remark, its target in the temporary folder."""
    enter(wiring.context, write_result(tmp_path / "result"))
    answers(wiring.context)
    wiring.show_module("export")
    shown = wiring.panels["export"]
    qtbot.waitUntil(lambda: shown._checked)
    shown.target.setText(str(tmp_path / "out"))
    shown._target_edited()
    return shown


def recheck(panel: Any, qtbot: Any, *findings: dict[str, Any], header: list[list[str]] = HEADER) -> None:
    answers(panel._context, *findings, header=header)
    panel.check()
    qtbot.waitUntil(lambda: panel._checking is None)


@pytest.fixture
def held(panel: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The parameters of every job that is started; no worker runs."""
    started: list[dict[str, Any]] = []
    jobs = panel._context.jobs

    def start(task: str, params: dict[str, Any], *, title: str = "") -> str:
        started.append({"task": task, "title": title, **params})
        jobs._follow(jobfolder.new_job(task, params, title=title))
        return str(jobs.all()[0].id)

    monkeypatch.setattr(jobs, "start", start)
    return started


def texts(panel: Any) -> list[list[str]]:
    table = panel.preview.table
    return [[table.item(row, column).text() for column in range(3)] for row in range(table.rowCount())]


def test_without_a_result_it_shows_the_way_on(wiring: Any) -> None:
    wiring.show_module("export")
    shown = wiring.context.views.contents["export"]
    assert isinstance(shown, Placeholder)
    shown.buttons[0].click()
    assert wiring.shown == "denoise"


def test_header_stands_beside_its_source_and_changes_are_bold(panel: Any) -> None:
    assert texts(panel) == HEADER
    assert panel.preview.table.item(0, 2).font().bold() or panel.preview.table.item(0, 2).font().weight() >= 600
    assert panel.preview.table.item(1, 2).font().weight() < 600
    assert panel._context.views.contents["export"] is panel.preview


def test_nothing_to_ask_can_be_written(panel: Any, held: list[dict[str, Any]], tmp_path: Path) -> None:
    assert panel.write_button.isEnabled()
    panel.write_button.click()
    (job,) = held
    assert (job["task"], job["as_"], job["to"]) == ("export", "dicom", str(tmp_path / "out"))
    assert job["result"] == str(tmp_path / "result")
    assert job["options"] == {"running_number": 1, "keep_private": []}
    assert job["confirmed"] == []
    assert "yes" not in job
    assert not panel.write_button.isEnabled()
    assert panel.write_button.toolTip() == strings.WHY_RUNNING


def test_question_must_be_ticked_and_goes_into_the_job(panel: Any, held: list[dict[str, Any]], qtbot: Any) -> None:
    recheck(panel, qtbot, MOVED, NOTE)
    assert panel.write_button.toolTip() == strings.WHY_UNANSWERED
    panel.remarks.ticks[MOVED["code"]].click()
    assert panel.write_button.isEnabled()
    panel.write_button.click()
    assert held[0]["confirmed"] == [MOVED["code"]]


def test_tick_does_not_survive_another_figure(panel: Any, qtbot: Any) -> None:
    recheck(panel, qtbot, MOVED)
    panel.remarks.ticks[MOVED["code"]].click()
    recheck(panel, qtbot, MOVED)
    assert panel.remarks.confirmed == [MOVED["code"]]
    recheck(panel, qtbot, {**MOVED, "sentence": "Tumor volume moved from 5.31 to 9.99 cc."})
    assert panel.remarks.confirmed == []


def test_refusal_ends_it(panel: Any, qtbot: Any) -> None:
    recheck(panel, qtbot, REFUSED, MOVED, header=[])
    assert not panel.write_button.isEnabled()
    assert panel.write_button.toolTip() == strings.WHY_REFUSED
    assert panel.preview.nothing.text() == strings.REFUSED


def test_failed_check_says_why_and_tries_again(panel: Any, qtbot: Any) -> None:
    panel._context.warm.failing = "The background reader gave no answer."
    panel.check()
    qtbot.waitUntil(lambda: bool(panel._trouble))
    assert panel.trouble.isVisible()
    assert not panel.write_button.isEnabled()
    panel._context.warm.failing = ""
    recheck(panel, qtbot)
    assert panel.write_button.isEnabled()
    assert not panel.trouble.isVisible()


def test_loading_and_stale_are_shown(panel: Any, qtbot: Any) -> None:
    panel._context.warm.held_ops.add("check")
    panel.form.editor("running_number").box.setValue(2)
    assert panel.preview.state.text() == strings.STALE
    assert panel.write_button.toolTip() == strings.WHY_CHECKING
    qtbot.waitUntil(lambda: panel._checking is not None)
    assert panel._context.warm.asked[-1]["options"]["running_number"] == 2


def test_each_kind_has_its_own_form_and_target(panel: Any, qtbot: Any) -> None:
    panel._target_typed = False
    panel.kind_box.setCurrentIndex(panel.kind_box.findData("nifti"))
    panel.kind_box.activated.emit(panel.kind_box.currentIndex())
    assert set(panel.form.values()) >= {"array", "file_name"}
    assert "nifti" in panel.target.text()
    qtbot.waitUntil(lambda: panel._checked)
    assert panel._context.warm.asked[-1]["as_"] == "nifti"


def test_target_that_is_taken_is_named_before_anything_starts(panel: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    panel._show_button()
    assert not panel.write_button.isEnabled()
    assert "is already there" in panel.target_trouble.text()


def written(tmp_path: Path, **fields: Any) -> Path:
    figures = {
        "files": 180, "bytes": 24_191_418, "half_step": 0.169,
        "readers": {
            "tumordiff": {"value_difference": 0.169, "geometry_difference_mm": 0.0},
            "SimpleITK": {"value_difference": 0.168, "geometry_difference_mm": 0.00001},
        },
        "validator": "dciodvfy", "validator_errors": [], "validator_warnings": ["Warning - one"], **fields,
    }  # fmt: skip
    (tmp_path / "out").mkdir(exist_ok=True)
    facts = {"to": str(tmp_path / "out"), "confirmed": ["moved"]}
    return write_result(tmp_path / "exported", kind="export", figures=figures, facts=facts)


def end(panel: Any, state: str, result: Path | None = None, sentence: str = "") -> None:
    view = panel._own()
    view.state, view.sentence = state, sentence
    if result is not None:
        result.rename(view.folder / "result")
    panel._context.jobs.ended.emit(view.id, state)


def test_report_is_shown_after_writing(
    panel: Any, held: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.write_button.click()
    end(panel, "done", written(tmp_path))
    assert panel.preview.report.isVisible()
    told = panel.preview.lines.text()
    for words in (
        "180 files, 24.2 MB",
        "geometry 0.0000 mm",
        "0.169",
        "FTV 5.31 → 5.28 cc",
        "0 errors, 1 warnings",
        "moved",
    ):
        assert words in told
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    panel.preview.folder_button.click()
    assert opened == [str(tmp_path / "out")]
    details: list[str] = []
    panel._context.show_details = lambda title, text: details.append(text)
    panel.preview.list_button.click()
    assert "Warning - one" in details[0]


def test_failed_job_says_its_sentence(panel: Any, held: list[dict[str, Any]]) -> None:
    panel.write_button.click()
    end(panel, "failed", sentence="out is already there; choose another target.")
    assert panel.trouble.text() == "out is already there; choose another target."
    assert not panel.preview.report.isVisible()


def test_export_result_opened_from_elsewhere_shows_its_report(panel: Any, tmp_path: Path) -> None:
    panel._context.desk.choose_result(written(tmp_path))
    assert panel.preview.report.isVisible()


def test_result_chosen_elsewhere_is_taken(wiring: Any, tmp_path: Path, qtbot: Any) -> None:
    for name in ("first", "second"):
        enter(wiring.context, write_result(tmp_path / name), title=name)
    answers(wiring.context)
    wiring.context.desk.result = tmp_path / "second"
    wiring.show_module("export")
    shown = wiring.panels["export"]
    assert shown.folder == tmp_path / "second"
    qtbot.waitUntil(lambda: shown._checked)
