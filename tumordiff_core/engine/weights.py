"""Network weights to and from a model folder: safetensors beside a card, checked before use."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tumordiff_core import files, model_cards
from tumordiff_core.engine import families, known_facts
from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel
from tumordiff_core.engine.networks import PaperPair
from tumordiff_core.engine.rims import FAMILY as RIMS
from tumordiff_core.engine.rims import RimArguments, RimNetwork, Rims
from tumordiff_core.engine.white_noise import WhiteNoise
from tumordiff_core.errors import InputError, ModelError, PluginError
from tumordiff_core.plugins import manager

ALIKE = ("task", "architecture", "facts", "sigma_data", "input_channels", "noise_model", "joint_phases")
"""Fields of the card that models must share to be averaged, or to have weights between theirs."""
OURS = {RIMS, *(network.name for network in families.register_networks())}
"""Families with no use for a weight that is not finite; a stranger's may have one, such as a mask."""


def build(family: str, arguments: dict[str, Any], *, name: str = "the model") -> nn.Module:
    """A network of a registered family.

    Raises ModelError("model.unknown_family").
    """
    known = {network.name: network for network in manager.networks()}
    if family not in known:
        raise ModelError("model.unknown_family", name=name, family=family, known=", ".join(sorted(known)))
    record = known[family]
    network: nn.Module = manager.load(record.build)(manager.load(record.arguments).model_validate(arguments))
    return network


def load(model: model_cards.Model, *, device: str | None = None) -> LoadedModel:
    """The network of a checked model folder, ready for inference, with those that serve it: white noise and rims.

    Raises ModelError("model.other_task"), ("model.unknown_family"), ("model.wrong_weights"), ("model.not_finite"),
    ("model.other_network"), or what ``model_cards.companions`` raises.
    """
    refuse_other_task(model)
    card = model.card
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    beside = model_cards.companions(model)
    white = None
    if "white_noise" in beside:
        other = beside["white_noise"]
        refuse_unlike([model, other])
        white = WhiteNoise(
            other.card.name, other.card.weights_sha256, _network(other, place), other.card.sigma_range[0]
        )
    return LoadedModel(
        name=card.name, family=card.architecture.family, network=_network(model, place), sigma_data=card.sigma_data,
        sigma_range=card.sigma_range, neighbours=card.input_channels > 1, device=place,
        joint_phases=card.joint_phases, facts=tuple(known_facts.encoded({}).tolist()) if card.facts else (),
        white=white, rims=_rims(beside["rims"], place) if "rims" in beside else None,
    )  # fmt: skip


def _rims(model: model_cards.Model, place: torch.device) -> Rims:
    return Rims(model.card.name, model.card.weights_sha256, _network(model, place, _build_rims))


def _build_rims(family: str, arguments: dict[str, Any], *, name: str) -> nn.Module:
    if family != RIMS:
        raise ModelError("model.unknown_family", name=name, family=family, known=RIMS)
    return RimNetwork(RimArguments.model_validate(arguments))


def _network(model: model_cards.Model, place: torch.device, make: Callable[..., nn.Module] = build) -> nn.Module:
    card = model.card
    try:
        network = make(card.architecture.family, card.architecture.arguments, name=card.name)
        network.load_state_dict(_tensors(model), strict=True)
    except (RuntimeError, ValueError, SafetensorError, PluginError) as error:
        raise ModelError("model.wrong_weights", model.folder, name=card.name) from error
    network.eval()
    fuse(network)
    network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _tensors(model: model_cards.Model) -> dict[str, torch.Tensor]:
    """The weights as they are computed with; raises ModelError("model.not_finite")."""
    tensors = {key: value.float() for key, value in load_file(model.weights).items()}
    if model.card.architecture.family in OURS and not all(value.isfinite().all() for value in tensors.values()):
        raise ModelError("model.not_finite", model.folder, name=model.card.name)
    return tensors


def told(card: model_cards.Card, loaded: LoadedModel, noise: Sequence[NoiseLevel]) -> dict[str, Any]:
    """Which weights served noise of these levels, for a record; those for white noise with their share in each."""
    found: dict[str, Any] = {
        "name": card.name, "version": card.version, "weights_sha256": card.weights_sha256,
        "family": card.architecture.family,
    }  # fmt: skip
    white = loaded.white
    shares = [white.share(level.sigma, level.lag1) for level in noise] if white else []
    if white and any(shares):
        found["white_noise"] = {"name": white.name, "weights_sha256": white.weights_sha256, "share": shares}
    if loaded.rims_given_back and loaded.rims is not None and any(level.sigma > 0 for level in noise):
        found["rims"] = loaded.rims.told()
    return found


def fuse(network: nn.Module) -> None:
    """Fold each BatchNorm of an evaluated paper network into its convolution: the same numbers, sooner."""
    for pair in network.modules():
        if isinstance(pair, PaperPair) and isinstance(pair.first_norm, nn.BatchNorm2d):
            pair.first = fuse_conv_bn_eval(pair.first, pair.first_norm)
            pair.second = fuse_conv_bn_eval(pair.second, pair.second_norm)
            pair.first_norm, pair.second_norm = nn.Identity(), nn.Identity()  # type: ignore[assignment]


