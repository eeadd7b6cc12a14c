"""Read pixels as they are stored: native ones from their offset, compressed ones by decoders in a child process."""

import atexit
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import UID, RLELossless

from tumordiff_core import settings
from tumordiff_core.dicom import encapsulated, limits
from tumordiff_core.dicom.headers import DEFLATED, declared_bytes, meta_end, present_bytes
from tumordiff_core.dicom.walk import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tumordiff_core.errors import InputError, MissingError, TumorDiffError, UnsupportedError
from tumordiff_core.jobs.child import Child
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.specs import Header
from tumordiff_core.progress import Progress

BY_OFFSET = {EXPLICIT_LITTLE, IMPLICIT_LITTLE}
BIG_ENDIAN = "1.2.840.10008.1.2.2"
ENCAPSULATED_NATIVE = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"
BY_DECODER = {
    f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 92, 93, 201, 202, 203)
}  # fmt: skip
COLOURS = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR"}
SECONDS_PER_BATCH, SECONDS_PER_FRAME = 20.0, 1.0
LARGEST_NEGATIVE_SHARE = 0.01
_child = Child("decoder")
atexit.register(_child.close)


def close_decoder() -> None:
    """End the decoding child; the next compressed file starts a fresh one."""
    _child.close()


def stored_type(header: Header) -> np.dtype[Any]:
    """The type of the stored values; raises UnsupportedError("dicom.bits")."""
    if header.get("PixelKind"):
        return np.dtype({"float32": "<f4", "float64": "<f8"}[str(header["PixelKind"])])
    bits, stored = header.get("BitsAllocated"), header.get("BitsStored")
    stored = bits if stored is None else stored
    if bits not in (8, 16, 32) or not isinstance(stored, int) or not 0 < stored <= bits:
        raise UnsupportedError("dicom.bits", header.get("path"), bits=bits if bits not in (8, 16, 32) else stored)
    return np.dtype(f"<{'i' if header.get('PixelRepresentation') == 1 else 'u'}{bits // 8}")


def require_readable(headers: Sequence[Header]) -> None:
    """Refuse from the tags alone what cannot be read as slices of one measured volume.

    Raises InputError("dicom.no_image", "dicom.no_size", "dicom.pixels_cut", "dicom.matrix_differs",
    "dicom.declares_too_much", "volume.too_large"), UnsupportedError("dicom.colour", "dicom.bits").
    """
    first = headers[0]
    matrix = (first.get("Rows"), first.get("Columns"))
    limit = settings.load().cache.largest_series_gb
    for header in headers:
        path = Path(header["path"])
        if not header.get("pixel_length"):
            raise InputError("dicom.no_image", path, name=path.name)
        if not all(isinstance(n, int) and n > 0 for n in (header.get("Rows"), header.get("Columns"))):
            raise InputError("dicom.no_size", path, name=path.name)
        declared_gb = declared_bytes(header) / 1e9
        if declared_gb > limit:
            there = max(int(header["size"]) - int(header["pixel_offset"]), 0)
            raise InputError(
                "dicom.declares_too_much", path, name=path.name, declared_gb=round(declared_gb, 1),
                found_mb=round(there / 1e6, 1),
            )  # fmt: skip
        if (header.get("Rows"), header.get("Columns")) != matrix:
            raise InputError("dicom.matrix_differs", path, name=path.name)
        if header.get("PhotometricInterpretation") in COLOURS or header.get("SamplesPerPixel", 1) != 1:
            raise UnsupportedError("dicom.colour", path, name=path.name)
        if "dicom.pixels_cut" in header.get("remarks", ()):
            raise _cut(header)
        stored_type(header)
    needed = sum(declared_bytes(header) for header in headers) / 1e9
    if needed > limit:
        raise InputError("volume.too_large", needed_gb=round(needed, 1), limit_gb=limit)


def _cut(header: Header) -> InputError:
    path = Path(header["path"])
    return InputError(
        "dicom.pixels_cut", path, name=path.name, found=present_bytes(header), expected=declared_bytes(header)
    )


