"""Every transfer syntax is read value-identical, and pixels that disagree with their header are refused."""

import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from tests.conftest import SHARED
from tests.generators import dicom_base
from tests.generators.enhanced import enhanced
from tumordiff_core import settings
from tumordiff_core.dicom import decoders, encapsulated, frames, limits, pixels, stack
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.errors import InputError, MissingError, TumorDiffError, UnsupportedError
from tumordiff_core.jobs.child import Child

SYNTAXES = SHARED / "transfer_syntaxes"
MANIFEST: dict[str, Any] = json.loads((SYNTAXES / "manifest.json").read_text()) if SYNTAXES.is_dir() else {}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path / "home"))
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def decoder() -> Iterator[None]:
    """One decoding child for all tests of this file."""
    yield
    pixels.close_decoder()


def stored(*paths: Path) -> np.ndarray:
    return pixels.read_stored(frames.split([read_header(path) for path in paths]))


@pytest.mark.real
@pytest.mark.parametrize("name", sorted(MANIFEST))
def test_every_transfer_syntax_is_read(name: str) -> None:
    facts = MANIFEST[name]
    expected = np.load(SYNTAXES / facts["expected"])
    values = stored(SYNTAXES / name)
    assert values.shape == expected.reshape(-1, *expected.shape[-2:]).shape
    assert values.dtype.itemsize == expected.dtype.itemsize and values.dtype.kind == expected.dtype.kind
    difference = np.abs(values.astype(int) - expected.reshape(values.shape).astype(int)).max()
    assert difference <= facts["max_abs_error"], f"{name} differs by {difference}"


@pytest.mark.real
def test_the_list_of_syntaxes_is_whole() -> None:
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout, so no syntax can be read.")
    assert len(MANIFEST) == 26 == len(list(SYNTAXES.glob("*.dcm")))


@pytest.fixture
def mixed(tmp_path: Path) -> list[Path]:
    """The same slice in seven syntaxes as a series of seven slices."""
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout, so no syntax can be mixed.")
    names = ["explicit_le", "implicit_le", "explicit_be", "deflated_le", "rle", "jpegls_lossless", "jpeg2000_lossless"]
    paths = []
    for k, name in enumerate(names):
        data = pydicom.dcmread(SYNTAXES / f"{name}.dcm")
        data.SeriesInstanceUID = "2.25.77"
        data.SOPInstanceUID = f"2.25.77.{k}"
        data.ImagePositionPatient = [float(k), 0.0, 0.0]
        data.ImageOrientationPatient, data.PixelSpacing = [0, 1, 0, 0, 0, -1], [1, 1]
        data.save_as(tmp_path / f"{k}.dcm")
        paths.append(tmp_path / f"{k}.dcm")
    return paths


@pytest.mark.real
def test_a_series_may_mix_syntaxes(mixed: list[Path]) -> None:
    phase = stack.read_stored_phase([read_header(path) for path in mixed])
    expected = np.load(SYNTAXES / "expected.npy")
    for values in phase.values:
        np.testing.assert_array_equal(values, expected)
    assert [r.code for r in phase.remarks if r.code == "dicom.mixed_formats"] and phase.values.dtype == np.uint16


@pytest.mark.real
def test_eight_and_sixteen_bits_together_are_promoted(tmp_path: Path) -> None:
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout, so no syntax can be mixed.")
    values = stored(SYNTAXES / "explicit_le.dcm", SYNTAXES / "explicit_le_8bit.dcm", SYNTAXES / "explicit_le.dcm")
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values[1], np.load(SYNTAXES / "expected_8bit.npy"))
    values = stored(SYNTAXES / "explicit_le.dcm", SYNTAXES / "explicit_le_8bit.dcm", SYNTAXES / "rle_signed.dcm")
    assert values.dtype == np.int32
    np.testing.assert_array_equal(values[2], np.load(SYNTAXES / "expected_signed.npy"))


@pytest.mark.real
def test_monochrome1_keeps_its_stored_values_and_says_so() -> None:
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout.")
    header = read_header(SYNTAXES / "monochrome1.dcm")
    phase = stack.read_stored_phase([header])
    assert phase.headers[0]["PhotometricInterpretation"] == "MONOCHROME1"
    np.testing.assert_array_equal(phase.values[0], np.load(SYNTAXES / "expected.npy"))