def save(folder: Path, network: nn.Module, card: dict[str, Any], *, half: bool = False) -> None:
    """Write a model folder's two files; ``half`` stores floating weights in 16 bits."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: _stored(value, half=half) for key, value in network.state_dict().items()}
    weights = folder / "weights.safetensors"
    save_file(tensors, weights)
    weights.chmod(0o644)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    full = {**card, "weights_sha256": files.sha256(weights), "parameters": parameters}
    checked = model_cards.Card.model_validate(full)
    files.write_json(folder / "card.json", checked.model_dump(mode="json"))


def refuse_other_task(model: model_cards.Model) -> None:
    """Raise ModelError("model.other_task") where a model is no denoiser."""
    task, expected = model.card.task, model_cards.DENOISE
    if task != expected:
        raise ModelError("model.other_task", model.folder, name=model.card.name, found=task, expected=expected)


def refuse_unlike(models: Sequence[model_cards.Model]) -> None:
    """Raise ModelError("model.other_network") where models are not of one network."""
    first = models[0].card
    for other in models[1:]:
        if any(getattr(other.card, name) != getattr(first, name) for name in ALIKE):
            raise ModelError("model.other_network", name=other.card.name, first=first.name)


def pair(general: model_cards.Model, white: model_cards.Model, folder: Path) -> None:
    """A model with the weights of ``general``, and those of ``white`` where noise is white; not evaluated yet.

    It gives no rims back: a network for rims knows the answers of one denoiser alone.

    Raises ModelError("model.other_task"), ("model.other_network") where they are not one network, what
    ``model_cards.needed_by`` raises where ``white`` could not be found again, InputError("files.exists").
    """
    refuse_other_task(general)
    refuse_unlike([general, white])
    if folder.name == white.card.name:
        raise InputError("files.exists", white.folder, name=folder.name)
    needed = model_cards.Companion(name=white.card.name, weights_sha256=white.card.weights_sha256)
    model_cards.needed_by(folder.name, "white_noise", needed)
    served = {"white_noise": needed.model_dump(), "rims": None}
    _served_by(general, white, served, folder, command="tumordiff models pair")


def with_rims(denoiser: model_cards.Model, rims: model_cards.Model, folder: Path) -> None:
    """``denoiser`` as the model ``folder`` that needs ``rims``, which lies beside it; not evaluated yet.

    Raises InputError("files.exists").
    """
    served = {"rims": {"name": rims.card.name, "weights_sha256": rims.card.weights_sha256}}
    _served_by(denoiser, rims, served, folder, command="tumordiff models rims")


def _served_by(
    model: model_cards.Model, companion: model_cards.Model, served: dict[str, Any], folder: Path, *, command: str
) -> None:
    """``model`` as the model ``folder`` whose card says by ``served`` what its companion does."""
    card = {
        **model.card.model_dump(mode="json"), "name": folder.name, "figures": [], **served,
        "training_data": _joined_patients([model.card.training_data, companion.card.training_data]),
        "made_with": {
            "command": command,
            "of": [{"name": one.card.name, **one.card.made_with} for one in (model, companion)],
        },
    }  # fmt: skip
    with files.whole_folder(folder) as partial:
        shutil.copyfile(model.weights, partial / model.weights.name)
        files.write_json(partial / "card.json", card)


def average(models: Sequence[model_cards.Model], folder: Path) -> None:
    """The mean of several models' weights as the model ``folder``, which nobody has evaluated yet.

    Networks that went on from one another often lie in one valley, where their mean errs less (Wortsman 2022,
    arXiv 2203.05482). The first model's card is taken over; who was trained on by any is trained on.

    Raises ModelError("model.other_task"), ("model.other_network") where they are not one network, ("model.not_finite"),
    InputError("files.exists").
    """
    refuse_other_task(models[0])
    refuse_unlike(models)
    first = models[0].card
    states = [_tensors(model) for model in models]
    network = build(first.architecture.family, first.architecture.arguments, name=first.name)
    network.load_state_dict({key: torch.stack([s[key] for s in states]).mean(dim=0) for key in states[0]})
    lows, highs = zip(*(model.card.sigma_range for model in models), strict=True)
    card = {
        **first.model_dump(mode="json"), "name": folder.name, "figures": [], "sigma_range": (max(lows), min(highs)),
        "white_noise": None, "rims": None,
        "training_data": _joined_patients([model.card.training_data for model in models]),
        "made_with": {
            "command": "tumordiff models average",
            "of": [{"name": model.card.name, **model.card.made_with} for model in models],
        },
    }  # fmt: skip
    with files.whole_folder(folder) as partial:
        save(partial, network, card, half=True)


def _joined_patients(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first model's training data with every model's patients; trained on before judged on."""
    splits = [one.get("patients") or {} for one in told]
    taken: set[str] = set()
    patients: dict[str, list[str]] = {}
    for part in ("train", "val", "test"):
        here = {patient for split in splits for patient in split.get(part, ())} - taken
        patients[part] = sorted(here)
        taken |= here
    return {**told[0], "patients": patients} if any(splits) else dict(told[0])


def _stored(value: torch.Tensor, *, half: bool) -> torch.Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if half and value.is_floating_point() else value
