"""Headers and pixels against their peers, in one run on the same processor: ratios, printed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tumordiff_core.dicom import pixels, stack
from tumordiff_core.dicom.headers import read_header
from tumordiff_core.dicom.tags import WANTED
from tumordiff_core.dicom.walk import Memo
from tumordiff_core.imaging import cache
from tumordiff_core.tasks import preprocess

pytestmark = [pytest.mark.benchmark, pytest.mark.real]
REPEATS = 5


def cpu_s(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The least CPU seconds of some runs."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


@pytest.fixture(scope="module")
def paths(ispy1_dicom: Path) -> list[Path]:
    found = sorted(ispy1_dicom.rglob("*.dcm"))
    for path in found:
        path.read_bytes()
    return found


@pytest.fixture(scope="module")
def one_phase(paths: list[Path]) -> list[dict[str, Any]]:
    headers = [read_header(path) for path in paths if "Dynamic-3dfgre-" in path.parent.name]
    dynamic = [h for h in headers if h["SeriesNumber"] == 3]
    return [dict(h) for h in stack.order.order_series(dynamic)[0].phases[1]]


def by_pydicom(paths: list[Path]) -> int:
    """All catalogue tags of all files as values."""
    tags, count = list(WANTED), 0
    for path in paths:
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        count += sum(1 for element in data if element.value is not None)
    return count


def by_us(paths: list[Path]) -> int:
    """The same with every check, layouts learnt anew."""
    memo = Memo()
    return sum(len(read_header(path, memo=memo)) for path in paths)


def test_headers_against_pydicom(paths: list[Path]) -> None:
    ratio = cpu_s(lambda: by_pydicom(paths), 3) / cpu_s(lambda: by_us(paths))
    print(f"\nheaders of {len(paths)} files, all catalogue tags as values: {ratio:.1f}x faster than pydicom (CPU)")
    assert ratio >= 12


def test_headers_against_gdcm(paths: list[Path]) -> None:
    gdcm = pytest.importorskip("gdcm")
    # Its dictionary lacks SyntheticData, and asking for a tag that it did not take ends the whole process.
    tags = [gdcm.Tag(tag >> 16, tag & 0xFFFF) for tag, (keyword, _) in WANTED.items() if keyword != "SyntheticData"]
    names = [str(path) for path in paths]

    def scan() -> int:
        scanner = gdcm.Scanner()
        for tag in tags:
            scanner.AddTag(tag)
        assert scanner.Scan(names)
        return sum(1 for name in names for tag in tags if scanner.GetValue(name, tag) is not None)

    ratio = cpu_s(scan, 3) / cpu_s(lambda: by_us(paths))
    print(f"\nheaders of {len(paths)} files: {ratio:.1f}x faster than gdcm's Scanner, values read (CPU)")
    assert ratio >= 4


def by_itk(names: list[str]) -> np.ndarray:
    sitk = pytest.importorskip("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    image = reader.Execute()
    return np.array(sitk.GetArrayViewFromImage(image))


def test_a_phase_from_its_files_against_simpleitk(one_phase: list[dict[str, Any]]) -> None:
    names = [h["path"] for h in one_phase]
    np.testing.assert_array_equal(pixels.read_stored(one_phase), by_itk(names))
    ratio = cpu_s(lambda: pixels.read_stored(one_phase), 20) / cpu_s(lambda: by_itk(names))
    print(f"\n{len(names)} x 256 x 256 from its files: {ratio:.3f}x of SimpleITK (CPU)")
    assert ratio <= 0.06


def test_a_phase_from_the_cache_against_simpleitk(
    one_phase: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUMORDIFF_HOME", str(tmp_path))
    sources = [cache.SourceFile(str(h["path"]), h["size"], h["mtime_ns"]) for h in one_phase]
    values = pixels.read_stored(one_phase)
    cache.store(cache.key("1.2", 1, sources), values, {"slope": 1.0})
    names = [h["path"] for h in one_phase]

    def from_cache() -> np.ndarray:
        found = cache.find(cache.key("1.2", 1, sources))
        assert found is not None and found.facts()["slope"] == 1.0
        return np.array(found.array())

    np.testing.assert_array_equal(from_cache(), by_itk(names))
    ratio = cpu_s(from_cache, 20) / cpu_s(lambda: by_itk(names))
    print(f"\n{len(names)} x 256 x 256 from the cache, key and copy included: {ratio:.3f}x of SimpleITK (CPU)")
    assert ratio <= 0.03


def test_preprocessing_against_a_plain_loop(one_phase: list[dict[str, Any]], tmp_path: Path) -> None:
    names = tuple(str(h["path"]) for h in one_phase)
    order = preprocess.Order(
        "a/ours.npy", "key", "P", "1.2", "T1", 0, "1.2.3", 0, 1, None, names, (-1,) * len(names), str(tmp_path),
        "keep", 256, 256,
    )  # fmt: skip

    def plain() -> None:
        slices = [pydicom.dcmread(name) for name in names]
        slices.sort(key=lambda data: -float(data.ImagePositionPatient[0]))
        np.save(tmp_path / "plain.npy", np.stack([data.pixel_array for data in slices]))

    ratio = cpu_s(plain, 3) / cpu_s(lambda: preprocess.make(order))
    np.testing.assert_array_equal(np.load(tmp_path / "plain.npy"), np.load(tmp_path / "a" / "ours.npy"))
    print(f"\npreprocessing {len(names)} files, checksum, noise and all: {ratio:.1f}x the files per CPU second")
    assert ratio >= 3
