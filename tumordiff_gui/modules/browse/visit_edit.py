"""The dialogue that corrects a visit's label and day."""

from PySide6.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from tumordiff_gui.modules.browse import strings

LABELS = tuple(f"T{n}" for n in range(10))
UNKNOWN_DAYS = -3651
LARGEST_DAYS = 3650


class VisitEdit(QDialog):
    """Label and days since baseline of one visit."""

    def __init__(self, parent: QWidget, label: str, days: int | None, evidence: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(strings.EDIT_TITLE)
        self.setMinimumWidth(320)
        column = QVBoxLayout(self)
        column.setSpacing(12)
        hint = QLabel(strings.EDIT_HINT.format(evidence=evidence or "-"), wordWrap=True)
        hint.setProperty("role", "secondary")
        column.addWidget(hint)
        rows = QFormLayout()
        self.label = QComboBox(editable=True)
        self.label.addItems(LABELS)
        self.label.setCurrentText(label)
        self.label.setAccessibleName(strings.EDIT_LABEL)
        self.days = QSpinBox(minimum=UNKNOWN_DAYS, maximum=LARGEST_DAYS, specialValueText=strings.EDIT_DAYS_UNKNOWN)
        self.days.setValue(UNKNOWN_DAYS if days is None else days)
        self.days.setAccessibleName(strings.EDIT_DAYS)
        rows.addRow(strings.EDIT_LABEL, self.label)
        rows.addRow(strings.EDIT_DAYS, self.days)
        column.addLayout(rows)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)

    def answer(self) -> tuple[str, int | None]:
        """Label and days as given."""
        days = self.days.value()
        return self.label.currentText().strip(), None if days == UNKNOWN_DAYS else days
