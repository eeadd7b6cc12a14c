"""One list to choose from with search as you type: the command palette, the module and the patient picker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from tumordiff_gui import words
from tumordiff_gui.theme import apply, icons

WIDTH, ROWS = 560, 12
ROW_HEIGHT = 32


@dataclass(frozen=True)
class Choice:
    """One row: what is shown, what it is also found by, what is done; ``why_not`` disables it."""

    title: str
    act: Callable[[], None]
    hint: str = ""
    icon: str = ""
    keywords: tuple[str, ...] = ()
    why_not: str = ""


def score(choice: Choice, query: str) -> int:
    """How well a row fits what was typed; 0 does not fit."""
    title, wanted = choice.title.lower(), query.lower().split()
    text = f"{title} {' '.join(choice.keywords).lower()}"
    if not all(word in text for word in wanted):
        return 0
    if not wanted:
        return 1
    if title.startswith(wanted[0]):
        return 4
    return 3 if any(part.startswith(wanted[0]) for part in title.split()) else 2


class _Delegate(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index) -> None:  # type: ignore[no-untyped-def]
        t = apply.current()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        enabled = bool(option.state & QStyle.StateFlag.State_Enabled)
        rect: QRect = option.rect
        if chosen:
            painter.fillRect(rect, QColor(t.accent))
        text = t.on_accent if chosen else (t.text if enabled else t.disabled)
        icon: QIcon | None = index.data(Qt.ItemDataRole.DecorationRole)
        if icon is not None and not icon.isNull():
            icons.paint(painter, index.data(Qt.ItemDataRole.UserRole + 1),
                        QRect(rect.left() + 10, rect.top() + 7, 18, 18).toRectF(), text)  # fmt: skip
        painter.setPen(QColor(text))
        inner = rect.adjusted(38, 0, -12, 0)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, index.data())
        painter.setPen(QColor(t.on_accent if chosen else t.secondary))
        hint = index.data(Qt.ItemDataRole.UserRole + 2)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, hint)

    def sizeHint(self, option, index) -> QSize:  # type: ignore[no-untyped-def]
        return QSize(WIDTH // 2, ROW_HEIGHT)


class Chooser(QDialog):
    """A popup near the top of its window; Return does the chosen row, Esc closes."""

    def __init__(self, title: str, choices: Sequence[Choice], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Dialog | Qt.WindowType.FramelessWindowHint)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._choices = list(choices)
        self._shown: list[Choice] = []
        frame = QFrame()
        frame.setProperty("role", "card")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        column = QVBoxLayout(frame)
        column.setContentsMargins(8, 8, 8, 8)
        self.line = QLineEdit(placeholderText=title)
        self.line.setAccessibleName(title)
        self.line.installEventFilter(self)
        self.line.textChanged.connect(self._filter)
        self.list = QListView()
        self.list.setAccessibleName(title)
        self.list.setItemDelegate(_Delegate(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.clicked.connect(lambda index: self._do(index.row()))
        self._model = QStandardItemModel(self.list)
        self.list.setModel(self._model)
        column.addWidget(self.line)
        column.addWidget(self.list)
        self.resize(WIDTH, 60 + ROWS * ROW_HEIGHT)
        self._filter("")

    def titles(self) -> list[str]:
        """What is listed now, best first."""
        return [choice.title for choice in self._shown]

    def open(self) -> None:
        """Show near the top of the parent window."""
        parent = self.parentWidget()
        if parent is not None:
            corner = parent.mapToGlobal(QPoint((parent.width() - self.width()) // 2, 64))
            self.move(corner)
        super().open()
        self.line.setFocus()

    def _filter(self, query: str) -> None:
        found = [(score(choice, query), choice) for choice in self._choices]
        ranked = sorted((pair for pair in found if pair[0]), key=lambda pair: -pair[0])
        self._shown = [choice for _, choice in ranked]
        self._model.clear()
        for choice in self._shown:
            item = QStandardItem(choice.title)
            item.setEditable(False)
            item.setEnabled(not choice.why_not)
            item.setToolTip(choice.why_not)
            if choice.icon:
                item.setIcon(icons.icon(choice.icon))
            item.setData(choice.icon, Qt.ItemDataRole.UserRole + 1)
            item.setData(choice.hint, Qt.ItemDataRole.UserRole + 2)
            self._model.appendRow(item)
        if not self._shown:
            nothing = QStandardItem(words.NOTHING_FITS.format(query=query))
            nothing.setEnabled(False)
            self._model.appendRow(nothing)
        self._go_to(next((row for row, choice in enumerate(self._shown) if not choice.why_not), 0))

    def _go_to(self, row: int) -> None:
        self.list.setCurrentIndex(self._model.index(row, 0))

    def _do(self, row: int) -> None:
        if 0 <= row < len(self._shown) and not self._shown[row].why_not:
            choice = self._shown[row]
            self.close()
            choice.act()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        here = self.list.currentIndex().row()
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            step = 1 if event.key() == Qt.Key.Key_Down else -1
            self._go_to(min(max(here + step, 0), max(len(self._shown) - 1, 0)))
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._do(here)
            return True
        return False
