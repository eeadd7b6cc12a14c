"""The warm child ``reader``: brings phases, thumbnails, tags, masks and results into the cache for the window.

Untrusted files are opened here and never in the window; the child works under a memory limit and is replaced
when it dies or takes too long.
"""

from collections.abc import Callable
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Service

if TYPE_CHECKING:
    from tumordiff_core.dicom.stack import StoredPhase
    from tumordiff_core.imaging.cache import Entry, SourceFile
    from tumordiff_core.result_folder import Result

MAP_RANGES = {"ser_map": ("SER", 0.0, 2.0, ""), "pe_map": ("PE", 0.0, 200.0, "%")}
"""Role -> (name, low, high, unit): the windows in the files of derived maps are in stored units and not used."""

CT_WINDOW = (40.0, 400.0)
MOST_ROWS_IN_ANSWER = 2000
MEMORY_BASE_BYTES = 2_000_000_000


@hookimpl
def register_services() -> list[Service]:
    """The reader child, and the child in which untrusted compressed pixels are decoded."""
    return [
        Service("reader", "tumordiff_core.tasks.reader:handle"),
        Service("decoder", "tumordiff_core.dicom.decoders:handle"),
    ]


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request of the window.

    ``phase`` {series_uid, phase} and ``result`` {folder, array, phase} answer {npy, record}: paths of a 3D array
    and of its record (slope, intercept, geometry, window, photometric, provenance, unit, facts);
    ``thumbnail`` {series_uid, phase} answers {png}; ``mask`` {study_uid, label} {npy}, uint8 on the dynamic
    series' grid; ``tags`` {path} {rows} of (depth, tag, VR, name, value), or {file} with one such row a line.

    Raises InputError("reader.unknown"), ("reader.no_memory") and what reading raises
    """
    from tumordiff_core.errors import InputError

    answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "phase": _phase, "thumbnail": _thumbnail, "mask": _mask, "tags": _tags, "result": _result,
    }  # fmt: skip
    operation = str(request.get("op"))
    if operation not in answers:
        raise InputError("reader.unknown", found=operation, known=", ".join(answers))
    limit_memory()
    try:
        return answers[operation](request)
    except MemoryError as error:
        raise InputError("reader.no_memory", limit_gb=round(_most_bytes() / 1e9, 1)) from error


def _most_bytes() -> int:
    from tumordiff_core import settings

    return MEMORY_BASE_BYTES + round(3e9 * settings.load().cache.largest_series_gb)


@once
def limit_memory() -> None:
    """Limit this child's address space, so that a hostile file ends in a sentence and not in a full machine."""
    from tumordiff_core.dicom import limits

    limits.limit_memory(_most_bytes())


# phases


def _phase(request: dict[str, Any]) -> dict[str, Any]:
    entry = cached_phase(str(request["series_uid"]), int(request.get("phase") or 0))
    return {"npy": str(entry.npy), "record": str(entry.record)}


def cached_phase(series_uid: str, phase: int) -> "Entry":
    """A phase of a catalogued series in the volume cache; read from its files only where it is not there yet."""
    from tumordiff_core.imaging import cache

    sources = _sources(series_uid, phase)
    found = cache.find(cache.key(series_uid, phase, sources))
    if found is None:
        found = _read(series_uid, phase)
    facts = {**found.facts()["facts"], **_catalogued(series_uid, phase, found.facts()["facts"])}
    cache.update(found, facts)
    return found


def _rows(series_uid: str, phase: int) -> list[Any]:
    """The slices of a phase as the catalogue knows them; raises InputError("series.no_phase")."""
    from tumordiff_core.catalogue import queries
    from tumordiff_core.errors import InputError

    rows: list[Any] = list(queries.phase_files(series_uid, phase))
    if not rows:
        raise InputError("series.no_phase", phase=phase + 1)
    return rows


def _sources(series_uid: str, phase: int) -> "list[SourceFile]":
    """The files of a phase as the catalogue recorded them, each once; raises InputError("series.no_phase")."""
    from tumordiff_core.imaging.cache import SourceFile, source_of

    found = {}
    for row in _rows(series_uid, phase):
        size, mtime = getattr(row, "size", None), getattr(row, "mtime_ns", None)
        known = size is not None and mtime is not None
        found[row.path] = SourceFile(str(row.path), int(size), int(mtime)) if known else source_of(Path(row.path))  # type: ignore[arg-type]
    return list(found.values())


