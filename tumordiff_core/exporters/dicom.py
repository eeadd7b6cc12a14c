"""A denoised result as a derived DICOM series: one file per source file, read back and compared before it counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Exporter, Finding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pydicom.dataset import Dataset

    from tumordiff_core.dicom.derived import Series
    from tumordiff_core.imaging.geometry import Geometry
    from tumordiff_core.progress import Progress
    from tumordiff_core.result_folder import Result, Source

HEADER_BYTES = 8_000
GEOMETRY_TOLERANCE_MM = 1e-3
REPORT = "export.report.json"


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
    return [Exporter("dicom", "DICOM series", ".dcm", f"{room}:Options", f"{room}:check", f"{room}:write")]


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
    sources = sorted(result.record.sources, key=lambda s: (s.phase, s.slice))
    headers = [_source_header(source, progress) for source in sources]
    chosen = derived.Options(options.running_number, tuple(options.keep_private), tuple(options.confirmed))
    series = derived.plan(mean, result.record, chosen)
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
    report = _round_trip(written, result, series, progress)
    files.write_json(folder / REPORT, report)
    return written


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
    """The sources' own numbers where each is there once, else 1 to n in the order given (phase by phase)."""
    own = [header.get("InstanceNumber") for header in headers]
    if None in own or len(set(own)) < len(own):
        return list(range(1, len(headers) + 1))
    return [int(number) for number in own if number is not None]


def _round_trip(paths: list[Path], result: "Result", series: "Series", progress: "Progress") -> dict[str, Any]:
    """Compare what was written with what was meant, by our reader and by SimpleITK.

    Raises InputError("export.differs").
    """
    import pydicom

    from tumordiff_core.dicom import stack
    from tumordiff_core.dicom.check import missing_attributes
    from tumordiff_core.errors import InputError

    mean, geometry = result.array("mean"), result.geometry
    assert geometry is not None
    half_step = series.quantisation.slope / 2
    uids = sorted({str(pydicom.dcmread(p, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID) for p in paths})
    ours = [_read_phase(paths, k, mean.shape[1], stack) for k in range(mean.shape[0])]
    theirs = [_read_phase_with_itk(paths, k, mean.shape[1]) for k in range(mean.shape[0])]
    report: dict[str, Any] = {
        "files": len(paths), "bytes": sum(path.stat().st_size for path in paths), "series_uids": uids,
        "step": series.quantisation.slope, "window": list(series.window), "readers": {},
    }  # fmt: skip
    for name, phases in (("tumordiff", ours), ("SimpleITK", theirs)):
        values_differ = max(_value_difference(values, mean[k]) for k, (values, _) in enumerate(phases))
        places_differ = max(corner_distance_mm(found, geometry) for _, found in phases)
        report["readers"][name] = {"geometry_difference_mm": places_differ, "value_difference": values_differ}
        # float32 rounding of slope and value comes on top of the half step.
        allowed = half_step + 1e-6 * max(abs(float(mean.max())), abs(float(mean.min())), 1.0)
        if values_differ > allowed:
            raise InputError("export.differs", what=f"values by {values_differ:.3g} in {name}")
        if places_differ > GEOMETRY_TOLERANCE_MM:
            raise InputError("export.differs", what=f"positions by {places_differ:.3g} mm in {name}")
    report["half_step"] = half_step
    report["missing_attributes"] = missing_attributes(pydicom.dcmread(paths[0]))
    return report


def _read_phase(paths: list[Path], phase: int, slices: int, stack: Any) -> "tuple[npt.NDArray[Any], Geometry]":
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
    geometry = Geometry(
        values.shape, (between, row, column), image.GetOrigin(),
        *(tuple(direction[:, axis].tolist()) for axis in range(3)),
    )  # fmt: skip
    return values, geometry


def _value_difference(found: "npt.NDArray[Any]", meant: "npt.NDArray[Any]") -> float:
    import numpy as np

    return float(np.abs(found.astype(np.float64) - meant.astype(np.float64)).max())


def corner_distance_mm(found: "Geometry", meant: "Geometry") -> float:
    """Largest distance in mm between the same corner voxels of two grids; infinite for different shapes."""
    import numpy as np

    if found.shape != meant.shape:
        return float("inf")
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(meant.shape) - 1)
    return float(np.linalg.norm(found.to_mm(corners) - meant.to_mm(corners), axis=1).max())
