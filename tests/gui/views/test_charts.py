"""Histograms answer clicks, curves take what training sends."""

from typing import Any

import pytest
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtTest import QTest

from tumordiff_gui.views.chart import round_ticks
from tumordiff_gui.views.curve import Curve, Line, freest
from tumordiff_gui.views.histogram import Histogram


def test_a_click_on_a_bar_names_its_items_and_a_second_click_takes_it_back(qtbot: Any):
    chart = Histogram("PSNR", "dB", bars=4)
    qtbot.addWidget(chart)
    chart.resize(400, 200)
    chart.set_values([20.0, 21.0, 30.0, float("nan"), 40.0])
    chosen: list[list[int]] = []
    chart.chosen.connect(chosen.append)
    at = chart.bar_rect(0).center().toPoint()
    QTest.mouseClick(chart, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseClick(chart, Qt.MouseButton.LeftButton, pos=at)
    assert chosen == [[0, 1], []]


def test_bars_are_reached_by_the_keyboard(qtbot: Any):
    chart = Histogram("SSIM", bars=2)
    qtbot.addWidget(chart)
    chart.set_values([0.1, 0.9])
    chosen: list[list[int]] = []
    chart.chosen.connect(chosen.append)
    QTest.keyClick(chart, Qt.Key.Key_Right)
    QTest.keyClick(chart, Qt.Key.Key_Right)
    assert chosen == [[0], [1]]


@pytest.mark.parametrize("log", [False, True])
def test_curves_draw_nothing_one_point_and_many(qtbot: Any, log: bool):
    chart = Curve("loss", "epoch", log=log)
    qtbot.addWidget(chart)
    chart.resize(300, 160)
    for points in ((), ((0.0, 0.5),), tuple((float(i), 1.0 / (i + 1)) for i in range(50))):
        chart.set_lines([Line("train", points), Line("validation", points, "warning", dashed=True)])
        assert not chart.grab().isNull()


PLOT = QRectF(0, 0, 200, 100)
FALLING = [QPointF(0, 2), QPointF(200, 98)]
RISING = [QPointF(0, 98), QPointF(200, 2)]
ARCH = [QPointF(0, 60), QPointF(60, 4), QPointF(200, 10)]


@pytest.mark.parametrize(
    ("lines", "corner"),
    [
        ([FALLING, FALLING], (140, 0)),
        ([RISING, RISING], (140, 70)),
        ([ARCH, ARCH], (140, 70)),
        ([ARCH, FALLING], (0, 70)),
        ([[QPointF(190, 5)], [QPointF(5, 95)]], (140, 70)),
        ([RISING, FALLING], (140, 0)),
    ],
)
def test_a_legend_lies_where_the_fewest_lines_run(lines, corner):
    found = freest(PLOT, QSizeF(60, 30), lines)
    assert (found.left(), found.top()) == corner


def test_ticks_are_round_and_inside():
    assert round_ticks(0.0, 10.0) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert all(0.013 <= t <= 0.09 for t in round_ticks(0.013, 0.09))
