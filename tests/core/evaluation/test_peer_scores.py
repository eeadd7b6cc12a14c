"""Scores of classical filters are kept by what they depend on, and nothing else is taken for them."""

import numpy as np
import pytest

from tumordiff_core.evaluation import baselines, denoise, references
from tumordiff_core.evaluation.peer_scores import PeerScores
from tumordiff_core.progress import Progress


def reference(seed=0):
    image = np.random.default_rng(seed).random((1, 32, 32)).astype(np.float32)
    return references.Reference("A", 3, image, 0, np.ones((32, 32), dtype=bool))


@pytest.fixture
def ran():
    return []


def run(path, ran, found=None, names=("tv+vst", "mine"), level=0.1):
    def counted(name):
        def method(case):
            ran.append(name)
            return case.image

        return method

    methods = {name: counted(name) for name in names}
    kinds, kept = [denoise.KINDS["rician"]], PeerScores(path)
    return denoise.evaluate([found or reference()], methods, kinds, [level], kept=kept, progress=Progress()).rows


def test_a_filter_is_not_run_twice_on_the_same_noisy_slice_and_a_model_always_is(tmp_path, ran):
    first = run(tmp_path / "scores.jsonl", ran)
    second = run(tmp_path / "scores.jsonl", ran)
    assert ran == ["tv+vst", "mine", "mine"]
    np.testing.assert_equal(second[0], first[0])


@pytest.mark.parametrize("changes", [{"found": reference(1)}, {"level": 0.05}, {"names": ("nlm+vst",)}])
def test_another_slice_level_or_filter_is_run(tmp_path, ran, changes):
    run(tmp_path / "scores.jsonl", ran, names=("tv+vst",))
    run(tmp_path / "scores.jsonl", ran, **{"names": ("tv+vst",), **changes})
    assert len(ran) == 2


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"[1, 2]\n{}\nnull\n", b'["key", {"psnr": "high"}]\n', b'["half'])
def test_a_damaged_file_costs_only_time_and_only_once(tmp_path, ran, damage):
    path = tmp_path / "scores.jsonl"
    path.write_bytes(damage)
    for _ in range(3):
        assert run(path, ran, names=("tv+vst",))[0]["psnr_tissue"] > 0
    assert ran == ["tv+vst"]


def test_a_filter_of_another_strength_is_run(tmp_path, ran, monkeypatch):
    run(tmp_path / "scores.jsonl", ran, names=("tv+vst",))
    monkeypatch.setitem(baselines.FACTORS, "tv+vst", (baselines.total_variation, (0.5, 0.5, 0.5)))
    run(tmp_path / "scores.jsonl", ran, names=("tv+vst",))
    assert len(ran) == 2
