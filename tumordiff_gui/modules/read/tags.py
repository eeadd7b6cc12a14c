"""The DICOM tag viewer: the tags of one file, or of two beside each other, with search as you type."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from tumordiff_gui.modules.read import strings
from tumordiff_gui.views.search_table import Rows, SearchTable
from tumordiff_gui.views.turns import Turns

INDENT = "    "
TagRow = Sequence[Any]
"""depth, tag, VR, name, value as the reader gives them; a compared row has the other file's value behind them."""


def rows_of(reply: dict[str, Any]) -> Iterator[TagRow]:
    """The rows of the reader's answer; many rows come as a file of lines, which is removed once it was read."""
    yield from reply.get("rows", ())
    if reply.get("file"):
        place = Path(reply["file"])
        with place.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
        place.unlink(missing_ok=True)


def merged(first: Sequence[TagRow], second: Iterable[TagRow]) -> Iterator[TagRow | None]:
    """Both headers row by row, each tag at its place in its sequence: (..., value, other value), ``None`` where absent.

    Rows that only the second has stand before the next row that both have. A yielded ``None`` is a turn without a row.
    """
    there: dict[Any, TagRow] = {}
    for key, row in _keyed(second):
        there[key] = row
        yield None
    here: set[Any] = set()
    for key, _ in _keyed(first):
        here.add(key)
        yield None
    alone = [(number, key) for number, key in enumerate(there) if key not in here]
    place = {key: number for number, key in enumerate(there)}
    alone.reverse()
    for key, row in _keyed(first):
        at = place.get(key)
        while at is not None and alone and alone[-1][0] < at:
            yield _other(there[alone.pop()[1]])
        yield (*row[:5], None if at is None else there[key][4])
    while alone:
        yield _other(there[alone.pop()[1]])


def _other(row: TagRow) -> TagRow:
    return (*row[:4], None, row[4])


def _keyed(rows: Iterable[TagRow]) -> Iterator[tuple[Any, TagRow]]:
    """Rows with the tags above them and a count among equals, which is what makes two rows the same place."""
    above: list[Any] = []
    counts: list[dict[str, int]] = [{}]
    for row in rows:
        depth, tag = int(row[0]), str(row[1])
        del above[depth:], counts[depth + 1 :]
        while len(counts) <= depth:
            counts.append({})
        number = counts[depth].get(tag, 0)
        counts[depth][tag] = number + 1
        above.append((tag, number))
        counts.append({})
        yield (depth, *above), row


def cell(row: TagRow, column: int) -> str:
    """What stands in a column: tag with its depth, VR, name, value, the other file's value."""
    if column == 0:
        return INDENT * int(row[0]) + str(row[1])
    found = row[column + 1]
    return strings.TAGS_ABSENT if found is None else str(found)


def text(row: TagRow) -> str:
    """What a search looks at; a tag is also found without its comma."""
    return " ".join((str(row[1]), str(row[1]).replace(",", ""), *(str(part) for part in row[3:] if part is not None)))


def differs(row: TagRow) -> bool:
    """Whether the two files say different things in a compared row."""
    return len(row) > 5 and row[4] != row[5]


def colour(row: TagRow, column: int) -> str:
    """Tag and VR stand back; values that differ stand out."""
    if column < 2:
        return "secondary"
    return "warning" if column > 2 and differs(row) else ""


class TagViewer(QDialog):
    """The tags of one file, or of two.

    Signals
    -------
    compare_wanted : the key of the file to compare with, of those that ``set_others`` named
    """

    compare_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.resize(1000, 680)
        column = QVBoxLayout(self)
        top = QHBoxLayout()
        self.title = QLabel()
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.compare = QToolButton()
        self.compare.setText(strings.TAGS_COMPARE)
        self.compare.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.compare.setMenu(QMenu(self.compare))
        self.only = QCheckBox(strings.TAGS_ONLY)
        self.only.toggled.connect(lambda _: self._show_compared())
        self.only.hide()
        top.addWidget(self.title, 1)
        top.addWidget(self.only)
        top.addWidget(self.compare)
        column.addLayout(top)
        self.plain = SearchTable(
            Rows(strings.TAGS_COLUMNS, cell, text, colour), hint=strings.TAGS_SEARCH,
            name=strings.TAGS_TITLE.format(name=""), widths=(150, 44, 260),
        )  # fmt: skip
        self.both = SearchTable(
            Rows(strings.TAGS_COLUMNS_BOTH, cell, text, colour), hint=strings.TAGS_SEARCH, name=strings.TAGS_COMPARE,
            widths=(150, 44, 220, 280),
        )  # fmt: skip
        column.addWidget(self.plain)
        column.addWidget(self.both)
        self.both.hide()
        self._turns = Turns(self)
        self._name = ""
        self._rows: list[TagRow] = []
        self._compared: list[TagRow] = []

    @property
    def table(self) -> SearchTable:
        """The table that is shown."""
        return self.both if self.both.isVisibleTo(self) else self.plain

    @property
    def line(self) -> Any:
        """The search line that is shown."""
        return self.table.line

    @property
    def model(self) -> Rows:
        """The rows that are shown."""
        return self.table.model

    def set_others(self, others: Sequence[tuple[str, str]]) -> None:
        """Files to compare with: (key, title)."""
        menu = self.compare.menu()
        menu.clear()
        for key, title in others:
            menu.addAction(title, lambda key=key: self.compare_wanted.emit(key))
        self.compare.setEnabled(bool(others))

    def show_rows(self, name: str, rows: Iterable[TagRow]) -> None:
        """The tags of a file; what was searched for stays searched for."""
        self._name, self._rows = name, []
        self._show(self.plain, name)
        self.plain.set_rows(self._kept(rows))

    def _kept(self, rows: Iterable[TagRow]) -> Iterator[TagRow]:
        for row in rows:
            self._rows.append(row)
            yield row

    def compare_with(self, name: str, rows: Iterable[TagRow]) -> None:
        """The tags of another file beside those that are shown, merged in short turns."""
        self._compared = []
        self._show(self.both, strings.TAGS_BOTH.format(first=self._name, second=name))
        self._turns.run(self._merge(rows))

    def _merge(self, rows: Iterable[TagRow]) -> Iterator[None]:
        while self.plain.filling:
            yield
        for row in merged(self._rows, rows):
            if row is not None:
                self._compared.append(row)
            yield
        self._show_compared()
        different = sum(differs(row) for row in self._compared)
        self.title.setText(f"{self.title.text()}   {strings.TAGS_DIFFERENT.format(count=different)}")

    def _show_compared(self) -> None:
        wanted = [row for row in self._compared if differs(row)] if self.only.isChecked() else self._compared
        self.both.set_rows(wanted)

    def _show(self, table: SearchTable, title: str) -> None:
        self._turns.stop()
        for each in (self.plain, self.both):
            each.setVisible(each is table)
        self.only.setVisible(table is self.both)
        self.title.setText(title)
        self.setWindowTitle(strings.TAGS_TITLE.format(name=title))

    def done(self, result: int) -> None:
        for one in (self.plain, self.both):
            one.close_work()
        self._turns.stop()
        super().done(result)
