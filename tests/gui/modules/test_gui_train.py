"""Train: the form and the split, a run with live curves, stop and resume, the finished model."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.gui import fakes
from tumordiff_core import files, model_cards
from tumordiff_core.jobs import events
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_gui.background.jobs import Jobs
from tumordiff_gui.modules.train.charts import best_epoch
from tumordiff_gui.views.chart import round_log_ticks

LEFT = Qt.MouseButton.LeftButton
PATIENCE_MS = 20_000


@pytest.fixture
def train(wiring: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Jobs, "_start_queued", lambda self: None)
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, view: None)
    wiring.show_module("train")
    panel = wiring.panels["train"]
    qtbot.waitUntil(lambda: "31 patients" in panel.counts.text(), timeout=PATIENCE_MS)
    return panel


def started(panel: Any) -> Any:
    """A run that this very process claims to work on; its view and the writer of its events."""
    QTest.mouseClick(panel.start, LEFT)
    view = panel._view()
    (view.folder / "worker.1.json").write_text(json.dumps(jobfolder.worker_identity()))
    writer = events.EventWriter(view.folder / "events.jsonl", 1)
    writer.write("started")
    return view, writer


def epochs(writer: events.EventWriter, count: int) -> None:
    for epoch in range(1, count + 1):
        writer.write("metric", {"name": "loss", "value": 0.3 / epoch, "step": epoch})
        writer.write("metric", {"name": "val_x0", "value": 0.1 + 0.01 * abs(epoch - 3), "step": epoch})
        writer.write("metric", {"name": "learning_rate", "value": 2e-4, "step": epoch})


def left_model(view: Any, name: str = "my-model") -> None:
    """What a finished training leaves in its result folder."""
    source = fakes.install_model(name, evaluated=False)
    target = view.folder / "result" / "model" / name
    target.parent.mkdir(parents=True)
    source.rename(target)
    files.write_json(view.folder / "result" / "result.json", {"format": 1, "kind": "model"})


def test_the_split_is_shown_by_patient_before_anything_starts(wiring: Any, train: Any):
    assert "25 to train, 3 to validate, 3 to test" in train.counts.text()
    assert "467 slices" in train.counts.text()
    assert "P24" in train.charts.split.text.toPlainText() and "X3" in train.charts.split.text.toPlainText()
    assert train.run_box.isHidden()


def test_data_that_cannot_be_read_are_said_and_keep_the_start_back(wiring: Any, train: Any, qtbot: Any):
    wiring.context.warm.failing_ops["split"] = "pack.npz is no pack; a pack of slices was expected; choose another"
    QTest.keyClicks(train.data, "/nowhere/pack.npz")
    qtbot.waitUntil(lambda: "no pack" in train.counts.text(), timeout=PATIENCE_MS)
    assert not train.start.isEnabled() and train.start.toolTip()
    wiring.context.warm.failing_ops.clear()
    train.data.clear()
    qtbot.waitUntil(lambda: train.start.isEnabled(), timeout=PATIENCE_MS)


def test_start_makes_a_job_of_what_the_form_says(wiring: Any, train: Any):
    QTest.mouseClick(next(b for b in train.presets.buttons() if b.text() == "Paper"), LEFT)
    line = train.form.editor("name").line
    line.selectAll()
    QTest.keyClicks(line, "paper-2")
    train.form.editor("epochs").inner.setValue(7)
    QTest.mouseClick(train.start, LEFT)
    record = wiring.context.jobs.active()[0].record
    wanted = {"preset": "paper", "name": "paper-2", "epochs": 7, "batch": 32, "data": "", "seed": 0}
    assert {k: record.params[k] for k in wanted} == wanted
    assert record.task == "train" and record.title == "Train paper-2"
    assert "waiting" in train.progress.text()


def test_a_name_that_is_none_is_marked_and_nothing_starts(wiring: Any, train: Any):
    line = train.form.editor("name").line
    line.selectAll()
    QTest.keyClicks(line, "../x")
    assert not train.start.isEnabled() and line.property("wrong") is True
    QTest.mouseClick(train.start, LEFT)
    assert wiring.context.jobs.active() == []


def test_the_rest_of_the_form_unfolds_and_counts(wiring: Any, train: Any):
    assert train.more.isHidden()
    QTest.mouseClick(train.fold, LEFT)
    assert train.more.isVisible()
    train.more.editor("seed").inner.setValue(3)
    assert train.values()["seed"] == 3


def test_curves_epoch_pace_and_time_left_are_live(wiring: Any, train: Any, qtbot: Any):
    _, writer = started(train)
    epochs(writer, 5)
    writer.write("stage", {"stage": "train", "total": 12000})
    writer.write("progress", {"stage": "train", "done": 1000, "total": 12000, "left_s": 5500.0})
    qtbot.waitUntil(lambda: "epoch 6/60" in train.progress.text(), timeout=PATIENCE_MS)
    text = train.progress.text()
    assert ("0.5 s/step" in text and "left 1 h 32 min" in text) or "left 92 min" in text or "1 h" in text
    assert "lr 2.0e-04" in text and "best epoch 3" in text
    assert [len(line.points) for line in train.charts.loss._lines] == [5]
    assert [line.name for line in train.charts.validation._lines] == ["val_x0"]
    assert train.charts.validation._mark == 3.0
    assert train.bar.value() == round(1000 * 1000 / 12000)
    assert not wiring.grid.widget_of("loss").grab().isNull()
    writer.close()


def test_stop_after_the_epoch_and_stop_now_write_their_words(wiring: Any, train: Any, qtbot: Any):
    view, writer = started(train)
    writer.close()
    qtbot.waitUntil(lambda: view.state == "running", timeout=PATIENCE_MS)
    QTest.mouseClick(train.stop_epoch, LEFT)
    assert (view.folder / "stop").read_text() == "epoch"
    assert not train.stop_epoch.isEnabled()
    QTest.mouseClick(train.stop_now, LEFT)
    assert (view.folder / "stop").read_text() == "now"


def test_a_stopped_run_is_resumed_from_its_epoch(wiring: Any, train: Any, qtbot: Any):
    view, writer = started(train)
    epochs(writer, 4)
    writer.write("stopped", {"resumable": True})
    writer.close()
    qtbot.waitUntil(lambda: train.resume.isVisible(), timeout=PATIENCE_MS)
    assert train.resume.text() == "Resume from epoch 4"
    assert "stopped after epoch 4" in train.progress.text()
    resumed: list[str] = []
    wiring.context.jobs._start_worker = lambda one: resumed.append(one.id)
    QTest.mouseClick(train.resume, LEFT)
    assert resumed == [view.id]


def test_a_failed_run_tells_its_sentence_and_is_tried_again_as_a_new_job(wiring: Any, train: Any, qtbot: Any):
    view, writer = started(train)
    writer.write("failed", {"code": "x", "sentence": "No validation patient; three were expected; add patients."})
    writer.close()
    qtbot.waitUntil(lambda: "No validation patient" in train.note.text(), timeout=PATIENCE_MS)
    assert train.details.isVisible() and not train.resume.isVisible()
    QTest.mouseClick(train.retry, LEFT)
    assert train._view().record.parent == view.id


def test_a_form_that_moved_on_says_that_the_run_is_another(wiring: Any, train: Any, qtbot: Any):
    _, writer = started(train)
    writer.close()
    train.form.editor("epochs").inner.setValue(9)
    assert train.note.isVisible() and "something else" in train.note.text()


def test_a_finished_model_is_installed_and_chosen_in_denoise(wiring: Any, train: Any, qtbot: Any):
    fakes.install_model(model_cards.DEFAULT)
    view, writer = started(train)
    epochs(writer, 4)
    left_model(view)
    writer.write("done")
    writer.close()
    qtbot.waitUntil(lambda: train.install.isVisible(), timeout=PATIENCE_MS)
    assert "0.1" in train.model.text()
    QTest.mouseClick(train.install, LEFT)
    assert model_cards.find("my-model").folder.parent.name == "models"
    assert not train.install.isVisible()
    QTest.mouseClick(train.use, LEFT)
    assert wiring.shown == "denoise"
    assert wiring.panels["denoise"].model_name == "my-model"
    assert "unevaluated" in wiring.panels["denoise"].controls.model_note.text()


def test_a_model_whose_weights_changed_is_not_installed(wiring: Any, train: Any, qtbot: Any):
    view, writer = started(train)
    left_model(view)
    (view.folder / "result" / "model" / "my-model" / "weights.safetensors").write_bytes(b"other")
    writer.write("done")
    writer.close()
    qtbot.waitUntil(lambda: train.install.isVisible(), timeout=PATIENCE_MS)
    QTest.mouseClick(train.install, LEFT)
    assert train.note.isVisible() and train.note.text()
    assert train.install.isVisible()


def test_runs_of_before_can_be_looked_at_again(wiring: Any, train: Any, qtbot: Any):
    first, writer = started(train)
    epochs(writer, 2)
    writer.write("stopped", {"resumable": True})
    writer.close()
    qtbot.waitUntil(lambda: first.state == "stopped", timeout=PATIENCE_MS)
    second, writer = started(train)
    writer.close()
    assert train._view() is second and train.charts.loss._lines == ()
    train.show_run(first.id)
    assert len(train.charts.loss._lines[0].points) == 2


def test_the_best_epoch_ignores_what_is_no_number():
    assert best_epoch({"val_x0": [(1, math.nan), (2, 0.4), (3, 0.5)]}) == (2, 0.4)
    assert best_epoch({}) is None


@pytest.mark.parametrize(("low", "high"), [(-3.2, 0.1), (-1.6, -0.5), (-0.31, -0.29), (-9, 5)])
def test_logarithmic_ticks_are_round_inside_and_not_too_many(low: float, high: float):
    ticks = round_log_ticks(low, high, most=9)
    assert 1 <= len(ticks) <= 16 and all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)
    assert np.all(np.diff(ticks) > 0)


def test_a_result_of_train_is_shown_by_its_run(wiring: Any, train: Any, qtbot: Any):
    view, writer = started(train)
    left_model(view)
    writer.write("done")
    writer.close()
    qtbot.waitUntil(lambda: view.state == "done", timeout=PATIENCE_MS)
    _, other = started(train)
    other.close()
    wiring.context.desk.choose_result(Path(view.folder / "result"))
    assert train._view() is view


def test_the_start_button_is_in_reach_in_a_small_window(train: Any, wiring: Any) -> None:
    wiring.window.resize(1280, 700)
    QApplication.processEvents()
    assert not train.start.visibleRegion().isEmpty()
    assert train.start.visibleRegion().boundingRect().height() == train.start.height()


def test_the_larger_preset_is_asked_for_by_name(train: Any) -> None:
    QTest.mouseClick(next(b for b in train.presets.buttons() if b.text() == "Large"), LEFT)
    assert train.values()["preset"] == "large"
    assert "GPU" in train.preset_hint.text()
