"""What a report draws."""

import numpy as np
from PIL import Image

from tumordiff_core.evaluation import charts
from tumordiff_core.evaluation.cost import Cost


def test_better_patients_are_blue_and_worse_ones_are_not():
    drawn = charts.pairs({"A": 0.5, "B": -0.2, "C": float("nan"), "<D>": 0.1})
    assert drawn.count("<rect") == 3
    assert drawn.count(charts.BLUE) == 2
    assert "&lt;D&gt;: +0.10 dB" in drawn
    assert "-0.20" in drawn


def test_a_curve_passes_over_what_is_no_number_and_names_are_no_markup():
    drawn = charts.lines({"a<b": [(0.0, 1.0), (0.5, float("nan")), (1.0, 2.0)]}, "x", "y", level=1.0)
    assert drawn.split('points="')[1].split('"')[0].count(",") == 2
    assert "a&lt;b" in drawn
    assert "<b" not in drawn.replace("&lt;b", "")
    assert charts.lines({"nothing": []}, "x", "y") == charts.pairs({}) == charts.histogram([]) == "<svg/>"


def test_histograms_are_one_picture_with_a_panel_each(tmp_path):
    rng = np.random.default_rng(0)
    panels = {f"method {k}": rng.normal(30, 1, 24).tolist() for k in range(4)} | {"none": [float("nan")]}
    charts.histograms_png(tmp_path / "histograms.png", panels)
    picture = np.asarray(Image.open(tmp_path / "histograms.png"))
    assert picture.shape == (260, 960, 3)
    blue = (picture == (0x17, 0x68, 0xAC)).all(axis=2)
    assert [blue[:130, :320].any(), blue[130:, :320].any(), blue[130:, 320:].any()] == [True, True, False]


def test_the_cost_of_work_is_what_it_takes_meanwhile():
    with Cost() as cost:
        taken = np.ones(25_000_000)
    del taken
    assert 150 < cost.grew_mb < 400
    assert cost.seconds > 0
    with Cost() as nothing:
        pass
    assert nothing.grew_mb < 50
