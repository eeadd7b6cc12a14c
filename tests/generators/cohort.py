"""Small synthetic cohorts for tests, made once per run."""

from pathlib import Path

from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort

SMALL = cohort.Plan(shape=(12, 64, 64), patients=2, visits=2)


def make(folder: Path, plan: cohort.Plan = SMALL) -> Path:
    """A cohort in ``folder``: two patients with two visits each, 12 x 64 x 64, three phases, truth beside it."""
    cohort.make(folder, plan, processes=1, progress=Progress())
    return folder
