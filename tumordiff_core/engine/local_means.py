"""What local averages lost or gained by denoising is given back, so that no faint lesion is averaged away.

A mean over many pixels holds little noise, so most of what denoising changed in it was signal. Of the residual against
the magnitude expected of the denoised image, r = y - E[y | D], ``share`` times its Gaussian average is added to D.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tumordiff_core.engine import gaussian
from tumordiff_core.noise.add import expected_magnitude

STD_PIXELS = 1.4
"""Standard deviation of the average: half of its weight lies within a circle 3.3 pixels wide."""

USUAL_SHARE = 0.7
LEAST_WEIGHT = 1e-6
ZERO_PIXELS = 2
TABLE_SNR = 16
TABLE_STEPS = 32
"""Nodes of the table of expected magnitudes per unit of signal over sigma."""


def share_of(chosen: float | None, phases: int) -> float:
    """How much is given back: what was chosen, else most of it where phases are compared and nothing in one stack."""
    if chosen is not None:
        return chosen
    return USUAL_SHARE if phases > 1 else 0.0


def given_back(noisy: Tensor, mean: Tensor, sigma: float, channels: int, share: float) -> Tensor:
    """The mean with ``share`` of its local averages' residual added, never negative.

    Parameters
    ----------
    noisy, mean : float32 [batch, 1, row, column], magnitudes and their posterior mean
    sigma : noise of each part of a channel, in the units of the values; channels : receiver channels
    share : 0 changes nothing, 1 leaves the averages of wide areas as acquired
    """
    known = seen_of(noisy)
    residual = noisy - expected(mean, sigma, channels)
    return (mean + share * averaged(residual, known)).clamp_min(0)


def seen_of(noisy: Tensor) -> Tensor:
    """1 where something was measured, 0 where a scanner wrote zeros: no noise has its mean there."""
    return (noisy != 0).float()


def averaged(values: Tensor, known: Tensor) -> Tensor:
    """Gaussian average G of images [batch, 1, row, column] over what is known, 0 elsewhere."""
    # The average of a residual in bfloat16 would be right to two digits only.
    with torch.autocast(values.device.type, enabled=False):
        return known * _smooth(values.float() * known) / _smooth(known).clamp_min(LEAST_WEIGHT)


def transposed(values: Tensor, known: Tensor) -> Tensor:
    """The transpose of ``averaged``: how much of a weighted sum of averages each pixel holds."""
    with torch.autocast(values.device.type, enabled=False):
        return known * _smooth(values.float() * known / _smooth(known).clamp_min(LEAST_WEIGHT))


def away_from_zeros(measured: Tensor) -> Tensor:
    """1 farther than ``ZERO_PIXELS`` from zeros that a scanner wrote, whose border is no edge of anatomy, else 0.

    Parameters
    ----------
    measured : float [batch, 1, row, column], as ``seen_of`` has it
    """
    side = 2 * ZERO_PIXELS + 1
    return 1 - functional.max_pool2d(1 - measured.float(), side, stride=1, padding=ZERO_PIXELS)


def _smooth(values: Tensor) -> Tensor:
    at, weights = gaussian.weights(STD_PIXELS, values.device)
    reach = len(at) // 2
    rows = functional.conv2d(values, weights[None, None, :, None], padding=(reach, 0))
    return functional.conv2d(rows, weights[None, None, None, :], padding=(0, reach))


def expected(signal: Tensor, sigma: float, channels: int) -> Tensor:
    """E[y | x] of magnitudes, any shape; by a table that gradients pass through.

    Beyond the table it is sqrt(x^2 + (2 L - 1) sigma^2), right to 0.01 %.
    """
    snr = signal / sigma
    table = torch.from_numpy(_table(channels)).to(signal.device)
    place = (snr * TABLE_STEPS).clamp(0, len(table) - 1.001)
    below = place.detach().nan_to_num(0).floor()
    low, high = table[below.long()], table[below.long() + 1]
    inside = low + (place - below) * (high - low)
    beyond = torch.hypot(signal, signal.new_tensor(sigma * (2 * channels - 1) ** 0.5))
    return torch.where(snr < TABLE_SNR, sigma * inside, beyond)


@cache
def _table(channels: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    snr = np.arange(TABLE_SNR * TABLE_STEPS + 1) / TABLE_STEPS
    return expected_magnitude(snr, channels).astype(np.float32)
