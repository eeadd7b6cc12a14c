"""Whether a window can be opened here, asked before Qt is imported: system libraries by name, then the display.

Qt itself ends the process with a misleading text when something is missing, which no exception handler can catch.
"""

import ctypes
import os
import sys

from tumordiff_core.errors import MissingError

ALWAYS = {
    "libglib-2.0.so.0": "libglib2.0-0", "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0", "libfontconfig.so.1": "libfontconfig1", "libdbus-1.so.3": "libdbus-1-3",
}  # fmt: skip
X11 = {
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0", "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4", "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1", "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
}  # fmt: skip
"""Shared objects and the Debian packages that bring them (desktop.md 9.1)."""
WAYLAND = {"libwayland-client.so.0": "libwayland-client0", "libwayland-cursor.so.0": "libwayland-cursor0"}


def trouble() -> str | None:
    """One sentence on why no window can be opened here, naming the packages to install; ``None`` when one can."""
    if not sys.platform.startswith("linux"):
        return None
    platform = _platform()
    needed = {**ALWAYS, **({} if platform == "offscreen" else X11 if platform == "xcb" else WAYLAND)}
    lacking = [soname for soname in needed if not _loads(soname)]
    if lacking:
        packages = " ".join(needed[soname] for soname in lacking)
        return MissingError("display.no_library", library=lacking[0], packages=packages).sentence
    if platform == "xcb" and not _answers(os.environ.get("DISPLAY", "")):
        return MissingError("display.none", found=os.environ.get("DISPLAY") or "not set").sentence
    return None


def _platform() -> str:
    """How Qt would draw: ``offscreen`` (and its like), ``wayland`` or ``xcb``."""
    wished = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    if wished and wished not in {"xcb", "wayland"}:
        return "offscreen"
    if wished:
        return wished
    return "wayland" if os.environ.get("WAYLAND_DISPLAY") and not os.environ.get("DISPLAY") else "xcb"


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _answers(name: str) -> bool:
    """Whether an X server answers under this name."""
    if not name:
        return False
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(name.encode(), None))
    answered = xcb.xcb_connection_has_error(connection) == 0
    xcb.xcb_disconnect(connection)
    return bool(answered)
