"""What the reader and the panel have chosen: the one record that every view of Denoise follows."""

from dataclasses import dataclass, field
from typing import Any

from tumordiff_core.model_cards import Model
from tumordiff_core.result_folder import Result
from tumordiff_gui.modules.denoise.composing import Source


@dataclass
class Chosen:
    """What the panel has chosen; the pictures follow from it and from nothing else.

    Parameters
    ----------
    active : whether the window shows this module
    arrangement : ``compare``, ``models``, ``steps`` or ``explain``
    files : array and record of the acquired phase, for the preview child; ``None`` when there are none
    truth_file : the clean phase of a simulation, empty where there is none, ``None`` while that is not known
    sigma : noise level the reader gave, ``None``: measured
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
    sigma: float | None = None
    seed: int = 0
    stale: bool = False
    nothing: bool = True
    refused: str = ""
