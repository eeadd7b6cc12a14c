"""An import from beginning to end: find files, read headers, ask the collections; stoppable and resumable anywhere.

What was found is written down before it is read, so a killed import is completed by the next one. Sources are only
ever read.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tumordiff_core import paths as places
from tumordiff_core.catalogue import (
    archives,
    clinical,
    database,
    dicomdir,
    entering,
    listing,
    phases,
    queries,
    records,
    scanning,
    stored,
    timepoints,
    walking,
)
from tumordiff_core.catalogue.lock import import_lock
from tumordiff_core.catalogue.nodes import SkipNode
from tumordiff_core.catalogue.scanning import Chunk, Reading, Skip
from tumordiff_core.dicom import stack, study
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.jobs.spread import spread
from tumordiff_core.plugins import manager
from tumordiff_core.plugins.specs import StudyRecord
from tumordiff_core.progress import Progress

ONE_PROCESS_BELOW = 2000
READERS = 2
"""Reading a header takes half as long as entering and understanding it: more readers would wait and hold memory."""

SHOW_EVERY_S = 0.5
SHORT_S = 0.03
MOST_WARNINGS = 100
SILENT = frozenset({"dicom.not_dicom", "dicom.dicomdir"})


@dataclass
class Report:
    """What an import saw: ``seen`` = ``indexed`` + ``copies`` + ``skipped``; ``gone`` files were there before."""

    seen: int = 0
    indexed: int = 0
    copies: int = 0
    skipped: int = 0
    gone: int = 0
    facts: int = 0
    patients: int = 0
    skips: list[SkipNode] = field(default_factory=list)


def run(paths: Sequence[Path], *, progress: Progress, processes: int | None = None) -> Report:
    """Import folders, files, archives, DICOMDIRs and clinical tables.

    Parameters
    ----------
    processes : how many read headers; by default one up to 2,000 files and two above

    Raises
    ------
    MissingError("files.missing") where a path is not there, InputError("index.nothing") where no path was given,
    CatalogueError, SpaceError("files.no_space"), Stopped
    """
    if not paths:
        raise InputError("index.nothing")
    for path in paths:
        if not path.exists():
            raise MissingError("files.missing", path, name=path.name)
    with import_lock(progress):
        aside = database.set_aside()
        if aside is not None:
            error = InputError("catalogue.set_aside", aside, name=aside.name)
            progress.warn(error.code, error.sentence)
        queries.look_again()
        with database.sentences(places.catalogue_file()):
            return _Import(progress, processes).run([path.absolute() for path in paths])


class _Import:
    """One import: where it stands."""

    def __init__(self, progress: Progress, processes: int | None) -> None:
        self.progress = progress
        self.processes = processes
        self.report = Report()
        self.touched: set[int] = set()
        self.unshown: set[int] = set()
        self.asked: set[int] = set()
        self.shown_at = time.monotonic()
        self.failures: set[str] = set()

    def run(self, paths: list[Path]) -> Report:
        entering.begin()
        self.progress.stage("look for files")
        for path in paths:
            self.find(path)
        self.read()
        self.progress.stage("sort out visits and phases", _count_dirty())
        self.understand(_dirty())
        return self.finish()

    # finding

    def find(self, path: Path) -> None:
        if path.is_dir():
            self.find_folder(path)
        elif clinical.is_table(path):
            self.report.facts += len(clinical.enter(path))
        elif archives.is_archive(path):
            self.find_archive(path)
        elif path.name.upper() == dicomdir.NAME:
            self.find_folder(path.parent)
        else:
            root = entering.root_for(str(path), "file")
            entering.enter_file(root, path)
            entering.note_imported(root)

    def find_folder(self, top: Path, *, shown: str = "", root: int | None = None) -> None:
        row = entering.root_for(str(top), "folder") if root is None else root
        made = database.connection()
        for found in walking.walk(str(top)):
            self.progress.advance(len(found.files))
            if not entering.unchanged(made, found):
                entering.enter_listing(row, found, shown=shown)
            index = next((f[0] for f in found.files if len(f[0]) == 8 and f[0].upper() == dicomdir.NAME), None)
            if index is not None:
                self.find_missing_of(Path(found.path, index), row)
        entering.leave_unvisited(str(top))
        entering.note_imported(row)

    def find_missing_of(self, index: Path, root: int) -> None:
        """Report the entries of a DICOMDIR that have no file."""
        skips = []
        for name in dicomdir.missing(index):
            error = MissingError("files.missing", name=name)
            skips.append(Skip(name, 0, 0, error.code, error.sentence))
        entering.enter_skips(root, f"{index}#", skips)

    def find_archive(self, path: Path) -> None:
        root = entering.root_for(str(path), "archive")
        opened = archives.unpack(path, progress=self.progress)
        entering.enter_skips(root, str(path), opened.skips)
        self.find_folder(opened.folder, shown=str(path), root=root)
        for old in opened.older:
            entering.leave_unvisited(str(old))

    # reading

    def read(self) -> None:
        rows, total = entering.pending()
        self.progress.stage("read headers", total)
        count = self.processes or (1 if total < ONE_PROCESS_BELOW else READERS)
        for outcome in spread(scanning.read_chunk, self.chunks(rows), processes=count, progress=self.progress):
            if outcome.answer is None:
                assert outcome.error is not None
                raise outcome.error
            self.enter(outcome.answer)
        self.show(now=True)

    def chunks(self, rows: list[int]) -> Iterator[Chunk]:
        for row in rows:
            found = entering.chunk(row)
            if found is None:
                continue
            if scanning.exists(found):
                yield found
            else:
                self.enter(entering.vanished(found))

    def enter(self, reading: Reading) -> None:
        touched = entering.enter(reading)
        finished = self.touched - touched - self.asked
        self.touched |= touched
        self.unshown |= touched
        self.warn(reading.skips)
        self.progress.advance(len(reading.chunk.files))
        if finished:
            self.asked |= finished
            self.understand(sorted(finished), quietly=True)
        self.show()

    def warn(self, skips: Sequence[Skip]) -> None:
        for skip in skips:
            if skip.code not in SILENT:
                self.report.skipped += 1
                if self.report.skipped <= MOST_WARNINGS:
                    self.progress.warn(skip.code, skip.sentence)

    def show(self, *, now: bool = False) -> None:
        """Make what was read visible, twice a second."""
        if not self.unshown or (not now and time.monotonic() - self.shown_at < SHOW_EVERY_S):
            return
        waiting = sorted(self.unshown)
        self.unshown.clear()
        while waiting:
            with database.writing() as made:
                end = time.monotonic() + SHORT_S
                while waiting and time.monotonic() < end:
                    listing.refresh(made, waiting.pop())
        self.shown_at = time.monotonic()

    # understanding

    def understand(self, patients: Sequence[int], *, quietly: bool = False) -> None:
        """Ask the collections about patients (row ids) whose studies or facts changed."""
        for patient in patients:
            self.understand_one(patient)
            self.unshown.discard(patient)
            if not quietly:
                self.progress.advance()

    def understand_one(self, patient: int) -> None:
        made = database.connection()
        if made.execute("SELECT 1 FROM patients WHERE id=?", (patient,)).fetchone() is None:
            return
        whole, known = records.patient_record(made, patient)
        changed = {row for (row,) in made.execute("SELECT id FROM studies WHERE patient=? AND dirty=1", (patient,))}
        meanings = {row: study.meaning(one) for row, one in known.items() if row in changed}
        points = study.time_points(whole) if whole.studies else []
        side = _side(whole.studies)
        for meaning in meanings.values():
            self.tell_failures(meaning)
        titles = {collection.name: collection.title for collection in manager.collections()}
        with database.writing():
            for row, meaning in meanings.items():
                phases.enter(made, row, known[row], meaning)
                made.execute(
                    "UPDATE patients SET collection=? WHERE id=?",
                    (titles.get(meaning.collection, meaning.collection), patient),
                )
            timepoints.enter(made, known, points)
            made.execute("UPDATE patients SET dirty=0, laterality=? WHERE id=?", (side, patient))
            listing.refresh(made, patient)

    def tell_failures(self, meaning: study.Meaning) -> None:
        for what in meaning.failures:
            key = f"{meaning.collection} {what}"
            if key not in self.failures:
                self.failures.add(key)
                error = InputError("plugins.bad_record", name=meaning.collection, reason=f"{what} failed")
                self.progress.warn(error.code, error.sentence)

    # reporting

    def finish(self) -> Report:
        made = database.connection()
        for doubt in queries.doubts()[:MOST_WARNINGS]:
            self.progress.warn(doubt.code, doubt.sentence)
        report = self.report
        by_state = dict(made.execute(
            "SELECT f.state, count(*) FROM visited v JOIN files f ON f.folder_id = v.folder WHERE f.gone=0"
            " GROUP BY f.state"
        ).fetchall())  # fmt: skip
        report.indexed, report.copies = by_state.get(entering.IMAGE, 0), by_state.get(entering.COPY, 0)
        report.skipped = by_state.get(entering.SKIPPED, 0)
        report.seen = report.indexed + report.copies + report.skipped
        (report.gone,) = made.execute("SELECT count(*) FROM files WHERE gone=1").fetchone()
        (report.patients,) = made.execute("SELECT count(*) FROM patients").fetchone()
        rows = made.execute(
            "SELECT d.path, d.shown, f.name, k.code, k.sentence FROM visited v JOIN folders d ON d.id = v.folder"
            " JOIN files f ON f.folder_id = d.id JOIN skips k ON k.file = f.id ORDER BY f.id"
        )
        report.skips = [SkipNode(stored.shown(p, s, n), code, sentence) for p, s, n, code, sentence in rows]
        return report


def _dirty() -> list[int]:
    rows = database.connection().execute("SELECT id FROM patients WHERE dirty=1 ORDER BY id")
    return [row for (row,) in rows.fetchall()]


def _count_dirty() -> int:
    return len(_dirty())


def _side(studies: Sequence[StudyRecord]) -> str:
    """The side that the first MR image with one tells, else the side that the pictures lie on."""
    for one in studies:
        for series in one.series:
            if series.modality == "MR":
                side, _ = stack.laterality(series.headers[0], None)
                if side:
                    return side
    return stack.side_by_place([series for one in studies for series in one.series])
