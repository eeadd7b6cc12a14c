"""A parameter record becomes a form."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tumordiff_gui.forms.form import Form


class Params(BaseModel):
    """Fields of every kind."""

    epochs: int = Field(10, ge=1, le=200, title="Epochs", description="How often all slices are seen.")
    rate: float = Field(2e-4, gt=0, title="Learning rate")
    strength: float = Field(1.0, ge=0, le=1, title="Strength")
    sigma_percent: float | None = Field(None, ge=0, title="Sigma")
    preset: Literal["ours", "paper"] = "ours"
    share: float | None = Field(None, ge=0, le=1, title="Share")
    bidirectional: bool = False
    name: str = Field("", min_length=0)
    data: Path | None = None
    labels: tuple[str, ...] = ()


def test_a_form_starts_with_the_defaults_and_gives_a_checked_record(qtbot: Any):
    form = Form(Params)
    qtbot.addWidget(form)
    assert form.record() == Params()


def test_start_values_of_hidden_fields_are_kept(qtbot: Any):
    form = Form(Params, {"epochs": 5, "name": "x"}, only=("epochs",))
    qtbot.addWidget(form)
    record = form.record()
    assert (record.epochs, record.name) == (5, "x")


def test_a_wrong_number_is_marked_said_and_refused(qtbot: Any):
    form = Form(Params)
    qtbot.addWidget(form)
    line = form.editor("rate").inner
    line.selectAll()
    QTest.keyClicks(line, "-1")
    assert form.record() is None
    assert line.property("wrong") is True
    line.selectAll()
    QTest.keyClicks(line, "0.001")
    assert form.record().rate == 0.001


def test_an_optional_field_is_left_to_the_program_until_its_tick_is_taken(qtbot: Any):
    form = Form(Params)
    qtbot.addWidget(form)
    form.show()
    editor = form.editor("sigma_percent")
    assert form.values()["sigma_percent"] is None
    editor.tick.setChecked(False)
    QTest.keyClicks(editor.editor.line, "5.1")
    assert form.record().sigma_percent == 5.1


def test_a_bounded_number_left_to_the_program_shows_none(qtbot: Any):
    form = Form(Params)
    qtbot.addWidget(form)
    form.show()
    editor = form.editor("share")
    line = editor.editor.box.lineEdit()
    assert line.text().strip() == "" and form.values()["share"] is None
    editor.tick.setChecked(False)
    assert float(line.text()) == form.values()["share"] == 0
    line.selectAll()
    QTest.keyClicks(line, "0.4")
    assert form.record().share == 0.4
    editor.tick.setChecked(True)
    assert line.text().strip() == "" and form.record().share is None
    form.set({"share": 0.7})
    assert float(line.text()) == form.record().share == 0.7


def test_choices_ticks_and_lists_are_typed(qtbot: Any):
    form = Form(Params)
    qtbot.addWidget(form)
    form.set({"preset": "paper", "bidirectional": True, "labels": ("a", "b"), "strength": 0.25})
    record = form.record()
    assert (record.preset, record.bidirectional, record.labels, record.strength) == ("paper", True, ("a", "b"), 0.25)


def test_every_editor_has_a_name_for_screen_readers(qtbot: Any):
    form = Form(Params)
    qtbot.addWidget(form)
    form.show()
    for name in Params.model_fields:
        inner = getattr(form.editor(name), "editor", form.editor(name)).inner
        assert inner.accessibleName(), name
        assert inner.focusPolicy() != Qt.FocusPolicy.NoFocus


def test_units_stand_beside_the_value(qtbot: Any):
    form = Form(Params)
    qtbot.addWidget(form)
    from PySide6.QtWidgets import QLabel

    assert "%" in [label.text() for label in form.editor("sigma_percent").findChildren(QLabel)]
