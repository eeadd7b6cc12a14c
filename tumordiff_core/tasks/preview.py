"""The warm child ``preview``: one denoised slice within a second, the chains for the sliders, and why one pixel."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Service

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel
    from tumordiff_core.imaging.intensity import Scaling

    Float = npt.NDArray[np.float32]

REACH = 3
"""Slices read to either side of the wanted one: as far as a network sees along the stack."""

_models: dict[str, "LoadedModel"] = {}
_levels: dict[str, Any] = {}


@hookimpl
def register_services() -> list[Service]:
    """The preview child."""
    return [Service("preview", "tumordiff_core.tasks.preview:handle")]


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer ``slice`` (one denoised slice), ``chain`` (images along a process) or ``explain`` (why one pixel).

    ``measure`` scores slices of a result, ``truth`` finds the clean phase of a simulated series, ``split`` says which
    patients a training would use for what. Arrays come and go as files of the volume cache; values are in rescaled
    units of the source.
    """
    other = {"measure": _measure, "truth": _truth, "split": _split}.get(request["op"])
    if other is not None:
        return other(request)
    values, scaling, noise, model = _prepare(request)
    if request["op"] == "chain":
        return _chain(request, values, scaling, noise, model)
    if request["op"] == "explain":
        return _explain(request, values, noise, model)
    return _slice(request, values, scaling, noise, model)


def _prepare(request: dict[str, Any]) -> "tuple[Float, Scaling, NoiseLevel, LoadedModel]":
    import json

    import numpy as np

    from tumordiff_core import model_cards
    from tumordiff_core.engine import denoise, weights
    from tumordiff_core.imaging.intensity import robust_scaling
    from tumordiff_core.noise.level import estimate

    record = json.loads(Path(request["record"]).read_text("utf-8"))
    stored = np.load(request["npy"], mmap_mode="r", allow_pickle=False)
    key = str(request["npy"])
    if key not in _levels:
        whole = stored.astype(np.float32) * record.get("slope", 1.0) + record.get("intercept", 0.0)
        _levels[key] = (estimate(whole), robust_scaling(whole))
    level, scaling = _levels[key]
    k = int(request["slice"])
    near = slice(max(k - REACH, 0), k + REACH + 1)
    values = stored[near].astype(np.float32) * np.float32(record.get("slope", 1.0)) + np.float32(
        record.get("intercept", 0.0)
    )
    name = request.get("model") or model_cards.DEFAULT
    if name not in _models:
        _models[name] = weights.load(model_cards.find(name))
    sigma = level.sigma if request.get("sigma") is None else float(request["sigma"])
    noise = denoise.NoiseLevel(sigma / scaling.range, level.lag1, level.channels)
    model = denoise.for_phases(
        replace(_models[name], mirrors=int(request.get("mirrors", 1))), int(request.get("phases", 1)),
        local_means=request.get("local_means"), edges=bool(request.get("along_edges", True)),
        rims=bool(request.get("rims", True)),
    )  # fmt: skip
    return scaling.apply(values), scaling, noise, model


def _slice(
    request: dict[str, Any], values: "Float", scaling: "Scaling", noise: "NoiseLevel", model: "LoadedModel"
) -> dict[str, Any]:
    import time

    from tumordiff_core.engine import denoise
    from tumordiff_core.progress import Progress

    began = time.monotonic()
    centre = min(int(request["slice"]), REACH)
    mean = scaling.invert(denoise.denoise_stack(model, values, noise, progress=Progress())[centre])
    place = _keep(mean)
    level = _levels[str(request["npy"])][0]
    return {
        "npy": place, "sigma": noise.sigma * scaling.range, "seconds": time.monotonic() - began, "low": level.low,
        "high": level.high, "measured": level.sigma, "estimator": level.estimator, "range": scaling.range,
    }  # fmt: skip


