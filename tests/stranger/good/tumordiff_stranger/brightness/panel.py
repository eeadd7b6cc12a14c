"""The panel on the left side of the window; the only file of the example that knows Qt."""

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from tumordiff_stranger.brightness import strings


class Panel(QWidget):
    """Gets the window's context: desk, undo, jobs, catalogue, settings, views."""

    def __init__(self, context):
        super().__init__()
        self.context = context
        text = QLabel(strings.INTRODUCTION, self)
        text.setWordWrap(True)
        QVBoxLayout(self).addWidget(text)
