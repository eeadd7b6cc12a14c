"""Volumes from and to files: NIfTI, NRRD, MetaImage and NumPy stacks [slice, row, column], in LPS millimetres.

The only room of ``imaging`` that loads SimpleITK; nothing that the window imports may import this file.
"""

import gzip
import math
import secrets
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import SimpleITK as sitk

from tumordiff_core import files
from tumordiff_core.errors import GeometryError, InputError, MissingError
from tumordiff_core.imaging import metaimage
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_core.imaging.volume import Provenance, Volume
from tumordiff_core.plugins import manager
from tumordiff_core.progress import Progress

MEMORY_SHARE = 0.6
"""Largest part of the machine's memory that one volume may take."""

HIGHEST_PACKING = 1100
"""Deflate packs at most 1:1032; a header that announces more than this lies."""

CHUNK = 1 << 22
LONGEST_EXTENSION = 1 << 24
NPY_HEADER_LIMIT = 10_000
NRRD_HEADER_LIMIT = 100_000
SHEAR_TOLERANCE = 1e-3
MARKS: dict[str, Provenance] = {"DERIVED": "derived", "PREDICTED": "predicted", "SYNTHETIC": "synthetic"}
_WRITTEN = (".nii", ".nii.gz", ".nrrd", ".mha", ".npy")
_READ = (*_WRITTEN, ".mhd")
"""What is written is one file; an ``.mhd`` needs a second one for its pixels."""


def read(path: Path, *, progress: Progress | None = None) -> Volume:
    """Read a volume by the reader of its ending, ours or a plugin's.

    Returns
    -------
    Volume [phase, slice, row, column]; ``facts["kind"]`` names the format, ``facts["integer"]`` tells whole values

    Raises
    ------
    MissingError("files.missing"), InputError("volume.unknown_kind", "volume.unreadable", "volume.wrong_shape",
    "volume.too_large")
    """
    if not path.is_file():
        raise MissingError("files.missing", path, name=path.name)
    name = path.name.lower()
    for reader in manager.readers():
        if name.endswith(reader.suffixes) and manager.load(reader.can_read)(path):
            volume: Volume = manager.load(reader.read)(path, progress=progress or Progress())
            return volume
    if name.endswith(_READ):
        raise _unreadable(path, "its first bytes are not of this format")
    raise InputError("volume.unknown_kind", path, name=path.name)


def write(volume: Volume, path: Path) -> None:
    """Write a volume whole, in the format of the ending; a single phase has no phase axis in the file.

    Raises
    ------
    InputError("files.exists", "volume.unknown_kind"), GeometryError("geometry.sheared"), SpaceError
    """
    suffix = next((s for s in _WRITTEN if path.name.lower().endswith(s)), "")
    if not suffix:
        raise InputError("volume.unknown_kind", path, name=path.name)
    if path.exists():
        raise InputError("files.exists", path, name=path.name)
    files.require_space(path, volume.values.nbytes)
    partial = path.with_name(f".partial-{secrets.token_hex(4)}{suffix}")
    try:
        if suffix == ".npy":
            _write_npy(volume, partial)
        else:
            sitk.WriteImage(to_image(volume), str(partial), useCompression=suffix != ".nii")
        files.rename(partial, path)
    except RuntimeError as error:
        raise InputError("files.not_written", path, name=path.name, reason="the disk refused it") from error
    finally:
        partial.unlink(missing_ok=True)


def can_read_npy(path: Path) -> bool:
    """Whether a file begins as a NumPy array."""
    return _begins_with(path, b"\x93NUMPY")


def can_read_nrrd(path: Path) -> bool:
    """Whether a file begins as NRRD."""
    return _begins_with(path, b"NRRD000")


def can_read_metaimage(path: Path) -> bool:
    """Whether a file begins as a MetaImage header."""
    return metaimage.begins(path)


