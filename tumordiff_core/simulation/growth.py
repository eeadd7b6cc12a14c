"""How a tumour answers chemotherapy from visit to visit: size and enhancement against days; nothing of anatomy."""

from dataclasses import dataclass
from typing import Literal

Response = Literal["responder", "partial responder", "non-responder"]

HALF_LIFE_DAYS: dict[Response, float] = {"responder": 18.0, "partial responder": 75.0, "non-responder": -500.0}
"""Days until half the volume is left; negative: days until it has doubled."""

LEAKAGE_LOST: dict[Response, float] = {"responder": 0.45, "partial responder": 0.2, "non-responder": 0.0}
"""Share of the early enhancement that is gone in the end; it fades with a time constant of 50 days."""

FADING_DAYS = 50.0


@dataclass(frozen=True)
class State:
    """The tumour at one visit: mean radius, and its leakage as a share of the baseline's."""

    radius_mm: float
    leakage: float


def at_day(response: Response, baseline_radius_mm: float, day: float) -> State:
    """Exponential loss (or growth) of volume and fading leakage after ``day`` days of treatment."""
    volume = 2.0 ** (-day / HALF_LIFE_DAYS[response])
    leakage = 1.0 - LEAKAGE_LOST[response] * (1.0 - 2.718281828 ** (-day / FADING_DAYS))
    return State(baseline_radius_mm * volume ** (1 / 3), leakage)