def _chain(
    request: dict[str, Any], values: "Float", scaling: "Scaling", noise: "NoiseLevel", model: "LoadedModel"
) -> dict[str, Any]:
    """Images at each step: forward adds noise along the paper's schedule, reverse removes it from the matched level."""
    import numpy as np

    steps = min(max(int(request.get("steps", 12)), 2), 100)
    centre = min(int(request["slice"]), REACH)
    if request.get("direction") == "forward":
        images, sigmas, times, change = _forward(values[centre], steps, int(request.get("seed", 0)))
    else:
        images, sigmas, times, change = _reverse(request, values, steps, noise, model)
    shown = scaling.invert(np.stack(images))
    found = {
        "npy": _keep(shown), "t": times, "sigma": [sigma * scaling.range for sigma in sigmas],
        "change": [each * scaling.range for each in change],
    }  # fmt: skip
    return {**found, **_chain_scores(request, shown)}


def _chain_scores(request: dict[str, Any], images: "Float") -> dict[str, Any]:
    """PSNR and SSIM of every image of a chain, where the truth is known."""
    import numpy as np

    from tumordiff_core.evaluation import metrics

    if not request.get("truth"):
        return {"psnr": None, "ssim": None}
    clean = np.load(request["truth"], mmap_mode="r", allow_pickle=False)
    truth, peak = np.asarray(clean[int(request["slice"])], np.float32), max(float(clean.max()), 1e-6)
    mask = metrics.tissue_mask(truth / peak)
    if not mask.any():
        return {"psnr": None, "ssim": None}
    scored = [metrics.scores(image, truth, mask, peak=peak) for image in images]
    return {"psnr": [min(s.psnr_tissue, 99.0) for s in scored], "ssim": [s.ssim_tissue for s in scored]}


Chain = tuple[list[Any], list[float], list[float], list[float]]
"""Images, noise in each, time of each, and how much each step of a reverse chain changed the clean estimate."""


def _forward(image: "Float", steps: int, seed: int) -> Chain:
    """x_t of one slice at equally spaced times of the paper's schedule, with one fixed eps; x_t is shown in [0, 1]."""
    import numpy as np
    import torch

    from tumordiff_core.engine import ddpm, schedules

    schedule = schedules.linear()
    x_0 = torch.from_numpy(image) * 2 - 1
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    times = np.linspace(0, schedule.steps - 1, steps).round().astype(int)
    images = [(ddpm.diffuse(x_0, float(schedule.alpha_bar[t]), eps).numpy() + 1) / 2 for t in times]
    return images, [float(schedule.sigma[t]) / 2 for t in times], [float(t) for t in times], []


def _reverse(
    request: dict[str, Any], values: "Float", steps: int, noise: "NoiseLevel", model: "LoadedModel"
) -> Chain:  # fmt: skip
    """The wanted chain from the slice's own level to the clean image."""
    from tumordiff_core.engine import explain, schedules

    images, present = _seen(values, min(int(request["slice"]), REACH), model)
    name, seed = request.get("chain", "ddim"), int(request.get("seed", 0))
    found = explain.chain(model, images, present, noise, steps, name=name, seed=seed)
    schedule = schedules.linear()
    times = [schedule.matched_time(((1 - a) / a) ** 0.5) for a in found.alpha_bar]
    return [*found.images], [*found.sigma, 0.0], [*times, 0.0], found.change


def _seen(values: "Float", centre: int, model: "LoadedModel") -> "tuple[Tensor, Tensor]":
    """What the model sees of one slice of a stack, on its device."""
    import numpy as np

    from tumordiff_core.engine import denoise

    images, present = denoise.seen(model, values[None], 0, np.array([centre]))
    return images.to(model.device), present.to(model.device)


