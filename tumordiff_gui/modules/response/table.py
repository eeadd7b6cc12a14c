"""The table of visits: one line per visit and kind of image, with a bar of SER classes and its figures beside it."""

from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core import units
from tumordiff_gui.modules.response import strings
from tumordiff_gui.theme import apply, maps, tokens

BAR_COLUMN = 7
ROW_HEIGHT = 30
MOST_ROWS_HIGH = 9
AROUND = 84
BAR_WIDTH = 130
CLASSES_ROLE = Qt.ItemDataRole.UserRole + 1
STRETCHED = (7,)


class ClassBar(QStyledItemDelegate):
    """Six classes of SER as one bar, washout / plateau / persistent in words beside it."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QColor(apply.current().accent))
        shares = index.data(CLASSES_ROLE) or ()
        total = sum(shares)
        rect = QRectF(option.rect).adjusted(8, 8, 0, -8)
        rect.setWidth(min(BAR_WIDTH, rect.width() * 0.55))
        at = rect.left()
        for share, colour in zip(shares, maps.SER_COLOURS, strict=False):
            width = rect.width() * share / total if total else 0.0
            painter.fillRect(QRectF(at, rect.top(), width, rect.height()), QColor(colour))
            at += width
        if total:
            painter.setPen(QColor(apply.current().outline))
            painter.drawRect(rect)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.setPen(QColor(apply.current().on_accent if selected else apply.current().text))
        painter.setFont(apply.font(12, tabular=True))
        beside = QRectF(option.rect).adjusted(rect.width() + 18, 0, -4, 0)
        painter.drawText(beside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, str(index.data() or ""))
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(BAR_WIDTH + 110, ROW_HEIGHT)


class VisitTable(QFrame):
    """Visits of one patient as measured.

    Signals
    -------
    chosen : the number of the row that was chosen
    opened : the number of the row that was double clicked
    """

    chosen = Signal(int)
    opened = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self.theme = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        self.table = QTableWidget(0, len(strings.COLUMNS))
        self.table.setAccessibleName(strings.TABLE)
        self.table.setHorizontalHeaderLabels(list(strings.COLUMNS))
        for number, hint in enumerate(strings.COLUMN_HINTS):
            self.table.horizontalHeaderItem(number).setToolTip(hint)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setItemDelegateForColumn(BAR_COLUMN, ClassBar(self.table))
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.currentCellChanged.connect(self._moved)
        self.table.cellDoubleClicked.connect(lambda row, _column: self.opened.emit(row))
        column.addWidget(self.table, 1)
        column.addWidget(_legend())

    def set_rows(self, rows: list[dict[str, Any]]) -> None:
        """Show these rows of a response result, in the colours of the theme that is on."""
        self.theme = apply.current().name
        self.setFixedHeight(min(max(len(rows), 2), MOST_ROWS_HIGH) * ROW_HEIGHT + AROUND)
        self.table.blockSignals(True)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            self.table.setRowHeight(number, ROW_HEIGHT)
            for column, text in enumerate(cells(row)):
                self.table.setItem(number, column, self._item(row, column, text))
        self.table.clearSpans()
        for number, row in enumerate(rows):
            if row.get("trouble"):
                self.table.setSpan(number, 2, 1, len(strings.COLUMNS) - 2)
        header = self.table.horizontalHeader()
        self.table.resizeColumnsToContents()
        for column in STRETCHED:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        self.table.blockSignals(False)

    def select(self, number: int) -> None:
        """Mark a row without telling anybody."""
        self.table.blockSignals(True)
        self.table.selectRow(number)
        self.table.blockSignals(False)
        self.table.viewport().update()

    def _item(self, row: dict[str, Any], column: int, text: str) -> QTableWidgetItem:
        item = QTableWidgetItem(text)
        left = column in (0, 1, BAR_COLUMN) or bool(row.get("trouble"))
        side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
        item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        item.setFont(apply.font(12, tabular=True, semibold=column == 0))
        theme = apply.current()
        rank = visit_rank(str(row.get("visit", "")))
        if column == 0 and rank is not None:
            item.setForeground(QColor(theme.visits[rank]))
        elif column == 1 and row["kind"] in {"denoised", "synthetic"}:
            item.setForeground(QColor(theme.warning if row["kind"] == "denoised" else theme.predicted))
        elif row.get("trouble") or (column == 8 and row.get("rule") == "assumed"):
            item.setForeground(QColor(theme.warning))
        if column == BAR_COLUMN and not row.get("trouble"):
            item.setData(CLASSES_ROLE, tuple(row["ser_classes"].values()))
            item.setToolTip(class_text(row["ser_classes"]))
            item.setData(Qt.ItemDataRole.AccessibleTextRole, class_text(row["ser_classes"]))
        elif row.get("trouble"):
            item.setToolTip(str(row["trouble"]))
        return item

    def _moved(self, row: int, _column: int, before: int, _before: int) -> None:
        if row >= 0 and row != before:
            self.chosen.emit(row)


def cells(row: dict[str, Any]) -> list[str]:
    """The texts of one line, ``-`` where nothing is known."""
    rank = visit_rank(str(row.get("visit", "")))
    sign = tokens.VISIT_SIGNS[rank] + "  " if rank is not None else ""
    days = row.get("days")
    visit = f"{sign}{row.get('visit') or '-'}" + ("" if days is None else f"   {units.format_days(int(days))}")
    if row.get("trouble"):
        return [visit, strings.KINDS["missing"], str(row["trouble"]), *[""] * (len(strings.COLUMNS) - 3)]
    kinetics = strings.KINETICS.format(**{k: row[f"{k}_percent"] for k in ("washout", "plateau", "persistent")})
    return [
        visit, strings.KINDS.get(row["kind"], row["kind"]),
        units.format_cc(row["ftv_pe_cc"], row.get("ftv_pe_doubt_cc")),
        units.format_cc(row.get("published_pe_cc")), units.format_percent(row.get("change_percent")),
        units.format_mm(row.get("longest_mm")), units.format_mm(row.get("published_ld_mm")),
        kinetics if row["ftv_pe_voxels"] else "-", strings.RULES.get(row["rule"], row["rule"]),
    ]  # fmt: skip


def visit_rank(label: str) -> int | None:
    """0 for T1 to 3 for T4, ``None`` for other labels: which colour and sign a visit has."""
    return int(label[1]) - 1 if len(label) == 2 and label[0] == "T" and label[1] in "1234" else None


def class_text(classes: dict[str, int]) -> str:
    """The classes in words."""
    total = max(sum(classes.values()), 1)
    parts = zip(strings.CLASS_NAMES, classes.values(), strict=False)
    text = ", ".join(strings.CLASS_PART.format(name=name, percent=100 * count / total) for name, count in parts)
    return strings.CLASS_BAR.format(text=text)


def _legend() -> QWidget:
    legend = QWidget()
    row = QHBoxLayout(legend)
    row.setContentsMargins(4, 0, 4, 0)
    row.setSpacing(5)
    row.addStretch(1)
    head = QLabel(strings.CLASS_LEGEND)
    head.setProperty("role", "secondary")
    row.addWidget(head)
    for name, colour in zip(strings.CLASS_NAMES, maps.SER_COLOURS, strict=True):
        swatch = QLabel()
        swatch.setFixedSize(10, 10)
        swatch.setStyleSheet(f"background: {colour}; border: 1px solid {apply.current().outline};")
        text = QLabel(name)
        text.setProperty("role", "secondary")
        row.addWidget(swatch)
        row.addWidget(text)
    return legend