@pytest.mark.real
def test_a_confined_process_decodes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout.")
    monkeypatch.setattr(limits, "confined", lambda: True)
    monkeypatch.setattr(pixels, "_ask", None)
    names = ["jpeg2000_lossless", "htj2k_lossless", "jpeg_extended_12bit", "jpeg_lossless_sv1", "jpegls_lossless"]
    for name in names:
        error = MANIFEST[f"{name}.dcm"]["max_abs_error"]
        difference = stored(SYNTAXES / f"{name}.dcm")[0].astype(int) - np.load(SYNTAXES / "expected.npy")
        assert np.abs(difference).max() <= error


# streams that disagree with their header


@pytest.fixture
def broken(tmp_path: Path) -> Any:
    """Changes a compressed file's stream and writes it."""
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout, so there is no stream to break.")

    def make(name: str, change: Any) -> Path:
        data = pydicom.dcmread(SYNTAXES / f"{name}.dcm")
        parts = list(pydicom.encaps.generate_fragments(data.PixelData))[1:]
        data.PixelData = encapsulate([change(b"".join(parts))])
        data.save_as(tmp_path / f"{name}.dcm")
        return tmp_path / f"{name}.dcm"

    return make


def j2k_of(rows: int, columns: int) -> Any:
    def change(stream: bytes) -> bytes:
        return stream[:8] + columns.to_bytes(4, "big") + rows.to_bytes(4, "big") + stream[16:]

    return change


@pytest.mark.real
@pytest.mark.parametrize("name", ["jpeg2000_lossless", "htj2k_lossless"])
def test_a_huge_stream_is_refused_before_decoding(broken: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = broken(name, j2k_of(60000, 60000))
    monkeypatch.setattr(pixels, "_ask", None)
    with pytest.raises(InputError, match="60000 x 60000; 64 x 64 was expected"):
        stored(path)


@pytest.mark.real
@pytest.mark.parametrize("name", ["jpegls_lossless", "jpeg_lossless_sv1", "jpeg_baseline_8bit", "jpeg_extended_12bit"])
def test_another_size_in_a_jpeg_stream_is_refused(broken: Any, name: str) -> None:
    def taller(stream: bytes) -> bytes:
        at = next(k for k in range(len(stream)) if stream[k] == 0xFF and stream[k + 1] in encapsulated._SIZED_MARKERS)
        return stream[: at + 5] + (99).to_bytes(2, "big") + stream[at + 7 :]

    with pytest.raises(InputError) as caught:
        stored(broken(name, taller))
    assert caught.value.code == "dicom.stream_differs"
    assert caught.value.fields["found"] == "99 x 64"


@pytest.mark.real
@pytest.mark.parametrize("name", ["jpegls_lossless", "jpeg2000_lossless", "htj2k_lossless", "jpeg_lossless_sv1", "rle"])
def test_a_damaged_stream_is_one_sentence(broken: Any, name: str) -> None:
    path = broken(name, lambda stream: stream[:70] + b"\x00" * 16)
    with pytest.raises(TumorDiffError) as caught:
        stored(path)
    assert caught.value.code in {"dicom.unreadable", "dicom.pixels_cut", "dicom.frame_table"}


@pytest.mark.real
def test_no_stream_at_all_is_one_sentence(broken: Any) -> None:
    with pytest.raises(InputError, match="has no header"):
        stored(broken("jpeg2000_lossless", lambda stream: b"nonsense"))


@pytest.mark.real
def test_a_decoder_that_dies_names_its_file_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout.")
    good, bad = SYNTAXES / "jpegls_lossless.dcm", tmp_path / "bad.dcm"
    shutil.copy(good, bad)

    class Dying(Child):
        def ask(self, request: dict[str, Any], *, seconds: float = 60.0) -> dict[str, Any]:
            if any(frame["path"] == str(bad) for frame in request["frames"]):
                raise TumorDiffError("jobs.child_gone")
            return super().ask(request, seconds=seconds)

    child = Dying("decoder")
    monkeypatch.setattr(pixels, "_child", child)
    try:
        with pytest.raises(InputError, match=r"bad\.dcm ended or blocked its decoder|Bad\.dcm ended"):
            stored(good, bad)
        np.testing.assert_array_equal(stored(good)[0], np.load(SYNTAXES / "expected.npy"))
    finally:
        child.close()


@pytest.mark.real
def test_a_child_that_is_killed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    if not MANIFEST:
        pytest.skip("transfer_syntaxes is not beside the checkout.")
    child = Child("decoder")
    monkeypatch.setattr(pixels, "_child", child)
    try:
        stored(SYNTAXES / "jpegls_lossless.dcm")
        assert child._process is not None
        child._process.kill()
        child._process.wait()
        np.testing.assert_array_equal(stored(SYNTAXES / "jpegls_lossless.dcm")[0], np.load(SYNTAXES / "expected.npy"))
    finally:
        child.close()


# frames and fragments


def base_frames(count: int) -> np.ndarray:
    return np.stack([dicom_base.slice_values(0, k) for k in range(count)])


def encapsulated_file(path: Path, content: bytes, syntax: str, count: int = 1) -> Path:
    data = dicom_base.base()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.PixelData = content
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    if count > 1:
        data.NumberOfFrames = count
    return dicom_base.save(data, path)


def rle_frames(count: int) -> list[bytes]:
    made = []
    for values in base_frames(count):
        data = dicom_base.base()
        data.PixelData = values.tobytes()
        data.compress("1.2.840.10008.1.2.5")
        made.append(next(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=1)))
    return made


