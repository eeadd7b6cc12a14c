"""The repeat-phase test: real noise, no truth. One phase is denoised and compared with an independent one.

Where tissue neither enhances nor drifts, two phases after contrast show the same signal under independent noise, so
E|D1 - S2|^2 = E|D1 - x|^2 + noise of S2: the smaller, the closer to the truth. It sees the blur that tumour volume
does not. Only differences mean anything. The compared phase must never be shown to the method that is judged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, stats

from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel, posterior_mean, seen
from tumordiff_core.errors import InputError
from tumordiff_core.evaluation import baselines
from tumordiff_core.noise.add import magnitude
from tumordiff_core.noise.correlation import gaussian_spectrum
from tumordiff_core.noise.spectrum import Spectrum
from tumordiff_core.progress import Progress
from tumordiff_core.simulation import cohort

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Denoise = Callable[["Series", int], Float]

SLICES = 5
FEWEST_VOXELS = 500
SIGNAL_IN_SIGMA = 9.2
DRIFT_IN_SIGMA = 1.23


@dataclass(frozen=True)
class Rule:
    """Which voxels count: tissue that neither enhances nor drifts.

    Parameters
    ----------
    least_signal : of the phase before contrast, smoothed, in the units of the series
    most_drift : largest absolute difference of the two compared phases, smoothed, same units
    most_enhancement : largest absolute relative enhancement of smoothed phases
    signal_smoothing, drift_smoothing : standard deviations in pixels
    erosion : rounds of 4-neighbour erosion within a slice
    """

    least_signal: float = 30.0
    most_drift: float = 4.0
    most_enhancement: float = 0.3
    signal_smoothing: float = 1.5
    drift_smoothing: float = 3.0
    erosion: int = 1


def rule_for(sigma: float) -> Rule:
    """The rule of a series by its noise: the guide's own figures (30 and 4 at sigma 3.25) in units of the noise."""
    return Rule(least_signal=SIGNAL_IN_SIGMA * sigma, most_drift=DRIFT_IN_SIGMA * sigma)


@dataclass(frozen=True)
class Series:
    """A dynamic series of which one phase is denoised and another one stands in for the truth.

    Parameters
    ----------
    values : real [phase, slice, row, column]
    pre, first, second : phase before contrast, phase to denoise, phase to compare with
    noise : of the first phase, in the units of the values
    high : what the values are divided by before a network sees them
    spectrum : of the noise of the first phase, where it was measured
    """

    values: npt.NDArray[Any]
    pre: int
    first: int
    second: int
    noise: NoiseLevel
    high: float
    spectrum: Spectrum | None = None

    def amplitude(self) -> npt.NDArray[np.float64]:
        """Amplitude of the noise [row, column] in FFT order: as measured, else a Gaussian of its lag-1 correlation."""
        rows, columns = self.values.shape[-2:]
        if self.spectrum is None:
            return gaussian_spectrum(rows, columns, self.noise.lag1)
        return self.spectrum.amplitude(rows, columns)

    def without_second(self) -> tuple[npt.NDArray[Any], int]:
        """The phases that a method may see, and which of them is to be denoised."""
        kept = [k for k in range(len(self.values)) if k != self.second]
        return self.values[kept], kept.index(self.first)


def still_voxels(series: Series, rule: Rule) -> Bool:
    """Voxels that count, bool [slice, row, column]; selection on smoothed phases, so that no noise is selected."""
    pre, first, second = (series.values[k].astype(np.float32) for k in (series.pre, series.first, series.second))
    width = (0, rule.signal_smoothing, rule.signal_smoothing)
    smooth_pre, smooth_first = (ndimage.gaussian_filter(phase, width) for phase in (pre, first))
    drift = ndimage.gaussian_filter(second - first, (0, rule.drift_smoothing, rule.drift_smoothing))
    enhancement = (smooth_first - smooth_pre) / np.maximum(smooth_pre, 1e-6)
    still = (smooth_pre > rule.least_signal) & (np.abs(enhancement) < rule.most_enhancement)
    still &= np.abs(drift) < rule.most_drift
    if rule.erosion:
        cross = ndimage.generate_binary_structure(2, 1)[None]
        still = ndimage.binary_erosion(still, cross, iterations=rule.erosion)
    return np.asarray(still, dtype=bool)


def chosen_slices(still: Bool, count: int = SLICES) -> list[int]:
    """``count`` slices spread evenly over those that hold at least half as many voxels as the richest one."""
    per_slice = still.sum(axis=(1, 2))
    rich = np.flatnonzero((per_slice > 0) & (per_slice >= per_slice.max() / 2))
    if len(rich) <= count:
        return [int(k) for k in rich]
    return [int(rich[round(place)]) for place in np.linspace(0, len(rich) - 1, count)]


def error(denoised: npt.NDArray[Any], second: npt.NDArray[Any], still: Bool) -> float:
    """Mean squared difference over the voxels that count, mean difference removed, in squared units of the series."""
    return float((denoised.astype(np.float64) - second)[still].var())


class Row(NamedTuple):
    """One method: its error, and that against the untouched phase in percent (negative: better)."""

    method: str
    error: float
    change_percent: float
    voxels: int


