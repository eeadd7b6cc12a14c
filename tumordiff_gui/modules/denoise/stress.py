"""The stress test of the opened series as a curve: how bright a lesion of a size must be to be found reliably."""

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from tumordiff_core.result_folder import Result
from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.views.curve import Curve, Line


class StressDialogue(QDialog):
    """The curve of one stress test; not modal, so that pictures can be looked at beside it.

    Signals
    -------
    again : the reader wants another test of this series
    """

    again = Signal()

    def __init__(self, result: Result, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        record = result.record
        found: dict[str, Any] = record.figures.get("stress") or {}
        self.setWindowTitle(strings.STRESS_TITLE.format(model=record.model.get("name", "")))
        self.resize(560, 460)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        self.curve = Curve(strings.STRESS_CURVE, strings.STRESS_X, empty=strings.STRESS_NONE)
        self.curve.set_lines(lines_of(found.get("curve") or []))
        column.addWidget(self.curve, 1)
        self.text = QLabel("\n\n".join(sentences_of(found)), wordWrap=True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.text)
        buttons = QDialogButtonBox()
        again = buttons.addButton(strings.STRESS_AGAIN, QDialogButtonBox.ButtonRole.ActionRole)
        again.clicked.connect(self.again)
        again.clicked.connect(self.close)
        buttons.addButton(strings.CLOSE, QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.close)
        column.addWidget(buttons)


def lines_of(curve: list[dict[str, Any]]) -> list[Line]:
    """Smallest reliable enhancement over size, as acquired (dashed) and denoised; sizes without one are left out."""
    known = (("acquired", strings.STRESS_ACQUIRED, "secondary"), ("denoised", strings.DENOISED, "accent"))
    made = []
    for name, title, colour in known:
        values = [(float(row["size_mm"]), row.get(f"{name}_percent")) for row in curve]
        points = tuple((size, float(value)) for size, value in values if value is not None)
        made.append(Line(title, points, colour, dashed=name == "acquired", dots=True))
    return made


def sentences_of(found: dict[str, Any]) -> list[str]:
    """What the curve says: its legend, the sizes that denoising costs or that are never found, and how it was made."""
    curve = found.get("curve") or []
    said = [strings.STRESS_LEGEND]
    never = [f"{row['size_mm']:g}" for row in curve if row.get("denoised_percent") is None]
    if never:
        said.append(strings.STRESS_NEVER.format(sizes=", ".join(never)))
    harder = [f"{row['size_mm']:g}" for row in curve if _is_harder(row)]
    said.append(strings.STRESS_HARDER.format(sizes=", ".join(harder)) if harder else strings.STRESS_KEPT)
    return [*said, *([str(found["note"])] if found.get("note") else [])]


def _is_harder(row: dict[str, Any]) -> bool:
    before, after = row.get("acquired_percent"), row.get("denoised_percent")
    return before is not None and (after is None or float(after) > float(before))
