"""The volume cache keeps what it is given, forgets the least recently used first, and never shows half an entry."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from tumordiff_core import paths, settings
from tumordiff_core.errors import MissingError, SpaceError, TumorDiffError
from tumordiff_core.imaging import cache, thumbnails
from tumordiff_core.imaging.cache import SourceFile
from tumordiff_core.imaging.geometry import Geometry

VALUES = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
Disk = namedtuple("Disk", "total used free")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    settings.load.cache_clear()
    yield tmp_path / "home"
    settings.load.cache_clear()


def put(name: str, megabytes: float = 0.0, used_at: float = 0.0) -> cache.Entry:
    values = np.zeros(max(round(megabytes * 1e6), 1), dtype=np.uint8)
    made = cache.store(name, values, {"facts": {"name": name}})
    for file in (made.npy, made.record):
        os.utime(file, (used_at, used_at))
    return made


def test_what_is_stored_is_found_again_with_its_record() -> None:
    assert cache.find("a") is None
    cache.store("a", VALUES, {"slope": 2.0, "facts": {"x": 1}})
    found = cache.find("a")
    assert found is not None
    array = found.array()
    assert isinstance(array, np.memmap) and not array.flags.writeable and array.dtype == np.int16
    np.testing.assert_array_equal(array, VALUES)
    assert (found.facts()["slope"], found.facts()["facts"]) == (2.0, {"x": 1})


def test_changed_facts_are_written_and_the_rest_stays() -> None:
    here = cache.store("a", VALUES, {"slope": 2.0, "facts": {"x": 1}})
    stamp = here.record.stat().st_ino
    cache.update(here, {"x": 1})
    assert here.record.stat().st_ino == stamp
    cache.update(here, {"x": 2})
    assert here.facts()["facts"] == {"x": 2} and here.facts()["slope"] == 2.0
    assert cache.find("a") is not None


@trying(deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=9), st.integers(0, 9), st.integers(0, 9)), max_size=5, unique_by=lambda t: t[0])
)
def test_the_key_depends_on_the_files_and_not_on_their_order(rows: list[tuple[str, int, int]]) -> None:
    sources = [SourceFile(*row) for row in rows]
    name = cache.key("1.2", 0, sources)
    assert cache.key("1.2", 0, reversed(sources)) == name
    assert cache.key("1.2", 1, sources) != name
    assert cache.key("1.3", 0, sources) != name
    assert cache.key("1.2", 0, sources, version=cache.READER_VERSION + 1) != name
    for k, (path, size, mtime) in enumerate(rows):
        for other in (SourceFile(path, size + 1, mtime), SourceFile(path, size, mtime + 1)):
            assert cache.key("1.2", 0, [*sources[:k], other, *sources[k + 1 :]]) != name


@pytest.mark.parametrize("damage", ["cut", "no array", "no record", "torn record"])
def test_half_an_entry_counts_as_none(damage: str) -> None:
    here = cache.store("a", VALUES, {})
    if damage == "cut":
        here.npy.write_bytes(here.npy.read_bytes()[:-4])
    elif damage == "torn record":
        here.record.write_text("{")
    else:
        (here.npy if damage == "no array" else here.record).unlink()
    assert cache.find("a") is None
    assert cache.find(cache.store("a", VALUES, {}).npy.stem) is not None


def test_the_least_recently_used_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUMORDIFF_CACHE_BUDGET_GB", "0.0035")
    for number, name in enumerate("abc"):
        put(name, 1.0, used_at=1000.0 + number)
    assert cache.find("a") is not None
    put("d", 1.0)
    assert [name for name in "abcd" if cache.entry(name).npy.exists()] == ["a", "c", "d"]
    assert cache.used_bytes() <= cache.budget_bytes()


def test_one_larger_than_the_budget_still_gets_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUMORDIFF_CACHE_BUDGET_GB", "0.001")
    put("a", 0.5)
    put("b", 2.0)
    assert cache.find("a") is None and cache.find("b") is not None


def test_the_budget_is_never_more_than_a_tenth_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    put("a", 1.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(100_000_000, 0, 50_000_000))
    assert cache.budget_bytes() == pytest.approx(0.1 * (50_000_000 + cache.used_bytes()), abs=1)


def test_a_full_disk_is_said_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1000, 1000, 0))
    with pytest.raises(SpaceError, match="0 MB are free"):
        cache.store("a", VALUES, {})
    assert list(paths.volumes().iterdir()) == []


def test_a_disk_that_fills_while_writing_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(SpaceError):
        cache.store("a", VALUES, {})
    assert list(paths.volumes().iterdir()) == []

    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(np, "save", broken)
    with pytest.raises(TumorDiffError, match="Input/output error"):
        cache.store("a", VALUES, {})


def test_leftovers_of_a_crash_are_swept_away_and_fresh_ones_left_alone() -> None:
    put("a")
    old, fresh = paths.volumes() / ".x.npy.partial-1", paths.volumes() / ".y.npy.partial-2"
    for file in (old, fresh):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.make_room(0)
    assert not old.exists() and fresh.exists()


def test_it_can_be_cleared_and_deleted_at_any_time() -> None:
    here = put("a", 1.0)
    mapped = here.array()
    assert cache.clear() > 1_000_000 and cache.used_bytes() == 0
    assert mapped.sum() == 0
    shutil.rmtree(paths.cache())
    assert cache.find("a") is None and cache.used_bytes() == 0 and cache.clear() == 0
    assert cache.find(put("a").npy.stem) is not None


def test_a_source_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="was not found"):
        cache.source_of(tmp_path / "gone.dcm")


# thumbnails

SAGITTAL = Geometry((5, 40, 60), (2, 1, 1), (0, 0, 0), (0, 1, 0), (0, 0, -1), (-1, 0, 0))


def test_a_thumbnail_has_the_front_left_and_the_head_up() -> None:
    values = np.zeros((40, 60), dtype=np.float32)
    values[:20, :30] = 100
    grey = thumbnails.picture(values, SAGITTAL, (0, 100))
    assert grey.shape == (round(thumbnails.SIDE * 40 / 60), thumbnails.SIDE)
    assert grey[5, 5] == 255 and grey[5, -5] == 0 and grey[-5, 5] == 0
    turned = Geometry((5, 40, 60), (2, 1, 1), (0, 0, 0), (0, -1, 0), (0, 0, 1), (-1, 0, 0))
    grey = thumbnails.picture(values, turned, (0, 100))
    assert grey[-5, -5] == 255 and grey[5, 5] == 0


def test_a_thumbnail_keeps_proportions_and_turns_axes() -> None:
    across = Geometry((5, 40, 60), (2, 2, 1), (0, 0, 0), (0, 0, -1), (0, 1, 0), (-1, 0, 0))
    values = np.zeros((40, 60), dtype=np.float32)
    values[0] = 100
    grey = thumbnails.picture(values, across, (0, 100))
    assert grey.shape == (round(thumbnails.SIDE * 60 / 80), thumbnails.SIDE)
    assert grey[:, 0].min() == 255 and grey[:, -1].max() == 0
    assert thumbnails.picture(values, across, (0, 100), inverted=True)[0, -1] == 255


@trying(deadline=None)
@given(st.integers(1, 400), st.integers(1, 400))
def test_a_thumbnail_of_one_grey_stays_that_grey(rows: int, columns: int) -> None:
    grid = Geometry((1, rows, columns), (1, 1, 1))
    grey = thumbnails.picture(np.full((rows, columns), 50.0), grid, (0, 100))
    assert max(grey.shape) == thumbnails.SIDE and np.unique(grey).tolist() == [127]


def test_a_window_leaves_out_extremes_and_survives_nonsense() -> None:
    values = np.r_[np.zeros(100), np.full(1000, 50.0), 5000.0]
    low, high = thumbnails.window_of(values)
    assert low == 0 and 50 <= high < 5000
    assert thumbnails.window_of(np.full(5, np.nan)) == (0.0, 1.0)
    low, high = thumbnails.window_of(np.zeros(5))
    assert high > low


def test_the_png_is_one_for_other_programs(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    grey = np.random.default_rng(0).integers(0, 256, (37, 53)).astype(np.uint8)
    thumbnails.write(tmp_path / "a.png", grey)
    with image.open(tmp_path / "a.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), grey)
