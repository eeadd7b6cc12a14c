"""One plugin in the picture area: its version, what it offers, why it failed; and the page of the template."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from tumordiff_gui.modules.plugins import strings, template
from tumordiff_gui.modules.plugins.listing import Plugin
from tumordiff_gui.theme import apply, icons


class Page(QFrame):
    """The chosen plugin.

    Signals
    -------
    switched : (name, enabled) when the reader turned it on or off
    copied : the text of a failure that was asked for
    """

    switched = Signal(str, bool)
    copied = Signal(str)

    def __init__(self, plugin: Plugin, *, fixed: str) -> None:
        super().__init__()
        self.plugin = plugin
        column = _column(self)
        head = QHBoxLayout()
        name, role = strings.STATE_ICONS[plugin.state]
        sign = QLabel()
        sign.setPixmap(icons.icon(name, role).pixmap(24, 24))
        head.addWidget(sign)
        head.addWidget(_title(plugin.title, 20), 1)
        column.addLayout(head)
        version = strings.OURS if plugin.ours else strings.VERSION.format(version=plugin.version)
        column.addWidget(_secondary(f"{plugin.name}   {version}   {strings.STATES[plugin.state]}"))
        self.enabled = QCheckBox(strings.ENABLED)
        self.enabled.setChecked(plugin.state != "off")
        self.enabled.setEnabled(not fixed)
        self.enabled.setToolTip(fixed or strings.ENABLED_HINT)
        self.enabled.toggled.connect(lambda on: self.switched.emit(plugin.name, on))
        column.addWidget(self.enabled)
        column.addWidget(_secondary(fixed or strings.NEXT_START))
        self._failures(column)
        self._offers(column)
        if not plugin.failures:
            column.addStretch(1)

    def _offers(self, column: QVBoxLayout) -> None:
        column.addWidget(_title(strings.OFFERS, 15))
        for hook, titles in self.plugin.offers.items():
            column.addWidget(_secondary(strings.KINDS[hook]))
            line = QLabel("\n".join(titles), wordWrap=True)
            line.setContentsMargins(12, 0, 0, 4)
            line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            column.addWidget(line)
        if not self.plugin.offers:
            column.addWidget(_secondary(strings.NO_OFFERS_ON if self.plugin.state == "on" else strings.NO_OFFERS))

    def _failures(self, column: QVBoxLayout) -> None:
        if not self.plugin.failures:
            return
        row = QHBoxLayout()
        row.addWidget(_title(strings.FAILURE, 15), 1)
        copy = QPushButton(strings.COPY)
        row.addWidget(copy)
        column.addLayout(row)
        for failure in self.plugin.failures:
            reason = QLabel(failure.reason, wordWrap=True)
            reason.setProperty("role", "error")
            column.addWidget(reason)
        traces = "\n\n".join(f.traceback for f in self.plugin.failures if f.traceback)
        self.traceback = _code(traces or strings.NO_TRACEBACK, strings.TRACEBACK)
        column.addWidget(self.traceback, 1)
        reasons = "\n".join(f"{self.plugin.name} {self.plugin.version}: {f.reason}" for f in self.plugin.failures)
        copy.clicked.connect(lambda: self.copied.emit(f"{reasons}\n{traces}"))


class TemplatePage(QFrame):
    """The template as text, and the button that writes it."""

    write_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        column = _column(self)
        column.addWidget(_title(strings.TEMPLATE, 20))
        column.addWidget(_secondary(strings.TEMPLATE_HINT))
        row = QHBoxLayout()
        self.button = QPushButton(strings.TEMPLATE_WRITE)
        self.button.setProperty("role", "primary")
        self.button.clicked.connect(self.write_wanted)
        row.addWidget(self.button)
        row.addStretch(1)
        column.addLayout(row)
        self.told = QLabel(wordWrap=True)
        self.told.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.told.hide()
        column.addWidget(self.told)
        column.addWidget(_code(template.as_text(), strings.TEMPLATE), 1)

    def tell(self, text: str) -> None:
        """Say what was written and how it is installed."""
        self.told.setText(text)
        self.told.show()


def _column(parent: QWidget) -> QVBoxLayout:
    column = QVBoxLayout(parent)
    column.setContentsMargins(16, 16, 16, 16)
    column.setSpacing(8)
    return column


def _title(text: str, size: int) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setFont(apply.font(size, semibold=True))
    return label


def _secondary(text: str) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setProperty("role", "secondary")
    return label


def _code(text: str, name: str) -> QPlainTextEdit:
    box = QPlainTextEdit(text, readOnly=True)
    box.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    box.setAccessibleName(name)
    return box
