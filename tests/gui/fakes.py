"""A small made-up catalogue and reader for tests of the window: no files of patients, no child processes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QImage

from tumordiff_core import model_cards, paths
from tumordiff_core.catalogue import listing
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_gui.background.warm import Request
from tumordiff_gui.state.slice_view import Picture

SHAPE = (24, 96, 80)


@dataclass(frozen=True)
class PhaseNode:
    index: int
    label: str
    slices: int
    effective_s: float | None


@dataclass(frozen=True)
class SeriesNode:
    uid: str
    number: int
    description: str
    modality: str
    role: str
    files: int
    phases: tuple[PhaseNode, ...]
    remark: str = ""
    present: bool = True


@dataclass(frozen=True)
class VisitNode:
    study_uid: str
    label: str
    days: int | None
    evidence: str
    study_date: date | None
    description: str
    series: tuple[SeriesNode, ...]
    remark: str = ""


@dataclass(frozen=True)
class PatientNode:
    patient_id: str
    collection: str
    sex: str
    age: str
    laterality: str
    visits: tuple[VisitNode, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def sagittal(shape: tuple[int, int, int] = SHAPE) -> Geometry:
    """A right breast in sagittal slices: columns towards posterior, rows towards the feet, slices towards the left."""
    return Geometry(shape, (3.0, 1.5, 1.5), (-120.0, -80.0, 70.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0))


@cache
def breast(phase: int = 0, shape: tuple[int, int, int] = SHAPE, seed: int = 1) -> np.ndarray:
    """A made-up breast with a lesion that takes up contrast, uint16 [slice, row, column]."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    zz, yy, xx = z[:, None, None], y[None, :, None], x[None, None, :]
    body = ((xx - 1.1) / 1.7) ** 2 + (yy / 0.95) ** 2 + (zz / 1.15) ** 2 < 1
    random = np.random.default_rng(seed)
    coarse = random.normal(size=tuple(n // 6 + 2 for n in shape)).astype(np.float32)
    texture = coarse
    for axis, n in enumerate(shape):
        at = np.linspace(0, texture.shape[axis] - 1.001, n)
        low, part = at.astype(int), at % 1
        part = part.reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.float32)
        texture = np.take(texture, low, axis) * (1 - part) + np.take(texture, low + 1, axis) * part
    glandular = 300 + 140 * texture
    lesion = ((xx - 0.15) / 0.16) ** 2 + ((yy + 0.1) / 0.14) ** 2 + ((zz - 0.1) / 0.2) ** 2 < 1
    values = np.where(body, 260 + np.maximum(glandular * 0.5, 0), 8)
    values = values + body * phase * 18 + lesion * (380 if phase else 40) * (1 if phase < 2 else 0.9)
    return np.clip(values + random.normal(0, 9, shape), 0, 4095).astype(np.uint16)


def cohort(patients: int = 3, visits: int = 4) -> list[PatientNode]:
    """Patients DEMO-001 ... with four visits each; the last visit of the second patient is missing."""
    made = []
    for number in range(1, patients + 1):
        here = []
        for visit in range(1, visits + 1):
            if number == 2 and visit == visits:
                continue
            uid = f"1.2.{number}.{visit}"
            phases = tuple(
                PhaseNode(i, ("pre", "post 1", "post 2")[i], SHAPE[0], (-60.0, 151.0, 453.0)[i]) for i in range(3)
            )
            series = (
                SeriesNode(f"{uid}.1", 2, "DCE T1 fat-sat", "MR", "dynamic", 3 * SHAPE[0], phases),
                SeriesNode(f"{uid}.2", 20001, "SER", "MR", "ser_map", SHAPE[0], (PhaseNode(0, "", SHAPE[0], None),)),
                SeriesNode(f"{uid}.3", 1, "localizer", "MR", "localizer", 9, ()),
            )
            days = (0, 21, 70, 126)[visit - 1]
            made_on = date(2000, 1, 1 + visit)
            here.append(VisitNode(uid, f"T{visit}", days, "tag", made_on, "MR BREAST UNI", series))
        facts = {"age": 52.0, "hr": 1, "her2": 0, "subtype": "HR+ HER2-", "pcr": 0, "mri_ld_t1": 42}
        made.append(PatientNode(f"DEMO-{number:03}", "ISPY1", "F", "052Y", "R", tuple(here), facts))
    return made


class FakeCatalogue(SimpleNamespace):
    """Answers like ``tumordiff_core.catalogue.queries``."""

    def __init__(self, patients: list[PatientNode]) -> None:
        super().__init__(
            patients=patients, recorded_masks={}, shown_results=[], shown_skips=[], shown_doubts=[], shown_roots=[]
        )
        self.labels: dict[str, tuple[str, int | None]] = {}

    def tree(self, search: str = "") -> list[PatientNode]:
        wanted = listing.terms(search)
        return [p for p in self.patients if all(word in self._words(p) for word in wanted)]

    def _words(self, patient: PatientNode) -> str:
        named = [f"{name}:{value}" for name, value in patient.facts.items()]
        named += [f"{name}:{'yes' if value else 'no'}" for name, value in patient.facts.items() if value in (0, 1)]
        labels = {visit.label for visit in patient.visits}
        named += [f"missing:{label}" for label in ("T1", "T2", "T3", "T4") if label not in labels]
        named += [f"result:{r.kind}" for r in self.shown_results if r.patient_id == patient.patient_id]
        return "\n".join([repr(patient), *named]).casefold()

    def doubts(self) -> list[Any]:
        return list(self.shown_doubts)

    def skipped(self) -> list[Any]:
        return list(self.shown_skips)

    def roots(self) -> list[dict[str, Any]]:
        return list(self.shown_roots)

    def patient(self, patient_id: str) -> PatientNode | None:
        return next((p for p in self.patients if p.patient_id == patient_id), None)

    def visit(self, study_uid: str) -> VisitNode:
        return next(v for p in self.patients for v in p.visits if v.study_uid == study_uid)

    def series(self, uid: str) -> SeriesNode:
        return next(s for p in self.patients for v in p.visits for s in v.series if s.uid == uid)

    def recorded(self, study_uid: str) -> Any:
        return SimpleNamespace(masks=dict(self.recorded_masks))

    def dynamic(self, study_uid: str) -> Any:
        return None

    def results(self, study_uid: str | None = None) -> list[Any]:
        return [r for r in self.shown_results if study_uid in (None, r.study_uid)]

    def phase_files(self, series_uid: str, phase: int) -> list[Any]:
        return [SimpleNamespace(path=Path(f"/nowhere/{i}.dcm"), slice=i) for i in range(SHAPE[0])]


class FakeEdits:
    """Answers like ``tumordiff_core.catalogue.edits``."""

    def __init__(self, catalogue: FakeCatalogue) -> None:
        self._catalogue = catalogue

    def set_time_point(self, study_uid: str, label: str, days: int | None) -> Any:
        before = self._catalogue.visit(study_uid)
        self._put(study_uid, label, days)
        return (study_uid, before.label, before.days)

    def restore_time_point(self, before: Any) -> None:
        self._put(*before)

    def _put(self, study_uid: str, label: str, days: int | None) -> None:
        from dataclasses import replace

        self._catalogue.patients = [
            replace(
                p,
                visits=tuple(replace(v, label=label, days=days) if v.study_uid == study_uid else v for v in p.visits),
            )
            for p in self._catalogue.patients
        ]


class FakeWarm(QObject):
    """Answers like the reader child, from made-up volumes, in a later turn of the event loop."""

    def __init__(self, catalogue: FakeCatalogue, place: Path) -> None:
        super().__init__()
        self._catalogue, self._place = catalogue, place
        self.asked: list[dict[str, Any]] = []
        self.failing = ""
        self.failing_ops: dict[str, str] = {}
        self.held_ops: set[str] = set()
        self.truth_known = False
        place.mkdir(parents=True, exist_ok=True)

    def ask(
        self,
        service: str,
        body: dict[str, Any],
        answered: Callable[[dict[str, Any]], None],
        failed: Callable[[str, str], None] | None = None,
        *,
        key: str = "",
        first: bool = False,
    ) -> Any:
        self.asked.append(body)
        request = Request(body, answered, failed, key)

        def later() -> None:
            if request.cancelled or body["op"] in self.held_ops:
                return
            trouble = self.failing or self.failing_ops.get(body["op"], "")
            if trouble and failed is not None:
                failed(trouble, "a traceback")
            else:
                answered(getattr(self, body["op"])(body))

        QTimer.singleShot(0, self, later)
        return request

    def wake(self, name: str) -> None:
        """Nothing to wake."""

    def close(self) -> None:
        """Nothing to close."""

    def phase(self, body: dict[str, Any]) -> dict[str, Any]:
        uid, phase = body["series_uid"], body["phase"]
        series = self._catalogue.series(uid)
        patient, visit = next(
            (p, v) for p in self._catalogue.patients for v in p.visits if any(s.uid == uid for s in v.series)
        )
        npy, record = self._place / f"{uid}.{phase}.npy", self._place / f"{uid}.{phase}.json"
        values = breast(phase) if series.role == "dynamic" else breast(1) * (breast(1) > 600)
        np.save(npy, values)
        derived = series.role != "dynamic"
        record.write_text(json.dumps({
            "slope": 0.0025 if derived else 1.0, "intercept": 0.0, "geometry": sagittal().to_record(), "window": None,
            "provenance": "derived" if derived else "acquired", "photometric": "MONOCHROME2",
            "facts": {
                "patient_id": patient.patient_id, "study_uid": visit.study_uid, "series_uid": uid,
                "time_point": visit.label, "days": visit.days, "laterality": "R", "laterality_source": "tag",
                "series_description": series.description, "phase": phase, "phases": max(len(series.phases), 1),
                "phase_label": series.phases[phase].label if len(series.phases) > 1 else "",
                "effective_s": series.phases[phase].effective_s, "study_date": str(visit.study_date), "age": "052Y",
            },
        }))  # fmt: skip
        return {"ok": True, "npy": str(npy), "record": str(record)}

    def thumbnail(self, body: dict[str, Any]) -> dict[str, Any]:
        phase = int(body["phase"] or 0)
        middle = np.ascontiguousarray(np.clip(breast(phase)[SHAPE[0] // 2] / 4, 0, 255).astype(np.uint8))
        image = QImage(middle.data, SHAPE[2], SHAPE[1], SHAPE[2], QImage.Format.Format_Grayscale8)
        file = self._place / f"thumb{phase}.png"
        if not file.exists():
            image.save(str(file))
        return {"ok": True, "png": str(file)}

    def tags(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [[0, "(0008,0060)", "CS", "Modality", "MR"], [0, "(0020,0060)", "CS", "Laterality", "R"]]
        return {"ok": True, "rows": rows + [[1, f"(0029,{n:04X})", "LO", "Private", f"value {n}"] for n in range(500)]}

    def mask(self, body: dict[str, Any]) -> dict[str, Any]:
        file = self._place / "mask.npy"
        np.save(file, breast(1) > 700)
        return {"ok": True, "npy": str(file)}

    # what the preview child answers

    def _stored(self, body: dict[str, Any]) -> np.ndarray:
        return np.load(body["npy"]).astype(np.float32)

    def _keep(self, name: str, values: np.ndarray) -> str:
        file = self._place / f"{name}.npy"
        np.save(file, values)
        return str(file)

    def slice(self, body: dict[str, Any]) -> dict[str, Any]:
        k, sigma = body["slice"], body.get("sigma")
        soft = smooth(self._stored(body)[k])
        name = f"slice-{body['model']}-{k}-{Path(body['npy']).stem}-{sigma}"
        return {
            "npy": self._keep(name, soft if "paper" not in body["model"] else smooth(soft)), "seconds": 0.01,
            "sigma": 9.0 if sigma is None else sigma, "low": 8.0, "high": 10.0, "measured": 9.0, "estimator": "air",
            "range": 180.0,
        }  # fmt: skip

    def chain(self, body: dict[str, Any]) -> dict[str, Any]:
        count, image = body["steps"], self._stored(body)[body["slice"]]
        sigmas = [9.0 * (1 - k / (count - 1)) for k in range(count)]
        if body["direction"] == "forward":
            sigmas = [400.0 * k / (count - 1) for k in range(count)]
        random = np.random.default_rng(body["seed"])
        images = np.stack([smooth(image) + random.normal(0, s + 1e-6, image.shape) for s in sigmas])
        scores = [30.0 + k for k in range(count)] if body["truth"] else None
        name = f"chain-{body['model']}-{body['direction']}"
        return {
            "npy": self._keep(name, images.astype(np.float32)), "sigma": sigmas,
            "t": [round(200.0 * s / 9.0) for s in sigmas], "psnr": scores,
            "change": [] if body["direction"] == "forward" else [0.0, *(9.0 / k for k in range(1, count - 1))],
            "ssim": None if scores is None else [s / 60 for s in scores],
        }  # fmt: skip

    def explain(self, body: dict[str, Any]) -> dict[str, Any]:
        """Weights of a 3 x 3 mean, a little of them in the neighbouring slices; the paper's network sees one slice."""
        paper = "paper" in body["model"]
        shares = [1.0] if paper else [0.7, 0.2, 0.1]
        weights = np.zeros((len(shares), 31, 31), np.float32)
        weights[:, 14:17, 14:17] = np.array(shares)[:, None, None] / 9
        weights[0, 14, 14] = -0.02
        looked = np.zeros(SHAPE[1:], np.float32)
        looked[32:64, 32:64] = np.linspace(0, 1, 32) + 0.01
        maps = np.stack([np.roll(looked[::8, ::8], k, 1) for k in range(8)])
        return {
            "npy": self._keep(f"filter-{body['model']}", weights), "share": shares, "total": float(weights[0].sum()),
            "names": ["this slice", "slice -1", "slice +1"][: len(shares)], "offsets": [0, -1, 1][: len(shares)],
            "width_px": 1.2, "attention": "" if paper else self._keep("attention", looked),
            "features": self._keep("features", maps) if body["features"] and not paper else "",
        }  # fmt: skip

    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        if not self.truth_known:
            return {"npy": ""}
        return {"npy": self._keep(f"truth{body['phase']}", smooth(breast(body["phase"]).astype(np.float32)))}

    def measure(self, body: dict[str, Any]) -> dict[str, Any]:
        here = range(body["from"], body["to"])
        known = bool(body["truth"])
        figures = {
            "psnr": [34.0 + (k % 5) for k in here], "ssim": [0.9 + (k % 5) / 100 for k in here],
            "psnr_before": [28.0 + (k % 5) for k in here] if known else [],
            "ssim_before": [0.7 for k in here] if known else [],
            "residual": [0.82 for k in here], "lag1": [-0.05 for k in here],
        }  # fmt: skip
        return {"first": body["from"], "figures": figures}

    def split(self, body: dict[str, Any]) -> dict[str, Any]:
        patients = {"train": [f"P{n}" for n in range(25)], "val": ["V1", "V2", "V3"], "test": ["X1", "X2", "X3"]}
        return {"name": Path(body["data"] or "demo").name, "slices": 467, "patients": patients}


def smooth(image: np.ndarray) -> np.ndarray:
    """A mean over 3 x 3 pixels: the denoiser of these tests."""
    padded = np.pad(image, [(0, 0)] * (image.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    rows, columns = image.shape[-2:]
    parts = [padded[..., r : r + rows, c : c + columns] for r in range(3) for c in range(3)]
    return np.mean(parts, axis=0).astype(np.float32)


def install_model(name: str, *, family: str = "edm-unet", evaluated: bool = True, white: str = "",
                  rims: str = "", task: str = "denoise") -> Path:  # fmt: skip
    """A model of a few bytes among the user's own; ``white`` and ``rims`` name those that serve it for these."""
    folder = paths.models() / name
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(name.encode())
    figure = {"name": "PSNR over BM3D", "value": 0.6, "unit": "dB", **({"interval": [0.4, 0.8]} if evaluated else {})}
    (folder / "card.json").write_text(json.dumps({
        "format": 1, "name": name, "version": "1", "title": f"Made-up {name}", "parameters": 1_400_000,
        "task": task, "architecture": {"family": family}, "weights_sha256": hashlib.sha256(name.encode()).hexdigest(),
        "sigma_range": [0.01, 0.25], "sigma_data": 0.2, "licence": "Apache-2.0", "figures": [figure],
        "training_data": {"name": "pack", "patients": {"train": ["1001", "1002"], "val": ["1003"], "test": ["1004"]}},
        "failure_cases": ["Smooths <tiny> vessels."], "intended_use": "Tests of the window.",
        **{use: {"name": one, "weights_sha256": hashlib.sha256(one.encode()).hexdigest()} if one else None
           for use, one in (("white_noise", white), ("rims", rims))},
    }))  # fmt: skip
    return folder


def make_result(folder: Path, series_uid: str = "1.2.1.1.1", *, model: str = model_cards.DEFAULT, samples: int = 0,
                findings: list[dict[str, Any]] | None = None, doubt: list[dict[str, Any]] | None = None,
                **params: Any) -> Path:  # fmt: skip
    """A denoised result of a made-up dynamic series."""
    from tumordiff_core import result_folder

    noisy = np.stack([breast(phase) for phase in range(3)]).astype(np.float32)
    mean = smooth(noisy)
    result_folder.save_array(folder, "mean", mean)
    result_folder.save_array(folder, "residual", (noisy - mean).astype(np.float16))
    if samples:
        result_folder.save_array(folder, "std", np.abs(noisy - mean) / 2)
    result_folder.finish(folder, result_folder.Record(
        kind="denoised", provenance="derived", title="Denoised DCE", series_uids=[series_uid],
        params={"sigma": None, "samples": samples, "uncertainty": True, "local_means": None, "along_edges": True,
                "rims": True, "seed": 0, "strength": 1.0,
                **params},
        model={"name": model}, geometry=sagittal().to_record(), labels=["pre", "post 1", "post 2"],
        noise={"sigma": [9.0, 9.1, 9.2], "low": [8.0] * 3, "high": [10.0] * 3, "estimator": "air",
               "repeat": {"sigma": 9.5, "low": 9.25, "high": 9.75, "voxels": 4000}},
        figures={"ftv_before_cc": 5.31, "ftv_after_cc": 5.30, "ftv_dice": 0.991, "rule": "recorded",
                 "doubt": doubt or []},
        findings=findings or [],
        facts={"patient_id": "DEMO-001", "study_uid": series_uid.rpartition(".")[0], "series_uid": series_uid},
    ))  # fmt: skip
    return folder


def make_stress(folder: Path) -> Path:
    """The result of a stress test that denoising passes at 5 mm only."""
    from tumordiff_core import result_folder

    curve = [
        {"size_mm": size, "acquired_percent": acquired, "denoised_percent": denoised}
        for size, acquired, denoised in ((3.0, 150.0, None), (5.0, 60.0, 50.0), (8.0, 40.0, 50.0))
    ]
    figures = {"stress": {"cells": [], "curve": curve, "lesions": 120, "note": "One series: not a bound."}}
    result_folder.finish(folder, result_folder.Record(
        kind="evaluation", provenance="derived", title="Stress test", model={"name": model_cards.DEFAULT},
        figures=figures,
    ))  # fmt: skip
    return folder


def picture(phase: int = 1, **fields: Any) -> Picture:
    """A made-up phase as a picture."""
    facts = {"patient_id": "DEMO-001", "laterality": "R", "laterality_source": "tag", "time_point": "T1", "days": 0,
             "phase": phase, "phases": 3, "phase_label": "post 1", "effective_s": 151.0,
             "series_description": "DCE"}  # fmt: skip
    return Picture(breast(phase), sagittal(), facts=facts, **fields)
