"""A pydantic record becomes a form: one row per field, checked as the reader types; knows no particular record."""

import types
import typing
from pathlib import Path
from typing import Any, Literal, Union

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_gui import words
from tumordiff_gui.theme import icons

LARGEST_INT = 2_147_483_647
LARGEST_FLOAT = 1e12
UNITS = {"_mm": "mm", "_cc": "cc", "_s": "s", "_percent": "%", "_days": "days", "_gb": "GB"}


class Form(QWidget):
    """The fields of one record class.

    Parameters
    ----------
    model : the pydantic class
    values : what to start with, by field name
    only, without : which fields to show (default: all)
    changed : fires after every change by the reader
    """

    changed = Signal()

    def __init__(self, model: type[BaseModel], values: dict[str, Any] | None = None, *, only: tuple[str, ...] = (),
                 without: tuple[str, ...] = (), parent: QWidget | None = None) -> None:  # fmt: skip
        super().__init__(parent)
        self._model = model
        self._start = dict(values or {})
        self._editors: dict[str, _Editor] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        rows = QFormLayout()
        rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        rows.setVerticalSpacing(8)
        column.addLayout(rows)
        self._trouble = QLabel(wordWrap=True)
        self._trouble.setProperty("role", "error")
        self._trouble.hide()
        column.addWidget(self._trouble)
        for name, field in model.model_fields.items():
            if (only and name not in only) or name in without or _is_mapping(field):
                continue
            editor = _editor(name, field)
            value = self._start.get(name, field.get_default(call_default_factory=True))
            editor.set(None if value is PydanticUndefined else value)
            editor.changed.connect(self._edited)
            label = QLabel(field.title or name.replace("_", " ").capitalize())
            label.setBuddy(editor)
            for widget in (label, editor):
                widget.setToolTip(field.description or "")
            editor.name_for_readers(label.text())
            rows.addRow(label, editor)
            self._editors[name] = editor

    def editor(self, name: str) -> QWidget:
        """The editor of a field, for tests and for hints; raises KeyError."""
        return self._editors[name]

    def values(self) -> dict[str, Any]:
        """What the form says, with the start values of fields that are not shown."""
        return {**self._start, **{name: editor.get() for name, editor in self._editors.items()}}

    def set(self, values: dict[str, Any]) -> None:
        """Put values into the form without firing ``changed``; unknown names are kept for ``values()``."""
        for name, value in values.items():
            if name in self._editors:
                self._editors[name].blockSignals(True)
                self._editors[name].set(value)
                self._editors[name].blockSignals(False)
            else:
                self._start[name] = value
        self.check()

    def record(self) -> BaseModel | None:
        """The checked record, ``None`` while a field is wrong (the form then says which)."""
        return self._model.model_validate(self.values()) if self.check() else None

    def check(self) -> bool:
        """Mark wrong fields and say what is expected; True when all are right."""
        wrong: dict[str, str] = {}
        try:
            self._model.model_validate(self.values())
        except ValidationError as error:
            for one in error.errors():
                name = str(one["loc"][0]) if one["loc"] else ""
                wrong.setdefault(name, one["msg"])
        for name, editor in self._editors.items():
            editor.mark(name in wrong)
        lines = [f"{self._title(name)}: {text}" for name, text in wrong.items()]
        self._trouble.setText("\n".join(lines))
        self._trouble.setVisible(bool(lines))
        return not wrong

    def _title(self, name: str) -> str:
        field = self._model.model_fields.get(name)
        return (field.title if field and field.title else name) or self._model.__name__

    def _edited(self) -> None:
        self.check()
        self.changed.emit()


class _Editor(QWidget):
    """One field's editor; subclasses know one kind of value."""

    changed = Signal()

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self.inner = inner
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.addWidget(inner, 1)
        self.setFocusProxy(inner)

    def get(self) -> Any:
        raise NotImplementedError

    def set(self, value: Any) -> None:
        raise NotImplementedError

    def leave_open(self, is_open: bool) -> None:
        """Whether the program chooses the value: then none is shown, where the widget would show one."""

    def name_for_readers(self, name: str) -> None:
        self.inner.setAccessibleName(name)

    def mark(self, wrong: bool) -> None:
        if bool(self.inner.property("wrong")) != wrong:
            self.inner.setProperty("wrong", wrong)
            self.inner.style().unpolish(self.inner)
            self.inner.style().polish(self.inner)


class _Whole(_Editor):
    def __init__(self, low: int, high: int, unit: str) -> None:
        self.box = QSpinBox()
        super().__init__(self.box)
        self.box.setRange(low, high)
        self.box.setSuffix(f" {unit}" if unit else "")
        self.box.valueChanged.connect(lambda _: self.changed.emit())

    def get(self) -> int:
        return self.box.value()

    def set(self, value: Any) -> None:
        self.box.setValue(int(value or 0))


class _Number(_Editor):
    def __init__(self, low: float, high: float, unit: str) -> None:
        self.line = QLineEdit()
        super().__init__(self.line)
        self._low, self._high = low, high
        if unit:
            self.row.addWidget(QLabel(unit))
        self.line.textEdited.connect(lambda _: self.changed.emit())

    def get(self) -> Any:
        text = self.line.text().strip().replace(",", ".")
        try:
            return float(text)
        except ValueError:
            return text

    def set(self, value: Any) -> None:
        self.line.setText("" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value))


