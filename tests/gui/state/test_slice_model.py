"""Slices, planes, windows and links without any widget."""

import random

import numpy as np
import pytest

from tests.gui.fakes import SHAPE, breast, picture, sagittal
from tumordiff_core.imaging.geometry import Geometry
from tumordiff_gui.state.layout import Cell, Layout, Link, grid_of, layout_from_record
from tumordiff_gui.state.slice_view import Picture, SliceView, link, plane_of

AXIAL = Geometry((8, 16, 16), (4.0, 1.0, 1.0))
CORONAL = Geometry((8, 16, 16), (4.0, 1.0, 1.0), (0, 0, 0), (1.0, 0, 0), (0, 0, -1.0), (0, 1.0, 0))


def test_a_sagittal_stack_stands_with_the_head_up_and_anterior_on_the_left():
    plane = plane_of(sagittal(), 0)
    assert plane.name == "sagittal"
    assert plane.letters == {"left": "A", "right": "P", "top": "H", "bottom": "F"}


def test_a_mirrored_sagittal_stack_is_turned_by_its_geometry_not_by_file_order():
    mirrored = Geometry(SHAPE, (3.0, 1.5, 1.5), (0, 0, 0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    plane = plane_of(mirrored, 0)
    assert plane.flip_across and plane.flip_down
    assert plane.letters == {"left": "A", "right": "P", "top": "H", "bottom": "F"}


@pytest.mark.parametrize("geometry", [AXIAL, CORONAL])
def test_the_patients_right_is_on_the_left_of_the_screen_in_axial_and_coronal_views(geometry: Geometry):
    plane = plane_of(geometry, 0)
    assert plane.letters["left"] == "R" and plane.letters["right"] == "L"
    assert plane.letters["top"] == ("A" if plane.name == "axial" else "H")


def test_a_sagittal_stack_can_be_turned_round_by_a_setting():
    assert plane_of(sagittal(), 0, anterior_left=False).letters["left"] == "P"
    assert plane_of(AXIAL, 0, anterior_left=False).letters["left"] == "R"


def test_the_three_planes_of_a_grid_are_three_different_ones():
    assert {plane.name for plane in picture().planes} == {"sagittal", "axial", "coronal"}


def test_an_oblique_plane_has_two_letters_the_larger_first():
    c, s = np.cos(0.4), np.sin(0.4)
    tilted = Geometry((4, 8, 8), (1.0, 1.0, 1.0), (0, 0, 0), (c, s, 0.0), (-s, c, 0.0), (0.0, 0.0, 1.0))
    assert plane_of(tilted, 0).letters["left"] == "RA"


def test_the_first_picture_opens_in_the_middle_with_its_own_window():
    view = SliceView()
    view.show(picture())
    assert view.slice_index == (SHAPE[0] - 1) // 2
    assert view.grey.window == view.picture.default_window


def test_another_phase_keeps_slice_zoom_and_grey():
    view = SliceView()
    view.show(picture(1))
    view.go_to_slice(3)
    view.grey.set(100, 50)
    view.zoom.set(2.0)
    view.show(picture(2))
    assert (view.slice_index, view.grey.window, view.zoom.factor) == (3, (100.0, 50.0), 2.0)


def test_scrolling_stops_at_both_ends():
    view = SliceView()
    view.show(picture())
    view.scroll(1000)
    assert view.slice_index == SHAPE[0] - 1
    view.scroll(-1000)
    assert view.slice_index == 0


def test_a_header_window_wins_over_percentiles_and_a_width_of_one_does_not():
    assert picture(window=(40.0, 400.0)).default_window == (40.0, 400.0)
    assert picture(window=(40.0, 1.0)).default_window[1] > 100


def test_a_constant_picture_still_has_a_window():
    constant = Picture(np.full((3, 4, 5), 7, np.uint16), Geometry((3, 4, 5), (1.0, 1.0, 1.0)))
    assert constant.default_window[1] > 0


def test_shown_values_are_rescaled_and_never_inverted():
    turned = Picture(breast(1), sagittal(), slope=2.0, intercept=-10.0, inverted=True)
    assert turned.value_at((12, 40, 30)) == breast(1)[12, 40, 30] * 2.0 - 10.0
    assert turned.value_at((99, 0, 0)) is None


def test_linked_views_agree_after_a_thousand_random_events():
    random.seed(3)
    views = [SliceView(axis) for axis in (0, 1, 2)] + [SliceView(0)]
    link(views)
    for view in views:
        view.show(picture())
    for _ in range(1000):
        view = random.choice(views)
        random.choice([
            lambda v=view: v.scroll(random.randint(-5, 5)),
            lambda v=view: v.grey.set(random.uniform(-50, 900), random.uniform(-5, 900)),
            lambda v=view: v.zoom.set(random.uniform(0, 50), (random.random(), random.random())),
            lambda v=view: v.go_to_index(tuple(random.uniform(0, n - 1) for n in SHAPE)),
        ])()  # fmt: skip
    assert len({view.index for view in views}) == 1
    assert len({view.grey.window for view in views}) == 1
    assert len({(view.zoom.factor, view.zoom.offset) for view in views}) == 1
    assert views[0].slice_index == views[3].slice_index


def test_a_linked_view_tells_when_another_one_moved():
    first, second, told = SliceView(), SliceView(), []
    link([first, second])
    first.show(picture())
    second.show(picture())
    second.changed.connect(lambda: told.append(second.slice_index))
    first.go_to_slice(5)
    assert told == [5]


def test_phases_are_asked_for_only_inside_the_series():
    view, asked = SliceView(), []
    view.phase_wanted.connect(asked.append)
    view.show(picture(1))
    view.ask_phase(1)
    view.ask_phase(5)
    view.ask_phase(-5)
    assert asked == [2, 2, 0]


def test_derived_and_synthetic_pictures_carry_their_badge_by_themselves():
    view = SliceView()
    view.show(picture(provenance="derived"))
    view.set(flipped=True)
    assert view.badge_words() == ("DERIVED", "FLIPPED")
    view.show(picture(provenance="acquired"))
    assert view.badge_words() == ("FLIPPED",)


def test_a_layout_survives_being_written_and_read():
    layout = Layout("x", "X", (Cell("a", axis=2), Cell("b", 0, 1, rows=2)), (Link(("a", "b"), ("place",)),), (1, 2))
    assert layout_from_record(layout.to_record()) == layout
    assert [(c.row, c.column) for c in grid_of(("a", "b", "c"), 2).cells] == [(0, 0), (0, 1), (1, 0)]
