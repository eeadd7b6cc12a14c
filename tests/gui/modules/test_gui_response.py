"""Response: table of visits, rule, pictures, job, and the four states."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.gui import fakes
from tumordiff_core import result_folder
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.modules.response import strings, table
from tumordiff_gui.state.slice_view import SliceView
from tumordiff_gui.theme import maps
from tumordiff_gui.views.placeholder import Placeholder

CLASSES = {"(0,0.9]": 100, "(0.9,1]": 50, "(1,1.3]": 200, "(1.3,1.75]": 120, "(1.75,3]": 20, ">3": 10}


def row(rank: int, **changes: Any) -> dict[str, Any]:
    """A measured visit as a result tells it."""
    made: dict[str, Any] = {
        "visit": f"T{rank}", "days": (0, 21, 70, 126)[rank - 1], "study_uid": f"1.2.1.{rank}", "kind": "acquired",
        "series_uids": [f"1.2.1.{rank}.1"], "early": 1, "trouble": "", "rule": "recorded", "ftv_pe_voxels": 500,
        "ftv_pe_cc": 6.0 / rank, "ftv_ser_voxels": 400, "ftv_ser_cc": 5.0 / rank, "published_pe_cc": 5.9 / rank,
        "published_ser_cc": None, "change_percent": None if rank == 1 else 100 * (1 / rank - 1), "longest_mm": 31.25,
        "in_plane_mm": 28.0, "published_ld_mm": 42.0 if rank == 1 else None, "slice_index": 9,
        "washout_percent": 33.0, "plateau_percent": 41.0, "persistent_percent": 26.0, "ser_classes": CLASSES,
        "pe_threshold_percent": 70.0, "pre_contrast_threshold": 47.0, "minimum_neighbours": 9, "ser_threshold": 0.9,
        "voi": [[0, 0, 0], [9, 9, 9]], "geometry": fakes.sagittal().to_record(),
        "arrays": {what: f"{what}_{rank}" for what in ("pe", "ser", "tumour")},
    }  # fmt: skip
    return {**made, **changes}


def write_result(place: Path, rows: list[dict[str, Any]], created: str = "2026-01-02T03:04:05+00:00") -> Path:
    """A response result of DEMO-001."""
    place.mkdir(parents=True)
    tumour = np.zeros(fakes.SHAPE, np.uint8)
    tumour[8:12, 30:50, 40:55] = 1
    for one in rows:
        names = one.get("arrays") or {}
        for what, values in (("pe", fakes.breast(1)), ("ser", fakes.breast(1) / 400), ("tumour", tumour)):
            if what in names:
                result_folder.save_array(
                    place, names[what], values.astype(np.uint8 if what == "tumour" else np.float16)
                )
    facts = {"patient_id": "DEMO-001", "study_uids": [one["study_uid"] for one in rows]}
    record = result_folder.Record(
        kind="response", provenance="derived", facts=facts, figures={"visits": rows}, created=created
    )
    result_folder.finish(place, record)
    return place


def enter(context: Any, folder: Path, **changes: Any) -> None:
    """Put a result into the made-up catalogue."""
    node = SimpleNamespace(
        folder=str(folder), job="", kind="response", title="", created="2026-01-02T03:04:05+00:00",
        study_uid="1.2.1.1", series_uid="", patient_id="DEMO-001", status="",
    )  # fmt: skip
    context.catalogue.shown_results.append(SimpleNamespace(**{**vars(node), **changes}))


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    missing = {"visit": "T4", "days": 126, "study_uid": "1.2.1.4", "kind": "missing", "trouble": "0 phases were found."}
    denoised = row(2, kind="denoised", arrays={})
    return [row(1), row(2), denoised, row(3, rule="assumed", voi=None), missing]


@pytest.fixture
def panel(wiring: Any, rows: list[dict[str, Any]], tmp_path: Path, qtbot: Any) -> Any:
    """The panel with a measured patient."""
    enter(wiring.context, write_result(tmp_path / "result", rows))
    wiring.context.desk.select("DEMO-001")
    wiring.show_module("response")
    shown = wiring.panels["response"]
    qtbot.waitUntil(lambda: all(v.picture is not None and not v.loading for v in shown.views[:3]))
    return shown


def texts(panel: Any, number: int) -> list[str]:
    cells = panel.table.table
    return [cells.item(number, column).text() for column in range(cells.columnCount())]


def test_the_table_has_ours_beside_the_published(panel: Any) -> None:
    first, second, derived = (texts(panel, number) for number in range(3))
    assert first[0].endswith("T1   day 0") and first[1:7] == [
        "acquired", "6.00 cc", "5.90 cc", "-", "31.2 mm", "42.0 mm",
    ]  # fmt: skip
    assert second[4] == "-50 %" and second[6] == "-"
    assert derived[1] == "DERIVED"
    assert first[7] == "33 / 41 / 26" and first[8] == "recorded"


def test_a_visit_that_could_not_be_measured_says_why(panel: Any) -> None:
    assert texts(panel, 4)[2] == "0 phases were found."
    assert panel.table.table.columnSpan(4, 2) == len(strings.COLUMNS) - 2


def test_an_assumed_rule_is_told_by_word_and_sign(panel: Any) -> None:
    assert "⚠" in texts(panel, 3)[8]
    assert strings.RULE_RECORDED in panel.rule_source.text() and strings.RULE_VOI in panel.rule_source.text()
    panel.table.table.setCurrentCell(3, 0)
    assert strings.RULE_ASSUMED in panel.rule_source.text() and strings.RULE_NO_VOI in panel.rule_source.text()
    assert "PE ≥ 70" in panel.rule_text.text() and "9 of 26" in panel.rule_text.text()


def test_a_volume_is_shown_with_its_doubt_where_it_has_one() -> None:
    assert table.cells(row(1, ftv_pe_cc=5.31, ftv_pe_doubt_cc=0.12))[2] == "5.31 ± 0.12 cc"
    assert table.cells(row(1, ftv_pe_cc=5.31))[2] == "5.31 cc"


def test_classes_are_told_in_words_too(panel: Any) -> None:
    told = panel.table.table.item(0, table.BAR_COLUMN).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "1.0-1.3: 40 %" in told and "> 3: 2 %" in told


def test_each_visit_shows_its_tumour_at_its_largest_slice(panel: Any, wiring: Any) -> None:
    shown = [c for c in wiring.context.views.contents.values() if isinstance(c, SliceView)]
    assert shown == panel.views[:3]
    assert [view.slice_index for view in shown] == [9, 9, 9]
    (overlay,) = shown[0].overlays
    assert np.isnan(overlay.values[0]).all() and np.isfinite(overlay.values[9, 40, 50])
    assert overlay.colours is not None and set(overlay.colours) <= {
        0xFF000000 | int(c[1:], 16) for c in maps.SER_COLOURS
    }


def test_visits_are_seen_in_one_window_and_each_at_its_own_place(panel: Any) -> None:
    first, second = panel.views[:2]
    assert first.grey is second.grey and first.place is not second.place
    assert first.grey.window == first.picture.default_window
    panel._maps.button(1).click()
    assert second.grey.window == (100.0, 200.0)


@pytest.mark.parametrize(("number", "legend"), [(1, "PE"), (2, "SER")])
def test_maps_come_from_the_result(panel: Any, number: int, legend: str) -> None:
    panel._maps.button(number).click()
    first = panel.views[0]
    assert first.overlays == () and first.picture.legend == legend
    assert first.picture.provenance == "derived" and first.badge_words() == ("DERIVED",)
    assert first.picture.facts["time_point"] == "T1"


def test_volumes_are_drawn_over_days(panel: Any) -> None:
    lines = {line.name: line.points for line in panel.curve._lines}
    assert lines[strings.OURS] == ((0.0, 6.0), (21.0, 3.0), (70.0, 2.0))
    assert lines[strings.PUBLISHED][0] == (0.0, 5.9) and lines[strings.DENOISED] == ((21.0, 3.0),)


def test_a_row_opens_in_read(panel: Any, wiring: Any, qtbot: Any) -> None:
    panel.table.opened.emit(1)
    qtbot.waitUntil(lambda: wiring.shown == "read")
    assert wiring.context.desk.open.series_uid == "1.2.1.2.1" and wiring.context.desk.open.phase == 1


def test_an_empty_catalogue_leads_to_browse(wiring: Any, qtbot: Any) -> None:
    wiring.context.catalogue.patients = []
    wiring.show_module("response")
    page = wiring.context.views.contents["empty"]
    assert isinstance(page, Placeholder) and not wiring.panels["response"].measure_button.isEnabled()
    page.buttons[0].click()
    assert wiring.shown == "browse"


def started(wiring: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What is asked of the jobs, made as a job folder but not started."""
    asked: list[tuple[str, dict[str, Any]]] = []
    jobs = wiring.context.jobs

    def start(task: str, params: dict[str, Any], *, title: str = "", **_: Any) -> str:
        asked.append((task, params))
        jobs._follow(jobfolder.new_job(task, params, title=title))
        return jobs.all()[0].id

    monkeypatch.setattr(jobs, "start", start)
    return asked


