"""Jobs: list, filter, details, what its buttons do, over made-up job folders."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tumordiff_core.jobs import events
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_gui import words
from tumordiff_gui.background.jobs import Jobs
from tumordiff_gui.background.machine import Card, Load, Machine, cards_of, load_text
from tumordiff_gui.modules.jobs import strings
from tumordiff_gui.modules.jobs.curves import grouped


class MadeParams(BaseModel):
    """A task's parameters."""

    epochs: int = Field(3, ge=1)
    name: str = "small"
    arguments: dict[str, Any] = Field(default_factory=dict)


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Jobs, "_start_queued", lambda self: None)
    monkeypatch.setattr(Jobs, "_start_worker", lambda self, view: None)
    monkeypatch.setattr(Jobs, "_end", lambda self, job_id: None)  # the worker of these jobs is this very process


def made(title: str, *lines: tuple[str, dict[str, Any]], living: bool = False, params: Any = None) -> Path:
    """A job folder with a worker and its events; a worker that is not living has a pid of nobody."""
    folder = jobfolder.new_job("train", params or {"epochs": 3}, title=title)
    if lines:
        identity = jobfolder.worker_identity()
        if not living:
            identity["process_created"] = 1.0
        (folder / "worker.1.json").write_text(json.dumps(identity))
        writer = events.EventWriter(folder / "events.jsonl", 1)
        for kind, fields in lines:
            writer.write(kind, fields)
        writer.close()
    return folder


@pytest.fixture
def panel(wiring: Any, qtbot: Any) -> Any:
    """The jobs module over one job of every state."""
    made("Waiting")
    made("Running", ("started", {}), ("progress", {"stage": "epoch", "done": 3, "total": 12, "left_s": 9}), living=True)
    done = made("Done", ("started", {}), ("log", {"text": "a line"}), ("done", {}))
    (done / "result").mkdir()
    (done / "result" / "result.json").write_text('{"format": 1, "kind": "model"}')
    made("Broken", ("started", {}), ("warning", {"sentence": "Take care."}), ("failed", {"sentence": "One sentence."}))
    made("Gone", ("started", {}))
    made("Halted", ("started", {}), ("stopped", {"resumable": True}))
    wiring.show_module("jobs")
    qtbot.waitUntil(lambda: len(wiring.context.jobs.all()) == 6, timeout=5000)
    return wiring.panels["jobs"]


def titles(panel: Any) -> set[str]:
    return {view.record.title for view in panel.model.jobs}


def choose(panel: Any, title: str) -> Any:
    view = next(v for v in panel._context.jobs.all() if v.record.title == title)
    panel.choose(view.id)
    return view


def click(panel: Any, name: str) -> None:
    QTest.mouseClick(panel.details.actions_[name], Qt.MouseButton.LeftButton)


def test_no_jobs_is_said_calmly(wiring: Any):
    wiring.show_module("jobs")
    assert wiring.grid.contents["job"]._line.text() == strings.NO_JOBS


def test_all_states_are_listed_and_lost_is_named_as_such(panel: Any):
    assert titles(panel) == {"Waiting", "Running", "Done", "Broken", "Gone", "Halted"}
    assert panel.count.text() == strings.COUNT.format(running=1, waiting=1, ended=4)
    assert choose(panel, "Gone").state == "lost"
    assert panel.details.text.text() == words.JOB_STATES["lost"]


def test_the_list_is_filtered_by_state_and_by_words(panel: Any):
    panel.filter.setCurrentIndex(panel.filter.findData("active"))
    assert titles(panel) == {"Waiting", "Running"}
    panel.filter.setCurrentIndex(panel.filter.findData("trouble"))
    assert titles(panel) == {"Broken", "Gone", "Halted"}
    QTest.keyClicks(panel.search, "one sentence")
    assert titles(panel) == {"Broken"}
    QTest.keyClicks(panel.search, " zebra")
    assert panel.nothing.isVisible()


def test_a_running_job_shows_stage_time_left_and_its_curves(panel: Any, qtbot: Any):
    view = choose(panel, "Running")
    assert panel.details.text.text() == "epoch 3/12" and panel.details.left.text() == "left 9 s"
    assert not panel.details.actions_["delete"].isEnabled()
    writer = events.EventWriter(view.folder / "events.jsonl", 1)
    for step in range(3):
        writer.write("metric", {"name": "train_loss", "value": 1 / (step + 1), "step": step})
        writer.write("metric", {"name": "val_loss", "value": 1 / (step + 2), "step": step})
    writer.close()
    panel.details.tabs.setCurrentWidget(panel.details.curves)
    qtbot.waitUntil(lambda: list(panel.details.curves.charts) == ["loss"], timeout=3000)
    assert [len(line.points) for line in panel.details.curves.charts["loss"]._lines] == [3, 3]


@pytest.mark.parametrize("word", ["step", "epoch", "now"])
def test_stop_writes_the_word_that_was_chosen(panel: Any, word: str):
    view = choose(panel, "Running")
    entry = next(a for a in panel.details.stop.menu().actions() if a.text() == words.STOP_WORDS[word])
    entry.trigger()
    assert (view.folder / "stop").read_text() == word
    assert view.state == "stopping" and not panel.details.stop.isEnabled()


def test_a_failed_job_shows_its_sentence_warnings_and_traceback(panel: Any):
    view = choose(panel, "Broken")
    (view.folder / "traceback.1.txt").write_text("Traceback: here")
    panel.details.tabs.setCurrentWidget(panel.details.trouble)
    text = panel.details.trouble.toPlainText()
    assert "One sentence." in text and "Take care." in text and "Traceback: here" in text


