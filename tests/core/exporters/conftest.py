"""Denoised results to export: of a made series, and of the real study under a mild filter."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.generators import denoised, dicom_base
from tumordiff_core.dicom import stack
from tumordiff_core.imaging.volume import Volume
from tumordiff_core.result_folder import Result

Made = Callable[..., Result]


@pytest.fixture
def made_series(tmp_path: Path) -> Path:
    """A made dynamic series, 3 phases of 6 slices."""
    folder = tmp_path / "source"
    dicom_base.series(folder, phases=3, slices=6)
    return folder


@pytest.fixture
def made_result(made_series: Path, tmp_path: Path, home: Path) -> Result:
    """A result of kind denoised from the made series."""
    volume = stack.open_folder(made_series)
    return denoised.make(tmp_path / "result", volume, denoised.blurred(volume.values, 0.4), levels=[denoised.GIVEN] * 3)


@pytest.fixture(scope="session")
def real_volume(ispy1_dicom: Path) -> Volume:
    """The dynamic series of the real study."""
    return stack.open_folder(next(ispy1_dicom.glob("*/*/3.000000-*")))


@pytest.fixture(scope="session")
def real_result(real_volume: Volume, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A result of kind denoised from the real study; a mild filter stands in for the model (read only)."""
    folder = tmp_path_factory.mktemp("filtered") / "result"
    return denoised.make(folder, real_volume, denoised.blurred(real_volume.values, 0.3))
