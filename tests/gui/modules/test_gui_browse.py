"""Browse: tree, search, board, import line, corrections."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.gui import fakes
from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.modules.browse import strings, tree
from tumordiff_gui.state.desk import Selection


@pytest.fixture
def panel(wiring: Any) -> Any:
    return wiring.panels["browse"]


def keys(row: tree.Row) -> list[str]:
    return [child.name for child in row.children]


def test_the_tree_is_patient_visit_series_phase():
    root = tree.rows_of(fakes.cohort())
    patient = root.children[0]
    visit = patient.children[0]
    assert patient.name == "DEMO-001" and visit.name == "T1   day 0" and visit.detail == "(tag)"
    assert keys(visit) == ["DCE   DCE T1 fat-sat", "SER", "localizer"]
    assert keys(visit.children[0]) == ["pre", "post 1", "post 2"]
    assert visit.children[0].detail == "3 × 24"


def test_a_missing_visit_has_a_row_of_its_own():
    second = tree.rows_of(fakes.cohort()).children[1]
    assert second.children[-1].kind == "missing" and second.children[-1].name == "T4"


def test_a_gap_is_shown_for_collections_without_a_protocol():
    patient = replace(fakes.cohort()[0], collection="clinic")
    gap = replace(patient, visits=(patient.visits[0], patient.visits[2]))
    assert tree.missing_visits(gap) == ["T2"]


def test_files_that_are_away_say_so():
    patient = fakes.cohort()[0]
    away = replace(patient.visits[0].series[0], present=False)
    visit = replace(patient.visits[0], series=(away,))
    row = tree.rows_of([replace(patient, visits=(visit,))]).children[0].children[0].children[0]
    assert row.detail == strings.AWAY and row.hint == strings.AWAY_HINT


def test_search_filters_as_the_reader_types_and_says_when_nothing_fits(panel: Any, qtbot: Any):
    panel.search.setFocus()
    QTest.keyClicks(panel.search, "DEMO-002")
    qtbot.waitUntil(lambda: panel.listed() == ["DEMO-002"])
    panel.search.clear()
    QTest.keyClicks(panel.search, "zebra")
    qtbot.waitUntil(lambda: panel.nothing.isVisible())
    assert "zebra" in panel.nothing.text()


def test_an_empty_catalogue_shows_one_way_on(wiring: Any, panel: Any):
    wiring.context.catalogue.patients = []
    panel.refresh()
    assert panel.empty.isVisible() and panel.empty.buttons[0].text() == strings.IMPORT_FOLDER


def test_rows_arrive_without_moving_selection_or_what_is_open(wiring: Any, panel: Any):
    wiring.context.desk.select("DEMO-002", "1.2.2.1")
    panel.tree.setExpanded(panel.model.index_of("p:DEMO-002"), True)
    wiring.context.catalogue.patients = [*fakes.cohort(4), *fakes.cohort(0)]
    panel.refresh()
    assert len(panel.listed()) == 4
    assert panel._current_key() == "v:1.2.2.1"
    assert panel.tree.isExpanded(panel.model.index_of("p:DEMO-002"))


def test_the_board_shows_every_visit_and_the_place_of_the_missing_one(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.desk.select("DEMO-002")
    assert len(panel.board.visits) == 4
    assert len(panel.board.thumbs) == 3 * 4
    qtbot.waitUntil(lambda: all(t.image is not None for t in panel.board.thumbs))
    assert {t.mark for t in panel.board.thumbs} == {"", "DERIVED"}


def test_a_thumbnail_that_cannot_be_made_says_why(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.warm.failing = "one sentence"
    wiring.context.desk.select("DEMO-003")
    qtbot.waitUntil(lambda: all(t.toolTip() == "one sentence" for t in panel.board.thumbs))


def test_a_double_click_on_a_thumbnail_opens_it_in_read(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.desk.select("DEMO-001")
    thumb = panel.board.thumbs[1]
    QTest.mouseDClick(thumb, Qt.MouseButton.LeftButton)
    assert wiring.shown == "read"
    assert wiring.context.desk.open == Selection("DEMO-001", "1.2.1.1", "1.2.1.1.1", 1)


def test_a_double_click_on_a_phase_in_the_tree_opens_it(wiring: Any, panel: Any, qtbot: Any):
    panel.tree.expandAll()
    index = panel.model.index_of("f:1.2.1.1.1:2")
    panel.tree.scrollTo(index)
    at = panel.tree.visualRect(index).center()
    QTest.mouseClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseDClick(panel.tree.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert wiring.shown == "read" and wiring.context.desk.open.phase == 2


def test_a_corrected_visit_is_undone_and_redone(wiring: Any, panel: Any, qtbot: Any):
    visit = wiring.context.catalogue.visit("1.2.1.2")
    panel.edit_visit(visit)
    panel.dialogue.label.setCurrentText("T3")
    panel.dialogue.days.setValue(64)
    panel.dialogue.accept()
    assert wiring.context.catalogue.visit("1.2.1.2").label == "T3"
    wiring.do_undo()
    assert wiring.context.catalogue.visit("1.2.1.2").days == 21
    wiring.do_redo()
    assert wiring.context.catalogue.visit("1.2.1.2").days == 64


def test_the_import_line_counts_and_names_what_was_left_out(wiring: Any, panel: Any, monkeypatch: Any):
    record = SimpleNamespace(id="j", task="index", title="Import x", params={})
    view = JobView(folder=None, record=record, state="running", stage="headers", done=12400, total=18022)
    view.warnings = ["two.txt: not DICOM", "three: truncated"]
    monkeypatch.setattr(wiring.context.jobs, "job", lambda job_id: view)
    monkeypatch.setattr(wiring.context.jobs, "has", lambda job_id: True)
    panel._job_changed("j")
    assert panel.import_text.text() == "importing  12,400 of 18,022 files   2 skipped"
    QTest.mouseClick(panel.why, Qt.MouseButton.LeftButton)
    assert "truncated" in wiring.dialogue.text.toPlainText()
    wiring.dialogue.close()


def test_clinical_words_are_words():
    from tumordiff_gui.modules.browse.board import fact_text

    assert (fact_text("pcr", 0), fact_text("hr", 1.0), fact_text("age", 52.0)) == ("no", "yes", "52")
