"""The DICOM tag viewer: a table that searches a hundred thousand rows between two key strokes."""

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QHBoxLayout, QHeaderView, QLabel, QLineEdit, QTableView, QVBoxLayout, QWidget

from tumordiff_gui.modules.read import strings
from tumordiff_gui.theme import apply

INDENT = "    "
TYPING_PAUSE_MS = 60
Index = QModelIndex | QPersistentModelIndex
TagRow = tuple[int, str, str, str, str]


class Tags(QAbstractTableModel):
    """Rows (depth, tag, vr, keyword, value); ``search`` keeps those that hold every word that was typed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[TagRow] = []
        self._text: list[str] = []
        self._shown: list[int] = []
        self._last: tuple[str, list[int]] = ("", [])

    def set_rows(self, rows: list[TagRow]) -> None:
        """Show these rows."""
        self.beginResetModel()
        self._rows = rows
        self._text = [f"{tag} {tag.replace(',', '')} {name} {value}".lower() for _, tag, _, name, value in rows]
        self._shown = list(range(len(rows)))
        self._last = ("", self._shown)
        self.endResetModel()

    @property
    def total(self) -> int:
        return len(self._rows)

    def search(self, query: str) -> None:
        """Keep the rows that hold all words; a longer query looks only at what the shorter one found."""
        query = query.lower().strip()
        before, found = self._last
        candidates: list[int] = found if before and query.startswith(before) else list(range(len(self._rows)))
        text = self._text
        for word in query.split():
            candidates = [row for row in candidates if word in text[row]]
        self.beginResetModel()
        self._shown, self._last = candidates, (query, candidates)
        self.endResetModel()

    def row(self, index: int) -> TagRow:
        """A shown row."""
        return self._rows[self._shown[index]]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return len(strings.TAGS_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return strings.TAGS_COLUMNS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.ForegroundRole and index.column() < 2:
            return QColor(apply.current().secondary)
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        depth, tag, vr, name, value = self.row(index.row())
        return (INDENT * depth + tag, vr, name, value)[index.column()]


class TagViewer(QDialog):
    """The tags of one file, with search as you type."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.resize(900, 640)
        column = QVBoxLayout(self)
        top = QHBoxLayout()
        self.line = QLineEdit(placeholderText=strings.TAGS_SEARCH, clearButtonEnabled=True)
        self.line.setAccessibleName(strings.TAGS_SEARCH)
        self.count = QLabel()
        self.count.setProperty("role", "secondary")
        top.addWidget(self.line, 1)
        top.addWidget(self.count)
        column.addLayout(top)
        self.model = Tags(self)
        self.table = QTableView(showGrid=False, wordWrap=False)
        self.table.setAccessibleName(strings.TAGS_TITLE.format(name=""))
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        for section, width in enumerate((150, 44, 260)):
            self.table.setColumnWidth(section, width)
        self.table.horizontalHeader().setStretchLastSection(True)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.table)
        copy.activated.connect(self._copy)
        column.addWidget(self.table)
        self._pause = QTimer(self, singleShot=True, interval=TYPING_PAUSE_MS)
        self._pause.timeout.connect(self._search)
        self.line.textChanged.connect(lambda _: self._pause.start())

    def show_rows(self, name: str, rows: list[list[Any]]) -> None:
        """The tags of a file; what was searched for stays searched for."""
        self.setWindowTitle(strings.TAGS_TITLE.format(name=name))
        self.model.set_rows([(int(r[0]), str(r[1]), str(r[2]), str(r[3]), str(r[4])) for r in rows])
        self._search()

    def _search(self) -> None:
        self.model.search(self.line.text())
        self.count.setText(strings.TAGS_COUNT.format(shown=self.model.rowCount(), total=self.model.total))

    def _copy(self) -> None:
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        lines = ["\t".join(self.model.row(row)[1:]) for row in rows]
        QGuiApplication.clipboard().setText("\n".join(lines))
