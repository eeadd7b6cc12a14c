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
    batch: int = Field(16, ge=1, le=1024, title="Batch")
    crop: int = Field(64, ge=32, le=512, multiple_of=16, title="Crop (pixels)")
    learning_rate: float = Field(0.002, gt=0, le=1, title="Learning rate")
    made_up: int = Field(16, ge=0, le=1000, title="Made-up volumes", description="Noise-free shapes beside the data.")
    seed: int = Field(0, ge=0, title="Seed")


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.rims"
    return [Task("rims", "Teach rims of lesions", f"{room}:RimsParams", f"{room}:run", weight="heavy", resumes=True)]


def run(params: RimsParams, job: "Job") -> None:
    """Teach the network, and leave it and the denoiser that uses it as two model folders in the result.

    Raises InputError("training.no_data"), ModelError("model.no_rims"), Stopped(resumable=True).
    """
    import shutil

    from tumordiff_core import files, model_cards, result_folder
    from tumordiff_core.engine import weights
    from tumordiff_core.errors import ModelError
    from tumordiff_core.training import datasets, rims

    model = model_cards.find(params.model or model_cards.DEFAULT)
    if model.card.architecture.family != "edm-unet" or model.card.facts:
        raise ModelError("model.no_rims", name=model.card.name)
    data = datasets.place_of(params.data)
    job.progress.stage("read slices")
    stacks = datasets.read_data(data)
    plan = rims.Plan(params.steps, params.batch, params.crop, params.learning_rate, params.made_up, params.seed)
    # Crops, lesions and the small network live on the processor; the denoiser has to be there too.
    denoiser = weights.load(model, device="cpu")
    network = rims.fit(denoiser, stacks, plan, job.checkpoints, progress=job.progress)
    patients = {part: sorted({s.patient for s in stacks if s.part == part}) for part in ("train", "val", "test")}
    told = {"name": data.name, "sha256": datasets.fingerprint(data), "patients": patients}
    name, place = params.name + ENDING, job.result / "model"
    card = _card(name, params, model.card, plan.arguments.model_dump(mode="json"), told)
    weights.save(place / name, network, card)
    made = model_cards.read(place / name)
    needed = model_cards.Companion(name=name, weights_sha256=made.card.weights_sha256)
    (place / params.name).mkdir()
    shutil.copyfile(model.weights, place / params.name / model.weights.name)
    joined = model.card.model_copy(update={"name": params.name, "rims": needed})
    files.write_json(place / params.name / "card.json", joined.model_dump(mode="json"))
    job.answer.update(models=[params.name, name])
    record = result_folder.Record(
        kind="model", provenance="derived", title=f"Models {params.name}, {name}",
        params=params.model_dump(exclude={"data"}), seed=params.seed, model={"name": params.name},
    )  # fmt: skip
    result_folder.finish(job.result, record)


def _card(
    name: str, params: RimsParams, denoiser: "Card", arguments: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:  # fmt: skip
    import torch

    import tumordiff_core
    from tumordiff_core.engine.rims import FAMILY

    return {
        "name": name,
        "version": "1",
        "task": "rims",
        "title": "Gives back the rims of lesions",
        "architecture": {"family": FAMILY, "arguments": arguments},
        "input_channels": 1,
        "noise_model": "magnitude of 1 to 8 channels",
        "sigma_range": denoiser.sigma_range,
        "sigma_data": denoiser.sigma_data,
        "training_data": data,
        "licence": denoiser.licence,
        "failure_cases": [
            f"Serves {denoiser.name} alone: of another denoiser's answers it knows nothing.",
            "Rims of other shapes than a lobed ellipsoid, or softer than 0.6 pixels, are not promised to be right.",
        ],
        "intended_use": "Research on noise reduction in breast DCE-MRI; not for diagnosis.",
        "made_with": {
            "command": "tumordiff models rims", "params": params.model_dump(exclude={"data"}),
            "program": f"TumorDiff {tumordiff_core.__version__}", "torch": torch.__version__,
        },
    }  # fmt: skip
