"""Short trainings compared: who is in which, what is left out, and that a finished one is never done again."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import amounts
from tumordiff_core.evaluation.amounts import Variant
from tumordiff_core.evaluation.references import of_pack
from tumordiff_core.progress import Progress
from tumordiff_core.tasks.amounts import Step
from tumordiff_core.training import fit
from tumordiff_core.training.datasets import Stack
from tumordiff_core.training.module import Recipe


@pytest.fixture(scope="module")
def stacks() -> list[Stack]:
    y, x = np.indices((96, 96))
    image = np.where((y - 48) ** 2 + (x - 48) ** 2 < 40**2, 150 + 40 * np.sin(x / 9), 0).astype(np.float32)
    parts = ["train"] * 5 + ["val", "test"]
    ones = np.ones(3, dtype=bool)
    images = np.stack([image] * 3)
    return [Stack(f"P{k}", part, True, images, np.arange(3), ones * 0.01, ones) for k, part in enumerate(parts)]


def test_fewer_patients_are_always_among_more_and_others_stay(stacks: list[Stack]):
    few, more = (
        {s.patient for s in amounts.stacks_for(stacks, Variant(n), 0) if s.part == "train"} for n in (2, 4)
    )  # fmt: skip
    assert len(few) == 2 and len(more) == 4 and few < more
    kept = amounts.stacks_for(stacks, Variant(1), 0)
    assert [s.part for s in kept if s.part != "train"] == ["val", "test"]


def test_counts_stop_at_what_is_there_and_every_step_is_left_out_once():
    found = amounts.variants((2, 4, 100), ("neighbours", "coloured noise"), 5)
    assert [v.name for v in found] == [
        "2 patients", "4 patients", "5 patients", "5 patients without neighbours", "5 patients without coloured noise",
    ]  # fmt: skip


def test_a_network_told_of_facts_is_one_more_training():
    found = amounts.variants((8, 100), ("other phases",), 5, facts=True)
    assert [v.name for v in found] == [
        "5 patients",
        "5 patients without other phases",
        f"5 patients told of {amounts.FACTS}",
    ]
    plan = amounts.plan_for(fit.Plan("edm-unet", {}, Recipe("edm", 1, 1, 0), 32, 1e-3, 1), found[-1])
    assert plan.recipe.facts
    assert plan.arguments["condition"] > 12


def test_a_step_left_out_is_really_out(stacks: list[Stack]):
    alone = amounts.stacks_for(stacks, Variant(5, "neighbours"), 0)
    assert not any(s.one_scale.any() for s in alone if s.part == "train")
    plan = fit.Plan("edm-unet", {}, Recipe("edm", 1, 1, 0), 32, 1e-3, 1)
    assert amounts.plan_for(plan, Variant(5, "coloured noise")).recipe.levels.white_share == 1
    assert amounts.plan_for(plan, Variant(5, "other phases")).mix.phases == 0
    assert amounts.plan_for(plan, Variant(5, "other pixel sizes")).mix.resampled == 0
    assert amounts.plan_for(plan, Variant(5, "contrast uptake")).mix.uptake == 0
    assert amounts.plan_for(plan, Variant(5, "black air")).mix.black_air == 0
    assert amounts.plan_for(plan, Variant(5, "misjudged levels")).recipe.levels.misjudged_share == 0
    for step in get_args(Step):
        amounts.plan_for(plan, Variant(5, step))
    with pytest.raises(AssertionError):
        amounts.plan_for(plan, Variant(5, "something else"))


def test_no_training_patient_is_said(stacks: list[Stack]):
    with pytest.raises(InputError):
        amounts.stacks_for([s for s in stacks if s.part != "train"], Variant(8), 0)


def test_what_is_done_is_read_and_the_rest_is_trained(
    stacks: list[Stack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Nothing(torch.nn.Module):
        multiple = 1

        def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(x[:, :1])

    trained: list[int] = []

    def quick(plan, given, checkpoints, *, progress):
        trained.append(len({s.patient for s in given if s.part == "train"}))
        return fit.Fitted(Nothing(), 0.0, 1)

    monkeypatch.setattr(fit, "fit", quick)
    plan = fit.Plan("edm-unet", {}, Recipe("edm", 1, 1, 0), 32, 1e-3, 1)
    wanted = amounts.variants((2, 4), ("neighbours",), 5)
    found = of_pack(stacks)
    rows = amounts.run(plan, stacks, found, wanted[:1], [0.1], tmp_path, progress=Progress())
    assert {(row["patients"], row["seen"]) for row in rows} == {(2, "one slice"), (2, "with neighbours")}
    rows = amounts.run(replace(plan), stacks, found, wanted, [0.1], tmp_path, progress=Progress())
    assert trained == [2, 4, 4]
    assert len(rows) == 5 and all(np.isfinite(row["gain_db"]) for row in rows)
