"""The Lightning module: two objectives (the paper's noise prediction, the EDM form), one validation of x_0 error."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset, get_worker_info

from tumordiff_core.engine import context, ddpm, known_facts, precondition, schedules
from tumordiff_core.engine.denoise import condition_of
from tumordiff_core.noise.stabilise import stabiliser
from tumordiff_core.plugins import manager
from tumordiff_core.training.augment import Noisy, corrupt, draw_spectra, gaussian, told
from tumordiff_core.training.bank import Bank, Crops
from tumordiff_core.training.chance import Chance, seeded
from tumordiff_core.training.mix import Levels
from tumordiff_core.training.own_mean import Denoise, Network, OwnMean
from tumordiff_core.training.self_supervised import recorrupted

Batch = dict[str, Tensor]
Objective = Literal["eps", "edm"]
SIGMA_DATA = 0.2
MATCHED_SHARE = 0.75
WARM_UP_STEPS = 300
LAST_SHARE = 0.01
LARGEST_GRADIENT = 1.0
DRAWN_TOGETHER = 4
WITHHELD_SHARE = 0.3
CONDITION = 4 + context.BESIDE


@dataclass(frozen=True)
class Recipe:
    """What one training does with its data; a loss and augmentations may be a plugin's, by name.

    ``facts`` tells the network what is known of patient and acquisition, some of it withheld at random.
    ``self_supervised`` learns from noisy slices alone (``self_supervised.py``); plugins' augmentations are left out.
    ``own_mean`` is the share of its targets that comes from the network itself (``own_mean.py``).
    """

    objective: Objective
    batch: int
    steps: int
    seed: int
    levels: Levels = field(default_factory=Levels)
    loss: str = ""
    augmentations: tuple[str, ...] = ()
    self_supervised: bool = False
    facts: bool = False
    own_mean: float = 0.0


class NoisyBatches(IterableDataset[Batch]):
    """Endless fresh batches; ``epoch`` seeds them, so that a resumed training draws what an unbroken one would."""

    def __init__(self, bank: Bank, recipe: Recipe) -> None:
        self._bank, self._recipe = bank, recipe
        self._augment = [manager.load(manager.augmentation(name).augment) for name in recipe.augmentations]
        self.epoch = 0

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        loader, loaders = (worker.id, worker.num_workers) if worker else (0, 1)
        chance = seeded(self._recipe.seed, self.epoch, _rank(), loader, device=self._bank.device)
        self.epoch += 1
        self._bank.renew(chance)
        steps = len(range(loader, self._recipe.steps, loaders))
        together = DRAWN_TOGETHER if self._bank.device.type == "cuda" else 1
        for first in range(0, steps, together):
            drawn = self._batches(min(together, steps - first), chance)
            yield from (dict(zip(drawn, parts, strict=True)) for parts in zip(*drawn.values(), strict=True))

    def __len__(self) -> int:
        return self._recipe.steps

    def _batches(self, count: int, chance: Chance) -> dict[str, tuple[Tensor, ...]]:
        """The parts of some batches, drawn at once: a GPU waits for the processor less often."""
        drawn = self._batch(count * self._recipe.batch, chance)
        return {name: values.chunk(count) for name, values in drawn.items()}

    def _batch(self, count: int, chance: Chance) -> Batch:
        crops = self._bank.draw(count, chance)
        if self._recipe.self_supervised:
            return self._batch_of(crops, recorrupted(crops, chance), chance)
        images = crops.images
        for augment in self._augment:
            changed = augment(images.cpu().numpy(), chance.choices)
            images = torch.from_numpy(np.asarray(changed, dtype=np.float32)).to(images.device)
        if self._recipe.objective == "eps":
            return eps_batch(images[:, :1], self._recipe.levels, chance)
        return self._batch_of(crops, corrupt(images, self._recipe.levels, chance, crops.present), chance)

    def _batch_of(self, crops: Crops, noisy: Noisy, chance: Chance) -> Batch:
        sigma, colour = told(noisy, self._recipe.levels.misjudged_share, chance)
        batch = {
            "clean": noisy.clean[:, :1],
            "noisy": noisy.noisy,
            "present": chance.put(crops.present.astype(np.float32)),
            "sigma": sigma,
            "colour": colour,
            "channels": noisy.channels,
        }
        if self._recipe.facts:
            batch["facts"] = chance.put(_some_withheld(crops.facts, chance))
        return batch


def _some_withheld(facts: npt.NDArray[np.float32], chance: Chance) -> npt.NDArray[np.float32]:
    """Encoded facts [crop, LENGTH] of which a share is unknown, value and flag together."""
    kept = chance.choices.random((len(facts), facts.shape[1] // 2)) >= WITHHELD_SHARE
    return facts * np.tile(kept, 2)


def _rank() -> int:
    """Which of several devices this process serves: each draws batches of its own."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def eps_batch(images: Tensor, levels: Levels, chance: Chance) -> Batch:
    """x_0 in [-1, 1], eps and alpha_bar for DDPM: the image is what stabilisation makes of it at the matched level.

    Three quarters of the levels are drawn where MR noise lies, the rest uniformly over the paper's linear schedule.
    """
    count, choices = len(images), chance.choices
    schedule = schedules.linear()
    sigma = 2.0 * chance.log_uniform(levels.lowest, 2 * levels.highest, count).astype(np.float64)
    anywhere = choices.random(count) > MATCHED_SHARE
    sigma = np.where(anywhere, schedule.sigma[choices.integers(schedule.steps, size=count)], sigma)
    channels = choices.choice((1, 1, 1, 2, 4), count)
    pixels = images.cpu().numpy()
    x_0 = np.empty_like(pixels)
    for k in range(count):
        level = float(sigma[k]) / 2
        transform = stabiliser(int(channels[k]))
        stable = pixels[k] if anywhere[k] else transform.expected(pixels[k], level) * np.float32(level)
        x_0[k] = 2 * stable - 1
    eps = gaussian(count, draw_spectra(count, images.shape[-1], chance, levels.white_share), np.arange(count), chance)
    return {
        "clean": chance.put(x_0),
        "eps": eps.real[:, None].contiguous(),
        "alpha_bar": chance.put(schedules.alpha_bar_of(sigma).astype(np.float32)),
    }


