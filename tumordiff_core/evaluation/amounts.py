"""How amount and quality of training data matter: short trainings on fewer patients, and with single steps left out.

Every training is short, of one seed and alike but for what its name says; test patients are the same for all. The
figures compare data and steps with one another, not with a model that was trained long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tumordiff_core import files
from tumordiff_core.engine import known_facts
from tumordiff_core.engine.denoise import LoadedModel
from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import denoise, metrics
from tumordiff_core.evaluation.references import Reference
from tumordiff_core.progress import Progress
from tumordiff_core.training import fit
from tumordiff_core.training.datasets import Stack
from tumordiff_core.training.mix import Mix
from tumordiff_core.training.module import CONDITION, SIGMA_DATA

FACTS = "patient and acquisition"
OF_DATA = ("neighbours", "quiet slices first")
"""Steps that are left out of the stacks, not of the plan."""

FORMAT = 1


@dataclass(frozen=True)
class Variant:
    """One training: how many patients, which step is left out, and what the network is told besides (empty: none)."""

    patients: int
    without: str = ""
    told: str = ""

    @property
    def name(self) -> str:
        """Unique among the variants of a run."""
        besides = f" without {self.without}" if self.without else f" told of {self.told}" if self.told else ""
        return f"{self.patients} patients{besides}"


def variants(counts: Sequence[int], steps: Sequence[str], available: int, *, facts: bool = False) -> list[Variant]:
    """All counts up to what is there, then the largest with each step left out, then one that is told ``FACTS``."""
    kept = sorted({min(count, available) for count in counts})
    found = [Variant(count) for count in kept] + [Variant(kept[-1], step) for step in steps]
    return [*found, Variant(kept[-1], told=FACTS)] if facts else found


def stacks_for(stacks: Sequence[Stack], variant: Variant, seed: int) -> list[Stack]:
    """The stacks of a variant: the first of a fixed shuffle of training patients, so that fewer are always among more.

    Raises InputError("training.no_data") without a training patient.
    """
    train = sorted({stack.patient for stack in stacks if stack.part == "train"})
    if not train:
        raise InputError("training.no_data", name="the training split")
    order = np.random.default_rng(seed).permutation(len(train))
    kept = {train[k] for k in order[: variant.patients]}
    chosen = [stack for stack in stacks if stack.part != "train" or stack.patient in kept]
    return [_changed(stack, variant.without) if stack.part == "train" else stack for stack in chosen]


def _changed(stack: Stack, without: str) -> Stack:
    if without == "neighbours":
        return replace(stack, one_scale=np.zeros_like(stack.one_scale))
    if without == "quiet slices first":
        return replace(stack, noise=np.where(np.isfinite(stack.noise), 0.01, stack.noise))
    return stack


def plan_for(plan: fit.Plan, variant: Variant) -> fit.Plan:
    """The plan of a variant."""
    without = variant.without
    if variant.told == FACTS:
        arguments = {**plan.arguments, "condition": CONDITION + known_facts.LENGTH}
        return replace(plan, arguments=arguments, recipe=replace(plan.recipe, facts=True))
    if without == "coloured noise":
        levels = replace(plan.recipe.levels, white_share=1.0)
        return replace(plan, recipe=replace(plan.recipe, levels=levels))
    if without == "other pixel sizes":
        return replace(plan, mix=Mix(resampled=0.0))
    if without == "other phases":
        return replace(plan, mix=Mix(phases=0.0))
    if without == "contrast uptake":
        return replace(plan, mix=Mix(uptake=0.0, phases=0.0))
    if without == "black air":
        return replace(plan, mix=Mix(black_air=0.0))
    if without == "misjudged levels":
        levels = replace(plan.recipe.levels, misjudged_share=0.0)
        return replace(plan, recipe=replace(plan.recipe, levels=levels))
    assert without in {"", *OF_DATA}, without
    return plan


def run(
    plan: fit.Plan, stacks: Sequence[Stack], found: Sequence[Reference], wanted: Sequence[Variant],
    levels: Sequence[float], checkpoints: Path, *, progress: Progress,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train and score every variant; what an earlier attempt finished is read, not done again.

    Returns one row per variant and level: PSNR over the noisy input in tissue, mean and 95 % interval over patients.
    Raises Stopped(resumable=True) when asked to stop.
    """
    record = checkpoints / "amounts.json"
    done: dict[str, list[dict[str, Any]]] = {}
    if record.is_file():
        done = files.read_json(record, newest_format=FORMAT)["done"]
    for number, variant in enumerate(wanted):
        if variant.name in done:
            continue
        progress.log(f"{variant.name} ({number + 1} of {len(wanted)})")
        place = checkpoints / f"variant-{number}"
        place.mkdir(exist_ok=True)
        mine = stacks_for(stacks, variant, plan.recipe.seed)
        fitted = fit.fit(plan_for(plan, variant), mine, place, progress=progress)
        facts = {stack.patient: stack.facts for stack in stacks} if variant.told == FACTS else {}
        done[variant.name] = score(fitted.network, variant, found, levels, facts, progress=progress)
        files.write_json(record, {"format": FORMAT, "done": done})
        progress.checkpoint(number + 1, "checkpoints/amounts.json")
    return [row for variant in wanted for row in done[variant.name]]


def score(
    network: torch.nn.Module, variant: Variant, found: Sequence[Reference], levels: Sequence[float],
    facts: Mapping[str, Mapping[str, float]], *, progress: Progress,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of one trained network, single slices and, unless it never saw any, with neighbours."""
    network.eval()
    model = LoadedModel("variant", "edm-unet", network, SIGMA_DATA, (0.0, 1.0), True, torch.device("cpu"))
    methods = {
        "identity": denoise.baseline_method("identity"), "one slice": _told(model, facts, neighbours=False),
    }  # fmt: skip
    if variant.without != "neighbours":
        methods["with neighbours"] = _told(model, facts, neighbours=True)
    kind = denoise.KINDS["rician"]
    table = denoise.evaluate(found, methods, [kind], levels, progress=progress)
    rows = []
    for level in levels:
        noisy = table.column("identity", kind.name, level, "psnr_tissue")
        for name in methods:
            if name == "identity":
                continue
            pair = metrics.paired(table.column(name, kind.name, level, "psnr_tissue"), noisy)
            rows.append({
                **asdict(variant), "seen": name, "level": level, "gain_db": pair.difference.mean,
                "low": pair.difference.low, "high": pair.difference.high, "test_patients": pair.patients,
            })  # fmt: skip
    return rows


def _told(model: LoadedModel, facts: Mapping[str, Mapping[str, float]], *, neighbours: bool) -> denoise.Method:
    """The network as a method; it hears the facts of each reference's patient where there are any."""
    if not facts:
        return denoise.model_method(model, neighbours=neighbours)

    def run(case: denoise.Case) -> npt.NDArray[np.float32]:
        known = tuple(known_facts.encoded(facts.get(case.reference.patient, {})).tolist())
        return denoise.model_method(replace(model, facts=known), neighbours=neighbours)(case)

    return run
