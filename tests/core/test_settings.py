"""Settings: environment over file over default; what is broken is kept aside and named."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tumordiff_core import settings
from tumordiff_core.errors import SettingsError

OTHER: dict[str, tuple[str, Any]] = {
    "general.theme": ("light", "light"), "general.accepted_version": ("9.9", "9.9"),
    "view.interpolate": ("true", True), "view.keys": ("slicer", "slicer"), "view.hide_names": ("1", True),
    "study.sagittal_anterior_left": ("0", False), "jobs.folder": ("somewhere", "somewhere"),
    "jobs.heavy": ("3", 3), "jobs.light": ("4", 4), "jobs.keep_days": ("30", 30),
    "jobs.cluster": ("tcp://host:1", "tcp://host:1"),
    "cache.budget_gb": ("2.5", 2.5), "cache.largest_series_gb": ("4", 4.0),
    "plugins.disabled": ("one,two", ("one", "two")),
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("TUMORDIFF_") and name != "TUMORDIFF_HOME"]:
        monkeypatch.delenv(name)
    return tmp_path


def all_fields() -> list[str]:
    return [f"{group}.{name}" for group, field in settings.Settings.model_fields.items()
            for name in field.annotation.model_fields]  # type: ignore[union-attr]  # fmt: skip


def value_of(found: settings.Settings, dotted: str) -> Any:
    group, name = dotted.split(".")
    return getattr(getattr(found, group), name)


def test_every_setting_is_tried_here():
    assert sorted(OTHER) == sorted(all_fields())


@pytest.mark.parametrize("dotted", all_fields())
def test_every_setting_has_title_and_help_and_comes_from_environment_file_and_default(
    dotted: str, home: Path, monkeypatch: pytest.MonkeyPatch
):
    group, name = dotted.split(".")
    field = settings.Settings.model_fields[group].annotation.model_fields[name]  # type: ignore[union-attr]
    assert field.title and field.description and field.description.endswith(".")
    given, expected = OTHER[dotted]
    assert value_of(settings.read()[0], dotted) == field.default != expected
    changed = settings.Settings.model_validate({group: {name: expected}})
    settings.save(changed)
    assert value_of(settings.reload(), dotted) == expected
    settings.save(settings.Settings())
    monkeypatch.setenv(f"TUMORDIFF_{group}_{name}".upper(), given)
    assert value_of(settings.reload(), dotted) == expected
    settings.load.cache_clear()


def test_the_file_holds_only_what_differs_and_keeps_what_it_does_not_know(home: Path):
    settings.file().parent.mkdir(parents=True)
    settings.file().write_text('{"format": 1, "view": {"new_one": 3}, "new_group": {"a": 1}}')
    found = settings.reload()
    found.view.interpolate = True
    settings.save(found)
    record = json.loads(settings.file().read_text())
    assert record == {"format": 1, "view": {"new_one": 3, "interpolate": True}, "new_group": {"a": 1}}
    settings.load.cache_clear()


@pytest.mark.parametrize("text", ["{", '{"format": 99}', '{"jobs": {"heavy": 0}}'])
def test_a_broken_file_is_kept_aside_and_named(home: Path, text: str):
    settings.file().parent.mkdir(parents=True)
    settings.file().write_text(text)
    found, trouble = settings.read()
    assert found == settings.Settings() and trouble is not None and "settings.broken.json" in trouble
    assert not settings.file().exists() and (home / "config" / "settings.broken.json").read_text() == text
    assert settings.read()[1] is None


def test_an_impossible_value_of_the_environment_is_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUMORDIFF_JOBS_HEAVY", "99")
    with pytest.raises(SettingsError) as wrong:
        settings.read()
    assert wrong.value.code == "settings.bad_value" and "jobs.heavy is 99" in wrong.value.sentence
    assert SettingsError("settings.broken", kept_as="x").code == "settings.broken"
