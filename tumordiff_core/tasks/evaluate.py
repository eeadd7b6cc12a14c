"""The job ``evaluate``: models and classical filters on references nobody trained on, with intervals over patients."""

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from tumordiff_core import model_cards
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tumordiff_core.engine.denoise import LoadedModel
    from tumordiff_core.evaluation.denoise import Method
    from tumordiff_core.evaluation.references import Reference
    from tumordiff_core.evaluation.repeat_phase import Series
    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.progress import Progress

Set = Literal["pack", "five", "five-native", "finer", "coarser", "native", "phantom"]
Kind = Literal[
    "rician", "two-channel", "four-channel", "zero-filled", "lag 0.25", "lag 0.5", "gaussian", "uneven", "ghost"
]
Baseline = Literal[
    "identity", "gaussian", "gaussian+vst", "tv", "tv+vst", "nlm", "nlm+vst", "wavelet", "wavelet+vst", "bm3d",
    "bm3d+vst", "bm4d+vst",
]  # fmt: skip
CLASSICAL: list[Baseline] = ["gaussian+vst", "tv+vst", "nlm+vst", "wavelet+vst", "bm3d+vst"]


class EvaluateParams(BaseModel):
    """What the evaluation asks for."""

    what: Literal["denoise", "forecast"] = Field("denoise", title="What")
    references: str = Field(
        "", title="References", description="A pack of slices, a cohort with truth, a volume or a folder of volumes."
    )
    sets: list[Set] = Field(default_factory=lambda: list[Set](["pack"]), min_length=1, title="Sets")
    models: list[str] = Field(default_factory=list, title="Models", description="Names; empty: all that are installed.")
    baselines: list[Baseline] = Field(default_factory=lambda: list(CLASSICAL), title="Baselines")
    kinds: list[Kind] = Field(default_factory=lambda: list[Kind](["rician"]), min_length=1, title="Noise kinds")
    levels: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=lambda: [0.05, 0.10, 0.15], min_length=1, title="Levels", description="Of the maximum."
    )
    blind: bool = Field(True, title="Also blind", description="Run the models with the measured level, too.")
    mirrors: list[Literal[2, 4]] = Field(
        default_factory=list, title="Mirror images", description="Models also as the mean over so many."
    )
    local_means: float | None = Field(
        None, ge=0, le=1, title="Local means",
        description="How much of what local averages lost is given back; empty: as denoise does with as many phases.",
    )  # fmt: skip
    along_edges: bool = Field(
        True, title="Along edges", description="Where phases are compared, noise left at edges is smoothed along them."
    )
    rims: bool = Field(
        True, title="Rims", description="Where phases are compared, rims of lesions are given back by a model that can."
    )
    seed: int = Field(4000, ge=0, title="Seed", description="Of the lesions that are looked for, and their noise.")
    against: str = Field("bm3d+vst", title="Compared with")
    repeat: str = Field(
        "", title="Repeat-phase test", description="A dynamic series (folder, file, series:<uid>): this test alone."
    )
    studies: list[Literal["calibration", "detectability", "spheres", "none"]] = Field(
        default_factory=list, title="Studies", description="On noise-free phantoms, for models: what PSNR cannot see."
    )
    strengths: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=lambda: [1.0], title="Strengths", description="Of the denoised image, for lesions alone."
    )
    into_cards: bool = Field(
        False, title="Write into the cards", description="The models' cards get these figures instead of theirs."
    )


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.evaluate"
    return [Task("evaluate", "Evaluate", f"{room}:EvaluateParams", f"{room}:run", weight="heavy")]


