"""The job ``denoise``: a series in, its posterior mean out, with noise level, residual and tumour volume beside it.

It reads like a method section: read, refuse what is no acquisition, measure the noise, scale, evaluate the network
once per slice, scale back, compare the tumour volume, keep everything.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tumordiff_core.engine.denoise import LoadedModel, NoiseLevel
    from tumordiff_core.engine.explain import Chain
    from tumordiff_core.imaging.intensity import Scaling
    from tumordiff_core.imaging.volume import Volume
    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.model_cards import Card
    from tumordiff_core.noise.level import Level
    from tumordiff_core.plugins.specs import Recorded
    from tumordiff_core.progress import Progress
    from tumordiff_core.result_folder import Record

    Float = npt.NDArray[np.float32]

REFUSED_ROLES = frozenset({"ser_map", "pe_map", "seg", "localizer", "report", "reformat", "derived"})
SERIES_PREFIX = "series:"
ROWS_AT_ONCE = 1024
"""Rows of a large slice that are looked at together, where more take much memory."""


class DenoiseParams(BaseModel):
    """What the denoise form asks for."""

    input: str = Field(
        title="Input", description="A DICOM folder, a NIfTI, NRRD, MetaImage or .npy file, or a catalogued series."
    )
    out: str = Field("", title="Output", description="Where the denoised series is written besides the job's result.")
    model: str = Field("", title="Model", description="Name of a model; empty: the shipped one.")
    sigma: float | None = Field(
        None, ge=0, title="Noise level", description="In the units of the input; empty: measured."
    )
    strength: float = Field(1.0, ge=0, le=1, title="Strength", description="1: the posterior mean; 0: the input.")
    uncertainty: bool = Field(True, title="Uncertainty", description="How sure every pixel is; doubles the work.")
    alarms: bool = Field(
        True, title="Alarms", description="Looks for structure in what was taken away; without it, exports ask."
    )
    explanation: bool = Field(
        True, title="Explanation", description="Keeps the steps of one slice and why one pixel came out as it did."
    )
    chain: Literal["ddim", "heun", "dpm-solver", "ancestral"] = Field(
        "ddim", title="Chain", description="Which chain the explanation goes along; the denoised image is the same."
    )
    mirrors: Literal[1, 2, 4] = Field(
        1, title="Mirror images", description="The mean over so many: a little better, so many times slower."
    )
    local_means: float | None = Field(
        None, ge=0, le=1, title="Local means",
        description="How much of what local averages lost is given back; empty: most of it with several phases.",
    )  # fmt: skip
    along_edges: bool = Field(
        True, title="Along edges", description="With several phases, noise left at edges is smoothed along them."
    )
    rims: bool = Field(
        True, title="Rims",
        description="With several phases, what is lost at the rims of lesions is given back where the model can.",
    )  # fmt: skip
    samples: int = Field(0, ge=0, le=64, title="Posterior samples", description="Draws instead of one probe per slice.")
    sample_steps: int = Field(20, ge=2, le=1000, title="Steps per sample")
    seed: int = Field(0, ge=0, title="Seed")
    series: int | None = Field(None, title="Series number", description="Which series of a folder with several.")
    yes: bool = Field(False, title="Confirmed", description="Answers the export gate's questions with yes.")
    keep_steps: int = Field(
        8, ge=2, le=100, title="Keep steps", description="Steps of the chain that are kept for one slice of each phase."
    )


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.denoise"
    return [Task("denoise", "Denoise a series", f"{room}:DenoiseParams", f"{room}:run", weight="heavy")]


def run(params: DenoiseParams, job: "Job") -> None:
    """Denoise one series and write the result folder.

    Raises UnsupportedError("denoise.not_acquired"), and what reading, measuring and model loading raise.
    """
    import numpy as np

    from tumordiff_core import model_cards, result_folder
    from tumordiff_core.engine import denoise, precision, weights
    from tumordiff_core.imaging.intensity import robust_scaling

    job.progress.stage("read")
    volume = read_input(params.input, params.series, job.progress)
    refuse_unacquired(volume)
    model = model_cards.find(params.model or model_cards.DEFAULT)
    scaling = robust_scaling(volume.values)
    job.progress.stage("measure noise", volume.phases)
    measured = [_measured(phase, job.progress) for phase in volume.values]
    levels = [_used(level, params.sigma) for level in measured]
    mirrored = replace(weights.load(model), mirrors=params.mirrors)
    loaded = denoise.for_phases(
        mirrored, volume.phases, local_means=params.local_means, edges=params.along_edges, rims=params.rims
    )
    warn_out_of_range(loaded, levels, scaling, job.progress)
    job.progress.stage("denoise", volume.phases * volume.geometry.shape[0])
    scaled_phases = scaling.apply(volume.values)
    mean, scaled_mean = _denoised(loaded, volume, scaled_phases, levels, scaling, params.strength, job.progress)
    job.progress.stage("compare tumour volume")
    figures = {
        "local_means": loaded.local_means, "along_edges": loaded.along_edges, "rims": loaded.rims_given_back,
        **_tumour_figures(volume, mean),
    }  # fmt: skip
    if params.alarms:
        job.progress.stage("compute safety figures")
        alone = _alone(loaded, volume, scaled_phases, levels, scaling, params.strength, job.progress)
        figures["gate"] = gate_figures(volume, mean, measured, model.card, scaling, alone=alone, seed=params.seed)
    else:
        figures["domain"] = outside_domain(volume, measured, model.card, scaling)
    result_folder.save_array(job.result, "mean", mean)
    result_folder.save_array(job.result, "residual", (volume.values - mean).astype(np.float16))
    del mean  # a large slice leaves no room for what was written already
    if params.samples:
        spread = _spread(loaded, volume, scaled_mean, levels, scaling, params, job)
        result_folder.save_array(job.result, "std", spread)
        del spread
    elif params.uncertainty:
        spread, figures["doubt"] = _doubt(loaded, scaled_phases, scaled_mean, levels, scaling, params, job)
        result_folder.save_array(job.result, "std", spread)
        del spread
    del scaled_mean
    if params.explanation:
        _explain(loaded, scaled_phases, levels, scaling, figures, params, job)
    told = weights.told(model.card, loaded, [scaled_noise(level, scaling) for level in levels])
    record = _record(params, job, volume, levels, told, figures, str(precision.faster(loaded.device)))
    record.findings = remarks(record)
    result_folder.finish(job.result, record)
    job.answer.update(
        result=str(job.folder / "result"), noise=record.noise, model=model.card.name, **_told(figures)
    )  # fmt: skip
    if params.out:
        _write_out(params, job)


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures as a verb prints them: the spectra of all phases in one table, in dB over the predicted ones."""
    rows = figures.get("doubt", ())
    spectra = {k + 1: row["residual_spectrum"] for k, row in enumerate(rows) if row}
    if not spectra:
        return {"figures": figures}
    rings = next(iter(spectra.values()))["cycles_per_pixel"]
    short = [{name: value for name, value in row.items() if name != "residual_spectrum"} for row in rows]
    return {
        "figures": {**figures, "doubt": short},
        "residual_spectrum_over_predicted_db": [
            {"cycles_per_pixel": round(f, 3), **{f"phase_{k}": s["difference_db"][n] for k, s in spectra.items()}}
            for n, f in enumerate(rings)
        ],
        "residual_spectrum_worst_db": [spectrum["worst_db"] for spectrum in spectra.values()],
    }