def read_stored(headers: Sequence[Header], *, progress: Progress | None = None) -> npt.NDArray[Any]:
    """Stored values of single slices (``frames.split`` makes them of multi-frame files), in the order given.

    Returns
    -------
    array : the stored type [slice, row, column]; where slices differ, the smallest type that holds all, and where
        only signedness differs, that of most slices

    Raises
    ------
    InputError, UnsupportedError or MissingError, as ``require_readable`` and the decoders say
    """
    require_readable(headers)
    told = progress or Progress()
    common = _common_type(headers)
    shape = (len(headers), int(headers[0]["Rows"]), int(headers[0]["Columns"]))
    values: npt.NDArray[Any] = np.empty(shape, dtype=common)
    rest = []
    for k, header in enumerate(headers):
        if _by_offset(header) and stored_type(header).itemsize == common.itemsize and "tile" not in header:
            _read_into(values[k], header)
            _keep_stored_bits(values[k], header)
        else:
            rest.append(k)
        told.check()
    for k, frame in zip(rest, _whole_frames([headers[k] for k in rest], told), strict=True):
        top, left = headers[k].get("tile", (0, 0))
        own = frame[top : top + shape[1], left : left + shape[2]].copy()
        if own.shape != shape[1:]:
            path = Path(headers[k]["path"])
            raise InputError("dicom.matrix_differs", path, name=path.name)
        _keep_stored_bits(own, headers[k])
        values[k] = own.view(common) if own.dtype.itemsize == common.itemsize else own
    return values


def read_frames(header: Header) -> npt.NDArray[Any]:
    """Stored values of all frames of one file [frame, row, column]; those of one bit as uint8, 0 and 1.

    Raises as ``read_stored`` does.
    """
    count = header.get("NumberOfFrames", 1)
    count = count if isinstance(count, int) else 0
    if header.get("BitsAllocated") == 1:
        return _single_bits(header, count)
    require_readable([header])
    return read_stored([{**header, "NumberOfFrames": 1, "frame": n, "frames": count} for n in range(count)])


def _single_bits(header: Header, count: int) -> npt.NDArray[np.uint8]:
    """Frames of one bit a pixel, packed without a gap between them (DICOM PS3.5 8.1.1)."""
    path, syntax = Path(header["path"]), header["TransferSyntaxUID"]
    require_readable([{**header, "BitsAllocated": 8, "BitsStored": 8}])
    needed = declared_bytes(header)
    try:
        if syntax in BY_OFFSET:
            content = _range(path, header["pixel_offset"], needed)
        elif syntax == DEFLATED:
            content = _inflated_range(path, header, needed)
        else:
            raise UnsupportedError("dicom.bits", path, bits=1)
    except (zlib.error, OSError) as error:
        raise InputError("dicom.unreadable", path, name=path.name, reason="its pixels are damaged") from error
    if len(content) < needed:
        raise InputError("dicom.pixels_cut", path, name=path.name, found=len(content), expected=needed)
    shape = (count, int(header["Rows"]), int(header["Columns"]))
    bits = np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=int(np.prod(shape)), bitorder="little")
    return bits.reshape(shape)


def _common_type(headers: Sequence[Header]) -> np.dtype[Any]:
    kinds = Counter(stored_type(header) for header in headers)
    if len({(kind.itemsize, kind.kind in "iu") for kind in kinds}) == 1:
        return kinds.most_common(1)[0][0]
    return np.result_type(*kinds)


def _by_offset(header: Header) -> bool:
    return header["TransferSyntaxUID"] in BY_OFFSET and header["pixel_length"] > 0


def _read_into(slot: npt.NDArray[Any], header: Header) -> None:
    path = Path(header["path"])
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(header["pixel_offset"] + header.get("frame", 0) * slot.nbytes)
            count = file.readinto(slot.data.cast("B"))
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except OSError as error:
        raise InputError("dicom.unreadable", path, name=path.name, reason=error.strerror or "no access") from error
    if count != slot.nbytes:
        raise InputError("dicom.pixels_cut", path, name=path.name, found=count, expected=slot.nbytes)


def _whole_frames(headers: Sequence[Header], told: Progress) -> list[npt.NDArray[Any]]:
    """The whole frame that each slice lies in; every frame is decoded once."""
    wanted = [(str(h["path"]), int(h.get("frame", 0))) for h in headers]
    first = {place: header for place, header in reversed(list(zip(wanted, headers, strict=True)))}
    made: dict[tuple[str, int], npt.NDArray[Any]] = {}
    foreign = [place for place, header in first.items() if header["TransferSyntaxUID"] in BY_DECODER]
    made.update(zip(foreign, _decode([first[place] for place in foreign]), strict=True))
    for place, header in first.items():
        if place not in made:
            made[place] = _own_frame(Path(place[0]), header)
        told.check()
    return [made[place] for place in wanted]


def _whole_shape(header: Header) -> tuple[int, int]:
    rows, columns = header.get("whole", (header["Rows"], header["Columns"]))
    return int(rows), int(columns)


