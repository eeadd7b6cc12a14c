"""The job ``train``: a denoiser from a pack of slices or a cohort with truth, left as a model folder."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task
from tumordiff_core.training.mix import Levels, Mix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.model_cards import Model
    from tumordiff_core.progress import Progress
    from tumordiff_core.training.datasets import Stack
    from tumordiff_core.training.fit import Fitted, Plan
    from tumordiff_core.training.recipes import Stage

DEFAULTS: dict[str, dict[str, Any]] = {
    "large": {"widths": (96, 144, 208, 256), "encoder": 2, "blocks": 2, "middle": 3},
    "paper": {"width": 20, "levels": 3},
}

MIXED: dict[str, float] = asdict(Mix())
NOISES = {name.removesuffix("_share"): value for name, value in asdict(Levels()).items() if name.endswith("_share")}
SHARES: dict[str, float] = {**MIXED, **NOISES}
SHARED = (("native", "resampled"), ("alone", "nearest"))
"""Pairs of shares of one whole."""


OF_MACHINE = ("threads", "loaders", "devices", "nodes")
BESIDE_RECIPE = {"data", "name", "recipe", "graphed", "domain", *OF_MACHINE}
"""What may be said beside a recipe, which says all else."""


class TrainParams(BaseModel):
    """What the train form asks for."""

    data: str = Field("", title="Data", description="A pack of slices (.npz) or a cohort folder with truth.")
    preset: Literal["ours", "large", "paper"] = Field(
        "ours", title="Preset", description="Our network, a larger one for a GPU, or the seed paper's."
    )
    start: str = Field("", title="Start from", description="A model to fine-tune; its network is taken over.")
    network: str = Field("", title="Network", description="A network family, ours or a plugin's; empty: the preset's.")
    loss: str = Field("", title="Loss", description="A plugin's loss; empty: the preset's.")
    augmentations: list[str] = Field(default_factory=list, title="Augmentations", description="Plugins' changes.")
    recipe: str = Field(
        "", title="Recipe", description="A chain of trainings, by name or file; empty: one training, as told here."
    )
    name: str = Field("my-model", title="Name", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,40}$")
    epochs: int = Field(60, ge=1, le=10_000, title="Epochs")
    steps: int = Field(200, ge=1, le=100_000, title="Steps per epoch")
    batch: int = Field(32, ge=1, le=1024, title="Batch")
    crop: int = Field(64, ge=32, le=512, multiple_of=16, title="Crop (pixels)")
    learning_rate: float = Field(1e-3, gt=0, le=1, title="Learning rate")
    patience: int = Field(10, ge=1, le=10_000, title="Patience", description="Epochs without gain before it stops.")
    made_up: int = Field(0, ge=0, le=1000, title="Made-up volumes", description="Noise-free shapes beside the data.")
    shares: dict[str, float] = Field(
        default_factory=dict, title="Shares", description="How crops are drawn, by name, where not as usual."
    )
    lowest: float = Field(
        Levels.lowest, gt=0, le=0.5, title="Least noise", description="Of the image's maximum, seen in training."
    )
    highest: float = Field(
        Levels.highest, gt=0, le=0.5, title="Most noise", description="Of the image's maximum, seen in training."
    )
    facts: list[str] = Field(
        default_factory=list, title="Facts", description="Tables on patients and series that the network is told of."
    )
    self_supervised: bool = Field(
        False, title="Self-supervised", description="For data without any clean image: learns from noisy slices alone."
    )
    own_mean: float = Field(
        0,
        ge=0,
        lt=1,
        title="Own mean",
        description="Share of its targets that is its mean over mirror images.",
    )
    seed: int = Field(0, ge=0, title="Seed")
    threads: int = Field(0, ge=0, le=256, title="Threads", description="Processor threads; 0: all.")
    loaders: int = Field(0, ge=0, le=64, title="Loaders", description="Processes that make batches; 0: none beside.")
    devices: int = Field(1, ge=1, le=64, title="Devices")
    nodes: int = Field(1, ge=1, le=64, title="Nodes")
    graphed: bool = Field(
        False, title="Graphs", description="Replay the network's compiled kernels as one, on a CUDA GPU."
    )
    arguments: dict[str, Any] = Field(default_factory=dict, title="Network arguments")
    domain: dict[str, Any] = Field(
        default_factory=dict, title="Domain", description="What the data are like, for the card: ranges by name."
    )

    @field_validator("shares")
    @classmethod
    def _known_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        for name, value in shares.items():
            if name not in SHARES:
                raise ValueError(f"one of {', '.join(SHARES)}, not {name}")
            if not 0 <= value <= 1:
                raise ValueError(f"a share of 0 to 1 for {name}, not {value:g}")
        for first, second in SHARED:
            if shares.get(first, SHARES[first]) + shares.get(second, SHARES[second]) > 1:
                raise ValueError(f"{first} and {second} together at most 1")
        if shares.get("phases", SHARES["phases"]) > shares.get("uptake", SHARES["uptake"]):
            raise ValueError("phases at most uptake, for other phases are made by uptake")
        return shares

    @model_validator(mode="after")
    def _levels_ascend(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"a lowest level of at most the highest, {self.highest:g}")
        if self.self_supervised and (self.lowest, self.highest) != (Levels.lowest, Levels.highest):
            raise ValueError("no lowest or highest level with self-supervised: its noise is as the slices have it")
        return self

    @model_validator(mode="after")
    def _a_recipe_says_how(self) -> Self:
        fields = type(self).model_fields
        told = [key for key in fields if getattr(self, key) != fields[key].get_default(call_default_factory=True)]
        beside = [key for key in told if key not in BESIDE_RECIPE]
        if self.recipe and beside:
            raise ValueError(f"no {', '.join(beside)} beside a recipe: it says how each of its trainings is done")
        return self

    @model_validator(mode="after")
    def _paper_is_as_it_was(self) -> Self:
        if self.preset == "paper" and (self.facts or self.self_supervised):
            raise ValueError("another preset: the paper's network is told no facts and learns from clean slices only")
        if self.own_mean and (self.preset == "paper" or self.loss):
            raise ValueError("no own mean with the paper's network or another loss: it stands in for clean slices")
        if self.own_mean and not self.start:
            raise ValueError("a model to start from with own mean: it learns from what that one knows")
        idle = sorted(set(self.shares) & set(NOISES) - {"white"}) if self.preset == "paper" else []
        if idle:
            raise ValueError(f"no share of {', '.join(idle)} with the paper's network: its noise is even and known")
        if self.self_supervised and self.shares:
            raise ValueError("no shares with self-supervised: it draws noisy slices as they are")
        return self


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.train"
    return [Task("train", "Train a denoiser", f"{room}:TrainParams", f"{room}:run", weight="heavy", resumes=True)]


def run(params: TrainParams, job: "Job") -> None:
    """Read the data, train, write the model folders and their cards into the result."""
    from tumordiff_core import result_folder
    from tumordiff_core.training import datasets, facts

    data = datasets.place_of(params.data)
    job.progress.stage("read slices")
    stacks = facts.joined(datasets.read_data(data), facts.read([Path(name) for name in params.facts]))
    splits = {part: sorted({s.patient for s in stacks if s.part == part}) for part in ("train", "val", "test")}
    told = {"name": data.name, "sha256": datasets.fingerprint(data), "patients": splits}
    if params.recipe:
        title, model, figures = _follow(params, stacks, told, job)
    else:
        title, model, figures = _train_once(params, stacks, told, job)
    record = result_folder.Record(
        kind="model", provenance="derived", title=title,
        params={**params.model_dump(exclude={"data", "facts"}), "recipe": Path(params.recipe).name},
        seed=job.seed, model=model, figures=figures,
    )  # fmt: skip
    result_folder.finish(job.result, record)


Outcome = tuple[str, dict[str, Any], dict[str, Any]]
"""Title, model and figures of a result."""


def _train_once(params: TrainParams, stacks: "Sequence[Stack]", told: dict[str, Any], job: "Job") -> Outcome:
    from tumordiff_core import model_cards

    start = model_cards.find(params.start) if params.start else None
    target = job.result / "model" / params.name
    fitted, family = _train(params, start, stacks, told, job.checkpoints, target, job.progress)
    job.answer.update(model=params.name, epochs=fitted.epochs, best_x0_error=fitted.best)
    return f"Model {params.name}", {"name": params.name, "family": family}, {"best_x0_error": fitted.best}


def _follow(params: TrainParams, stacks: "Sequence[Stack]", told: dict[str, Any], job: "Job") -> Outcome:
    """Every stage of a recipe, as far as it is not there yet, and the models that are kept of it."""
    import tumordiff_core
    from tumordiff_core import files
    from tumordiff_core.training import recipes

    copy = job.checkpoints / "recipe.json"
    recipe = recipes.read(str(copy) if copy.is_file() else params.recipe)
    trainings = {stage.name: _of_stage(stage, params) for stage in recipe.stages}

    def train(stage: "Stage", start: "Model | None", states: Path, target: Path, progress: "Progress") -> int:
        fitted, _ = _train(trainings[stage.name], start, stacks, told, states, target, progress)
        return fitted.epochs

    recipes.require_names(recipe, params.name)
    # An edited file must not mix its stages with those that are done.
    files.write_json(copy, recipe.model_dump(by_alias=True))
    recipes.follow(recipe, job.checkpoints, train, progress=job.progress)
    made_with = {
        "command": f"tumordiff train --recipe {Path(params.recipe).name}",
        "stages": [stage.model_dump(by_alias=True, exclude_defaults=True) for stage in recipe.stages],
        "program": f"TumorDiff {tumordiff_core.__version__}",
    }
    names = recipes.keep(recipe, job.checkpoints, job.result / "model", params.name, made_with)
    job.answer.update(models=names)
    return f"Models {', '.join(names)}", {"name": params.name}, {"stages": len(recipe.stages)}


def _of_stage(stage: "Stage", params: TrainParams) -> TrainParams:
    """What the form would say for a stage of a recipe, on this machine; raises InputError("recipes.broken")."""
    from tumordiff_core.training import recipes

    told = stage.train or {}
    given = {key: getattr(params, key) for key in OF_MACHINE} | ({"domain": params.domain} if params.domain else {})
    own = set(TrainParams.model_fields) - (BESIDE_RECIPE - {"graphed", "domain"}) - {"start", "facts"}
    unknown = sorted(set(told) - own)
    try:
        if unknown:
            raise ValueError(f"no {', '.join(unknown)} there")
        values = TrainParams(**{"graphed": params.graphed, **told, **given, "name": stage.name, "start": stage.start})
    except ValueError as error:
        raise recipes.broken(params.recipe, stage.name, error) from None
    return values


def _train(
    params: TrainParams, start: "Model | None", stacks: "Sequence[Stack]", told: dict[str, Any], states: Path,
    target: Path, progress: "Progress",
) -> "tuple[Fitted, str]":  # fmt: skip
    """One training and the model folder it leaves; its course and the network's family."""
    from tumordiff_core.engine.weights import save
    from tumordiff_core.training import fit, self_supervised

    plan = _plan(params, start)
    fitted = fit.fit(plan, stacks, states, progress=progress)
    card = _card(params, plan, fitted, told)
    if params.self_supervised:
        levels = self_supervised.sigma_range([s for s in stacks if s.part == "train"])
        card |= {"sigma_range": levels, "noise_model": "that of the collection itself, as measured"}
    save(target, fitted.network, card, half=True)
    return fitted, plan.family


