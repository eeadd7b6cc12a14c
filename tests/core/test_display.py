"""What keeps a window from opening is one sentence that names the package, before Qt can abort."""

import sys

import pytest

from tumordiff_core import display
from tumordiff_core.errors import MissingError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems bring these libraries")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A session of nothing, on a machine with every library."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(display, "_loads", lambda soname: True)
    return monkeypatch


def test_no_display_is_named(bare: pytest.MonkeyPatch):
    assert display.trouble() == MissingError("display.none", found="not set").sentence


def test_a_display_nobody_answers_on_is_named(bare: pytest.MonkeyPatch):
    bare.setenv("DISPLAY", ":4093")
    told = display.trouble()
    assert told is not None and ":4093" in told


@pytest.mark.parametrize("platform", ["offscreen", "minimal", "vnc:size=800x600"])
def test_offscreen_needs_no_display(bare: pytest.MonkeyPatch, platform: str):
    bare.setenv("QT_QPA_PLATFORM", platform)
    assert display.trouble() is None


@pytest.mark.parametrize(("soname", "package"), sorted({**display.ALWAYS, **display.X11}.items()))
def test_a_missing_library_is_named_by_its_package(bare: pytest.MonkeyPatch, soname: str, package: str):
    bare.setenv("DISPLAY", ":0")
    bare.setattr(display, "_answers", lambda name: True)
    bare.setattr(display, "_loads", lambda wanted: wanted != soname)
    assert display.trouble() == MissingError("display.no_library", library=soname, packages=package).sentence


def test_offscreen_asks_for_no_x11_library_and_all_packages_stand_in_one_sentence(bare: pytest.MonkeyPatch):
    bare.setattr(display, "_loads", lambda wanted: False)
    bare.setenv("QT_QPA_PLATFORM", "offscreen")
    told = display.trouble()
    assert told is not None and "libegl1" in told and "libxcb" not in told and told.count("apt install") == 1


def test_a_wayland_session_needs_wayland_libraries_only(bare: pytest.MonkeyPatch):
    bare.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert display.trouble() is None
    bare.setattr(display, "_loads", lambda wanted: "wayland-cursor" not in wanted)
    told = display.trouble()
    assert told is not None and "libwayland-cursor0" in told


def test_other_systems_are_not_asked(bare: pytest.MonkeyPatch):
    bare.setattr(display.sys, "platform", "darwin")
    assert display.trouble() is None


def test_libraries_are_tried_by_name():
    assert display._loads("libc.so.6") and not display._loads("libnothing-of-the-kind.so.9")
