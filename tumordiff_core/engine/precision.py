"""Which number format a device computes fastest in: measured, not guessed from a processor's name.

Some processors list bfloat16 and still run it at half the pace of float32; others run it at twice the pace.
"""

import time
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

WORTH_IT = 0.7
REPEATS = 7


def faster(device: torch.device) -> torch.dtype:
    """bfloat16 where a convolution like ours gains by it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if device.type == "cpu" and _processor_gains() else torch.float32


@cache
def _processor_gains() -> bool:
    """Whether bfloat16 takes less than ``WORTH_IT`` of float32's time (about 20 ms, once per process)."""
    image = torch.randn(1, 48, 96, 96).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(48, 48, 3, 3).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        full = _fastest(image, kernel)
        half = _fastest(image.bfloat16(), kernel.bfloat16())
    return half < WORTH_IT * full


def _fastest(image: Tensor, kernel: Tensor) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        functional.conv2d(image, kernel, padding=1)
        times.append(time.perf_counter() - began)
    return min(times)
