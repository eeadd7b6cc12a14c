"""Denoise: preview while one looks, the series as a job, pictures side by side, strength, steps, figures, findings."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QCursor, QFontMetricsF, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QStyle, QStyleOptionSlider, QToolTip, QWidget

from tests.gui import fakes
from tests.gui.hands import drag, move, wheel
from tumordiff_core import explanations, model_cards
from tumordiff_core.jobs import events
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_gui.background.jobs import Jobs
from tumordiff_gui.modules.denoise.card import CardDialogue, figure_text, page
from tumordiff_gui.modules.denoise.stacks import Blend, Residual, Slices, Sum
from tumordiff_gui.modules.denoise.stress import StressDialogue
from tumordiff_gui.theme import apply
from tumordiff_gui.views import corner_text, decorations
from tumordiff_gui.views.slice_view import SliceWidget

UID = "1.2.1.1.1"
LEFT = Qt.MouseButton.LeftButton
PATIENCE_MS = 20_000


@pytest.fixture
def denoise(wiring: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The panel with two models installed and the first post-contrast phase of DEMO-001 T1 previewed."""
    monkeypatch.setattr(Jobs, "_start_queued", lambda self: None)
    fakes.install_model(model_cards.DEFAULT, white="for-white-noise", rims="for-rims")
    fakes.install_model("for-white-noise")
    fakes.install_model("for-rims", task="rims")
    fakes.install_model("paper-1", family="paper-unet", evaluated=False)
    wiring.context.desk.select("DEMO-001", "1.2.1.1", UID, 1)
    wiring.show_module("denoise")
    panel = wiring.panels["denoise"]
    qtbot.waitUntil(lambda: previewed(panel), timeout=PATIENCE_MS)
    return panel


def previewed(panel: Any) -> bool:
    index = panel.showing.slice_index
    return index is not None and panel.showing.previews.stack(panel.model_name).has(index)


def asked(wiring: Any, op: str) -> list[dict[str, Any]]:
    return [body for body in wiring.context.warm.asked if body["op"] == op]


def view(panel: Any, name: str) -> Any:
    return panel.showing.views[name]


def show_result(wiring: Any, panel: Any, qtbot: Any, folder: Path) -> None:
    wiring.context.desk.choose_result(folder)
    qtbot.waitUntil(
        lambda: panel.showing.chosen.result is not None and panel.showing.chosen.source is not None, timeout=PATIENCE_MS
    )
    qtbot.waitUntil(
        lambda: panel.showing.measures.total > 0 and panel.showing.measures.done >= fakes.SHAPE[0], timeout=PATIENCE_MS
    )


def worker(folder: Path) -> events.EventWriter:
    (folder / "worker.1.json").write_text(json.dumps(jobfolder.worker_identity()))
    return events.EventWriter(folder / "events.jsonl", 1)


# looking


def test_nothing_chosen_shows_the_way_to_browse(wiring: Any):
    wiring.show_module("denoise")
    QTest.mouseClick(wiring.grid.widget_of("empty").buttons[0], LEFT)
    assert wiring.shown == "browse"


def test_a_slice_is_previewed_with_its_badges_and_its_noise_level(wiring: Any, denoise: Any):
    shown = view(denoise, "denoised")
    assert shown.badge_words() == ("DERIVED", "PREVIEW")
    index = denoise.showing.slice_index
    expected = fakes.smooth(fakes.breast(1)[index].astype(np.float32))
    np.testing.assert_allclose(shown.picture.values[(index,)], expected)
    residual = view(denoise, "residual").picture.values[(index,)]
    np.testing.assert_allclose(residual, (fakes.breast(1)[index] - expected) / 9.0, atol=1e-4)
    assert "9" in denoise.controls.noise.text() and "5.0 %" in denoise.controls.noise.text()


def test_the_wheel_brings_the_preview_of_the_next_slice_only(wiring: Any, denoise: Any, qtbot: Any):
    before = denoise.showing.slice_index
    for _ in range(4):
        wheel(wiring.grid.widget_of("residual"), -1)
    qtbot.waitUntil(lambda: previewed(denoise), timeout=PATIENCE_MS)
    assert denoise.showing.slice_index == before + 4
    assert [body["slice"] for body in asked(wiring, "slice")] == [before, before + 4]


def test_all_views_share_place_and_zoom_and_the_residual_keeps_its_own_range(wiring: Any, denoise: Any):
    original, residual = wiring.grid.widget_of("original"), wiring.grid.widget_of("residual")
    drag(original, LEFT, (100, 100), (160, 130))
    drag(residual, Qt.MouseButton.RightButton, (100, 100), (100, 60))
    views = [view(denoise, name) for name in ("original", "denoised", "residual")]
    assert len({(v.zoom.factor, v.zoom.offset, v.place.position_mm) for v in views}) == 1
    assert views[0].zoom.factor > 1.2
    assert views[0].grey.window == views[1].grey.window
    assert views[2].grey.window == (0.0, 8.0)


def test_holding_d_shows_the_original_until_it_is_let_go(wiring: Any, denoise: Any):
    widget = wiring.grid.widget_of("denoised")
    QCursor.setPos(widget.mapToGlobal(widget.rect().center()))
    QTest.keyPress(wiring.window, Qt.Key.Key_D)
    assert view(denoise, "denoised").picture is view(denoise, "original").picture
    assert view(denoise, "denoised").badge_words() == ()
    QTest.keyRelease(wiring.window, Qt.Key.Key_D)
    assert view(denoise, "denoised").badge_words() == ("DERIVED", "PREVIEW")


def test_another_phase_is_previewed_and_the_window_stays(wiring: Any, denoise: Any, qtbot: Any):
    grey = view(denoise, "original").grey.window
    QTest.mouseClick(denoise.controls.phases.button(2), LEFT)
    qtbot.waitUntil(lambda: view(denoise, "original").picture.facts["phase"] == 2, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: previewed(denoise), timeout=PATIENCE_MS)
    assert view(denoise, "original").grey.window == grey
    assert view(denoise, "denoised").picture.facts["phase"] == 2


def test_a_map_is_refused_in_a_sentence_and_cannot_be_run(wiring: Any, denoise: Any):
    wiring.context.desk.select("DEMO-001", "1.2.1.1", "1.2.1.1.2", 0)
    assert "SER" in denoise.controls.trouble.text()
    assert not denoise.controls.run.isEnabled() and denoise.controls.run.toolTip()
    assert wiring.grid.layout_shown.name == "denoise-empty"


def test_a_visit_selected_as_a_whole_means_its_dynamic_series(wiring: Any, denoise: Any, qtbot: Any):
    wiring.context.desk.select("DEMO-001", "1.2.1.3")
    assert denoise._at.series_uid == "1.2.1.3.1"
    qtbot.waitUntil(lambda: view(denoise, "original").picture is not None, timeout=PATIENCE_MS)
    assert view(denoise, "original").picture.facts["time_point"] == "T3"