def _plan(params: TrainParams, start: "Model | None") -> "Plan":
    from tumordiff_core.engine.known_facts import LENGTH
    from tumordiff_core.errors import ModelError
    from tumordiff_core.training.fit import Plan
    from tumordiff_core.training.module import CONDITION, Recipe

    paper = params.preset == "paper"
    recipe = Recipe(
        "eps" if paper else "edm", params.batch, params.steps, params.seed, loss=params.loss,
        augmentations=tuple(params.augmentations), self_supervised=params.self_supervised, facts=bool(params.facts),
        levels=Levels(
            lowest=params.lowest, highest=params.highest,
            **{f"{name}_share": share for name, share in params.shares.items() if name in NOISES},
        ),
        own_mean=params.own_mean,
    )  # fmt: skip
    defaults = {**DEFAULTS.get(params.preset, {}), **({"condition": CONDITION + LENGTH} if recipe.facts else {})}
    if start and start.card.facts != recipe.facts:
        raise ModelError("model.other_facts", name=start.card.name, told="told" if start.card.facts else "not told")
    taken = start.card.architecture if start else None
    if taken and (taken.family == "paper-unet") != paper:
        raise ModelError("model.other_preset", name=start.card.name if start else "", preset=params.preset)
    return Plan(
        family=taken.family if taken else params.network or ("paper-unet" if paper else "edm-unet"),
        arguments=taken.arguments if taken else {**defaults, **params.arguments},
        start=start.weights if start else None,
        recipe=recipe,
        crop=params.crop,
        learning_rate=params.learning_rate,
        epochs=params.epochs,
        patience=params.patience,
        made_up=0 if paper else params.made_up,
        mix=Mix(**{name: share for name, share in params.shares.items() if name in MIXED}),
        threads=params.threads,
        loaders=params.loaders,
        devices=params.devices,
        nodes=params.nodes,
        graphed=params.graphed,
    )


