"""Browse: tree, search, board, import line, corrections."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from tests.gui import fakes
from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.modules.browse import strings, tree
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.theme import apply, tokens


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


def test_the_second_trial_counts_its_visits_from_0():
    patient = replace(fakes.cohort()[0], collection="I-SPY 2 (ACRIN 6698)")
    visits = tuple(replace(v, label=label) for v, label in zip(patient.visits, ("T0", "T1", "T3"), strict=False))
    patient = replace(patient, visits=visits)
    assert tree.missing_visits(patient) == ["T2"]
    rows = tree.rows_of([patient]).children[0].children
    assert [row.name.split(" ")[0] for row in rows] == ["T0", "T1", "T2", "T3"]
    assert [row.sign for row in rows] == list(tokens.VISIT_SIGNS)
    assert [row.colour for row in rows] == list(apply.current().visits)


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
    qtbot.waitUntil(lambda: len(panel.board.visits) == 4)
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
    assert panel.skipped.list.model.cell(1, 1) == "three: truncated"
    panel.skipped.close()


def test_skipped_files_are_listed_with_their_reasons_and_searched(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.catalogue.shown_skips = [
        SimpleNamespace(path=f"/disk/{n}.txt", code="dicom.not_dicom", sentence=f"reason {n % 7}") for n in range(3000)
    ]
    panel._show_skipped()
    table = panel.skipped.list
    qtbot.waitUntil(lambda: table.model.rowCount() == 3000)
    QTest.keyClicks(table.line, "2999.txt")
    qtbot.waitUntil(lambda: table.model.rowCount() == 1)
    assert table.model.row(0) == ("/disk/2999.txt", "reason 3")
    panel.skipped.close()


def test_clinical_words_are_words():
    from tumordiff_gui.modules.browse.board import fact_text

    assert (fact_text("pcr", 0), fact_text("hr", 1.0), fact_text("age", 52.0)) == ("no", "yes", "52 y")


def test_clinical_facts_stand_in_the_order_that_decides_and_blanks_are_no_zero():
    from tumordiff_gui.modules.browse.board import told_facts

    facts = {"age": 37.9, "pcr": None, "subtype": "HER2+", "mri_ld_t1": 42, "mri_ld_t2": None, "mri_ld_t4": 0,
             "rfs_days": 751, "laterality": "R", "odd_fact": 3}  # fmt: skip
    told = dict(told_facts(facts))
    assert list(told)[:3] == ["Subtype", "pCR", "Age"]
    assert told["pCR"] == "-" and told["Age"] == "37.9 y" and told["Index tumour"] == "right"
    assert told["Diameter T1/T2/T4"] == "42 / - / 0 mm"
    assert told["Without recurrence"] == "751 days" and told["odd fact"] == "3"


def test_a_side_that_record_and_pictures_dispute_is_said(wiring: Any, panel: Any):
    from PySide6.QtWidgets import QLabel

    catalogue = wiring.context.catalogue
    catalogue.patients = [replace(p, facts={**p.facts, "laterality": "L"}) for p in catalogue.patients]
    panel.refresh()
    wiring.context.desk.select("DEMO-001")
    warned = [w.text() for w in panel.board.findChildren(QLabel) if w.property("role") == "warning"]
    assert warned == [strings.SIDES_DIFFER.format(record="left", pictures="right")]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({}, "MISSING_HINT"), ({"mri_ld_t4": None}, "MISSING_UNMEASURED"), ({"mri_ld_t4": 18}, "MISSING_MEASURED")],
)
def test_the_place_of_a_missing_visit_says_what_the_record_knows(facts: dict[str, Any], expected: str):
    patient = replace(fakes.cohort()[1], facts=facts)
    text = getattr(strings, expected).format(label="T4", diameter="18.0 mm")
    assert tree.missing_reason(patient, "T4") == text
    row = next(r for r in tree.rows_of([patient]).children[0].children if r.kind == "missing")
    assert row.hint == text


@pytest.mark.parametrize(
    ("name", "words", "left"),
    [
        ("missing", "missing:T4", ["DEMO-002"]), ("missing", "missing:", ["DEMO-002"]), ("pcr", "pcr:yes", []),
        ("pcr", "pcr:no", ["DEMO-001", "DEMO-002", "DEMO-003"]), ("result", "result:denoised", ["DEMO-003"]),
        ("result", "without result", ["DEMO-001", "DEMO-002"]),
        ("subtype", 'subtype:"HR+ HER2-"', ["DEMO-001", "DEMO-002", "DEMO-003"]),
    ],
)  # fmt: skip
def test_a_filter_leaves_who_fits(wiring: Any, panel: Any, name: str, words: str, left: list[str]):
    result = SimpleNamespace(patient_id="DEMO-003", study_uid="1.2.3.1", kind="denoised", folder="/x", title="Denoised",
                             created="2026-01-01")  # fmt: skip
    wiring.context.catalogue.shown_results = [result]
    panel.refresh()
    panel.filters.choose_words(name, words)
    assert panel.listed() == left or (not left and panel.nothing.text().startswith(strings.NOTHING_FILTERED))
    assert panel.filters.buttons[name].isChecked() and panel.filters.line.isVisible()
    QTest.mouseClick(panel.filters.clear_button, Qt.MouseButton.LeftButton)
    assert len(panel.listed()) == 3 and not panel.filters.line.isVisible()


def test_the_chosen_patient_stays_in_sight_when_no_filter_lets_it_through(wiring: Any, panel: Any):
    wiring.context.desk.select("DEMO-001")
    panel.filters.choose_words("pcr", "pcr:yes")
    assert panel.listed() == [] and wiring.grid.contents["board"] is panel.board
    wiring.context.desk.select("")
    assert wiring.grid.contents["board"].text == strings.NOTHING_FILTERED


def test_filters_and_typed_words_are_one_question(wiring: Any, panel: Any, monkeypatch: Any):
    asked: list[str] = []
    monkeypatch.setattr(wiring.context.catalogue, "tree", lambda search="": asked.append(search) or [])
    panel.search.setText("DEMO")
    panel.filters.choose_words("vendor", "vendor:siemens")
    panel.filters.choose_words("missing", "missing:T3")
    assert asked[-1] == "DEMO vendor:siemens missing:T3"


def test_the_list_is_put_in_order_and_unknown_values_come_last(wiring: Any, panel: Any):
    catalogue = wiring.context.catalogue
    ages = iter(("061Y", "", "037Y"))
    catalogue.patients = [replace(p, age=next(ages)) for p in catalogue.patients]
    panel.filters.sort_by("age")
    assert panel.listed() == ["DEMO-003", "DEMO-001", "DEMO-002"]
    panel.filters.sort_by("id")
    assert panel.listed() == ["DEMO-001", "DEMO-002", "DEMO-003"]


def test_a_disk_that_is_away_is_named_and_nothing_vanishes(wiring: Any, panel: Any):
    wiring.context.catalogue.shown_roots = [{"path": "/media/stick/ISPY1", "present": False, "kind": "folder"}]
    panel.refresh()
    assert panel.away.isVisible() and panel.away.text() == strings.DISK_AWAY.format(names="ISPY1")
    assert "/media/stick" in panel.away.toolTip() and len(panel.listed()) == 3


def test_what_lies_below_a_patient_is_made_when_it_is_looked_at(panel: Any):
    root = tree.rows_of(fakes.cohort(50))
    assert all(row.has_children and row.below == [] for row in root.children)
    assert len(root.children[7].children) == 4 and root.children[8].below == []


def test_a_series_of_many_parts_is_one_thumbnail(wiring: Any, panel: Any):
    patient = wiring.context.catalogue.patients[0]
    parts = tuple(fakes.PhaseNode(n, f"part {n + 1}", 10, None) for n in range(5))
    diffusion = fakes.SeriesNode("1.2.9", 6, "DWI", "MR", "diffusion", 50, parts)
    visit = replace(patient.visits[0], series=(*patient.visits[0].series, diffusion))
    panel.board.show_patient(replace(patient, visits=(visit,)), [], hide_names=False)
    assert [t.title for t in panel.board.thumbs] == ["pre", "post 1", "post 2", "SER", "diffusion"]


def test_a_study_of_two_patients_is_flagged_in_tree_board_and_list(wiring: Any, panel: Any):
    patient = wiring.context.catalogue.patients[0]
    visit = replace(patient.visits[0], remark="The study holds files of 2 patients.")
    row = tree.rows_of([replace(patient, visits=(visit,))]).children[0].children[0]
    assert row.icon == "alert-outline" and visit.remark in row.hint
    panel.board.show_patient(replace(patient, visits=(visit,)), [], hide_names=False)
    assert visit.remark in [label.text() for label in panel.board.visits[0].findChildren(QLabel)]
    wiring.context.catalogue.shown_doubts = [
        SimpleNamespace(path="A, B: 1.2", code="study.several_patients", sentence=visit.remark)
    ]
    panel._show_skipped()
    assert panel.skipped.list.model.row(0) == ("A, B: 1.2", visit.remark)
    panel.skipped.close()


def test_a_series_in_unequal_parts_says_so_and_shows_its_remark():
    parts = tuple(fakes.PhaseNode(n, f"part {n + 1} axial", 3 + n, None) for n in range(3))
    mixed = fakes.SeriesNode("1.2.9", 6, "T1 3 planes", "MR", "other", 12, parts, remark="3 stacks")
    scout = replace(mixed, uid="1.2.10", role="localizer")
    patient = fakes.cohort(1)[0]
    visit = replace(patient.visits[0], series=(mixed, scout))
    rows = {row.key: row for row in tree.rows_of([replace(patient, visits=(visit,))]).walk()}
    row = rows["s:1.2.9"]
    assert (row.told, row.icon) == ("3 parts", "alert-outline") and "3 stacks" in row.hint
    assert [(c.name, c.told) for c in row.children][1] == ("part 2 axial", "4 slices")
    assert rows["s:1.2.10"].icon != "alert-outline"


def test_a_simulated_series_is_marked_on_its_thumbnail(wiring, qtbot):
    catalogue = wiring.context.catalogue
    first = catalogue.patients[0]
    visit = first.visits[0]
    series = replace(visit.series[0], description="SYNTHETIC Dynamic")
    visit = replace(visit, series=(series, *visit.series[1:]))
    catalogue.patients = [replace(first, visits=(visit, *first.visits[1:])), *catalogue.patients[1:]]
    panel = wiring.panels["browse"]
    panel.refresh()
    wiring.context.desk.select(first.patient_id)
    qtbot.waitUntil(lambda: bool(panel.board.thumbs), timeout=5000)
    marks = {thumb.mark for thumb in panel.board.thumbs if thumb.selection.series_uid == series.uid}
    qtbot.waitUntil(lambda: bool(marks), timeout=5000)
    assert marks == {"SYNTHETIC"}
