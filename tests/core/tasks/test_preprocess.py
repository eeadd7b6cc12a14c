"""A collection becomes arrays: split by patient, every cleaning step counted, restartable, the same on a cluster."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from tests.generators import dicom_base
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_core.jobs import worker
from tumordiff_core.jobs.spread import spread
from tumordiff_core.progress import Progress
from tumordiff_core.tasks import preprocess
from tumordiff_core.training import datasets
from tumordiff_core.training.split import stratified

SLICES = 8


def patients(folder: Path, count: int = 3, **more: Any) -> Path:
    """Studies of some patients, three phases of eight slices each."""
    for number in range(count):
        dicom_base.series(folder / f"P{number}", slices=SLICES, patient=f"P{number}", study=f"{number}", **more)
    return folder


def preprocessed(**params: Any) -> tuple[Path, dict[str, Any]]:
    """Run the job in this process; its folder and its manifest."""
    job = jobfolder.new_job("preprocess", {"processes": 1, **params})
    assert worker.main(job) == 0, jobfolder.failure(job)
    place = Path(params["out"]) if params.get("out") else job / "result" / "arrays"
    return place, json.loads((place / "manifest.json").read_text("utf-8"))


def test_arrays_are_the_phases_and_the_manifest_tells_all(home: Path, tmp_path: Path) -> None:
    source = patients(tmp_path / "source")
    before = {p: p.stat().st_mtime_ns for p in source.rglob("*")}
    place, manifest = preprocessed(paths=[str(source)])
    assert manifest["figures"]["arrays"] == 9 and manifest["figures"]["files"] == 9 * SLICES
    for line in manifest["arrays"]:
        content = (place / line["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == line["sha256"] and len(content) == line["bytes"]
        values = np.load(place / line["name"], allow_pickle=False)
        expected = [dicom_base.slice_values(line["phase"], k) for k in range(SLICES)]
        np.testing.assert_array_equal(values, expected)
        assert line["spacing_mm"] == list(dicom_base.SPACING_MM) and len(line["noise"]) == SLICES
        assert "/" not in line["name"].replace("/", "", 1) and line["patient"] in {"P0", "P1", "P2"}
    assert list(manifest["steps"]) == list(preprocess.STEPS)
    assert manifest["steps"]["date parsed"] == 9 and manifest["steps"]["date missing"] == 0
    assert set(manifest["split"]) == {"P0", "P1", "P2"}
    assert {p: p.stat().st_mtime_ns for p in source.rglob("*")} == before


def test_every_cleaning_step_is_counted(home: Path, tmp_path: Path) -> None:
    def colour(data: Dataset, phase: int, number: int) -> None:
        data.PhotometricInterpretation = "PALETTE COLOR"

    def undated(data: Dataset, phase: int, number: int) -> None:
        data.StudyDate = "" if number else "hello"

    def infinite(data: Dataset, phase: int, number: int) -> None:
        values = dicom_base.slice_values(phase, number).astype(np.float32)
        values[3, 4:6] = np.nan, np.inf
        del data.PixelData
        data.BitsAllocated, data.FloatPixelData = 32, values.tobytes()

    source = tmp_path / "source"
    dicom_base.series(source / "a", slices=SLICES, patient="COLOUR", study="1", change=colour)
    with pytest.warns(UserWarning, match="Invalid value"):
        dicom_base.series(source / "b", slices=SLICES, patient="UNDATED", study="2", change=undated)
    dicom_base.series(source / "c", slices=SLICES, patient="INFINITE", study="3", change=infinite)
    place, manifest = preprocessed(paths=[str(source)], shape="pad", rows=20, columns=40)
    steps = manifest["steps"]
    assert steps["grey conversion refused"] == 3 and steps["date missing"] == 3 and steps["date parsed"] == 3
    assert steps["invalid values replaced"] == 3 and steps["shape padded"] == 6 and steps["shape cropped"] == 6
    refused = manifest["refused"]
    assert len(refused) == 3 and "colour picture" in refused[0]["sentence"] and refused[0]["patient"] == "COLOUR"
    line = next(a for a in manifest["arrays"] if a["patient"] == "INFINITE" and a["phase"] == 0)
    values = np.load(place / line["name"])
    assert values.shape == (SLICES, 20, 40) and np.isfinite(values).all()
    np.testing.assert_array_equal(values[5, 5:, 4:36], dicom_base.slice_values(0, 5)[7:22])


def test_slices_are_resampled_to_one_size(home: Path, tmp_path: Path) -> None:
    source = patients(tmp_path / "source", 1)
    place, manifest = preprocessed(paths=[str(source)], shape="resample", rows=48, columns=16)
    line = manifest["arrays"][0]
    values = np.load(place / line["name"])
    assert values.shape == (SLICES, 48, 16) and manifest["steps"]["shape resampled"] == 3
    assert line["spacing_mm"] == pytest.approx([2.0, 0.4, 1.4])
    assert values.mean() == pytest.approx(dicom_base.slice_values(0, 0).mean(), rel=0.1)


def test_one_phase_and_the_pre_phases(home: Path, tmp_path: Path) -> None:
    source = patients(tmp_path / "source", 2)
    _, manifest = preprocessed(paths=[str(source)], phases="pre")
    assert [a["phase"] for a in manifest["arrays"]] == [0, 0]


def test_it_goes_on_where_it_was_and_patients_keep_their_part(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _, first = preprocessed(paths=[str(patients(tmp_path / "one", 3))], out=str(out))
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*.npy")}
    lines = (out / "manifest.jsonl").read_bytes()
    damaged = next(iter(stamps))
    damaged.write_bytes(b"cut")
    (out / "manifest.jsonl").write_bytes(lines[:-40])
    made: list[str] = []
    real = preprocess.make
    monkeypatch.setattr(preprocess, "make", lambda order: (made.append(order.name), real(order))[1])
    for number in range(3, 12):
        dicom_base.series(tmp_path / "one" / f"P{number}", slices=SLICES, patient=f"P{number}", study=f"{number}")
    _, second = preprocessed(paths=[str(tmp_path / "one")], out=str(out))
    last = json.loads(lines.splitlines()[-1])["name"]
    assert len(made) == 27 + len({str(damaged.relative_to(out)), last})
    assert len(second["arrays"]) == 36 and len({a["name"] for a in second["arrays"]}) == 36
    assert {p: second["split"][p] for p in first["split"]} == first["split"]
    for path, stamp in stamps.items():
        if path != damaged and path.relative_to(out).as_posix() != last:
            assert path.stat().st_mtime_ns == stamp
    _, third = preprocessed(paths=[str(tmp_path / "one")], out=str(out))
    assert len(made) == 27 + len({str(damaged.relative_to(out)), last})
    assert third["split"] == second["split"] and third["arrays"] == second["arrays"]


def test_a_folder_of_somebody_else_is_left_alone_and_nothing_is_said(home: Path, tmp_path: Path) -> None:
    source, other = patients(tmp_path / "source", 1), tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    job = jobfolder.new_job("preprocess", {"paths": [str(source)], "out": str(other)})
    assert worker.main(job) == 1 and "already there" in (jobfolder.failure(job) or "")
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]
    empty = tmp_path / "flat"
    dicom_base.series(empty, phases=1, slices=3, patient="FLAT", study="9")
    job = jobfolder.new_job("preprocess", {"paths": [str(empty)], "processes": 1})
    assert worker.main(job) == 1
    assert jobfolder.failure(job) == InputError("preprocess.nothing").sentence


def test_the_manifest_is_data_to_train_on(home: Path, tmp_path: Path) -> None:
    place, manifest = preprocessed(paths=[str(patients(tmp_path / "source", 5))])
    stacks = datasets.read_data(place / "manifest.json")
    assert len(stacks) == 15 and {s.patient: s.part for s in stacks} == manifest["split"]
    for stack in stacks:
        assert stack.images.shape == (SLICES, 24, 32) and isinstance(stack.images, np.memmap)
        assert stack.position.tolist() == list(range(SLICES)) and stack.one_scale.all()
        assert (stack.noise > 0).all()
    assert any(s.quiet for s in stacks)
    assert datasets.fingerprint(place / "manifest.json")


# the split


@trying(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), st.sampled_from(["a", "b", "c"]), min_size=40, max_size=150))
def test_the_split_is_80_10_10_over_all_and_nearly_in_each_stratum(strata: dict[str, str]) -> None:
    parts = stratified(strata)
    assert parts.keys() == strata.keys() and stratified(dict(reversed(strata.items()))) == parts
    count, total = Counter(parts.values()), len(parts)
    assert abs(count["train"] - 0.8 * total) <= 2 and abs(count["val"] - count["test"]) <= 2
    for stratum in set(strata.values()):
        here = Counter(parts[name] for name in strata if strata[name] == stratum)
        assert abs(here["train"] - 0.8 * here.total()) <= 4


@trying(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=12, max_size=60, unique=True), st.integers(1, 11))
def test_a_patient_keeps_the_part_of_an_earlier_split(names: list[str], first: int) -> None:
    before = stratified(dict.fromkeys(names[:first], "x"))
    after = stratified(dict.fromkeys(names, "x"), before)
    assert {n: after[n] for n in before} == before and after.keys() == set(names)


# other machines


def square(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number * number


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A Dask scheduler and two workers of one thread on loopback, in processes of their own."""
    pytest.importorskip("distributed", reason="distributed is not installed: pip install 'tumordiff[cluster]'")
    place = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    started = []

    def start(*arguments: str) -> None:
        started.append(subprocess.Popen(
            [sys.executable, "-m", *arguments], env=environment, cwd=tmp_path,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ))  # fmt: skip

    start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
          "--scheduler-file", str(place))  # fmt: skip
    for _ in range(2):
        start("distributed.cli.dask_worker", "--scheduler-file", str(place), "--nthreads", "1", "--no-nanny",
              "--no-dashboard", "--memory-limit", "0", "--host", "127.0.0.1")  # fmt: skip
    try:
        yield _address(place, started[0])
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(20)


