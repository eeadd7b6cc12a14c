"""A denoised result as a derived DICOM series: one file per source file, read back and compared before it counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import EXPORT_REPORT, Exporter, Finding

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydicom.dataset import Dataset

    from tumordiff_core.dicom.derived import Series
    from tumordiff_core.imaging.geometry import Geometry
    from tumordiff_core.progress import Progress
    from tumordiff_core.result_folder import Result, Source

HEADER_BYTES = 8_000
PREVIEWED = """
ImageType SeriesDescription SeriesNumber SeriesInstanceUID SOPInstanceUID StudyInstanceUID PatientID StudyDate
Manufacturer ManufacturerModelName DerivationDescription ImageComments ClinicalTrialTimePointID Laterality
PixelSpacing ImagePositionPatient ImageOrientationPatient SliceThickness BitsStored PixelRepresentation RescaleSlope
RescaleIntercept WindowCenter WindowWidth InversionTime TriggerTime ClinicalTrialSiteName DeidentificationMethod
"""


class Options(BaseModel):
    """What the export form asks for."""

    running_number: int = Field(
        1, ge=1, le=999, title="Running number", description="Last digits of the new series number."
    )
    keep_private: list[str] = Field(
        default_factory=list,
        title="Keep private tags",
        description="Private creators whose tags are kept; empty: none.",
    )
    confirmed: list[str] = Field(default_factory=list, title="Confirmed", json_schema_extra={"hidden": True})


@hookimpl
def register_exporters() -> list[Exporter]:
    """The kind of export."""
    room = "tumordiff_core.exporters.dicom"
    names = (f"{room}:{name}" for name in ("Options", "check", "write", "preview"))
    return [Exporter("dicom", "DICOM series", ".dcm", *names)]


def check(result: "Result", options: Options) -> list[Finding]:
    """Refuses results without images, without DICOM sources, or whose source files are gone."""
    record = result.record
    if not result.has_array("mean"):
        return [Finding("refuse", "export.no_images", {"kind": record.kind})]
    if record.facts.get("kind") != "dicom" or len(record.sources) != _slices(result):
        return [Finding("refuse", "export.no_dicom_source")]
    missing = sum(not Path(source.path).is_file() for source in record.sources)
    if missing:
        return [Finding("refuse", "export.source_missing", {"missing": missing, "total": len(record.sources)})]
    return []


def _slices(result: "Result") -> int:
    shape = result.array("mean").shape
    return int(shape[0] * shape[1])


def write(result: "Result", folder: Path, options: Options, *, progress: "Progress") -> list[Path]:
    """Write all phases into an empty folder, read them back with two readers and leave the round-trip report there.

    Raises
    ------
    SpaceError("files.no_space"), MissingError("export.source_missing"), InputError("export.source_changed",
    "export.differs"), UnsupportedError("export.not_mr")
    """
    from tumordiff_core import files
    from tumordiff_core.dicom import derived
    from tumordiff_core.imaging.volume import require_finite

    mean = result.array("mean")
    require_finite(mean)
    files.require_space(folder, _slices(result) * (2 * mean[0, 0].size + HEADER_BYTES))
    progress.stage("read source headers", len(result.record.sources))
    sources = _in_order(result)
    headers = [_source_header(source, progress) for source in sources]
    series = _plan(result, options)
    numbers = instance_numbers(headers)
    progress.stage("write", len(sources))
    written = []
    for source, header, number in zip(sources, headers, numbers, strict=True):
        stored = series.quantisation.stored(mean[source.phase, source.slice])
        data = derived.derived_header(header, result.record, series, instance_number=number, stored=stored)
        path = folder / f"{source.phase + 1}-{source.slice + 1:03d}.dcm"
        data.save_as(path, enforce_file_format=True, overwrite=False)
        written.append(path)
        progress.advance()
    progress.stage("read back")
    files.write_json(folder / EXPORT_REPORT, _round_trip(written, result, series))
    return written


def preview(result: "Result", options: Options) -> list[tuple[str, str, str]]:
    """(attribute, in the source, as written) of the middle slice of the first phase, for those that readers look at.

    Raises MissingError("export.source_missing"), InputError("export.source_changed"), UnsupportedError.
    """
    from tumordiff_core.dicom import derived
    from tumordiff_core.progress import Progress

    mean = result.array("mean")
    source = _in_order(result)[mean.shape[1] // 2]
    header = _source_header(source, Progress())
    series = _plan(result, options)
    number = int(header.get("InstanceNumber") or source.slice + 1)
    stored = series.quantisation.stored(mean[source.phase, source.slice])
    data = derived.derived_header(header, result.record, series, instance_number=number, stored=stored)
    present = {*header.dir(), *data.dir()}
    return [(name, _shown(header, name), _shown(data, name)) for name in PREVIEWED.split() if name in present]


def _shown(data: "Dataset", keyword: str) -> str:
    value = data.get(keyword)
    if value is None or value == "":
        return ""
    return str(value) if isinstance(value, str) or not hasattr(value, "__iter__") else "\\".join(map(str, value))


def _in_order(result: "Result") -> "list[Source]":
    return sorted(result.record.sources, key=lambda source: (source.phase, source.slice))


def _plan(result: "Result", options: Options) -> "Series":
    from tumordiff_core.dicom import derived

    chosen = derived.Options(options.running_number, tuple(options.keep_private), tuple(options.confirmed))
    return derived.plan(result.array("mean"), result.record, chosen)


def _source_header(source: "Source", progress: "Progress") -> "Dataset":
    """One source header, decoded, without pixels; read only."""
    import warnings

    import pydicom

    from tumordiff_core import files
    from tumordiff_core.errors import InputError, MissingError

    path = Path(source.path)
    if not path.is_file():
        raise MissingError("export.source_missing", path, missing="some", total="all")
    if source.sha256 and files.sha256(path) != source.sha256:
        raise InputError("export.source_changed", path, name=path.name)
    with warnings.catch_warnings():
        # Odd values of the scanner are kept as they are; nobody can mend them here.
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True)
        header.decode()
    if source.sop_uid and str(header.get("SOPInstanceUID", "")) != source.sop_uid:
        raise InputError("export.source_changed", path, name=path.name)
    progress.advance()
    return header


def instance_numbers(headers: "list[Dataset]") -> list[int]:
    """The sources' own numbers where each is there once in its series, else 1 to n in the order given, per series."""
    series = [str(header.get("SeriesInstanceUID", "")) for header in headers]
    own = [header.get("InstanceNumber") for header in headers]
    if None not in own and len(set(zip(series, own, strict=True))) == len(own):
        return [int(number) for number in own if number is not None]
    count: dict[str, int] = {}
    numbers = []
    for uid in series:
        count[uid] = count.get(uid, 0) + 1
        numbers.append(count[uid])
    return numbers


