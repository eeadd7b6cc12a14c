"""Other people's networks beside ours with the same budget: data, objective, parameters and wall time.

All train through ``training/fit.py`` on the same stacks with the same recipe: crops, drawn noise, EDM objective,
preconditioning, optimizer, learning rate, averaged weights and choice of the best epoch; only the network differs.
Each gets the same minutes on the same machine, so that a faster network takes more steps. One seed.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tumordiff_core import files
from tumordiff_core.engine.denoise import LoadedModel
from tumordiff_core.errors import Stopped
from tumordiff_core.evaluation import denoise, metrics
from tumordiff_core.evaluation.peer_networks import PEERS, Peer, arguments_for, parameters
from tumordiff_core.evaluation.references import Reference
from tumordiff_core.progress import Progress
from tumordiff_core.training import fit
from tumordiff_core.training.datasets import Stack
from tumordiff_core.training.module import SIGMA_DATA

OURS = "TumorDiff"
INPUT = "identity"
SEEN = {"one slice": False, "with neighbours": True}
PROBE_STEPS = 25
"""Steps that the pace of a network is measured on before its training; they are not counted into its minutes."""

FORMAT = 1
Done = dict[str, Any]
"""What is kept of one network: parameters, steps taken and planned, seconds, and scores by what it saw and level."""


@dataclass(frozen=True)
class Entry:
    """One network that is trained: its name and its plan without a budget."""

    name: str
    plan: fit.Plan


def entries(plan: fit.Plan, peers: Sequence[Peer] = PEERS) -> tuple[list[Entry], list[str]]:
    """Ours by ``plan`` first, then peers of about as many parameters; and the names of those that are not installed."""
    wanted = parameters(plan.network())
    found = [Entry(OURS, plan)]
    for peer in peers:
        if peer.installed:
            theirs = replace(plan, family=peer.name, arguments=arguments_for(peer, wanted), builder=peer.made)
            found.append(Entry(peer.name, theirs))
    return found, [peer.name for peer in peers if not peer.installed]


def run(
    wanted: Sequence[Entry], stacks: Sequence[Stack], found: Sequence[Reference], levels: Sequence[float],
    checkpoints: Path, *, minutes: float, progress: Progress,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train every network for ``minutes`` and score it; what an earlier attempt finished is read, not done again.

    Returns the rows of ``rows``. Raises Stopped(resumable=True) when asked to stop.
    """
    try:
        done = _all_done(wanted, stacks, found, levels, checkpoints, minutes, progress)
        untouched = _scored({INPUT: denoise.baseline_method(INPUT)}, found, levels, progress)
    except Stopped:
        raise Stopped(resumable=True) from None
    return rows({entry.name: done[entry.name] for entry in wanted}, untouched)


def _all_done(
    wanted: Sequence[Entry], stacks: Sequence[Stack], found: Sequence[Reference], levels: Sequence[float],
    checkpoints: Path, minutes: float, progress: Progress,
) -> dict[str, Done]:  # fmt: skip
    record = checkpoints / "peers.json"
    kept: dict[str, Any] = {"format": FORMAT, "steps": {}, "done": {}}
    if record.is_file():
        kept = files.read_json(record, newest_format=FORMAT)
    done: dict[str, Done] = kept["done"]
    for number, entry in enumerate(wanted):
        if entry.name in done:
            continue
        progress.log(f"{entry.name} ({number + 1} of {len(wanted)})")
        place = checkpoints / entry.name.replace(" ", "-")
        place.mkdir(exist_ok=True)
        if entry.name not in kept["steps"]:
            kept["steps"][entry.name] = steps_within(entry.plan, stacks, minutes, place / "probe", progress)
            files.write_json(record, kept)
        recipe = replace(entry.plan.recipe, steps=kept["steps"][entry.name])
        plan = replace(entry.plan, recipe=recipe, minutes=minutes)
        fitted = fit.fit(plan, stacks, place, progress=progress)
        done[entry.name] = {
            "parameters": parameters(fitted.network), "steps": fitted.steps, "planned": plan.epochs * recipe.steps,
            "seconds": fitted.seconds, "scores": score(fitted.network, found, levels, progress=progress),
        }  # fmt: skip
        files.write_json(record, kept)
        progress.checkpoint(number + 1, "checkpoints/peers.json")
    return done