RLE = "1.2.840.10008.1.2.5"


def item(content: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content


END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


def in_pieces(streams: list[bytes], table: list[int] | None) -> bytes:
    """Every stream in two fragments, with a table of offsets or an empty one."""
    packed = b"" if table is None else b"".join(at.to_bytes(4, "little") for at in table)
    pieces = [item(s[:10]) + item(s[10:]) for s in streams]
    return item(packed) + b"".join(pieces) + END


def test_frames_in_pieces_are_found_by_their_table(tmp_path: Path) -> None:
    streams = rle_frames(3)
    lengths = [len(s) + 16 for s in streams]
    table = [0, lengths[0], lengths[0] + lengths[1]]
    path = encapsulated_file(tmp_path / "a.dcm", in_pieces(streams, table), RLE, 3)
    np.testing.assert_array_equal(stored(path), base_frames(3))


@pytest.mark.parametrize("table", [None, [0, 7, 20], [5, 10, 20], [0, 0, 0]])
def test_several_frames_without_a_sound_table_are_refused(tmp_path: Path, table: list[int] | None) -> None:
    path = encapsulated_file(tmp_path / "a.dcm", in_pieces(rle_frames(3), table), RLE, 3)
    with pytest.raises(InputError, match="0 frames were found; 3 frames were expected"):
        stored(path)


@pytest.mark.parametrize("table", [None, [7]])
def test_for_one_frame_the_table_does_not_matter(tmp_path: Path, table: list[int] | None) -> None:
    path = encapsulated_file(tmp_path / "a.dcm", in_pieces(rle_frames(1), table), RLE)
    np.testing.assert_array_equal(stored(path)[0], dicom_base.slice_values(0, 0))


def test_one_fragment_each_needs_no_table(tmp_path: Path) -> None:
    content = item(b"") + b"".join(item(s) for s in rle_frames(3)) + END
    np.testing.assert_array_equal(stored(encapsulated_file(tmp_path / "a.dcm", content, RLE, 3)), base_frames(3))


@pytest.mark.real
def test_frames_are_told_apart_by_how_streams_begin(broken: Any, tmp_path: Path) -> None:
    data = pydicom.dcmread(SYNTAXES / "jpeg2000_lossless.dcm")
    stream = next(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=1))
    data.PixelData = in_pieces([stream, stream], None)
    data.NumberOfFrames = 2
    data.save_as(tmp_path / "a.dcm")
    expected = np.load(SYNTAXES / "expected.npy")
    np.testing.assert_array_equal(stored(tmp_path / "a.dcm"), [expected, expected])