def test_a_reader_that_fails_says_so_and_tries_again(wiring: Any, denoise: Any, qtbot: Any):
    wiring.context.warm.failing_ops["phase"] = "the disk is away; a connected disk was expected; connect it"
    wiring.context.desk.select("DEMO-001", "1.2.1.4", "1.2.1.4.1", 1)
    qtbot.waitUntil(lambda: "disk is away" in view(denoise, "original").trouble, timeout=PATIENCE_MS)
    wiring.context.warm.failing_ops.clear()
    QTest.mouseClick(wiring.grid.widget_of("original").notice.again, LEFT)
    qtbot.waitUntil(lambda: view(denoise, "original").picture is not None, timeout=PATIENCE_MS)
    assert view(denoise, "original").trouble == ""


def test_a_preview_that_fails_stands_over_the_denoised_view_with_its_details(wiring: Any, denoise: Any, qtbot: Any):
    wiring.context.warm.failing_ops["slice"] = "the model does not fit; another was expected; choose one"
    wheel(wiring.grid.widget_of("original"), -1)
    qtbot.waitUntil(lambda: "does not fit" in view(denoise, "denoised").trouble, timeout=PATIENCE_MS)
    assert view(denoise, "denoised").details == "a traceback" and view(denoise, "denoised").loading == ""
    assert view(denoise, "original").trouble == ""


def test_waiting_for_a_preview_is_said_in_the_view(wiring: Any, denoise: Any, qtbot: Any):
    wiring.context.warm.held_ops.add("slice")
    wheel(wiring.grid.widget_of("original"), -1)
    qtbot.waitUntil(lambda: view(denoise, "denoised").loading == "preview of slice 13", timeout=PATIENCE_MS)


# noise and model


def test_a_given_level_is_previewed_again_and_too_much_noise_is_said(wiring: Any, denoise: Any, qtbot: Any):
    editor = denoise.controls.form.editor("sigma")
    editor.tick.click()
    QTest.keyClicks(editor.editor.line, "60")
    qtbot.waitUntil(lambda: previewed(denoise), timeout=PATIENCE_MS)
    assert asked(wiring, "slice")[-1]["sigma"] == 60.0
    assert "OUT OF TRAINED RANGE" in view(denoise, "denoised").badge_words()
    assert f"outside what {model_cards.DEFAULT}" in denoise.showing.said[0].text


def test_weights_that_only_serve_another_are_no_choice(denoise: Any):
    assert model_cards.DEFAULT in denoise.models.known
    assert not {"for-white-noise", "for-rims"} & set(denoise.models.known)


def test_previews_and_pixels_are_denoised_as_the_form_says(wiring: Any, denoise: Any, qtbot: Any):
    assert asked(wiring, "slice")[-1]["phases"] == 3 and "local_means" not in asked(wiring, "slice")[-1]
    editor = denoise.controls.form.editor("local_means")
    editor.tick.click()
    editor.editor.box.setValue(0.4)
    mirrors = denoise.controls.form.editor("mirrors")
    mirrors.box.setCurrentIndex(mirrors.box.findData(4))
    qtbot.waitUntil(lambda: previewed(denoise), timeout=PATIENCE_MS)
    told = asked(wiring, "slice")[-1]
    assert (told["local_means"], told["mirrors"]) == (0.4, 4)
    for name in ("along_edges", "rims"):
        assert told[name] is True
        denoise.controls.form.editor(name).box.click()
        qtbot.waitUntil(lambda name=name: asked(wiring, "slice")[-1][name] is False, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: previewed(denoise), timeout=PATIENCE_MS)
    denoise.change_layout("explain")
    click_pixel(wiring, "original", 40, 33)
    qtbot.waitUntil(lambda: denoise.showing.explaining.explanations.found is not None, timeout=PATIENCE_MS)
    told = asked(wiring, "explain")[-1]
    assert (told["local_means"], told["mirrors"], told["phases"]) == (0.4, 4, 3)


def test_a_pixel_of_a_result_is_explained_as_the_result_was_made(
    wiring: Any, denoise: Any, qtbot: Any, home: Path
):  # fmt: skip
    folder = fakes.make_result(home / "r" / "result", samples=4, mirrors=2, local_means=0.7)
    show_result(wiring, denoise, qtbot, folder)
    denoise.change_layout("explain")
    click_pixel(wiring, "original", 40, 33)
    qtbot.waitUntil(lambda: bool(asked(wiring, "explain")), timeout=PATIENCE_MS)
    told = asked(wiring, "explain")[-1]
    assert (told["local_means"], told["mirrors"]) == (0.7, 2) and "result" in told


@pytest.mark.parametrize("name", ["local_means", "along_edges", "rims"])
def test_a_result_from_before_it_could_be_chosen_is_not_what_the_form_would_make(
    wiring: Any, denoise: Any, qtbot: Any, home: Path, name: str
):  # fmt: skip
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result", samples=4))
    assert not denoise.showing.chosen.stale
    denoise.controls.form.set({"along_edges": False, "rims": False})
    older = fakes.make_result(home / "s" / "result", samples=4)
    record = json.loads((older / "result.json").read_text("utf-8"))
    del record["params"][name]
    (older / "result.json").write_text(json.dumps(record), "utf-8")
    show_result(wiring, denoise, qtbot, older)
    assert denoise.showing.chosen.stale and denoise.controls.form.values()["local_means"] is None
    assert denoise.controls.form.values()["along_edges"] is True
    assert denoise.controls.form.values()["rims"] is True


def pick(box: Any, name: str) -> None:
    """Choose from a box with the arrow keys."""
    way = box.findData(name) - box.currentIndex()
    for _ in range(abs(way)):
        QTest.keyClick(box, Qt.Key.Key_Down if way > 0 else Qt.Key.Key_Up)
    assert box.currentData() == name


def press(box: Any) -> None:
    """Click into a tick box."""
    QTest.mouseClick(box, LEFT, pos=QPoint(8, box.height() // 2))


def hint_over(widget: QWidget) -> str:
    """What is said where the pointer rests on a widget."""
    at = widget.rect().center()
    QToolTip.hideText()
    QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, at, widget.mapToGlobal(at)))
    said = QToolTip.text()
    QToolTip.hideText()
    return said