class _Probing(Progress):
    """Says nothing of a probe, and hears that the job is to stop."""

    def __init__(self, job: Progress) -> None:
        super().__init__()
        self._job = job

    def asked_to_stop(self) -> str:
        """What the job was told."""
        return self._job.asked_to_stop()


def steps_within(plan: fit.Plan, stacks: Sequence[Stack], minutes: float, folder: Path, progress: Progress) -> int:
    """Steps per epoch that fill ``minutes`` with the epochs of the plan, validations included; at least 1.

    The pace is that of a short training of the same plan, no longer than ``minutes``; ``folder`` is gone afterwards.

    Raises Stopped(resumable=True) when asked to stop.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed in here
    folder.mkdir()
    short = replace(plan, epochs=1, recipe=replace(plan.recipe, steps=PROBE_STEPS), minutes=minutes)
    try:
        probe = fit.fit(short, stacks, folder, progress=_Probing(progress))
    except Stopped:
        raise Stopped(resumable=True) from None
    finally:
        shutil.rmtree(folder)
    step = probe.step_seconds or probe.seconds / max(probe.steps, 1)
    besides = max(probe.seconds - step * probe.steps, 0.0)
    return max(int((60 * minutes / plan.epochs - besides) / step), 1)


def score(
    network: torch.nn.Module, found: Sequence[Reference], levels: Sequence[float], *, progress: Progress
) -> list[dict[str, Any]]:  # fmt: skip
    """Scores of one trained network, on single slices and with neighbours."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.eval().to(device)
    model = LoadedModel("network", "edm-unet", network, SIGMA_DATA, (0.0, 1.0), True, device)
    methods = {seen: denoise.model_method(model, neighbours=neighbours) for seen, neighbours in SEEN.items()}
    return _scored(methods, found, levels, progress)


def _scored(
    methods: dict[str, denoise.Method], found: Sequence[Reference], levels: Sequence[float], progress: Progress
) -> list[dict[str, Any]]:  # fmt: skip
    """PSNR in tissue of each patient, white Rician noise."""
    kind = denoise.KINDS["rician"]
    table = denoise.evaluate(found, methods, [kind], levels, progress=progress)
    return [
        {"seen": seen, "level": level, "psnr": table.column(seen, kind.name, level, "psnr_tissue")}
        for seen in methods for level in levels
    ]  # fmt: skip


def rows(done: dict[str, Done], untouched: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per network, what it saw and level: PSNR, its gain over the noisy input and its difference to ours.

    Gain and difference are paired over patients, with 95 % intervals. The first row of a level is the noisy input.
    """
    noisy = {one["level"]: one["psnr"] for one in untouched}
    ours = {(one["seen"], one["level"]): one["psnr"] for one in done[OURS]["scores"]}
    nothing = {"parameters": 0, "steps": 0, "planned": 0, "seconds": 0.0, "scores": untouched}
    lines = []
    for name, kept in {INPUT: nothing, **done}.items():
        for one in kept["scores"]:
            level, psnr = one["level"], one["psnr"]
            gain = metrics.paired(psnr, noisy[level]).difference
            # The noisy input sees one slice.
            other = metrics.paired(psnr, ours["one slice" if name == INPUT else one["seen"], level])
            lines.append({
                "network": name, "parameters": kept["parameters"], "steps": kept["steps"],
                "planned_steps": kept["planned"], "seconds": kept["seconds"],
                "steps_per_second": kept["steps"] / kept["seconds"] if kept["seconds"] else 0.0,
                "seen": "-" if name == INPUT else one["seen"], "level": level,
                "psnr_db": metrics.bootstrap(psnr).mean,
                "gain_db": gain.mean, "gain_low": gain.low, "gain_high": gain.high,
                "over_ours_db": other.difference.mean, "over_ours_low": other.difference.low,
                "over_ours_high": other.difference.high, "test_patients": other.patients,
            })  # fmt: skip
    return lines
