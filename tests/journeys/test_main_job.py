"""The main job by the command line: index, studies, denoise, export, and the result read by other software."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from SimpleITK import GetArrayFromImage, ReadImage

from tests.generators import tiny_model
from tumordiff_core import model_cards, paths
from tumordiff_core.simulation import cohort

PATIENCE_S = 800
pytestmark = pytest.mark.timeout(2400)  # several processes that each import the engine: a loaded machine takes long


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a model: the shipped one, or an untrained one where none is shipped yet."""
    home = tmp_path_factory.mktemp("journey")
    if not (paths.resources() / "models" / model_cards.DEFAULT).is_dir():
        tiny_model.make(home / "home" / "data" / "models", model_cards.DEFAULT)
    return home


@pytest.fixture(scope="module")
def call(place: Path) -> Any:
    """``tumordiff`` as a process of its own."""

    def run(*arguments: object) -> Said:
        environment = {**os.environ, "TUMORDIFF_HOME": str(place / "home")}
        asked = [sys.executable, "-m", "tumordiff_core", *(str(a) for a in arguments)]
        done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


def digest(folder: Path) -> str:
    """One figure for all bytes below a folder."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def go(call: Any, source: Path, series: Path, out: Path) -> dict[str, Any]:
    """Index, list, denoise and export; what the steps answered."""
    before = digest(source)
    indexed = call("index", source, "--json")
    assert indexed.code == 0, indexed.err
    studies = call("studies", "--json")
    assert studies.code == 0, studies.err
    denoised = call("denoise", series, "--out", out / "denoised", "--yes", "--json")
    assert denoised.code == 0, denoised.err
    assert "denoise" in denoised.err
    exported = call("export", denoised.record["job"][-4:], "--to", out / "exported", "--as", "dicom", "--yes", "--json")
    assert exported.code == 0, exported.err
    refused = call("export", denoised.record["job"], "--to", out / "exported", "--as", "dicom", "--yes")
    assert refused.code == 1 and "already there" in refused.err
    assert digest(source) == before
    return {"studies": studies.record, "denoised": denoised.record, "exported": exported.record}


def read_back(source: Path, written: Path, phases: int) -> None:
    """pydicom, SimpleITK and dcmdump agree that the written series is the source's grid, derived and new."""
    ours = sorted(written.rglob("*.dcm"))
    theirs = [pydicom.dcmread(p) for p in sorted(source.glob("*.dcm"))]
    assert len(ours) == len(theirs)
    read = [pydicom.dcmread(p) for p in ours]
    assert {d.StudyInstanceUID for d in read} == {theirs[0].StudyInstanceUID}
    assert len({d.SeriesInstanceUID for d in read}) == 1
    assert read[0].SeriesInstanceUID != theirs[0].SeriesInstanceUID
    assert not {d.SOPInstanceUID for d in read} & {d.SOPInstanceUID for d in theirs}
    assert all(list(d.ImageType[:2]) == ["DERIVED", "SECONDARY"] for d in read)
    by_uid = {d.SOPInstanceUID: d for d in theirs}
    differences = []
    for ds in read:
        origin = by_uid[ds.SourceImageSequence[0].ReferencedSOPInstanceUID]
        assert np.allclose(ds.ImagePositionPatient, origin.ImagePositionPatient, atol=1e-4)
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        differences.append(np.mean(np.abs(ds.pixel_array * slope + intercept - origin.pixel_array)))
    assert 0 < np.mean(differences) < 6
    one_phase = sorted(ours)[: len(ours) // phases]
    image = ReadImage([str(p) for p in one_phase])
    assert image.GetSize()[:2] == (theirs[0].Columns, theirs[0].Rows)
    assert np.isfinite(GetArrayFromImage(image)).all()
    if shutil.which("dcmdump"):
        told = subprocess.run(["dcmdump", str(ours[0])], capture_output=True, text=True, check=False)
        assert told.returncode == 0 and "DERIVED\\SECONDARY" in told.stdout
    if shutil.which("dciodvfy"):
        for path in (ours[0], ours[-1]):
            told = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
            assert [line for line in told.stderr.splitlines() if line.startswith("Error")] == []


def test_the_main_job_on_simulated_patients(place: Path, call: Any, synthetic_cohort: Path) -> None:
    visit = cohort.read(synthetic_cohort)["visits"][0]
    source, out = synthetic_cohort / visit["series"], place / "synthetic"
    said = go(call, synthetic_cohort / "ISPY1", source, out)
    assert "SYN-DEMO-001" in json.dumps(said["studies"]) and visit["series_uid"] in json.dumps(said["studies"])
    figures = said["denoised"]["figures"]
    assert figures["rule"] == "recorded"
    assert figures["ftv_before_cc"] == pytest.approx(visit["ftv_acquired_cc"]) and figures["ftv_after_cc"] > 0
    for written in (out / "denoised", out / "exported"):
        read_back(source, written, phases=3)


def test_the_response_by_the_command_line(place: Path, call: Any, synthetic_cohort: Path) -> None:
    assert call("index", synthetic_cohort / "ISPY1").code == 0
    said = call("response", "SYN-DEMO-002", "--json")
    assert said.code == 0, said.err
    assert said.record["visits"][0]["visit"] == "T1"
    result = place / "response"
    assert call("export", said.record["result"], "--to", result, "--as", "csv").code == 0
    with (result / "response.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["rule"] == "recorded"
    nobody = call("response", "NOBODY")
    assert nobody.code == 1 and nobody.err.strip().splitlines()[-1].startswith("NOBODY names none")


@pytest.mark.real
def test_the_main_job_on_the_real_study(
    place: Path, call: Any, ispy1_dicom: Path, ispy1_expected: dict[str, Any]
) -> None:
    source = next(ispy1_dicom.glob("*/*/3.000000-*"))
    said = go(call, ispy1_dicom, source, place / "real")
    assert "ISPY1_1002" in json.dumps(said["studies"])
    figures = said["denoised"]["figures"]
    assert (figures["ftv_before_voxels"], figures["rule"]) == (ispy1_expected["published"]["ftv_pe_voxels"], "recorded")
    assert figures["published"][0]["voxels"] == 4350
    for written in (place / "real" / "denoised", place / "real" / "exported"):
        read_back(source, written, phases=3)
