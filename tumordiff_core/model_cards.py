"""List, read and check model folders without torch: ``card.json`` beside ``weights.safetensors``."""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumordiff_core import files, paths
from tumordiff_core.errors import InputError, ModelError, TumorDiffError

FORMAT = 1
DEFAULT = "pair-6"
DENOISE = "denoise"
TASK_OF = {"white_noise": DENOISE, "rims": "rims"}
"""The task of the model that serves another, by what it serves for."""
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")


class Architecture(BaseModel):
    """Which network, with which arguments."""

    family: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Companion(BaseModel):
    """Another model that a model needs, with the very weights it needs; a card may come from anybody, so no paths."""

    name: str = Field(pattern=rf"^{PLAIN_NAME.pattern}$")
    weights_sha256: str


class Card(BaseModel):
    """A model card; every key is required unless it has a default."""

    model_config = ConfigDict(extra="allow")

    format: int = FORMAT
    name: str
    version: str
    task: str = DENOISE
    title: str = ""
    architecture: Architecture
    weights_sha256: str
    parameters: int
    input_channels: int = 1
    joint_phases: bool = False
    facts: bool = False
    intensity_scaling: str = "0 to the 99.9th percentile of the series"
    noise_model: str = "rician"
    sigma_range: tuple[float, float]
    sigma_data: float
    training_data: dict[str, Any]
    licence: str
    figures: list[dict[str, Any]] = Field(default_factory=list)
    failure_cases: list[str]
    intended_use: str
    domain: dict[str, Any] = Field(default_factory=dict)
    made_with: dict[str, Any] = Field(default_factory=dict)
    white_noise: Companion | None = None
    rims: Companion | None = None

    def needed(self) -> dict[str, Companion]:
        """The models whose weights this one needs, by what they serve for."""
        serving = {"white_noise": self.white_noise, "rims": self.rims}
        return {use: one for use, one in serving.items() if one is not None}


DOMAIN = {
    "noise_percent": ("the noise level", "% of the signal"), "field_t": ("the field strength", "T"),
    "pixel_mm": ("the pixel size", "mm"), "thickness_mm": ("the slice thickness", "mm"),
    "phases": ("the number of phases", ""), "noise_lag1": ("the correlation of the noise", ""),
}  # fmt: skip
"""Ranges that ``Card.domain`` may hold as [low, high]; beside them ``planes``, a list of words."""
TOLERANCE = 0.02