def run(params: EvaluateParams, job: "Job") -> None:
    """Evaluate denoisers and write rows, summary and report.

    Raises NotBuilt("verb.not_built") for the forecast, InputError("training.no_data") without references.
    """
    from tumordiff_core import paths, result_folder
    from tumordiff_core.errors import NotBuilt
    from tumordiff_core.evaluation import baselines, denoise, pages
    from tumordiff_core.evaluation.peer_scores import PeerScores

    if params.what == "forecast":
        raise NotBuilt("verb.not_built", verb="evaluate forecast")
    if params.repeat:
        _repeat(params, job)
        return
    sets, source = _references(params, job.progress)
    asked: list[str] = list(dict.fromkeys(("identity", *params.baselines)))
    names = baselines.available(asked)
    for name in asked:
        if name not in names:
            sentence = f"{name} is left out, for the package {baselines.NEEDS[name]} is not installed (extra bench)."
            job.progress.warn("evaluate.peer_missing", sentence)
    methods: dict[str, Method] = {name: denoise.baseline_method(name) for name in names}
    methods.update(_models(params))
    kinds = [denoise.KINDS[name] for name in dict.fromkeys(params.kinds)]
    against = _against(params, list(methods))
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    kept = PeerScores(paths.cache() / "peer-scores.jsonl")
    for name, found in sets.items():
        table = denoise.evaluate(
            found, methods, kinds, params.levels, kept=kept, stage=f"evaluate {name}", progress=job.progress
        )
        rows.extend({"set": name, **row} for row in table.rows)
        lines.extend({"set": name, **line} for line in denoise.summary(table, against))
    intro = _intro(sets, source)
    studied, sections = _studies(params, job)
    _tables(job.result, rows)
    _histograms(job.result, rows)
    text = pages.page("Denoising, evaluated", intro, lines, rows, against, sections)
    (job.result / "report.html").write_text(text, "utf-8")
    record = result_folder.Record(
        kind="evaluation", provenance="derived", title="Evaluation of denoising", params=params.model_dump(),
        figures={"summary": lines, "against": against, "references": intro, "studies": studied},
    )  # fmt: skip
    result_folder.finish(job.result, record)
    if params.into_cards:
        for name in _names(params):
            model_cards.write_figures(model_cards.find(name), card_figures(name, lines, against, source))
    job.answer.update(result=str(job.folder / "result"), against=against, references=intro, summary=lines)


def for_terminal(answer: dict[str, Any]) -> dict[str, Any]:
    """What a terminal has room for of the answer of this job."""
    lines = [_line(line, answer["against"]) for line in answer.get("summary", [])]
    return {**answer, "summary": lines} if lines else answer


def _names(params: EvaluateParams) -> list[str]:
    """The models asked for, or all that are used by themselves."""
    return params.models or [model.card.name for model in model_cards.on_their_own(model_cards.all_models()[0])]


def _line(line: dict[str, Any], against: str) -> dict[str, Any]:
    from tumordiff_core.evaluation import pages

    pair, worse = line.get(f"over {against}"), line["worse_than_input"]
    psnr, ssim = (line[score] and line[score]["mean"] for score in ("psnr_tissue", "ssim_tissue"))
    return {
        **{key: line[key] for key in ("set", "kind", "level", "method")}, "psnr_tissue": psnr,
        f"over {against}": pair["difference"] if pair else None, "ssim_tissue": ssim,
        "worse": pages.worse_words(worse),
    }  # fmt: skip


def _against(params: EvaluateParams, methods: list[str]) -> str:
    """The method that differences are taken against; where none was asked for, the best classical one that is run.

    Raises InputError("evaluate.not_run").
    """
    from tumordiff_core.errors import InputError

    if params.against in methods:
        return params.against
    if "against" in params.model_fields_set:
        raise InputError("evaluate.not_run", found=params.against, expected=", ".join(methods))
    return next(name for name in ("nlm+vst", "identity") if name in methods)


