"""Other people's networks with our budget: their forms, their sizes, equal time, and that nothing is trained twice."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tumordiff_core import files
from tumordiff_core.cli.console import as_text
from tumordiff_core.engine import context, precondition, weights
from tumordiff_core.engine.networks import EdmArguments
from tumordiff_core.errors import Stopped
from tumordiff_core.evaluation import peer_networks, peers
from tumordiff_core.evaluation.peer_networks import PEERS, DnCnn, NafBlock, NafNet, Peer, simple_gate
from tumordiff_core.evaluation.references import of_pack
from tumordiff_core.jobs import events, folder, worker
from tumordiff_core.plugins import manager
from tumordiff_core.progress import Progress
from tumordiff_core.result_folder import open_result
from tumordiff_core.tasks.peers import PeersParams, for_terminal
from tumordiff_core.training import fit
from tumordiff_core.training.datasets import read_data
from tumordiff_core.training.module import CONDITION, SIGMA_DATA, Recipe

TINY = {"widths": [8, 8]}
SHORT = {"epochs": 2, "batch": 2, "crop": 32, "levels": [0.1], "arguments": TINY, "minutes": 0.02}


@pytest.fixture(params=PEERS, ids=lambda peer: peer.name)
def peer(request) -> Peer:
    if not request.param.installed:
        pytest.skip(f"{request.param.package} is not installed: pip install 'tumordiff[bench]'")
    return request.param


def disc_pack(path: Path, parts: tuple[str, ...] = ("train", "train", "val", "test", "test")) -> Path:
    """A pack of discs of three slices per patient."""
    y, x = np.indices((96, 96))
    inside = (y - 48) ** 2 + (x - 48) ** 2 < 36**2
    images = [inside * (140 + 40 * np.sin((x + z) / (6 + k))) for k in range(len(parts)) for z in range(3)]
    count = len(images)
    np.savez(
        path, images=np.stack(images).astype(np.uint8),
        patient=np.repeat([f"P{k}" for k in range(len(parts))], 3), split=np.repeat(parts, 3),
        slice_index=np.tile(np.arange(3), len(parts)).astype(np.uint8), quiet=np.ones(count, dtype=bool),
        noise_tissue=np.ones(count, dtype=np.float32), stored_range=np.full(count, 199, dtype=np.uint8),
    )  # fmt: skip
    return path


def test_an_image_comes_out_and_every_number_learns(peer: Peer):
    torch.manual_seed(0)
    network = peer.made(peer_networks.arguments_for(peer, 60_000))
    for parameter in network.parameters():
        # Branches that start at zero pass no gradient on until they have moved.
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    answer = network(torch.randn(2, context.IMAGES, 16, 24), torch.randn(2, CONDITION))
    assert answer.shape == (2, 1, 16, 24)
    answer.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())
    assert 16 % network.multiple == 0


@pytest.mark.parametrize("arguments", [{"widths": [24, 40, 64, 80]}, {}], ids=["quarter", "shipped"])
def test_as_many_parameters_as_ours(peer: Peer, arguments):
    wanted = peer_networks.parameters(weights.build("edm-unet", EdmArguments(**arguments).model_dump()))
    with torch.device("meta"):
        found = peer_networks.parameters(peer.made(peer_networks.arguments_for(peer, wanted)))
    assert found == pytest.approx(wanted, rel=0.15)


def test_each_is_told_the_level(peer: Peer):
    torch.manual_seed(0)
    network = peer.made(peer_networks.arguments_for(peer, 60_000)).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    image = torch.randn(1, context.IMAGES, 16, 16)
    low, high = torch.zeros(1, CONDITION), torch.zeros(1, CONDITION)
    low[:, 0], high[:, 0] = np.log(0.05) / 4, np.log(0.15) / 4
    assert not torch.allclose(network(image, low), network(image, high), rtol=1e-3)


def test_dncnn_takes_its_residual_away():
    network = DnCnn(4, layers=4)
    last = network.residual[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 2.0)
    c = precondition.coefficients(torch.tensor(0.001), SIGMA_DATA)
    noisy = torch.rand(1, context.IMAGES, 8, 8)
    denoised = c.c_skip * noisy[:, :1] + c.c_out * network(noisy * c.c_in, torch.zeros(1, CONDITION))
    # Little noise: c_skip is 1 and c_out sigma, so the residual of 2 is one of two sigma.
    assert torch.allclose(denoised, noisy[:, :1] - 2 * 0.001, atol=1e-4)
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.residual) == 2


def test_nafnets_gate_is_a_product_and_its_blocks_start_as_nothing():
    x = torch.randn(2, 6, 5, 5)
    assert torch.equal(simple_gate(x), x[:, :3] * x[:, 3:])
    assert torch.equal(simple_gate(-x), simple_gate(x))
    block = NafBlock(4)
    y = torch.randn(1, 4, 8, 8)
    assert torch.equal(block(y), y)
    torch.nn.init.ones_(block.feed_scale)
    y_one = torch.roll(y, (3, 2), (2, 3))
    assert torch.allclose(block(y_one), torch.roll(block(y), (3, 2), (2, 3)), atol=1e-6), "feed-forward is per pixel"
    assert NafNet(2, (1, 1, 1), 1).multiple == 8


def test_a_peer_whose_package_is_missing_is_named():
    plan = fit.Plan("edm-unet", TINY, Recipe("edm", 1, 1, 0), 32, 1e-3, 1)
    missing = replace(PEERS[0], name="Nobody's", package="no_such_package_here")
    found, left_out = peers.entries(plan, [PEERS[0], missing])
    assert [entry.name for entry in found] == [peers.OURS, "DnCNN"] and left_out == ["Nobody's"]
    assert all(entry.plan.recipe == plan.recipe for entry in found), "they learn alike"


def test_nobody_is_offered_a_peer_to_train():
    assert {network.name for network in manager.networks()} & {peer.name for peer in PEERS} == set()


def test_no_time_and_no_noise_are_refused():
    for minutes in (0, -1):
        with pytest.raises(ValidationError):
            PeersParams(minutes=minutes)
    with pytest.raises(ValidationError):
        PeersParams(levels=[0.1, 0])


def test_the_job_leaves_a_table_of_every_network_and_a_report(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    gone = Peer("Gone", DnCnn, package="no_such_package_here")
    monkeypatch.setattr(peers.entries, "__defaults__", ((PEERS[0], PEERS[1], gone),))
    data = disc_pack(tmp_path / "pack.npz")
    job = folder.new_job("peers", {"data": str(data), **SHORT})
    assert worker.main(job) == 0, folder.failure(job)
    result = open_result(job / "result")
    rows = result.record.figures["peers"]
    networks = [peers.INPUT, peers.OURS, "DnCNN", "NAFNet"]
    assert list(dict.fromkeys(row["network"] for row in rows)) == networks
    for row in rows[1:]:
        assert row["planned_steps"] >= row["steps"] >= 1 and row["parameters"] > 1000 and row["test_patients"] == 2
        assert row["steps_per_second"] == pytest.approx(row["steps"] / row["seconds"])
        assert np.isfinite(row["gain_db"]) and row["gain_low"] <= row["gain_db"] <= row["gain_high"]
    assert all(row["over_ours_db"] == 0 for row in rows if row["network"] == peers.OURS)
    assert rows[0]["gain_db"] == 0 and rows[0]["over_ours_db"] == pytest.approx(-rows[1]["gain_db"])
    with (job / "result" / "tables" / "peers.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(rows) == 1 + 2 * 3
    assert "DnCNN" in (job / "result" / "report.html").read_text("utf-8")
    assert "left out: Gone" in result.record.figures["note"]
    assert any("left out: Gone" in str(event.get("text")) for event in events.read_all(job))
    result.check_files()
    shown = for_terminal({"peers": rows, "note": "n"})["peers"]
    assert len(shown) == len(rows) and len(shown[0]) == 8
    assert as_text(shown[1]["gain"]).startswith(f"{rows[1]['gain_db']:+.2f} [")
    assert for_terminal({"note": "stopped"}) == {"note": "stopped"}


def test_a_pack_without_test_patients_is_said(tmp_path: Path, home: Path):
    data = disc_pack(tmp_path / "pack.npz", ("train", "val"))
    job = folder.new_job("peers", {"data": str(data), **SHORT})
    assert worker.main(job) == 1
    assert events.read_all(job)[-1]["code"] == "training.no_data"


class StopsAt(Progress):
    """Asks for a stop after the epoch once a network's turn has come."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.word = name, ""

    def log(self, text: str) -> None:
        self.word = "epoch" if text.startswith(self.name) else ""

    def asked_to_stop(self) -> str:
        return self.word


