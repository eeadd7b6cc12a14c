"""The wall time of a training: how long it took, over resumed parts too, how long a step takes, and when to end."""

import time
from datetime import timedelta
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Timer

WARM_STEPS = 5
"""Steps at the start of an epoch that the pace leaves out: memory is got and kernels are chosen in them."""


class Clock(Timer):
    """Counts seconds from the first step on, validations included; ends the training once ``minutes`` are used up.

    No minutes: no end. At least one step is taken.
    """

    def __init__(self, minutes: float | None) -> None:
        super().__init__(timedelta(minutes=minutes) if minutes is not None else None, verbose=False)
        self._marks: tuple[float, float] = (0.0, 0.0)
        self._between = 0

    @property
    def step_seconds(self) -> float | None:
        """Seconds of a step in the epoch last begun, without its first few and without validation; None if unknown."""
        return (self._marks[1] - self._marks[0]) / self._between if self._between else None

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        """Note the time after the first few steps of an epoch and after its last one."""
        super().on_train_batch_end(trainer, *args, **kwargs)
        done = trainer.fit_loop.epoch_loop.batch_idx + 1
        if done == WARM_STEPS:
            self._marks, self._between = (_now(), 0.0), 0
        elif done > WARM_STEPS and (trainer.should_stop or done == trainer.num_training_batches):
            self._marks, self._between = (self._marks[0], _now()), done - WARM_STEPS


def _now() -> float:
    """The time when all that was asked of a GPU is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()
