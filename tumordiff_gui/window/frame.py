"""The main window's frame: bar, panel, picture area, jobs, status. It paints before anything heavy is imported.

Everything that needs numpy, pydantic or plugins comes in through ``furnish`` after the first paint.
"""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QMainWindow,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_gui import words
from tumordiff_gui.theme import apply, tokens

SIZE = QSize(1600, 1000)
BAR_HEIGHT = 44


class Bar(QFrame):
    """The module bar: name, module picker, back and forward, palette, undo and redo, theme, menu."""

    pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "bar")
        self.setFixedHeight(BAR_HEIGHT)
        self.buttons: dict[str, QToolButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 8, 0)
        row.setSpacing(4)
        name = QLabel(words.APP)
        name.setFont(apply.font(15, semibold=True))
        row.addWidget(name)
        row.addSpacing(12)
        self._button(row, "go.module", words.BROWSE_TITLE + "  ▾", wide=True)
        self._button(row, "go.back", "‹")
        self._button(row, "go.forward", "›")
        row.addStretch(1)
        palette = self._button(row, "go.palette", words.PALETTE_HINT, wide=True)
        palette.setMinimumWidth(340)
        palette.setProperty("role", "field")
        row.addStretch(1)
        for action in ("edit.undo", "edit.redo", "edit.history", "look.theme", "go.keys"):
            self._button(row, action, "")
        self._button(row, "app.menu", "⋮")

    def _button(self, row: QHBoxLayout, action: str, text: str, *, wide: bool = False) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setAccessibleName(text or action)
        button.setMinimumSize(132 if wide else 30, tokens.CONTROL_HEIGHT)
        if wide:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIconSize(QSize(tokens.TOOL_ICON, tokens.TOOL_ICON))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.pressed.emit(action))
        self.buttons[action] = button
        row.addWidget(button)
        return button


class Status(QFrame):
    """The status bar: research use always, what was said last, the probe, jobs, memory."""

    jobs_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self.setFixedHeight(26)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 8, 0)
        row.setSpacing(16)
        self.research = QLabel(words.RESEARCH_USE)
        self.research.setProperty("role", "research")
        self.said = QLabel()
        self.probe = QLabel()
        self.probe.setFont(apply.font(12, tabular=True))
        self.saved = QLabel()
        self.memory = QLabel()
        self.jobs = QToolButton()
        self.jobs.setText(words.NO_JOBS)
        self.jobs.setAccessibleName(words.JOBS_TITLE)
        self.jobs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.jobs.clicked.connect(self.jobs_pressed)
        row.addWidget(self.research)
        row.addWidget(self.said, 1)
        for label in (self.probe, self.saved, self.memory):
            label.setProperty("role", "secondary")
            row.addWidget(label)
        row.addWidget(self.jobs)


class Notice(QFrame):
    """A sentence across the window that waits until it is read, with its details one click further."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "bar")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 8, 6)
        self.sentence = QLabel(wordWrap=True)
        self.sentence.setProperty("role", "error")
        self.details = QToolButton()
        self.details.setText(words.DETAILS)
        self._show_details: Callable[[], None] | None = None
        self.details.clicked.connect(lambda: self._show_details and self._show_details())
        self.dismiss = QToolButton()
        self.dismiss.setText("✕")
        self.dismiss.setAccessibleName(words.DISMISS)
        self.dismiss.clicked.connect(self.hide)
        row.addWidget(self.sentence, 1)
        row.addWidget(self.details)
        row.addWidget(self.dismiss)
        self.hide()

    def say(self, sentence: str, details: Callable[[], None] | None = None) -> None:
        """Show a sentence; ``details`` is called by its button."""
        self.sentence.setText(sentence)
        self.details.setVisible(details is not None)
        self._show_details = details
        self.show()


class Window(QMainWindow):
    """The frame.

    Signals
    -------
    painted : once, after the first paint
    dropped : local paths of files and folders
    closing : before the window closes; a listener may refuse by clearing ``may_close``
    """

    painted = Signal()
    closing = Signal()
    dropped = Signal(list)

    def __init__(self, remembered: dict[str, Any]) -> None:
        super().__init__()
        self.may_close = True
        self._was_painted = False
        self.setWindowTitle(words.APP)
        self.resize(SIZE)
        self.setAcceptDrops(True)
        self.bar, self.status, self.notice = Bar(), Status(), Notice()
        self.setMenuWidget(self.bar)
        self.panel = QStackedWidget()
        self.panel.setProperty("role", "panel")
        self.panel.setMinimumWidth(tokens.PANEL_MINIMUM)
        self.pictures = QWidget()
        self.pictures.setAutoFillBackground(True)
        room = QVBoxLayout(self.pictures)
        room.setContentsMargins(0, 0, 0, 0)
        room.setSpacing(0)
        self.across = QSplitter(Qt.Orientation.Horizontal)
        self.across.setHandleWidth(1)
        self.across.addWidget(self.panel)
        self.across.addWidget(self.pictures)
        self.across.setStretchFactor(1, 1)
        self.across.setCollapsible(1, False)
        self.across.setSizes([tokens.PANEL_WIDTH, SIZE.width() - tokens.PANEL_WIDTH])
        self.down = QSplitter(Qt.Orientation.Vertical)
        self.down.setHandleWidth(1)
        self.down.addWidget(self.across)
        self.down.setStretchFactor(0, 1)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.notice)
        column.addWidget(self.down, 1)
        column.addWidget(self.status)
        self.setCentralWidget(whole)
        self._show_last_list(remembered.get("patients", []))

    def _show_last_list(self, patients: list[str]) -> None:
        """What the browser showed last time, until it can look again."""
        last = QListWidget()
        last.setEnabled(False)
        last.addItems([str(p) for p in patients])
        self.panel.addWidget(last)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            self.painted.emit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        places = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if places:
            event.acceptProposedAction()
            self.dropped.emit(places)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.may_close = True
        self.closing.emit()
        event.setAccepted(self.may_close)
