"""The shipped model at its own noise level passes the gate on the real study; at a wrong level it is asked."""

from pathlib import Path
from typing import Any

import pytest

from tumordiff_core import model_cards, paths
from tumordiff_core.jobs import folder as jobs
from tumordiff_core.jobs import worker
from tumordiff_core.result_folder import Record, open_result

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(1800)]


def run(task: str, params: dict[str, Any]) -> Path:
    folder = jobs.new_job(task, params)
    assert worker.main(folder) == 0, jobs.failure(folder)
    return folder


@pytest.fixture
def denoise(home: Path, ispy1_dicom: Path) -> Any:
    """The dynamic series by the shipped model, at a factor of its measured level; the study is in the catalogue."""
    if not (paths.resources() / "models" / model_cards.DEFAULT).is_dir():
        pytest.skip(f"the model {model_cards.DEFAULT} is not shipped yet")
    run("index", {"paths": [str(ispy1_dicom)]})
    series = str(next(ispy1_dicom.glob("*/*/3.000000-*")))

    def at(sigma: float | None) -> Record:
        return open_result(run("denoise", {"input": series, "sigma": sigma}) / "result").record

    return at


def asked(record: Record) -> dict[str, str]:
    return {one["code"]: one["sentence"] for one in record.findings if one["level"] == "confirm"}


def test_shipped_model_passes_at_its_own_level_and_is_asked_at_another(denoise: Any) -> None:
    own = denoise(None)
    print({name: value for name, value in own.figures["gate"].items() if name != "peaks"})
    assert asked(own) == {}
    level = min(own.noise["sigma"])
    for factor in (0.5, 2.0):
        assert "export.level_differs" in asked(denoise(factor * level))