class _Ratio(_Editor):
    """A bounded number, both ends known and near: a spin box."""

    def __init__(self, low: float, high: float, unit: str) -> None:
        self.box = QDoubleSpinBox()
        super().__init__(self.box)
        self.box.setDecimals(3)
        self.box.setRange(low, high)
        self.box.setSingleStep((high - low) / 20)
        self.box.setSuffix(f" {unit}" if unit else "")
        self.box.valueChanged.connect(lambda _: self.changed.emit())

    def get(self) -> float:
        return round(self.box.value(), 6)

    def set(self, value: Any) -> None:
        self.box.setValue(float(value or 0.0))

    def leave_open(self, is_open: bool) -> None:
        self.box.setSpecialValueText(" " if is_open else "")
        if is_open:
            self.box.setValue(self.box.minimum())


class _YesNo(_Editor):
    def __init__(self) -> None:
        self.box = QCheckBox()
        super().__init__(self.box)
        self.box.toggled.connect(lambda _: self.changed.emit())

    def get(self) -> bool:
        return self.box.isChecked()

    def set(self, value: Any) -> None:
        self.box.setChecked(bool(value))


class _Choice(_Editor):
    def __init__(self, choices: tuple[Any, ...]) -> None:
        self.box = QComboBox()
        super().__init__(self.box)
        for choice in choices:
            self.box.addItem(str(choice), choice)
        self.box.currentIndexChanged.connect(lambda _: self.changed.emit())

    def get(self) -> Any:
        return self.box.currentData()

    def set(self, value: Any) -> None:
        self.box.setCurrentIndex(max(self.box.findData(value), 0))


class _Text(_Editor):
    def __init__(self, *, parts: bool = False) -> None:
        self.line = QLineEdit()
        super().__init__(self.line)
        self._parts = parts
        self.line.textEdited.connect(lambda _: self.changed.emit())

    def get(self) -> Any:
        text = self.line.text()
        return [part.strip() for part in text.split(",") if part.strip()] if self._parts else text

    def set(self, value: Any) -> None:
        if self._parts and isinstance(value, list | tuple):
            value = ", ".join(str(v) for v in value)
        self.line.setText("" if value is None else str(value))


class _Place(_Text):
    """A file or folder: a line and a button."""

    def __init__(self) -> None:
        super().__init__()
        button = QToolButton()
        button.setIcon(icons.icon("folder-open-outline"))
        button.setAccessibleName(words.CHOOSE_PLACE)
        button.clicked.connect(self._choose)
        self.row.addWidget(button)

    def get(self) -> Any:
        return self.line.text() or None

    def _choose(self) -> None:
        found = QFileDialog.getExistingDirectory(self, words.CHOOSE_PLACE, self.line.text())
        if found:
            self.line.setText(found)
            self.changed.emit()


class _Optional(_Editor):
    """A field that may be left to the program: a tick, then the editor of its kind."""

    def __init__(self, inner: _Editor) -> None:
        self.editor = inner
        self.tick = QCheckBox(words.AUTOMATIC)
        super().__init__(inner)
        self.row.insertWidget(0, self.tick)
        self.tick.toggled.connect(self._ticked)
        inner.changed.connect(self.changed)

    def _ticked(self, automatic: bool) -> None:
        self.editor.setEnabled(not automatic)
        self.editor.leave_open(automatic)
        self.changed.emit()

    def name_for_readers(self, name: str) -> None:
        self.editor.name_for_readers(name)
        self.tick.setAccessibleName(f"{name}: {words.AUTOMATIC}")

    def mark(self, wrong: bool) -> None:
        self.editor.mark(wrong)

    def get(self) -> Any:
        return None if self.tick.isChecked() else self.editor.get()

    def set(self, value: Any) -> None:
        self.tick.setChecked(value is None)
        self.editor.setEnabled(value is not None)
        if value is not None:
            self.editor.set(value)
        self.editor.leave_open(value is None)


def _is_mapping(field: FieldInfo) -> bool:
    """Whether a field holds names and values of its own, which no single line can ask for; it keeps its default."""
    return typing.get_origin(_without_none(field.annotation)[0]) is dict


def _editor(name: str, field: FieldInfo) -> _Editor:
    kind, optional = _without_none(field.annotation)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = str(extra.get("unit") or next((u for end, u in UNITS.items() if name.endswith(end)), ""))
    made = _plain_editor(kind, *_bounds(field), unit)
    return _Optional(made) if optional else made


def _plain_editor(kind: Any, low: float | None, high: float | None, unit: str) -> _Editor:
    origin = typing.get_origin(kind)
    if origin is Literal:
        return _Choice(typing.get_args(kind))
    if kind is bool:
        return _YesNo()
    if kind is int:
        floor = -LARGEST_INT if low is None else int(low)
        return _Whole(floor, LARGEST_INT if high is None else int(min(high, LARGEST_INT)), unit)
    if kind is float:
        if low is not None and high is not None and high - low <= 100:
            return _Ratio(low, high, unit)
        return _Number(-LARGEST_FLOAT if low is None else low, LARGEST_FLOAT if high is None else high, unit)
    if isinstance(kind, type) and issubclass(kind, Path):
        return _Place()
    return _Text(parts=origin in {list, tuple, set})


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in {Union, types.UnionType}:
        kinds = [k for k in typing.get_args(annotation) if k is not type(None)]
        if len(kinds) == 1:
            return kinds[0], True
        return (str if str in kinds else kinds[0]), len(kinds) < len(typing.get_args(annotation))
    return annotation, False


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for rule in field.metadata:
        low = next((getattr(rule, n) for n in ("ge", "gt") if getattr(rule, n, None) is not None), low)
        high = next((getattr(rule, n) for n in ("le", "lt") if getattr(rule, n, None) is not None), high)
    return low, high
