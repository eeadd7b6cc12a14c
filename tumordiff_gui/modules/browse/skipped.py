"""The list of files that an import left out, each with its reason; searchable."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QLabel, QVBoxLayout, QWidget

from tumordiff_gui.modules.browse import strings
from tumordiff_gui.views.search_table import Rows, SearchTable


class Skipped(QDialog):
    """Files left out, and why."""

    def __init__(self, parent: QWidget, skips: Sequence[Any], told: Sequence[str]) -> None:
        super().__init__(parent)
        self.setWindowTitle(strings.SKIPPED_TITLE)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(900, 560)
        column = QVBoxLayout(self)
        hint = QLabel(strings.SKIPPED_HINT, wordWrap=True)
        hint.setProperty("role", "secondary")
        column.addWidget(hint)
        self.list = SearchTable(
            Rows(strings.SKIPPED_COLUMNS), hint=strings.SKIPPED_SEARCH, name=strings.SKIPPED_TITLE, widths=(420,)
        )
        column.addWidget(self.list)
        named = {str(skip.sentence) for skip in skips}
        self.list.set_rows(
            [*((str(skip.path), str(skip.sentence)) for skip in skips), *(("", t) for t in told if t not in named)]
        )
