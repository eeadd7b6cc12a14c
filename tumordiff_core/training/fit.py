"""One training under Lightning, told through a Progress and left as a model folder; resumable from its checkpoints."""

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    WeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader

from tumordiff_core.engine import context, known_facts, precision, schedules
from tumordiff_core.engine.weights import build
from tumordiff_core.errors import InputError, Stopped
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.stabilise import stabiliser
from tumordiff_core.progress import Progress
from tumordiff_core.training import self_supervised
from tumordiff_core.training.bank import Bank
from tumordiff_core.training.clock import Clock
from tumordiff_core.training.datasets import Stack, block_mean, is_beside, made_up_stacks
from tumordiff_core.training.mix import Mix
from tumordiff_core.training.module import Batch, DenoiserModule, NoisyBatches, Recipe

VALIDATION_LEVELS = (0.05, 0.10, 0.15)
VALIDATION_SLICES = 12
PATIENCE = 10
EMA_EVERY, EMA_STEPS, EMA_SHARE = 5, 500, 0.04
"""The average is taken every few steps, over a share of all steps and never over fewer than ``EMA_STEPS``."""


@dataclass(frozen=True)
class Plan:
    """Everything one training needs besides its data; ``start`` is a weights file of the same network to go on from.

    ``minutes`` ends it early when that much wall time is used up. ``builder`` makes a network from ``arguments`` that
    is no registered family, for comparisons: nobody is offered it and no model folder can name it.
    """

    family: str
    arguments: dict[str, Any]
    recipe: Recipe
    crop: int
    learning_rate: float
    epochs: int
    start: Path | None = None
    patience: int = PATIENCE
    made_up: int = 0
    threads: int = 0
    loaders: int = 0
    devices: int = 1
    nodes: int = 1
    graphed: bool = False
    mix: Mix = field(default_factory=Mix)
    minutes: float | None = None
    builder: Callable[[dict[str, Any]], nn.Module] | None = None

    def network(self) -> nn.Module:
        """A fresh network.

        Raises ModelError("model.unknown_family").
        """
        return build(self.family, self.arguments) if self.builder is None else self.builder(self.arguments)


@dataclass(frozen=True)
class Fitted:
    """What a training leaves: the averaged network of its best epoch and how it got there.

    ``seconds`` is its wall time with validations, over resumed parts too, and ``step_seconds`` that of one step.
    """

    network: nn.Module
    best: float
    epochs: int
    steps: int = 0
    seconds: float = 0.0
    step_seconds: float | None = None


class Told(Callback):
    """Turns Lightning's course into progress, metrics and stops."""

    def __init__(self, progress: Progress, plan: Plan) -> None:
        self._progress, self._plan = progress, plan
        self.word = ""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin the stage, at the step a resumed training starts from."""
        self._progress.stage("train", self._plan.epochs * self._plan.recipe.steps)
        if trainer.global_step:
            self._progress.advance(trainer.global_step)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_args: Any, **_kwargs: Any) -> None:
        """One step is done; ``step`` and ``now`` end the training here, ``epoch`` after the epoch."""
        try:
            self._progress.advance()
        except Stopped:
            self.word = "step"
            trainer.should_stop = True
            raise KeyboardInterrupt from None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The curves of this epoch."""
        epoch = trainer.current_epoch + 1
        for name in ("loss", "val_x0"):
            if name in trainer.callback_metrics:
                self._progress.metric(name, float(trainer.callback_metrics[name]), epoch)
        self._progress.metric("learning_rate", float(trainer.optimizers[0].param_groups[0]["lr"]), epoch)
        if self._progress.should_stop() == "epoch":
            self.word = "epoch"
            trainer.should_stop = True


class Newest(ModelCheckpoint):
    """The checkpoint to resume from, of every epoch whether good or not; it tells the job where it lies."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        super().__init__(folder, filename="last", save_top_k=1, enable_version_counter=False)
        self._progress = progress

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save as Lightning does, then say so."""
        super().on_validation_end(trainer, pl_module)
        if not trainer.sanity_checking:
            self._progress.checkpoint(trainer.current_epoch + 1, "checkpoints/last.ckpt")


