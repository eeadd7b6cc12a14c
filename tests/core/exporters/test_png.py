"""Pictures carry what they are: badge and safety text burnt in, one window for all phases."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tumordiff_core.errors import InputError, SpaceError, UnsupportedError
from tumordiff_core.exporters import png
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import Result
from tumordiff_core.tasks.export import ExportParams, export, write_result


def written(result: Result, target: Path, **options: object) -> list[Path]:
    params = ExportParams(result=str(result.folder), to=str(target), as_="png", yes=True, options=options)
    return write_result(params, Progress())


def test_middle_slice_of_every_phase_in_true_proportions(made_result: Result, tmp_path: Path) -> None:
    paths = written(made_result, tmp_path / "out")
    assert [path.name for path in paths] == ["1-004.png", "2-004.png", "3-004.png"]
    with Image.open(paths[0]) as image:
        rows_mm, columns_mm = 24 * 0.8, 32 * 0.7
        assert max(image.size) == 768
        assert image.width / image.height == pytest.approx(columns_mm / rows_mm, rel=0.01)
        assert "DERIVED" in image.info["Description"]


def test_all_slices_when_asked(made_result: Result, tmp_path: Path) -> None:
    assert len(written(made_result, tmp_path / "out", slices="all", side=256)) == 18


@pytest.mark.parametrize(("provenance", "colour"), [("derived", (255, 176, 32)), ("synthetic", (178, 132, 255))])
def test_badge_and_safety_text_are_burnt_in(made_result: Result, provenance: str, colour: tuple[int, ...]) -> None:
    volume = made_result.volume("mean").with_values(np.zeros((1, 6, 24, 32), np.float32), provenance)  # type: ignore[arg-type]
    image = png.marked(Image.new("RGB", (800, 600)), png.lines(volume, 0, 2, png.Options()))
    coloured = np.abs(np.asarray(image).astype(int) - colour).max(axis=-1) < 60
    top, bottom = coloured[:60, 400:], coloured[540:, 400:]
    assert top.sum() > 50
    assert bottom.sum() > 50
    assert not coloured[60:540].any()


def test_patient_id_is_burnt_in_only_when_asked(made_result: Result) -> None:
    volume = made_result.volume("mean")
    assert "BASE_1" not in str(png.lines(volume, 0, 0, png.Options()))
    told = png.lines(volume, 1, 3, png.Options(patient=True))
    assert told["place"].startswith("BASE_1")
    assert told["place"].endswith("slice 4/6")
    assert (told["badge"], told["safety"], told["side"]) == ("DERIVED", "RESEARCH USE ONLY", "R BREAST")


def test_one_window_shows_enhancement_and_a_residual_lies_around_grey(made_result: Result) -> None:
    low, high = png.window(made_result.volume("mean"))
    assert low < 60 < high
    low, high = png.window(made_result.volume("residual"))
    assert low == -high


def test_repeated_it_is_byte_identical_and_the_report_counts(made_result: Result, tmp_path: Path) -> None:
    first = written(made_result, tmp_path / "a", side=256)
    done = export(
        ExportParams(
            result=str(made_result.folder), to=str(tmp_path / "b"), as_="png", yes=True, options={"side": 256}
        ),
        Progress(),
    )
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in done.paths]
    assert done.report["files"] == 3


def test_array_that_is_not_there_is_refused(made_result: Result, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        written(made_result, tmp_path / "out", array="std")
    assert caught.value.code == "export.no_images"


def test_no_space_and_no_numbers_leave_nothing(
    made_result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = made_result.volume("mean").with_values(np.full((3, 6, 24, 32), np.nan, np.float32), "derived")
    with monkeypatch.context() as patch:
        patch.setattr(Result, "volume", lambda self, name: bad)
        with pytest.raises(InputError):
            written(made_result, tmp_path / "out")
    monkeypatch.setattr("tumordiff_core.files.free_mb", lambda path: 0)
    with pytest.raises(SpaceError):
        written(made_result, tmp_path / "out")
    assert not (tmp_path / "out").exists()