def _read(series_uid: str, phase: int) -> "Entry":
    """Read a phase from its files into the cache, under the key of the files as they are now."""
    from tumordiff_core.dicom import stack
    from tumordiff_core.imaging import cache

    rows = _rows(series_uid, phase)
    headers = stack.headers_at([(str(row.path), row.piece) for row in rows])
    stored = stack.read_stored_phase(headers, phase=phase)
    files = {str(h["path"]): cache.SourceFile(str(h["path"]), int(h["size"]), int(h["mtime_ns"])) for h in headers}
    return cache.store(cache.key(series_uid, phase, files.values()), stored.values, _record(series_uid, stored))


def _record(series_uid: str, stored: "StoredPhase") -> dict[str, Any]:
    """What the window needs to know of a phase besides its values."""
    from tumordiff_core.catalogue import queries
    from tumordiff_core.dicom import stack, study

    series = study.records(stored.headers)[0].series[0]
    one = study.records(stored.headers)[0]
    role = str(queries.series(series_uid).role)
    name, low, high, unit = MAP_RANGES.get(role, ("", 0.0, 0.0, ""))
    window = stored.window or stack.window_beside_padding(stored)
    if name:
        low, high = _display_range(one.uid, name, (low, high))
        window = ((low + high) / 2, high - low)
    elif series.modality == "CT":
        window, unit = window or CT_WINDOW, "HU"
    facts = stack.series_facts(one, series, stored.geometry if stored.positioned else None)
    facts.update(
        role=role, positioned=stored.positioned, missing_slices=list(stored.missing), phase_slices=len(stored.values)
    )
    return {
        "slope": stored.slope, "intercept": stored.intercept, "geometry": stored.geometry.to_record(),
        "window": window, "photometric": stored.headers[0].get("PhotometricInterpretation", ""),
        "provenance": stack.provenance_of(series, role), "unit": unit, "facts": facts,
    }  # fmt: skip


def _display_range(study_uid: str, name: str, otherwise: tuple[float, float]) -> tuple[float, float]:
    from tumordiff_core.catalogue import queries

    recorded = queries.recorded(study_uid)
    ranges = dict(getattr(recorded, "display_ranges", None) or {})
    low, high = ranges.get(name, otherwise)
    return float(low), float(high)


def _catalogued(series_uid: str, phase: int, facts: dict[str, Any]) -> dict[str, Any]:
    """What the catalogue says now and the reader may have corrected since the phase was cached."""
    from tumordiff_core.catalogue import queries

    series, visit = queries.series(series_uid), queries.visit(str(facts["study_uid"]))
    here = next((p for p in series.phases if p.index == phase), None)
    several = len(series.phases) > 1
    return {
        "time_point": visit.label, "days": visit.days, "phase": phase, "phases": max(len(series.phases), 1),
        "phase_label": here.label if here is not None and several else "",
        "effective_s": here.effective_s if here is not None else None, "remark": series.remark,
    }  # fmt: skip


# thumbnails


def _thumbnail(request: dict[str, Any]) -> dict[str, Any]:
    from tumordiff_core import paths
    from tumordiff_core.imaging import cache, thumbnails

    series_uid, phase = str(request["series_uid"]), int(request.get("phase") or 0)
    target = paths.thumbnails() / f"{cache.key(series_uid, phase, _sources(series_uid, phase))}.png"
    if not target.is_file():
        entry = cached_phase(series_uid, phase)
        values, record = entry.array(), entry.facts()
        limits, index = _limits(series_uid, phase, record, values)
        thumbnails.write(target, _grey(values[index], record, limits))
    return {"png": str(target)}


def _grey(stored: Any, record: dict[str, Any], limits: tuple[float, float]) -> Any:
    import numpy as np

    from tumordiff_core.imaging import thumbnails
    from tumordiff_core.imaging.geometry import Geometry

    shown = np.asarray(stored, dtype=np.float32) * record["slope"] + record["intercept"]
    inverted = record["photometric"] == "MONOCHROME1"
    return thumbnails.picture(shown, Geometry.from_record(record["geometry"]), limits, inverted=inverted)