def read_input(source: str, series: int | None, progress: "Progress") -> "Volume":
    """The volume that a folder, a file or ``series:<uid>`` names, all its phases."""
    from tumordiff_core.dicom import stack
    from tumordiff_core.imaging import formats

    if source.startswith(SERIES_PREFIX):
        return _catalogued(source.removeprefix(SERIES_PREFIX), progress)
    path = Path(source)
    if path.is_dir():
        return stack.open_folder(path, series_number=series, progress=progress)
    return formats.read(path)


def _catalogued(series_uid: str, progress: "Progress") -> "Volume":
    from tumordiff_core.catalogue import queries
    from tumordiff_core.dicom import stack

    paths = [Path(row.path) for row in queries.files_of(series_uid)]
    return stack.read_series(paths, progress=progress)


def refuse_unacquired(volume: "Volume") -> None:
    """Raise UnsupportedError("denoise.not_acquired") for maps, masks, localizers and what is denoised already."""
    from tumordiff_core.errors import UnsupportedError

    role = str(volume.facts.get("role", "dynamic"))
    if role in REFUSED_ROLES or volume.provenance in {"derived", "predicted"}:
        found = {"derived": "derived series", "seg": "mask"}.get(role, role.replace("_", " "))
        raise UnsupportedError("denoise.not_acquired", found=found)


