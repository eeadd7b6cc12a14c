"""Result folders of denoised series without a network: any array stands in for the posterior mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tumordiff_core import files, result_folder
from tumordiff_core.imaging.intensity import robust_scaling
from tumordiff_core.imaging.volume import Volume
from tumordiff_core.model_cards import Architecture, Card
from tumordiff_core.noise.level import Level, estimate
from tumordiff_core.tasks.denoise import gate_figures

CARD = Card(
    name="stand-in", version="0", architecture=Architecture(family="filter"), weights_sha256="0" * 64, parameters=0,
    sigma_range=(0.0, 0.2), sigma_data=0.2, training_data={}, licence="none", failure_cases=[], intended_use="tests",
)  # fmt: skip
GIVEN = Level(2.0, 2.0, 2.0, 1, (0.0, 0.0), "given")
MODEL = {"name": "stand-in", "version": "0", "weights_sha256": "0" * 64, "family": "filter"}
CREATED = "2026-01-31T10:15:02+00:00"


def blurred(values: npt.NDArray[Any], pixels: float) -> npt.NDArray[np.float32]:
    """Every slice of [phase, slice, row, column] smoothed by a Gaussian of ``pixels``."""
    sigma = [0.0] * (values.ndim - 2) + [pixels, pixels]
    return np.asarray(ndimage.gaussian_filter(values.astype(np.float32), sigma), dtype=np.float32)


def make(
    folder: Path, volume: Volume, mean: npt.NDArray[Any], *, levels: Sequence[Level] | None = None, **changes: Any
) -> result_folder.Result:
    """A result of kind ``denoised`` in ``folder``: ``mean`` in place of a model's output, the record as the task's.

    ``changes`` replace fields of the record; ``levels`` are measured where they are not given. The figures of the
    export gate are computed unless ``changes`` brings figures.
    """
    levels = list(levels or [estimate(phase) for phase in volume.values])
    facts = dict(volume.facts)
    sources = [result_folder.Source.model_validate(source) for source in facts.pop("sources", [])]
    for source in sources:
        source.sha256 = source.sha256 or files.sha256(Path(source.path))
    if "figures" not in changes:
        scaling = robust_scaling(volume.values)
        gate = gate_figures(volume, np.asarray(mean, dtype=np.float32), levels, CARD, scaling, seed=0)
        changes = {**changes, "figures": {"gate": gate}}
    noise = {
        "sigma": [level.sigma for level in levels], "channels": levels[0].channels,
        "lag1": list(levels[0].lag1), "estimator": levels[0].estimator,
    }  # fmt: skip
    result_folder.save_array(folder, "mean", np.asarray(mean, dtype=np.float32))
    result_folder.save_array(folder, "residual", (volume.values - mean).astype(np.float16))
    fields: dict[str, Any] = {
        "kind": "denoised", "provenance": "derived", "title": f"Denoised {facts.get('series_description', '')}",
        "series_uids": list(facts.get("series_uids", [])), "sources": sources, "params": {"strength": 1.0},
        "noise": noise, "facts": facts, "model": dict(MODEL), "geometry": volume.geometry.to_record(),
        "units": {"mean": "source", "residual": "source"}, "labels": list(volume.labels),
        "phase_s": list(volume.phase_s), "created": CREATED,
    }  # fmt: skip
    record = result_folder.Record(**{**fields, **changes})
    result_folder.finish(folder, record)
    return result_folder.open_result(folder)
