"""What the catalogue costs: header scan, insert, rescan, queries and memory, as ratios in one run where a peer exists.

CPU seconds, because other work may run beside. The full collection is made in a temporary folder (2 GB, 388,525
files); ``TUMORDIFF_BENCH_PATIENTS`` takes fewer patients, ``TUMORDIFF_BENCH_COLLECTION`` names a folder to make it in
once and find it again.
"""

import gc
import os
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.generators import collection as generated
from tumordiff_core import paths
from tumordiff_core.catalogue import database, importing, queries, walking
from tumordiff_core.progress import Progress

pytestmark = pytest.mark.benchmark
WORKING = Path(__file__).parent.parent.parent
ROUNDS = 5


def cpu_s(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Least CPU seconds of some rounds."""
    took = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def files_below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def by_pydicom(files: list[Path]) -> list[dict[str, Any]]:
    """The catalogue's tags as values, by pydicom alone."""
    import pydicom

    from tumordiff_core.dicom.tags import WANTED

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in files:
            data = pydicom.dcmread(file, specific_tags=list(WANTED), stop_before_pixels=True)
            found.append({keyword: data[tag].value for tag, (keyword, _) in WANTED.items() if tag in data})
    return found


def by_us(files: list[Path]) -> list[dict[str, Any]]:
    from tumordiff_core.dicom.headers import read_header
    from tumordiff_core.dicom.walk import Memo

    memo = Memo()
    return [read_header(file, memo=memo) for file in files]


def by_gdcm(files: list[Path]) -> int:
    import gdcm

    from tumordiff_core.dicom.tags import WANTED

    scanner, read = gdcm.Scanner(), 0
    for tag in WANTED:
        scanner.AddTag(gdcm.Tag(tag >> 16, tag & 0xFFFF))
    names = [str(file) for file in files]
    scanner.Scan(names)
    for name in names:
        # Asking for a tag that a file lacks ends the whole process: only what is there is gone through.
        values = gdcm.PythonTagToValue(scanner.GetMapping(name))
        values.Start()
        while not values.IsAtEnd():
            read += len(values.GetCurrentValue() or "")
            values.Next()
    return read


@pytest.mark.real
def test_headers_against_pydicom_and_gdcm(ispy1_dicom: Path):
    from tumordiff_core.dicom.headers import _normal

    files = files_below(ispy1_dicom)
    differing = 0
    for theirs, ours in zip(by_pydicom(files), by_us(files), strict=True):
        differing += sum(_normal(v) != ours.get(k) for k, v in theirs.items())
    plain, fast, gdcm = (cpu_s(lambda f=f: f(files)) for f in (by_pydicom, by_us, by_gdcm))
    print(
        f"\nheaders of {len(files)} files: ours {1e6 * fast / len(files):.0f} us per file;"
        f" pydicom {plain / fast:.1f}x (must be 12x), gdcm {gdcm / fast:.1f}x (must be 4x); {differing} values differ"
    )
    assert differing == 0


@pytest.mark.real
def test_scan_and_insert_against_pydicom(home: Path, ispy1_dicom: Path):
    files = files_below(ispy1_dicom)
    importing.run([ispy1_dicom], progress=Progress())

    def afresh() -> None:
        database.close()
        for file in paths.data().glob("catalogue.sqlite*"):
            file.unlink()
        importing.run([ispy1_dicom], progress=Progress())

    plain, ours = cpu_s(lambda: by_pydicom(files), 3), cpu_s(afresh, 3)
    print(f"\nscan, insert and understand {len(files)} files: {ours / plain:.2f}x of pydicom reading (must be 0.5x)")
    assert ours / plain <= 0.5


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The generated collection and how many files it holds."""
    patients = int(os.environ.get("TUMORDIFF_BENCH_PATIENTS", "0")) or None
    kept = os.environ.get("TUMORDIFF_BENCH_COLLECTION")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("collection")
    if folder.is_dir() and any(folder.iterdir()):
        return folder, sum(series.files for study in generated.plan.studies(patients, None) for series in study.series)
    return folder, generated.make(folder, patients=patients).files


IMPORT = """
import os, sys, threading
import psutil
from pathlib import Path
from tumordiff_core.catalogue import importing
from tumordiff_core.progress import Progress

peak = []
over = threading.Event()

def watch():
    global peak
    me = psutil.Process()
    while not over.wait(0.25):
        parts = []
        for process in [me, *me.children(recursive=True)]:
            try:
                parts.append(round(process.memory_full_info().pss / 1e6))
            except psutil.Error:
                pass
        peak = max(peak, parts, key=sum)

if __name__ == "__main__":
    watcher = threading.Thread(target=watch)
    watcher.start()
    report = importing.run([Path(sys.argv[1])], progress=Progress())
    over.set()
    watcher.join()
    used = os.times()
    print(report.indexed, report.skipped, "+".join(map(str, peak)), sum(used[:4]))
"""


@pytest.fixture(scope="module")
def imported(collection: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """A home with the collection imported, files, and the peak of summed PSS in MB."""
    folder, files = collection
    place = tmp_path_factory.mktemp("imported")
    script = place / "import.py"
    script.write_text(IMPORT, "utf-8")
    environment = {**os.environ, "TUMORDIFF_HOME": str(place / "home"), "PYTHONPATH": str(WORKING)}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], env=environment, capture_output=True, text=True, check=True
    )
    indexed, skipped, parts, used_s = done.stdout.split()
    took, peak = time.monotonic() - began, sum(map(int, parts.split("+")))
    print(
        f"\n{indexed} files imported in {took:.0f} s, {1000 * float(used_s) / files:.2f} ms CPU per file; {skipped}"
        f" skipped, peak {peak} MB = {parts} (must be 400)"
    )
    assert int(indexed) + int(skipped) == files
    return place / "home", files, peak


@pytest.mark.timeout(7200)
def test_peak_memory_of_a_whole_import(imported: tuple[Path, int, int]):
    assert imported[2] <= 400


@pytest.fixture
def full(imported: tuple[Path, int, int], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TUMORDIFF_HOME", str(imported[0]))
    queries.look_again()
    yield
    database.close()
    queries.look_again()


@pytest.mark.timeout(7200)
def test_a_rescan_against_a_bare_walk(full: None, collection: tuple[Path, int]):
    folder, files = collection

    def bare() -> None:
        waiting = [str(folder)]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir():
                        waiting.append(entry.path)
                    else:
                        entry.stat()

    walk, rescan = cpu_s(bare, 3), cpu_s(lambda: importing.run([folder], progress=Progress()), 3)
    print(f"\nrescan of {files} unchanged files: {rescan / walk:.2f}x of a bare walk (must be 3x)")
    assert rescan / walk <= 3


@pytest.mark.timeout(7200)
def test_queries_at_full_size(full: None):
    patients = queries.tree()
    some = patients[len(patients) // 2]
    dynamic = next(s for v in some.visits for s in v.series if s.role == "dynamic" and s.phases)
    asked: dict[str, Callable[[], Any]] = {
        "patient list, cold": lambda: (queries._known.clear(), queries.tree()),
        "patient list": queries.tree,
        "search": lambda: queries.tree("fl3d"),
        "search, several words": lambda: queries.tree("missing t3 vendor:siemens"),
        "open a patient, cold": lambda: (queries._known.clear(), queries.patient(some.patient_id).visits),  # type: ignore[union-attr]
        "visit": lambda: queries.visit(some.visits[0].study_uid),
        "series": lambda: queries.series(dynamic.uid),
        "phase files": lambda: queries.phase_files(dynamic.uid, 0),
        "recorded": lambda: queries.recorded(some.visits[0].study_uid),
        "dynamic": lambda: queries.dynamic(some.visits[0].study_uid),
        "results": queries.results,
        "whole tree unpacked, cold": lambda: (queries._known.clear(), [p.visits for p in queries.tree()]),
    }
    series = sum(len(v.series) for p in patients for v in p.visits)
    print(f"\n{len(patients)} patients, {series} series, {paths.catalogue_file().stat().st_size / 1e6:.0f} MB")
    slow = {}
    for name, ask in asked.items():
        took_ms = 1000 * cpu_s(ask, 9)
        print(f"  {name}: {took_ms:.2f} ms")
        if took_ms > 20 and not name.startswith("whole tree"):
            slow[name] = took_ms
    assert slow == {}


def differences(visit: queries.VisitNode, truth: generated.VisitTruth) -> list[str]:
    """What the catalogue says of one study otherwise than was planted."""
    wrong = [] if visit.days == truth.days else [f"day {visit.days}, not {truth.days}"]
    if truth.label not in ("", visit.label):
        wrong.append(f"{visit.label}, not {truth.label}")
    for one in visit.series:
        role = truth.roles.get(one.uid, one.role)
        if one.files != truth.series[one.uid] or (one.role == "dynamic" if role == "not dynamic" else one.role != role):
            wrong.append(f"{one.description}: {one.files} files as {one.role}")
    found = queries.dynamic(visit.study_uid) if truth.phases else None
    if truth.phases and (
        found is None
        or found.series_uids != tuple(dict.fromkeys(uid for uid, _ in truth.phases))
        or [round(phase.start_s or 0) for phase in found.phases] != list(truth.times_s)
    ):
        wrong.append(f"phases {found and [phase.start_s for phase in found.phases]}, not {truth.times_s}")
    return [f"{truth.patient}: {line}" for line in wrong]


@pytest.mark.timeout(7200)
def test_the_whole_catalogue_is_as_planted(full: None):
    patients = int(os.environ.get("TUMORDIFF_BENCH_PATIENTS", "0")) or None
    planted = {study.uid: generated.planted(study) for study in generated.plan.studies(patients, None)}
    visits = [visit for patient in queries.tree() for visit in patient.visits]
    wrong = [line for visit in visits for line in differences(visit, planted[visit.study_uid])]
    mapped = sum(planted[visit.study_uid].map_slices > 0 for visit in visits)
    print(f"\n{len(visits)} visits, {mapped} with maps: {len(wrong)} told otherwise than planted")
    assert (len(visits), wrong) == (len(planted), [])


def test_the_walk_is_made_of_listings(collection: tuple[Path, int]):
    assert sum(len(found.files) for found in walking.walk(str(collection[0]))) == collection[1]
    assert sqlite3.sqlite_version_info >= (3, 35)
