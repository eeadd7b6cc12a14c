"""Recipes: trainings that go on from one another and means of their weights, told in a file and followed in order."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tumordiff_core import files, model_cards, paths
from tumordiff_core.engine import weights
from tumordiff_core.errors import InputError, MissingError
from tumordiff_core.progress import Progress, Within

FORMAT = 1
MOST_STAGES = 50
LARGEST_BYTES = 1_000_000
LONGEST_REASON = 100
STATES = ".states"
"""Where checkpoints lie beside the stages' models; no stage can be called so."""

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
            # Some file systems take upper and lower case for one, and drop a dot at the end.
            if stage.name.casefold() in {name.casefold() for name in known} or stage.name.endswith("."):
                raise ValueError(f"one stage called {stage.name}, and no dot at its end")
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
    if path.exists() and (not path.is_file() or path.stat().st_size > LARGEST_BYTES):
        raise InputError("recipes.broken", path, name=path.name, reason="no file of a megabyte at most")
    try:
        return Recipe.model_validate(files.read_json(path, newest_format=FORMAT))
    except ValidationError as error:
        raise InputError("recipes.broken", path, name=path.name, reason=_first(error)) from None


def broken(named: str, stage: str, error: ValueError) -> InputError:
    """InputError("recipes.broken") for a stage whose training is not told as it must be."""
    said = _first(error) if isinstance(error, ValidationError) else str(error)
    reason = f"{stage}: {said}"[:LONGEST_REASON]
    return InputError("recipes.broken", name=Path(named).name, reason=reason)


def shipped() -> list[str]:
    """Names of the recipes that come with the program."""
    return sorted(path.stem for path in (paths.resources() / "recipes").glob("*.json"))


Train = Callable[[Stage, model_cards.Model | None, Path, Path, Progress], int]
"""Trains a stage from a model, with a folder for its states and one for the model; answers with its epochs."""


def follow(recipe: Recipe, folder: Path, train: Train, *, progress: Progress) -> None:
    """Make a model folder of every stage in ``folder``; those that are there already are left as they are.

    Raises what ``train`` raises; what is finished by then stays.
    """
    epochs = 0
    for number, stage in enumerate(recipe.stages):
        target, states = folder / stage.name, folder / STATES / stage.name
        if target.is_dir():
            epochs += 0 if stage.mean_of else int(model_cards.read(target).card.made_with.get("epochs", 0))
            shutil.rmtree(states, ignore_errors=True)
            continue
        if stage.mean_of:
            weights.average([model_cards.read(folder / name) for name in stage.mean_of], target)
            continue
        states.mkdir(parents=True, exist_ok=True)
        place = f"{STATES}/{stage.name}"
        part = Within(progress, f"{stage.name}, {number + 1} of {len(recipe.stages)}", place, epochs)
        start = model_cards.read(folder / stage.start) if stage.start else None
        with files.whole_folder(target) as partial:
            epochs += train(stage, start, states, partial, part)
        shutil.rmtree(states)


def require_names(recipe: Recipe, name: str) -> None:
    """Raise InputError("recipes.broken") where a kept model would have a name that nobody can install."""
    for suffix in recipe.kept:
        if not model_cards.PLAIN_NAME.fullmatch(f"{name}{suffix}"):
            raise InputError(
                "recipes.broken", name=f"{name}{suffix}"[:60], reason="a model's name has 41 signs at most"
            )


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
    said = found["msg"].removeprefix("Value error, ")
    return (f"{place}: {said}" if place else said)[:LONGEST_REASON]