def test_rims_are_offered_where_the_model_can_and_the_choice_waits_meanwhile(denoise: Any):
    editor, models = denoise.controls.form.editor("rims"), denoise.controls.model
    label = next(one for one in denoise.controls.form.findChildren(QLabel) if one.buddy() is editor)
    assert editor.box.isChecked() and "where the model can" in hint_over(editor.box)
    press(editor.box)
    assert not editor.box.isChecked()
    for model in ("paper-1", "small-6"):
        pick(models, model)
        press(editor.box)
        QTest.keyClick(editor.box, Qt.Key.Key_Space)
        assert not editor.box.isEnabled() and not editor.box.isChecked()
        for widget in (editor.box, label):
            assert hint_over(widget).startswith("This model does not come with a network")
    pick(models, model_cards.DEFAULT)
    assert editor.box.isEnabled() and not editor.box.isChecked()
    assert "where the model can" in hint_over(label)
    press(editor.box)
    pick(models, "paper-1")
    pick(models, model_cards.DEFAULT)
    assert editor.box.isEnabled() and editor.box.isChecked()


def test_rims_make_no_result_stale_whose_model_has_none(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    box = denoise.controls.form.editor("rims").box
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result", model="paper-1"))
    assert denoise.model_name == "paper-1" and not view(denoise, "denoised").stale
    press(box)
    assert not view(denoise, "denoised").stale
    pick(denoise.controls.model, model_cards.DEFAULT)
    assert view(denoise, "denoised").stale
    press(box)
    pick(denoise.controls.model, "paper-1")
    assert not box.isChecked() and not view(denoise, "denoised").stale
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "s" / "result"))
    assert box.isChecked() and not view(denoise, "denoised").stale
    press(box)
    assert view(denoise, "denoised").stale


@pytest.mark.parametrize(("asked_for", "ticked"), [(None, False), (True, False), (False, True)])
def test_a_result_whose_model_has_no_rims_says_nothing_of_them(
    wiring: Any, denoise: Any, qtbot: Any, home: Path, asked_for: bool | None, ticked: bool
):  # fmt: skip
    box = denoise.controls.form.editor("rims").box
    if not ticked:
        press(box)
    folder = fakes.make_result(home / "r" / "result", model="paper-1", rims=asked_for)
    if asked_for is None:
        record = json.loads((folder / "result.json").read_text("utf-8"))
        del record["params"]["rims"]
        (folder / "result.json").write_text(json.dumps(record), "utf-8")
    show_result(wiring, denoise, qtbot, folder)
    assert denoise.model_name == "paper-1" and not view(denoise, "denoised").stale
    pick(denoise.controls.model, model_cards.DEFAULT)
    assert box.isEnabled() and box.isChecked() == ticked