def _address(place: Path, scheduler: "subprocess.Popen[bytes]") -> str:
    """The scheduler's address once it has written it."""
    import threading

    waiting = threading.Event()
    for _ in range(300):
        if place.is_file():
            try:
                return str(json.loads(place.read_text())["address"])
            except ValueError:
                pass
        assert scheduler.poll() is None, "the scheduler ended"
        waiting.wait(0.2)
    raise AssertionError("the scheduler did not start")


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_two_workers_makes_the_same_arrays(home: Path, tmp_path: Path, cluster: str) -> None:
    source = patients(tmp_path / "source", 3)
    _, here = preprocessed(paths=[str(source)], out=str(tmp_path / "here"))
    _, there = preprocessed(paths=[str(source)], out=str(tmp_path / "there"), cluster=cluster)
    named = ("name", "sha256", "patient", "steps", "noise", "key")
    assert [[a[n] for n in named] for a in there["arrays"]] == [[a[n] for n in named] for a in here["arrays"]]
    found = {o.item: (o.answer, type(o.error)) for o in spread(square, range(5), cluster=cluster, progress=Progress())}
    assert found == {0: (0, type(None)), 1: (1, type(None)), 2: (4, type(None)), 3: (None, ValueError),
                     4: (16, type(None))}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from tumordiff_core.jobs import spread as room

    monkeypatch.setattr(room, "CLUSTER_PATIENCE_S", 1)
    pytest.importorskip("distributed", reason="distributed is not installed: pip install 'tumordiff[cluster]'")
    with pytest.raises(MissingError, match="it does not answer") as caught:
        list(spread(square, [1], cluster="tcp://127.0.0.1:9", progress=Progress()))
    assert caught.value.code == "jobs.no_cluster"
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingError, match="Dask is not installed"):
        list(spread(square, [1], cluster="tcp://127.0.0.1:9", progress=Progress()))


@pytest.mark.real
def test_the_real_study_becomes_three_arrays(home: Path, ispy1_dicom: Path, ispy1_expected: dict[str, Any]) -> None:
    place, manifest = preprocessed(paths=[str(ispy1_dicom)])
    lines = sorted(manifest["arrays"], key=lambda a: a["phase"])
    assert [a["phase"] for a in lines] == [0, 1, 2] and {a["patient"] for a in lines} == {"ISPY1_1002"}
    assert [int(np.load(place / a["name"]).max()) for a in lines] == ispy1_expected["dynamic"]["max"]
    assert all(a["shape"] == [60, 256, 256] and a["dtype"] == "int16" for a in lines)