def can_read_nifti(path: Path) -> bool:
    """Whether a file, unpacked if need be, begins as NIfTI 1 or 2 of either byte order."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            size = file.read(4)
    except (OSError, EOFError):
        return False
    return size in {n.to_bytes(4, order) for n in (348, 540) for order in ("little", "big")}


def _begins_with(path: Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


def read_npy(path: Path, *, progress: Progress) -> Volume:
    """A stack [slice, row, column] or [phase, slice, row, column] without geometry: 1 mm voxels, said in the facts.

    Raises InputError("volume.unreadable", "volume.wrong_shape", "volume.too_large").
    """
    shape, dtype = _npy_header(path)
    if len(shape) not in {3, 4} or 0 in shape:
        raise InputError("volume.wrong_shape", path, shape=shape)
    if dtype.kind not in "iufb":
        raise _unreadable(path, f"its values are {dtype.name}")
    needed = math.prod(shape) * dtype.itemsize
    _require_memory(needed, path)
    if path.stat().st_size < needed:
        raise _unreadable(path, "it is cut short")
    try:
        values: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _unreadable(path, "it is damaged") from error
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    phases = native if native.ndim == 4 else native[None]
    geometry = Geometry(shape=phases.shape[1:], spacing_mm=(1.0, 1.0, 1.0))
    return Volume(phases, geometry, facts=_facts(path, "npy", phases) | {"spacing_known": False})


def _npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file, max_header_size=NPY_HEADER_LIMIT)
    except (OSError, ValueError, SyntaxError, TypeError) as error:
        raise _unreadable(path, "its header is damaged") from error
    return shape, dtype


def read_nifti(path: Path, *, progress: Progress) -> Volume:
    """A NIfTI image; a fourth axis or a vector per voxel holds the phases.

    Raises InputError("volume.unreadable", "volume.wrong_shape", "volume.too_large").
    """
    packed = path.name.lower().endswith(".gz")
    reader, needed = _checked(path, "NiftiImageIO", held=path.stat().st_size, packed=packed)
    if packed:
        _require_whole_gzip(path, needed)
    return _read_image(reader, path, "nifti")


def _require_whole_gzip(path: Path, needed: int) -> None:
    """ITK fills the end of a truncated .nii.gz with whatever lies in memory and says nothing: look first."""
    unpacked = 0
    try:
        with gzip.open(path) as file:
            while unpacked <= needed + LONGEST_EXTENSION and (chunk := file.read(CHUNK)):
                unpacked += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, "it is cut short") from error
    if unpacked < needed:
        raise _unreadable(path, "it is cut short")


def read_nrrd(path: Path, *, progress: Progress) -> Volume:
    """An NRRD image; a fourth axis or a vector per voxel holds the phases.

    Raises InputError("volume.unreadable", "volume.wrong_shape", "volume.too_large").
    """
    with path.open("rb") as file:
        header = file.read(NRRD_HEADER_LIMIT).split(b"\n\n")[0].replace(b" ", b"").lower()
    # Detached pixels: a header from outside must not make us open whatever file it names.
    if b"\ndatafile:" in header or b"\nencoding:" not in header:
        raise _unreadable(path, "it does not hold its own pixels")
    packed = b"encoding:raw" not in header
    reader, _ = _checked(path, "NrrdImageIO", held=path.stat().st_size, packed=packed)
    return _read_image(reader, path, "nrrd")


def read_metaimage(path: Path, *, progress: Progress) -> Volume:
    """A MetaImage, its pixels in the file or in one beside it; a fourth axis or a vector per voxel holds the phases.

    Raises InputError("volume.unreadable", "volume.wrong_shape", "volume.too_large").
    """
    pixels = metaimage.pixels_of(path)
    reader, needed = _checked(path, "MetaImageIO", held=pixels.length, packed=pixels.packed)
    if pixels.packed:
        metaimage.require_whole(path, pixels, needed)
    volume = _read_image(reader, path, "metaimage")
    if pixels.file != path:
        volume.facts["sources"].append(_source(pixels.file))
    return volume


def _checked(path: Path, room: str, *, held: int, packed: bool) -> tuple[Any, int]:
    """A reader that has seen the header, and how many bytes the pixels take; ``held`` bytes of them are there.

    Raises InputError before anything is allocated.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(room)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, "its header is damaged") from error
    shape = reader.GetSize()[::-1]
    if len(shape) not in {3, 4} or 0 in shape or (len(shape) == 4 and reader.GetNumberOfComponents() > 1):
        raise InputError("volume.wrong_shape", path, shape=tuple(shape))
    needed = math.prod(shape) * reader.GetNumberOfComponents() * _bytes_per_value(reader)
    _require_memory(needed, path)
    if held * (HIGHEST_PACKING if packed else 1) < needed:
        raise _unreadable(path, "it is cut short")
    return reader, needed