def _limits(series_uid: str, phase: int, record: dict[str, Any], values: Any) -> tuple[tuple[float, float], int]:
    """Grey limits and slice of a thumbnail: the fullest slice of a map, else the middle one in one scale per visit."""
    import numpy as np

    from tumordiff_core.imaging import thumbnails

    middle = len(values) // 2
    if record["facts"]["role"] in MAP_RANGES:
        middle = int(np.asarray(values, dtype=np.float32).reshape(len(values), -1).sum(axis=1).argmax())
    if record["window"]:
        center, width = record["window"]
        return (center - width / 2, center + width / 2), middle
    first_post = 1 if record["facts"]["phases"] > 1 and record["facts"]["role"] == "dynamic" else phase
    if first_post != phase:
        entry = cached_phase(series_uid, first_post)
        values, record = entry.array(), entry.facts()
    slices = np.asarray(values[len(values) // 2], dtype=np.float32) * record["slope"] + record["intercept"]
    return thumbnails.window_of(slices), middle


# masks


def _mask(request: dict[str, Any]) -> dict[str, Any]:
    """A recorded mask on the grid of the series that it was drawn on."""
    import numpy as np

    from tumordiff_core.catalogue import queries
    from tumordiff_core.dicom import masks
    from tumordiff_core.errors import InputError
    from tumordiff_core.imaging import cache
    from tumordiff_core.imaging.geometry import Geometry

    study_uid, label = str(request["study_uid"]), str(request["label"])
    recorded = queries.recorded(study_uid)
    path = recorded.masks.get(label) if recorded is not None else None
    if recorded is None or path is None:
        raise InputError("series.no_mask", label=label)
    source = str(recorded.source_series_uid)
    grid_files = _sources(source, 0)
    name = cache.key(f"mask {label} {study_uid}", 0, [*grid_files, cache.source_of(Path(path))])
    found = cache.find(name)
    if found is None:
        geometry = Geometry.from_record(cached_phase(source, 0).facts()["geometry"])
        mask = masks.read_mask(Path(path), geometry).values.astype(np.uint8)
        found = cache.store(name, mask, {"geometry": geometry.to_record(), "provenance": "derived", "facts": {}})
    return {"npy": str(found.npy), "record": str(found.record)}


# tags


def _tags(request: dict[str, Any]) -> dict[str, Any]:
    """Few rows in the answer; many as lines of JSON in a file that the asker removes, so that it may take its time."""
    import json
    import secrets

    from tumordiff_core import paths
    from tumordiff_core.dicom import tag_rows

    rows = tag_rows.read(Path(request["path"]))
    if len(rows) <= MOST_ROWS_IN_ANSWER:
        return {"rows": rows}
    place = paths.cache() / "tags" / f"{secrets.token_hex(8)}.jsonl"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return {"file": str(place)}


# results


def _result(request: dict[str, Any]) -> dict[str, Any]:
    """One phase of an array of a result folder, as a phase of its own."""
    from tumordiff_core import result_folder
    from tumordiff_core.imaging import cache

    name, phase = str(request.get("array") or "mean"), int(request.get("phase") or 0)
    result = result_folder.open_result(Path(request["folder"]))
    values = result.array(name)
    source = cache.source_of(result.folder / "arrays" / f"{name}.npy")
    key = cache.key(f"result {name}", phase, [source, cache.source_of(result.folder / "result.json")])
    found = cache.find(key) or cache.store(key, *_result_phase(result, name, values, phase))
    return {"npy": str(found.npy), "record": str(found.record)}


def _result_phase(result: "Result", name: str, values: Any, phase: int) -> tuple[Any, dict[str, Any]]:
    import numpy as np

    from tumordiff_core.errors import InputError
    from tumordiff_core.imaging.geometry import Geometry

    count = values.shape[0] if values.ndim == 4 else 1
    if values.ndim not in (3, 4) or not 0 <= phase < count:
        raise InputError("series.no_phase", phase=phase + 1)
    volume = np.asarray(values[phase] if values.ndim == 4 else values)
    record = result.record
    geometry = result.geometry or Geometry(volume.shape, (1.0, 1.0, 1.0))
    facts = {**record.facts, "phase": phase, "phases": count, "array": name, "result": result.folder.name}
    for key, listed in (("phase_label", record.labels), ("effective_s", record.phase_s)):
        if phase < len(listed):
            facts[key] = listed[phase]
    window = None
    if name == "residual":
        window = (0.0, 2 * max(float(np.percentile(np.abs(volume[:, ::4, ::4]).astype(np.float32), 99.5)), 1e-6))
    return volume, {
        "slope": 1.0, "intercept": 0.0, "geometry": geometry.to_record(), "window": window,
        "photometric": "MONOCHROME2", "provenance": _shown_as(record.provenance), "facts": facts,
        "unit": record.units.get(name, ""),
    }  # fmt: skip


def _shown_as(provenance: str) -> str:
    """A result never passes for an acquisition."""
    return "derived" if provenance == "acquired" else provenance
