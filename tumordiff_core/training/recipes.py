"""Recipes: trainings that go on from one another and means of their weights, told in a file and followed in order."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tumordiff_core import files, model_cards, paths
from tumordiff_core.engine import weights
from tumordiff_core.errors import InputError, MissingError, Stopped
from tumordiff_core.progress import Progress, Within

FORMAT = 1
MOST_STAGES = 50
LARGEST_BYTES = 1_000_000
SUFFIX = re.compile(r"(-[A-Za-z0-9._-]{1,20})?")


class Stage(BaseModel):
    """One training, begun anew or from an earlier stage, or the mean of the weights of earlier ones."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=rf"^{model_cards.PLAIN_NAME.pattern}$")
    start: str = Field("", alias="from")
    train: dict[str, Any] | None = None
    mean_of: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.train is None) == (not self.mean_of):
            raise ValueError(f"either train or mean_of in {self.name}")
        return self

    @property
    def needs(self) -> list[str]:
        """The stages that must be there before."""
        return [*([self.start] if self.start else []), *self.mean_of]


class Recipe(BaseModel):
    """Stages in order, and which of them are kept as models, by what their names end in."""

    model_config = ConfigDict(extra="forbid")

    format: int = FORMAT
    title: str = ""
    stages: list[Stage] = Field(min_length=1, max_length=MOST_STAGES)
    kept: dict[str, str] = Field(min_length=1, max_length=MOST_STAGES)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        known: set[str] = set()
        for stage in self.stages:
            missing = [name for name in stage.needs if name not in known]
            if missing:
                raise ValueError(f"{missing[0]} before {stage.name}, which needs it")
            if stage.name in known:
                raise ValueError(f"one stage called {stage.name}")
            known.add(stage.name)
        for suffix, name in self.kept.items():
            if name not in known or not SUFFIX.fullmatch(suffix):
                raise ValueError(f"an earlier stage and a short ending for {name} in kept")
        return self


def read(named: str) -> Recipe:
    """A shipped recipe by name, or one in a file (.json).

    Raises MissingError("recipes.unknown"), InputError("recipes.broken") and what reading a record raises.
    """
    path = Path(named)
    if model_cards.PLAIN_NAME.fullmatch(named) and path.suffix != ".json":
        path = paths.resources() / "recipes" / f"{named}.json"
        if not path.is_file():
            raise MissingError("recipes.unknown", name=named, known=", ".join(shipped()))
    if path.is_file() and path.stat().st_size > LARGEST_BYTES:
        raise InputError("recipes.broken", path, name=path.name, reason="larger than a megabyte")
    try:
        return Recipe.model_validate(files.read_json(path, newest_format=FORMAT))
    except ValidationError as error:
        raise InputError("recipes.broken", path, name=path.name, reason=_first(error)) from None


def shipped() -> list[str]:
    """Names of the recipes that come with the program."""
    return sorted(path.stem for path in (paths.resources() / "recipes").glob("*.json"))


Train = Callable[[Stage, model_cards.Model | None, Path, Path, Progress], int]
"""Trains a stage from a model, with a folder for its states and one for the model; answers with its epochs."""


def follow(recipe: Recipe, folder: Path, train: Train, *, progress: Progress) -> None:
    """Make a model folder of every stage in ``folder``; those that are there already are left as they are.

    Raises Stopped(resumable=True) once a stage or a checkpoint is finished, else what ``train`` raises.
    """
    epochs = 0
    for number, stage in enumerate(recipe.stages):
        target = folder / stage.name
        if target.is_dir():
            continue
        if stage.mean_of:
            weights.average([model_cards.read(folder / name) for name in stage.mean_of], target)
            continue
        states = folder / f"{stage.name}.states"
        states.mkdir(exist_ok=True)
        part = Within(progress, f"{stage.name}, {number + 1} of {len(recipe.stages)}", states.name, epochs)
        try:
            with files.whole_folder(target) as partial:
                epochs += train(
                    stage, model_cards.read(folder / stage.start) if stage.start else None, states, partial, part
                )
        except Stopped as stopped:
            raise Stopped(resumable=stopped.resumable or number > 0) from None
        shutil.rmtree(states)


def keep(recipe: Recipe, folder: Path, target: Path, name: str, made_with: dict[str, Any]) -> list[str]:
    """Copy the kept stages to ``target`` under ``name`` and their endings; the names of the models."""
    names = []
    for suffix, stage in recipe.kept.items():
        model = model_cards.read(folder / stage)
        place = target / f"{name}{suffix}"
        place.mkdir(parents=True)
        shutil.copyfile(model.weights, place / model.weights.name)
        card = {**model.card.model_dump(mode="json"), "name": place.name, "made_with": {**made_with, "stage": stage}}
        files.write_json(place / "card.json", card)
        names.append(place.name)
    return names


def _first(error: ValidationError) -> str:
    """The first thing wrong, and where."""
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"])
    return (
        f"{place}: {found['msg'].removeprefix('Value error, ')}"
        if place
        else str(found["msg"]).removeprefix("Value error, ")
    )
