"""Learns what a denoiser loses at the rims of lesions: the least change that makes rims right on average.

The squared error alone leaves rims too wide, for a posterior mean is the best there is. So the squared change of that
mean, which is what the error of a true posterior mean grows by, is minimised under constraints: over lesions drawn into
real slices, and over those drawn into simulated breasts, the mean error is zero at each distance from the rim
(``RINGS``) and each height of the lesion (``HEIGHTS``). Both kinds of slices have constraints of their own, for a
denoiser is surer of the smooth phantom, and a mean over both would leave either wrong. Each constraint has a
multiplier, which rises while its mean error stays (dual ascent; Platt & Barr 1987, NIPS 0:612), with a part in
proportion to the recent error, which keeps it from swinging (Stooke 2020, arXiv 2007.03964). The error itself is not
minimised: what local means give back for lesions raises it, and the network would learn to take that away again.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tumordiff_core.engine import along_edges, local_means
from tumordiff_core.engine.denoise import LoadedModel, padded
from tumordiff_core.engine.rims import RimArguments, RimNetwork, given_back
from tumordiff_core.errors import InputError, ModelError, Stopped
from tumordiff_core.progress import Progress
from tumordiff_core.training import rim_lesions
from tumordiff_core.training.augment import corrupt, told
from tumordiff_core.training.bank import Bank, Crops, together
from tumordiff_core.training.chance import Chance, seeded
from tumordiff_core.training.datasets import Stack, simulated_stacks
from tumordiff_core.training.mix import Levels, Mix
from tumordiff_core.training.module import LARGEST_GRADIENT, denoiser_of

RINGS = np.arange(-3.0, 3.01, 0.6)
"""Distances from a rim, in pixels, between which errors are averaged; inside is negative."""

HEIGHTS = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 14.0, 30.0])
"""Heights of lesions, in sigma, between which they are."""

RISE, IN_PROPORTION = 0.02, 4.0
FEW_PIXELS = 20
"""A mean over fewer pixels than this moves its multiplier less."""

REMEMBERED = 0.98
WARM_UP, LAST_SHARE = 100, 0.02
AVERAGE = 0.998
RENEWED_EVERY = 400
SAVED_EVERY = 400

KINDS, SIMULATED_SHARE = 2, 0.375
"""Real slices and simulated breasts, and how many of the crops are of the second."""

REAL = Mix(native=0.1, resampled=0.4, uptake=0.25, phases=0.0)
SIMULATED = replace(REAL, native=0.5, resampled=0.5)
COLOURED = Levels(lowest=0.007, highest=0.2, white_share=0.05, ghost_share=0.02, band_share=0.6)
WHITE = Levels(lowest=0.02, highest=0.2, white_share=1.0, ghost_share=0.02)
MIXED = Levels(lowest=0.007, highest=0.2, ghost_share=0.02, band_share=0.6)


@dataclass(frozen=True)
class Plan:
    """How the network learns; the same plan and data give the same weights on one machine."""

    steps: int = 6_000
    batch: int = 16
    crop: int = 64
    learning_rate: float = 0.002
    simulated: int = 12
    seed: int = 0
    arguments: RimArguments = field(default_factory=RimArguments)


@dataclass
class Constraints:
    """The multipliers of all mean errors, and what the errors were lately.

    Parameters
    ----------
    multipliers : float32 [kind, height, ring], per pixel, in sigma
    errors, pixels : float32 [kind, height, ring], sums of recent errors (sigma) and how many pixels they are of
    """

    multipliers: Tensor
    errors: Tensor
    pixels: Tensor

    @staticmethod
    def none() -> "Constraints":
        """Before the first step."""
        shape = (KINDS, len(HEIGHTS) - 1, len(RINGS) - 1)
        return Constraints(torch.zeros(shape), torch.zeros(shape), torch.zeros(shape))

    def means(self) -> Tensor:
        """Recent mean errors, float32 [kind, height, ring], in sigma."""
        return self.errors / (self.pixels + FEW_PIXELS)

    def penalty(self, error: Tensor, one: "Lesson", rise: float) -> Tensor:
        """What the constraints add to the mean squared change; the multipliers move by ``rise``.

        Parameters
        ----------
        error : float32 [crop, row, column], in sigma, of a mean that learns
        """
        place, judged = _places_of(one)
        count = self.multipliers.numel()
        pixels = torch.bincount(place[judged], minlength=count).float().view_as(self.multipliers)
        sums = torch.zeros(count).index_add(0, place[judged], error[judged]).view_as(self.multipliers)
        self.errors = REMEMBERED * self.errors + sums.detach()
        self.pixels = REMEMBERED * self.pixels + pixels
        self.multipliers = self.multipliers + rise * sums.detach() / (pixels + FEW_PIXELS)
        weights = self.multipliers + IN_PROPORTION * self.means()
        return 2 * (weights * sums).sum() / error.numel()


def _places_of(one: "Lesson") -> tuple[Tensor, Tensor]:
    """Which constraint each pixel belongs to, int64, and whether it does to any, bool; both [crop, row, column]."""
    ring = torch.bucketize(one.distance, torch.from_numpy(RINGS).float()) - 1
    high = torch.bucketize(one.height, torch.from_numpy(HEIGHTS).float()) - 1
    rings, heights = len(RINGS) - 1, len(HEIGHTS) - 1
    judged = (ring >= 0) & (ring < rings) & (high >= 0) & (high < heights)
    return (one.kind[:, None, None] * heights + high) * rings + ring, judged


@dataclass(frozen=True)
class Lesson:
    """A batch as the network meets it, in units of sigma, float32 [crop, 1, row, column] where not said otherwise.

    Parameters
    ----------
    noisy, mean, clean : magnitudes, the denoiser's answer with its edges smoothed along them, and the truth
    channels : int [crop]
    distance, height : [crop, row, column], see ``rim_lesions.Drawn``
    kind : int64 [crop], 1 in simulated breasts and 0 in real slices
    """

    noisy: Tensor
    mean: Tensor
    clean: Tensor
    channels: list[int]
    distance: Tensor
    height: Tensor
    kind: Tensor


def lesson(crops: Crops, kind: Tensor, model: LoadedModel, step: int, chance: Chance) -> Lesson:
    """Lesions and noise in clean crops [crop] of ``kind`` (``Lesson``), and what a denoiser makes of them in a step."""
    network, levels = _network_and_levels(model, step)
    drawn = rim_lesions.added(crops.images, chance)
    noisy = corrupt(drawn.images, levels, chance, crops.present)
    sigma, colour = told(noisy, levels.misjudged_share, chance)
    batch = {
        "sigma": sigma, "colour": colour, "channels": noisy.channels,
        "present": chance.put(crops.present.astype(np.float32)),
    }  # fmt: skip
    level = sigma[:, None, None, None]
    with torch.no_grad():
        denoise = denoiser_of(batch, model.sigma_data)
        mean = denoise(partial(padded, network), noisy.noisy).clamp_min(0) / level
        measured = noisy.noisy[:, :1] / level
        mean = along_edges.smoothed(mean, 1.0, local_means.seen_of(measured))
    channels = [int(one) for one in noisy.channels.tolist()]
    clean, height = noisy.clean[:, :1] / level, drawn.height / level[:, 0]
    return Lesson(measured, mean, clean, channels, drawn.distance, height, kind)


def answer(network: nn.Module, one: Lesson) -> tuple[Tensor, Tensor]:
    """The mean with rims given back, and then with most of its local means, as ``posterior_mean`` does it."""
    changed = given_back(network, one.mean, 1.0, local_means.seen_of(one.noisy))
    parts: list[Tensor] = [changed] * len(one.channels)
    for channels in sorted(set(one.channels)):
        rows = [k for k, own in enumerate(one.channels) if own == channels]
        whole = local_means.given_back(one.noisy[rows], changed[rows], 1.0, channels, local_means.USUAL_SHARE)
        for k, row in enumerate(rows):
            parts[row] = whole[k]
    return changed, torch.stack(parts)


class Slices:
    """What crops are drawn from: real slices of patients of the training part, and simulated breasts.

    Raises InputError("training.no_data").
    """

    def __init__(self, stacks: Sequence[Stack], plan: Plan, *, neighbours: bool = True, progress: Progress) -> None:
        alone = {} if neighbours else {"alone": 1.0, "nearest": 0.0}
        self._banks = [Bank([s for s in stacks if s.part == "train"], size=plan.crop, mix=replace(REAL, **alone))]
        if plan.simulated:
            simulated = simulated_stacks(plan.simulated, plan.seed, progress=progress)
            self._banks.append(Bank(simulated, size=plan.crop, mix=replace(SIMULATED, **alone)))

    def renew(self, chance: Chance) -> None:
        """Draw new pixel sizes."""
        for bank in self._banks:
            bank.renew(chance)

    def draw(self, count: int, chance: Chance) -> tuple[Crops, Tensor]:
        """``count`` crops, 2 or more and some of each kind, and of which kind each is, int64 [crop]."""
        simulated = max(round(SIMULATED_SHARE * count), 1) if len(self._banks) > 1 else 0
        counts = [count - simulated, simulated][: len(self._banks)]
        parts = [bank.draw(n, chance) for bank, n in zip(self._banks, counts, strict=True) if n]
        return together(parts), torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def fit(
    model: LoadedModel, stacks: Sequence[Stack], plan: Plan, states: Path, *, learned_from: str = "", progress: Progress
) -> RimNetwork:
    """The network that gives back the rims that ``model`` loses, averaged over its last steps.

    Goes on from ``states/last.pt`` if it is there; patients of the training part alone teach it. ``learned_from`` tells
    the weights of the model and the data: a state of others is not gone on from.

    Raises Stopped when asked to stop, resumable where a state was saved, InputError("training.no_data") or
    ("training.other_start").
    """
    torch.manual_seed(plan.seed)
    network = RimNetwork(plan.arguments)
    state = _State(network, copy.deepcopy(network), Constraints.none(), plan.learning_rate, learned_from)
    last = states / "last.pt"
    if last.is_file():
        state.take(torch.load(last, map_location="cpu", weights_only=True))  # noqa: TID251
    slices = Slices(stacks, plan, neighbours=model.neighbours, progress=progress)
    slices.renew(seeded(plan.seed, 1, state.step // RENEWED_EVERY))
    progress.stage("train", plan.steps)
    if state.step:
        progress.advance(state.step)
    try:
        while state.step < plan.steps:
            _learn(state, slices, model, plan)
            if state.step % RENEWED_EVERY == 0:
                slices.renew(seeded(plan.seed, 1, state.step // RENEWED_EVERY))
            if state.step % SAVED_EVERY == 0 and state.step < plan.steps:
                _save(state, last, progress)
            progress.advance()
    except Stopped:
        # A stop at once may come in the middle of a step: then the state before it, in the file, is the newest.
        if state.whole:
            _save(state, last, progress)
        raise Stopped(resumable=last.is_file()) from None
    return state.average


class _State:
    """Everything that changes while the network learns."""

    def __init__(
        self, network: RimNetwork, average: RimNetwork, constraints: Constraints, rate: float, learned_from: str
    ) -> None:
        self.network, self.average, self.constraints, self.learned_from = network, average, constraints, learned_from
        self.optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        self.step = 0
        self.squared = 0.0
        self.whole = True
        """Whether no step is half taken."""

    def told(self) -> dict[str, Any]:
        """What a file holds of it."""
        return {
            "network": self.network.state_dict(), "average": self.average.state_dict(), "step": self.step,
            "optimizer": self.optimizer.state_dict(), "squared": self.squared,
            "constraints": [self.constraints.multipliers, self.constraints.errors, self.constraints.pixels],
            "learned_from": self.learned_from,
        }  # fmt: skip

    def take(self, told: dict[str, Any]) -> None:
        """Go on as a file says; raises InputError("training.other_start") where that learned from something else."""
        if told.get("learned_from") != self.learned_from:
            raise InputError("training.other_start")
        self.network.load_state_dict(told["network"])
        self.average.load_state_dict(told["average"])
        self.optimizer.load_state_dict(told["optimizer"])
        self.constraints = Constraints(*told["constraints"])
        self.step, self.squared = int(told["step"]), float(told["squared"])


def _learn(state: _State, slices: Slices, model: LoadedModel, plan: Plan) -> None:
    """One step."""
    chance = seeded(plan.seed, 2, state.step)
    one = lesson(*slices.draw(plan.batch, chance), model, state.step, chance)
    changed, whole = answer(state.network, one)
    state.whole = False
    done = state.step / plan.steps
    penalty = state.constraints.penalty((whole - one.clean)[:, 0], one, RISE * max(0.1, 1 - done))
    squared = (changed - one.mean).square().mean()
    course = max(LAST_SHARE, (1 + math.cos(math.pi * done)) / 2) * min(1.0, (state.step + 1) / WARM_UP)
    for group in state.optimizer.param_groups:
        group["lr"] = plan.learning_rate * course
    state.optimizer.zero_grad()
    (squared + penalty).backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), LARGEST_GRADIENT)
    state.optimizer.step()
    decay = min(AVERAGE, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        for mean, own in zip(state.average.parameters(), state.network.parameters(), strict=True):
            mean.lerp_(own, 1 - decay)
    state.squared = REMEMBERED * state.squared + (1 - REMEMBERED) * float(squared.detach())
    state.step += 1
    state.whole = True


def levels_of(model: LoadedModel) -> tuple[float, float]:
    """Lowest and highest noise that rims of a model are learned at.

    Raises ModelError("model.rims_levels") where it serves none of them.
    """
    levels = [_network_and_levels(model, step)[1] for step in (0, 1)]
    if any(one.lowest >= one.highest for one in levels):
        expected = " to ".join(f"{end:g}" for end in (MIXED.lowest, MIXED.highest))
        served = " to ".join(f"{end:g}" for end in model.sigma_range)
        raise ModelError("model.rims_levels", name=model.name, served=served, expected=expected)
    return min(one.lowest for one in levels), max(one.highest for one in levels)


def _network_and_levels(model: LoadedModel, step: int) -> tuple[nn.Module, Levels]:
    """Whose answers are learned from in a step, and with which noise: white noise by its own weights, by turns."""
    lowest, highest = model.sigma_range
    if model.white is None:
        network, levels = model.network, MIXED
    elif step % 2 == 0:
        network, levels, lowest = model.white.network, WHITE, max(lowest, model.white.lowest)
    else:
        network, levels = model.network, COLOURED
    return network, replace(levels, lowest=max(levels.lowest, lowest), highest=min(levels.highest, highest))


def _save(state: _State, last: Path, progress: Progress) -> None:
    """The state of this step in a whole file, and the curves."""
    last.parent.mkdir(parents=True, exist_ok=True)
    partial = last.with_suffix(".partial")
    torch.save(state.told(), partial)
    partial.replace(last)
    progress.checkpoint(state.step, f"checkpoints/{last.name}")
    progress.metric("squared_change", state.squared, state.step)
    progress.metric("largest_error_at_rims", float(state.constraints.means().abs().max()), state.step)
