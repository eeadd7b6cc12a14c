"""A table that searches a hundred thousand rows between two key strokes; knows nothing of what the rows mean."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QHeaderView, QLabel, QLineEdit, QTableView, QVBoxLayout, QWidget

from tumordiff_gui import words
from tumordiff_gui.theme import apply
from tumordiff_gui.views.turns import Turns

TYPING_PAUSE_MS = 60
ROW_HEIGHT = 22
CHUNK = 500
Index = QModelIndex | QPersistentModelIndex
TableRow = Sequence[Any]


def plain_cell(row: TableRow, column: int) -> str:
    """A cell of a row that holds its texts in the order of the columns."""
    return str(row[column])


def plain_text(row: TableRow) -> str:
    """What a search looks at: all texts of a row."""
    return " ".join(str(part) for part in row)


class Rows(QAbstractTableModel):
    """Rows of any kind; ``search`` keeps those that hold every word that was typed.

    Parameters
    ----------
    columns : their titles
    cell : text of a row in a column
    text : what a search looks at
    colour : token role of a cell by (row, column), empty for the usual one
    """

    def __init__(
        self, columns: Sequence[str], cell: Callable[[TableRow, int], str] = plain_cell,
        text: Callable[[TableRow], str] = plain_text, colour: Callable[[TableRow, int], str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._columns, self._cell, self._of, self._colour = tuple(columns), cell, text, colour
        self._rows: list[TableRow] = []
        self._text: list[str] = []
        self._shown: Sequence[int] = range(0)
        self._last: tuple[str, Sequence[int]] = ("", self._shown)

    def clear(self) -> None:
        """No rows."""
        self.beginResetModel()
        self._rows, self._text, self._shown = [], [], range(0)
        self._last = ("", self._shown)
        self.endResetModel()

    def add(self, rows: Sequence[TableRow]) -> None:
        """More rows; they are shown after the next ``search``."""
        self._rows.extend(rows)
        self._text.extend(self._of(row).lower() for row in rows)
        self._last = ("", range(len(self._rows)))

    @property
    def total(self) -> int:
        """How many rows there are, shown or not."""
        return len(self._rows)

    def search(self, query: str) -> None:
        """Keep the rows that hold all words; a longer query looks only at what the shorter one found."""
        query = query.lower().strip()
        before, found = self._last
        candidates: Sequence[int] = found if before and query.startswith(before) else range(len(self._rows))
        text = self._text
        for word in query.split():
            candidates = [row for row in candidates if word in text[row]]
        self.beginResetModel()
        self._shown, self._last = candidates, (query, candidates)
        self.endResetModel()

    def row(self, index: int) -> TableRow:
        """A shown row."""
        return self._rows[self._shown[index]]

    def cell(self, index: int, column: int) -> str:
        """The text of a shown row in a column."""
        return self._cell(self.row(index), column)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._columns[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.ForegroundRole and self._colour is not None:
            named = self._colour(self.row(index.row()), index.column())
            return QColor(getattr(apply.current(), named)) if named else None
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        return self._cell(self.row(index.row()), index.column())


class SearchTable(QWidget):
    """A search line, a count, and the table; the selected rows can be copied."""

    def __init__(self, model: Rows, *, hint: str, name: str, widths: Sequence[int] = ()) -> None:
        super().__init__()
        self.model = model
        model.setParent(self)
        self._turns = Turns(self)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.top = QHBoxLayout()
        self.line = QLineEdit(placeholderText=hint, clearButtonEnabled=True)
        self.line.setAccessibleName(hint)
        self.count = QLabel()
        self.count.setProperty("role", "secondary")
        self.top.addWidget(self.line, 1)
        self.top.addWidget(self.count)
        self._column.addLayout(self.top)
        self.table = QTableView(showGrid=False, wordWrap=False)
        self.table.setAccessibleName(name)
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        for section, width in enumerate(widths):
            self.table.setColumnWidth(section, width)
        self.table.horizontalHeader().setStretchLastSection(True)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.table)
        copy.activated.connect(self._copy)
        self._column.addWidget(self.table)
        self._pause = QTimer(self, singleShot=True, interval=TYPING_PAUSE_MS)
        self._pause.timeout.connect(self.search)
        self.line.textChanged.connect(lambda _: self._pause.start())

    @property
    def filling(self) -> bool:
        """Whether rows are still coming in."""
        return self._turns.busy

    def set_rows(self, rows: Iterable[TableRow]) -> None:
        """Show these rows, taken in short turns; what was searched for stays searched for."""
        self.model.clear()
        self._turns.run(self._fill(iter(rows)))

    def _fill(self, rows: Iterator[TableRow]) -> Iterator[None]:
        while some := list(islice(rows, CHUNK)):
            self.model.add(some)
            if self.model.total == len(some):
                self.search()
            yield
        self.search()

    def search(self) -> None:
        """Search now."""
        self.model.search(self.line.text())
        self.count.setText(words.ROWS_SHOWN.format(shown=f"{self.model.rowCount():,}", total=f"{self.model.total:,}"))

    def close_work(self) -> None:
        """Stop taking rows."""
        self._turns.stop()

    def _copy(self) -> None:
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        count = self.model.columnCount()
        lines = ["\t".join(self.model.cell(row, column).strip() for column in range(count)) for row in rows]
        QGuiApplication.clipboard().setText("\n".join(lines))
