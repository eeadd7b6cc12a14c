"""A result folder says what it holds and notices when a file of it was changed."""

import json
from pathlib import Path

import numpy as np
import pytest

from tumordiff_core import result_folder
from tumordiff_core.errors import InputError, SpaceError
from tumordiff_core.imaging.geometry import Geometry

GRID = Geometry((2, 3, 4), (2.0, 1.0, 1.0))


def made(folder: Path) -> result_folder.Result:
    values = np.arange(48, dtype=">f4").reshape(2, 2, 3, 4)
    result_folder.save_array(folder, "mean", values)
    (folder / "tables").mkdir()
    (folder / "tables" / "slices.csv").write_text("slice\n0\n")
    record = result_folder.Record(
        kind="denoised", provenance="derived", geometry=GRID.to_record(), labels=["pre", "post 1"],
        phase_s=[-10.0, None], facts={"patient_id": "MADE"}, extra_fact=1,
    )  # fmt: skip
    result_folder.finish(folder, record)
    return result_folder.open_result(folder)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    result = made(tmp_path)
    assert set(result.record.files) == {"arrays/mean.npy", "tables/slices.csv"}
    assert result.geometry == GRID
    volume = result.volume("mean")
    assert (volume.provenance, volume.labels, volume.phase_s) == ("derived", ("pre", "post 1"), (-10.0, None))
    assert volume.values.dtype == np.dtype("<f4")
    assert volume.values[1, 1, 2, 3] == 47
    assert result.has_array("mean")
    assert not result.has_array("std")
    result.check_files()


@pytest.mark.parametrize("change", ["append", "remove"])
def test_changed_or_missing_file_is_noticed(tmp_path: Path, change: str) -> None:
    result = made(tmp_path)
    table = tmp_path / "tables" / "slices.csv"
    if change == "append":
        table.write_text("slice\n0\n1\n")
    else:
        table.unlink()
    with pytest.raises(InputError, match=r"slices\.csv"):
        result.check_files()


@pytest.mark.parametrize("name", ["std", "mean"])
def test_array_that_is_missing_or_on_no_grid_is_named(tmp_path: Path, name: str) -> None:
    result = made(tmp_path)
    result.record.geometry = None
    with pytest.raises(InputError) as caught:
        result.volume(name)
    assert (caught.value.code, caught.value.fields["name"]) == ("result.damaged", f"{name}.npy")


def test_folder_without_record_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        result_folder.open_result(tmp_path)
    assert caught.value.code == "result.not_one"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"kind": "banana"}, "result.not_one"), ({"format": 99}, "files.newer_format")],
)
def test_record_of_another_kind_or_format_is_refused(tmp_path: Path, change: dict[str, object], code: str) -> None:
    made(tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    (tmp_path / "result.json").write_text(json.dumps(record | change))
    with pytest.raises(InputError) as caught:
        result_folder.open_result(tmp_path)
    assert caught.value.code == code


def test_array_that_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tumordiff_core.files.free_mb", lambda path: 0)
    with pytest.raises(SpaceError) as caught:
        result_folder.save_array(tmp_path, "mean", np.zeros((1, 2, 3, 4)))
    assert caught.value.code == "files.no_space"
    assert not list((tmp_path / "arrays").iterdir())