def test_what_was_stopped_goes_on_and_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stacks = read_data(disc_pack(tmp_path / "pack.npz"))
    plan = fit.Plan("edm-unet", TINY, Recipe("edm", 2, 1, 0), 32, 1e-3, 3, patience=3)
    wanted, _ = peers.entries(plan, PEERS[:1])
    trained: list[tuple[str, int]] = []

    def counted(plan, *given, **named):
        trained.append((plan.family, plan.recipe.steps))
        return train(plan, *given, **named)

    def run(progress: Progress):
        return peers.run(wanted, stacks, of_pack(stacks), [0.1], tmp_path, minutes=1, progress=progress)

    train = fit.fit
    monkeypatch.setattr(fit, "fit", counted)
    monkeypatch.setattr(peers, "steps_within", lambda *_: 2)
    with pytest.raises(Stopped) as stopped:
        run(StopsAt("DnCNN"))
    assert stopped.value.resumable
    monkeypatch.setattr(peers, "steps_within", lambda *_: pytest.fail("the pace was known"))
    first = run(Progress())
    assert trained == [("edm-unet", 2), ("DnCNN", 2), ("DnCNN", 2)]
    assert {row["steps"] for row in first[1:]} == {6}, "three epochs of two steps, in one part or two"
    assert run(Progress()) == first and len(trained) == 3
    record = tmp_path / "peers.json"
    kept = files.read_json(record, newest_format=peers.FORMAT)
    del kept["done"]["DnCNN"]
    files.write_json(record, kept)
    assert run(Progress())[-1]["steps"] == 6, "a whole training that was not scored yet takes no more steps"


