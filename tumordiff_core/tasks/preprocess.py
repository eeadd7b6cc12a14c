"""The job ``preprocess``: DICOM into ``.npy`` arrays at the size of a collection, split by patient, with a manifest.

One phase at a time is read, cleaned and written, so memory does not grow with the collection. Every cleaning step
is a named, counted line of the manifest. A run that was stopped goes on where it was; a later run over more
patients keeps what is there and where each patient belongs.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tumordiff_core.jobs.worker import Job

FORMAT = 1
LINES = "manifest.jsonl"
MANIFEST = "manifest.json"
STEPS = (
    "invalid values replaced", "missing slices filled", "grey conversion refused", "date parsed", "date missing",
    "singleton axis dropped", "shape padded", "shape cropped", "shape resampled", "refused otherwise",
)  # fmt: skip
"""The cleaning steps in the order they are told; each counts phases."""


class PreprocessParams(BaseModel):
    """What the preprocessing asks for."""

    paths: list[str] = Field(
        default_factory=list, title="Folders", description="Folders of studies; empty: all that is catalogued."
    )
    out: str = Field("", title="Output", description="Where arrays and manifest go; empty: the job's own result.")
    phases: Literal["all", "pre"] = Field("all", title="Phases", description="All phases, or those before contrast.")
    shape: Literal["keep", "pad", "resample"] = Field(
        "keep", title="Shape", description="Keep each slice's size, pad or crop it, or resample it to the size below."
    )
    rows: int = Field(256, ge=16, le=4096, title="Rows")
    columns: int = Field(256, ge=16, le=4096, title="Columns")
    processes: int | None = Field(None, ge=1, le=256, title="Processes", description="Empty: all processors.")
    cluster: str = Field("", title="Cluster", description="Address of a Dask scheduler; empty: the settings' one.")
    seed: int = Field(0, ge=0, title="Seed")


@dataclass(frozen=True)
class Order:
    """One phase to be made: everything a worker needs, so that it asks nobody."""

    name: str
    key: str
    patient: str
    study_uid: str
    time_point: str
    days: int | None
    series_uid: str
    phase: int
    phases: int
    effective_s: float | None
    files: tuple[str, ...]
    pieces: tuple[int, ...]
    folder: str
    shape: str
    rows: int
    columns: int


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.preprocess"
    return [Task("preprocess", "Preprocess", f"{room}:PreprocessParams", f"{room}:run", weight="heavy", resumes=True)]


def run(params: PreprocessParams, job: "Job") -> None:
    """Make the arrays, one line of the manifest each, then the manifest and the result.

    Raises InputError("preprocess.nothing", "files.exists") and what importing and ``jobs.spread`` raise.
    """
    from tumordiff_core import settings
    from tumordiff_core.errors import InputError
    from tumordiff_core.jobs.spread import spread

    if params.paths:
        from tumordiff_core.catalogue import importing

        importing.run([Path(p) for p in params.paths], progress=job.progress)
    folder = _folder(params, job)
    done = _lines_of(folder)
    patients, todo = _survey(params, folder, done)
    if not patients:
        raise InputError("preprocess.nothing")
    job.progress.stage("make arrays", todo)
    with (folder / LINES).open("a", encoding="utf-8") as lines:
        orders = (o for o in _orders(params, folder) if not _is_done(o, done, folder))
        cluster = params.cluster or settings.load().jobs.cluster
        for outcome in spread(make, orders, processes=params.processes, cluster=cluster, progress=job.progress):
            line = _line(outcome.item, outcome.answer, outcome.error)
            lines.write(line)
            lines.flush()
            job.progress.advance()
    _finish(params, job, folder, patients)


def _folder(params: PreprocessParams, job: "Job") -> Path:
    """Where to work: the named folder, new or one of ours, else the job's checkpoints."""
    from tumordiff_core.errors import InputError

    if not params.out:
        folder = job.checkpoints / "arrays"
    else:
        folder = Path(params.out)
        if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / LINES).is_file())):
            raise InputError("files.exists", folder, name=folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _lines_of(folder: Path) -> dict[str, dict[str, Any]]:
    """What earlier runs made, by array name; a torn last line counts as not made."""
    import json

    found: dict[str, dict[str, Any]] = {}
    place = folder / LINES
    if not place.is_file():
        return found
    content = place.read_bytes()
    if content and not content.endswith(b"\n"):
        content = content[: content.rfind(b"\n") + 1]
        place.write_bytes(content)
    for text in content.decode("utf-8").splitlines():
        line = json.loads(text)
        found[line["name"]] = line
    return found


def _survey(params: PreprocessParams, folder: Path, done: dict[str, dict[str, Any]]) -> tuple[dict[str, str], int]:
    """The stratum of each patient, and how many arrays are still to be made."""
    from tumordiff_core.catalogue import queries

    strata: dict[str, str] = {}
    todo = 0
    for order in _orders(params, folder):
        if order.patient not in strata:
            node = queries.patient(order.patient)
            facts = node.facts if node is not None else {}
            strata[order.patient] = f"pcr {facts.get('pcr')}, {facts.get('subtype')}"
        todo += not _is_done(order, done, folder)
    return strata, todo


def _orders(params: PreprocessParams, folder: Path) -> Iterator[Order]:
    """Every phase of every dynamic series, patient by patient, below the named paths or anywhere."""
    from tumordiff_core.catalogue import queries

    tops = [Path(p).absolute() for p in params.paths]
    for node in queries.tree():
        for visit in node.visits:
            for series in visit.series:
                if series.role != "dynamic" or not series.phases or _is_followed(visit.study_uid, series.uid):
                    continue
                for phase in series.phases:
                    order = _order(params, folder, node.patient_id, visit, series, phase)
                    if order is not None and (not tops or any(Path(order.files[0]).is_relative_to(t) for t in tops)):
                        yield order


def _is_followed(study_uid: str, series_uid: str) -> bool:
    """Whether a series is told with another one: the first of an acquisition over several series has all phases."""
    from tumordiff_core.catalogue import queries

    return any(series_uid in d.series_uids[1:] for d in queries.dynamics(study_uid))


def _order(params: PreprocessParams, folder: Path, patient: str, visit: Any, series: Any, phase: Any) -> Order | None:
    from tumordiff_core import files
    from tumordiff_core.catalogue import queries
    from tumordiff_core.imaging import cache

    if params.phases == "pre" and phase.index > 0:
        return None
    rows = queries.phase_files(series.uid, phase.index)
    if not rows:
        return None
    sources = {row.path: cache.SourceFile(str(row.path), row.size, row.mtime_ns) for row in rows}.values()
    name = f"{files.safe_name(patient)}/{files.safe_name(series.uid, limit=12)}-{phase.index}.npy"
    wanted = f"{params.shape} {params.rows} {params.columns}" if params.shape != "keep" else "keep"
    return Order(
        name, f"{cache.key(series.uid, phase.index, sources)} {wanted}", patient, visit.study_uid, visit.label,
        visit.days, series.uid, phase.index, len(series.phases), phase.effective_s,
        tuple(str(row.path) for row in rows), tuple(row.piece for row in rows), str(folder), params.shape,
        params.rows, params.columns,
    )  # fmt: skip


def _is_done(order: Order, done: dict[str, dict[str, Any]], folder: Path) -> bool:
    """Whether an earlier run made this array from the same files, or refused them."""
    line = done.get(order.name)
    if line is None or line["key"] != order.key:
        return False
    if "code" in line:
        return True
    place = folder / order.name
    return place.is_file() and place.stat().st_size == line["bytes"]


def make(order: Order) -> dict[str, Any]:
    """Read, clean and write one phase; what the manifest says of it. Runs in a worker, here or on a cluster."""
    import numpy as np

    from tumordiff_core import files
    from tumordiff_core.dicom import stack, study

    headers = stack.headers_at(list(zip(order.files, order.pieces, strict=True)))
    stored = stack.read_stored_phase(headers, phase=order.phase if len(headers) == 1 else 0)
    values: Any = stored.values
    if (stored.slope, stored.intercept) != (1.0, 0.0):
        values = (values.astype(np.float32) * stored.slope + stored.intercept).astype(np.float32)
    steps: dict[str, int] = {}
    if stored.missing:
        steps["missing slices filled"] = len(stored.missing)
    dated = study.parse_date(stored.headers[0].get("StudyDate"))
    steps["date parsed" if dated else "date missing"] = 1
    if order.phases == 1:
        steps["singleton axis dropped"] = 1
    values = _finite(values, steps)
    values, spacing = _shaped(values, stored.geometry.spacing_mm, order, steps)
    place = Path(order.folder) / order.name
    content = _npy(values)
    files.write_bytes(place, content)
    return {
        "shape": list(values.shape), "dtype": str(values.dtype), "spacing_mm": list(spacing), "bytes": len(content),
        "sha256": _sha256(content), "date": dated.isoformat() if dated else None, "steps": steps,
        "noise": [round(float(n), 5) for n in slice_noise(values)], "files": len(set(order.files)),
        "remarks": [remark.code for remark in stored.remarks],
    }  # fmt: skip


def _finite(values: "npt.NDArray[Any]", steps: dict[str, int]) -> "npt.NDArray[Any]":
    """Values that are no numbers become 0."""
    import numpy as np

    if values.dtype.kind != "f":
        return values
    bad = ~np.isfinite(values)
    if bad.any():
        steps["invalid values replaced"] = int(bad.sum())
        return np.where(bad, np.float32(0), values)
    return values


def _shaped(
    values: "npt.NDArray[Any]", spacing: tuple[float, float, float], order: Order, steps: dict[str, int]
) -> "tuple[npt.NDArray[Any], tuple[float, float, float]]":
    """Slices of the wanted size: padded with 0 and cropped around their middle, or resampled linearly."""
    wanted = (order.rows, order.columns)
    if order.shape == "keep" or values.shape[1:] == wanted:
        return values, spacing
    if order.shape == "resample":
        import numpy as np
        from scipy import ndimage

        factors = (1.0, wanted[0] / values.shape[1], wanted[1] / values.shape[2])
        steps["shape resampled"] = 1
        made = ndimage.zoom(values.astype(np.float32), factors, order=1, mode="nearest", grid_mode=True)
        return made.astype(np.float32), (spacing[0], spacing[1] / factors[1], spacing[2] / factors[2])
    return _padded(values, wanted, steps), spacing


def _padded(values: "npt.NDArray[Any]", wanted: tuple[int, int], steps: dict[str, int]) -> "npt.NDArray[Any]":
    import numpy as np

    made = np.zeros((len(values), *wanted), dtype=values.dtype)
    cuts = []
    for have, want in zip(values.shape[1:], wanted, strict=True):
        size = min(have, want)
        cuts.append((slice((want - size) // 2, (want - size) // 2 + size),
                     slice((have - size) // 2, (have - size) // 2 + size)))  # fmt: skip
        if have < want:
            steps["shape padded"] = 1
        elif have > want:
            steps["shape cropped"] = 1
    (to_rows, from_rows), (to_columns, from_columns) = cuts
    made[:, to_rows, to_columns] = values[:, from_rows, from_columns]
    return made


def slice_noise(values: "npt.NDArray[Any]") -> "npt.NDArray[np.float32]":
    """Noise of each slice as a share of its maximum, [slice]: median absolute Haar diagonal in tissue / 0.6745."""
    import numpy as np

    found = np.zeros(len(values), dtype=np.float32)
    for k, image in enumerate(values):
        rows, columns = (n // 2 * 2 for n in image.shape)
        cut = image[:rows, :columns].astype(np.float32)
        diagonal = (cut[::2, ::2] - cut[::2, 1::2] - cut[1::2, ::2] + cut[1::2, 1::2]) / 2
        mean = (cut[::2, ::2] + cut[::2, 1::2] + cut[1::2, ::2] + cut[1::2, 1::2]) / 4
        tissue = np.abs(diagonal[mean > mean.mean()])
        peak = float(cut.max())
        if tissue.size and peak > 0:
            found[k] = float(np.median(tissue)) / 0.6745 / peak
    return found


def _npy(values: "npt.NDArray[Any]") -> bytes:
    import io

    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")), allow_pickle=False)
    return buffer.getvalue()


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _line(order: Order, made: dict[str, Any] | None, error: Exception | None) -> str:
    """One line of the manifest: what was made, or why it was refused; raises what is no sentence of ours."""
    import json

    from tumordiff_core.errors import TumorDiffError

    known = asdict(order)
    for name in ("files", "pieces", "folder", "shape", "rows", "columns"):
        del known[name]
    if error is not None:
        if not isinstance(error, TumorDiffError):
            raise error
        step = "grey conversion refused" if error.code == "dicom.colour" else "refused otherwise"
        return json.dumps({**known, "code": error.code, "sentence": error.sentence, "steps": {step: 1}}) + "\n"
    return json.dumps({**known, **(made or {})}) + "\n"


def _finish(params: PreprocessParams, job: "Job", folder: Path, strata: dict[str, str]) -> None:
    """Write the manifest, whole, and the job's result."""
    import json
    from collections import Counter
    from datetime import UTC, datetime

    import tumordiff_core
    from tumordiff_core import files, result_folder
    from tumordiff_core.training.split import stratified

    before = {}
    if (folder / MANIFEST).is_file():
        before = json.loads((folder / MANIFEST).read_text("utf-8"))["split"]
    lines = sorted(_lines_of(folder).values(), key=lambda line: str(line["name"]))
    strata = {**{line["patient"]: "unknown" for line in lines}, **strata}
    split = stratified(strata, before)
    arrays = [line for line in lines if "code" not in line]
    counts = Counter({step: 0 for step in STEPS})
    for line in lines:
        counts.update({step: 1 for step in line["steps"]})
    figures = {
        "arrays": len(arrays), "refused": len(lines) - len(arrays), "patients": len(strata),
        "files": sum(line["files"] for line in arrays), "bytes": sum(line["bytes"] for line in arrays),
        **{part: sum(1 for p in split.values() if p == part) for part in ("train", "val", "test")},
    }  # fmt: skip
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {
        "format": FORMAT, "kind": "preprocess", "program": f"TumorDiff {tumordiff_core.__version__}",
        "created": created, "params": params.model_dump(exclude={"paths", "out", "cluster"}), "figures": figures,
        "steps": dict(counts), "split": dict(sorted(split.items())), "strata": dict(sorted(strata.items())),
        "arrays": arrays, "refused": [line for line in lines if "code" in line],
    }  # fmt: skip
    files.write_json(folder / MANIFEST, manifest)
    place = folder
    if not params.out:
        place = job.result / "arrays"
        files.rename(folder, place)
    else:
        files.write_json(job.result / MANIFEST, manifest)
    record = result_folder.Record(
        kind="preprocess", provenance="derived", title="Preprocessed slices", params=params.model_dump(),
        seed=job.seed, figures=figures, created=created,
    )  # fmt: skip
    result_folder.finish(job.result, record)
    end = folder if params.out else job.folder / "result" / "arrays"
    job.answer.update(result=str(job.folder / "result"), manifest=str(end / MANIFEST), **figures)
