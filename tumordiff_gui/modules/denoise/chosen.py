"""What the reader and the panel have chosen: the one record that every view of Denoise follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tumordiff_core.model_cards import Card, Model
from tumordiff_core.result_folder import Result
from tumordiff_gui.modules.denoise.composing import Source


@dataclass(frozen=True)
class Way:
    """How a slice is denoised, as the form says it or as a result was made.

    Parameters
    ----------
    sigma : noise level the reader gave, ``None``: measured
    mirrors : over how many mirror images
    local_means : how much of what local averages lost is given back, ``None``: as usual for so many phases
    phases : phases of the series
    along_edges : what noise is left at edges is smoothed along them; never where there is one phase
    rims : what is lost at the rims of lesions is given back; never where there is one phase
    """

    sigma: float | None = None
    mirrors: int = 1
    local_means: float | None = None
    phases: int = 1
    along_edges: bool = True
    rims: bool = True

    def asked(self) -> dict[str, Any]:
        """What is added to a request of the preview child."""
        return {k: v for k, v in vars(self).items() if v is not None}


BEFORE = {"local_means": 0.0, "along_edges": False, "rims": False, "chain": "ddim"}
"""How results were made before these could be chosen."""

OF_PHASES = ("along_edges", "rims")
"""Choices that have an effect only where there are several phases."""


def without_effect(phases: int, card: Card | None) -> tuple[str, ...]:
    """Choices that change nothing in so many phases with the model of this card; ``None``: with any model."""
    if phases < 2:
        return OF_PHASES
    return () if card is None or card.rims is not None else ("rims",)


def way_of(params: Mapping[str, Any], phases: int, card: Card | None = None) -> Way:
    """The way that parameters of a denoising describe, as far as the model of this card can; ``None``: any model."""
    mirrors, idle = int(params.get("mirrors") or 1), without_effect(phases, card)
    edges, rims = (name not in idle and bool(params.get(name, True)) for name in OF_PHASES)
    return Way(_number(params.get("sigma")), mirrors, _number(params.get("local_means")), phases, edges, rims)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


@dataclass
class Chosen:
    """What the panel has chosen; the pictures follow from it and from nothing else.

    Parameters
    ----------
    active : whether the window shows this module
    arrangement : ``compare``, ``models``, ``steps`` or ``explain``
    files : array and record of the acquired phase, for the preview child; ``None`` when there are none
    truth_file : the clean phase of a simulation, empty where there is none, ``None`` while that is not known
    way : how the form says slices are to be denoised
    chain : along which reverse chain the steps go
    ours, paper : the networks that stand side by side, empty where none is installed
    refused : why this series is not denoised, empty when it is
    """

    active: bool = False
    arrangement: str = "compare"
    source: Source | None = None
    files: tuple[str, str] | None = None
    truth: Any = None
    truth_file: str | None = None
    result: Result | None = None
    phase: int = 0
    model: str = ""
    ours: str = ""
    paper: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    way: Way = Way()
    chain: str = "ddim"
    seed: int = 0
    stale: bool = False
    nothing: bool = True
    refused: str = ""
