"""The left side of a module scrolls up and down, never sideways."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from tumordiff_gui.views.column import heading, scrolling_column


def test_a_column_longer_than_its_panel_scrolls_and_what_stands_under_it_stays(qtbot):
    panel = QWidget()
    qtbot.addWidget(panel)
    outer = QVBoxLayout(panel)
    column = scrolling_column(outer)
    for number in range(40):
        column.addWidget(heading(f"Part {number}"))
    foot = heading("Foot")
    outer.addWidget(foot)
    panel.resize(320, 300)
    panel.show()
    area = panel.findChild(QScrollArea)
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() > 0)
    assert area.horizontalScrollBarPolicy() is Qt.ScrollBarPolicy.ScrollBarAlwaysOff
    assert foot.geometry().bottom() < panel.height() and area.geometry().bottom() < foot.geometry().top()
