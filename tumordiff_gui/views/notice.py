"""A sentence over a view that could not be filled, with a way out and its details one click further."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tumordiff_gui import words
from tumordiff_gui.theme import icons, tokens

WIDEST, MARGIN = 420, 16


class Notice(QWidget):
    """Drawn on black in both themes.

    Signals
    -------
    again_pressed, details_pressed : the two buttons
    """

    again_pressed = Signal()
    details_pressed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 14, 14, 12)
        row = QHBoxLayout()
        row.setSpacing(12)
        sign = QLabel()
        sign.setPixmap(icons.icon("alert-circle-outline", tokens.DARK.error).pixmap(20, 20))
        self.sentence = QLabel(wordWrap=True)
        self.sentence.setStyleSheet(f"color: {tokens.ON_BLACK_TEXT};")
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.sentence, 1)
        column.addLayout(row)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        self.details = QPushButton(words.DETAILS)
        self.details.clicked.connect(self.details_pressed)
        self.again = QPushButton(words.TRY_AGAIN)
        self.again.setProperty("role", "primary")
        self.again.clicked.connect(self.again_pressed)
        buttons.addWidget(self.details)
        buttons.addWidget(self.again)
        column.addLayout(buttons)
        self.hide()

    def say(self, sentence: str, *, details: bool) -> None:
        """Show a sentence in the middle of the parent; an empty one hides the notice."""
        self.sentence.setText(sentence)
        self.details.setVisible(details)
        self.setVisible(bool(sentence))
        self.place()

    def place(self) -> None:
        """Stand in the middle of the parent."""
        parent = self.parentWidget()
        if parent is not None and self.isVisibleTo(parent):
            width = min(parent.width() - 2 * MARGIN, WIDEST)
            height = self.heightForWidth(width) if self.hasHeightForWidth() else self.sizeHint().height()
            self.setGeometry((parent.width() - width) // 2, max((parent.height() - height) // 2, 0), width, height)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 225))
        painter.fillRect(0, 0, 3, self.height(), QColor(tokens.DARK.error))
        painter.end()
