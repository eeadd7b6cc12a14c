"""Modules meet at the desk."""

from tumordiff_gui.state.desk import Desk, Selection


def test_choosing_the_same_thing_twice_tells_once():
    desk, told = Desk(), []
    desk.selected.connect(told.append)
    desk.select("P", "S")
    desk.select("P", "S")
    assert told == [Selection("P", "S")]


def test_opening_a_series_opens_its_first_phase_and_selects_it():
    desk, opened = Desk(), []
    desk.opened.connect(opened.append)
    desk.open_phase(Selection("P", "S", "X"))
    assert opened == [Selection("P", "S", "X", 0)] and desk.selection == opened[0]


def test_the_desk_comes_back_and_a_broken_record_is_an_empty_desk():
    desk, other = Desk(), Desk()
    desk.select("P", "S", "X", 2)
    other.restore(desk.to_record())
    assert other.selection == desk.selection
    other.restore({"selection": {"nonsense": 1}})
    assert other.selection == Selection()
