"""Read: opening, phases, layouts, overlays, tags."""

import time
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tumordiff_gui.modules.read.tags import Tags, TagViewer
from tumordiff_gui.state.desk import Selection

OPEN = Selection("DEMO-001", "1.2.1.1", "1.2.1.1.1", 0)


@pytest.fixture
def panel(wiring: Any, qtbot: Any) -> Any:
    wiring.panels["browse"].open(OPEN)
    panel = wiring.panels["read"]
    qtbot.waitUntil(lambda: panel.views["native"].picture is not None)
    qtbot.waitUntil(lambda: all(wiring.context.pictures.kept(OPEN.series_uid, k) for k in range(3)))
    return panel


def test_nothing_open_shows_the_way_to_browse(wiring: Any):
    wiring.show_module("read")
    button = wiring.grid.widget_of("empty").buttons[0]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert wiring.shown == "browse"


def test_three_views_of_one_phase_share_the_position(wiring: Any, panel: Any):
    widgets = wiring.grid.slice_widgets()
    assert [w.model.plane.name for w in widgets] == ["sagittal", "axial", "coronal"]
    widgets[1].model.scroll(5)
    assert len({w.model.place.position_mm for w in widgets}) == 1


def test_one_window_for_all_phases_from_the_first_post_contrast_phase(wiring: Any, panel: Any):
    post = wiring.context.pictures.kept(OPEN.series_uid, 1)
    assert panel.views["native"].grey.window == post.default_window
    panel.show_phase(2)
    assert panel.views["native"].grey.window == post.default_window


def test_the_old_picture_stays_until_the_new_phase_is_there(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.pictures.forget()
    old = panel.views["native"].picture
    panel.show_phase(1)
    assert panel.views["native"].picture is old and panel.views["native"].loading
    qtbot.waitUntil(lambda: panel.views["native"].picture is not old)
    assert panel.views["native"].loading == ""


def test_the_last_wanted_phase_wins(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.pictures.forget()
    for phase in (1, 0, 2):
        panel.show_phase(phase)
    qtbot.waitUntil(lambda: panel.views["native"].picture.facts["phase"] == 2)
    assert panel._phases.checkedId() == 2


def test_right_arrow_is_the_next_phase_and_page_down_the_next_visit(wiring: Any, panel: Any, qtbot: Any):
    wiring.grid._entered(wiring.grid.widget_of("native"))
    wiring.actions.trigger("phase.after")
    qtbot.waitUntil(lambda: panel.views["native"].picture.facts["phase"] == 1)
    wiring.actions.trigger("visit.after")
    qtbot.waitUntil(lambda: panel.views["native"].picture.facts["time_point"] == "T2")
    assert panel.views["native"].picture.facts["phase"] == 1
    wiring.actions.trigger("visit.9")
    assert "T9" in wiring.window.status.said.text()


def test_a_derived_map_keeps_its_fixed_range_and_its_badge(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.desk.open_phase(Selection("DEMO-001", "1.2.1.1", "1.2.1.1.2", 0))
    qtbot.waitUntil(lambda: panel.views["native"].picture.provenance == "derived")
    assert panel.views["native"].grey.window == (1.0, 2.0)
    assert panel.views["native"].badge_words() == ("DERIVED",)
    assert panel.views["native"].picture.colours is not None
    assert not wiring.grid.widget_of("native").grab().isNull()


def test_a_mask_is_shown_by_its_eye_and_hidden_by_a_key(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.catalogue.recorded_masks = {"SER_MASK": "x"}
    panel._list_overlays()
    eye = panel._overlay_box.itemAt(0).widget().findChildren(type(panel.tags_button).__mro__[1])[0]
    QTest.mouseClick(eye, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(panel.views["native"].overlays) == 1)
    assert all(len(v.overlays) == 1 for v in panel.views.values())
    wiring.grid._entered(wiring.grid.widget_of("native"))
    wiring.actions.trigger("view.mask")
    assert panel.views["native"].overlays[0].shown is False


def test_a_reader_that_fails_says_one_sentence_and_tries_again(wiring: Any, panel: Any, qtbot: Any):
    wiring.context.pictures.forget()
    wiring.context.warm.failing = "the disk is away; a connected disk was expected; connect it"
    panel.show_phase(1)
    qtbot.waitUntil(lambda: panel.views["native"].trouble != "")
    wiring.context.warm.failing = ""
    again = wiring.grid.widget_of("native").notice.again
    QTest.mouseClick(again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.views["native"].trouble == "")


def test_tags_of_the_slice_are_listed_and_searched(wiring: Any, panel: Any, qtbot: Any):
    panel.show_tags()
    viewer = panel._tags
    qtbot.waitUntil(lambda: viewer.model.total == 502)
    QTest.keyClicks(viewer.line, "modal mr")
    qtbot.waitUntil(lambda: viewer.model.rowCount() == 1)
    assert viewer.model.row(0)[3] == "Modality"
    viewer.close()


def test_a_hundred_thousand_tags_are_searched_within_a_frame_or_few(qtbot: Any):
    model = Tags()
    rows = [(0, f"(0008,{n % 65536:04X})", "LO", f"Keyword{n}", f"value {n * 7}") for n in range(100_000)]
    model.set_rows(rows)
    began = time.perf_counter()
    for query in ("k", "ke", "keyword9999", "keyword99999"):
        model.search(query)
    assert model.rowCount() == 1
    assert (time.perf_counter() - began) / 4 < 0.1


def test_a_shorter_query_brings_rows_back(qtbot: Any):
    viewer = TagViewer()
    qtbot.addWidget(viewer)
    viewer.show_rows("x", [[0, "(0008,0060)", "CS", "Modality", "MR"], [0, "(0020,0060)", "CS", "Laterality", "R"]])
    viewer.model.search("lateral")
    assert viewer.model.rowCount() == 1
    viewer.model.search("")
    assert viewer.model.rowCount() == 2
    viewer.model.search("00200060")
    assert viewer.model.row(0)[3] == "Laterality"


def test_twenty_studies_opened_and_closed_leave_no_views_behind(wiring: Any, panel: Any, qtbot: Any):
    from PySide6.QtWidgets import QApplication

    from tumordiff_gui.views.slice_view import SliceWidget

    def live() -> int:
        return sum(isinstance(w, SliceWidget) for w in QApplication.allWidgets())

    before = live()
    for number in range(20):
        wiring.show_module("browse")
        wiring.panels["browse"].open(Selection("DEMO-001", f"1.2.1.{number % 4 + 1}", f"1.2.1.{number % 4 + 1}.1", 0))
    qtbot.waitUntil(lambda: live() <= before)
