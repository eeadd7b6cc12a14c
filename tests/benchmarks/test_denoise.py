"""One slice against BM3D, in one run on the same processor: a ratio, printed."""

import time

import numpy as np
import pytest
import torch

from tumordiff_core import model_cards
from tumordiff_core.engine import denoise, weights
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.stabilise import stabiliser
from tumordiff_core.progress import Progress

pytestmark = pytest.mark.benchmark
REPEATS = 5


def fastest(run):
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.mark.parametrize("name", ["small-1", "paper-1"])
def test_one_slice_is_denoised_many_times_faster_than_bm3d(name):
    bm3d = pytest.importorskip("bm3d", reason="bm3d is not installed: pip install 'tumordiff[bench]'")
    y, x = np.indices((256, 256))
    clean = np.where((y - 128) ** 2 + (x - 150) ** 2 < 100**2, 0.5 + 0.2 * np.sin(x / 9), 0).astype(np.float32)
    noisy = magnitude(clean, 0.05, np.random.default_rng(0))
    model = weights.load(model_cards.find(name))
    transform = stabiliser(1)

    def peer():
        return transform.inverse(bm3d.bm3d(transform.forward(noisy, 0.05), 1.0), 0.05)

    def ours():
        return denoise.denoise_stack(model, noisy[None], denoise.NoiseLevel(0.05), progress=Progress())

    ours()
    ratio = fastest(peer) / fastest(ours)
    print(f"\n{name}: one 256x256 slice, {torch.get_num_threads()} threads: {ratio:.0f}x faster than BM3D+VST")
    assert ratio >= 20
