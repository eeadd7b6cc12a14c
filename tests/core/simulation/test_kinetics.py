import numpy as np
import pytest

from tumordiff_core.simulation import kinetics
from tumordiff_core.simulation.kinetics import Sequence, Tissue


def tissue(ktrans: float, kep: float, vp: float = 0.0) -> Tissue:
    one = np.ones((1, 1, 1), dtype=np.float32)
    return Tissue(one * np.float32(ktrans), one * np.float32(kep), one * np.float32(vp))


def numeric_concentration(ktrans: float, kep: float, minutes: float) -> float:
    """The Tofts integral by fine steps over the whole published input function, Gaussians and sigmoid included."""
    t = np.linspace(0, minutes, 40_001)
    passes = sum(
        area / (width * np.sqrt(2 * np.pi)) * np.exp(-((t - moment) ** 2) / (2 * width**2))
        for area, moment, width in ((0.809, 0.17046, 0.0563), (0.330, 0.365, 0.132))
    )
    blood = passes + 1.050 * np.exp(-0.1685 * t) / (1 + np.exp(-38.078 * (t - 0.483)))
    plasma = blood / (1 - 0.42)
    return float(ktrans * np.trapezoid(plasma * np.exp(-kep * (minutes - t)), t))


@pytest.mark.parametrize("kep", [0.1, 0.1685, 0.4, 0.8])
@pytest.mark.parametrize("minutes", [2.38, 8.13])
def test_the_closed_form_agrees_with_the_integral_over_the_published_input(kep: float, minutes: float) -> None:
    closed = kinetics.concentration(tissue(0.2, kep), minutes).item()
    assert closed == pytest.approx(numeric_concentration(0.2, kep, minutes), rel=0.02)


def test_nothing_enhances_before_the_injection() -> None:
    assert kinetics.signal_ratio(tissue(0.3, 0.5, 0.1), -280.0, Sequence()).item() == 1.0


def test_more_leakage_means_more_enhancement_and_faster_return_means_more_washout() -> None:
    ratios = [kinetics.signal_ratio(tissue(k, 0.2), 142.9, Sequence()).item() for k in (0.05, 0.1, 0.2)]
    assert ratios == sorted(ratios)
    washout = []
    for kep in (0.05, 0.2, 0.6):
        early, late = (kinetics.signal_ratio(tissue(0.1, kep), t, Sequence()).item() for t in (142.9, 487.9))
        washout.append((early - 1) / (late - 1))
    assert washout == sorted(washout)
    assert washout[0] < 0.9 < 1.2 < washout[-1]


def test_the_signal_equation_agrees_with_itself_at_a_known_point() -> None:
    contrast = np.array([[[0.5]]], dtype=np.float32)
    decay = [np.exp(-0.0084 * (1 / 1.2 + 4.5 * c)) for c in (0.5, 0.0)]
    steady = [(1 - e) / (1 - np.cos(np.deg2rad(20)) * e) for e in decay]
    assert kinetics.enhancement(contrast, 1.2, Sequence()).item() == pytest.approx(steady[0] / steady[1], rel=1e-4)
