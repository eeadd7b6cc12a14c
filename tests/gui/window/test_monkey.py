"""Seeded random use of the whole window; the last events are told when something breaks."""

import random
from collections import deque
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.gui.hands import drag, move, wheel
from tumordiff_gui.state.desk import Selection

EVENTS = 400
KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End,
        Qt.Key.Key_PageDown, Qt.Key.Key_PageUp, Qt.Key.Key_A, Qt.Key.Key_C, Qt.Key.Key_F, Qt.Key.Key_H, Qt.Key.Key_I,
        Qt.Key.Key_O, Qt.Key.Key_R, Qt.Key.Key_S, Qt.Key.Key_X, Qt.Key.Key_Backslash, Qt.Key.Key_Return,
        Qt.Key.Key_Space, Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_9)  # fmt: skip
BUTTONS = (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton)
MODIFIERS = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier)


def test_random_use_breaks_nothing_and_linked_views_still_agree(wiring: Any, qtbot: Any, monkeypatch: Any):
    monkeypatch.setattr("tumordiff_gui.window.wiring.QMenu.popup", lambda *a: None)
    chance = random.Random(20)
    done: deque[str] = deque(maxlen=200)
    wiring.panels["browse"].open(Selection("DEMO-001", "1.2.1.1", "1.2.1.1.1", 0))
    qtbot.waitUntil(lambda: wiring.panels["read"].views["native"].picture is not None)

    def at(widget: Any) -> tuple[float, float]:
        return chance.uniform(0, widget.width()), chance.uniform(0, widget.height())

    def on_view() -> None:
        widgets = [w for w in wiring.grid.slice_widgets() if w.isVisible()]
        if widgets:
            widget = chance.choice(widgets)
            wiring.grid._entered(widget)
            chance.choice([
                lambda: wheel(widget, chance.uniform(-3, 3), chance.choice(MODIFIERS), at=at(widget)),
                lambda: drag(widget, chance.choice(BUTTONS), at(widget), at(widget), modifier=chance.choice(MODIFIERS)),
                lambda: move(widget, at(widget), chance.choice(MODIFIERS)),
                lambda: QTest.mouseDClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(*map(int, at(widget)))),
            ])()  # fmt: skip

    def on_keys() -> None:
        QTest.keyClick(wiring.grid, chance.choice(KEYS), chance.choice(MODIFIERS[:2]))

    def on_window() -> None:
        chance.choice([
            lambda: wiring.show_module(chance.choice(["browse", "read"])),
            lambda: wiring.do_undo(),
            lambda: wiring.do_redo(),
            lambda: wiring.toggle_jobs(),
            lambda: wiring.window.resize(chance.randint(700, 1500), chance.randint(500, 1000)),
            lambda: wiring.toggle_names(),
            lambda: wiring.context.desk.select(f"DEMO-00{chance.randint(1, 3)}"),
        ])()  # fmt: skip

    try:
        for number in range(EVENTS):
            act = chance.choices([on_view, on_keys, on_window], (5, 3, 1))[0]
            done.append(f"{number} {act.__name__}")
            act()
            QApplication.processEvents()
    except Exception:
        print("\n".join(done))
        raise
    views = list(wiring.panels["read"].views.values())
    assert len({view.place.position_mm for view in views}) == 1
    assert len({view.grey.window for view in views}) == 1
