"""What a result keeps about itself is read back as it was written, and grows by what is asked later."""

import json
from pathlib import Path

import numpy as np
import pytest

from tumordiff_core import explanations
from tumordiff_core.errors import InputError

FILTER = np.arange(2 * 31 * 31, dtype=np.float32).reshape(2, 31, 31)
ROW = {"phase": 1, "slice": 3, "row": 4, "column": 5, "names": ["this slice", "slice -1"], "with_features": False}


def written(folder: Path) -> Path:
    looked = np.ones((8, 9), np.float32)
    pixel = explanations.stored(folder, ROW, {"npy": FILTER, "attention": looked, "features": None})
    chain = explanations.stored(folder, {"phase": 1, "slice": 3, "t": [9.0, 0.0]}, {"npy": FILTER})
    explanations.write(folder, [pixel], [chain])
    return folder


def test_what_was_written_is_read_with_whole_paths(tmp_path: Path) -> None:
    found = explanations.read(written(tmp_path))
    row = found.pixel(1, (3, 4, 5), features=False)
    assert np.array_equal(np.load(row["npy"]), FILTER)
    assert np.load(row["attention"]).dtype == np.float16
    assert row["features"] == "" and row["names"] == ROW["names"]
    assert np.load(found.chain(1, 3)["npy"]).shape == FILTER.shape
    assert found.chain(1, 2) is found.chain(0, 3) is None


def test_a_pixel_asked_later_is_found_and_is_the_last(tmp_path: Path) -> None:
    written(tmp_path)
    before = (tmp_path / "explained" / "explained.json").read_bytes()
    explanations.append(tmp_path, {**ROW, "row": 7, "with_features": True}, {"npy": FILTER, "features": FILTER})
    found = explanations.read(tmp_path)
    assert found.last_place(1) == (3, 7, 5) and found.last_place(0) is None
    assert found.pixel(1, (3, 7, 5), features=True)["features"]
    assert found.pixel(1, (3, 4, 5), features=True) is None
    assert found.pixel(2, (3, 4, 5), features=False) is None
    assert (tmp_path / "explained" / "explained.json").read_bytes() == before


def test_a_torn_line_is_left_out_and_a_result_without_any_is_empty(tmp_path: Path) -> None:
    assert explanations.read(tmp_path) == explanations.Kept()
    explanations.append(tmp_path, ROW, {"npy": FILTER})
    with (tmp_path / "explained" / "asked.jsonl").open("a") as file:
        file.write('{"phase": 1, "sl')
    assert len(explanations.read(tmp_path).pixels) == 1


def test_a_newer_or_broken_record_is_refused(tmp_path: Path) -> None:
    place = written(tmp_path) / "explained" / "explained.json"
    place.write_text('{"format": 99}')
    with pytest.raises(InputError) as refused:
        explanations.read(tmp_path)
    assert refused.value.code == "files.newer_format"


def test_a_result_that_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        explanations.append(tmp_path / "gone", {"phase": 0}, {})
    assert not (tmp_path / "gone").exists()


def test_a_name_of_a_record_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    place = tmp_path / explanations.FOLDER
    place.mkdir()
    row = {"phase": 0, "slice": 0, "npy": "../../secret.npy"}
    (place / explanations.ASKED).write_text(json.dumps({**row, "row": 1, "column": 1, "with_features": False}) + "\n")
    assert explanations.read(tmp_path).pixels[0]["npy"] == str(place / "secret.npy")
