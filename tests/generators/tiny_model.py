"""A model folder with an untrained network: enough to run every path of a real one, good for nothing."""

from pathlib import Path

import torch

from tumordiff_core.engine import weights

FAMILY = "edm-unet"
ARGUMENTS = {"widths": [16, 16], "blocks": 1}


def make(folder: Path, name: str = "tiny") -> Path:
    """Write weights and card into ``folder / name`` and return that."""
    torch.manual_seed(0)
    network = weights.build(FAMILY, ARGUMENTS)
    card = {
        "name": name, "version": "0", "title": "Untrained", "input_channels": 5, "sigma_range": (0.0, 0.3),
        "sigma_data": 0.25, "architecture": {"family": FAMILY, "arguments": ARGUMENTS}, "training_data": {},
        "licence": "none", "failure_cases": ["Everything."], "intended_use": "Tests.",
    }  # fmt: skip
    weights.save(folder / name, network, card)
    return folder / name