def test_what_suited_one_series_does_not_follow_to_the_next(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = fakes.make_result(home / "r" / "result", samples=4, local_means=0.0, sigma=12.0)
    show_result(wiring, denoise, qtbot, folder)
    values = denoise.controls.form.values()
    assert (values["local_means"], values["sigma"]) == (0.0, 12.0)
    wiring.context.desk.select("DEMO-001", "1.2.1.3")
    qtbot.waitUntil(lambda: view(denoise, "original").picture is not None, timeout=PATIENCE_MS)
    values = denoise.controls.form.values()
    assert values["local_means"] is None and values["sigma"] is None


def test_an_unevaluated_model_says_so_beside_its_name_and_on_its_pictures(wiring: Any, denoise: Any, qtbot: Any):
    denoise.choose_model("paper-1")
    qtbot.waitUntil(lambda: previewed(denoise), timeout=PATIENCE_MS)
    assert "unevaluated" in denoise.controls.model_note.text()
    assert "UNEVALUATED" in view(denoise, "denoised").badge_words()


def test_the_card_of_a_model_can_be_read_and_nothing_in_it_is_markup(wiring: Any, denoise: Any, qtbot: Any):
    QTest.mouseClick(denoise.controls.card, LEFT)
    dialogue = next(w for w in QApplication.topLevelWidgets() if isinstance(w, CardDialogue))
    text = dialogue.text.toPlainText()
    for expected in ("Tests of the window.", "Smooths <tiny> vessels.", "0.6 [0.4, 0.8] dB", "1001, 1002", "25.0 %"):
        assert expected in text
    dialogue.close()


def test_a_figure_of_a_card_says_on_what_it_was_measured():
    card = model_cards.find(model_cards.DEFAULT).card
    lines = [figure_text(figure) for figure in card.figures]
    assert len(lines) > 20 and len(set(lines)) == len(lines)
    where = re.escape("(one slice, pack, rician, 5 % noise, 12 patients, ispy1_slices.npz)")
    said = rf"PSNR over bm3d\+vst {where}: 0\.\d+ \[.+, .+\] dB"
    assert sum(bool(re.fullmatch(said, line)) for line in lines) == 1
    assert figure_text({"name": "validation x0 error", "value": 0.3}) == "validation x0 error: 0.3"


def test_a_card_names_the_weights_that_serve_white_noise():
    alone = model_cards.find(model_cards.DEFAULT).card.model_copy(update={"white_noise": None})
    paired = alone.model_copy(update={"white_noise": model_cards.Companion(name="other-white", weights_sha256="ab")})
    said = "Where the noise is white, the weights of other-white."
    assert said in page(paired)
    assert said not in page(alone)
    with_rims = alone.model_copy(update={"rims": model_cards.Companion(name="other-rims", weights_sha256="ab")})
    assert "With several phases, the rims of lesions are given back by other-rims." in page(with_rims)


def test_without_any_model_the_way_to_one_is_said(wiring: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model_cards, "all_models", lambda **_: ([], []))
    wiring.context.desk.select("DEMO-001", "1.2.1.1", UID, 1)
    wiring.show_module("denoise")
    panel = wiring.panels["denoise"]
    qtbot.waitUntil(lambda: view(panel, "original").picture is not None, timeout=PATIENCE_MS)
    assert "Train" in panel.controls.model_note.text()
    assert not panel.controls.run.isEnabled()


def test_both_networks_stand_side_by_side_on_the_same_slice(wiring: Any, denoise: Any, qtbot: Any):
    QTest.mouseClick(denoise.controls.layouts.button(1), LEFT)
    both = {model_cards.DEFAULT, "paper-1"}
    qtbot.waitUntil(lambda: {body["model"] for body in asked(wiring, "slice")} == both, timeout=PATIENCE_MS)
    index = denoise.showing.slice_index
    qtbot.waitUntil(lambda: denoise.showing.previews.stack("paper-1").has(index), timeout=PATIENCE_MS)
    ours, paper = (view(denoise, name).picture.values[(index,)] for name in ("ours", "paper"))
    assert np.abs(ours - paper).max() > 1
    assert "UNEVALUATED" in view(denoise, "paper").badge_words()
    assert view(denoise, "ours_residual").grey.window == view(denoise, "paper_residual").grey.window == (0.0, 8.0)
    wiring.do_undo()
    assert wiring.grid.layout_shown.name == "denoise-compare"
    pick(denoise.controls.model, "paper-1")
    assert denoise.showing.chosen.way.rims is True


def test_without_the_papers_network_its_view_says_how_to_get_one(
    wiring: Any, denoise: Any, monkeypatch: pytest.MonkeyPatch
):
    (denoise.models.known["paper-1"].folder / "card.json").unlink()
    ours = [denoise.models.known[model_cards.DEFAULT]]
    wrong = model_cards.all_models(check_weights=False)[1]
    monkeypatch.setattr(model_cards, "all_models", lambda **_: (ours, wrong))
    denoise.models.list_again()
    denoise.change_layout("models")
    assert "paper preset" in view(denoise, "paper").trouble
    assert "no model" in denoise.controls.model.toolTip()


# the job


def test_run_starts_a_job_with_what_the_form_says_and_previews_go_on(wiring: Any, denoise: Any, qtbot: Any):
    denoise.controls.form.editor("samples").inner.setValue(4)
    QTest.mouseClick(denoise.controls.run, LEFT)
    job = wiring.context.jobs.active()[0]
    assert job.record.inputs == (UID,)
    assert {k: job.record.params[k] for k in ("input", "model", "samples", "strength", "sigma")} == {
        "input": f"series:{UID}", "model": model_cards.DEFAULT, "samples": 4, "strength": 1.0, "sigma": None,
    }  # fmt: skip
    assert "DEMO" not in job.record.title
    assert not denoise.controls.run.isEnabled()
    writer = worker(job.folder)
    writer.write("started")
    writer.write("progress", {"stage": "denoise", "done": 18, "total": 72, "left_s": 6.0})
    qtbot.waitUntil(lambda: "denoise 18/72" in denoise.controls.progress.text(), timeout=PATIENCE_MS)
    assert "left 6 s" in denoise.controls.progress.text() and denoise.controls.bar.value() == 250
    wheel(wiring.grid.widget_of("original"), -1)
    qtbot.waitUntil(lambda: previewed(denoise), timeout=PATIENCE_MS)
    fakes.make_result(job.folder / "result", samples=4)
    writer.write("done")
    writer.close()
    qtbot.waitUntil(lambda: denoise.showing.chosen.result is not None, timeout=PATIENCE_MS)
    assert view(denoise, "denoised").badge_words() == ("DERIVED",)
    assert wiring.grid.layout_shown.cell("spread") is not None
    assert wiring.context.desk.result == job.folder / "result"
    assert denoise.controls.run.isEnabled() and denoise.controls.export.isEnabled()


def test_the_job_can_be_stopped_here(wiring: Any, denoise: Any, qtbot: Any):
    QTest.mouseClick(denoise.controls.run, LEFT)
    job = wiring.context.jobs.active()[0]
    worker(job.folder).close()
    wiring.context.jobs._now(job.id)
    QTest.mouseClick(denoise.controls.stop, LEFT, pos=QPoint(8, denoise.controls.stop.height() // 2))
    assert (job.folder / "stop").read_text() == "step"


def test_a_job_that_fails_tells_its_sentence_and_its_details(wiring: Any, denoise: Any, qtbot: Any):
    QTest.mouseClick(denoise.controls.run, LEFT)
    job = wiring.context.jobs.active()[0]
    writer = worker(job.folder)
    writer.write("log", {"text": "a line of the log"})
    writer.write("failed", {"code": "x", "sentence": "Memory is full; 2 GB were expected; close something."})
    writer.close()
    qtbot.waitUntil(lambda: "Memory is full" in denoise.controls.progress.text(), timeout=PATIENCE_MS)
    QTest.mouseClick(denoise.controls.details, LEFT)
    assert "a line of the log" in wiring.dialogue.text.toPlainText()
    wiring.dialogue.close()


def test_uncertainty_is_one_click_away_where_it_would_stand(wiring: Any, denoise: Any):
    denoise.controls.form.set({"uncertainty": False})
    QTest.mouseClick(wiring.grid.widget_of("no_spread").buttons[0], LEFT)
    assert wiring.context.jobs.active()[0].record.params["uncertainty"] is True


# results


def test_a_result_stands_beside_its_source_with_figures_and_findings(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = fakes.make_result(home / "r" / "result", samples=8)
    show_result(wiring, denoise, qtbot, folder)
    index = denoise.showing.slice_index
    mean = fakes.smooth(np.stack([fakes.breast(k) for k in range(3)]).astype(np.float32))[1]
    np.testing.assert_allclose(view(denoise, "denoised").picture.values[(index,)], mean[index])
    assert view(denoise, "spread").picture.legend
    texts = [said.text for said in denoise.showing.said]
    assert any("5.31 cc" in t and "5.30 cc" in t and "0.991" in t for t in texts)
    assert any("0.82 σ" in t for t in texts)
    assert any("differ as noise of 9.5 (9.25 – 9.75) would: an upper bound" in t for t in texts)
    assert not any("truth" in t for t in texts)
    assert not wiring.grid.widget_of("denoised").grab().isNull()


def test_where_the_truth_is_known_it_stands_beside_and_slices_are_scored(
    wiring: Any, denoise: Any, qtbot: Any, home: Path
):
    wiring.context.warm.truth_known = True
    denoise._ask_truth()
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result"))
    assert view(denoise, "truth").badge_words() == ("SYNTHETIC",)
    assert view(denoise, "original").title == "acquired (noisy)"
    assert wiring.grid.layout_shown.cell("truth")
    assert any("29.9 dB → 35.9 dB" in said.text for said in denoise.showing.said)


def test_a_bar_of_the_histogram_goes_to_its_slices(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result"))
    chart = denoise.showing.figures.psnr
    bar = next(b for b in range(14) if 4 in chart.members(b))
    QTest.mouseClick(chart, LEFT, pos=chart.bar_rect(bar).center().toPoint())
    assert denoise.showing.slice_index == 4
    assert '<a href="9">10</a>' in denoise.showing.figures.links.text()
    denoise.showing.figures.links.linkActivated.emit("9")
    assert denoise.showing.slice_index == 9


def test_an_alarm_jumps_to_its_place_and_alarms_of_other_phases_wait(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    place = {"slice": 7, "row": 40, "column": 50}
    alarms = [
        {"level": "confirm", "code": "x", "sentence": "Structure in the residual", "phase": 1, **place},
        {"level": "confirm", "code": "x", "sentence": "Elsewhere", "phase": 2, **place},
        {"level": "confirm", "code": "export.out_of_range", "sentence": "Out of the trained range"},
    ]
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result", findings=alarms))
    texts = [said.text for said in denoise.showing.said]
    assert any("trained range" in t for t in texts) and not any("Elsewhere" in t for t in texts)
    assert "OUT OF TRAINED RANGE" in view(denoise, "denoised").badge_words()
    row = next(r for r in denoise.controls._rows if "Structure" in r.text.text())
    row.text.linkActivated.emit("go")
    assert view(denoise, "original").index == (7, 40, 50) and view(denoise, "original").crosshair


def test_strength_blends_without_asking_anybody_and_is_one_step_to_undo(
    wiring: Any, denoise: Any, qtbot: Any, home: Path
):
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result"))
    count, slider = len(wiring.context.warm.asked), denoise.controls.strength
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    complex_, part = QStyle.ComplexControl.CC_Slider, QStyle.SubControl.SC_SliderHandle
    handle = slider.style().subControlRect(complex_, option, part, slider).center()
    drag(slider, LEFT, (handle.x(), handle.y()), (slider.width() / 2, handle.y()))
    strength, index = denoise.showing.strength, denoise.showing.slice_index
    assert 0.3 < strength < 0.7
    original = fakes.breast(1)[index].astype(np.float32)
    full = fakes.smooth(original)
    shown = view(denoise, "denoised").picture.values[(index,)]
    np.testing.assert_allclose(shown, original + strength * (full - original), atol=1e-3)
    assert len(wiring.context.warm.asked) == count
    assert f"strength {strength:.2f}" in view(denoise, "denoised").title
    assert wiring.undo.history == [f"Strength {strength:.2f}"]
    QTest.keyClick(wiring.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert denoise.showing.strength == 1.0 and slider.value() == 100


def test_a_strength_that_shall_be_exported_is_computed_on_demand(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result"))
    assert denoise.controls.keep.isHidden()
    denoise.controls.strength.setValue(60)
    QTest.mouseClick(denoise.controls.keep, LEFT)
    assert wiring.context.jobs.active()[0].record.params["strength"] == 0.6


def test_a_result_computed_at_half_strength_can_be_seen_at_full(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result", strength=0.5))
    assert denoise.controls.strength.value() == 50
    denoise.controls.strength.setValue(100)
    index = denoise.showing.slice_index
    original = fakes.breast(1)[index].astype(np.float32)
    expected = original + 2 * (fakes.smooth(original) - original)
    np.testing.assert_allclose(view(denoise, "denoised").picture.values[(index,)], expected, atol=1e-2)


def test_a_changed_form_makes_the_result_stale_and_update_runs_again(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result"))
    assert not view(denoise, "denoised").stale
    denoise.controls.form.editor("seed").inner.setValue(5)
    assert view(denoise, "denoised").stale
    shown = wiring.grid.widget_of("denoised")
    lines = corner_text.corners(shown.model, shown.zoom_percent(), hide_names=False).top_right
    height = QFontMetricsF(apply.font(decorations.CORNER_PX)).height()
    assert len(lines) == 4
    assert shown.update_button.y() >= decorations.MARGIN + len(lines) * height, "phase and size stay readable"
    QTest.mouseClick(shown.update_button, LEFT)
    assert wiring.context.jobs.active()[0].record.params["seed"] == 5


def test_a_result_of_an_unknown_series_shows_its_own_source(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = fakes.make_result(home / "r" / "result", series_uid="9.9.9.1")
    wiring.context.catalogue.series = lambda uid: (_ for _ in ()).throw(KeyError(uid))
    show_result(wiring, denoise, qtbot, folder)
    index = denoise.showing.slice_index
    shown = view(denoise, "original").picture.values[(index,)]
    np.testing.assert_allclose(shown, fakes.breast(1)[index], atol=0.5)
    assert not denoise.controls.run.isEnabled()


def test_a_damaged_result_is_said_in_a_sentence(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = fakes.make_result(home / "r" / "result")
    (folder / "arrays" / "mean.npy").write_bytes(b"not an array")
    wiring.context.desk.choose_result(folder)
    assert "ean.npy" in denoise.controls.trouble.text()


def test_export_leads_to_the_export_of_this_result(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = fakes.make_result(home / "r" / "result")
    assert not denoise.controls.export.isEnabled() and denoise.controls.export.toolTip()
    show_result(wiring, denoise, qtbot, folder)
    went: list[Path | None] = []
    wiring.actions.handle("app.export", lambda: went.append(wiring.context.desk.result), owner="test")
    QTest.mouseClick(denoise.controls.export, LEFT)
    assert went == [folder]


# steps


def test_sliders_go_through_both_processes_of_both_networks(wiring: Any, denoise: Any, qtbot: Any):
    QTest.mouseClick(denoise.controls.layouts.button(2), LEFT)
    qtbot.waitUntil(lambda: len(asked(wiring, "chain")) == 2, timeout=PATIENCE_MS)
    strip = denoise.showing.stepping.strip
    qtbot.waitUntil(lambda: "t 200" in strip.readouts["reverse"].text(), timeout=PATIENCE_MS)
    strip.sliders["reverse"].setFocus()
    QTest.keyClick(strip.sliders["reverse"], Qt.Key.Key_Right)
    assert strip.step == 1 and view(denoise, "step_ours").title == f"{model_cards.DEFAULT} · t 187"
    assert "PREVIEW" in view(denoise, "step_paper").badge_words()
    strip.sliders["forward"].setFocus()
    QTest.keyClick(strip.sliders["forward"], Qt.Key.Key_End)
    qtbot.waitUntil(lambda: asked(wiring, "chain")[-1]["direction"] == "forward", timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: "σ 400" in strip.readouts["forward"].text(), timeout=PATIENCE_MS)
    assert strip.readouts["reverse"].text() == ""
    index = denoise.showing.slice_index
    noisy = view(denoise, "step_ours").picture.values[(index,)]
    assert np.std(noisy - fakes.breast(1)[index]) > 200


def test_steps_go_along_the_chain_that_the_form_names(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    denoise.change_layout("steps")
    qtbot.waitUntil(lambda: len(asked(wiring, "chain")) == 2, timeout=PATIENCE_MS)
    editor = denoise.controls.form.editor("chain")
    editor.box.setCurrentIndex(editor.box.findData("heun"))
    qtbot.waitUntil(lambda: len(asked(wiring, "chain")) == 4, timeout=PATIENCE_MS)
    assert [told["chain"] for told in asked(wiring, "chain")] == ["ddim", "ddim", "heun", "heun"]
    assert denoise.controls.form.values()["chain"] == "heun"


def test_a_result_from_before_chains_could_be_chosen_went_along_ddim(
    wiring: Any, denoise: Any, qtbot: Any, home: Path
):  # fmt: skip
    editor = denoise.controls.form.editor("chain")
    editor.box.setCurrentIndex(editor.box.findData("heun"))
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result", samples=4))
    assert editor.get() == "ddim" and not denoise.showing.chosen.stale
    editor.box.setCurrentIndex(editor.box.findData("ancestral"))
    qtbot.waitUntil(lambda: denoise.showing.chosen.stale, timeout=PATIENCE_MS)


def test_steps_are_scored_where_the_truth_is_known(wiring: Any, denoise: Any, qtbot: Any):
    wiring.context.warm.truth_known = True
    denoise._ask_truth()
    denoise.change_layout("steps")
    qtbot.waitUntil(
        lambda: "PSNR 30.0 dB" in denoise.showing.stepping.strip.readouts["reverse"].text(), timeout=PATIENCE_MS
    )


def test_a_chain_that_fails_says_so_in_its_view(wiring: Any, denoise: Any, qtbot: Any):
    wiring.context.warm.failing_ops["chain"] = "the chain broke; steps were expected; try again"
    denoise.change_layout("steps")
    qtbot.waitUntil(lambda: "chain broke" in view(denoise, "step_ours").trouble, timeout=PATIENCE_MS)


# the stress test


def test_the_stress_test_starts_on_the_opened_series_and_its_curve_opens_when_it_is_done(
    wiring: Any, denoise: Any, qtbot: Any
):
    QTest.mouseClick(denoise.controls.stress, LEFT)
    job = wiring.context.jobs.active()[0]
    assert (job.record.task, job.record.inputs) == ("stress", (UID,))
    assert (job.record.params["input"], job.record.params["model"]) == (f"series:{UID}", model_cards.DEFAULT)
    assert not denoise.controls.stress.isEnabled() and "running already" in denoise.controls.stress.toolTip()
    assert denoise.controls.run.isEnabled()
    finish_stress(job, qtbot)
    acquired, denoised = stress_dialogue().curve._lines
    assert acquired.dashed and acquired.points == ((3.0, 150.0), (5.0, 60.0), (8.0, 40.0))
    assert denoised.points == ((5.0, 50.0), (8.0, 50.0))
    text = stress_dialogue().text.text()
    assert "denoised: 3 mm" in text and "lesions of 3, 8 mm harder" in text and "not a bound" in text
    stress_dialogue().close()
    qtbot.waitUntil(lambda: stress_dialogue() is None, timeout=PATIENCE_MS)
    QTest.mouseClick(denoise.controls.stress, LEFT)
    again = next(b for b in stress_dialogue().findChildren(QPushButton) if b.text() == "Run again")
    QTest.mouseClick(again, LEFT)
    assert [view.record.task for view in wiring.context.jobs.active()] == ["stress"]


def finish_stress(job: Any, qtbot: Any):
    """What a worker of a stress test leaves, and the dialogue that shows it."""
    writer = worker(job.folder)
    writer.write("started")
    fakes.make_stress(job.folder / "result")
    writer.write("done")
    writer.close()
    qtbot.waitUntil(lambda: stress_dialogue() is not None, timeout=PATIENCE_MS)


@pytest.mark.parametrize("asked_for", [{}, {"rims": False}, {"rims": True}])
def test_a_stress_test_of_a_model_without_rims_serves_whatever_was_asked_for(
    wiring: Any, denoise: Any, qtbot: Any, asked_for: dict[str, bool]
):  # fmt: skip
    params = {"input": f"series:{UID}", "model": "paper-1", "sigma": None, "local_means": None, "along_edges": True,
              **asked_for}  # fmt: skip
    wiring.context.jobs.start("stress", params, title="Stress test", inputs=(UID,), seed=0)
    job = wiring.context.jobs.active()[0]
    finish_stress(job, qtbot)
    box = denoise.controls.form.editor("rims").box
    for ticked in (True, False):
        stress_dialogue().close()
        qtbot.waitUntil(lambda: stress_dialogue() is None, timeout=PATIENCE_MS)
        pick(denoise.controls.model, model_cards.DEFAULT)
        if box.isChecked() != ticked:
            press(box)
        pick(denoise.controls.model, "paper-1")
        QTest.mouseClick(denoise.controls.stress, LEFT)
        assert stress_dialogue() is not None and wiring.context.jobs.active() == []
    stress_dialogue().close()


def stress_dialogue() -> Any:
    return next((w for w in QApplication.topLevelWidgets() if isinstance(w, StressDialogue) and w.isVisible()), None)


# what must never happen


def test_a_new_picture_is_never_drawn_as_an_old_one(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    show_result(wiring, denoise, qtbot, fakes.make_result(home / "r" / "result"))
    widget = wiring.grid.widget_of("denoised")
    assert isinstance(widget, SliceWidget)
    for value in (100, 40, 0, 70, 30, 100):
        for passing in range(5):
            denoise.controls.strength.setValue((value + passing) % 100)
        denoise.controls.strength.setValue(value)
        drawn = np.array(widget._grey(denoise.showing.slice_index).constBits(), copy=True)
        widget._grey_key = ()
        fresh = np.array(widget._grey(denoise.showing.slice_index).constBits(), copy=True)
        assert np.array_equal(drawn, fresh)


def test_both_forms_open_without_the_engine(tmp_path: Path):
    script = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from tumordiff_core.plugins import manager\n"
        "from tumordiff_gui.forms.form import Form\n"
        "import tumordiff_gui.modules.denoise.panel, tumordiff_gui.modules.train.panel\n"
        "for task in ('denoise', 'train'):\n"
        "    assert Form(manager.load(manager.task(task).params)).values()\n"
        "heavy = {'torch', 'lightning', 'SimpleITK', 'pydicom', 'scipy', 'skimage'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    import os

    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "TUMORDIFF_HOME": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "[]"


# stacks


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(0, 1), st.floats(0.1, 50), st.integers(0, 2**31))
def test_residual_of_a_blend_is_strength_times_the_full_residual(strength: float, sigma: float, seed: int):
    original, denoised = np.random.default_rng(seed).normal(100, 20, (2, 3, 4, 5)).astype(np.float32)
    blend = Blend(original, denoised, strength)
    whole = Residual(original, denoised, sigma)[1]
    np.testing.assert_allclose(Residual(original, blend, sigma)[1], strength * whole, atol=2e-3 / sigma)
    np.testing.assert_allclose(Blend(original, denoised, 0.0)[(slice(None),)], original)
    np.testing.assert_allclose(Sum(denoised, original - denoised)[2], original[2], atol=1e-4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(0.05, 1), st.integers(0, 2**31))
def test_full_strength_is_recovered_from_a_result_at_any_strength(computed: float, seed: int):
    original, full = np.random.default_rng(seed).normal(100, 20, (2, 2, 3, 3)).astype(np.float32)
    mean = np.asarray(Blend(original, full, computed)[(slice(None),)])
    np.testing.assert_allclose(Blend(original, mean, 1 / computed)[0], full[0], atol=0.05)


def test_single_slices_are_unknown_until_they_come_and_a_residual_draws_nothing_there():
    stack = Slices((3, 2, 2))
    stack.put(1, np.ones((2, 2), np.float32))
    assert np.isnan(stack[0]).all() and stack[(1, 0, 0)] == 1
    assert stack[(slice(None), 0)].shape == (3, 2)
    with pytest.raises(ValueError, match="no slice"):
        stack.put(0, np.ones((3, 2)))
    assert np.array_equal(Residual(np.ones((3, 2, 2)), stack, 1.0)[0], np.zeros((2, 2)))


# one pixel explained


def click_pixel(wiring: Any, name: str, row: int, column: int, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
    widget = wiring.grid.widget_of(name)
    index = (float(widget.model.slice_index), float(row), float(column))
    QTest.mouseClick(widget, LEFT, modifier, widget.point_of(index).toPoint())


@pytest.fixture
def explained(wiring: Any, denoise: Any, qtbot: Any) -> Any:
    """The panel with the pixel at row 40, column 33 explained."""
    QTest.mouseClick(denoise.controls.layouts.button(3), LEFT)
    assert "Click a pixel" in denoise.showing.explaining.strip.text.text()
    QApplication.processEvents()
    click_pixel(wiring, "original", 40, 33)
    qtbot.waitUntil(lambda: denoise.showing.explaining.explanations.found is not None, timeout=PATIENCE_MS)
    return denoise


def test_a_click_on_a_pixel_shows_its_filter_its_slices_and_what_they_mean(wiring: Any, explained: Any):
    index, showing = explained.showing.slice_index, explained.showing
    body = asked(wiring, "explain")[-1]
    assert (body["slice"], body["row"], body["column"], body["model"]) == (index, 40, 33, model_cards.DEFAULT)
    assert view(explained, "original").index == (index, 40, 33) and view(explained, "denoised").crosshair
    shown = view(explained, "filter")
    assert shown.title == "filter · this slice" and shown.picture.unit == "%"
    at = tuple(round(v) for v in shown.picture.geometry.to_index(shown.place.position_mm))
    assert at == (1, 15, 15)
    assert shown.picture.values[at] == pytest.approx(100 * 0.7 / 9)
    assert shown.picture.values[0, 15, 15] == pytest.approx(100 * 0.2 / 9)
    text = showing.explaining.strip.text.text()
    for expected in (f"Slice {index + 1}, row 41, column 34", "1.8 mm (1.2 pixels)", "0.60", "30 %", "Attention"):
        assert expected in text
    looked = view(explained, "denoised").overlays[0]
    assert np.isnan(looked.values[(index, 0, 0)]) and looked.values[(index, 40, 40)] > 0


def test_a_bar_shows_the_filter_of_its_slice_and_scrolling_the_filter_marks_the_bar(wiring: Any, explained: Any):
    bars, index = explained.showing.explaining.strip.bars, explained.showing.slice_index
    QTest.mouseClick(bars, LEFT, pos=bars.bar_rect(1).center().toPoint())
    assert view(explained, "filter").title == "filter · slice -1" and bars.selected == 1
    wheel(wiring.grid.widget_of("filter"), -2)
    assert view(explained, "filter").title == "filter · slice +1" and bars.selected == 2
    bars.setFocus()
    QTest.keyClick(bars, Qt.Key.Key_Up)
    assert bars.selected == 1
    assert explained.showing.slice_index == index


def test_feature_maps_come_on_request_and_stay_wanted_for_the_next_pixel(wiring: Any, explained: Any, qtbot: Any):
    strip = explained.showing.explaining.strip
    assert not asked(wiring, "explain")[-1]["features"] and strip.maps.isHidden()
    QTest.mouseClick(strip.ask, LEFT)
    qtbot.waitUntil(lambda: not strip.maps.isHidden(), timeout=PATIENCE_MS)
    assert strip.ask.isHidden() and "Feature maps" in strip.text.text()
    click_pixel(wiring, "denoised", 20, 30)
    qtbot.waitUntil(lambda: "row 21" in strip.text.text(), timeout=PATIENCE_MS)
    assert asked(wiring, "explain")[-1]["features"] is True


def test_another_model_explains_the_same_pixel_in_its_own_way(wiring: Any, explained: Any, qtbot: Any):
    explained.choose_model("paper-1")
    qtbot.waitUntil(lambda: "no attention" in explained.showing.explaining.strip.text.text(), timeout=PATIENCE_MS)
    assert asked(wiring, "explain")[-1]["model"] == "paper-1"
    assert "only this slice counts" in explained.showing.explaining.strip.text.text()
    assert view(explained, "denoised").overlays == ()


def test_an_explanation_that_fails_says_so_and_tries_again(wiring: Any, explained: Any, qtbot: Any):
    wiring.context.warm.failing_ops["explain"] = "memory is full; 1 GB was expected; close something"
    click_pixel(wiring, "original", 50, 33)
    qtbot.waitUntil(lambda: "memory is full" in view(explained, "filter").trouble, timeout=PATIENCE_MS)
    assert view(explained, "filter").details == "a traceback" and view(explained, "filter").picture is None
    wiring.context.warm.failing_ops.clear()
    QTest.mouseClick(wiring.grid.widget_of("filter").notice.again, LEFT)
    qtbot.waitUntil(lambda: view(explained, "filter").picture is not None, timeout=PATIENCE_MS)
    assert view(explained, "filter").trouble == ""


def test_waiting_for_an_explanation_is_said_and_another_series_forgets_it(wiring: Any, explained: Any, qtbot: Any):
    wiring.context.warm.held_ops.add("explain")
    click_pixel(wiring, "original", 50, 33)
    assert view(explained, "filter").loading == "asking about this pixel"
    wiring.context.desk.select("DEMO-001", "1.2.1.3")
    qtbot.waitUntil(lambda: view(explained, "original").picture is not None, timeout=PATIENCE_MS)
    qtbot.waitUntil(lambda: "Click a pixel" in explained.showing.explaining.strip.text.text(), timeout=PATIENCE_MS)
    assert view(explained, "filter").picture is None and explained.showing.explaining.pixel is None


def test_the_key_explains_the_pixel_under_the_pointer_from_any_arrangement(wiring: Any, denoise: Any, qtbot: Any):
    widget = wiring.grid.widget_of("residual")
    index = denoise.showing.slice_index
    QApplication.processEvents()
    at = widget.point_of((float(index), 60.0, 20.0))
    QCursor.setPos(widget.mapToGlobal(at.toPoint()))
    move(widget, (at.x(), at.y()))
    wiring.grid._entered(widget)
    QTest.keyClick(wiring.window, Qt.Key.Key_W, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: denoise.showing.explaining.explanations.found is not None, timeout=PATIENCE_MS)
    assert wiring.grid.layout_shown.name == "denoise-explain"
    assert denoise.showing.explaining.explanations.found.pixel == (index, 60, 20)
    wiring.do_undo()
    assert wiring.grid.layout_shown.name == "denoise-compare"
    assert view(denoise, "denoised").overlays == ()


def test_each_step_of_the_reverse_chain_says_what_it_changed(wiring: Any, denoise: Any, qtbot: Any):
    denoise.change_layout("steps")
    strip = denoise.showing.stepping.strip
    qtbot.waitUntil(lambda: len(strip.change._lines) == 2, timeout=PATIENCE_MS)
    points = strip.change._lines[0].points
    assert points[0] == (1.0, pytest.approx(1.0)) and len(points) == 14
    strip.sliders["forward"].setValue(3)
    qtbot.waitUntil(lambda: "σ" in strip.readouts["forward"].text(), timeout=PATIENCE_MS)
    assert strip.change._lines == () and "Only removing noise" in strip.change.empty


def test_the_models_own_doubt_stands_among_the_figures_with_its_legend(
    wiring: Any, denoise: Any, qtbot: Any, home: Path
):
    doubt = {"expected_psnr_gain_db": 6.4, "residual_power": 0.9, "residual_power_expected": 0.88,
             "residual_lag1": [-0.1, 0.05], "residual_lag1_expected": [-0.12, -0.12]}  # fmt: skip
    folder = fakes.make_result(home / "r" / "result", samples=8, doubt=[{}, doubt, {}])
    show_result(wiring, denoise, qtbot, folder)
    cells = [label.text() for row in denoise.showing.figures._rows for label in row if not label.isHidden()]
    assert "expected gain" in cells and "+6.4 dB" in cells
    assert not denoise.showing.figures.doubt.isHidden() and "bright where" in denoise.showing.figures.doubt.text()
    said = next(s for s in denoise.showing.said if "demands" in s.text)
    assert said.level == "warning" and "+0.05, -0.12" in said.text and "102 %" in said.text
    denoise.show_phase(0)
    qtbot.waitUntil(lambda: not any("demands" in s.text for s in denoise.showing.said), timeout=PATIENCE_MS)


# what a result keeps about itself

SPECTRUM = {"cycles_per_pixel": [0.1, 0.3], "measured": [2.0, 1.0], "predicted": [2.0, 1.1], "worst_db": -0.4}


def explained_result(folder: Path) -> Path:
    """A result that keeps the pixel at slice 5, row 40, column 33 of post 1, and the chain of that slice."""
    fakes.make_result(folder, doubt=[{}, {"residual_spectrum": SPECTRUM}, {}])
    weights = np.zeros((1, 31, 31), np.float32)
    weights[0, 15, 15] = 0.8
    row = {"phase": 1, "slice": 5, "row": 40, "column": 33, "model": model_cards.DEFAULT, "names": ["this slice"],
           "offsets": [0], "share": [1.0], "total": 0.8, "width_px": 2.5, "with_features": True}  # fmt: skip
    maps = {"npy": weights, "attention": np.ones(fakes.SHAPE[1:]), "features": np.ones((2, 6, 5), np.float32)}
    images = np.repeat(fakes.breast(1)[5][None].astype(np.float32), 3, axis=0)
    chain = {"phase": 1, "slice": 5, "model": model_cards.DEFAULT, "t": [90.0, 45.0, 0.0], "sigma": [9.0, 4.0, 0.0],
             "change": [0.0, 3.0]}  # fmt: skip
    explanations.write(
        folder, [explanations.stored(folder, row, maps)], [explanations.stored(folder, chain, {"npy": images})]
    )
    return folder


def test_an_opened_result_brings_its_explanation_without_asking(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    show_result(wiring, denoise, qtbot, explained_result(home / "r" / "result"))
    denoise.change_layout("explain")
    qtbot.waitUntil(lambda: view(denoise, "filter").picture is not None, timeout=PATIENCE_MS)
    assert view(denoise, "original").index == (5, 40, 33)
    text = denoise.showing.explaining.strip.text.text()
    assert "Slice 6, row 41, column 34" in text and "2.5 pixels" in text
    assert "Curves: how much was taken away" in text and "Feature maps" in text
    assert denoise.showing.explaining.strip.ask.isHidden() and not denoise.showing.explaining.strip.maps.isHidden()
    measured, predicted = denoise.showing.explaining.strip.spectrum._lines
    assert measured.points[0] == (0.1, pytest.approx(0.0)) and predicted.dashed
    assert any("-0.4 dB at most: as noise would" in said.text for said in denoise.showing.said)
    assert asked(wiring, "explain") == []
    denoise.change_layout("steps")
    qtbot.waitUntil(lambda: "t 90" in denoise.showing.stepping.strip.readouts["reverse"].text(), timeout=PATIENCE_MS)
    assert [body["model"] for body in asked(wiring, "chain")] in ([], ["paper-1"])
    assert view(denoise, "step_ours").badge_words() == ("DERIVED",)


def test_another_pixel_is_asked_about_and_kept_with_the_result(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = explained_result(home / "r" / "result")
    show_result(wiring, denoise, qtbot, folder)
    denoise.change_layout("explain")
    QApplication.processEvents()
    click_pixel(wiring, "original", 20, 30)
    qtbot.waitUntil(lambda: "row 21" in denoise.showing.explaining.strip.text.text(), timeout=PATIENCE_MS)
    body = asked(wiring, "explain")[-1]
    assert (body["result"], body["phase"]) == (str(folder), 1)
    denoise.controls.form.set({"seed": 5})
    denoise._refresh()
    click_pixel(wiring, "original", 22, 30)
    qtbot.waitUntil(lambda: "row 23" in denoise.showing.explaining.strip.text.text(), timeout=PATIENCE_MS)
    assert "result" not in asked(wiring, "explain")[-1]


def test_a_result_whose_series_is_gone_still_explains_what_it_keeps(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = explained_result(home / "r" / "result")
    wiring.context.warm.failing_ops["phase"] = "the disk is away; a connected disk was expected; connect it"
    wiring.context.desk.choose_result(folder)
    qtbot.waitUntil(lambda: denoise.showing.chosen.result is not None, timeout=PATIENCE_MS)
    denoise.showing.chosen.files = None
    denoise.change_layout("explain")
    qtbot.waitUntil(lambda: view(denoise, "filter").picture is not None, timeout=PATIENCE_MS)
    denoise.showing.chosen.files = None
    denoise.showing.explaining.explain_at((5, 50, 30))
    assert "not at hand" in denoise.showing.explaining.strip.text.text()
    assert view(denoise, "filter").picture is None


def test_a_broken_explanation_is_none_and_the_pixel_is_asked_about(wiring: Any, denoise: Any, qtbot: Any, home: Path):
    folder = explained_result(home / "r" / "result")
    (folder / "explained" / "explained.json").write_text("{")
    show_result(wiring, denoise, qtbot, folder)
    denoise.change_layout("explain")
    assert "Click a pixel" in denoise.showing.explaining.strip.text.text()


def test_an_answer_that_could_not_be_kept_says_so(wiring: Any, explained: Any, qtbot: Any):
    whole = wiring.context.warm.explain

    def unkept(body: dict[str, Any]) -> dict[str, Any]:
        return {**whole(body), "not_kept": "no space"}

    wiring.context.warm.explain = unkept
    click_pixel(wiring, "original", 50, 33)
    qtbot.waitUntil(lambda: "no space" in explained.showing.explaining.strip.text.text(), timeout=PATIENCE_MS)