def _measured(phase: "npt.NDArray[Any]", progress: "Progress") -> "Level":
    from tumordiff_core.noise.level import estimate

    level = estimate(phase)
    progress.advance()
    return level


def _used(measured: "Level", given: float | None) -> "Level":
    if given is None:
        return measured
    return replace(measured, sigma=given, low=given, high=given, estimator="given")


def scaled_noise(level: "Level", scaling: "Scaling") -> "NoiseLevel":
    """A measured level in the scale that the network sees."""
    from tumordiff_core.engine.denoise import NoiseLevel

    return NoiseLevel(level.sigma / scaling.range, level.lag1, level.channels)


def warn_out_of_range(model: "LoadedModel", levels: "list[Level]", scaling: "Scaling", progress: "Progress") -> None:
    """Say so when a phase is noisier than anything the model was trained on."""
    from tumordiff_core.errors import UnsupportedError

    worst = max(level.sigma for level in levels) / scaling.range
    if worst > model.sigma_range[1]:
        percent, limit = round(100 * worst), round(100 * model.sigma_range[1])
        error = UnsupportedError("denoise.out_of_range", found=percent, limit=limit)
        progress.warn(error.code, error.sentence)


def _denoised(
    model: "LoadedModel", volume: "Volume", phases: "Float", levels: "list[Level]", scaling: "Scaling",
    strength: float, progress: "Progress",
) -> "tuple[Float, Float]":  # fmt: skip
    """The denoised phases at their strength in the units of the source, and at full strength in the model's scale."""
    import numpy as np

    from tumordiff_core.engine import denoise

    mean, scaled = np.empty(phases.shape, dtype=np.float32), np.empty(phases.shape, dtype=np.float32)
    for index, (phase, level) in enumerate(zip(volume.values, levels, strict=True)):
        scaled[index] = denoise.denoise_phase(model, phases, index, scaled_noise(level, scaling), progress=progress)
        clean = phase.astype(np.float32) if level.sigma == 0 else scaling.invert(scaled[index])
        mean[index] = denoise.blend(phase, clean, strength)
    return mean, scaled


def _tumour_figures(volume: "Volume", mean: "Float") -> dict[str, Any]:
    """Tumour volume of the acquired and of the denoised phases by the study's own rule, else by the assumed one."""
    if volume.phases < 3:
        return {}
    import numpy as np

    from tumordiff_core.response import ftv

    recorded = recorded_rule(str(volume.facts.get("study_uid", "")))
    early, late = _timing(recorded, volume.phases)
    acquired = [np.asarray(volume.values[k], dtype=np.float32) for k in (0, early, late)]
    rule, voi, omit = ftv.rule_for(recorded, acquired[0])
    denoised = [mean[k] for k in (0, early, late)]
    if volume.facts.get("integer", True):
        denoised = [np.rint(phase) for phase in denoised]
    before = ftv.tumour(acquired[0], acquired[1], acquired[2], rule, voi=voi, omit=omit)
    after = ftv.tumour(denoised[0], denoised[1], denoised[2], rule, voi=voi, omit=omit)
    return {
        "lesion_centre": centre_of(before.mask),
        "ftv_before_cc": ftv.ftv_cc(before.mask, volume.geometry), "ftv_before_voxels": before.voxels,
        "ftv_after_cc": ftv.ftv_cc(after.mask, volume.geometry), "ftv_after_voxels": after.voxels,
        "ftv_dice": ftv.dice(before.mask, after.mask), "rule": "recorded" if recorded else "assumed",
        "published": [vars(p) for p in recorded.published] if recorded else [],
    }  # fmt: skip


