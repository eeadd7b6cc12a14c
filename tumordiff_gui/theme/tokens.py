"""The colours of the window by role, dark and light; every contrast here is checked by a test."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tokens:
    """One theme; every value is ``#rrggbb``."""

    name: str
    window: str
    panel: str
    raised: str
    text: str
    secondary: str
    disabled: str
    outline: str
    hairline: str
    accent: str
    on_accent: str
    good: str
    warning: str
    error: str
    predicted: str
    visits: tuple[str, str, str, str]
    viewport: str = "#000000"


DARK = Tokens(
    name="dark", window="#16191D", panel="#1D2126", raised="#262B31", text="#E4E8EC", secondary="#A9B2BC",
    disabled="#717A84", outline="#7A8591", hairline="#3A4149", accent="#4FA3E3", on_accent="#0B1117",
    good="#57B77D", warning="#E5AE3B", error="#F07167", predicted="#C58AF0",
    visits=("#56B4E9", "#E69F00", "#12B38A", "#E07BB0"),
)  # fmt: skip

LIGHT = Tokens(
    name="light", window="#F4F6F8", panel="#FFFFFF", raised="#E9EDF1", text="#1A1F24", secondary="#4B5560",
    disabled="#7F8891", outline="#6B7681", hairline="#C5CCD3", accent="#1768AC", on_accent="#FFFFFF",
    good="#1E7A45", warning="#8A5A00", error="#B3261E", predicted="#7B3FB5",
    visits=("#2476C8", "#B07A00", "#006B56", "#D6409F"),
)  # fmt: skip

THEMES = {"dark": DARK, "light": LIGHT}

ON_BLACK_TEXT = "#F2F2F2"
ON_BLACK_DIM = "#B8B8B8"
ON_BLACK_DERIVED = "#FFC857"
ON_BLACK_PREDICTED = "#C58AF0"
ON_BLACK_CROSSHAIR = "#39D0C8"
ON_BLACK_OUTLINE = "#000000"

VISIT_SIGNS = ("●", "■", "▲", "◆")

CONTROL_HEIGHT = 28
TOOL_ICON = 20
PANEL_WIDTH = 320
PANEL_MINIMUM = 260
VIEW_GAP = 2


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two colours, 1 to 21."""
    bright, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
