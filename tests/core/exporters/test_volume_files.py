"""A denoised result as NIfTI, NRRD, MetaImage or NumPy: one file, marked as derived, read back before it counts."""

from pathlib import Path

import numpy as np
import pytest

from tumordiff_core.errors import InputError, UnsupportedError
from tumordiff_core.imaging import comparison, formats
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import Result
from tumordiff_core.tasks.export import ExportParams, write_result

KINDS = [
    ("nifti", "denoised.nii.gz"),
    ("nrrd", "denoised.nrrd"),
    ("metaimage", "denoised.mha"),
    ("npy", "denoised.npy"),
]


def written(result: Result, target: Path, kind: str, **options: object) -> list[Path]:
    params = ExportParams(result=str(result.folder), to=str(target), as_=kind, yes=True, options=options)
    return write_result(params, Progress())


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_file_holds_the_same_values_at_the_same_places(
    made_result: Result, tmp_path: Path, kind: str, name: str
) -> None:
    (path,) = written(made_result, tmp_path / "out", kind)
    assert path == tmp_path / "out" / name
    found, meant = formats.read(path), made_result.volume("mean")
    assert np.array_equal(found.values, meant.values)
    if kind != "npy":
        assert found.provenance == "derived"
        assert comparison.corner_distance_mm(found.geometry, meant.geometry) < 1e-3


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_target_may_be_the_file_itself(made_result: Result, tmp_path: Path, kind: str, name: str) -> None:
    target = tmp_path / "deep" / name.replace("denoised", "mine")
    assert written(made_result, target, kind) == [target]
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    with pytest.raises(InputError) as caught:
        written(made_result, target, kind)
    assert caught.value.code == "files.exists"


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_array_that_the_result_lacks_is_refused(made_result: Result, tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        written(made_result, tmp_path / "out", kind, array="std")
    assert caught.value.code == "export.no_images"
    assert not (tmp_path / "out").exists()


def test_residual_is_offered_too(made_result: Result, tmp_path: Path) -> None:
    (path,) = written(made_result, tmp_path / "out", "nrrd", array="residual")
    assert np.allclose(formats.read(path).values, made_result.array("residual"))


@pytest.mark.parametrize("where", ["values", "positions", "shape"])
def test_a_difference_on_the_disk_is_named(made_result: Result, where: str) -> None:
    meant = made_result.volume("mean")
    values = np.asarray(meant.values).copy()
    geometry = meant.geometry
    if where == "values":
        values[0, 0, 0, 0] += 1
    elif where == "positions":
        geometry = Geometry(geometry.shape, geometry.spacing_mm, (1.0, 2.0, 3.0))
    else:
        values = values[:1]
    with pytest.raises(InputError) as caught:
        comparison.require_same(values, np.asarray(meant.values), (geometry, meant.geometry), "us", 0.0)
    assert caught.value.code == "export.differs"
