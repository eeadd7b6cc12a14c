"""The list of remarks before an export: notes, questions with a tick each, refusals."""

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLabel, QVBoxLayout

from tumordiff_gui.modules.export import strings
from tumordiff_gui.theme import icons

SIGNS = {
    "refuse": ("alert-circle-outline", "error"), "confirm": ("alert-outline", "warning"),
    "note": ("information-outline", "secondary"),
}  # fmt: skip


class Remarks(QFrame):
    """What the exporter and every gate say of one export.

    Signals
    -------
    answered : a question was ticked or unticked
    """

    answered = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.ticks: dict[str, QCheckBox] = {}
        self.refused = False
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)

    def show_findings(self, findings: list[dict[str, Any]]) -> None:
        """Show them, refusals first; what was ticked before stays ticked if it says the same."""
        kept = {code for code, tick in self.ticks.items() if tick.isChecked()}
        said = {code: tick.accessibleName() for code, tick in self.ticks.items()}
        self.clear()
        self.refused = any(one["level"] == "refuse" for one in findings)
        order = list(SIGNS)
        for one in sorted(findings, key=lambda finding: order.index(finding["level"])):
            self._add(one, ticked=one["code"] in kept and said[one["code"]] == one["sentence"])
        if not findings:
            self._say("check-circle-outline", "good", strings.NO_REMARKS)
        elif self.ticks:
            hint = QLabel(strings.CONFIRM_HINT, wordWrap=True)
            hint.setProperty("role", "secondary")
            self._column.addWidget(hint)

    def clear(self) -> None:
        """Show nothing."""
        self.ticks, self.refused = {}, False
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def say(self, text: str) -> None:
        """Show one line instead."""
        self.clear()
        self._say("information-outline", "secondary", text)

    @property
    def confirmed(self) -> list[str]:
        """Codes of the questions that are ticked."""
        return [code for code, tick in self.ticks.items() if tick.isChecked()]

    @property
    def open(self) -> int:
        """How many questions are not answered."""
        return sum(not tick.isChecked() for tick in self.ticks.values())

    def _add(self, finding: dict[str, Any], *, ticked: bool) -> None:
        row = self._say(*SIGNS[finding["level"]], finding["sentence"].replace(strings.COMMAND_LINE, ""))
        if finding["level"] == "confirm":
            tick = QCheckBox(checked=ticked)
            tick.setAccessibleName(finding["sentence"])
            tick.toggled.connect(lambda _: self.answered.emit())
            self.ticks[finding["code"]] = tick
            row.insertWidget(0, tick, 0, Qt.AlignmentFlag.AlignTop)

    def _say(self, icon: str, role: str, text: str) -> QHBoxLayout:
        line = QFrame()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        sign = QLabel()
        sign.setPixmap(icons.icon(icon, role).pixmap(16, 16))
        label = QLabel(text, wordWrap=True)
        label.setProperty("role", role if role == "error" else "")
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(label, 1)
        self._column.addWidget(line)
        return row
