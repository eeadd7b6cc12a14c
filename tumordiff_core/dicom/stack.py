"""Files of a series become one volume: ordered, split into phases, read, rescaled, with the facts its tags tell."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tumordiff_core import files
from tumordiff_core.dicom import frames, order, pixels, study
from tumordiff_core.dicom.headers import read_header, remarks_of
from tumordiff_core.errors import GeometryError, InputError, MissingError, UnsupportedError
from tumordiff_core.imaging.geometry import Geometry, laterality_hint, side_of
from tumordiff_core.imaging.thumbnails import window_of
from tumordiff_core.imaging.volume import Provenance, Volume
from tumordiff_core.plugins.specs import WHOLE, Header, PatientRecord, SeriesRecord, StudyRecord
from tumordiff_core.progress import Progress

DERIVED_ROLES = {"ser_map", "pe_map", "seg", "reformat", "derived"}
PADDED_BORDER = 0.5
FEWEST_SLICES, SAMPLED_SLICES = 8, 16
NOT_IMAGES = {"dicom.not_dicom", "dicom.empty_file"}


def open_folder(folder: Path, *, series_number: int | None = None, progress: Progress | None = None) -> Volume:
    """The one series (or the one dynamic acquisition) of a folder and the folders below it.

    Parameters
    ----------
    series_number : which series to take where the folder holds several

    Returns
    -------
    Volume [phase, slice, row, column]; ``facts["role"]`` tells derived maps, masks and localizers

    Raises
    ------
    MissingError("files.missing"), InputError("series.empty_folder", "series.no_dicom", "series.several",
    "series.unknown_number", "series.missing_slice") and what ``read_series`` raises
    """
    told = progress or Progress()
    headers, faults = _scan(folder, told)
    chosen = _choose(headers, series_number, folder)
    try:
        return _volume(*chosen, told)
    except InputError as error:
        # A file that could not be read is why a slice is missing: say that instead.
        if error.code == "series.missing_slice" and faults:
            raise faults[0] from error
        raise


def read_series(paths: Sequence[Path], *, progress: Progress | None = None) -> Volume:
    """The volume of the files of one series, or of the several series of one dynamic acquisition.

    Raises
    ------
    InputError("series.missing_slice", "series.no_position", "series.mixed", "dicom...."), UnsupportedError
    """
    told = progress or Progress()
    return _volume(*_choose([read_header(path) for path in dict.fromkeys(paths)], None, paths[0].parent), told)


def _scan(folder: Path, told: Progress) -> tuple[list[Header], list[InputError]]:
    if not folder.exists():
        raise MissingError("files.missing", folder, name=folder.name)
    found = [folder]
    if folder.is_dir():
        found = sorted(Path(base, name) for base, _, names in os.walk(folder) for name in names)
    if not found:
        raise InputError("series.empty_folder", folder, name=folder.name)
    headers: list[Header] = []
    faults: list[InputError] = []
    told.stage("read headers", len(found))
    for path in found:
        try:
            headers.append(read_header(path))
        except InputError as error:
            if error.code not in NOT_IMAGES:
                faults.append(error)
        told.advance()
    if not headers:
        if faults:
            raise faults[0]
        raise InputError("series.no_dicom", folder, name=folder.name, count=len(found))
    kept, _, conflicts = distinct(headers)
    return kept, [*faults, *conflicts]


def _choose(headers: Sequence[Header], number: int | None, folder: Path) -> tuple[StudyRecord, SeriesRecord]:
    studies = study.records(frames.split(headers))
    found = [(one, series) for one in studies for series in one.series]
    if number is not None:
        found = [pair for pair in found if pair[1].number == number]
        if not found:
            known = ", ".join(str(s.number) for one in studies for s in one.series)
            raise InputError("series.unknown_number", folder, number=number, known=known)
    if len(found) > 1 and not _is_one_acquisition(found):
        names = ", ".join(f"{s.number} {s.description}".strip() for _, s in found[:12])
        raise InputError("series.several", folder, count=len(found), series=names)
    return found[0]


def _is_one_acquisition(found: Sequence[tuple[StudyRecord, SeriesRecord]]) -> bool:
    if len({one.uid for one, _ in found}) > 1:
        return False
    dynamics = study.meaning(found[0][0]).dynamics
    return any({series.uid for _, series in found} == set(d.series_uids) for d in dynamics)


def _volume(one: StudyRecord, series: SeriesRecord, told: Progress) -> Volume:
    meaning = study.meaning(one)
    dynamic = next((d for d in meaning.dynamics if series.uid in d.series_uids), None)
    by_place = {place_of(h): h for s in one.series for h in s.headers}
    ordered = order.order_series(series.headers)
    if not ordered:
        raise InputError("dicom.no_image", name=series.description or str(series.number))
    if meaning.roles.get(series.uid) == "seg":
        raise UnsupportedError("series.is_mask", description=series.description)
    if ordered[0].missing:
        raise ordered[0].missing_error()
    if dynamic is not None:
        phases = [[by_place[place] for place in phase.places] for phase in dynamic.phases]
        times = [phase.effective_s for phase in dynamic.phases]
    else:
        if len(ordered) > 1:
            raise InputError("series.mixed", count=len(ordered))
        phases = [list(phase) for phase in ordered[0].phases]
        times = [None] * len(phases)
    values, geometry = read_phases(phases, progress=told)
    facts = series_facts(one, series, geometry)
    facts.update(
        role=meaning.roles.get(series.uid, "other"), collection=meaning.collection, phases=len(phases),
        series_uids=list(dynamic.series_uids) if dynamic else [series.uid],
        early=dynamic.early if dynamic else None, late=dynamic.late if dynamic else None,
        remark=dynamic.remark if dynamic else ordered[0].remark, effective_s=times, sources=_sources(phases),
    )  # fmt: skip
    return Volume(values, geometry, provenance_of(series, facts["role"]), phase_labels(times), tuple(times), facts)


def place_of(header: Header) -> tuple[str, int]:
    """Where a slice lies: its file, and which piece of it."""
    return str(header["path"]), int(header.get("piece", WHOLE))


def headers_at(places: Sequence[tuple[str, int]]) -> list[Header]:
    """The headers of slices by (path, piece), in the order given; every file is read once.

    Raises InputError("dicom.frame_table") where a file holds fewer slices than it did, and what reading raises
    """
    wanted: dict[str, set[int]] = {}
    for path, piece in places:
        wanted.setdefault(path, set()).add(piece)
    found: dict[tuple[str, int], Header] = {}
    for path, pieces in wanted.items():
        header = read_header(Path(path))
        here = [header] if pieces == {WHOLE} else frames.split([header])
        found.update({place_of(one): one for one in here})
        if not pieces <= {place_of(one)[1] for one in here}:
            name = Path(path).name
            raise InputError("dicom.frame_table", Path(path), name=name, found=len(here), expected=max(pieces) + 1)
    return [found[place] for place in places]


def read_phases(
    phases: Sequence[Sequence[Header]], *, progress: Progress | None = None
) -> tuple[npt.NDArray[Any], Geometry]:
    """Rescaled values of ordered phases on one grid.

    Returns
    -------
    values : [phase, slice, row, column]; the stored integer type without a rescale, else float32
    geometry : the grid of every phase

    Raises
    ------
    GeometryError("series.no_position"), InputError("geometry.grids_differ", "dicom.rescale", "dicom....")
    """
    told = progress or Progress()
    geometry = order.grid(phases[0])
    told.stage("read pixels", len(phases))
    stack = []
    for phase in phases:
        here = order.grid(phase)
        if here.shape != geometry.shape or not np.allclose(here.affine, geometry.affine, atol=0.05):
            raise InputError("geometry.grids_differ", found=here.shape, expected=geometry.shape)
        stack.append(rescaled(pixels.read_stored(phase, progress=told), phase))
        told.advance()
    return np.stack(stack), geometry


@dataclass(frozen=True)
class StoredPhase:
    """One phase as its files hold it.

    Parameters
    ----------
    values : stored integers [slice, row, column], or float32 in rescaled units where slopes differ between slices
    slope, intercept : rescaled value = stored * slope + intercept
    geometry : its grid; of 1 mm voxels at the origin where ``positioned`` is False
    missing : slices without a file, zero in ``values``
    window : (center, width) in rescaled units where all files agree on one, else ``None``
    remarks : what is odd and was read all the same
    """

    values: npt.NDArray[Any]
    slope: float
    intercept: float
    geometry: Geometry
    headers: tuple[Header, ...]
    positioned: bool = True
    missing: tuple[int, ...] = ()
    window: tuple[float, float] | None = None
    remarks: tuple[InputError, ...] = ()


def read_stored_phase(
    headers: Sequence[Header], *, phase: int = 0, progress: Progress | None = None
) -> StoredPhase:  # fmt: skip
    """One phase for viewing: a gap becomes an empty slice, and a phase without positions a plain stack.

    A cut file counts as a gap. ``phase`` chooses where the files hold several phases, as a multi-frame file may.

    Raises InputError("dicom.no_image", "dicom.rescale", "dicom....") or UnsupportedError.
    """
    whole = [header for header in headers if "dicom.pixels_cut" not in header.get("remarks", ())]
    parts = order.order_series(frames.split(whole or headers))
    if not parts:
        path = Path(headers[0]["path"])
        raise InputError("dicom.no_image", path, name=path.name)
    ordered = parts[0]
    phase = min(phase, len(ordered.phases) - 1)
    slices = ordered.phases[phase]
    read = pixels.read_stored(slices, progress=progress)
    missing = tuple(m.slice_index for m in ordered.missing if m.phase == phase)
    values, slope, intercept = read, 1.0, 0.0
    table = slopes(slices)
    if (table == table[0]).all():
        slope, intercept = (float(v) for v in table[0])
    else:
        values = rescaled(read, slices)
    geometry = order.grid(slices) if ordered.positioned else Geometry(read.shape, (1.0, 1.0, 1.0))
    if missing:
        values, geometry = _with_gaps(values, geometry, missing)
    remarks = (*_remarks(headers, parts, slices, geometry), *pixels.oddities(read, slices))
    return StoredPhase(
        values, slope, intercept, geometry, slices, ordered.positioned, missing, common_window(slices), remarks,
    )  # fmt: skip


def _remarks(
    headers: Sequence[Header], parts: Sequence[order.Ordered], slices: Sequence[Header], geometry: Geometry
) -> list[InputError]:
    """What is odd about the files of a phase and how they lie, each code once."""
    ordered = parts[0]
    found = [remark for header in headers for remark in remarks_of(header)]
    if len(parts) > 1:
        found.append(InputError("series.several_orientations", count=len(parts)))
    if ordered.doubled:
        found.append(InputError("series.doubled", count=ordered.doubled))
    if ordered.missing:
        found.append(ordered.missing_error())
    if not ordered.positioned:
        found.append(_why_unplaced(slices[0]))
        return list({one.code: one for one in reversed(found)}.values())
    if not ordered.missing and not order.is_even(slices):
        steps = np.diff([order.place_mm(header) for header in slices])
        low, high = f"{float(steps.min()):.2f}", f"{float(steps.max()):.2f}"
        found.append(InputError("series.uneven", low_mm=low, high_mm=high))
    lean = abs(float(np.dot(geometry.slice_direction, np.cross(geometry.row_direction, geometry.column_direction))))
    if lean < np.cos(np.radians(0.05)):
        found.append(InputError("series.tilted", degrees=f"{np.degrees(np.arccos(lean)):.1f}"))
    return list({one.code: one for one in reversed(found)}.values())


def _why_unplaced(header: Header) -> InputError:
    """Which of position, orientation and spacing is nonsense, or that one is missing."""
    names = {
        "PixelSpacing": "pixel spacing",
        "ImageOrientationPatient": "orientation",
        "ImagePositionPatient": "position",
    }
    if "dicom.bad_number" in header.get("remarks", ()):
        keyword, _, text = str(header.get("NotNumbers", "")).partition(" ")
        if keyword in names:
            return InputError("series.bad_spacing", what=names[keyword], value=text.strip('"'))
    if all(header.get(keyword) is not None for keyword in names):
        wrong = "PixelSpacing"
        spacing = header["PixelSpacing"]
        if isinstance(spacing, tuple) and all(isinstance(v, float) and 0 < v < np.inf for v in spacing):
            wrong = "ImageOrientationPatient"
        value = header[wrong]
        shown = (
            "\\".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
            if isinstance(value, tuple)
            else value
        )
        return InputError("series.bad_spacing", what=names[wrong], value=shown)
    return GeometryError("series.no_position")


def distinct(headers: Sequence[Header]) -> tuple[list[Header], list[Header], list[InputError]]:
    """Headers without second files of one SOP instance: (kept, identical copies, conflicts).

    Files of equal bytes are copies; of files with other content the first is kept, never guessed between.
    """
    kept: dict[str, Header] = {}
    copies: list[Header] = []
    conflicts: list[InputError] = []
    for header in headers:
        first = kept.setdefault(str(header["SOPInstanceUID"]), header)
        if first is header:
            continue
        path, other = Path(header["path"]), Path(first["path"])
        if header["size"] == first["size"] and files.sha256(path) == files.sha256(other):
            copies.append(header)
        else:
            conflicts.append(InputError("dicom.same_uid", path, name=path.name, other=other.name))
    return list(kept.values()), copies, conflicts


def _with_gaps(
    values: npt.NDArray[Any], geometry: Geometry, missing: tuple[int, ...]
) -> tuple[npt.NDArray[Any], Geometry]:
    """Present slices [slice, row, column] in their slots, zero elsewhere, and the grid of all slots."""
    total = len(values) + len(missing)
    whole = np.zeros((total, *values.shape[1:]), dtype=values.dtype)
    whole[[k for k in range(total) if k not in missing]] = values
    step_mm = geometry.spacing_mm[0] * (len(values) - 1) / (total - 1)
    spacing = (round(step_mm, 6), *geometry.spacing_mm[1:])
    return whole, replace(geometry, shape=(total, *geometry.shape[1:]), spacing_mm=spacing)


def common_window(headers: Sequence[Header]) -> tuple[float, float] | None:
    """The (center, width) that all files agree on; the first of several that a file offers."""
    found = set()
    for header in headers:
        pair = [header.get(keyword) for keyword in ("WindowCenter", "WindowWidth")]
        center, width = (one[0] if isinstance(one, tuple) else one for one in pair)
        if not isinstance(center, float) or not isinstance(width, float) or not width > 1:
            return None
        found.add((center, width))
    return found.pop() if len(found) == 1 else None


def window_beside_padding(stored: StoredPhase) -> tuple[float, float] | None:
    """(center, width) in rescaled units without the padding value; ``None`` unless the border is padded with it."""
    padding = stored.headers[0].get("PixelPaddingValue")
    if not isinstance(padding, int) or stored.values.dtype.kind == "f":
        return None
    values = stored.values[len(stored.values) // 2]
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    inside = values[values != padding]
    if np.count_nonzero(border == padding) < PADDED_BORDER * border.size or not inside.size:
        return None
    low, high = window_of(inside.astype(np.float32) * stored.slope + stored.intercept)
    return (low + high) / 2, high - low


def slopes(headers: Sequence[Header]) -> npt.NDArray[np.float64]:
    """Slope and intercept per file, [file, 2].

    Raises InputError("dicom.rescale") for a slope of 0 or none at all, UnsupportedError("dicom.modality_lut").
    """
    table = []
    for header in headers:
        if header.get("ModalityLUT"):
            path = Path(header["path"])
            raise UnsupportedError("dicom.modality_lut", path, name=path.name)
        slope, intercept = header.get("RescaleSlope", 1.0), header.get("RescaleIntercept", 0.0)
        usable = isinstance(slope, float) and isinstance(intercept, float)
        if not usable or slope == 0 or not np.isfinite([slope, intercept]).all():
            raise InputError("dicom.rescale", header["path"], slope=slope)
        table.append((slope, intercept))
    return np.array(table)


def rescaled(stored: npt.NDArray[Any], headers: Sequence[Header]) -> npt.NDArray[Any]:
    """Stored values [slice, row, column] times slope plus intercept, float32; unchanged where that does nothing."""
    table = slopes(headers)
    if (table == (1.0, 0.0)).all():
        return stored
    table32 = table.astype(np.float32)[:, :, None, None]
    return (stored.astype(np.float32) * table32[:, 0] + table32[:, 1]).astype(np.float32)


def _sources(phases: Sequence[Sequence[Header]]) -> list[dict[str, Any]]:
    return [
        {"path": h["path"], "sop_uid": h["SOPInstanceUID"], "phase": p, "slice": k}
        for p, phase in enumerate(phases)
        for k, h in enumerate(phase)
    ]


def phase_labels(effective_s: Sequence[float | None]) -> tuple[str, ...]:
    """``("pre", "post 1", ...)`` where the times tell, else ``("phase 1", ...)``."""
    if any(t is None for t in effective_s) or not any(t < 0 for t in effective_s if t is not None):
        return tuple(f"phase {n + 1}" for n in range(len(effective_s)))
    before = sum(1 for t in effective_s if t is not None and t < 0)
    pre = ("pre",) if before == 1 else tuple(f"pre {n + 1}" for n in range(before))
    return (*pre, *(f"post {n + 1}" for n in range(len(effective_s) - before)))


def provenance_of(series: SeriesRecord, role: str) -> Provenance:
    """Acquired, unless the tags say that the values were made or computed."""
    if str(series.headers[0].get("SyntheticData", "")).upper() == "YES":
        return "synthetic"
    return "derived" if role in DERIVED_ROLES else "acquired"


def series_facts(one: StudyRecord, series: SeriesRecord, geometry: Geometry | None) -> dict[str, Any]:
    """What views and reports say about a series: JSON-ready, from tags alone."""
    first = series.headers[0]
    point = next((p for p in study.time_points(PatientRecord(one.patient_id, (one,))) if p.study_uid == one.uid), None)
    side, source = laterality(first, geometry)
    return {
        "kind": "dicom", "patient_id": one.patient_id, "study_uid": one.uid, "series_uid": series.uid,
        "series_number": series.number, "series_description": series.description, "modality": series.modality,
        "study_date": one.study_date.isoformat() if one.study_date else None,
        "time_point": point.label if point else "", "days": point.days if point else None,
        "age": first.get("PatientAge"), "sex": first.get("PatientSex"),
        "laterality": side, "laterality_source": source,
        "photometric": first.get("PhotometricInterpretation", ""), "manufacturer": first.get("Manufacturer", ""),
        "scanner": first.get("ManufacturerModelName", ""), "field_t": first.get("MagneticFieldStrength"),
        "acquisition_matrix": list(first.get("AcquisitionMatrix", ())),
    }  # fmt: skip


def laterality(header: Header, geometry: Geometry | None) -> tuple[str, str]:
    """The side and how we know: ``tag``, ``coil`` or ``position`` (a hint only)."""
    for keyword in ("Laterality", "ImageLaterality"):
        if header.get(keyword) in ("L", "R"):
            return str(header[keyword]), "tag"
    coil = str(header.get("ReceiveCoilName", "")).upper()
    for side in ("L", "R"):
        if coil.startswith((f"{side}_", f"{side}T")):
            return side, "coil"
    if geometry is not None and geometry.plane == "sagittal":
        return laterality_hint(geometry), "position"
    extent = order.x_extent_mm([header]) if geometry is not None and geometry.plane == "axial" else None
    side = side_of(*extent) if extent is not None else ""
    return (side, "position") if side else ("", "")


def side_by_place(series: Sequence[SeriesRecord]) -> str:
    """The side that the pictures show by where they lie: a series of one side before those of both; "" unknown."""
    sides = set()
    for one in series:
        if one.modality == "MR" and len(one.headers) >= FEWEST_SLICES:
            extent = order.x_extent_mm(one.headers[:: max(1, len(one.headers) // SAMPLED_SLICES)])
            sides.add(side_of(*extent) if extent is not None else "")
    single = sides & {"L", "R"}
    return single.pop() if len(single) == 1 else "B" if single or "B" in sides else ""