def card_figures(name: str, lines: list[dict[str, Any]], against: str, data: str) -> list[dict[str, Any]]:
    """A model's lines of an evaluation as its card tells them: gain over a peer with its interval, and worse slices."""
    found = []
    for line in lines:
        pair = line.get(f"over {against}")
        if line["method"].split(" ")[0] != name or pair is None:
            continue
        difference = pair["difference"]
        found.append({
            "name": f"PSNR over {against}", "unit": "dB", "value": round(difference["mean"], 3),
            "low": round(difference["low"], 3), "high": round(difference["high"], 3), "patients": pair["patients"],
            "better": pair["better"], "set": line["set"], "noise": line["kind"], "level": line["level"],
            "settings": line["method"].removeprefix(name).strip() or "one slice",
            "worse_slices": line["worse_than_input"]["slices"], "of_slices": line["worse_than_input"]["of"],
            "worse_upper_bound_95": round(line["worse_than_input"]["upper_bound_95"], 3), "data": data,
        })  # fmt: skip
    return found


def _studies(params: EvaluateParams, job: "Job") -> tuple[dict[str, Any], list[str]]:
    """The studies that were asked for, model by model: figures by study and model, and sections of the report."""
    from tumordiff_core.engine import weights
    from tumordiff_core.engine.denoise import for_phases
    from tumordiff_core.evaluation import calibration, charts, detectability, pages, references

    asked = [study for study in dict.fromkeys(params.studies) if study != "none"]
    found: dict[str, Any] = {}
    if not asked:
        return found, []
    names = _names(params)
    loaded = {name: weights.load(model_cards.find(name)) for name in names}
    models, visits = (
        {
            name: for_phases(model, phases, local_means=params.local_means, edges=params.along_edges, rims=params.rims)
            for name, model in loaded.items()
        }
        for phases in (1, 2)
    )
    sections = []
    if "calibration" in asked:
        clean = references.phantoms(visits=2)
        # What is done where phases are compared is judged on the same single stacks: their truth is known.
        of_phases = {
            f"{name}, as with phases": visits[name]
            for name in names
            if _done_after(visits[name]) != _done_after(models[name])
        }
        checked = {
            name: calibration.calibrate(model, clean, params.levels, progress=job.progress).to_record()
            for name, model in {**models, **of_phases}.items()
        }
        found["calibration"] = checked
        rows = [{"model": name, **row} for name, record in checked.items() for row in record["rows"]]
        note = "Noise-free phantoms, white Rician noise: 90 % intervals of 8x8 patch means, and the residual's look."
        curves = {
            f"{row['model']}, {100 * row['level']:g} %": list(zip(calibration.SHARES, row["held"], strict=True))
            for row in rows
        }
        curves["right"] = [(share, share) for share in calibration.SHARES]
        drawn = charts.lines(curves, "share that the interval should hold", "share of patches it holds")
        sections.append(pages.section("Is its doubt right?", note, rows, drawn))
    if "detectability" in asked:
        found["detectability"] = _small_lesions(params, visits, job.progress)
        note = "Lesions of 3 to 8 mm put into phantoms before the noise; intervals over lesions, which are not people."
        sections.append(pages.section("Could a small lesion have gone?", note, found["detectability"]))
    if "spheres" in asked:
        found["spheres"] = [
            sphere.to_record()
            for snr in (10.0, 6.7)
            for sphere in detectability.spheres(visits, snr, progress=job.progress)
        ]
        note = (
            "Functional tumor volume of a sphere of 552 voxels, 24 draws of noise; the untouched row is to be beaten."
        )
        sections.append(pages.section("Does tumor volume move?", note, found["spheres"]))
    return found, sections


def _done_after(model: "LoadedModel") -> tuple[float, bool, bool]:
    """What is done to a model's posterior mean."""
    return model.local_means, model.along_edges, model.rims_given_back


