"""Read pixels as they are stored: native ones from their offset, compressed ones through pydicom's decoders."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.uid import UID

from tumordiff_core import settings
from tumordiff_core.dicom.headers import declared_bytes
from tumordiff_core.dicom.walk import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tumordiff_core.errors import InputError, MissingError, UnsupportedError
from tumordiff_core.plugins.specs import Header
from tumordiff_core.progress import Progress

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

BY_OFFSET = {EXPLICIT_LITTLE, IMPLICIT_LITTLE}
COLOURS = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR"}


def allow_here(most_bytes: int) -> None:
    """Let this process decode untrusted files itself, within ``most_bytes`` of address space where that exists."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def stored_type(header: Header) -> np.dtype[Any]:
    """The integer type of the stored values; raises UnsupportedError("dicom.bits")."""
    bits = header.get("BitsAllocated")
    if bits not in (8, 16, 32) or not 0 < int(header.get("BitsStored", bits)) <= bits:
        raise UnsupportedError("dicom.bits", header.get("path"), bits=bits)
    return np.dtype(f"<{'i' if header.get('PixelRepresentation') == 1 else 'u'}{bits // 8}")


def require_readable(headers: Sequence[Header]) -> None:
    """Refuse from the tags alone what cannot be read as slices of one measured volume.

    Raises InputError("dicom.no_image", "dicom.no_size", "dicom.pixels_cut", "dicom.matrix_differs",
    "volume.too_large"), UnsupportedError("dicom.colour", "dicom.bits").
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
    there = max(int(header["size"]) - int(header["pixel_offset"]), 0)
    return InputError("dicom.pixels_cut", path, name=path.name, found=there, expected=declared_bytes(header))


def read_stored(headers: Sequence[Header], *, progress: Progress | None = None) -> npt.NDArray[Any]:
    """Stored values of single-frame files, in the order given.

    Returns
    -------
    array : the stored integer type [slice, row, column]; where slices differ in type, the smallest that holds all

    Raises
    ------
    InputError, UnsupportedError or MissingError, as ``require_readable`` and the decoders say
    """
    require_readable(headers)
    told = progress or Progress()
    common = np.result_type(*{stored_type(h) for h in headers})
    shape = (len(headers), int(headers[0]["Rows"]), int(headers[0]["Columns"]))
    values: npt.NDArray[Any] = np.empty(shape, dtype=common)
    for k, header in enumerate(headers):
        if header["TransferSyntaxUID"] in BY_OFFSET and stored_type(header) == common:
            _read_into(values[k], header)
        else:
            values[k] = decode(Path(header["path"]), header)
        told.check()
    return _masked(values, headers)


def _read_into(slot: npt.NDArray[Any], header: Header) -> None:
    path = Path(header["path"])
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(header["pixel_offset"])
            count = file.readinto(slot.data.cast("B"))
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except OSError as error:
        raise InputError("dicom.unreadable", path, name=path.name, reason=error.strerror or "no access") from error
    if count != slot.nbytes:
        raise InputError("dicom.pixels_cut", path, name=path.name, found=count, expected=slot.nbytes)


def decode(path: Path, header: Header) -> npt.NDArray[Any]:
    """One frame by pydicom and its decoders, integer [row, column].

    Raises UnsupportedError("dicom.syntax"), InputError("dicom.unreadable"), MissingError("files.missing").
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # force: a file without the signature was accepted by its header already.
            data = pydicom.dcmread(path, force=True)
            if "TransferSyntaxUID" not in data.file_meta:
                data.file_meta.TransferSyntaxUID = UID(header["TransferSyntaxUID"])
            frame = np.asarray(data.pixel_array)
    except FileNotFoundError as error:
        raise MissingError("files.missing", path, name=path.name) from error
    except (NotImplementedError, RuntimeError, AttributeError) as error:
        kind = UID(header["TransferSyntaxUID"]).name
        raise UnsupportedError("dicom.syntax", path, name=path.name, syntax=kind) from error
    except Exception as error:
        # A decoder raises whatever the damaged stream led to.
        raise InputError("dicom.unreadable", path, name=path.name, reason="its pixels are damaged") from error
    if frame.shape != (header["Rows"], header["Columns"]):
        raise InputError("dicom.matrix_differs", path, name=path.name)
    return frame


def _masked(values: npt.NDArray[Any], headers: Sequence[Header]) -> npt.NDArray[Any]:
    """Values without what lies above their stored bits: overlays and padding of some vendors (PS3.5 8.1.1)."""
    first = headers[0]
    allocated, stored = int(first["BitsAllocated"]), int(first.get("BitsStored", first["BitsAllocated"]))
    if stored == allocated or first.get("HighBit", stored - 1) != stored - 1:
        return values
    shift = values.dtype.itemsize * 8 - stored
    return (values << shift) >> shift