class Averaged(WeightAveraging):
    """An exponential average of the weights, whose memory grows at first, so that short trainings do not lag."""

    def __init__(self, steps: int) -> None:
        decay = 1 - EMA_EVERY / max(EMA_STEPS, EMA_SHARE * steps)
        super().__init__(multi_avg_fn=partial(_towards, decay))

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """After every few steps."""
        return step_idx is not None and step_idx % EMA_EVERY == 0


@torch.no_grad()
def _towards(longest: float, average: Any, current: Any, count: Any) -> None:
    """One update of all weights by a decay of ``longest`` at most; ``count`` is how many went before."""
    known = float(count)
    decay = min(longest, (1 + known) / (10 + known))
    if torch.is_floating_point(average[0]):
        torch._foreach_lerp_(list(average), list(current), 1 - decay)
    else:
        torch._foreach_copy_(list(average), list(current))


def validation_batches(stacks: Sequence[Stack], recipe: Recipe) -> list[Batch]:
    """Whole slices of validation patients at three fixed levels with fixed noise, alone and with their neighbours.

    Raises InputError("training.no_data") when there is no validation patient.
    """
    chosen = [s for s in stacks if s.quiet and len(s.images)] or [s for s in stacks if len(s.images)]
    if not chosen:
        raise InputError("training.no_data", name="the validation split")
    side = min(min(s.images.shape[1:]) // 2 for s in chosen) // 16 * 16
    seen = [_validation_images(s, side) for s in chosen[:VALIDATION_SLICES]]
    images, present = (np.stack(parts) for parts in zip(*seen, strict=True))
    alone = context.without(images, present, neighbours=False)
    kinds = [alone] if recipe.objective == "eps" else [alone, (images, present)]
    batches = [_validation_batch(a, b, level, recipe) for level in VALIDATION_LEVELS for a, b in kinds]
    if recipe.facts:
        facts = torch.from_numpy(np.stack([known_facts.encoded(s.facts) for s in chosen[:VALIDATION_SLICES]]))
        return [{**batch, "facts": facts} for batch in batches]
    return batches


def validation_for(plan: Plan, stacks: Sequence[Stack]) -> list[Batch]:
    """Fixed batches of validation patients; where there is no clean image, pairs of noisy ones.

    Raises InputError("training.no_data") when there is no validation patient.
    """
    if not plan.recipe.self_supervised:
        return validation_batches(stacks, plan.recipe)
    recipe = replace(plan.recipe, batch=VALIDATION_SLICES, steps=2 * len(VALIDATION_LEVELS))
    bank = bank_for(replace(plan, loaders=1), stacks)
    return list(NoisyBatches(bank, recipe))


def _validation_images(stack: Stack, side: int) -> tuple[Any, Any]:
    middle = len(stack.images) // 2
    images, present = context.gather(block_mean(stack.images)[None, :, :side, :side], 0, np.array([middle]))
    for column, step in enumerate(context.NEIGHBOURS):
        present[0, column] *= is_beside(stack, middle, step)
    images[0, 1:] *= present[0, :, None, None]
    return images[0] / max(float(images[0, 0].max()), 1e-3), present[0]


def _validation_batch(images: Any, present: Any, level: float, recipe: Recipe) -> Batch:
    rng = np.random.default_rng(round(1000 * level))
    count = len(images)
    if recipe.objective == "eps":
        alone = images[:, :1].astype(np.float32)
        stable = stabiliser(1).expected(alone, level) * np.float32(level)
        eps = rng.standard_normal(alone.shape).astype(np.float32)
        alpha_bar = np.full(count, schedules.alpha_bar_of(2 * level), dtype=np.float32)
        found = {"clean": 2 * stable - 1, "eps": eps, "alpha_bar": alpha_bar}
        return {key: torch.from_numpy(value) for key, value in found.items()}
    noisy = magnitude(images, level, rng)
    noisy[:, 1:] *= present[:, :, None, None]
    return {
        "clean": torch.from_numpy(images[:, :1].astype(np.float32)),
        "noisy": torch.from_numpy(noisy),
        "present": torch.from_numpy(present.astype(np.float32)),
        "sigma": torch.full((count,), level),
        "colour": torch.zeros(count, 2),
        "channels": torch.ones(count),
    }


def lightning_precision() -> Literal["16-mixed", "bf16-mixed", "32-true"]:
    """bfloat16 where the device gains by it, 16-bit mixed precision on older CUDA devices, else 32 bits."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if precision.faster(device) == torch.bfloat16:
        return "bf16-mixed"
    return "16-mixed" if device.type == "cuda" else "32-true"


def bank_for(plan: Plan, stacks: Sequence[Stack]) -> Bank:
    """The slices that a training draws from; noisy ones as they are where no clean image is needed.

    Raises InputError("training.no_data").
    """
    device = learning_device(plan)
    if plan.recipe.self_supervised:
        noisy = self_supervised.measured(stacks)
        return Bank(noisy, size=plan.crop, noisiest=np.inf, mix=self_supervised.MIX, device=device)
    made_up = made_up_stacks(plan.made_up, plan.recipe.seed)
    return Bank(stacks, size=plan.crop, mix=plan.mix, made_up=made_up, device=device)


def learning_device(plan: Plan) -> torch.device:
    """Where crops arise: on the GPU that learns, unless loader processes make them."""
    if not torch.cuda.is_available() or plan.loaders:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def fit(plan: Plan, stacks: Sequence[Stack], checkpoints: Path, *, progress: Progress) -> Fitted:
    """Train, or go on from ``checkpoints/last.ckpt`` if it is there.

    Raises Stopped(resumable=True) when asked to stop, InputError("training.no_data").
    """
    if plan.threads:
        torch.set_num_threads(plan.threads)
    # Lightning's own remarks on devices and on other products do not belong into a job's log.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    lightning.seed_everything(plan.recipe.seed, verbose=False)
    bank = bank_for(plan, [s for s in stacks if s.part == "train"])
    batches = NoisyBatches(bank, plan.recipe)
    validation = validation_for(plan, [s for s in stacks if s.part == "val"])
    network = plan.network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if plan.start is not None:
        network.load_state_dict({key: value.float() for key, value in load_file(plan.start).items()})
    module = DenoiserModule(
        network, plan.recipe, learning_rate=plan.learning_rate, epochs=plan.epochs,
        graphed=(context.IMAGES, plan.crop) if plan.graphed and plan.recipe.objective == "edm" else None,
    )  # fmt: skip
    last = checkpoints / "last.ckpt"
    told, newest = Told(progress, plan), Newest(checkpoints, progress)
    best = ModelCheckpoint(
        checkpoints, filename="best", monitor="val_x0", mode="min", save_top_k=1, enable_version_counter=False
    )
    stopper = EarlyStopping("val_x0", patience=plan.patience, mode="min")
    average, clock = Averaged(plan.epochs * plan.recipe.steps), Clock(plan.minutes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="auto", devices=plan.devices, num_nodes=plan.nodes, precision=lightning_precision(),
            max_epochs=plan.epochs,
            callbacks=[average, told, clock, best, newest, stopper, LearningRateMonitor("epoch")],
            logger=CSVLogger(checkpoints, name="", version="curves"), enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, log_every_n_steps=50,
            benchmark=True,
        )  # fmt: skip
        batches.epoch = _epochs_done(last)
        loader: Any = DataLoader(
            batches, batch_size=None, num_workers=plan.loaders, persistent_workers=plan.loaders > 0
        )
        checks: Any = DataLoader(validation, batch_size=None)  # type: ignore[arg-type]
        try:
            trainer.fit(module, loader, checks, ckpt_path=last if last.is_file() else None, weights_only=True)
        except (KeyboardInterrupt, SystemExit):
            raise Stopped(resumable=last.is_file()) from None
    if told.word:
        raise Stopped(resumable=last.is_file())
    return Fitted(
        _best(plan, checkpoints), float(best.best_model_score or np.nan), trainer.current_epoch,
        trainer.global_step, clock.time_elapsed(), clock.step_seconds,
    )  # fmt: skip


def _epochs_done(checkpoint: Path) -> int:
    """Epochs a checkpoint has behind it, so that a resumed training draws what an unbroken one would."""
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"]) + 1  # noqa: TID251


def _best(plan: Plan, checkpoints: Path) -> nn.Module:
    """The averaged network of the best epoch, from its checkpoint."""
    place = checkpoints / "best.ckpt"
    state = torch.load(place if place.is_file() else checkpoints / "last.ckpt", map_location="cpu", weights_only=True)  # noqa: TID251
    network = plan.network()
    weights = {k.removeprefix("network."): v for k, v in state["state_dict"].items() if k.startswith("network.")}
    network.load_state_dict(weights)
    return network
