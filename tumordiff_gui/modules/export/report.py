"""The picture area of the export module: the header beside its source, and the round-trip report under it."""

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
)

from tumordiff_core.result_folder import Record
from tumordiff_gui.modules.export import strings
from tumordiff_gui.theme import apply, icons

ROW_HEIGHT = 28


class Preview(QFrame):
    """Attribute, in the source, as written; what differs is bold.

    Signals
    -------
    folder_wanted : the folder of the files just written shall be shown
    list_wanted : the validator's lines shall be shown
    """

    folder_wanted = Signal()
    list_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 12)
        column.setSpacing(8)
        head = QHBoxLayout()
        self.title = QLabel(strings.HEADER)
        self.title.setFont(apply.font(15, semibold=True))
        self.state = QLabel()
        self.state.setProperty("role", "warning")
        head.addWidget(self.title)
        head.addStretch(1)
        head.addWidget(self.state)
        column.addLayout(head)
        self.table = QTableWidget(0, len(strings.COLUMNS))
        self.table.setAccessibleName(strings.HEADER)
        self.table.setHorizontalHeaderLabels(list(strings.COLUMNS))
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setWordWrap(True)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        for section in (1, 2):
            self.table.horizontalHeader().setSectionResizeMode(section, QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().geometriesChanged.connect(self.table.resizeRowsToContents)
        column.addWidget(self.table, 1)
        self.nothing = QLabel(alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self.nothing.setProperty("role", "secondary")
        column.addWidget(self.nothing, 1)
        hint = QHBoxLayout()
        self.hint = QLabel(strings.CHANGED_HINT)
        self.hint.setProperty("role", "secondary")
        badge = QLabel(strings.DERIVED)
        badge.setProperty("role", "warning")
        hint.addWidget(self.hint)
        hint.addStretch(1)
        hint.addWidget(badge)
        column.addLayout(hint)
        column.addWidget(self._report())
        self.show_header([])

    def _report(self) -> QFrame:
        self.report = QFrame()
        self.report.setProperty("role", "card")
        column = QVBoxLayout(self.report)
        column.setContentsMargins(12, 10, 12, 10)
        head = QHBoxLayout()
        sign = QLabel()
        sign.setPixmap(icons.icon("check-circle-outline", "good").pixmap(18, 18))
        title = QLabel(strings.WRITTEN)
        title.setProperty("role", "title")
        self.list_button = QPushButton(strings.VALIDATOR_LIST)
        self.list_button.setProperty("role", "flat")
        self.list_button.clicked.connect(self.list_wanted)
        self.folder_button = QPushButton(icons.icon("folder-open-outline"), strings.SHOW_FOLDER)
        self.folder_button.clicked.connect(self.folder_wanted)
        head.addWidget(sign)
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.list_button)
        head.addWidget(self.folder_button)
        column.addLayout(head)
        self.lines = QLabel(wordWrap=True)
        self.lines.setFont(apply.font(12, tabular=True))
        self.lines.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.lines)
        self.report.hide()
        return self.report

    def show_header(self, rows: list[list[str]], *, nothing: str = strings.NO_HEADER) -> None:
        """Show the rows (attribute, in the source, as written); ``nothing`` is said where there are none."""
        self.table.setVisible(bool(rows))
        self.hint.setVisible(bool(rows))
        self.nothing.setVisible(not rows)
        self.nothing.setText(nothing)
        self.table.setRowCount(len(rows))
        plain, bold = apply.font(12, tabular=True), apply.font(12, semibold=True)
        for number, row in enumerate(rows):
            differs = row[1] != row[2]
            for column, text in enumerate(row):
                item = QTableWidgetItem(text or strings.ABSENT)
                item.setFont(bold if differs and column == 2 else plain)
                item.setToolTip(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(number, column, item)
        self.table.resizeRowsToContents()

    def show_report(self, record: Record | None, figures: dict[str, Any]) -> None:
        """What the read-back found; ``None`` hides it. ``figures`` are those of the exported result."""
        self.report.setVisible(record is not None)
        if record is None:
            return
        self.lines.setText("\n".join(report_lines(record, figures)))
        self.list_button.setVisible(bool(validator_text(record)))


def report_lines(record: Record, figures: dict[str, Any]) -> list[str]:
    """The round-trip report of an export result, in lines."""
    found, place = record.figures, str(record.facts.get("to", ""))
    megabytes = float(found.get("bytes", 0)) / 1e6
    lines = [strings.WRITTEN_TO.format(files=found.get("files", 0), mb=megabytes, place=Path(place).name)]
    readers: dict[str, dict[str, float]] = found.get("readers") or {}
    parts = []
    if readers:
        differences = [one["value_difference"] for one in readers.values()]
        distances = [one["geometry_difference_mm"] for one in readers.values() if "geometry_difference_mm" in one]
        if distances:
            parts.append(strings.GEOMETRY.format(mm=max(distances)))
        half = float(found.get("half_step") or 0.0)
        values = strings.VALUES.format(difference=max(differences), half_step=half)
        parts.append(values if max(differences) > 0 else strings.VALUES_EXACT)
        parts.append(strings.READERS.format(names=", ".join(readers)))
    before, after = figures.get("ftv_before_cc"), figures.get("ftv_after_cc")
    if before is not None and after is not None:
        parts.append(strings.VOLUME.format(before=before, after=after))
    lines += ["   ".join(parts)] if parts else []
    if "validator" in found:
        errors, warnings = len(found["validator_errors"]), len(found["validator_warnings"])
        known = strings.VALIDATOR.format(errors=errors, warnings=warnings)
        lines.append(known if found["validator"] else strings.NO_VALIDATOR)
    if record.facts.get("confirmed"):
        lines.append(strings.CONFIRMED.format(remarks="; ".join(record.facts["confirmed"])))
    return lines


def validator_text(record: Record) -> str:
    """All lines of the validator, errors first; empty where there are none."""
    return "\n".join([*record.figures.get("validator_errors", ()), *record.figures.get("validator_warnings", ())])
