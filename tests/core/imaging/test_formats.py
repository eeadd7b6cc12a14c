"""NIfTI, NRRD, MetaImage and NumPy files: what is written is read back at its place, and bad files say one sentence."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings

from tests.core.imaging.test_geometry import geometries
from tumordiff_core.errors import GeometryError, InputError, MissingError, SpaceError, TumorDiffError
from tumordiff_core.imaging import formats
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.imaging.volume import Volume

SAGITTAL = Geometry((5, 6, 7), (2.0, 0.8, 0.7), (-40.1, -106.2, 111.0), (0, 1, 0), (0, 0, -1), (-1, 0, 0))
SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".mha"]


def made(phases: int = 3, dtype: Any = np.int16, geometry: Geometry = SAGITTAL) -> Volume:
    shape = (phases, *geometry.shape)
    return Volume(np.arange(np.prod(shape)).reshape(shape).astype(dtype), geometry)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32, np.float64])
def test_values_come_back_with_their_type(tmp_path: Path, suffix: str, phases: int, dtype: Any) -> None:
    formats.write(made(phases, dtype), tmp_path / f"a{suffix}")
    back = formats.read(tmp_path / f"a{suffix}")
    assert back.values.dtype == dtype
    np.testing.assert_array_equal(back.values, made(phases, dtype).values)
    assert back.facts["integer"]
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(geometries())
def test_every_corner_lies_where_it_lay(tmp_path: Path, suffix: str, geometry: Geometry) -> None:
    shape = (2, 3, 2)
    geometry = Geometry(shape, *list(vars(geometry).values())[1:6])
    path = tmp_path / f"a{suffix}"
    path.unlink(missing_ok=True)
    formats.write(made(2, geometry=geometry), path)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(shape) - 1)
    np.testing.assert_allclose(formats.read(path).geometry.to_mm(corners), geometry.to_mm(corners), atol=2e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_reader_sees_lps(tmp_path: Path, suffix: str) -> None:
    formats.write(made(1), tmp_path / f"a{suffix}")
    image = sitk.ReadImage(str(tmp_path / f"a{suffix}"))
    here = SAGITTAL.to_mm([3, 4, 5])
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((5, 4, 3)), here, atol=1e-3)
    assert image[5, 4, 3] == made(1).values[0, 3, 4, 5]


def test_left_handed_stack_keeps_its_hand(tmp_path: Path) -> None:
    geometry = Geometry((3, 4, 5), (1, 1, 1), slice_direction=(0, 0, -1))
    for suffix in SUFFIXES:
        formats.write(made(1, geometry=geometry), tmp_path / f"a{suffix}")
        assert formats.read(tmp_path / f"a{suffix}").geometry.slice_direction == pytest.approx((0, 0, -1))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_derived_file_is_known_as_derived(tmp_path: Path, suffix: str) -> None:
    volume = made().with_values(made().values, "derived")
    formats.write(volume, tmp_path / f"a{suffix}")
    assert formats.read(tmp_path / f"a{suffix}").provenance == "derived"
    formats.write(made(), tmp_path / f"b{suffix}")
    assert formats.read(tmp_path / f"b{suffix}").provenance == "acquired"


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
def test_writing_twice_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        formats.write(made(), tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_half_precision_and_masks_are_written_as_types_others_read(tmp_path: Path) -> None:
    formats.write(made(1, np.float16), tmp_path / "half.nrrd")
    formats.write(made(1, np.bool_), tmp_path / "mask.nrrd")
    assert formats.read(tmp_path / "half.nrrd").values.dtype == np.float32
    assert formats.read(tmp_path / "mask.nrrd").values.dtype == np.uint8


def test_vector_image_is_read_as_phases(tmp_path: Path) -> None:
    vector = sitk.GetImageFromArray(np.moveaxis(made().values, 0, -1), isVector=True)
    sitk.WriteImage(vector, str(tmp_path / "vector.nrrd"))
    np.testing.assert_array_equal(formats.read(tmp_path / "vector.nrrd").values, made().values)


def test_stack_without_phases_is_one_phase_of_unknown_spacing(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", np.asfortranarray(made(1).values[0].astype(">i2")))
    back = formats.read(tmp_path / "stack.npy")
    assert (back.phases, back.facts["spacing_known"], back.values.dtype) == (1, False, np.int16)
    np.testing.assert_array_equal(back.values, made(1).values)


def expect(code: str, path: Path, kind: type[TumorDiffError] = InputError) -> TumorDiffError:
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(kind) as caught:
        formats.read(path)
    assert caught.value.code == code
    assert before == (path.read_bytes() if path.is_file() else b"")
    return caught.value


def test_missing_file_and_unknown_ending_are_named(tmp_path: Path) -> None:
    expect("files.missing", tmp_path / "no.nii", MissingError)
    (tmp_path / "a.txt").write_text("hello")
    expect("volume.unknown_kind", tmp_path / "a.txt")
    with pytest.raises(InputError) as caught:
        formats.write(made(), tmp_path / "a.vtk")
    assert caught.value.code == "volume.unknown_kind"


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
def test_file_of_text_under_an_image_name_is_refused(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_text("this is text")
    assert "first bytes" in expect("volume.unreadable", tmp_path / f"a{suffix}").sentence


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
@pytest.mark.parametrize("part", [0.9, 0.5, 0.2, 0.05])
def test_truncated_file_is_refused(tmp_path: Path, suffix: str, part: float, capfd: pytest.CaptureFixture[str]) -> None:
    whole = made(3, np.float32, Geometry((20, 30, 30), (1, 1, 1)))
    noise = np.random.default_rng(0).normal(size=whole.values.shape).astype(np.float32)
    path = tmp_path / f"a{suffix}"
    formats.write(whole.with_values(noise, "acquired"), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    expect("volume.unreadable", path)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 2, 2, 2, 2), (0, 4, 4)])
def test_array_with_other_axes_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    expect("volume.wrong_shape", tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", ["complex64", "S4", "M8[s]"])
def test_values_that_are_no_intensities_are_refused(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 2)).astype(dtype))
    expect("volume.unreadable", tmp_path / "a.npy")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[[{"a": 1}]]], dtype=object), allow_pickle=True)
    expect("volume.unreadable", tmp_path / "a.npy")


def huge_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (100_000, 100_000, 100_000)}
        )


def huge_nifti(path: Path) -> None:
    image = sitk.GetImageFromArray(np.zeros((2, 2, 2), np.float64))
    sitk.WriteImage(image, str(path))
    content = bytearray(path.read_bytes())
    content[40:56] = struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)
    path.write_bytes(content)


def huge_nrrd(path: Path) -> None:
    path.write_bytes(
        b"NRRD0004\ntype: double\ndimension: 3\nsizes: 90000 90000 90000\nendian: little\nencoding: raw\n\n12345678"
    )


def huge_metaimage(path: Path) -> None:
    path.write_bytes(metaimage("LOCAL", sides="90000 90000 90000") + b"12345678")


@pytest.mark.parametrize(
    ("name", "make"), [("a.npy", huge_npy), ("a.nii", huge_nifti), ("a.nrrd", huge_nrrd), ("a.mha", huge_metaimage)]
)
def test_header_that_announces_too_much_is_refused_before_anything_is_allocated(
    tmp_path: Path, name: str, make: Any
) -> None:
    make(tmp_path / name)
    expect("volume.too_large", tmp_path / name)


def test_limit_is_a_share_of_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.write(made(), tmp_path / "a.npy")
    monkeypatch.setattr(formats, "MEMORY_SHARE", 1e-9)
    assert "GB" in expect("volume.too_large", tmp_path / "a.npy").sentence


def test_nrrd_that_points_to_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(64))
    (tmp_path / "a.nrrd").write_bytes(
        b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 4 4\nencoding: raw\ndata file: secret.raw\n\n"
    )
    assert "its own pixels" in expect("volume.unreadable", tmp_path / "a.nrrd").sentence


def metaimage(data: str, *more: str, sides: str = "4 4 4") -> bytes:
    """A MetaImage header of unsigned bytes."""
    count = len(sides.split())
    lines = ["ObjectType = Image", f"NDims = {count}", "BinaryData = True", *more, f"DimSize = {sides}"]
    return "\n".join([*lines, "ElementType = MET_UCHAR", f"ElementDataFile = {data}\n"]).encode()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("phases", [1, 3])
def test_metaimage_of_another_program_is_read_with_its_pixels_beside_it(
    tmp_path: Path, phases: int, compressed: bool
) -> None:
    sitk.WriteImage(formats.to_image(made(phases)), str(tmp_path / "a.mhd"), useCompression=compressed)
    (beside,) = (p for p in tmp_path.iterdir() if p.suffix != ".mhd")
    back = formats.read(tmp_path / "a.mhd")
    np.testing.assert_array_equal(back.values, made(phases).values)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * 4
    np.testing.assert_allclose(back.geometry.to_mm(corners), SAGITTAL.to_mm(corners), atol=1e-3)
    assert [Path(source["path"]) for source in back.facts["sources"]] == [tmp_path / "a.mhd", beside]
    beside.write_bytes(beside.read_bytes()[:-5])
    assert "cut short" in expect("volume.unreadable", tmp_path / "a.mhd").sentence
    beside.unlink()
    assert "missing" in expect("volume.unreadable", tmp_path / "a.mhd").sentence


@pytest.mark.parametrize("where", ["absolute", "../secret.raw", "sub/secret.raw", "..", "link.raw"])
def test_metaimage_that_points_out_of_its_folder_is_refused(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "given"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path / "secret.raw", folder / "sub" / "secret.raw"):
        place.write_bytes(bytes(64))
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    name = str(tmp_path / "secret.raw") if where == "absolute" else where
    for suffix in ("mhd", "mha"):
        (folder / f"a.{suffix}").write_bytes(metaimage(name))
        assert "another folder" in expect("volume.unreadable", folder / f"a.{suffix}").sentence


@pytest.mark.parametrize("name", ["LIST", "LIST 2D", "a%03d.raw 1 4 1"])
def test_metaimage_in_several_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.mhd").write_bytes(metaimage(name) + b"/etc/hostname\n")
    assert "several files" in expect("volume.unreadable", tmp_path / "a.mhd").sentence


PACKED = zlib.compress(bytes(64))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (metaimage("LOCAL", "Comment =") + bytes(64), "header is damaged"),
        (metaimage("LOCAL", "Comment = ElementDataFile = x") + bytes(64), "header is damaged"),
        (metaimage("LOCAL\0") + bytes(64), "header is damaged"),
        (metaimage("LOCAL", "NDims = 3") + bytes(64), "header is damaged"),
        (metaimage("LOCAL", sides="4 4 x") + bytes(64), "header is damaged"),
        (metaimage("LOCAL").replace(b"NDims = 3", b"NDims = 4") + bytes(64), "header is damaged"),
        (metaimage("LOCAL", sides=f"4 4 {2**31}") + bytes(64), "header is damaged"),
        (metaimage("LOCAL", "HeaderSize = 10") + bytes(64), "header is damaged"),
        (metaimage("LOCAL").rstrip(b"\n"), "header is damaged"),
        (metaimage("LOCAL").replace(b"True", b"False") + b"0 " * 64, "written as text"),
        (metaimage("LOCAL") + bytes(63), "cut short"),
        (metaimage("LOCAL", "CompressedData = True") + PACKED, "header is damaged"),
        (metaimage("LOCAL", "CompressedData = True", "CompressedDataSize = 999999999999") + PACKED, "cut short"),
        (metaimage("LOCAL", "CompressedData = True", f"CompressedDataSize = {len(PACKED) - 8}") + PACKED, "cut short"),
        (metaimage("LOCAL", "CompressedData = True", "CompressedDataSize = 12") + bytes(12), "pixels are damaged"),
        (metaimage("LOCAL", "CompressedData = True", f"CompressedDataSize = {len(PACKED)}", sides="4 4 5") + PACKED,
         "cut short"),
    ],
)  # fmt: skip
def test_metaimage_that_itk_would_misread_is_refused(
    tmp_path: Path, content: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mha").write_bytes(content)
    assert reason in expect("volume.unreadable", tmp_path / "a.mha").sentence
    assert capfd.readouterr() == ("", "")


def test_metaimage_of_other_axes_is_no_volume_and_a_plain_one_is(tmp_path: Path) -> None:
    for sides in ("8 8", "2 2 2 2 4", "4 0 4"):
        (tmp_path / "a.mha").write_bytes(metaimage("LOCAL", sides=sides) + bytes(64))
        expect("volume.wrong_shape", tmp_path / "a.mha")
    plain = (
        metaimage("LOCAL", "Comment = from elsewhere").replace(b"\n", b"\r\n").replace(b"BinaryData = True\r\n", b"")
    )
    (tmp_path / "a.mha").write_bytes(plain + bytes(range(64)))
    assert formats.read(tmp_path / "a.mha").values.ravel().tolist() == list(range(64))
    packed = metaimage("LOCAL", "CompressedData = True", f"CompressedDataSize = {len(PACKED)}") + PACKED
    (tmp_path / "b.mha").write_bytes(packed)
    assert not formats.read(tmp_path / "b.mha").values.any()


def test_packed_zeros_behind_a_large_announcement_are_refused(tmp_path: Path) -> None:
    huge_nifti(tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[40:56] = struct.pack("<8h", 3, 300, 300, 300, 1, 1, 1, 1)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(content)))
    assert "cut short" in expect("volume.unreadable", tmp_path / "a.nii.gz").sentence


def test_flat_picture_is_no_volume(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4), np.int16)), str(tmp_path / "a.nrrd"))
    expect("volume.wrong_shape", tmp_path / "a.nrrd")


def test_existing_file_and_full_disk_leave_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.npy").write_bytes(b"mine")
    with pytest.raises(InputError) as caught:
        formats.write(made(), tmp_path / "a.npy")
    assert caught.value.code == "files.exists"
    monkeypatch.setattr("tumordiff_core.files.free_mb", lambda path: 0)
    with pytest.raises(SpaceError):
        formats.write(made(), tmp_path / "b.npy")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.npy", b"mine")]


def test_shifted_slices_do_not_fit_into_these_formats(tmp_path: Path) -> None:
    sheared = Geometry((2, 3, 4), (5, 1, 1), slice_direction=(0.0, 0.6, 0.8))
    with pytest.raises(GeometryError) as caught:
        formats.write(made(1, geometry=sheared), tmp_path / "a.nii")
    assert caught.value.code == "geometry.sheared"
    assert not list(tmp_path.iterdir())


def test_a_metaimage_with_other_peoples_keys_is_read(tmp_path):
    image = formats.to_image(made(1))
    for key in ("dim[0]", "0010|0010", "my key", "ITK_FileNotes"):
        image.SetMetaData(key, "some words")
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    assert b"0010|0010 = " in (tmp_path / "a.mha").read_bytes()
    np.testing.assert_array_equal(formats.read(tmp_path / "a.mha").values, made(1).values)


@pytest.mark.parametrize("more", ["\u00e9", "\u00ff", "\u200b", "\u00ad", "x" * 5000])
def test_a_metaimage_names_its_pixels_in_plain_signs_alone(tmp_path, more):
    secret = tmp_path / "elsewhere" / "secret.raw"
    secret.parent.mkdir()
    secret.write_bytes(bytes(range(64)))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "s.raw").symlink_to(secret)
    if len(more) == 1:
        (tmp_path / "here" / f"s.raw{more}").write_bytes(bytes(64))
    (tmp_path / "here" / "a.mhd").write_bytes(metaimage("x").replace(b"= x", f"= s.raw{more}".encode()))
    assert "odd name" in expect("volume.unreadable", tmp_path / "here" / "a.mhd").sentence
