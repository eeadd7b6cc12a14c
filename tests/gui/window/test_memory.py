"""What the window holds after many studies were opened and closed."""

import gc
from typing import Any

import psutil
import pytest
from PySide6.QtWidgets import QApplication

from tests.gui import fakes
from tests.gui.hands import wheel
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.views.slice_view import SliceWidget

pytestmark = pytest.mark.long
STUDIES, BEFORE, MOST_GROWTH_MB = 20, 8, 20.0


def own_memory_mb() -> float:
    """Memory of this process alone: pages of mapped volumes belong to the disk cache, not to the window."""
    gc.collect()
    told = psutil.Process().memory_info()
    return float(told.rss - getattr(told, "shared", 0)) / 1e6


def test_twenty_studies_opened_read_and_closed_leave_nothing_behind(wiring: Any, qtbot: Any):
    wiring.context.catalogue.patients = fakes.cohort(BEFORE + STUDIES, 2)
    browse = wiring.panels["browse"]
    browse.refresh()

    def shows(phase: int) -> bool:
        read = wiring.panels["read"]
        return read._at.phase == phase and not read.views["native"].loading

    def open_and_close(number: int) -> None:
        patient = f"DEMO-{number:03}"
        wiring.show_module("browse")
        wiring.context.desk.select(patient)
        qtbot.waitUntil(lambda: all(thumb.image is not None for thumb in browse.board.thumbs), timeout=60_000)
        for phase in range(3):
            browse.open(Selection(patient, f"1.2.{number}.1", f"1.2.{number}.1.1", phase))
            qtbot.waitUntil(lambda phase=phase: shows(phase), timeout=60_000)
            for _ in range(8):
                wheel(wiring.grid.slice_widgets()[0], -1)
                QApplication.processEvents()

    for number in range(1, BEFORE + 1):
        open_and_close(number)
    before, views = own_memory_mb(), _live_views()
    for number in range(BEFORE + 1, BEFORE + STUDIES + 1):
        open_and_close(number)
    grown = own_memory_mb() - before
    print(f"\n{STUDIES} studies opened, read and closed: {grown:+.1f} MB (must {MOST_GROWTH_MB:.0f})")
    assert grown <= MOST_GROWTH_MB
    assert _live_views() <= views


def _live_views() -> int:
    return sum(isinstance(widget, SliceWidget) for widget in QApplication.allWidgets())
