"""The warm child ``preview``: one denoised slice within a second, and the forward and reverse chain for the slider."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Service

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel
    from tumordiff_core.imaging.intensity import Scaling

    Float = npt.NDArray[np.float32]

_models: dict[str, "LoadedModel"] = {}
_levels: dict[str, Any] = {}


@hookimpl
def register_services() -> list[Service]:
    """The preview child."""
    return [Service("preview", "tumordiff_core.tasks.preview:handle")]


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Answer ``slice`` (one denoised slice) or ``chain`` (images along the forward or reverse process).

    Arrays come and go as files of the volume cache; values are in rescaled units of the source.
    """
    values, scaling, noise, model = _prepare(request)
    if request["op"] == "chain":
        return _chain(request, values, scaling, noise, model)
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
    near = slice(max(k - 1, 0), k + 2)
    values = stored[near].astype(np.float32) * np.float32(record.get("slope", 1.0)) + np.float32(
        record.get("intercept", 0.0)
    )
    name = request.get("model") or model_cards.DEFAULT
    if name not in _models:
        _models[name] = weights.load(model_cards.find(name))
    sigma = level.sigma if request.get("sigma") is None else float(request["sigma"])
    noise = denoise.NoiseLevel(sigma / scaling.range, level.lag1, level.channels)
    return scaling.apply(values), scaling, noise, _models[name]


def _slice(
    request: dict[str, Any], values: "Float", scaling: "Scaling", noise: "NoiseLevel", model: "LoadedModel"
) -> dict[str, Any]:
    import time

    from tumordiff_core.engine import denoise
    from tumordiff_core.progress import Progress

    began = time.monotonic()
    centre = min(int(request["slice"]), 1)
    mean = scaling.invert(denoise.denoise_stack(model, values, noise, progress=Progress())[centre])
    place = _keep(mean)
    return {"npy": place, "sigma": noise.sigma * scaling.range, "seconds": time.monotonic() - began}


def _chain(
    request: dict[str, Any], values: "Float", scaling: "Scaling", noise: "NoiseLevel", model: "LoadedModel"
) -> dict[str, Any]:
    """Images at each step: forward adds noise along the paper's schedule, reverse removes it from the matched level."""
    import numpy as np

    steps = min(max(int(request.get("steps", 12)), 2), 100)
    centre = min(int(request["slice"]), 1)
    if request.get("direction") == "forward":
        images, sigmas, times = _forward(values[centre], steps, int(request.get("seed", 0)))
    else:
        images, sigmas, times = _reverse(values, centre, steps, noise, model)
    place = _keep(scaling.invert(np.stack(images)))
    return {"npy": place, "t": times, "sigma": [sigma * scaling.range for sigma in sigmas], "psnr": None}


Chain = tuple[list[Any], list[float], list[float]]


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
    return images, [float(schedule.sigma[t]) / 2 for t in times], [float(t) for t in times]


def _reverse(values: "Float", centre: int, steps: int, noise: "NoiseLevel", model: "LoadedModel") -> Chain:
    """The deterministic chain from the slice's own level to the clean image."""
    import numpy as np
    import torch

    from tumordiff_core.engine import denoise, samplers, schedules

    images, present = denoise.triples(values, np.array([centre]), neighbours=model.neighbours)
    found: list[torch.Tensor] = []
    with torch.inference_mode():
        start, alpha_bars, clean_of = denoise.chain_of(model, images, present, noise, steps)

        def keep(k: int, x_t: torch.Tensor, _x_0: torch.Tensor) -> None:
            found.append(x_t / alpha_bars[k] ** 0.5)

        found.append(samplers.ddim(start, alpha_bars, clean_of, keep))
        shown = [denoise.back_to_image(model, image, noise)[0, 0].numpy() for image in found]
    sigmas = [((1 - a) / a) ** 0.5 for a in alpha_bars]
    schedule = schedules.linear()
    times = [schedule.matched_time(sigma) for sigma in sigmas]
    per_image = noise.sigma / sigmas[0]
    return shown, [sigma * per_image for sigma in sigmas] + [0.0], [*times, 0.0]


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