def denoiser_of(batch: Batch, sigma_data: float = SIGMA_DATA) -> Denoise:
    """How our network denoises the images of a batch, given what it is told of them."""
    c = precondition.coefficients(batch["sigma"][:, None, None, None], sigma_data)
    condition = condition_of(batch["sigma"], batch["colour"], batch["channels"], batch["present"], batch.get("facts"))

    def denoise(network: Network, noisy: Tensor) -> Tensor:
        inputs = (noisy * c.c_in).contiguous(memory_format=torch.channels_last)
        denoised: Tensor = c.c_skip * noisy[:, :1] + c.c_out * network(inputs, condition).float()
        return denoised

    return denoise


class Fused(nn.Module):
    """A network whose kernels are compiled, where a compiler for them is at hand; the weights are its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._call: Network = network.forward
        if find_spec("triton") is not None:
            self._call = torch.compile(network.forward, dynamic=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """What the network answers."""
        return self._call(x, condition)


class DenoiserModule(lightning.LightningModule):
    """One network, one objective; validation measures the x_0 error at fixed levels with fixed noise."""

    def __init__(
        self, network: nn.Module, recipe: Recipe, *, learning_rate: float, epochs: int,
        graphed: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.graphed = graphed
        self._taught: Network = network.__call__
        self._own_mean = OwnMean(network, recipe.own_mean) if recipe.own_mean else None
        self._other_loss = manager.load(manager.loss(recipe.loss).loss) if recipe.loss else None

    def on_train_start(self) -> None:
        """Where asked for, record the network's kernels once and replay them: its steps cost the processor nothing."""
        if self.graphed and self._on_bf16_gpu():
            # The call of the module and not the module, or its weights would be saved twice.
            self._taught = self._recorded(self.recipe.batch, *self.graphed).__call__

    def _recorded(self, batch: int, images: int, size: int) -> nn.Module:
        """Graph forward and backward for training batches of one shape; all else runs by the network itself."""
        pixels = torch.randn(batch, images, size, size, device=self.device)
        condition = torch.randn(batch, CONDITION + known_facts.LENGTH * self.recipe.facts, device=self.device)
        with torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False):
            sample = (pixels.contiguous(memory_format=torch.channels_last), condition)
            fused = Fused(self.network).train()
            torch.cuda.make_graphed_callables(fused, sample, allow_unused_input=True)
        return fused

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of one batch."""
        if self._own_mean is not None:
            batch = {**batch, "clean": self._own_mean.target(batch["clean"], batch["noisy"], denoiser_of(batch))}
        paper = self.recipe.objective == "eps"
        loss = self._eps_loss(batch) if paper else self._edm_loss(batch, self._taught, self._other_loss)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=self.recipe.batch)
        return loss

    def _eps_loss(self, batch: Batch) -> Tensor:
        """E |eps - eps_theta(x_t, t)|^2 (Ho 2020, eq. 14)."""
        alpha_bar = batch["alpha_bar"][:, None, None, None]
        x_t = ddpm.diffuse(batch["clean"], alpha_bar, batch["eps"])
        sigma = ((1 - batch["alpha_bar"]) / batch["alpha_bar"]).sqrt()
        return nn.functional.mse_loss(self.network(x_t, sigma.log()[:, None] / 4), batch["eps"])

    def _edm_loss(
        self, batch: Batch, network: Network, other: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    ) -> Tensor:
        """E |D - x|^2 / c_out^2 (Karras 2022, eq. 2 with the weight of table 1), or a plugin's loss of D, x, sigma."""
        sigma = batch["sigma"][:, None, None, None]
        denoised = denoiser_of(batch)(network, batch["noisy"])
        if other is not None:
            return other(denoised, batch["clean"], sigma)
        loss: Tensor = (precondition.weight(sigma, SIGMA_DATA) * (denoised - batch["clean"]) ** 2).mean()
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        """Root mean squared x_0 error relative to the noise, averaged over the fixed levels.

        The weights are the averaged ones here: they teach the next epoch.
        """
        if index == 0 and self._own_mean is not None:
            self._own_mean.renew(self.network.state_dict())
        error = self._x0_error(batch)
        self.log("val_x0", error, on_step=False, on_epoch=True, batch_size=len(batch["clean"]))

    def _x0_error(self, batch: Batch) -> Tensor:
        if self.recipe.objective == "edm":
            return self._edm_loss(batch, self.network).sqrt()
        alpha_bar = batch["alpha_bar"][:, None, None, None]
        x_t = ddpm.diffuse(batch["clean"], alpha_bar, batch["eps"])
        sigma = ((1 - alpha_bar) / alpha_bar).sqrt()
        x_0 = ddpm.clean_from_eps(x_t, alpha_bar, self.network(x_t, sigma.flatten().log()[:, None] / 4))
        return (((x_0 - batch["clean"]) / sigma) ** 2).mean().sqrt()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the network that teaches, too."""
        if self._own_mean is not None:
            checkpoint["own_mean"] = self._own_mean.weights()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the network that taught."""
        if self._own_mean is not None:
            self._own_mean.renew(checkpoint["own_mean"])

    def configure_gradient_clipping(self, *_args: Any, **_kwargs: Any) -> None:
        """Clip the norm of the gradient; Lightning itself refuses to beside a fused optimizer."""
        torch.nn.utils.clip_grad_norm_(self.parameters(), LARGEST_GRADIENT)

    def _on_bf16_gpu(self) -> bool:
        return self.device.type == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))

    def configure_optimizers(self) -> Any:
        """Adam with cosine annealing over all epochs, as the paper has it, after a short warm-up."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate, fused=self._on_bf16_gpu())
        total = self.epochs * self.recipe.steps

        def share(step: int) -> float:
            warm = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(total // 10, 1)))
            return warm * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * min(step / total, 1.0))) / 2)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
