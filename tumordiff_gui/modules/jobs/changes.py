"""The dialogue that repeats a job with other parameters: its task's own form."""

import typing
from typing import Any

from pydantic import BaseModel
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFrame, QScrollArea, QVBoxLayout, QWidget

from tumordiff_gui.forms.form import Form
from tumordiff_gui.modules.jobs import strings


class Changes(QDialog):
    """The form of a job's parameters, filled with what it ran with.

    Signals
    -------
    answered : the parameters that differ, by name
    """

    answered = Signal(dict)

    def __init__(self, parent: QWidget, title: str, model: type[BaseModel], params: dict[str, Any]) -> None:
        super().__init__(parent)
        self.setWindowTitle(strings.CHANGES_TITLE.format(title=title))
        self.resize(520, 560)
        self._params = params
        column = QVBoxLayout(self)
        self.form = Form(model, params, without=_unshown(model))
        place = QScrollArea(widgetResizable=True)
        place.setFrameShape(QFrame.Shape.NoFrame)
        holder = QWidget()
        inner = QVBoxLayout(holder)
        inner.addWidget(self.form)
        inner.addStretch(1)
        place.setWidget(holder)
        column.addWidget(place)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.start = buttons.addButton(strings.CHANGES_START, QDialogButtonBox.ButtonRole.AcceptRole)
        self.start.setProperty("role", "primary")
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)

    def _accept(self) -> None:
        record = self.form.record()
        if record is None:
            return
        given = record.model_dump(mode="json")
        self.answered.emit({name: value for name, value in given.items() if value != self._params.get(name)})
        self.accept()


def _unshown(model: type[BaseModel]) -> tuple[str, ...]:
    """Fields that a form line cannot hold: mappings keep the value they had."""
    return tuple(n for n, field in model.model_fields.items() if typing.get_origin(field.annotation) is dict)