def _round_trip(paths: list[Path], result: "Result", series: "Series") -> dict[str, Any]:
    """Compare what was written with what was meant, by our reader and by SimpleITK; ask the standard's own checkers.

    Raises InputError("export.differs").
    """
    import pydicom

    from tumordiff_core.dicom import check
    from tumordiff_core.imaging import comparison

    mean, geometry, step = result.array("mean"), result.geometry, series.quantisation.slope
    assert geometry is not None
    uids = {str(pydicom.dcmread(p, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID) for p in paths}
    readers: dict[str, dict[str, float]] = {}
    for name, read in (("tumordiff", _read_phase), ("SimpleITK", _read_phase_with_itk)):
        found = [read(paths, k, mean.shape[1]) for k in range(mean.shape[0])]
        each = [
            comparison.require_same(values, mean[k], (grid, geometry), name, step)
            for k, (values, grid) in enumerate(found)
        ]
        readers[name] = {key: max(one[key] for one in each) for key in each[0]}
    return {
        "files": len(paths), "bytes": sum(path.stat().st_size for path in paths), "series_uids": sorted(uids),
        "step": step, "half_step": step / 2, "window": list(series.window), "readers": readers,
        "missing_attributes": check.missing_attributes(pydicom.dcmread(paths[0])), **check.validated(paths[0]),
    }  # fmt: skip


def _read_phase(paths: list[Path], phase: int, slices: int) -> "tuple[npt.NDArray[Any], Geometry]":
    from tumordiff_core.dicom import stack
    from tumordiff_core.dicom.headers import read_header

    headers = [read_header(path) for path in paths[phase * slices : (phase + 1) * slices]]
    values, geometry = stack.read_phases([headers])
    return values[0], geometry


def _read_phase_with_itk(paths: list[Path], phase: int, slices: int) -> "tuple[npt.NDArray[Any], Geometry]":
    import numpy as np
    import SimpleITK as sitk

    from tumordiff_core.imaging.geometry import Geometry

    names = [str(path) for path in paths[phase * slices : (phase + 1) * slices]]
    image = sitk.ReadImage(names)
    values = sitk.GetArrayFromImage(image)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    column, row, between = image.GetSpacing()
    along_row, along_column, along_stack = (tuple(direction[:, axis].tolist()) for axis in range(3))
    return values, Geometry(
        values.shape, (between, row, column), image.GetOrigin(), along_row, along_column, along_stack
    )
