"""Slices of a result as PNG pictures for talks and papers, with what they are burnt into each of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import EXPORT_REPORT, Exporter, Finding

if TYPE_CHECKING:
    from PIL.Image import Image

    from tumordiff_core.imaging.volume import Volume
    from tumordiff_core.progress import Progress
    from tumordiff_core.result_folder import Result

BADGES = {"derived": "DERIVED", "predicted": "PREDICTED", "synthetic": "SYNTHETIC", "acquired": ""}
COLOURS = {"derived": (255, 176, 32), "predicted": (178, 132, 255), "synthetic": (178, 132, 255)}
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
SAFETY = "RESEARCH USE ONLY"
SIDES = {"R": "R BREAST", "L": "L BREAST"}
MARGIN = 8
BYTES_PER_PIXEL = 3


class Options(BaseModel):
    """What the export form asks for."""

    array: Literal["mean", "residual", "std"] = Field("mean", title="Values")
    slices: Literal["middle", "all"] = Field("middle", title="Slices", description="Of every phase.")
    side: int = Field(768, ge=256, le=2048, title="Longer side", description="Pixels.")
    patient: bool = Field(False, title="Patient id", description="Burn the patient's id in as well.")


@hookimpl
def register_exporters() -> list[Exporter]:
    """The kind of export."""
    room = "tumordiff_core.exporters.png"
    return [Exporter("png", "Pictures (PNG)", ".png", f"{room}:Options", f"{room}:check", f"{room}:write")]


def check(result: "Result", options: Options) -> list[Finding]:
    """Refuses results without these images."""
    if result.geometry is None or not result.has_array(options.array):
        return [Finding("refuse", "export.no_images", {"kind": result.record.kind})]
    return []


def write(result: "Result", folder: Path, options: Options, *, progress: "Progress") -> list[Path]:
    """Write one picture per phase and slice, all in one window, and read each back.

    Raises
    ------
    SpaceError("files.no_space"), InputError("volume.not_finite", "export.differs")
    """
    import numpy as np
    from PIL import Image as images

    from tumordiff_core import files
    from tumordiff_core.errors import InputError
    from tumordiff_core.imaging import thumbnails
    from tumordiff_core.imaging.volume import require_finite

    volume = result.volume(options.array)
    require_finite(volume.values)
    count = volume.geometry.shape[0]
    chosen = [count // 2] if options.slices == "middle" else list(range(count))
    files.require_space(folder, volume.phases * len(chosen) * options.side**2 * BYTES_PER_PIXEL)
    limits = window(volume)
    progress.stage("write", volume.phases * len(chosen))
    written = []
    for phase in range(volume.phases):
        for number in chosen:
            grey = thumbnails.picture(volume.values[phase, number], volume.geometry, limits, side=options.side)
            image = marked(images.fromarray(grey).convert("RGB"), lines(volume, phase, number, options))
            path = folder / f"{phase + 1}-{number + 1:03d}.png"
            image.save(path, pnginfo=description(volume))
            with images.open(path) as again:
                if not np.array_equal(np.asarray(again), np.asarray(image)):
                    raise InputError("export.differs", what=path.name)
            written.append(path)
            progress.advance()
    total = sum(path.stat().st_size for path in written)
    report = {"files": len(written), "bytes": total, "window": [round(v, 4) for v in limits]}
    files.write_json(folder / EXPORT_REPORT, report)
    return written


def window(volume: "Volume") -> tuple[float, float]:
    """One pair of grey limits for all pictures, so that enhancement is seen; symmetric for a residual."""
    import numpy as np

    from tumordiff_core.imaging import thumbnails

    if float(volume.values.min()) < 0 < float(volume.values.max()):
        most = float(np.percentile(np.abs(volume.values), 99.5))
        return -max(most, 1e-6), max(most, 1e-6)
    return thumbnails.window_of(volume.values[min(1, volume.phases - 1)])


def lines(volume: "Volume", phase: int, number: int, options: Options) -> dict[str, str]:
    """What is burnt into each corner: ``badge`` (top right), ``place``, ``side`` and ``safety``."""
    facts = volume.facts
    label = volume.labels[phase] if phase < len(volume.labels) else f"phase {phase + 1}"
    place = [str(facts.get("time_point") or ""), label, f"slice {number + 1}/{volume.geometry.shape[0]}"]
    if options.patient:
        place.insert(0, str(facts.get("patient_id") or ""))
    return {
        "badge": BADGES[volume.provenance], "safety": SAFETY, "colour": volume.provenance,
        "place": "  ".join(part for part in place if part), "side": SIDES.get(str(facts.get("laterality")), ""),
    }  # fmt: skip


def marked(image: "Image", corners: dict[str, str]) -> "Image":
    """The picture with its marks: white or coloured letters with a black outline."""
    from PIL import ImageDraw, ImageFont

    draw = ImageDraw.Draw(image)
    size = max(image.height // 28, 12)
    font = ImageFont.load_default(size)
    colour = COLOURS.get(corners["colour"], WHITE)

    def text(at: tuple[float, float], anchor: str, words: str, fill: Any = WHITE) -> None:
        draw.text(at, words, fill=fill, font=font, anchor=anchor, stroke_width=2, stroke_fill=BLACK)

    wide, tall = image.width - MARGIN, image.height - MARGIN
    text((MARGIN, MARGIN), "lt", corners["place"])
    text((wide, MARGIN), "rt", corners["badge"], colour)
    text((MARGIN, tall), "lb", corners["side"])
    text((wide, tall), "rb", corners["safety"], colour)
    return image


def description(volume: "Volume") -> Any:
    """The same words as text of the file, for programs that read it."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Description", f"{BADGES[volume.provenance]}: TumorDiff, not an acquisition. Research use only.")
    return info
