"""The plugins panel: the list with search; the chosen plugin or the template is shown in the picture area."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core.errors import TumorDiffError
from tumordiff_gui.modules.plugins import strings, template
from tumordiff_gui.modules.plugins.listing import Plugin, plugins, set_disabled
from tumordiff_gui.modules.plugins.page import Page, TemplatePage
from tumordiff_gui.state.layout import Cell, Layout
from tumordiff_gui.theme import icons

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

LAYOUT = Layout("plugin", strings.LIST, (Cell("plugin"),))
VARIABLE = "TUMORDIFF_PLUGINS_DISABLED"


class Panel(QWidget):
    """All plugins, strangers first."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._context = context
        self._shown = False
        self._plugins: list[Plugin] = []
        self.page: Page | TemplatePage | None = None
        self.area = QScrollArea(widgetResizable=True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.chosen = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 10, 8, 8)
        column.setSpacing(8)
        self.search = QLineEdit(placeholderText=strings.SEARCH, clearButtonEnabled=True)
        self.search.setAccessibleName(strings.SEARCH)
        self.search.addAction(icons.icon("magnify", "secondary"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(lambda _: self._fill())
        self.count = QLabel()
        self.count.setProperty("role", "secondary")
        self.list = QListWidget()
        self.list.setAccessibleName(strings.LIST)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentItemChanged.connect(self._current_changed)
        self.nothing = QLabel(strings.NOTHING_FITS, alignment=Qt.AlignmentFlag.AlignCenter)
        self.nothing.setProperty("role", "secondary")
        self.template = QPushButton(icons.icon("pencil-outline"), strings.TEMPLATE)
        self.template.clicked.connect(self.show_template)
        for widget in (self.search, self.count):
            column.addWidget(widget)
        column.addWidget(self.list, 1)
        column.addWidget(self.nothing, 1)
        column.addWidget(self.template)

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self._shown = True
        self._plugins = plugins()
        self._fill()
        if isinstance(self.page, TemplatePage):
            self._show(self.page)
        else:
            failed = next((p.name for p in self._plugins if p.state == "failed"), "")
            self.choose(self.chosen or failed or (self._plugins[0].name if self._plugins else ""))

    def hidden(self) -> None:
        """Another module is shown."""
        self._shown = False

    # listing

    def _fill(self) -> None:
        typed = self.search.text().lower().split()
        fitting = [p for p in self._plugins if all(word in p.text for word in typed)]
        self.list.blockSignals(True)
        self.list.clear()
        for plugin in fitting:
            name, role = strings.STATE_ICONS[plugin.state]
            version = strings.OURS if plugin.ours else strings.VERSION.format(version=plugin.version)
            item = QListWidgetItem(icons.icon(name, role), f"{plugin.title}\n{version}")
            item.setData(Qt.ItemDataRole.UserRole, plugin.name)
            item.setToolTip(f"{plugin.name}   {strings.STATES[plugin.state]}")
            self.list.addItem(item)
            if plugin.name == self.chosen:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self.list.setVisible(bool(fitting))
        self.nothing.setVisible(not fitting)
        counts = {state: sum(p.state == state for p in self._plugins) for state in strings.STATES}
        self.count.setText(strings.COUNT.format(**counts))

    def _current_changed(self, item: QListWidgetItem | None, _before: object) -> None:
        if item is not None:
            self.choose(str(item.data(Qt.ItemDataRole.UserRole)))

    def choose(self, name: str) -> None:
        """Show a plugin."""
        plugin = next((p for p in self._plugins if p.name == name), None)
        if plugin is None:
            return
        self.chosen = name
        for row in range(self.list.count()):
            if self.list.item(row).data(Qt.ItemDataRole.UserRole) == name and self.list.currentRow() != row:
                self.list.setCurrentRow(row)
                return
        page = Page(plugin, fixed=_fixed(plugin))
        page.switched.connect(self._switch)
        page.copied.connect(self._copy)
        self._show(page)

    def show_template(self) -> None:
        """Show the template's page."""
        page = TemplatePage()
        page.write_wanted.connect(self._write_template)
        self._show(page)

    def _show(self, page: Page | TemplatePage) -> None:
        if page is not self.page:
            self.page = page
            self.area.setWidget(page)
        if self._shown and self._context.views.contents.get("plugin") is not self.area:
            self._context.views.show(LAYOUT, {"plugin": self.area})

    # acting

    def _switch(self, name: str, on: bool) -> None:
        set_disabled(name, not on)
        self._context.desk.say((strings.WILL_BE_ON if on else strings.WILL_BE_OFF).format(name=name))

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._context.desk.say(strings.COPIED)

    def _write_template(self) -> None:
        found = QFileDialog.getExistingDirectory(self, strings.TEMPLATE_CHOOSE)
        if not found:
            return
        try:
            folder = template.write(Path(found))
        except TumorDiffError as error:
            self._context.jobs.troubled.emit(error.sentence)
            return
        self._context.desk.say(strings.TEMPLATE_WRITTEN.format(folder=folder.name))
        if isinstance(self.page, TemplatePage):
            self.page.tell(strings.TEMPLATE_INSTALL.format(folder=folder))


def _fixed(plugin: Plugin) -> str:
    """Why a plugin cannot be turned on or off here; empty when it can."""
    if plugin.ours:
        return strings.ENABLED_OURS
    return strings.ELSEWHERE.format(name=VARIABLE) if os.environ.get(VARIABLE) is not None else ""