def _small_lesions(
    params: EvaluateParams, models: "Mapping[str, LoadedModel]", progress: "Progress"
) -> list[dict[str, Any]]:
    """What models at every strength and filters leave of inserted lesions: a row for each noise, level and method."""
    from tumordiff_core.evaluation import baselines, denoise, detectability

    breasts = detectability.anatomies()
    ours = {
        name if strength == 1 else f"{name} at {strength:g}": detectability.of_model(model, strength)
        for name, model in models.items()
        for strength in params.strengths
    }
    filters = [name for name in baselines.available(params.baselines) if name != "identity"]
    rows = []
    for kind in (denoise.KINDS[name] for name in dict.fromkeys(params.kinds)):
        spectrum, channels = kind.spectrum(*breasts[0].tissue.shape[1:]), kind.channels
        theirs = {name: detectability.of_filter(name, channels=channels, spectrum=spectrum) for name in filters}
        for level in params.levels:
            study = detectability.study(
                breasts, ours | theirs, level, spectrum=spectrum, channels=channels, seed=params.seed, progress=progress
            )
            rows += [{"model": name, "noise": kind.name, "level": level, **figures} for name, figures in study.items()]
    return rows


def _spectrum_words(series: "Series") -> str:
    """Which spectrum of the noise BM3D is given."""
    if series.spectrum is None:
        return "taken to be a Gaussian of these correlations"
    return "the one of a zero-filled acquisition that fits it best"


def _repeat(params: EvaluateParams, job: "Job") -> None:
    """The repeat-phase test alone: one phase of a real series denoised, judged by the independent next one."""
    from tumordiff_core import result_folder
    from tumordiff_core.engine import weights
    from tumordiff_core.engine.denoise import NoiseLevel, for_phases
    from tumordiff_core.errors import InputError
    from tumordiff_core.evaluation import pages, repeat_phase
    from tumordiff_core.imaging.intensity import robust_scaling
    from tumordiff_core.noise.level import estimate
    from tumordiff_core.plugins import manager

    volume = manager.load("tumordiff_core.tasks.denoise:read_input")(params.repeat, None, job.progress)
    if volume.phases < 3:
        raise InputError("evaluate.no_repeat", found=f"{volume.phases} phases", expected="three phases")
    early = int(volume.facts.get("early") or 1)
    late = int(volume.facts.get("late") or volume.phases - 1)
    job.progress.stage("measure noise")
    level = estimate(volume.values[early])
    noise = NoiseLevel(level.sigma, level.lag1, level.channels)
    high = robust_scaling(volume.values).high
    series = repeat_phase.Series(volume.values, 0, early, late, noise, high, level.spectrum)
    methods = repeat_phase.usual_filters(level.sigma)
    for name in _names(params):
        loaded = weights.load(model_cards.find(name))
        model = for_phases(
            loaded, volume.phases, local_means=params.local_means, edges=params.along_edges, rims=params.rims
        )
        methods[name] = repeat_phase.of_model(model)
    rows = [row._asdict() for row in repeat_phase.evaluate(series, methods, progress=job.progress)]
    note = (
        f"Phase {early} denoised, judged by phase {late}, which no method saw: mean squared difference over "
        f"{rows[0]['voxels']} still voxels; one series, so only differences mean anything. Measured noise "
        f"{level.sigma:.3g}, correlation of neighbours {level.lag1[0]:.2f} and {level.lag1[1]:.2f}; its spectrum is "
        f"{_spectrum_words(series)}."
    )
    _tables(job.result, rows, "repeat_phase")
    shown = pages.section("Repeat phase", note, rows)
    (job.result / "report.html").write_text(pages.page("Denoising, evaluated", "", [], [], "", [shown]), "utf-8")
    record = result_folder.Record(
        kind="evaluation", provenance="derived", title="Repeat-phase test", params=params.model_dump(),
        figures={"repeat_phase": rows, "note": note},
        series_uids=[str(uid) for uid in volume.facts.get("series_uids", []) if uid],
    )  # fmt: skip
    result_folder.finish(job.result, record)
    job.answer.update(result=str(job.folder / "result"), repeat_phase=rows, note=note)