def _explain(request: dict[str, Any], values: "Float", noise: "NoiseLevel", model: "LoadedModel") -> dict[str, Any]:
    """Why ``row``, ``column`` of a slice came out as it did: what ``engine.explain.pixel`` says, arrays as files.

    With ``result`` and ``phase`` it is kept with that result too; ``not_kept`` says why that failed. Raises
    InputError("denoise.no_pixel") outside the slice.
    """
    from tumordiff_core import explanations
    from tumordiff_core.engine import explain
    from tumordiff_core.errors import InputError

    row, column = int(request["row"]), int(request["column"])
    if not (0 <= row < values.shape[1] and 0 <= column < values.shape[2]):
        raise InputError("denoise.no_pixel", row=row, column=column, rows=values.shape[1], columns=values.shape[2])
    images, present = _seen(values, min(int(request["slice"]), REACH), model)
    said, maps = explain.pixel(
        model, images, present, noise, row, column, features=bool(request.get("features"))
    )  # fmt: skip
    not_kept = ""
    if request.get("result"):
        row_kept = {**said, "phase": int(request["phase"]), "slice": int(request["slice"]), "model": model.name}
        try:
            explanations.append(Path(request["result"]), row_kept, maps)
        except OSError as error:
            not_kept = str(error)
    places = {name: "" if values is None else _keep(values) for name, values in maps.items()}
    return {**said, **places, "not_kept": not_kept}


def _keep(values: "Float") -> str:
    """Write an array into the preview folder of the cache, under the name of its content."""
    import hashlib

    import numpy as np

    from tumordiff_core import paths

    folder = paths.cache() / "preview"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{hashlib.sha256(values.tobytes()).hexdigest()[:24]}.npy"
    if not place.exists():
        np.save(place, values, allow_pickle=False)
    return str(place)


def _measure(request: dict[str, Any]) -> dict[str, Any]:
    """Figures of the slices ``from`` to ``to`` of one phase of a result, see ``evaluation.slices``."""
    import numpy as np

    from tumordiff_core import result_folder
    from tumordiff_core.evaluation.slices import per_slice

    result, phase = result_folder.open_result(Path(request["result"])), int(request["phase"])
    part = slice(int(request["from"]), int(request["to"]))
    mean = result.array("mean")[phase]
    denoised = np.asarray(mean[part], np.float32)
    acquired = denoised + np.asarray(result.array("residual")[phase][part], np.float32)
    clean = None
    if request.get("truth"):
        clean = np.asarray(np.load(request["truth"], mmap_mode="r", allow_pickle=False)[part], np.float32)
    sigmas = result.record.noise.get("sigma") or [0.0]
    sigma, peak = float(sigmas[min(phase, len(sigmas) - 1)]), max(float(np.percentile(mean[::2], 99.9)), 1e-6)
    return {"first": part.start, "figures": per_slice(acquired, denoised, clean, sigma=sigma, peak=peak)}


def _truth(request: dict[str, Any]) -> dict[str, Any]:
    """The clean phase of a simulated series as a file, an empty name where there is none."""
    from tumordiff_core.simulation import cohort

    source = Path(request["path"])
    root = next((p for p in source.parents if (p / "cohort.json").is_file()), None)
    if root is None:
        return {"npy": ""}
    for visit in cohort.read(root)["visits"]:
        if (root / visit["series"]) in source.parents:
            clean = cohort.read_truth(root, visit)["clean"]
            phase = int(request["phase"])
            return {"npy": _keep(clean[phase]) if phase < len(clean) else ""}
    return {"npy": ""}


def _split(request: dict[str, Any]) -> dict[str, Any]:
    """Patients of a pack or cohort by part, and how many slices there are; raises what reading raises."""
    from tumordiff_core.training import datasets

    place = datasets.place_of(str(request.get("data") or ""))
    stacks = datasets.read_data(place)
    parts = ("train", "val", "test")
    return {
        "name": place.name, "slices": sum(len(s.images) for s in stacks),
        "patients": {part: sorted({s.patient for s in stacks if s.part == part}) for part in parts},
    }  # fmt: skip