class StopsInScoring(Progress):
    """Asks for a stop once trained networks are scored."""

    def asked_to_stop(self) -> str:
        return "step" if self._stage == "evaluate" else ""


def test_a_stop_while_scoring_can_be_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stacks = read_data(disc_pack(tmp_path / "pack.npz"))
    plan = fit.Plan("edm-unet", TINY, Recipe("edm", 2, 1, 0), 32, 1e-3, 1)
    monkeypatch.setattr(fit, "fit", lambda plan, *_, **__: fit.Fitted(plan.network(), 0.0, 1, 1, 1.0))
    monkeypatch.setattr(peers, "steps_within", lambda *_: 1)
    with pytest.raises(Stopped) as stopped:
        peers.run(
            peers.entries(plan, ())[0], stacks, of_pack(stacks), [0.1], tmp_path, minutes=1, progress=StopsInScoring()
        )
    assert stopped.value.resumable


def test_a_training_ends_with_its_minutes_and_its_pace_fits_them(tmp_path: Path):
    stacks = read_data(disc_pack(tmp_path / "pack.npz"))
    plan = fit.Plan("edm-unet", TINY, Recipe("edm", 2, 100_000, 0), 32, 1e-3, 2, patience=2, minutes=1 / 60)
    fitted = fit.fit(plan, stacks, tmp_path, progress=Progress())
    assert fitted.seconds >= 1 and 1 < fitted.steps < 100_000 and np.isfinite(fitted.best)
    assert fitted.step_seconds * fitted.steps <= fitted.seconds * 1.01, "validations take their part"
    left = tmp_path / "probe" / "of-a-killed-attempt"
    left.mkdir(parents=True)
    steps = [peers.steps_within(plan, stacks, m, tmp_path / "probe", Progress()) for m in (10, 1, 1e-6)]
    assert steps[0] > steps[1] > steps[2] == 1
    assert not (tmp_path / "probe").exists()


def test_the_measuring_of_the_pace_stops_with_the_job_and_leaves_nothing(tmp_path: Path):
    class Told(Progress):
        def asked_to_stop(self) -> str:
            return "step"

    stacks = read_data(disc_pack(tmp_path / "pack.npz"))
    plan = fit.Plan("edm-unet", TINY, Recipe("edm", 2, 100, 0), 32, 1e-3, 2, patience=2)
    with pytest.raises(Stopped) as stopped:
        peers.steps_within(plan, stacks, 1, tmp_path / "probe", Told())
    assert stopped.value.resumable
    assert not (tmp_path / "probe").exists()