def test_the_log_grows_and_stays_where_the_reader_scrolled(panel: Any, qtbot: Any):
    view = choose(panel, "Running")
    file = view.folder / "log.1.txt"
    file.write_text("\n".join(f"line {n}" for n in range(400)))
    panel.details.refresh()
    assert "line 399" in panel.details.log.toPlainText()
    panel.details.log.verticalScrollBar().setValue(5)
    file.write_text(file.read_text() + "\nmore")
    panel.details.refresh()
    assert panel.details.log.verticalScrollBar().value() == 5
    assert panel.details.log.toPlainText().endswith("more")


def test_resume_makes_a_stopped_job_startable(panel: Any):
    view = choose(panel, "Halted")
    (view.folder / "stop").write_text("step")
    click(panel, "resume")
    assert not (view.folder / "stop").exists()


def test_retry_is_a_new_job_that_names_its_parent(panel: Any):
    view = choose(panel, "Broken")
    click(panel, "retry")
    new = panel._context.jobs.job(panel.chosen)
    assert new.record.parent == view.id and new.record.params == {"epochs": 3}


def test_retry_with_changes_asks_the_tasks_own_form(panel: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(panel._context, "params", lambda task: MadeParams)
    view = choose(panel, "Broken")
    click(panel, "changes")
    form = panel.dialogue.form
    assert form.values()["epochs"] == 3 and "arguments" not in form._editors
    form.editor("epochs").box.setValue(7)
    QTest.mouseClick(panel.dialogue.start, Qt.MouseButton.LeftButton)
    new = panel._context.jobs.job(panel.chosen)
    assert new.id != view.id and new.record.params["epochs"] == 7


def test_changes_of_an_unknown_task_are_refused_in_a_sentence(panel: Any, wiring: Any):
    folder = jobfolder.new_job("nobody", {}, title="Of a stranger")
    (folder / "stop").write_text("now")
    panel._context.jobs._follow(folder)
    panel.choose(folder.name)
    click(panel, "changes")
    assert wiring.window.notice.sentence.text() == strings.NO_FORM.format(task="nobody")


def test_a_result_is_one_click_away(panel: Any):
    wanted: list[Path] = []
    panel._context.desk.result_chosen.connect(wanted.append)
    view = choose(panel, "Done")
    click(panel, "open")
    assert wanted == [view.folder / "result"]


def test_delete_asks_first_and_removes_the_folder(panel: Any):
    view = choose(panel, "Done")
    click(panel, "delete")
    assert view.folder.exists()
    yes = next(b for b in panel.dialogue.buttons() if b.text() == strings.DELETE_YES)
    QTest.mouseClick(yes, Qt.MouseButton.LeftButton)
    assert not view.folder.exists() and "Done" not in titles(panel)


def test_rows_that_come_leave_the_chosen_one_chosen(panel: Any):
    view = choose(panel, "Gone")
    panel._context.jobs.start("train", {}, title="New")
    assert "New" in titles(panel) and panel.chosen == view.id
    assert panel.list.currentIndex() == panel.model.index_of(view.id)


def test_a_history_of_two_hundred_jobs_is_listed_without_waiting(wiring: Any, qtbot: Any):
    import time

    for number in range(200):
        jobfolder.new_job("train", {}, title=f"Job {number}")
    wiring.show_module("jobs")
    qtbot.waitUntil(lambda: len(wiring.context.jobs.all()) == 200, timeout=20_000)
    panel = wiring.panels["jobs"]
    began = time.thread_time()
    panel.search.setText("job 199")
    QApplication.processEvents()
    assert "Job 199" in titles(panel) and len(titles(panel)) < 20 and time.thread_time() - began < 0.2


def test_metrics_that_measure_the_same_share_a_chart():
    assert grouped({"train_loss": [], "val_loss": [], "learning_rate": []}) == {
        "loss": ["train_loss", "val_loss"], "learning_rate": ["learning_rate"],
    }  # fmt: skip


def test_the_meter_shows_this_machine(wiring: Any, qtbot: Any):
    wiring.show_module("jobs")
    panel = wiring.panels["jobs"]
    assert panel.machine.load.memory_total > 0 and panel.machine.load.disk_free > 0
    qtbot.waitUntil(lambda: panel.machine.load.cpu_percent is not None, timeout=4000)
    assert 0 <= panel.machine.load.cpu_percent <= 100
    wiring.show_module("browse")
    assert not panel.machine._timer.isActive()


def test_a_card_is_read_and_nonsense_is_none(qtbot: Any):
    assert cards_of("42, 1024, 81920\nN/A, 1, 2\n") == (Card(42.0, 1024 * 2**20, 81920 * 2**20),)
    text = load_text(Load(None, 2_000_000_000, 8_000_000_000, 5_000_000_000, 9, cards_of("42, 1024, 81920")))
    assert text == "CPU -   memory 2.0 GB of 8.0 GB   GPU 42 %   disk 5.0 GB free"


def test_a_card_program_that_cannot_start_is_not_asked_again(qtbot: Any, home: Path):
    machine = Machine()
    machine._program = "/nowhere/nvidia-smi"
    machine.look()
    qtbot.waitUntil(lambda: machine._program == "", timeout=3000)
    assert machine.load.cards == ()