def evaluate(
    series: Series, methods: Mapping[str, Denoise], *, rule: Rule | None = None, slices: Sequence[int] | None = None,
    progress: Progress,
) -> list[Row]:  # fmt: skip
    """The repeat-phase error of every method, the untouched phase first.

    Raises InputError("evaluate.no_repeat") when the series has too few phases or too few voxels keep still.
    """
    if len({series.pre, series.first, series.second}) < 3 or max(series.first, series.second) >= len(series.values):
        raise InputError("evaluate.no_repeat", found=f"{len(series.values)} phases", expected="three phases")
    still = still_voxels(series, rule or rule_for(series.noise.sigma))
    places = list(slices) if slices is not None else chosen_slices(still)
    inside, second = still[places], series.values[series.second, places]
    voxels = int(inside.sum())
    if voxels < FEWEST_VOXELS:
        raise InputError("evaluate.no_repeat", found=f"{voxels} still voxels", expected=f"at least {FEWEST_VOXELS}")
    progress.stage("compare with the repeated phase", len(methods) * len(places))
    before = error(series.values[series.first, places], second, inside)
    rows = [Row("identity", before, 0.0, voxels)]
    for name, method in methods.items():
        images = []
        for place in places:
            images.append(method(series, place))
            progress.advance()
        found = error(np.stack(images), second, inside)
        rows.append(Row(name, found, 100 * (found / before - 1), voxels))
    return rows


def of_filter(name: str, sigma: float, *, coloured: bool = False) -> Denoise:
    """A classical filter with a given noise level in the units of the series (a blur: width in pixels)."""

    def run(series: Series, place: int) -> Float:
        image = series.values[series.first, place].astype(np.float32)
        if name == "gaussian":
            return baselines.gaussian(image, 0.0, sigma)
        spectrum = series.amplitude() if coloured else None
        if name == "bm3d":
            return baselines.bm3d(image, sigma, 1.0, spectrum)
        scaled = baselines.run(
            name, image / series.high, sigma / series.high, channels=series.noise.channels, spectrum=spectrum
        )
        return np.asarray(scaled * np.float32(series.high), dtype=np.float32)

    return run


def of_model(model: LoadedModel, *, factor: float = 1.0) -> Denoise:
    """A model at ``factor`` times the measured level; it sees the neighbouring slices, never the compared phase."""

    def run(series: Series, place: int) -> Float:
        phases, index = series.without_second()
        noise = NoiseLevel(factor * series.noise.sigma / series.high, series.noise.lag1, series.noise.channels)
        first, last = max(place - 3, 0), place + 4
        shown = phases[:, first:last].astype(np.float32) / np.float32(series.high)
        images, present = seen(model, shown, index, np.array([place - first]))
        with torch.inference_mode():
            mean = posterior_mean(model, images.to(model.device), present.to(model.device), noise)
        return np.asarray(mean[0, 0].cpu().numpy() * np.float32(series.high), dtype=np.float32)

    return run


def usual_filters(sigma: float) -> dict[str, Denoise]:
    """Blurs, and where it is installed BM3D at 1.23 and 1.85 sigma (4 and 6 at 3.25) and with the noise spectrum."""
    found = {f"gaussian {width:g} pixels": of_filter("gaussian", width) for width in (0.6, 0.8, 1.0)}
    found["nlm+vst"] = of_filter("nlm+vst", sigma)
    if baselines.available(["bm3d"]):
        found["bm3d at 1.23 sigma"] = of_filter("bm3d", 1.23 * sigma)
        found["bm3d at 1.85 sigma"] = of_filter("bm3d", 1.85 * sigma)
        found["bm3d with the noise spectrum"] = of_filter("bm3d", sigma, coloured=True)
    return found


def phantom(*, plan: cohort.Plan | None = None, patient: int = 0) -> tuple[Series, Float]:
    """A simulated visit with white Rician noise of the protocol's level, and the first phase without noise."""
    made = plan or cohort.Plan(shape=(24, 128, 128), visits=1, seed=77)
    visit = cohort.simulate(made, cohort.PATIENTS[patient])[0]
    random = np.random.default_rng(made.seed)
    noisy = np.stack([magnitude(phase, made.protocol.sigma, random) for phase in visit.clean])
    high = float(np.percentile(noisy, 99.9))
    return Series(noisy, 0, 1, 2, NoiseLevel(made.protocol.sigma), high), np.asarray(visit.clean[1])


def rank_correlation(
    series: Series, clean: Float, methods: Mapping[str, Denoise], *, rule: Rule | None = None, progress: Progress
) -> tuple[float, list[tuple[str, float, float]]]:
    """Spearman's correlation over methods of repeat-phase error and true error (same voxels, mean removed).

    Returns
    -------
    the correlation, and for each method its name, repeat-phase error and true error
    """
    still = still_voxels(series, rule or rule_for(series.noise.sigma))
    places = chosen_slices(still)
    inside, second = still[places], series.values[series.second, places]
    progress.stage("rank methods on a phantom", len(methods) * len(places))
    rows = []
    for name, method in methods.items():
        images = []
        for place in places:
            images.append(method(series, place))
            progress.advance()
        stacked = np.stack(images)
        rows.append((name, error(stacked, second, inside), error(stacked, clean[places], inside)))
    return float(stats.spearmanr([r[1] for r in rows], [r[2] for r in rows]).statistic), rows
