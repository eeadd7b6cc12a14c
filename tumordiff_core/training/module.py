"""The Lightning module: two objectives (the paper's noise prediction, the EDM form), one validation of x_0 error."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from tumordiff_core.engine import ddpm, precondition, schedules
from tumordiff_core.engine.denoise import condition_of
from tumordiff_core.noise.stabilise import stabiliser
from tumordiff_core.plugins import manager
from tumordiff_core.training.augment import Levels, corrupt, gaussian
from tumordiff_core.training.datasets import CropSampler

Batch = dict[str, Tensor]
Objective = Literal["eps", "edm"]
SIGMA_DATA = 0.2
MATCHED_SHARE = 0.75
WARM_UP_STEPS = 300
LAST_SHARE = 0.01


@dataclass(frozen=True)
class Recipe:
    """What one training does with its data; a loss and augmentations may be a plugin's, by name."""

    objective: Objective
    batch: int
    steps: int
    seed: int
    levels: Levels = field(default_factory=Levels)
    loss: str = ""
    augmentations: tuple[str, ...] = ()


class NoisyBatches(IterableDataset[Batch]):
    """Endless fresh batches; ``epoch`` seeds them, so that a resumed training draws what an unbroken one would."""

    def __init__(self, sampler: CropSampler, recipe: Recipe) -> None:
        self._sampler, self._recipe = sampler, recipe
        self._augment = [manager.load(manager.augmentation(name).augment) for name in recipe.augmentations]
        self.epoch = 0

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng((self._recipe.seed, self.epoch))
        self.epoch += 1
        for _ in range(self._recipe.steps):
            yield self._batch(rng)

    def __len__(self) -> int:
        return self._recipe.steps

    def _batch(self, rng: np.random.Generator) -> Batch:
        crops = self._sampler.draw(self._recipe.batch, rng)
        images = crops.images
        for augment in self._augment:
            images = np.asarray(augment(images, rng), dtype=np.float32)
        if self._recipe.objective == "eps":
            return eps_batch(images[:, :1], self._recipe.levels, rng)
        noisy = corrupt(images, self._recipe.levels, rng, crops.present)
        return {
            "clean": torch.from_numpy(noisy.clean[:, :1]),
            "noisy": torch.from_numpy(noisy.noisy),
            "present": torch.from_numpy(crops.present),
            "sigma": torch.from_numpy(noisy.sigma),
            "colour": torch.from_numpy(noisy.colour),
            "channels": torch.from_numpy(noisy.channels),
        }


def eps_batch(images: Any, levels: Levels, rng: np.random.Generator) -> Batch:
    """x_0 in [-1, 1], eps and alpha_bar for DDPM: the image is what stabilisation makes of it at the matched level.

    Three quarters of the levels are drawn where MR noise lies, the rest uniformly over the paper's linear schedule.
    """
    count = len(images)
    schedule = schedules.linear()
    sigma = np.exp(rng.uniform(np.log(levels.lowest), np.log(2 * levels.highest), count)) * 2
    anywhere = rng.random(count) > MATCHED_SHARE
    sigma = np.where(anywhere, schedule.sigma[rng.integers(schedule.steps, size=count)], sigma)
    x_0 = np.empty_like(images)
    eps = np.empty_like(images)
    for k in range(count):
        level = float(sigma[k]) / 2
        channels = int(rng.choice((1, 1, 1, 2, 4)))
        stable = images[k] if anywhere[k] else stabiliser(channels).expected(images[k], level) * np.float32(level)
        x_0[k] = 2 * stable - 1
        eps[k] = gaussian(images[k].shape, rng)[0]
    return {
        "clean": torch.from_numpy(x_0),
        "eps": torch.from_numpy(eps),
        "alpha_bar": torch.from_numpy(schedules.alpha_bar_of(sigma).astype(np.float32)),
    }


class DenoiserModule(lightning.LightningModule):
    """One network, one objective; validation measures the x_0 error at fixed levels with fixed noise."""

    def __init__(self, network: nn.Module, recipe: Recipe, *, learning_rate: float, epochs: int) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.learning_rate = learning_rate
        self.epochs = epochs
        self._other_loss = manager.load(manager.loss(recipe.loss).loss) if recipe.loss else None

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of one batch."""
        loss = self._eps_loss(batch) if self.recipe.objective == "eps" else self._edm_loss(batch, self._other_loss)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=self.recipe.batch)
        return loss

    def _eps_loss(self, batch: Batch) -> Tensor:
        """E |eps - eps_theta(x_t, t)|^2 (Ho 2020, eq. 14)."""
        alpha_bar = batch["alpha_bar"][:, None, None, None]
        x_t = ddpm.diffuse(batch["clean"], alpha_bar, batch["eps"])
        sigma = ((1 - batch["alpha_bar"]) / batch["alpha_bar"]).sqrt()
        return nn.functional.mse_loss(self.network(x_t, sigma.log()[:, None] / 4), batch["eps"])

    def _edm_loss(self, batch: Batch, other: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None) -> Tensor:
        """E |D - x|^2 / c_out^2 (Karras 2022, eq. 2 with the weight of table 1), or a plugin's loss of D, x, sigma."""
        sigma = batch["sigma"][:, None, None, None]
        c = precondition.coefficients(sigma, SIGMA_DATA)
        condition = condition_of(batch["sigma"], batch["colour"], batch["channels"], batch["present"])
        inputs = (batch["noisy"] * c.c_in).contiguous(memory_format=torch.channels_last)
        denoised = c.c_skip * batch["noisy"][:, :1] + c.c_out * self.network(inputs, condition)
        if other is not None:
            return other(denoised, batch["clean"], sigma)
        loss: Tensor = (precondition.weight(sigma, SIGMA_DATA) * (denoised - batch["clean"]) ** 2).mean()
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Root mean squared x_0 error relative to the noise, averaged over the fixed levels."""
        error = self._x0_error(batch)
        self.log("val_x0", error, on_step=False, on_epoch=True, batch_size=len(batch["clean"]))

    def _x0_error(self, batch: Batch) -> Tensor:
        if self.recipe.objective == "edm":
            return self._edm_loss(batch).sqrt()
        alpha_bar = batch["alpha_bar"][:, None, None, None]
        x_t = ddpm.diffuse(batch["clean"], alpha_bar, batch["eps"])
        sigma = ((1 - alpha_bar) / alpha_bar).sqrt()
        x_0 = ddpm.clean_from_eps(x_t, alpha_bar, self.network(x_t, sigma.flatten().log()[:, None] / 4))
        return (((x_0 - batch["clean"]) / sigma) ** 2).mean().sqrt()

    def configure_optimizers(self) -> Any:
        """Adam with cosine annealing over all epochs, as the paper has it, after a short warm-up."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        total = self.epochs * self.recipe.steps

        def share(step: int) -> float:
            warm = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(total // 10, 1)))
            return warm * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * min(step / total, 1.0))) / 2)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
