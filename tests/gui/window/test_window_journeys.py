"""The whole window: modules, keys, palette, history, research use."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QCursor, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel

from tests.gui.hands import drag
from tumordiff_core import paths, settings
from tumordiff_gui import actions, main, words
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.state.undo import Command
from tumordiff_gui.theme import apply
from tumordiff_gui.window.keys import key_text

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
OPEN = Selection("DEMO-001", "1.2.1.1", "1.2.1.1.1", 1)


@pytest.fixture
def reading(wiring: Any, qtbot: Any) -> Any:
    """The window with a phase open in read."""
    wiring.panels["browse"].open(OPEN)
    qtbot.waitUntil(lambda: wiring.panels["read"].views["native"].picture is not None)
    return wiring


def hover(wiring: Any, name: str = "native") -> Any:
    widget = wiring.grid.widget_of(name)
    wiring.grid._entered(widget)
    QCursor.setPos(widget.mapToGlobal(widget.rect().center()))
    return widget


def press(wiring: Any, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    wiring.window.setFocus()
    QTest.keyClick(wiring.window, key, modifier)


@pytest.mark.parametrize("preset", actions.PRESETS)
def test_no_two_actions_share_a_key_in_one_context(preset: str):
    rows = actions.rows(preset)
    for where in ("window", "view"):
        keys = Counter(key for row in rows if row.where in (where, "window") for key in row.keys)
        assert [key for key, count in keys.items() if count > 1] == []


def test_presets_name_only_known_actions():
    known = {row.id for row in actions.ACTIONS}
    for file in (paths.resources() / "keys").glob("*.json"):
        assert set(json.loads(file.read_text())["keys"]) <= known


def test_window_keys_have_a_modifier_or_no_letter():
    for row in actions.ACTIONS:
        if row.where == "window":
            assert all("+" in key or len(key) > 1 or not key.isalnum() for key in row.keys), row.id


def test_every_view_key_works_on_the_view_under_the_pointer_without_a_click(reading: Any):
    widget = hover(reading)
    start = widget.model.slice_index
    press(reading, Qt.Key.Key_Down)
    assert widget.model.slice_index == start + 1
    press(reading, Qt.Key.Key_End)
    assert widget.model.slice_index == widget.model.slices - 1
    press(reading, Qt.Key.Key_C)
    assert all(v.crosshair for v in reading.panels["read"].views.values())
    press(reading, Qt.Key.Key_X)
    assert widget.model.annotations == "minimal"
    press(reading, Qt.Key.Key_I)
    assert widget.model.grey.inverted


def test_a_text_field_takes_plain_letters_first(reading: Any):
    hover(reading)
    reading.show_module("browse")
    line = reading.panels["browse"].search
    line.setFocus()
    QTest.keyClicks(line, "icx")
    assert line.text() == "icx"
    assert not reading.panels["read"].views["native"].grey.inverted


def test_shift_and_a_digit_is_a_window_preset_on_any_layout():
    from PySide6.QtGui import QKeyEvent

    event = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_Exclam, SHIFT, "!")
    assert key_text(event) == "Shift+1"
    event = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_Question, SHIFT, "?")
    assert key_text(event) == "?"


def test_window_level_layout_and_visit_edits_share_one_undo_stack(reading: Any, qtbot: Any):
    widget = hover(reading)
    before = widget.model.grey.window
    drag(widget, Qt.MouseButton.LeftButton, (200, 200), (260, 240))
    press(reading, Qt.Key.Key_Backslash)
    assert reading.grid.layout_shown.name == "single"
    panel = reading.panels["browse"]
    panel._keep_visit(reading.context.catalogue.visit("1.2.1.1"), "T2", 19)
    assert len(reading.undo.history) == 3
    QTest.keyClick(reading.window, Qt.Key.Key_Z, CONTROL)
    assert reading.context.catalogue.visit("1.2.1.1").label == "T1"
    QTest.keyClick(reading.window, Qt.Key.Key_Z, CONTROL)
    assert reading.grid.layout_shown.name == "three"
    QTest.keyClick(reading.window, Qt.Key.Key_Z, CONTROL)
    assert widget.model.grey.window == before
    QTest.keyClick(reading.window, Qt.Key.Key_Y, CONTROL)
    assert widget.model.grey.window != before


def test_the_history_can_be_read_and_clicked(wiring: Any):
    for name in ("first", "second"):
        wiring.undo.push(Command(name, lambda: None, lambda: None))
    QTest.keyClick(wiring.window, Qt.Key.Key_H, CONTROL)
    shown = wiring.dialogue.list
    assert [shown.item(i).text() for i in range(shown.count())] == [words.HISTORY_START, "first", "second"]
    rect = shown.visualItemRect(shown.item(1))
    QTest.mouseClick(shown.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert wiring.undo.position == 1
    wiring.dialogue.close()


def test_every_action_is_in_the_palette_and_the_palette_does_it(wiring: Any, qtbot: Any):
    QTest.keyClick(wiring.window, Qt.Key.Key_K, CONTROL)
    titles = wiring.chooser.titles()
    assert {row.title for row in actions.ACTIONS if row.id != "go.palette"} <= set(titles)
    QTest.keyClicks(wiring.chooser.line, "jobs")
    QTest.keyClick(wiring.chooser.line, Qt.Key.Key_Return)
    assert wiring.dock.isVisible()


def test_a_module_is_found_by_a_word_of_its_keywords(wiring: Any):
    QTest.keyClick(wiring.window, Qt.Key.Key_F, CONTROL)
    QTest.keyClicks(wiring.chooser.line, "dicom")
    assert wiring.chooser.titles()[0] == "Read"
    QTest.keyClick(wiring.chooser.line, Qt.Key.Key_Return)
    assert wiring.shown == "read"
    wiring.go_back()
    assert wiring.shown == "browse"
    wiring.go_forward()
    assert wiring.shown == "read"


def test_a_patient_is_found_by_ctrl_p(wiring: Any):
    QTest.keyClick(wiring.window, Qt.Key.Key_P, CONTROL)
    QTest.keyClicks(wiring.chooser.line, "003")
    QTest.keyClick(wiring.chooser.line, Qt.Key.Key_Return)
    assert wiring.context.desk.selection.patient_id == "DEMO-003"


def test_research_use_is_asked_once_per_version_and_always_in_the_status_bar(wiring: Any, monkeypatch: Any):
    assert wiring.window.status.research.text() == words.RESEARCH_USE
    monkeypatch.delenv("TUMORDIFF_GENERAL_ACCEPTED_VERSION")
    settings.reload()
    wiring.ask_research_use()
    QTest.mouseClick(wiring.dialogue.accept_button, Qt.MouseButton.LeftButton)
    wiring.dialogue = None
    wiring.ask_research_use()
    assert wiring.dialogue is None


def test_declining_research_use_closes_the_window(wiring: Any, monkeypatch: Any, qtbot: Any):
    monkeypatch.delenv("TUMORDIFF_GENERAL_ACCEPTED_VERSION")
    settings.reload()
    wiring.ask_research_use()
    wiring.dialogue.reject()
    qtbot.waitUntil(lambda: not wiring.window.isVisible())


def test_the_theme_changes_everywhere_and_is_remembered(wiring: Any):
    wiring.actions.trigger("look.theme")
    app = QApplication.instance()
    assert apply.current().name == "light"
    assert app.palette().window().color().name().upper() == apply.current().window
    assert main.theme_wish() == "light"


def test_dropping_a_folder_starts_an_import(wiring: Any, tmp_path: Path, monkeypatch: Any):
    started = []
    monkeypatch.setattr(wiring.context.jobs, "start", lambda task, params, **k: started.append((task, params)))
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    enter = QDragEnterEvent(QPoint(10, 10), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
                            Qt.KeyboardModifier.NoModifier)  # fmt: skip
    QApplication.sendEvent(wiring.window, enter)
    event = QDropEvent(QPointF(10, 10), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
                       Qt.KeyboardModifier.NoModifier)  # fmt: skip
    QApplication.sendEvent(wiring.window, event)
    assert started == [("index", {"paths": [str(tmp_path)]})]


def test_what_was_dropped_is_named_by_its_kinds(tmp_path: Path):
    from tumordiff_gui.window.wiring import recognised

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    names = ("a", "b", "visit.zip", "DICOMDIR", "clinical.xlsx", "one.dcm")
    said = recognised([tmp_path / name for name in names])
    assert said == "2 folders, 1 archive, 1 DICOMDIR, 1 clinical table, 1 file"


def test_a_panel_that_raises_is_named_and_the_window_lives_on(wiring: Any, monkeypatch: Any):
    from dataclasses import replace

    wiring.specs["bad"] = replace(wiring.specs["read"], id="bad", title="Bad", panel="tests.gui.fakes:Nothing")
    wiring.show_module("bad")
    assert "Bad" in wiring.panels["bad"].findChildren(QLabel)[1].text()
    wiring.show_module("browse")
    assert wiring.shown == "browse"


def test_what_was_chosen_comes_back_after_a_restart(wiring: Any):
    wiring.context.desk.select("DEMO-002")
    wiring.save_state()
    assert main.read_remembered()["patients"] == ["DEMO-001", "DEMO-002", "DEMO-003"]
    assert json.loads((paths.state() / "desk.json").read_text())["selection"]["patient_id"] == "DEMO-002"


def test_names_are_hidden_everywhere_by_one_switch(reading: Any, qtbot: Any):
    QTest.keyClick(reading.window, Qt.Key.Key_H, CONTROL | SHIFT)
    assert all(widget.hide_names for widget in reading.grid.slice_widgets())
    reading.show_module("browse")
    assert all("DEMO" not in name for name in reading.panels["browse"].listed())


def test_settings_are_checked_and_kept(wiring: Any):
    wiring.actions.trigger("app.settings")
    form = wiring.dialogue.forms["jobs"]
    form.set({"light": 3})
    wiring.dialogue._save()
    assert settings.load().jobs.light == 3


def test_every_focusable_widget_has_a_name_and_no_text_is_cut(reading: Any, qtbot: Any):
    for module in ("browse", "read"):
        reading.show_module(module)
        for widget in reading.window.findChildren(QAbstractButton):
            if widget.isVisible() and widget.focusPolicy() != Qt.FocusPolicy.NoFocus:
                assert widget.accessibleName() or widget.text(), widget
        for label in reading.window.findChildren(QLabel):
            if label.isVisible() and label.text() and not label.wordWrap() and label.pixmap().isNull():
                assert label.minimumSizeHint().width() <= label.width() + 1, label.text()


def test_the_picture_of_the_views_carries_the_research_line(reading: Any):
    from tumordiff_gui.window.view_actions import FOOT, burnt_in

    plain = reading.grid.grab()
    assert burnt_in(plain).height() == plain.height() + round(FOOT * plain.devicePixelRatio())


def test_a_mistake_in_a_slot_is_said_and_logged_not_swallowed(wiring: Any):
    told = list(main.LISTENERS)
    main.LISTENERS[:] = [wiring._mistake]
    main.report(ValueError, ValueError("patient ISPY1_1002 at /data/somewhere/x.dcm"), None)
    main.LISTENERS[:] = told
    assert wiring.window.notice.isVisible()
    text = (paths.logs() / "window.log").read_text()
    assert "ValueError" in text and "ISPY1_1002" not in text and "/data/somewhere" not in text


def test_the_keys_sheet_and_the_menu_open(wiring: Any, qtbot: Any):
    wiring.actions.trigger("go.keys")
    assert wiring.dialogue.tree.topLevelItemCount() > 40
    wiring.dialogue.close()
    wiring._open_menu()
    popup = QApplication.activePopupWidget()
    if popup is not None:
        popup.close()


def test_maximise_and_back_keeps_slice_grey_and_zoom(reading: Any, qtbot: Any):
    widget = hover(reading)
    widget.model.go_to_slice(4)
    widget.model.zoom.set(2.0)
    QTest.mouseDClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert reading.grid.maximised == "native"
    assert [w.isVisible() for w in reading.grid.slice_widgets()] == [True, False, False]
    QTest.mouseDClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert reading.grid.maximised is None and all(w.isVisible() for w in reading.grid.slice_widgets())
    assert (widget.model.slice_index, widget.model.zoom.factor) == (4, 2.0)
