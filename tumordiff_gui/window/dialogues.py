"""The dialogues of the whole window: research use, history, keys, settings, details of an error."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core.settings import Settings
from tumordiff_gui import words
from tumordiff_gui.actions import Action
from tumordiff_gui.forms.form import Form
from tumordiff_gui.state.undo import Undo
from tumordiff_gui.theme import apply, icons


class ResearchUse(QDialog):
    """Accepted once per version; declining closes the program."""

    def __init__(self, parent: QWidget, version: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(words.RESEARCH_TITLE)
        self.setModal(True)
        self.setMinimumWidth(480)
        column = QVBoxLayout(self)
        column.setContentsMargins(28, 24, 28, 20)
        column.setSpacing(14)
        picture = QLabel(alignment=Qt.AlignmentFlag.AlignLeft)
        picture.setPixmap(icons.icon("flask-outline", "warning").pixmap(36, 36))
        title = QLabel(words.RESEARCH_TITLE)
        title.setFont(apply.font(18, semibold=True))
        column.addWidget(picture)
        column.addWidget(title)
        for paragraph in words.RESEARCH_TEXT:
            line = QLabel(paragraph, wordWrap=True)
            column.addWidget(line)
        note = QLabel(words.RESEARCH_VERSION.format(version=version))
        note.setProperty("role", "secondary")
        column.addWidget(note)
        buttons = QDialogButtonBox()
        self.accept_button = QPushButton(words.RESEARCH_ACCEPT)
        self.accept_button.setProperty("role", "primary")
        buttons.addButton(self.accept_button, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(words.RESEARCH_DECLINE, QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)


class History(QDialog):
    """All steps; a click goes back or forward to there."""

    def __init__(self, parent: QWidget, undo: Undo) -> None:
        super().__init__(parent)
        self.setWindowTitle(words.HISTORY_TITLE)
        self.resize(360, 480)
        self._undo = undo
        column = QVBoxLayout(self)
        hint = QLabel(words.HISTORY_HINT, wordWrap=True)
        hint.setProperty("role", "secondary")
        self.list = QListWidget()
        self.list.setAccessibleName(words.HISTORY_TITLE)
        self.list.itemClicked.connect(lambda item: self._undo.go_to(self.list.row(item)))
        column.addWidget(hint)
        column.addWidget(self.list)
        undo.changed.connect(self._fill)
        self._fill()

    def _fill(self) -> None:
        self.list.clear()
        self.list.addItem(words.HISTORY_START)
        self.list.addItems(self._undo.history)
        for row in range(self.list.count()):
            if row > self._undo.position:
                self.list.item(row).setForeground(self.palette().placeholderText())
        self.list.setCurrentRow(self._undo.position)

    def done(self, result: int) -> None:
        self._undo.changed.disconnect(self._fill, missing_ok=True)
        super().done(result)


class KeySheet(QDialog):
    """All actions with their keys, searchable."""

    def __init__(self, parent: QWidget, rows: list[Action]) -> None:
        super().__init__(parent)
        self.setWindowTitle(words.KEYS_TITLE)
        self.resize(560, 640)
        column = QVBoxLayout(self)
        self.line = QLineEdit(placeholderText=words.SEARCH)
        self.line.setAccessibleName(words.SEARCH)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName(words.KEYS_TITLE)
        self.tree.setHeaderLabels([words.KEYS_ACTION, words.KEYS_KEY])
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.setRootIsDecorated(False)
        for title, key in words.MOUSE_TABLE:
            self.tree.addTopLevelItem(QTreeWidgetItem([title, key]))
        for row in rows:
            if row.keys:
                self.tree.addTopLevelItem(QTreeWidgetItem([row.title, "  ".join(native(k) for k in row.keys)]))
        self.line.textChanged.connect(self._filter)
        column.addWidget(self.line)
        column.addWidget(self.tree)

    def _filter(self, query: str) -> None:
        for number in range(self.tree.topLevelItemCount()):
            item = self.tree.topLevelItem(number)
            item.setHidden(query.lower() not in f"{item.text(0)} {item.text(1)}".lower())


def native(key: str) -> str:
    """A key as this platform writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) or key


class Details(QDialog):
    """A text that can be copied: a traceback, a log, a list of skipped files."""

    def __init__(self, parent: QWidget, title: str, text: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(760, 480)
        column = QVBoxLayout(self)
        self.text = QPlainTextEdit(text, readOnly=True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setAccessibleName(title)
        column.addWidget(self.text)


class SettingsDialogue(QDialog):
    """One tab per group of settings, made from the settings record."""

    def __init__(self, parent: QWidget, settings: Settings, keep: Callable[[Settings], None]) -> None:
        super().__init__(parent)
        self.setWindowTitle(words.SETTINGS_TITLE)
        self.resize(620, 460)
        self._settings, self._keep = settings, keep
        self.forms: dict[str, Form] = {}
        column = QVBoxLayout(self)
        tabs = QTabWidget()
        for group, field in Settings.model_fields.items():
            record = getattr(settings, group)
            if not type(record).model_fields:
                continue
            form = Form(type(record), record.model_dump(), without=("accepted_version",))
            self.forms[group] = form
            place = QScrollArea(widgetResizable=True)
            place.setFrameShape(QScrollArea.Shape.NoFrame)
            holder = QWidget()
            inner = QVBoxLayout(holder)
            inner.addWidget(form)
            inner.addStretch(1)
            place.setWidget(holder)
            tabs.addTab(place, words.SETTINGS_GROUPS.get(group, field.title or group))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self._save)
        buttons.rejected.connect(self.reject)
        column.addWidget(tabs)
        column.addWidget(buttons)

    def _save(self) -> None:
        records = {group: form.record() for group, form in self.forms.items()}
        if all(record is not None for record in records.values()):
            self._keep(self._settings.model_copy(update=records))
            self.accept()
