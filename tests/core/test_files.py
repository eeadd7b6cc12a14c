"""Files and folders appear whole or not at all, and a full or closed disk is a sentence."""

import errno
import json
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumordiff_core import files
from tumordiff_core.errors import InputError, MissingError, SpaceError, TumorDiffError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path):
    target = tmp_path / "deep" / "a.txt"
    files.write_bytes(target, b"one")
    files.write_bytes(target, b"two")
    assert target.read_bytes() == b"two" and names(target.parent) == ["a.txt"]


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "files.no_space"), (errno.EACCES, "files.not_written")])
def test_a_disk_that_refuses_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
):
    target = tmp_path / "a.txt"
    files.write_bytes(target, b"one")

    def refuse(_descriptor: int) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(TumorDiffError) as refused:
        files.write_bytes(target, b"two")
    assert refused.value.code == code
    assert target.read_bytes() == b"one" and names(tmp_path) == ["a.txt"]


def test_a_folder_appears_when_its_block_ends_well(tmp_path: Path):
    target = tmp_path / "result"
    with files.whole_folder(target) as partial:
        (partial / "a").write_text("x")
        assert not target.exists()
    assert names(target) == ["a"] and names(tmp_path) == ["result"]


def test_a_folder_vanishes_when_its_block_raises(tmp_path: Path):
    for error in (ValueError(), KeyboardInterrupt()):
        with pytest.raises(type(error)), files.whole_folder(tmp_path / "result") as partial:
            (partial / "a").write_text("x")
            raise error
        assert names(tmp_path) == []


def test_a_full_disk_inside_the_block_is_a_sentence(tmp_path: Path):
    with pytest.raises(SpaceError) as full, files.whole_folder(tmp_path / "result"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.code == "files.no_space" and names(tmp_path) == []


def test_what_is_there_is_never_written_over_but_an_empty_folder_may_be_filled(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with files.whole_folder(tmp_path / "empty") as partial:
        (partial / "a").touch()
    with pytest.raises(InputError) as taken, files.whole_folder(tmp_path / "empty"):
        pass
    assert taken.value.code == "files.exists" and names(tmp_path / "empty") == ["a"]


def test_a_rename_waits_for_a_scanner_that_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").touch()
    tries: list[Path] = []
    real = Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError
        return real(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    files.rename(tmp_path / "a", tmp_path / "b")
    assert len(tries) == 3 and names(tmp_path) == ["b"]


def test_a_rename_gives_up_after_its_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_self: Path, _target: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "rename", refuse)
    monkeypatch.setattr(files, "RENAME_PATIENCE_S", -1.0)
    with pytest.raises(PermissionError):
        files.rename(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "code"),
    [(None, "files.missing"), ("{", "files.not_json"), ("[1]", "files.not_json"),
     ('{"format": 9}', "files.newer_format"), ('{"format": "x"}', "files.newer_format")],
)  # fmt: skip
def test_a_record_that_cannot_be_read_says_why(tmp_path: Path, text: str | None, code: str):
    place = tmp_path / "record.json"
    if text is not None:
        place.write_text(text)
    with pytest.raises((InputError, MissingError)) as wrong:
        files.read_json(place, newest_format=1)
    assert wrong.value.code == code and wrong.value.path == place


def test_a_record_comes_back_as_it_was(tmp_path: Path):
    files.write_json(tmp_path / "r.json", {"format": 1, "text": "ä"})
    assert files.read_json(tmp_path / "r.json", newest_format=1) == {"format": 1, "text": "ä"}
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["text"] == "ä"


def test_space_is_asked_for_before_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage(10**9, 0, 10**8))
    files.require_space(tmp_path / "not" / "yet" / "there", 9e7)
    with pytest.raises(SpaceError) as full:
        files.require_space(tmp_path, 1e8)
    assert full.value.sentence.startswith("100 MB are free on the target disk; 106 MB are needed")


@given(st.text(max_size=200))
def test_a_safe_name_is_plain_short_and_tells_texts_apart(text: str):
    name = files.safe_name(text)
    assert len(name) <= 49 and name.replace("_", "").replace("-", "").isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert files.safe_name(text + "x") != name


def test_a_checksum_is_that_of_the_bytes(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
