"""The door: whatever is wrong with a plugin becomes a failure with its name, and the others go on."""

from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from tumordiff_core.errors import PluginError
from tumordiff_core.plugins import builtin, manager, specs
from tumordiff_core.plugins.hookspecs import hookimpl


def plugin(**hooks: object) -> ModuleType:
    """A plugin made of functions, each marked as a hook."""
    made = ModuleType("made_up")
    for name, function in hooks.items():
        setattr(made, name, hookimpl(function, specname=name))
    return made


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> manager.Door:
    """An empty door that is this process's door."""
    monkeypatch.setattr(builtin, "PLUGINS", ())
    made = manager.Door([])
    monkeypatch.setattr(manager, "door", lambda: made)
    return made


def service(name: str) -> specs.Service:
    return specs.Service(name, "math:sqrt")


def test_all_our_own_plugins_load():
    door = manager.Door([])
    assert door.failures == [] and [name for name, _ in door.names] == list(builtin.PLUGINS)


def test_one_of_ours_that_cannot_be_imported_is_kept_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(builtin, "PLUGINS", ("tumordiff_core.no_such_room", builtin.PLUGINS[0]))
    door = manager.Door([])
    assert [f.name for f in door.failures] == ["tumordiff_core.no_such_room"] and len(door.names) == 1


def test_a_disabled_plugin_is_not_loaded(door: manager.Door):
    entry = EntryPoint("quiet", "no.such.module", manager.GROUP)
    assert manager.Door([entry], ["quiet"]).failures == []
    assert [f.name for f in manager.Door([entry]).failures] == ["quiet"]


def test_of_two_plugins_with_one_name_the_first_wins(door: manager.Door):
    door.add("twin", plugin(register_services=lambda: [service("one")]))
    door.add("twin", plugin(register_services=lambda: [service("two")]))
    assert [s.name for s in manager.services()] == ["one"]
    assert [f.reason for f in door.failures] == ["another plugin has this name"]


def test_of_two_records_with_one_name_the_first_wins_and_it_is_said_once(door: manager.Door):
    door.add("a", plugin(register_services=lambda: [service("reader")]))
    door.add("b", plugin(register_services=lambda: [service("reader"), service("other")]))
    assert [s.name for s in manager.services()] == ["reader", "other"] and len(manager.services()) == 2
    assert [(f.name, f.reason) for f in door.failures] == [("b", "service 'reader' is already taken")]


def test_a_plugin_that_raises_in_a_hook_does_not_end_the_call(door: manager.Door):
    def broken() -> list[specs.Service]:
        raise ValueError("no services today")

    door.add("broken", plugin(register_services=broken), version="2")
    door.add("sound", plugin(register_services=lambda: [service("reader")]))
    assert [s.name for s in manager.services()] == ["reader"]
    failure = door.failures[0]
    assert (failure.name, failure.version) == ("broken", "2") and "no services today" in failure.traceback


@pytest.mark.parametrize("answer", ["text", [3], [specs.Task("t", "T", "a:b", "a:b")], [service(3)]])  # type: ignore[arg-type]
def test_an_answer_of_the_wrong_kind_is_a_failure(door: manager.Door, answer: object):
    door.add("odd", plugin(register_services=lambda: answer))
    assert manager.services() == [] and len(door.failures) == 1


def test_a_hook_with_an_argument_nobody_gives_is_refused(door: manager.Door):
    door.add("greedy", plugin(job_finished=lambda folder, weather: None))
    assert door.names == [] and "do not fit" in door.failures[0].reason


def test_a_failure_in_use_is_recorded_with_its_traceback(door: manager.Door):
    door.add("panel", plugin(register_modules=lambda: []))
    try:
        raise RuntimeError("slot")
    except RuntimeError:
        door.fail("panel", "its panel raised")
    assert "slot" in door.failures[0].traceback


@pytest.mark.parametrize("find", [manager.task, manager.exporter, manager.service])
def test_what_nobody_offers_is_named_with_what_is_there(door: manager.Door, find):
    with pytest.raises(PluginError) as unknown:
        find("nothing")
    assert unknown.value.code == "plugins.unknown" and "none" in unknown.value.sentence


@pytest.mark.parametrize("dotted", ["no.such.module:name", "math:no_such_name"])
def test_a_dotted_string_that_leads_nowhere_is_named(dotted: str):
    with pytest.raises(PluginError) as wrong:
        manager.load(dotted)
    assert wrong.value.code == "plugins.bad_record"


def test_every_kind_of_record_comes_through_its_hook(door: manager.Door):
    reader = specs.Reader("r", (".x",), "a:b", "a:b")
    network = specs.Network("n", "N", "a:b", "a:b")
    collection = specs.Collection("c", "C", *["a:b"] * 6)
    exporter = specs.Exporter("e", "E", ".e", "a:b", "a:b", "a:b")
    denoiser = specs.Denoiser("d", "D", (), "a:b")
    door.add("all", plugin(
        register_readers=lambda: [reader], register_networks=lambda: [network],
        register_collections=lambda: [collection], register_exporters=lambda: [exporter],
        register_denoisers=lambda: [denoiser],
    ))  # fmt: skip
    assert manager.readers() == [reader] and manager.networks() == [network]
    assert manager.collections() == [collection] and manager.exporters() == [exporter]
    assert manager.denoisers() == [denoiser]
    assert manager.report()["offers"]["collections"] == ["c"]


def test_an_export_gate_that_raises_counts_as_a_refusal(door: manager.Door):
    def gate(result: object, exporter: str, options: object) -> list[specs.Finding]:
        raise KeyError(exporter)

    door.add("gate", plugin(check_export=gate))
    door.add("note", plugin(check_export=lambda result, exporter, options: [specs.Finding("note", "seen")]))
    levels = [finding.level for finding in manager.check_export(None, "dicom", None)]
    assert sorted(levels) == ["note", "refuse"]


def test_every_plugin_hears_that_a_job_ended(door: manager.Door, tmp_path: Path):
    heard: list[tuple[Path, str]] = []
    door.add("one", plugin(job_finished=lambda folder, state: heard.append((folder, state))))
    door.add("two", plugin(job_finished=lambda folder, state: 1 / 0))
    manager.job_finished(tmp_path, "done")
    assert heard == [(tmp_path, "done")] and [f.name for f in door.failures] == ["two"]


def test_a_plugin_adds_verbs_to_the_command_line(door: manager.Door):
    app: list[str] = []
    door.add("verbs", plugin(register_commands=lambda app: app.append("verb")))
    manager.register_commands(app)
    assert app == ["verb"]
