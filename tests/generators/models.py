"""Model folders for tests: a whole network of the seed paper's family, untrained and tiny."""

from pathlib import Path
from typing import Any

import torch

from tumordiff_core.engine import weights

ARGUMENTS = {"width": 8, "levels": 1}


def tiny(folder: Path, *, family: str = "paper-unet", name: str = "", **changes: Any) -> Path:
    """A model folder that loads and denoises badly; ``family`` only changes what the card says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = weights.build("paper-unet", ARGUMENTS)
    card = {
        "name": name or folder.name, "version": "0", "architecture": {"family": family, "arguments": ARGUMENTS},
        "sigma_range": (0.0, 0.3), "sigma_data": 0.2, "training_data": {}, "licence": "none", "failure_cases": [],
        "intended_use": "tests", **changes,
    }  # fmt: skip
    weights.save(folder, network, card)
    return folder
