"""A calm empty or failed place: an icon, one line, and a way on."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tumordiff_gui.theme import icons


class Placeholder(QWidget):
    """An empty state: icon, one line of what belongs here, at most two buttons."""

    def __init__(
        self,
        icon: str,
        text: str,
        *buttons: tuple[str, Callable[[], None]],
        hint: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.buttons: list[QPushButton] = []
        column = QVBoxLayout(self)
        column.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.setSpacing(12)
        picture = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        picture.setPixmap(icons.icon(icon, "outline").pixmap(48, 48))
        self._line = QLabel(text, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._line.setProperty("role", "title")
        column.addWidget(picture)
        column.addWidget(self._line)
        if hint:
            more = QLabel(hint, alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
            more.setProperty("role", "secondary")
            column.addWidget(more)
        row = QHBoxLayout()
        row.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for number, (label, act) in enumerate(buttons):
            button = QPushButton(label)
            button.setProperty("role", "primary" if number == 0 else "")
            button.clicked.connect(lambda _=False, act=act: act())
            row.addWidget(button)
            self.buttons.append(button)
        column.addLayout(row)

    @property
    def text(self) -> str:
        """Its one line."""
        return self._line.text()

    def set_text(self, text: str) -> None:
        """Say something else in the same place."""
        self._line.setText(text)