def _own_frame(path: Path, header: Header) -> npt.NDArray[Any]:
    """One frame that needs no foreign decoder."""
    syntax, shape = header["TransferSyntaxUID"], _whole_shape(header)
    kind = stored_type(header)
    needed = shape[0] * shape[1] * kind.itemsize
    try:
        if syntax in BY_OFFSET:
            content = _range(path, header["pixel_offset"] + header.get("frame", 0) * needed, needed)
        elif syntax == DEFLATED:
            content = _inflated_range(path, header, needed)
        elif syntax == BIG_ENDIAN:
            return _big_endian(path, header, shape)
        elif syntax in (RLE, ENCAPSULATED_NATIVE, DEFLATED_FRAME):
            content = _from_fragments(path, header, needed)
            if syntax == RLE:
                return _rle(content, header, shape)
        else:
            raise UnsupportedError("dicom.syntax", path, name=path.name, syntax=UID(syntax).name)
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except OSError as error:
        raise InputError("dicom.unreadable", path, name=path.name, reason=error.strerror or "no access") from error
    except (zlib.error, ValueError, IndexError, KeyError, RuntimeError, AttributeError) as error:
        raise InputError("dicom.unreadable", path, name=path.name, reason="its pixels are damaged") from error
    if len(content) < needed:
        raise InputError("dicom.pixels_cut", path, name=path.name, found=len(content), expected=needed)
    return np.frombuffer(content, dtype=kind, count=shape[0] * shape[1]).reshape(shape)


