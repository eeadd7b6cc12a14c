"""Contrast of every text role in both themes, and maps that are even."""

import numpy as np
import pytest

from tumordiff_gui.theme import maps
from tumordiff_gui.theme.tokens import DARK, LIGHT, Tokens, contrast

BLACK = "#000000"


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda t: t.name)
@pytest.mark.parametrize(
    ("role", "least"),
    [("text", 7), ("secondary", 6), ("disabled", 3), ("outline", 3), ("accent", 4.5), ("good", 4.5), ("warning", 4.5),
     ("error", 4.5), ("predicted", 4.5)],
)  # fmt: skip
def test_roles_can_be_read_on_panels_and_raised_surfaces(theme: Tokens, role: str, least: float):
    assert contrast(getattr(theme, role), theme.panel) >= least
    assert contrast(getattr(theme, role), theme.raised) >= min(least, 3.9)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda t: t.name)
def test_selected_text_and_visits_can_be_read(theme: Tokens):
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    assert all(contrast(colour, theme.panel) >= 3 for colour in theme.visits)
    assert len(set(theme.visits)) == 4


def test_maps_are_opaque_and_opacity_premultiplies():
    table = maps.colours("inferno")
    assert table.dtype == np.uint32 and table.shape == (256,)
    assert (table >> 24 == 255).all()
    half = maps.with_opacity(np.array([0xFFFF8000], np.uint32), 0.5)
    assert int(half[0]) == 0x80804000


def test_ser_classes_keep_the_upper_limit_in_the_class():
    table = maps.steps(maps.SER_LIMITS, maps.SER_COLOURS, 0.0, 4.0)
    assert int(table[0]) & 0xFFFFFF == int(maps.SER_COLOURS[0][1:], 16)
    assert int(table[-1]) & 0xFFFFFF == int(maps.SER_COLOURS[-1][1:], 16)


def test_there_is_no_jet():
    assert "jet" not in maps.names()
