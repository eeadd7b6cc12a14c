"""Things that many tests share, made once per run."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
STUDY_SHA256 = "8d7808b6246ef410ffd6a6b35fda88f8cad46d322d20cef3ad9b966d1d49fcf4"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own for everything the program keeps; what this process remembered of another is forgotten."""
    from tumordiff_core import settings
    from tumordiff_core.catalogue import database
    from tumordiff_core.plugins import manager
    from tumordiff_core.tasks import reader

    # A reader asked here must not limit the memory of all tests that follow.
    monkeypatch.setattr(reader, "limit_memory", lambda: None)
    place = tmp_path / "home"
    monkeypatch.setenv("TUMORDIFF_HOME", str(place))
    settings.load.cache_clear()
    manager.door.cache_clear()
    yield place
    database.close()
    settings.load.cache_clear()
    manager.door.cache_clear()


@pytest.fixture(scope="session")
def ispy1_dicom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``ISPY1`` of the real study ISPY1_1002, unpacked once per run (read only)."""
    archive = SHARED / "ispy1_1002.zip"
    if not archive.is_file():
        pytest.skip(f"{archive.name} is not beside the checkout, so the real study cannot be read.")
    content = archive.read_bytes()
    assert hashlib.sha256(content).hexdigest() == STUDY_SHA256, "ispy1_1002.zip is damaged: copy it again."
    place = tmp_path_factory.mktemp("real")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(place)
    return place / "ISPY1"


@pytest.fixture(scope="session")
def real_slices() -> list[Any]:
    """The 24 real slices of 12 test patients that methods are judged on (read only)."""
    from tumordiff_core.evaluation import references
    from tumordiff_core.training import datasets

    pack = SHARED / "ispy1_slices.npz"
    if not pack.is_file():
        pytest.skip(f"{pack.name} is not beside the checkout, so nothing can be tried on real slices.")
    return references.of_pack(datasets.read_pack([pack]))


@pytest.fixture(scope="session")
def ispy1_expected() -> dict[str, Any]:
    """The published and verified figures of the real study."""
    record = SHARED / "expected_ispy1_1002.json"
    if not record.is_file():
        pytest.skip(f"{record.name} is not beside the checkout, so the real study has nothing to be compared with.")
    expected: dict[str, Any] = json.loads(record.read_text("utf-8"))
    return expected


@pytest.fixture(scope="session")
def synthetic_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small synthetic cohort with truth: 2 patients x 2 visits, 12 x 64 x 64, 3 phases (read only)."""
    from tests.generators import cohort

    return cohort.make(tmp_path_factory.mktemp("cohort") / "small")