def _range(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _inflated_range(path: Path, header: Header, needed: int) -> bytes:
    """Bytes of a deflated data set, inflating no further than they reach."""
    content = path.read_bytes()
    start = meta_end(content)
    # The header was read from the meta followed by what the packed part inflates to.
    begin = int(header["pixel_offset"]) - start + header.get("frame", 0) * needed
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    return inflater.decompress(content[start:], begin + needed)[begin:]


def _big_endian(path: Path, header: Header, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Through pydicom: 8-bit values in 16-bit words are swapped as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = header.get("frame", 0) if header.get("frames", 1) > 1 else None
        values = np.asarray(pixel_array(path, index=index, raw=True))
    return values.reshape(shape).astype(stored_type(header))


def _from_fragments(path: Path, header: Header, needed: int) -> bytes:
    with path.open("rb") as file:
        parts = encapsulated.frames(
            file, header["pixel_offset"], header.get("frames", 1), path, header.get("offset_table", ())
        )
        content = encapsulated.content(file, parts[header.get("frame", 0)])
    if header["TransferSyntaxUID"] == DEFLATED_FRAME:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, needed)
    return content


def _rle(content: bytes, header: Header, shape: tuple[int, int]) -> npt.NDArray[Any]:
    values, _ = get_decoder(RLELossless).as_array(
        encapsulate([content]), index=0, raw=True, decoding_plugin="pydicom", rows=shape[0], columns=shape[1],
        number_of_frames=1, samples_per_pixel=1, photometric_interpretation="MONOCHROME2", pixel_keyword="PixelData",
        bits_allocated=header["BitsAllocated"], bits_stored=header.get("BitsStored", header["BitsAllocated"]),
        pixel_representation=header.get("PixelRepresentation", 0), transfer_syntax_uid=RLELossless,
    )  # fmt: skip
    return np.asarray(values)


# foreign decoders


def _decode(headers: Sequence[Header]) -> list[npt.NDArray[Any]]:
    """Frames by foreign decoders: here if this process is confined, else in the decoding child.

    Raises InputError("dicom.stream_differs", "dicom.frame_table", "dicom.unreadable", "dicom.decoder_died"),
    UnsupportedError("dicom.syntax")
    """
    wanted = [_request(header) for header in headers]
    if not wanted:
        return []
    if limits.confined():
        decode_frame = manager.load("tumordiff_core.dicom.decoders:decode_frame")
        return [_decoded_here(decode_frame, header, frame) for header, frame in zip(headers, wanted, strict=True)]
    try:
        return _ask(headers, wanted)
    except TumorDiffError as error:
        if error.code not in {"jobs.child_gone", "jobs.child_slow"}:
            raise
    # Somebody killed the child: one by one, so that the others can be named innocent.
    found = []
    for header, frame in zip(headers, wanted, strict=True):
        try:
            found += _ask([header], [frame])
        except TumorDiffError as error:
            if error.code not in {"jobs.child_gone", "jobs.child_slow"}:
                raise
            path = Path(header["path"])
            raise InputError("dicom.decoder_died", path, name=path.name) from error
    return found


def _request(header: Header) -> dict[str, Any]:
    """What the decoder needs to know of a frame, after its stream's own size was compared with the header's."""
    path, (rows, columns) = Path(header["path"]), _whole_shape(header)
    try:
        with path.open("rb") as file:
            parts = encapsulated.frames(
                file, header["pixel_offset"], header.get("frames", 1), path, header.get("offset_table", ())
            )[header.get("frame", 0)]
            size = encapsulated.stream_size(encapsulated.head(file, parts))
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except OSError as error:
        raise InputError("dicom.unreadable", path, name=path.name, reason=error.strerror or "no access") from error
    if size is None:
        raise InputError("dicom.unreadable", path, name=path.name, reason="its compressed image has no header")
    if (size.rows, size.columns) != (rows, columns):
        raise InputError(
            "dicom.stream_differs", path, name=path.name, found=f"{size.rows} x {size.columns}",
            expected=f"{rows} x {columns}",
        )  # fmt: skip
    if size.components != 1:
        raise UnsupportedError("dicom.colour", path, name=path.name)
    bits = int(header["BitsAllocated"])
    return {
        "path": str(path), "parts": parts, "syntax": str(header["TransferSyntaxUID"]), "rows": rows,
        "columns": columns, "bits": bits, "stored": int(header.get("BitsStored", bits)),
        "signed": header.get("PixelRepresentation") == 1,
    }  # fmt: skip


def _decoded_here(decode_frame: Any, header: Header, frame: dict[str, Any]) -> npt.NDArray[Any]:
    try:
        return _fitting(decode_frame(frame), header)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        # A decoder raises whatever the damaged stream led to.
        raise _not_decoded(header, supported=not isinstance(error, NotImplementedError)) from error


def _ask(headers: Sequence[Header], wanted: Sequence[dict[str, Any]]) -> list[npt.NDArray[Any]]:
    with tempfile.TemporaryDirectory(prefix="tumordiff-") as folder:
        place = Path(folder) / "frames.npy"
        seconds = SECONDS_PER_BATCH + SECONDS_PER_FRAME * len(wanted)
        reply = _child.ask({"frames": list(wanted), "out": str(place)}, seconds=seconds)
        if not reply.get("ok"):
            raise _not_decoded(headers[0], supported=True)
        if reply["failed"] >= 0:
            raise _not_decoded(headers[reply["failed"]], supported=bool(reply["supported"]))
        frames = np.load(place, allow_pickle=False)
    return [_fitting(frame, header) for frame, header in zip(frames, headers, strict=True)]


def _not_decoded(header: Header, *, supported: bool) -> TumorDiffError:
    path = Path(header["path"])
    if supported:
        return InputError("dicom.unreadable", path, name=path.name, reason="its pixels are damaged")
    return UnsupportedError("dicom.syntax", path, name=path.name, syntax=UID(header["TransferSyntaxUID"]).name)


def _fitting(frame: npt.NDArray[Any], header: Header) -> npt.NDArray[Any]:
    """A decoded frame in the stored type; raises InputError("dicom.matrix_differs") for another shape."""
    if frame.shape != _whole_shape(header):
        path = Path(header["path"])
        raise InputError("dicom.matrix_differs", path, name=path.name)
    return frame.astype(stored_type(header), copy=False)


# bits


def _keep_stored_bits(values: npt.NDArray[Any], header: Header) -> None:
    """Drop, in place, what lies outside the stored bits: overlays, padding of some vendors (DICOM PS3.5 8.1.1)."""
    if values.dtype.kind == "f":
        return
    allocated = values.dtype.itemsize * 8
    stored = int(header.get("BitsStored", allocated))
    high = int(header.get("HighBit", stored - 1))
    if stored >= allocated:
        return
    if high > stored - 1 and high < allocated and not np.any(values & ((1 << (high + 1 - stored)) - 1)):
        np.right_shift(values, high + 1 - stored, out=values)
    shift = allocated - stored
    np.left_shift(values, shift, out=values)
    np.right_shift(values, shift, out=values)


def oddities(values: npt.NDArray[Any], headers: Sequence[Header]) -> list[InputError]:
    """What is unusual about the pixels of a phase and was read all the same, to be shown as remarks.

    Codes "dicom.bit_layout", "dicom.negative", "dicom.mixed_formats".
    """
    found = []
    first = headers[0]
    odd = [h for h in headers if h.get("HighBit", h.get("BitsStored", 0) - 1) != h.get("BitsStored", 0) - 1]
    if odd and not first.get("PixelKind"):
        found.append(InputError("dicom.bit_layout", bits=odd[0].get("BitsStored"), high=odd[0].get("HighBit")))
    formats = {(h["TransferSyntaxUID"], h.get("BitsAllocated"), h.get("PixelRepresentation")) for h in headers}
    if len(formats) > 1:
        found.append(InputError("dicom.mixed_formats", count=len(formats)))
    if first.get("Modality") == "MR" and values.dtype.kind == "i" and "RescaleSlope" not in first:
        negative = float(np.count_nonzero(values < 0)) / max(values.size, 1)
        if negative > LARGEST_NEGATIVE_SHARE:
            found.append(InputError("dicom.negative", percent=round(100 * negative, 1)))
    return found
