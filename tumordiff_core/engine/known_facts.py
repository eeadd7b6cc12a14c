"""What is known of patient and acquisition, as numbers a network may be told; what is unknown has its own token."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

FIELDS: dict[str, tuple[float, float]] = {
    "age_years": (50.0, 10.0),
    "hr_positive": (0.5, 0.5),
    "her2_positive": (0.5, 0.5),
    "vendor_ge": (0.5, 0.5),
    "vendor_siemens": (0.5, 0.5),
    "vendor_philips": (0.5, 0.5),
    "field_t": (1.5, 1.0),
    "pixel_mm": (0.8, 0.4),
    "thickness_mm": (2.0, 1.0),
    "phase_s": (150.0, 150.0),
}
"""Field, then the value that reads 0 and the step that reads 1."""

LENGTH = 2 * len(FIELDS)


def encoded(facts: Mapping[str, float]) -> npt.NDArray[np.float32]:
    """float32 [LENGTH]: each field's scaled value (0 where unknown), then whether each is known."""
    values = [(facts[name] - middle) / step if name in facts else 0.0 for name, (middle, step) in FIELDS.items()]
    return np.array([*values, *(float(name in facts) for name in FIELDS)], dtype=np.float32)
