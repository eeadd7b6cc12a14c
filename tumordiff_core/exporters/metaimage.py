"""A denoised result as one MetaImage file, phases on the fourth axis."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import EXPORT_REPORT, Exporter, Finding

if TYPE_CHECKING:
    from tumordiff_core.progress import Progress
    from tumordiff_core.result_folder import Result


class Options(BaseModel):
    """What the export form asks for."""

    array: Literal["mean", "residual", "std"] = Field("mean", title="Values")
    file_name: str = Field("denoised.mha", title="File name", pattern=r"(?i)^[^/\\]+\.mha$")


@hookimpl
def register_exporters() -> list[Exporter]:
    """The kind of export."""
    room = "tumordiff_core.exporters.metaimage"
    return [Exporter("metaimage", "MetaImage file", ".mha", f"{room}:Options", f"{room}:check", f"{room}:write")]


def check(result: "Result", options: Options) -> list[Finding]:
    """Refuses results without these images."""
    if result.geometry is None or not result.has_array(options.array):
        return [Finding("refuse", "export.no_images", {"kind": result.record.kind})]
    return []


def write(result: "Result", folder: Path, options: Options, *, progress: "Progress") -> list[Path]:
    """Write one file and read it back; raises SpaceError, GeometryError("geometry.sheared"), InputError."""
    from tumordiff_core import files
    from tumordiff_core.imaging import comparison

    path = folder / options.file_name
    report = comparison.write_and_compare(result.volume(options.array), path, progress)
    files.write_json(folder / EXPORT_REPORT, report)
    return [path]