def _read_image(reader: Any, path: Path, kind: str) -> Volume:
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path, "its pixels are damaged") from error
    values = sitk.GetArrayFromImage(image)
    phases = _phases_first(values, image.GetDimension(), image.GetNumberOfComponentsPerPixel())
    marks = " ".join(image.GetMetaData(key) for key in image.GetMetaDataKeys() if isinstance(key, str))
    provenance: Provenance = next((p for mark, p in MARKS.items() if f"{mark}:" in marks), "acquired")
    return Volume(phases, _geometry(image, phases.shape[1:]), provenance, facts=_facts(path, kind, phases))


def _bytes_per_value(reader: Any) -> int:
    name = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    return next((size for bits, size in (("64", 8), ("32", 4), ("16", 2)) if bits in name), 1)


def _phases_first(values: npt.NDArray[Any], dimension: int, components: int) -> npt.NDArray[Any]:
    if dimension == 4:
        return values
    return np.ascontiguousarray(np.moveaxis(values, -1, 0)) if components > 1 else values[None]


def _geometry(image: Any, shape: tuple[int, int, int]) -> Geometry:
    dimension = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    column, row, between = (float(v) for v in image.GetSpacing()[:3])
    return Geometry(
        shape=shape, spacing_mm=(between, row, column), origin_mm=_vector(image.GetOrigin()),
        row_direction=_vector(direction[:, 0]), column_direction=_vector(direction[:, 1]),
        slice_direction=_vector(direction[:, 2]),
    )  # fmt: skip


def _vector(values: Any) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def to_image(volume: Volume) -> Any:
    """The volume as a SimpleITK image, 3D for one phase, else 4D with the phases as last axis.

    Raises GeometryError("geometry.sheared") for slices that are shifted against each other.
    """
    geometry = volume.geometry
    normal = np.cross(geometry.row_direction, geometry.column_direction)
    if abs(abs(float(normal @ np.asarray(geometry.slice_direction))) - 1) > SHEAR_TOLERANCE:
        raise GeometryError("geometry.sheared")
    values = volume.values.astype(np.float32) if volume.values.dtype == np.float16 else volume.values
    values = values.astype(np.uint8) if values.dtype == np.bool_ else values
    image = sitk.GetImageFromArray(values[0] if volume.phases == 1 else values, isVector=False)
    more = 0 if volume.phases == 1 else 1
    between, row, column = geometry.spacing_mm
    direction = np.eye(3 + more)
    direction[:3, :3] = np.transpose([geometry.row_direction, geometry.column_direction, geometry.slice_direction])
    image.SetSpacing((column, row, between) + (1.0,) * more)
    image.SetOrigin(geometry.origin_mm + (0.0,) * more)
    image.SetDirection(direction.ravel().tolist())
    if volume.provenance != "acquired":
        image.SetMetaData("ITK_FileNotes", f"{volume.provenance.upper()}: TumorDiff, not an acquisition, research use")
    return image


def _write_npy(volume: Volume, path: Path) -> None:
    values = volume.values[0] if volume.phases == 1 else volume.values
    with path.open("xb") as file:
        np.save(file, np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")), allow_pickle=False)


def _facts(path: Path, kind: str, values: npt.NDArray[Any]) -> dict[str, Any]:
    whole = values.dtype.kind in "iub" or bool((values == np.rint(values)).all())
    name = path.name.split(".")[0]
    return {"kind": kind, "series_description": name, "integer": whole, "sources": [_source(path)]}


def _source(path: Path) -> dict[str, str]:
    return {"path": str(path), "sha256": files.sha256(path)}


def memory_limit() -> int:
    """Bytes that one volume may take on this machine."""
    return int(MEMORY_SHARE * psutil.virtual_memory().total)


def _require_memory(needed: int, path: Path) -> None:
    limit = memory_limit()
    if needed > limit:
        needed_gb, limit_gb = round(needed / 1e9, 1), round(limit / 1e9, 1)
        raise InputError("volume.too_large", path, needed_gb=needed_gb, limit_gb=limit_gb)


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError("volume.unreadable", path, name=path.name, reason=reason)
