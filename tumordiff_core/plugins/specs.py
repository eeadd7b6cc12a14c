"""The records that hooks return: names and dotted strings only, so that reading them imports nothing heavy.

A dotted string ``"package.module:name"`` is resolved by ``manager.load`` where the thing is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from tumordiff_core.sentences import SENTENCES

EXPORT_REPORT = "export.report.json"
"""Name of the round-trip report that an exporter may leave in its folder; the export task takes it into the job."""

Header = Mapping[str, Any]
"""One file's catalogue tags by DICOM keyword (text, int, float, or tuples of them), plus ``path``."""


@dataclass(frozen=True)
class Task:
    """A kind of job: ``params`` names a pydantic model, ``run`` a function ``(params, job) -> None``."""

    name: str
    title: str
    params: str
    run: str
    weight: Literal["light", "heavy"] = "light"
    resumes: bool = False


@dataclass(frozen=True)
class Service:
    """What a warm child answers: ``handle`` names a function ``(request: dict) -> reply: dict``."""

    name: str
    handle: str


@dataclass(frozen=True)
class Reader:
    """A file format: ``can_read(path) -> bool`` and ``read(path, *, progress) -> Volume``."""

    name: str
    suffixes: tuple[str, ...]
    can_read: str
    read: str


@dataclass(frozen=True)
class Exporter:
    """A kind of export: ``options`` names a pydantic model, ``check(result, options) -> list[Finding]``,
    ``write(result, folder, options, *, progress) -> list[Path]`` into a new, empty folder, and, where it has one,
    ``preview(result, options) -> list of (attribute, in the source, as written)``.

    Options with a field ``file_name`` say that one file is written, so a target may be that very file; a field
    ``confirmed`` is given the remarks that the exporting user agreed to, as text.
    """

    name: str
    title: str
    suffix: str
    options: str
    check: str
    write: str
    preview: str = ""


@dataclass(frozen=True)
class Finding:
    """One remark on an export: ``note`` is shown, ``confirm`` asks, ``refuse`` ends it."""

    level: Literal["note", "confirm", "refuse"]
    code: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """JSON-ready: level, code and fields, ``remark`` (what arrived) and the whole ``sentence``.

        Codes of a stranger's gate stand in no table: they may bring their ``sentence`` among the fields.
        """
        fields = dict(self.fields)
        if self.code in SENTENCES:
            known = SENTENCES[self.code]
            remark, sentence = known.arrived.format(**fields), known.text(fields)
        else:
            remark = sentence = str(fields.get("sentence", self.code))
        return {"level": self.level, "code": self.code, "fields": fields, "remark": remark, "sentence": sentence}


@dataclass(frozen=True)
class Denoiser:
    """A denoising method: ``denoise(volume, noise, params, *, progress) -> Denoised``."""

    name: str
    title: str
    needs: tuple[str, ...]
    denoise: str


@dataclass(frozen=True)
class Network:
    """A network family: ``arguments`` names a pydantic model, ``build(arguments) -> torch module``."""

    name: str
    title: str
    arguments: str
    build: str


@dataclass(frozen=True)
class Loss:
    """A training loss: ``loss`` names ``(denoised, clean, sigma) -> scalar tensor``.

    Images are [batch, 1, row, column]; sigma is [batch, 1, 1, 1], in the same scale.
    """

    name: str
    title: str
    loss: str


@dataclass(frozen=True)
class Augmentation:
    """A change of clean crops before noise: ``augment`` names ``(images, rng) -> images``, [crop, image, row, column].

    Absent images are black and must stay so.
    """

    name: str
    title: str
    augment: str


@dataclass(frozen=True)
class Collection:
    """What one collection does with DICOM; every string names a function.

    ``claims(header) -> bool``; ``time_points(patient) -> list[TimePoint]``; ``roles(study) -> dict[series uid, Role]``;
    ``phases(study) -> list[Dynamic]``; ``recorded(study) -> Recorded | None``; ``clinical(path) -> Iterable[Fact]``.
    """

    name: str
    title: str
    claims: str
    time_points: str
    roles: str
    phases: str
    recorded: str
    clinical: str