def centre_of(mask: "npt.NDArray[np.bool_]") -> list[int] | None:
    """The voxel of a mask that is nearest to the middle of its largest slice; None for an empty one."""
    import numpy as np

    sizes = mask.sum(axis=(1, 2))
    if not sizes.any():
        return None
    k = int(sizes.argmax())
    places = np.argwhere(mask[k])
    row, column = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
    return [k, int(row), int(column)]


def gate_figures(
    volume: "Volume", mean: "Float", measured: "list[Level]", card: "Card", scaling: "Scaling", *,
    alone: "dict[int, Float] | None" = None, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """What the export gate will judge: tumor, rim, residual, repeat phase, measured noise, the model's domain."""
    import numpy as np

    from tumordiff_core.response import ftv, safety

    recorded = recorded_rule(str(volume.facts.get("study_uid", "")))
    early, late = _timing(recorded, volume.phases)
    rule, voi, omit = ftv.rule_for(recorded, np.asarray(volume.values[0], dtype=np.float32))
    visit = safety.Visit(
        rule, voi, omit, (0, early, late), volume.geometry.spacing_mm, tuple(measured),
        bool(volume.facts.get("integer", True)),
    )  # fmt: skip
    found = safety.figures(volume.values, mean, visit, alone=alone, seed=seed)
    found["domain"] = outside_domain(volume, measured, card, scaling)
    found |= {"voi": voi is not None, "voxel_cc": volume.geometry.voxel_cc}
    return found | {"sigma_measured": [level.sigma for level in measured]}


def _alone(
    model: "LoadedModel", volume: "Volume", phases: "Float", levels: "list[Level]", scaling: "Scaling",
    strength: float, progress: "Progress",
) -> "dict[int, Float] | None":  # fmt: skip
    """Early and late phase denoised without seeing one another; None for a model that never sees other phases."""
    from tumordiff_core.engine import denoise

    early, late = _timing(recorded_rule(str(volume.facts.get("study_uid", ""))), volume.phases)
    if not model.joint_phases or not 0 < early < late < volume.phases:
        return None
    found = {}
    for mine in (early, late):
        shown, noise = phases[[0, mine]], scaled_noise(levels[mine], scaling)
        clean = scaling.invert(denoise.denoise_phase(model, shown, 1, noise, progress=progress))
        found[mine] = denoise.blend(volume.values[mine], clean, strength)
    return found


def outside_domain(volume: "Volume", measured: "list[Level]", card: "Card", scaling: "Scaling") -> list[dict[str, Any]]:
    """Each fact of the series that lies outside what the model was trained on."""
    from tumordiff_core import model_cards

    slices_mm, _, column_mm = volume.geometry.spacing_mm
    facts = {
        "noise_percent": 100 * max(level.sigma for level in measured) / scaling.range,
        "field_t": volume.facts.get("field_t"), "pixel_mm": column_mm, "thickness_mm": slices_mm,
        "phases": volume.phases, "noise_lag1": sum(measured[0].lag1) / 2, "plane": volume.geometry.plane,
    }  # fmt: skip
    return model_cards.outside_domain(card, facts)


def recorded_rule(study_uid: str) -> "Recorded | None":
    """What the catalogue knows of the study's own rule, if the study is in it."""
    from tumordiff_core import paths
    from tumordiff_core.catalogue import queries

    if not study_uid or not paths.catalogue_file().is_file():
        return None
    return queries.recorded(study_uid)


def _timing(recorded: "Recorded | None", phases: int) -> tuple[int, int]:
    early = recorded.early if recorded and recorded.early else 1
    late = recorded.late if recorded and recorded.late else 2
    return (early, late) if max(early, late) < phases else (1, phases - 1)


def _spread(
    model: "LoadedModel", volume: "Volume", mean: "Float", levels: "list[Level]", scaling: "Scaling",
    params: DenoiseParams, job: "Job",
) -> "Float":  # fmt: skip
    """Root mean square of posterior samples about the mean at full strength, in the units of the source."""
    import numpy as np
    import torch

    from tumordiff_core.engine import denoise

    job.progress.stage("sample", volume.phases * volume.geometry.shape[0])
    out = np.zeros(volume.values.shape, dtype=np.float32)
    generator = torch.Generator().manual_seed(params.seed)
    scaled = scaling.apply(volume.values)
    for index, (phase, level) in enumerate(zip(volume.values, levels, strict=True)):
        noise = scaled_noise(level, scaling)
        for k in range(len(phase) if level.sigma > 0 else 0):
            images, present = denoise.seen(model, scaled, index, np.array([k]))
            with torch.inference_mode():
                draws = denoise.posterior_samples(
                    model, images.to(model.device), present.to(model.device), noise, count=params.samples,
                    steps=params.sample_steps, generator=generator, progress=job.progress,
                )  # fmt: skip
            about = draws[:, 0, 0].cpu().numpy() - mean[index, k]
            out[index, k] = np.sqrt(np.mean(about**2, axis=0)) * scaling.range
            job.progress.advance()
    return out


def _doubt(
    model: "LoadedModel", phases: "Float", mean: "Float", levels: "list[Level]", scaling: "Scaling",
    params: DenoiseParams, job: "Job",
) -> "tuple[Float, list[dict[str, Any]]]":  # fmt: skip
    """Posterior deviation of every pixel in the units of the source, and per phase what the residual must look like.

    ``expected_psnr_gain_db`` is 10 log10(sigma^2 / MSE) by the trace, without any reference.
    """
    import numpy as np
    import torch

    from tumordiff_core.engine import uncertainty
    from tumordiff_core.evaluation.metrics import tissue_mask
    from tumordiff_core.noise.correlation import lag1

    job.progress.stage("ask how sure it is", phases.shape[0] * phases.shape[1])
    amplitude = _amplitude(phases, levels)
    generator = torch.Generator().manual_seed(params.seed)
    spread = np.zeros(phases.shape, dtype=np.float32)
    rows: list[dict[str, Any]] = []
    for index, level in enumerate(levels):
        if level.sigma == 0:
            rows.append({})
            continue
        noise, peak = scaled_noise(level, scaling), max(float(phases.max()), 1e-6)
        mask = np.stack([tissue_mask(image / peak) for image in phases[index]])
        found = uncertainty.phase_doubt(
            model, phases, index, mean[index], noise, mask=mask, amplitude=amplitude, generator=generator,
            progress=job.progress,
        )  # fmt: skip
        spread[index] = found.std * scaling.range
        residual = _noise_of(phases[index], mean[index], noise)
        measured = lag1(residual, mask)
        power = float(np.mean(residual[mask] ** 2)) / noise.sigma**2 if mask.any() else 0.0
        weight = mask.sum(axis=(1, 2)).astype(float) + 1e-9
        trace = float(np.average(found.trace, weights=weight))
        scaled = residual / noise.sigma
        held = uncertainty.ring_power(scaled, scaled, uncertainty.tapered(mask)).sum(axis=0)
        difference = uncertainty.spectrum_difference_db(held, found.spectrum.sum(axis=0))
        rows.append({
            "trace": trace, "expected_psnr_gain_db": float(-10 * np.log10(max(trace, 1e-6))),
            "residual_power": power, "residual_power_expected": float(np.average(found.residual_power, weights=weight)),
            "residual_lag1": list(measured),
            "residual_lag1_expected": [float(v) for v in np.average(found.lag1, axis=0, weights=weight)],
            "residual_spectrum": {
                "cycles_per_pixel": [float(f) for f in (uncertainty.RINGS[1:] + uncertainty.RINGS[:-1]) / 2],
                "measured": [float(v) for v in held], "predicted": [float(v) for v in found.spectrum.sum(axis=0)],
                "difference_db": difference, "worst_db": uncertainty.worst_difference_db(difference),
                "noise": "spectrum" if amplitude is not None else "lag-1",
            },
        })  # fmt: skip
    return spread, rows


def _noise_of(phase: "Float", mean: "Float", noise: "NoiseLevel") -> "Float":
    """The noise in one phase: a magnitude's mean lies above the signal, so it is what differs from that mean."""
    import numpy as np
    import torch

    from tumordiff_core.engine import local_means

    residual = np.empty(phase.shape, dtype=np.float32)
    for first in range(0, phase.shape[1], ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        expected = local_means.expected(torch.from_numpy(mean[:, rows]), noise.sigma, noise.channels)
        residual[:, rows] = phase[:, rows] - expected.numpy()
    return residual


def _explain(
    model: "LoadedModel", phases: "Float", levels: "list[Level]", scaling: "Scaling", figures: dict[str, Any],
    params: DenoiseParams, job: "Job",
) -> None:  # fmt: skip
    """Keep, for one slice of each phase, the steps of the chain, and why its pixel came out as it did."""
    import numpy as np

    from tumordiff_core import explanations
    from tumordiff_core.engine import denoise, explain

    index, *pixel = _place_to_explain(phases, figures)
    job.progress.stage("explain", len(levels))
    pixels, chains = [], []
    for phase, level in enumerate(levels):
        if level.sigma > 0:
            noise = scaled_noise(level, scaling)
            seen = [part.to(model.device) for part in denoise.seen(model, phases, phase, np.array([index]))]
            about = {"phase": phase, "slice": index, "model": model.name}
            chain = explain.chain(
                model, seen[0], seen[1], noise, params.keep_steps, name=params.chain, seed=params.seed
            )
            steps, images = _steps(chain, scaling)
            chains.append(explanations.stored(job.result, {**about, "chain": params.chain, **steps}, {"npy": images}))
            del chain, images  # a large slice leaves no room for them beside the pixel's maps
            said, maps = explain.pixel(model, seen[0], seen[1], noise, *pixel, features=True)
            pixels.append(explanations.stored(job.result, {**about, **said}, maps))
            del maps
        job.progress.advance()
    explanations.write(job.result, pixels, chains)


def _steps(chain: "Chain", scaling: "Scaling") -> "tuple[dict[str, list[float]], Float]":
    """What is said of a chain, and its images, which are scaled back in place."""
    from tumordiff_core.engine import schedules

    for image in chain.images:
        image[:] = scaling.invert(image)
    said = {
        "t": [*(schedules.linear().matched_time(((1 - a) / a) ** 0.5) for a in chain.alpha_bar), 0.0],
        "sigma": [*(sigma * scaling.range for sigma in chain.sigma), 0.0],
        "change": [change * scaling.range for change in chain.change],
    }  # fmt: skip
    return said, chain.images


def _place_to_explain(phases: "Float", figures: dict[str, Any]) -> tuple[int, int, int]:
    """The middle of the lesion; else the first alarm; else where the middle slice is brightest over a few pixels."""
    import numpy as np
    from scipy import ndimage

    known = figures.get("lesion_centre") or next((p["index"] for p in figures.get("gate", {}).get("peaks", ())), None)
    if known is not None:
        return int(known[0]), int(known[1]), int(known[2])
    middle = phases.shape[1] // 2
    smooth = ndimage.gaussian_filter(phases[-1, middle], 3)
    row, column = np.unravel_index(int(smooth.argmax()), smooth.shape)
    return middle, int(row), int(column)


def _amplitude(phases: "Float", levels: "list[Level]") -> "Float | None":
    """Amplitude spectrum of the noise where it is correlated and the first phase tells it."""
    import numpy as np

    found = levels[0].spectrum
    return None if found is None else found.amplitude(*phases.shape[-2:]).astype(np.float32)


def _record(
    params: DenoiseParams,
    job: "Job",
    volume: "Volume",
    levels: "list[Level]",
    model: dict[str, Any],
    figures: dict[str, Any],
    number_format: str,
) -> Any:
    from datetime import UTC, datetime

    from tumordiff_core import files, result_folder
    from tumordiff_core.jobs.worker import versions

    facts = dict(volume.facts)
    sources = [result_folder.Source.model_validate(source) for source in facts.pop("sources", [])]
    for source in sources:
        source.sha256 = source.sha256 or files.sha256(Path(source.path))
    noise = {
        "sigma": [level.sigma for level in levels], "low": [level.low for level in levels],
        "high": [level.high for level in levels], "channels": levels[0].channels, "lag1": list(levels[0].lag1),
        "estimator": levels[0].estimator, **_repeat(volume),
    }  # fmt: skip
    return result_folder.Record(
        kind="denoised", provenance="synthetic" if volume.provenance == "synthetic" else "derived",
        title=f"Denoised {facts.get('series_description', '')}".strip(),
        series_uids=[str(uid) for uid in facts.get("series_uids", [facts.get("series_uid")]) if uid],
        sources=sources, params=params.model_dump(), seed=params.seed, noise=noise, figures=figures, facts=facts,
        model=model, units={"mean": "source", "residual": "source", "std": "source"},
        geometry=volume.geometry.to_record(),
        labels=list(volume.labels), phase_s=list(volume.phase_s),
        versions={**versions(), "number_format": number_format},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


def _repeat(volume: "Volume") -> dict[str, Any]:
    """What the last two phases say of the noise, an upper bound beside the level used; nothing where they cannot."""
    from tumordiff_core.noise import phases

    found = phases.estimate(volume.values)
    return {} if found is None else {"repeat": dict(vars(found))}


def remarks(record: "Record") -> list[dict[str, Any]]:
    """What the export gate will say of a result, and each place in tissue that it names, as the window reads them."""
    from tumordiff_core.exporters import gate
    from tumordiff_core.plugins.specs import Finding
    from tumordiff_core.response import safety

    found = [finding.to_record() for finding in gate.judge(record)]
    for peak in record.figures.get("gate", {}).get("peaks", ()):
        fields = {"found": f"{abs(peak['z']):.1f}", "limit": f"{safety.PEAK_SD:g}"}
        place = dict(zip(("slice", "row", "column"), peak["index"], strict=True))
        found.append({**Finding("confirm", "denoise.peak", fields).to_record(), "phase": peak["phase"], **place})
    # The window answers a question with a tick.
    return [{**one, "sentence": one["sentence"].replace(" (--yes)", "")} for one in found]


def _write_out(params: DenoiseParams, job: "Job") -> None:
    """Write the requested output through the export task's gate; a question left open costs the output, not the result.

    Raises what the export task raises; the finished result then stands in the job folder and can be exported.
    """
    import shutil

    from tumordiff_core import files
    from tumordiff_core.plugins import manager

    kept = job.folder / "result"
    shutil.rmtree(kept, ignore_errors=True)
    files.rename(job.result, kept)
    task = manager.task("export")
    record = {"result": str(kept), "to": params.out, "as_": output_kind(params.input), "yes": params.yes}
    done = manager.load(task.run.replace(":run", ":export"))(manager.load(task.params)(**record), job.progress)
    job.answer["out"] = [str(path) for path in done.paths]
    job.answer["confirmed"] = done.confirmed
    for remark in done.confirmed:
        job.progress.log(f"Confirmed by --yes: {remark}")


def output_kind(source: str) -> str:
    """The exporter whose kind follows the input: a folder gives DICOM, a file its own format."""
    name = source.lower()
    if name.endswith((".nii", ".nii.gz")):
        return "nifti"
    if name.endswith(".nrrd"):
        return "nrrd"
    if name.endswith((".mha", ".mhd")):
        return "metaimage"
    return "npy" if name.endswith(".npy") else "dicom"