def _references(params: EvaluateParams, progress: "Progress") -> "tuple[dict[str, list[Reference]], str]":
    """References by set, and where they come from; volumes are a set of their own, phantoms alone take no data."""
    from tumordiff_core.errors import InputError
    from tumordiff_core.evaluation import own_folder, references
    from tumordiff_core.training import datasets

    if set(params.sets) == {"phantom"} and not params.references:
        return {"phantom": references.phantoms()}, "simulated breasts"
    data = datasets.place_of(params.references)
    if data.is_file() and data.suffix != ".npz":
        if "sets" in params.model_fields_set:
            progress.warn("evaluate.sets_unused", f"{data.name} is one volume: its own slices are judged, not sets.")
        return {data.stem: references.of_file(data)}, data.name
    if params.references and data.is_dir() and own_folder.is_own(data):
        if "sets" in params.model_fields_set:
            progress.warn(
                "evaluate.sets_unused", f"{data.name} is a folder of volumes: their own slices are judged, not sets."
            )
        slices = own_folder.of_folder(data, progress=progress)
        count = len({reference.patient for reference in slices})
        if count > 1:
            progress.warn(
                "evaluate.volumes_as_patients",
                f"Each of the {count} volumes of {data.name} counts as a patient, even where two show the same person.",
            )
        return {data.name or "folder": slices}, data.name
    stacks = datasets.read_data(data)
    found = {name: references.of_set(name, stacks) for name in params.sets}
    if not any(found.values()):
        raise InputError("training.no_data", data, name=data.name)
    return {name: slices for name, slices in found.items() if slices}, data.name


def _intro(sets: "dict[str, list[Reference]]", source: str) -> str:
    parts = [
        f"{name}: {len(slices)} slices of {len({reference.patient for reference in slices})} patients"
        for name, slices in sets.items()
    ]
    return (
        f"{'; '.join(parts)}, from {source}; simulated noise, tissue-masked, strength 1. References of patients "
        "carry noise of their own; phantoms carry none. Intervals are bootstrap 95 % over patients."
    )


def _models(params: EvaluateParams) -> "dict[str, Method]":
    from tumordiff_core.engine import weights
    from tumordiff_core.engine.denoise import for_phases
    from tumordiff_core.evaluation import denoise

    names = _names(params)
    methods: dict[str, Method] = {}
    for name in names:
        model = for_phases(weights.load(model_cards.find(name)), 1, local_means=params.local_means)
        for mirrors in (1, *params.mirrors):
            mean = replace(model, mirrors=mirrors)
            ending = f" over {mirrors} mirror images" if mirrors > 1 else ""
            methods[f"{name}{ending}"] = denoise.model_method(mean, neighbours=False)
            if model.neighbours:
                methods[f"{name} with neighbours{ending}"] = denoise.model_method(mean, neighbours=True)
        if params.blind:
            methods[f"{name} blind"] = denoise.model_method(model, neighbours=model.neighbours, blind=True)
    return methods


def _histograms(folder: Path, rows: list[dict[str, Any]]) -> None:
    """PSNR and SSIM in tissue of every method at every level, one picture for each set and kind of noise."""
    from tumordiff_core.evaluation import charts

    pictures: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        panels = pictures.setdefault((row["set"], row["kind"]), {})
        for score, unit in (("psnr_tissue", "dB"), ("ssim_tissue", "SSIM")):
            panels.setdefault(f"{unit} {100 * row['level']:g} % {row['method']}", []).append(row[score])
    place = folder / "pictures"
    place.mkdir(exist_ok=True)
    for names, panels in pictures.items():
        charts.histograms_png(place / f"{'-'.join(names).replace(' ', '-')}.png", panels, columns=2)


def _is_known(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _tables(folder: Path, rows: list[dict[str, Any]], name: str = "slices") -> None:
    """Every row as CSV and as JSON; what is not known is empty there, and null."""
    from tumordiff_core import files

    place = folder / "tables"
    place.mkdir(exist_ok=True)
    known = [{key: value if _is_known(value) else None for key, value in row.items()} for row in rows]
    files.write_json(place / f"{name}.json", {"format": 1, "rows": known})
    with (place / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(known)
