"""The scrolling column of a module's left side, and the small headings in it."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from tumordiff_gui.theme import apply

MARGIN = 12
SPACING = 8


def scrolling_column(outer: QVBoxLayout) -> QVBoxLayout:
    """The layout that a panel's parts are put into: a column that scrolls up and down and fills the panel's own."""
    outer.setContentsMargins(0, 0, 0, 0)
    scroll = QScrollArea(widgetResizable=True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    outer.addWidget(scroll, 1)
    inside = QWidget()
    inside.setProperty("role", "panel")
    scroll.setWidget(inside)
    column = QVBoxLayout(inside)
    column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
    column.setSpacing(SPACING)
    return column


def heading(text: str) -> QLabel:
    """The name of a part of the column, with air above it."""
    label = QLabel(text)
    label.setFont(apply.font(12, semibold=True))
    label.setContentsMargins(0, SPACING, 0, 0)
    return label
