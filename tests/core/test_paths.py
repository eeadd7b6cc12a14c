"""Everything the program keeps lies under one folder when one is named, else where the platform wants it."""

from pathlib import Path

import platformdirs
import pytest

from tumordiff_core import paths

PLACES = [paths.config, paths.data, paths.cache, paths.state, paths.logs, paths.catalogue_file, paths.jobs,
          paths.models, paths.demo, paths.volumes, paths.thumbnails]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_one_folder_holds_everything(place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path))
    assert place().is_relative_to(tmp_path) and place() != tmp_path
    assert not place().exists()


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUMORDIFF_HOME", "stick")
    monkeypatch.chdir(tmp_path)
    assert paths.home() == tmp_path / "stick"


def test_without_it_the_platform_decides(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TUMORDIFF_HOME", raising=False)
    assert paths.home() is None
    assert paths.data() == Path(platformdirs.user_data_dir("TumorDiff", appauthor=False))
    assert paths.logs() == Path(platformdirs.user_log_dir("TumorDiff", appauthor=False))


def test_shipped_resources_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert (paths.resources() / "icons").is_dir()
    package = tmp_path / "tumordiff_core"
    (package / "_resources").mkdir(parents=True)
    monkeypatch.setattr(paths, "__file__", str(package / "paths.py"))
    assert paths.resources() == package / "_resources"