def outside_domain(card: Card, facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What of a series lies outside a model's training data: ``{"what", "found", "trained"}`` each, for a sentence.

    Facts that the card or the series does not know are not judged; the noise level always is.

    Parameters
    ----------
    facts : values by the keys of ``DOMAIN`` and ``plane``
    """
    domain = {"noise_percent": [100 * share for share in card.sigma_range], **card.domain}
    found = []
    for key, (what, unit) in DOMAIN.items():
        limits, value = domain.get(key), facts.get(key)
        if limits is None or value is None:
            continue
        low, high = float(limits[0]), float(limits[1])
        if not low * (1 - TOLERANCE) <= float(value) <= high * (1 + TOLERANCE):
            trained = f"{low:.3g} to {high:.3g} {unit}" if low != high else f"{low:.3g} {unit}"
            found.append({"what": what, "found": f"{float(value):.3g} {unit}".strip(), "trained": trained.strip()})
    planes, plane = card.domain.get("planes"), facts.get("plane")
    if planes and plane and plane not in planes:
        found.append({"what": "the orientation", "found": str(plane), "trained": " or ".join(planes)})
    return found


class Model(BaseModel):
    """A model folder that was found and checked."""

    folder: Path
    card: Card

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / "weights.safetensors"


def places() -> list[Path]:
    """Where models are looked for; the user's own win over shipped ones of the same name."""
    return [paths.models(), paths.resources() / "models"]


def read(folder: Path, *, check_weights: bool = True) -> Model:
    """One model folder, checked.

    Raises ModelError("model.not_one") or ("model.wrong_hash").
    """

    def not_one(reason: str) -> ModelError:
        return ModelError("model.not_one", folder, name=folder.name, reason=reason)

    try:
        card = Card.model_validate(files.read_json(folder / "card.json", newest_format=FORMAT))
    except TumorDiffError as error:
        raise not_one("its card is not readable") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        reason = f"its card lacks {key}" if first["type"] == "missing" else f"{key} in its card cannot be used"
        raise not_one(reason) from error
    if card.name in {needed.name for needed in card.needed().values()}:
        raise not_one("its card says that it needs itself")
    weights = folder / "weights.safetensors"
    if not weights.is_file():
        raise not_one("its weights are missing")
    if check_weights and files.sha256(weights) != card.weights_sha256:
        raise ModelError("model.wrong_hash", folder, name=folder.name)
    return Model(folder=folder, card=card)


def all_models(*, check_weights: bool = True) -> tuple[list[Model], list[ModelError]]:
    """All models found, by name, and what was wrong with folders that are none; hashing the weights takes a while."""
    folders = [folder for place in places() if place.is_dir() for folder in sorted(place.iterdir())]
    sound, wrong = _sound_of(
        (folder for folder in folders if folder.is_dir() and not folder.name.startswith(".")),
        check_weights=check_weights,
    )
    found: dict[str, Model] = {}
    for model in sound:
        found.setdefault(model.card.name, model)
    return sorted(found.values(), key=lambda model: model.card.name), wrong


def _sound_of(folders: Iterable[Path], *, check_weights: bool) -> tuple[list[Model], list[ModelError]]:
    """The folders that are models, and what is wrong with the others."""
    found: list[Model] = []
    wrong: list[ModelError] = []
    for folder in folders:
        try:
            found.append(read(folder, check_weights=check_weights))
        except ModelError as error:
            wrong.append(error)
    return found, wrong


def on_their_own(models: Iterable[Model]) -> list[Model]:
    """The denoisers that are used by themselves: without those that only serve another."""
    models = list(models)

    def only_serves(model: Model) -> bool:
        # What is shipped stays in the lists, whatever a card from elsewhere says of it.
        others = (other for other in models if _is_own(model) or not _is_own(other))
        return any(_needs(other, model) == "white_noise" for other in others)

    return [model for model in models if model.card.task == DENOISE and not only_serves(model)]


def _is_own(model: Model) -> bool:
    return model.folder.parent == paths.models()


def _needs(one: Model, other: Model) -> str:
    """What for the first model needs the second, with these very weights; empty where it does not."""
    return next((use for use, needed in one.card.needed().items() if _is_it(needed, other)), "")


def _is_it(needed: Companion, model: Model) -> bool:
    return (needed.name, needed.weights_sha256) == (model.card.name, model.card.weights_sha256)


def find(name: str) -> Model:
    """A model by name, or by the path of its folder.

    Raises ModelError("model.unknown") or what ``read`` raises.
    """
    if Path(name).is_dir() and (Path(name) / "card.json").exists():
        return read(Path(name))
    for folder in _folders_of(name):
        return read(folder)
    known = ", ".join(model.card.name for model in all_models()[0]) or "none"
    raise ModelError("model.unknown", name=name, known=known)


def _folders_of(name: str) -> list[Path]:
    """The folders of this name, the user's own first."""
    return [place / name for place in places() if (place / name).is_dir() and name not in {"", ".", ".."}]


def left_in(result: Path) -> list[Path]:
    """The model folders that a training left in its result, by name."""
    return sorted(card.parent for card in (result / "model").glob("*/card.json"))


def install(folder: Path) -> list[Model]:
    """Copy a model folder, or all models a training left in its result, among the user's own; all are looked at first.

    Raises ModelError("model.not_one"), ("model.wrong_hash") or what ``needed_by`` raises, InputError("files.exists")
    or SpaceError.
    """
    found = [read(one) for one in left_in(folder) or [folder]]
    for model in found:
        name = model.card.name
        if not PLAIN_NAME.fullmatch(name):
            raise ModelError("model.not_one", folder, name=folder.name, reason="its name is not a plain word")
        if (paths.models() / name).exists():
            raise InputError("files.exists", paths.models() / name, name=name)
        for use, needed in model.card.needed().items():
            needed_by(name, use, needed, beside=found)
    files.require_space(paths.models(), sum(model.weights.stat().st_size for model in found))
    return [_copied(model) for model in found]


def _copied(model: Model) -> Model:
    target = paths.models() / model.card.name
    with files.whole_folder(target) as partial:
        for file in (model.folder / "card.json", model.weights):
            shutil.copyfile(file, partial / file.name)
    return read(target, check_weights=False)


def companions(model: Model) -> dict[str, Model]:
    """The installed models whose weights serve ``model``, by what for: ``white_noise``, ``rims``.

    Raises what ``needed_by`` raises.
    """
    return {use: needed_by(model.card.name, use, needed) for use, needed in model.card.needed().items()}


def needed_by(name: str, use: str, needed: Companion, beside: Sequence[Model] = ()) -> Model:
    """The model that the model ``name`` needs: one of ``beside``, or an installed one, the user's own or shipped.

    Weights are what tells it from others of its name, so that somebody's own one of that name is in nobody's way.

    Raises ModelError("model.no_companion"), ("model.other_companion") where all of that name have other weights,
    ("model.companion_task"), or what ``read`` raises.
    """
    installed, wrong = _sound_of(_folders_of(needed.name), check_weights=True)
    for found in (*beside, *installed):
        if _is_it(needed, found):
            break
    else:
        if wrong:
            raise wrong[0]
        if installed:
            raise ModelError("model.other_companion", name=name, needed=needed.name)
        raise ModelError("model.no_companion", name=name, needed=needed.name)
    task, expected = found.card.task, TASK_OF[use]
    if task != expected:
        raise ModelError("model.companion_task", name=name, needed=needed.name, found=task, expected=expected)
    return found


def write_figures(model: Model, figures: list[dict[str, Any]]) -> None:
    """Put an evaluation's figures into a model's card, in place of those it had; weights and the rest stay."""
    card = model.card.model_copy(update={"figures": figures})
    files.write_json(model.folder / "card.json", card.model_dump(mode="json"))


def remove(name: str) -> None:
    """Remove one of the user's own models, a broken one too.

    Raises ModelError("model.unknown"), ("model.shipped"), ("model.needed") while another needs it, or what ``read``
    raises of a folder without a card.
    """
    folder = paths.models() / name
    if folder.parent != paths.models() or folder.name.startswith(".") or not (folder / "card.json").is_file():
        raise ModelError("model.shipped", find(name).folder, name=name)
    # What cannot be read serves nobody.
    for model in _sound_of([folder], check_weights=False)[0]:
        _refuse_needed(model)
    shutil.rmtree(folder)


def _refuse_needed(model: Model) -> None:
    """Raise ModelError("model.needed") where another installed model could not be used without this one."""
    beside = [folder for folder in _folders_of(model.card.name) if folder != model.folder]
    if any(twin.card.weights_sha256 == model.card.weights_sha256 for twin in _sound_of(beside, check_weights=True)[0]):
        return
    for other in all_models(check_weights=False)[0]:
        # Of two that need each other, either may go first.
        if _needs(other, model) and not _needs(model, other):
            raise ModelError("model.needed", model.folder, name=other.card.name, needed=model.card.name)
