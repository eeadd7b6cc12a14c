"""The job ``rims``: a network that gives back what a denoiser loses at the rims of lesions, beside the denoiser."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.model_cards import Card

ENDING = "-rims"


class RimsParams(BaseModel):
    """What teaching rims asks for."""

    model: str = Field("", title="Model", description="The denoiser whose rims are given back; empty: the default.")
    data: str = Field("", title="Data", description="A pack of slices (.npz) or a cohort folder with truth.")
    name: str = Field("my-model", title="Name", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,35}$")
    steps: int = Field(6_000, ge=1, le=1_000_000, title="Steps")
    batch: int = Field(16, ge=2, le=1024, title="Batch")
    crop: int = Field(64, ge=32, le=512, multiple_of=16, title="Crop (pixels)")
    learning_rate: float = Field(0.002, gt=0, le=1, title="Learning rate")
    simulated: int = Field(12, ge=0, le=100, title="Simulated breasts", description="Without noise, beside the data.")
    seed: int = Field(0, ge=0, title="Seed")


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.rims"
    return [Task("rims", "Teach rims of lesions", f"{room}:RimsParams", f"{room}:run", weight="heavy", resumes=True)]


def run(params: RimsParams, job: "Job") -> None:
    """Teach the network, and leave it and the denoiser that uses it as two model folders in the result.

    Raises InputError("training.no_data"), ("training.other_start") or ("files.exists"), ModelError("model.no_rims") or
    ("model.rims_levels"), Stopped.
    """
    from tumordiff_core import model_cards, result_folder
    from tumordiff_core.engine import weights
    from tumordiff_core.errors import InputError, ModelError
    from tumordiff_core.training import datasets, rims

    model = model_cards.find(params.model or model_cards.DEFAULT)
    if model.card.architecture.family != "edm-unet" or model.card.facts or model.card.joint_phases:
        raise ModelError("model.no_rims", name=model.card.name)
    beside = {needed.name: needed.weights_sha256 for use, needed in model.card.needed().items() if use != "rims"}
    for name in (params.name, params.name + ENDING):
        if name in beside:
            raise InputError("files.exists", name=name)
    data = datasets.place_of(params.data)
    job.progress.stage("read slices")
    stacks = datasets.read_data(data)
    plan = rims.Plan(params.steps, params.batch, params.crop, params.learning_rate, params.simulated, params.seed)
    # Crops, lesions and the small network live on the processor; the denoiser has to be there too.
    denoiser = weights.load(model, device="cpu")
    levels = rims.levels_of(denoiser)
    learned_from = " ".join([model.card.weights_sha256, *sorted(beside.values()), datasets.digest(stacks)])
    network = rims.fit(denoiser, stacks, plan, job.checkpoints, learned_from=learned_from, progress=job.progress)
    patients = {part: sorted({s.patient for s in stacks if s.part == part}) for part in ("train", "val", "test")}
    fingerprint, known = datasets.fingerprint(data), model.card.training_data
    told = {"name": data.name, "sha256": fingerprint, "patients": patients, "simulated": params.simulated}
    if data.is_file() and fingerprint == known.get("sha256") and "source" in known:
        told["source"] = known["source"]
    name, place = params.name + ENDING, job.result / "model"
    made_with = {
        "command": "tumordiff models rims",
        "params": {**params.model_dump(exclude={"data"}), "model": model.card.name},
    }  # fmt: skip
    card = _card(name, model.card, plan.arguments.model_dump(mode="json"), levels, told, made_with)
    weights.save(place / name, network, card)
    weights.with_rims(model, model_cards.read(place / name), place / params.name)
    job.answer.update(models=[params.name, name])
    record = result_folder.Record(
        kind="model", provenance="derived", title=f"Models {params.name}, {name}", params=made_with["params"],
        seed=params.seed, model={"name": params.name},
    )  # fmt: skip
    result_folder.finish(job.result, record)


def _card(
    name: str, denoiser: "Card", arguments: dict[str, Any], levels: tuple[float, float], data: dict[str, Any],
    made_with: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    import torch

    import tumordiff_core
    from tumordiff_core.engine.rims import FAMILY
    from tumordiff_core.training.rim_lesions import CRISP, JUDGED_RADIUS, RADII
    from tumordiff_core.training.rims import HEIGHTS

    return {
        "name": name,
        "version": "1",
        "task": "rims",
        "title": "Gives back the rims of lesions",
        "architecture": {"family": FAMILY, "arguments": arguments},
        "input_channels": 1,
        "noise_model": "magnitude of 1 to 8 channels",
        "sigma_range": levels,
        "sigma_data": denoiser.sigma_data,
        "training_data": data,
        "licence": denoiser.licence,
        "failure_cases": [
            f"Serves {denoiser.name} alone: of another denoiser's answers it knows nothing.",
            f"Promised on average, of lobed ellipsoids with edges of {CRISP[0]} to {CRISP[1]} pixels, radii of "
            f"{JUDGED_RADIUS:g} to {RADII[1]} pixels and heights of {HEIGHTS[0]:g} to {HEIGHTS[-1]:g} sigma; not of "
            "one lesion, nor of other shapes.",
            f"Learned at noise of {levels[0]:g} to {levels[1]:g} of the maximum; beyond, rims are given back unproven.",
            "Learned for edges smoothed along them and most of the local means given back: with other choices rims "
            "come out a little wider or narrower.",
        ],
        "intended_use": "Research on noise reduction in breast DCE-MRI; not for diagnosis.",
        "made_with": {**made_with, "program": f"TumorDiff {tumordiff_core.__version__}", "torch": torch.__version__},
    }  # fmt: skip