def _card(params: TrainParams, plan: "Plan", fitted: "Fitted", data: dict[str, Any]) -> dict[str, Any]:
    import torch

    import tumordiff_core
    from tumordiff_core.engine.context import IMAGES
    from tumordiff_core.training.module import SIGMA_DATA

    paper = params.preset == "paper"
    return {
        "name": params.name,
        "version": "1",
        "title": "UNet of the seed paper, used correctly" if paper else "Preconditioned residual UNet",
        "architecture": {"family": plan.family, "arguments": plan.arguments},
        "input_channels": 1 if paper else IMAGES,
        "noise_model": "Gaussian after variance stabilisation" if paper else "magnitude of 1 to 8 channels",
        "sigma_range": (plan.recipe.levels.lowest, plan.recipe.levels.highest),
        "sigma_data": SIGMA_DATA,
        "facts": plan.recipe.facts,
        "domain": params.domain or {"noise_lag1": (0.0, 0.75)},
        "training_data": data,
        "licence": "Apache-2.0",
        "figures": [{"name": "validation x0 error", "value": fitted.best, "unit": "of c_out or sigma"}],
        "failure_cases": ["Not evaluated: run `tumordiff evaluate denoise` before relying on it."],
        "intended_use": "Research on noise reduction in breast DCE-MRI; not for diagnosis.",
        "made_with": {
            "command": "tumordiff train", "params": params.model_dump(exclude={"data", "facts"}),
            "program": f"TumorDiff {tumordiff_core.__version__}", "torch": torch.__version__, "epochs": fitted.epochs,
        },
    }  # fmt: skip