def test_a_deflated_frame_never_inflates_beyond_its_image(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()
    content = item(b"") + item(bomb + bytes(len(bomb) % 2)) + END
    path = encapsulated_file(tmp_path / "a.dcm", content, "1.2.840.10008.1.2.1.98")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1.98", b"1.2.840.10008.1.2.8.1\0"))
    assert not stored(path).any()


def test_an_empty_frame_is_none(tmp_path: Path) -> None:
    path = encapsulated_file(tmp_path / "a.dcm", item(b"") + item(b"") + END, RLE)
    with pytest.raises(InputError, match="frame table"):
        stored(path)


def test_an_unknown_syntax_is_named(tmp_path: Path) -> None:
    path = encapsulated_file(tmp_path / "a.dcm", item(b"") + item(b"12") + END, "1.2.840.10008.1.2.4.95")
    with pytest.raises(UnsupportedError, match="JPIP Referenced Deflate"):
        stored(path)


# multi-frame objects


def test_an_enhanced_object_is_read_by_its_functional_groups(tmp_path: Path) -> None:
    values = enhanced(tmp_path / "a.dcm")
    header = read_header(tmp_path / "a.dcm")
    for phase in (0, 1):
        found = stack.read_stored_phase([header], phase=phase)
        np.testing.assert_array_equal(found.values, values[phase])
        assert found.geometry.spacing_mm == dicom_base.SPACING_MM
        assert found.geometry.origin_mm == dicom_base.ORIGIN_MM
        assert (found.slope, found.intercept) == (2.0, 1.0)
    volume = stack.read_series([tmp_path / "a.dcm"])
    np.testing.assert_array_equal(volume.values, values * 2.0 + 1.0)


def test_frames_without_a_place_are_a_plain_stack(tmp_path: Path) -> None:
    data = dicom_base.base()
    data.NumberOfFrames, data.PixelData = 3, base_frames(3).tobytes()
    dicom_base.save(data, tmp_path / "a.dcm")
    found = stack.read_stored_phase([read_header(tmp_path / "a.dcm")])
    np.testing.assert_array_equal(found.values, base_frames(3))
    assert not found.positioned


@pytest.mark.parametrize("change", ["fewer groups", "absurd count", "no groups readable"])
def test_frames_that_disagree_are_refused(tmp_path: Path, change: str) -> None:
    enhanced(tmp_path / "a.dcm")
    data = pydicom.dcmread(tmp_path / "a.dcm")
    if change == "fewer groups":
        data.PerFrameFunctionalGroupsSequence = data.PerFrameFunctionalGroupsSequence[:3]
    elif change == "absurd count":
        data.NumberOfFrames = 1_000_000
    data.save_as(tmp_path / "a.dcm")
    header = read_header(tmp_path / "a.dcm")
    if change == "no groups readable":
        header.pop("FrameTable")
        shutil.move(tmp_path / "a.dcm", tmp_path / "b.dcm")
        with pytest.raises(MissingError):
            frames.split([header])
        (tmp_path / "a.dcm").write_bytes(b"\x08\x00")
    with pytest.raises(InputError):
        stack.read_stored_phase([header])


def mosaic(path: Path, count: int | None = 7) -> np.ndarray:
    """A Siemens mosaic of seven tiles in a 3 x 3 picture."""
    tiles = base_frames(7)
    rows, columns = tiles.shape[1:]
    picture = np.zeros((3 * rows, 3 * columns), dtype=np.int16)
    for k, tile in enumerate(tiles):
        picture[k // 3 * rows :, k % 3 * columns :][:rows, :columns] = tile
    data = dicom_base.base()
    data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    data.Rows, data.Columns, data.PixelData = 3 * rows, 3 * columns, picture.tobytes()
    corner = [dicom_base.ORIGIN_MM[0], dicom_base.ORIGIN_MM[1] - 0.7 * columns, dicom_base.ORIGIN_MM[2] + 0.8 * rows]
    data.ImagePositionPatient = corner
    if count is not None:
        block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0A, "US", count)
    dicom_base.save(data, path)
    return tiles


def test_a_mosaic_becomes_slices_in_their_place(tmp_path: Path) -> None:
    tiles = mosaic(tmp_path / "a.dcm")
    found = stack.read_stored_phase([read_header(tmp_path / "a.dcm")])
    np.testing.assert_array_equal(found.values, tiles)
    assert found.geometry.shape == tiles.shape
    np.testing.assert_allclose(found.geometry.origin_mm, dicom_base.ORIGIN_MM, atol=1e-6)
    assert found.geometry.spacing_mm == dicom_base.SPACING_MM


def test_a_mosaic_without_a_count_is_refused(tmp_path: Path) -> None:
    mosaic(tmp_path / "a.dcm", None)
    with pytest.raises(UnsupportedError, match="mosaic without a count"):
        stack.read_stored_phase([read_header(tmp_path / "a.dcm")])


# bits and signs


def one(tmp_path: Path, **changes: Any) -> Path:
    data = dicom_base.base()
    for keyword, value in changes.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    return dicom_base.save(data, tmp_path / f"{len(list(tmp_path.iterdir()))}.dcm")


PLAIN = dicom_base.slice_values(0, 0)


def test_what_lies_above_the_stored_bits_is_dropped(tmp_path: Path) -> None:
    overlaid = (PLAIN.astype(np.uint16) | 1 << 12).tobytes()
    path = one(tmp_path, PixelData=overlaid, BitsStored=12, HighBit=11, PixelRepresentation=0)
    np.testing.assert_array_equal(stored(path)[0], PLAIN)
    negative = (PLAIN - 50) & 0x0FFF
    path = one(tmp_path, PixelData=negative.astype(np.uint16).tobytes(), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(stored(path)[0], PLAIN - 50)


def test_a_higher_high_bit_is_shifted_down_and_told(tmp_path: Path) -> None:
    path = one(tmp_path, PixelData=(PLAIN << 4).tobytes(), BitsStored=12, HighBit=15)
    phase = stack.read_stored_phase([read_header(path)])
    np.testing.assert_array_equal(phase.values[0], PLAIN)
    assert "dicom.bit_layout" in [r.code for r in phase.remarks]
    path = one(tmp_path, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(stored(path)[0], PLAIN)


@pytest.mark.parametrize(
    "changes", [{"BitsAllocated": 12}, {"BitsAllocated": 1}, {"BitsStored": 20}, {"BitsStored": 0}]
)  # fmt: skip
def test_bits_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    header = {**read_header(one(tmp_path)), **changes}
    with pytest.raises(UnsupportedError, match="bits allocated"):
        pixels.read_stored([header])


def test_most_slices_decide_about_the_sign(tmp_path: Path) -> None:
    paths = [one(tmp_path, PixelRepresentation=sign, SOPInstanceUID=f"2.25.{k}") for k, sign in enumerate([1, 1, 0])]
    values = stored(*paths)
    assert values.dtype == np.int16
    np.testing.assert_array_equal(values[2], PLAIN)


def test_many_negative_values_are_told(tmp_path: Path) -> None:
    path = one(tmp_path, PixelData=(PLAIN - 60).tobytes())
    remarks = stack.read_stored_phase([read_header(path)]).remarks
    assert [r.code for r in remarks] == ["dicom.negative"] and "% of the values" in remarks[0].sentence
    path = one(tmp_path, PixelData=(PLAIN - 60).tobytes(), RescaleSlope=1, RescaleIntercept=0)
    assert stack.read_stored_phase([read_header(path)]).remarks == ()


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_floating_values_are_read(tmp_path: Path, keyword: str) -> None:
    kind = np.float32 if keyword == "FloatPixelData" else np.float64
    expected = np.random.default_rng(0).normal(size=PLAIN.shape).astype(kind)
    data = dicom_base.base()
    del data.PixelData
    data.BitsAllocated = np.dtype(kind).itemsize * 8
    setattr(data, keyword, expected.tobytes())
    path = dicom_base.save(data, tmp_path / "a.dcm")
    np.testing.assert_array_equal(stored(path)[0], expected)


def test_ct_is_read_with_its_rescale(tmp_path: Path) -> None:
    path = one(tmp_path, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400)
    phase = stack.read_stored_phase([read_header(path)])
    assert (phase.slope, phase.intercept, phase.window) == (1.0, -1024.0, (40.0, 400.0))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Rows": 60000, "Columns": 60000}, "dicom.declares_too_much"),
        ({"NumberOfFrames": 1}, ""),
        ({"PhotometricInterpretation": "RGB"}, "dicom.colour"),
        ({"Rows": 0}, "dicom.no_size"),
        ({"pixel_length": 0}, "dicom.no_image"),
    ],
)
def test_what_tags_alone_refuse(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    header = {**read_header(one(tmp_path)), **changes}
    if not code:
        pixels.require_readable([header])
        return
    with pytest.raises(TumorDiffError) as caught:
        pixels.require_readable([header])
    assert caught.value.code == code


def test_many_slices_together_are_held_against_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = read_header(one(tmp_path))
    monkeypatch.setenv("TUMORDIFF_CACHE_LARGEST_SERIES_GB", "0.00001")
    settings.load.cache_clear()
    with pytest.raises(InputError) as caught:
        pixels.require_readable([header] * 20)
    assert caught.value.code == "volume.too_large"


def test_a_file_that_goes_away_before_its_pixels(tmp_path: Path) -> None:
    path = one(tmp_path)
    header = read_header(path)
    path.unlink()
    with pytest.raises(MissingError):
        pixels.read_stored([header])
    path.mkdir()
    with pytest.raises(InputError):
        pixels.read_stored([header])


def test_the_decoder_service_names_the_frame_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_limit", lambda: None)
    (tmp_path / "a").write_bytes(b"nonsense")
    frame = {"path": str(tmp_path / "a"), "parts": [[0, 8]], "syntax": "1.2.840.10008.1.2.4.80", "rows": 2,
             "columns": 2, "bits": 16, "stored": 16, "signed": False}  # fmt: skip
    reply = decoders.handle({"frames": [frame], "out": str(tmp_path / "out.npy")})
    assert reply["failed"] == 0 and reply["supported"] and not (tmp_path / "out.npy").exists()
