"""Plugins: what is on, what failed and why, turning one off, the template."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from tumordiff_core import paths, settings
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Denoiser
from tumordiff_gui.modules.plugins import strings, template


class Stranger:
    """A plugin that offers a denoiser."""

    @hookimpl
    def register_denoisers(self) -> list[Denoiser]:
        return [Denoiser("median", "Median of a stranger", (), "nowhere:denoise")]


class Raising:
    """A plugin whose hook raises."""

    @hookimpl
    def register_tasks(self) -> list[Any]:
        raise RuntimeError("not today")


@pytest.fixture
def panel(wiring: Any) -> Any:
    """The plugins module with a good stranger, a raising one and one that is disabled."""
    manager.door().add("stranger", Stranger(), version="1.2")
    manager.door().add("raising", Raising(), version="0.1")
    record = settings.load()
    record.plugins.disabled = ("asleep",)
    settings.save(record)
    wiring.show_module("plugins")
    return wiring.panels["plugins"]


def row(panel: Any, name: str) -> Any:
    items = [panel.list.item(n) for n in range(panel.list.count())]
    return next(item for item in items if item.data(Qt.ItemDataRole.UserRole) == name)


def test_a_failed_plugin_is_shown_first_with_its_traceback(panel: Any):
    assert panel.chosen == "raising"
    assert "RuntimeError: not today" in panel.page.traceback.toPlainText()


def test_strangers_stand_before_ours_with_version_and_offer(panel: Any):
    names = [panel.list.item(n).data(Qt.ItemDataRole.UserRole) for n in range(panel.list.count())]
    assert set(names[:3]) == {"stranger", "raising", "asleep"} and "tumordiff_core.tasks.train" in names
    assert "1.2" in row(panel, "stranger").text()
    panel.choose("stranger")
    assert panel.page.plugin.offers == {"register_denoisers": ["Median of a stranger"]}


def test_search_finds_a_plugin_by_what_it_offers(panel: Any):
    QTest.keyClicks(panel.search, "median")
    assert panel.list.count() == 1
    QTest.keyClicks(panel.search, "zebra")
    assert panel.nothing.isVisible()


def test_a_stranger_is_turned_off_and_on_in_the_settings(panel: Any, wiring: Any):
    panel.choose("stranger")
    panel.page.enabled.click()
    assert settings.reload().plugins.disabled == ("asleep", "stranger")
    assert wiring.window.status.said.text() == strings.WILL_BE_OFF.format(name="stranger")
    panel.choose("asleep")
    panel.page.enabled.click()
    assert json.loads((paths.config() / "settings.json").read_text())["plugins"]["disabled"] == ["stranger"]


def test_ours_cannot_be_turned_off_and_says_why(panel: Any):
    panel.choose("tumordiff_core.tasks.train")
    assert not panel.page.enabled.isEnabled() and panel.page.enabled.toolTip() == strings.ENABLED_OURS


def test_a_failure_can_be_copied(panel: Any):
    panel.page.copied.emit("the failure")
    assert QApplication.clipboard().text() == "the failure"


def test_the_template_is_at_most_forty_lines_and_a_working_module(
    panel: Any, wiring: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lines = [line for text in template.FILES.values() for line in text.splitlines() if line.strip()]
    assert len(lines) <= 40
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(tmp_path))
    QTest.mouseClick(panel.template, Qt.MouseButton.LeftButton)
    QTest.mouseClick(panel.page.button, Qt.MouseButton.LeftButton)
    folder = tmp_path / strings.TEMPLATE_NAME
    assert str(folder) in panel.page.told.text()
    monkeypatch.syspath_prepend(str(folder))
    import tumordiff_hello.module as module

    spec = module.register_modules()[0]
    hello = manager.load(spec.panel)(wiring.context)
    wiring.context.desk.select("DEMO-002")
    assert hello.line.text() == "DEMO-002 is selected"
    for name in [n for n in sys.modules if n.startswith("tumordiff_hello")]:
        del sys.modules[name]


def test_a_template_is_never_written_over_something(panel: Any, wiring: Any, tmp_path: Path, monkeypatch: Any):
    (tmp_path / strings.TEMPLATE_NAME).mkdir()
    (tmp_path / strings.TEMPLATE_NAME / "mine.txt").write_text("mine")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(tmp_path))
    panel.show_template()
    panel._write_template()
    assert strings.TEMPLATE_NAME in wiring.window.notice.sentence.text().lower()
    assert [f.name for f in (tmp_path / strings.TEMPLATE_NAME).iterdir()] == ["mine.txt"]


def test_a_plugin_without_a_known_version_is_listed_all_the_same(wiring: Any, monkeypatch: pytest.MonkeyPatch):
    manager.door().add("odd", SimpleNamespace(), version="?")
    wiring.show_module("plugins")
    wiring.panels["plugins"].choose("odd")
    assert wiring.panels["plugins"].page.plugin.offers == {}
