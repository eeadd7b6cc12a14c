"""What tables say of patients and acquisitions reaches the network, and what is unknown has a token of its own."""

import gzip

import numpy as np
import pytest
import torch

from tests.conftest import SHARED
from tests.core.training.test_bank import PLAIN, drawn, stack
from tumordiff_core.engine import denoise, known_facts
from tumordiff_core.errors import InputError
from tumordiff_core.progress import Progress
from tumordiff_core.training import facts, fit, module
from tumordiff_core.training.chance import seeded
from tumordiff_core.training.mix import Levels

INDEX = "PatientID,Manufacturer,PatientAge\nA,GE MEDICAL SYSTEMS,038Y\nB,SIEMENS,\n"


@pytest.fixture
def index(tmp_path):
    place = tmp_path / "index.csv.gz"
    with gzip.open(place, "wt") as file:
        file.write(INDEX)
    return place


def test_an_index_of_series_gives_vendor_and_age(index):
    found = facts.read([index])
    assert found["A"] == {"vendor_ge": 1, "vendor_siemens": 0, "vendor_philips": 0, "age_years": 38}
    assert found["B"] == {"vendor_ge": 0, "vendor_siemens": 1, "vendor_philips": 0}


@pytest.mark.real
def test_the_trials_own_tables_are_joined_by_patient():
    tables = [SHARED / "ispy1_clinical.xlsx", SHARED / "ispy1_series_index.csv.gz"]
    if not all(table.is_file() for table in tables):
        pytest.skip("The tables of the trial are not beside the checkout.")
    found = facts.read(tables)
    assert len(found) >= 221
    assert {"age_years", "hr_positive", "her2_positive", "vendor_ge"} <= found["ISPY1_1002"].keys()


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"PatientID,Age\nA,3\n", b"PatientID,Manufacturer\nA,\n", b"\xff\xfe\x00", b"\x1f\x8b\x08"],
)  # fmt: skip
def test_a_table_that_says_nothing_is_refused(tmp_path, name, content):
    place = tmp_path / name
    place.write_bytes(content)
    with pytest.raises(InputError, match="says nothing of any patient") as caught:
        facts.read([place])
    assert caught.value.code == "training.no_facts"


def test_a_table_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(facts, "LARGEST_TABLE", 1000)
    place = tmp_path / "index.csv.gz"
    place.write_bytes(gzip.compress(b"PatientID,Manufacturer\n" + b"A,GE\n" * 1000))
    with pytest.raises(InputError, match="says nothing"):
        facts.read([place])


def test_a_mark_of_byte_order_does_not_hide_the_header(tmp_path):
    place = tmp_path / "index.csv"
    place.write_bytes(b"\xef\xbb\xbf" + INDEX.encode())
    assert facts.read([place])["A"]["vendor_ge"] == 1


def test_unknown_and_average_are_told_apart():
    middle = {name: values[0] for name, values in known_facts.FIELDS.items()}
    nothing, average = known_facts.encoded({}), known_facts.encoded(middle)
    assert (nothing == 0).all()
    assert (average[: len(middle)] == 0).all()
    assert (average[len(middle) :] == 1).all()


def test_crops_carry_the_facts_of_their_patient():
    young = stack(np.random.default_rng(0).random((3, 64, 64)), patient="A")
    known = facts.joined([young], {"A": {"age_years": 40.0}})
    assert known[0].facts == {"age_years": 40.0}
    crops = drawn(known, PLAIN, count=5)
    assert np.array_equal(crops.facts, np.tile(known_facts.encoded({"age_years": 40.0}), (5, 1)))


def test_some_facts_are_withheld_in_training_value_and_flag_together():
    everything = {name: middle + step for name, (middle, step) in known_facts.FIELDS.items()}
    told = module._some_withheld(np.tile(known_facts.encoded(everything), (400, 1)), seeded(0))
    values, flags = told[:, : len(everything)], told[:, len(everything) :]
    assert np.array_equal(values, flags)
    assert 1 - flags.mean() == pytest.approx(module.WITHHELD_SHARE, abs=0.03)


def test_a_network_that_is_told_answers_to_what_it_hears(tmp_path):
    arguments = {"widths": [16, 16], "encoder": 1, "blocks": 1, "middle": 1, "attention": False}
    arguments["condition"] = module.CONDITION + known_facts.LENGTH
    recipe = module.Recipe("edm", 2, 30, 0, levels=Levels(), facts=True)
    known = facts.joined([stack(np.random.default_rng(1).random((3, 80, 80)))], {"A": {"age_years": 70.0}})
    plan = fit.Plan("edm-unet", arguments, recipe, crop=32, learning_rate=3e-3, epochs=1, threads=1)
    validation = type(known[0])(**{**vars(known[0]), "part": "val", "patient": "V"})
    network = fit.fit(plan, [*known, validation], tmp_path, progress=Progress()).network.eval()
    image = torch.rand(1, 9, 32, 32)
    answers = []
    for told in ({}, {"age_years": 70.0}):
        encoded = tuple(known_facts.encoded(told).tolist())
        model = denoise.LoadedModel(
            "m", "edm-unet", network, 0.2, (0.01, 0.2), True, torch.device("cpu"), facts=encoded
        )
        with torch.inference_mode():
            answers.append(denoise.posterior_mean(model, image, torch.zeros(1, 8), denoise.NoiseLevel(0.1)))
    assert (answers[0] - answers[1]).abs().max() > 1e-5