def job_of(panel: Any) -> JobView:
    return panel._context.jobs.job(panel._job)


def test_measuring_starts_a_job_and_shows_its_way(wiring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = started(wiring, monkeypatch)
    wiring.context.desk.select("DEMO-002")
    wiring.show_module("response")
    panel = wiring.panels["response"]
    page = wiring.context.views.contents["empty"]
    assert page.buttons[0].text() == strings.MEASURE
    QTest.mouseClick(page.buttons[0], Qt.MouseButton.LeftButton)
    assert asked == [("response", {"patient": "DEMO-002"})]
    view = job_of(panel)
    view.state, view.stage, view.done, view.total, view.left_s = "running", "measure visits", 1, 4, 6.0
    panel._job_changed(view.id)
    assert panel.running.isVisible() and "measure visits" in panel.running_text.text()
    assert "6 s" in panel.running_text.text() and panel.progress.value() == 250


def test_a_failed_job_says_its_sentence_and_offers_a_way_on(wiring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = started(wiring, monkeypatch)
    wiring.context.desk.select("DEMO-002")
    wiring.show_module("response")
    panel = wiring.panels["response"]
    panel.measure()
    view = job_of(panel)
    view.state, view.sentence = "failed", "No visit could be measured."
    panel._job_ended(view.id, "failed")
    page = wiring.context.views.contents["empty"]
    assert [button.text() for button in page.buttons] == ["Try again", "Details"]
    page.buttons[0].click()
    assert len(asked) == 2


def test_a_finished_job_fills_the_table(
    wiring: Any, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], qtbot: Any
) -> None:
    started(wiring, monkeypatch)
    wiring.context.desk.select("DEMO-001")
    wiring.show_module("response")
    panel = wiring.panels["response"]
    panel.measure()
    view = job_of(panel)
    write_result(view.folder / "result", rows)
    view.state = "done"
    panel._job_ended(view.id, "done")
    assert panel.table.table.rowCount() == 5 and not panel.running.isVisible()
    qtbot.waitUntil(lambda: panel.views[0].picture is not None)


def test_newer_results_and_corrected_visits_make_it_stale(panel: Any, wiring: Any) -> None:
    assert not panel.stale.isVisible()
    enter(wiring.context, panel._result.folder, kind="denoised", study_uid="1.2.1.1", created="2027-01-01T00:00:00")
    panel.refresh()
    assert panel.stale.isVisible() and panel.stale_text.text() == strings.STALE
    wiring.context.catalogue.patients = [
        replace(p, visits=tuple(replace(v, label=f"V{n}") for n, v in enumerate(p.visits)))
        for p in wiring.context.catalogue.patients
    ]
    panel.refresh()
    assert panel.stale_text.text() == strings.STALE_VISITS


def test_a_damaged_result_is_a_sentence_not_a_crash(wiring: Any, tmp_path: Path) -> None:
    place = tmp_path / "broken"
    place.mkdir()
    (place / "result.json").write_text("{}")
    enter(wiring.context, place)
    wiring.context.desk.select("DEMO-001")
    wiring.show_module("response")
    assert isinstance(wiring.context.views.contents["empty"], Placeholder)
    assert "result" in wiring.panels["response"]._trouble


def test_another_theme_colours_the_table_anew(panel: Any, wiring: Any) -> None:
    before = panel.table.table.item(0, 0).foreground().color().name()
    wiring.change_theme()
    wiring.panels["response"].refresh()
    after = panel.table.table.item(0, 0).foreground().color().name()
    wiring.change_theme()
    assert before != after


def test_choosing_a_patient_moves_the_desk(panel: Any, wiring: Any) -> None:
    panel.patient_box.setCurrentIndex(1)
    panel.patient_box.activated.emit(1)
    assert wiring.context.desk.selection.patient_id == "DEMO-002"
    assert panel.rows == [] and isinstance(wiring.context.views.contents["empty"], Placeholder)