@dataclass(frozen=True)
class ModuleSpec:
    """A module of the window: ``panel`` names a QWidget class; strings only, no Qt is imported to read it."""

    id: str
    title: str
    panel: str
    icon: str = "puzzle-outline"
    group: str = "other"
    order: int = 100
    keywords: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


Role = Literal[
    "dynamic", "ser_map", "pe_map", "seg", "localizer", "t2", "diffusion", "reformat", "report",
    "look_alike", "derived", "synthetic", "other",
]  # fmt: skip


@dataclass(frozen=True)
class SeriesRecord:
    """One series as known so far: headers of all its files."""

    uid: str
    number: int | None
    description: str
    modality: str
    headers: tuple[Header, ...]


@dataclass(frozen=True)
class StudyRecord:
    """One study as known so far; ``facts`` are its patient's clinical facts, where a table was read."""

    uid: str
    patient_id: str
    study_date: date | None
    series: tuple[SeriesRecord, ...]
    facts: tuple["Fact", ...] = ()


@dataclass(frozen=True)
class PatientRecord:
    """One patient as known so far, with the clinical facts of every table read until now."""

    patient_id: str
    studies: tuple[StudyRecord, ...]
    facts: tuple["Fact", ...] = ()


@dataclass(frozen=True)
class TimePoint:
    """Where a study stands in the treatment: label (``"T1"``), days since baseline, and how we know."""

    study_uid: str
    label: str
    days: int | None
    evidence: str


WHOLE = -1
"""The piece of a file that is one slice."""


@dataclass(frozen=True)
class Phase:
    """One phase of a dynamic series: its files in slice order and its time.

    ``start_s`` and ``effective_s`` are seconds after injection (``None`` where unknown). ``pieces`` names for each
    path which slice of its file is meant (from 0), and is empty where every file holds one slice.
    """

    index: int
    paths: tuple[str, ...]
    sop_uids: tuple[str, ...]
    start_s: float | None
    effective_s: float | None
    pieces: tuple[int, ...] = ()

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """Path and piece of each slice; -1 for a file that is one slice."""
        return tuple(zip(self.paths, self.pieces or (WHOLE,) * len(self.paths), strict=True))


@dataclass(frozen=True)
class Dynamic:
    """One dynamic acquisition: its phases in time order, from one series or several of one study."""

    series_uids: tuple[str, ...]
    phases: tuple[Phase, ...]
    early: int | None
    late: int | None
    complete: bool
    remark: str = ""


@dataclass(frozen=True)
class PublishedVolume:
    """A tumour volume that the study itself records."""

    label: str
    ser_minimum: float
    ser_maximum: float
    voxels: int
    volume_cc: float


@dataclass(frozen=True)
class Recorded:
    """What a study records about its own analysis.

    ``voi_start`` and ``voi_end`` are [slice, row, column], 0-based, end included; thresholds in stored values and
    percent; ``masks`` maps a label (``"SER_MASK"``) to the path of its SEG file, ``maps`` ``"SER"``/``"PE"`` to
    the series UID; ``quality`` maps a factor to (score, meaning).
    """

    source_series_uid: str
    pe_threshold_percent: float | None = None
    pre_contrast_threshold: float | None = None
    minimum_neighbours: int | None = None
    voi_start: tuple[int, int, int] | None = None
    voi_end: tuple[int, int, int] | None = None
    omit: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...] = ()
    early: int | None = None
    late: int | None = None
    published: tuple[PublishedVolume, ...] = ()
    masks: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, str] = field(default_factory=dict)
    quality: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    display_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    mask_offset_pixels: float = 0.0


@dataclass(frozen=True)
class Fact:
    """One clinical fact of one patient: ``name`` is a plain word (``"pcr"``), value text, number or ``None``."""

    patient_id: str
    name: str
    value: str | float | int | None
    unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class PluginFailure:
    """A plugin that could not be used, with the traceback for those who want it."""

    name: str
    version: str
    reason: str
    traceback: str
