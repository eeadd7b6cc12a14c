"""What stands in the views of Denoise: pictures, previews, chains and figures of what the panel has chosen."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from tumordiff_core.model_cards import Model
from tumordiff_core.result_folder import Result
from tumordiff_gui import words
from tumordiff_gui.modules.denoise import arranging, composing, findings, strings
from tumordiff_gui.modules.denoise.card import evaluated
from tumordiff_gui.modules.denoise.composing import Source
from tumordiff_gui.modules.denoise.explained import Explained, sentences_of
from tumordiff_gui.modules.denoise.figures import Figures
from tumordiff_gui.modules.denoise.findings import Said
from tumordiff_gui.modules.denoise.kept import KeptExplanation
from tumordiff_gui.modules.denoise.previews import (
    CHAIN_STEPS,
    Chain,
    Chains,
    Explanation,
    Explanations,
    Measures,
    Previews,
)
from tumordiff_gui.modules.denoise.stacks import Slices
from tumordiff_gui.modules.denoise.steps import Steps
from tumordiff_gui.state.layout import Layout
from tumordiff_gui.state.slice_view import Picture, SliceView
from tumordiff_gui.views import pixels
from tumordiff_gui.views.corner_text import number
from tumordiff_gui.views.placeholder import Placeholder

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

PREVIEW_AFTER_MS, CHAIN_AFTER_MS = 40, 180
OUT_CODES = frozenset({"denoise.out_of_range", "export.out_of_range"})


@dataclass
class Chosen:
    """What the panel has chosen; the pictures follow from it and from nothing else.

    Parameters
    ----------
    files : array and record of the acquired phase, for the preview child; ``None`` when there are none
    truth_file : the clean phase of a simulation, empty where there is none, ``None`` while that is not known
    sigma : noise level the reader gave, ``None``: measured
    ours, paper : the networks that stand side by side, empty where none is installed
    refused : why this series is not denoised, empty when it is
    """

    source: Source | None = None
    files: tuple[str, str] | None = None
    truth: Any = None
    truth_file: str | None = None
    result: Result | None = None
    phase: int = 0
    model: str = ""
    ours: str = ""
    paper: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    sigma: float | None = None
    seed: int = 0
    stale: bool = False
    nothing: bool = True
    refused: str = ""


class Showing(QObject):
    """Owns the views and keeps them in line with ``chosen``.

    Signals
    -------
    told : the findings changed; ask ``said``
    levelled : the noise level of the phase is known; ask ``previews.level``
    spread_wanted, browse_wanted : the buttons of the empty places
    """

    told = Signal()
    levelled = Signal()
    spread_wanted = Signal()
    browse_wanted = Signal()

    def __init__(self, context: "Context", parent: QWidget) -> None:
        super().__init__(parent)
        self._context = context
        self.chosen = Chosen()
        self.active = False
        self.arrangement = "compare"
        self.strength = 1.0
        self.said: list[Said] = []
        self._held = False
        self._last_slice: int | None = None
        self._drawn_filter: Explanation | None = None
        self._features = False
        self.views = {name: SliceView(0) for name in arranging.VIEWS}
        for view in self.views.values():
            view.interpolate = context.settings.view.interpolate
        self.views["filter"].interpolate = False
        self.pixel: tuple[int, int, int] | None = None
        self.figures, self.strip, self.explained = Figures(), Steps(CHAIN_STEPS - 1), Explained()
        self.no_spread = Placeholder(
            "blur", strings.NO_SPREAD,
            (strings.RUN_WITH_SPREAD, self.spread_wanted.emit),
            hint=strings.NO_SPREAD_HINT,
        )  # fmt: skip
        self.empty = Placeholder(
            "auto-fix", strings.NOTHING_OPEN, (strings.GO_BROWSE, self.browse_wanted.emit),
            hint=strings.NOTHING_OPEN_HINT,
        )  # fmt: skip
        self.previews = Previews(context.warm, self)
        self.chains = Chains(context.warm, self)
        self.measures = Measures(context.warm, self)
        self.explanations = Explanations(context.warm, self)
        self.kept = KeptExplanation()
        self._preview_timer = self._timer(PREVIEW_AFTER_MS, self._want_previews)
        self._chain_timer = self._timer(CHAIN_AFTER_MS, self._want_chains)
        self.views["original"].changed.connect(self._view_changed)
        self.previews.arrived.connect(self._preview_arrived)
        self.previews.failed.connect(self._preview_failed)
        self.previews.levelled.connect(lambda _: self.levelled.emit())
        self.chains.arrived.connect(lambda *_: self._show_steps())
        self.chains.failed.connect(self._chain_failed)
        self.measures.changed.connect(self._show_figures)
        self.figures.slice_wanted.connect(lambda index: self.views["original"].go_to_slice(index))
        self.strip.moved.connect(self._steps_moved)
        self.explanations.added.connect(self.kept.read_again)
        self.explanations.changed.connect(self._show_explained)
        self.explained.features_wanted.connect(self._want_features)
        self.explained.image_wanted.connect(self._show_image)
        self.views["filter"].changed.connect(self._filter_changed)

    def _timer(self, interval_ms: int, act: Callable[[], None]) -> QTimer:
        timer = QTimer(self, singleShot=True, interval=interval_ms)
        timer.timeout.connect(act)
        return timer

    # the picture area

    def _wanted_layout(self) -> Layout:
        chosen = self.chosen
        if chosen.nothing or chosen.refused:
            return arranging.EMPTY
        if self.arrangement == "models":
            return arranging.models(truth=chosen.truth is not None)
        if self.arrangement == "steps":
            return arranging.steps()
        if self.arrangement == "explain":
            return arranging.explain()
        return arranging.compare(truth=chosen.truth is not None, spread=self.has_spread())

    def has_spread(self) -> bool:
        """Whether the chosen result brings a posterior standard deviation."""
        return self.chosen.result is not None and self.chosen.result.has_array("std")

    def show_views(self) -> None:
        """Draw the arrangement, unless it is drawn already."""
        if not self.active:
            return
        self.empty.set_text(self.chosen.refused or strings.NOTHING_OPEN)
        wanted = self._wanted_layout()
        if self._context.views.layout_shown is not wanted:
            own = {"figures": self.figures, "strip": self.strip, "no_spread": self.no_spread, "empty": self.empty}
            own["explained"] = self.explained
            self._context.views.show(wanted, {**self.views, **own})

    def loading(self, text: str) -> None:
        """Say in every view what is being brought; pictures that are there stay."""
        for view in self.views.values():
            view.set(loading=text, trouble="")

    def trouble(self, sentence: str, details: str) -> None:
        """A sentence in place of the original; the other views stay as they are."""
        for name, view in self.views.items():
            view.set(loading="", trouble=sentence if name == "original" else "", details=details)
        self.show_views()

    def clear(self, *, fit: bool) -> None:
        """Another series: nothing of the old one stays."""
        self.pixel = None
        self.explanations.forget()
        for view in self.views.values():
            view.show(None)
            view.set(badges=(), stale=False, overlays=())
            if fit:
                view.zoom.fit()

    def hold(self, held: bool) -> None:
        """The original stands where the denoised slice was, until it is let go."""
        self._held = held
        self._show_denoised()

    def set_strength(self, value: float) -> None:
        """Draw another blend of original and denoised; nothing is computed again."""
        self.strength = value
        self._show_denoised()

    @property
    def slice_index(self) -> int | None:
        """The slice that is shown."""
        return self.views["original"].slice_index

    def jump(self, said: Said) -> None:
        """Go to the place a finding names; -1 keeps the row and column."""
        view = self.views["original"]
        if said.index is None or view.picture is None:
            return
        if min(said.index[1:]) < 0:
            view.go_to_slice(said.index[0])
            return
        view.go_to_index((float(said.index[0]), float(said.index[1]), float(said.index[2])))
        for each in self.views.values():
            each.set(crosshair=True)

    # keeping in line

    def refresh(self) -> None:
        """Bring everything into line with what is chosen."""
        chosen, source = self.chosen, self.chosen.source
        self.show_views()
        if source is None:
            self.figures.clear()
            self._tell([])
            return
        self.previews.aim(chosen.files, source.picture.geometry.shape, chosen.sigma)
        self.kept.aim(None if chosen.result is None or chosen.stale else chosen.result.folder)
        known = chosen.truth is not None
        self._put("original", source.picture, title=strings.NOISY if known else strings.ORIGINAL)
        self._put("truth", composing.truth(source, chosen.truth) if known else None, title=strings.TRUTH)
        self._show_denoised()
        self._show_spread()
        if self.arrangement == "models":
            self._show_models()
        self._want_explanation()
        self._show_explained()
        if chosen.truth_file is not None:
            folder = chosen.result.folder if chosen.result is not None else None
            self.measures.aim(folder, chosen.phase, source.picture.geometry.shape[0], chosen.truth_file)
        if chosen.result is None:
            self._show_figures()
        self._last_slice = self.slice_index
        self._slice_moved()

    def _view_changed(self) -> None:
        index = self.slice_index
        if index != self._last_slice:
            self._last_slice = index
            self._slice_moved()

    def _slice_moved(self) -> None:
        """Previews and chains of this slice are wanted, figures of it shown."""
        if self.chosen.source is None:
            return
        if self.arrangement == "models" or (self.arrangement in ("compare", "explain") and self.chosen.result is None):
            self._preview_timer.start()
        if self.arrangement == "steps":
            self._show_steps()
            self._chain_timer.start()
        if self.chosen.result is not None:
            self._show_figures()

    def _put(self, name: str, picture: Picture | None, **fields: Any) -> None:
        """Show a picture; the shared grey window stays with the original, maps begin in their own range."""
        view = self.views[name]
        first, grey = view.picture is None, view.grey.window
        view.show(picture)
        if picture is not None and first and name in arranging.GREY and name != "original":
            view.grey.set(*grey)
        view.set(**{"loading": "", "badges": (), "stale": False, **fields})

    def sigma(self) -> float:
        """The noise level of the shown phase in the units of the series, 0 while unknown."""
        if self.chosen.result is not None:
            return findings.sigma_of(self.chosen.result.record, self.chosen.phase)
        given = self.chosen.sigma
        return given if given is not None else float(self.previews.level.get("sigma") or 0.0)

    def computed_strength(self) -> float:
        """The strength the chosen result was computed at; 1 for a preview."""
        return 1.0 if self.chosen.result is None else float(self.chosen.result.record.params.get("strength", 1.0))

    def noise_percent(self) -> float | None:
        """Noise in percent of the range the network sees, as the last preview measured it or the reader gave it."""
        level, given = self.previews.level, self.chosen.sigma
        if not level.get("range"):
            return None
        return 100 * float(given if given is not None else level["measured"]) / float(level["range"])

    def out_of_range(self) -> str:
        """A sentence when the noise of this phase is more than the model has seen, else empty."""
        model, percent = self.chosen.models.get(self.chosen.model), self.noise_percent()
        if model is None or percent is None or percent <= 100 * model.card.sigma_range[1]:
            return ""
        low, high = (100 * end for end in model.card.sigma_range)
        return strings.OUT_OF_RANGE.format(percent=percent, model=model.card.name, low=low, high=high)

    # denoised, residual, doubt

    def _full(self, source: Source) -> Any:
        """The denoised stack at strength 1: of the result, or the slices previewed so far."""
        result, phase = self.chosen.result, self.chosen.phase
        if result is None:
            return self.previews.stack(self.chosen.model)
        mean = result.array("mean")
        return composing.full_strength(source, mean[min(phase, len(mean) - 1)], self.computed_strength())

    def _badges(self) -> tuple[str, ...]:
        chosen, badges = self.chosen, []
        model = chosen.models.get(chosen.model)
        codes = {str(f.get("code")) for f in chosen.result.record.findings} if chosen.result is not None else set()
        if chosen.result is None:
            badges.append(strings.PREVIEW_BADGE)
        if codes & OUT_CODES or (chosen.result is None and self.out_of_range()):
            badges.append(strings.OUT_BADGE)
        if model is not None and not evaluated(model.card):
            badges.append(strings.UNEVALUATED_BADGE)
        return tuple(badges)

    def _show_denoised(self) -> None:
        chosen, source = self.chosen, self.chosen.source
        if source is None:
            return
        if self._held:
            self._put("denoised", source.picture, title=strings.HELD)
            return
        if chosen.result is None and not chosen.model:
            self._put("denoised", None, title=strings.NO_MODEL)
            self._put("residual", None, title=strings.RESIDUAL)
            return
        name = chosen.model if chosen.result is None else str(chosen.result.record.model.get("name", chosen.model))
        title = strings.DENOISED_BY.format(model=name)
        if self.strength < 1:
            title = strings.DENOISED_AT.format(model=name, strength=self.strength)
        loading = self._preview_text(chosen.model) if chosen.result is None else ""
        full, sigma = self._full(source), self.sigma()
        picture = composing.denoised(source, full, self.strength)
        self._put("denoised", picture, title=title, badges=self._badges(), stale=chosen.stale, loading=loading)
        taken = composing.residual(source, full, self.strength, sigma) if sigma > 0 else None
        self._put("residual", taken, title=strings.RESIDUAL, loading=loading)

    def _show_spread(self) -> None:
        source, result = self.chosen.source, self.chosen.result
        if result is None or source is None or not self.has_spread():
            self._put("spread", None, title=strings.UNCERTAINTY)
            return
        std = result.array("std")
        picture = composing.spread(source, std[min(self.chosen.phase, len(std) - 1)])
        self._put("spread", picture, title=strings.UNCERTAINTY)

    # previews

    def _preview_text(self, model: str) -> str:
        index = self.slice_index
        if index is None or self.chosen.files is None or self.previews.stack(model).has(index):
            return ""
        return strings.PREVIEWING.format(number=index + 1)

    def _want_previews(self) -> None:
        index, chosen = self.slice_index, self.chosen
        if index is None or chosen.source is None or not self.active:
            return
        if self.arrangement == "models":
            for model in sorted({chosen.ours, chosen.paper} - {""}):
                self.previews.want(model, index)
            self._show_models()
        elif chosen.result is None and chosen.model:
            self.previews.want(chosen.model, index)
            for name in ("denoised", "residual"):
                self.views[name].set(loading=self._preview_text(chosen.model))

    def _preview_arrived(self, model: str, _index: int) -> None:
        if self.arrangement == "models":
            self._show_models()
        if self.chosen.result is None and model == self.chosen.model:
            self._show_denoised()
            self._show_findings()
            self._show_explained()

    def _preview_failed(self, model: str, sentence: str, details: str) -> None:
        names = ["denoised"] if model == self.chosen.model and self.chosen.result is None else []
        if self.arrangement == "models":
            names.append("paper" if model == self.chosen.paper else "ours")
        for name in names:
            self.views[name].set(loading="", trouble=sentence, details=details)
        self.views["residual"].set(loading="")

    def _show_models(self) -> None:
        """Both networks on this slice, each with what it takes away."""
        source, chosen = self.chosen.source, self.chosen
        if source is None:
            return
        for view, model in (("ours", chosen.ours), ("paper", chosen.paper)):
            if not model:
                trouble = strings.NO_PAPER if view == "paper" else strings.NO_MODELS
                self._put(view, None, trouble=trouble)
                self._put(f"{view}_residual", None, title=strings.RESIDUAL)
                continue
            stack, loading = self.previews.stack(model), self._preview_text(model)
            doubt = () if evaluated(chosen.models[model].card) else (strings.UNEVALUATED_BADGE,)
            fields = {"title": strings.DENOISED_BY.format(model=model), "badges": (strings.PREVIEW_BADGE, *doubt)}
            self._put(view, composing.denoised(source, stack, 1.0), loading=loading, **fields)
            sigma = float(self.previews.level.get("sigma") or self.sigma())
            taken = composing.residual(source, stack, 1.0, sigma) if sigma > 0 else None
            self._put(f"{view}_residual", taken, title=strings.RESIDUAL_BY.format(model=model), loading=loading)

    # steps

    def _steps_moved(self) -> None:
        self._show_steps()
        self._chain_timer.start()

    def _want_chains(self) -> None:
        chosen, index = self.chosen, self.slice_index
        if self.arrangement != "steps" or chosen.files is None or index is None or not self.active:
            return
        for model in (chosen.ours, chosen.paper):
            if model and self._kept_chain(model) is None:
                self.chains.want(
                    chosen.files, index, model, self.strip.direction, sigma=chosen.sigma,
                    truth=chosen.truth_file or "", seed=chosen.seed,
                )  # fmt: skip

    def _kept_chain(self, model: str) -> Chain | None:
        """The chain that the result keeps; it knows no truth, so it is left where images can be scored."""
        index, result = self.slice_index, self.chosen.result
        own = result is not None and model == result.record.model.get("name")
        if not own or index is None or self.strip.direction != "reverse" or self.chosen.truth_file:
            return None
        return self.kept.chain(self.chosen.phase, index)

    def _chain(self, model: str) -> Chain | None:
        index, kept = self.slice_index, self._kept_chain(model)
        if kept is not None:
            return kept
        if self.chosen.files is None or index is None or not model:
            return None
        return self.chains.of(self.chosen.files, index, model, self.strip.direction)

    def _show_steps(self) -> None:
        chosen = self.chosen
        if self.arrangement != "steps" or chosen.source is None:
            return
        ours, paper = self._chain(chosen.ours), self._chain(chosen.paper)
        self.strip.tell(ours, paper)
        for view, model, chain in (("step_ours", chosen.ours, ours), ("step_paper", chosen.paper, paper)):
            if not model:
                self._put(view, None, trouble=strings.NO_PAPER if view == "step_paper" else strings.NO_MODELS)
            elif chain is None:
                waiting = chosen.files is not None and not self.views[view].trouble
                self.views[view].set(loading=strings.CHAIN_LOADING if waiting else "", title=model)
            else:
                self._put_step(view, model, chain, chosen.source)

    def _put_step(self, view: str, model: str, chain: Chain, source: Source) -> None:
        step, index = min(self.strip.step, len(chain) - 1), self.slice_index
        stack = Slices(source.picture.geometry.shape)
        if index is not None:
            stack.put(index, chain.images[step])
        title = strings.STEP_TITLE.format(model=model, t=chain.times[step])
        badges = () if chain is self._kept_chain(model) else (strings.PREVIEW_BADGE,)
        self._put(view, composing.single(source, stack), title=title, badges=badges)

    def _chain_failed(self, model: str, sentence: str, details: str) -> None:
        name = "step_paper" if model == self.chosen.paper else "step_ours"
        self.views[name].set(loading="", trouble=sentence, details=details)

    # one pixel explained

    def explain_at(self, index: tuple[int, int, int]) -> None:
        """Ask why this voxel came out as it did, and mark it."""
        source = self.chosen.source
        if source is None or self.arrangement != "explain":
            return
        shape = source.picture.geometry.shape
        k, row, column = (min(max(i, 0), n - 1) for i, n in zip(index, shape, strict=True))
        self._go_to((k, row, column))
        self._want_explanation()

    def _go_to(self, pixel: tuple[int, int, int]) -> None:
        self.pixel = pixel
        k, row, column = pixel
        self.views["original"].go_to_index((float(k), float(row), float(column)))
        for name in ("original", "denoised"):
            self.views[name].set(crosshair=True)

    def _want_features(self) -> None:
        self._features = True
        self._want_explanation()

    def _want_explanation(self) -> None:
        """Show what the result keeps about the pixel, at first the one explained last; else ask."""
        chosen = self.chosen
        if self.arrangement != "explain":
            return
        if self.pixel is None:
            last = self.kept.last_place(chosen.phase)
            if last is None:
                return
            self._go_to(last)
        pixel = self.pixel
        assert pixel is not None
        known = self.kept.pixel(chosen.phase, pixel, features=self._features)
        if known is not None:
            self.explanations.show(known)
        elif chosen.files is not None and chosen.model:
            keep = None if self.kept.folder is None else (self.kept.folder, chosen.phase)
            self.explanations.want(
                chosen.files, pixel, chosen.model, sigma=chosen.sigma, features=self._features, keep=keep
            )  # fmt: skip
        elif self.explanations.found is not None:
            self.explanations.forget()

    def _show_explained(self) -> None:
        """The filter, where the network looked, the shares and what all of it means."""
        source, found = self.chosen.source, self.explanations.found
        if self.arrangement != "explain" or source is None:
            self.views["denoised"].set(overlays=())
            return
        waiting = strings.EXPLAIN_LOADING if self.explanations.waiting else ""
        record = None if self.chosen.result is None else self.chosen.result.record
        spectrum = {} if record is None else findings.spectrum_of(record, self.chosen.phase)
        self.explained.show_spectrum(spectrum)
        if found is None:
            fields = {"trouble": self.explanations.trouble, "details": self.explanations.details}
            self._put("filter", None, title=strings.FILTER_EMPTY, loading=waiting, **fields)
            self.views["denoised"].set(overlays=())
            self.explained.say(self.explanations.trouble or waiting or self._why_not_explained())
            return
        self._show_filter(source, found)
        looked = () if found.attention is None else (composing.attention(source, found.attention, found.pixel[0]),)
        self.views["denoised"].set(overlays=looked)
        self.views["filter"].set(loading=waiting)
        plane = source.picture.planes[0]
        flipped = self.views["denoised"].flipped
        shown = [] if found.features is None else [
            pixels.on_screen(found.features, plane, k, flipped=flipped) for k in range(len(found.features))
        ]  # fmt: skip
        spacing = source.picture.geometry.spacing_mm
        sentences = sentences_of(found, self._pixel_sentence(source, found), (spacing[1] + spacing[2]) / 2)
        if spectrum:
            sentences.append(strings.SPECTRUM_LEGEND)
        self.explained.tell(found, sentences, shown)
        self._filter_changed()

    def _why_not_explained(self) -> str:
        if self.chosen.files is None:
            return strings.EXPLAIN_NO_FILES
        return strings.EXPLAIN_EMPTY if self.chosen.model else strings.NO_MODELS

    def _pixel_sentence(self, source: Source, found: Explanation) -> str:
        k, row, column = found.pixel
        after = float(self._full(source)[(k, row, column)])
        return strings.EXPLAINED_PIXEL.format(
            slice=k + 1, row=row + 1, column=column + 1, before=number(float(source.stack[(k, row, column)])),
            after=number(after) if math.isfinite(after) else words.MISSING, model=self.chosen.model,
        )  # fmt: skip

    def _show_filter(self, source: Source, found: Explanation) -> None:
        view = self.views["filter"]
        if self._drawn_filter is found and view.picture is not None:
            return
        self._drawn_filter = found
        picture = composing.equivalent_filter(source, found.weights, found.offsets, found.pixel)
        self._put("filter", picture)
        if picture.window is not None:
            view.grey.set(*picture.window)
        view.zoom.fit()
        self._show_image(0)

    def _show_image(self, place: int) -> None:
        """The filter's image at a place of the bars."""
        found, source = self.explanations.found, self.chosen.source
        if found is not None and source is not None:
            k, row, column = found.pixel
            x, y, z = source.picture.geometry.to_mm((k + found.offsets[place], row, column))
            self.views["filter"].place.move_to((float(x), float(y), float(z)))

    def _filter_changed(self) -> None:
        """Its title and the marked bar follow the image that is scrolled to."""
        found, view = self.explanations.found, self.views["filter"]
        if found is None or view.slice_index is None:
            return
        offset = view.slice_index + min(found.offsets)
        place = found.offsets.index(offset) if offset in found.offsets else 0
        title = strings.FILTER_TITLE.format(name=found.names[place])
        self.explained.bars.mark(place)
        if view.title != title:
            view.set(title=title)

    # figures

    def _show_figures(self) -> None:
        result = self.chosen.result
        if result is None:
            self.figures.clear()
        else:
            self.figures.show_figures(
                result.record, self.measures.figures, done=self.measures.done, total=self.measures.total,
                truth=self.chosen.truth is not None, slice_index=self.slice_index, trouble=self.measures.trouble,
                phase=self.chosen.phase, spread=self.has_spread(),
            )  # fmt: skip
        self._show_findings()

    def _show_findings(self) -> None:
        result = self.chosen.result
        if result is None:
            out = self.out_of_range()
            self._tell([Said(out, "warning")] if out else [])
            return
        said = [Said(strings.STALE, "warning")] if self.chosen.stale else []
        said += findings.of_record(result.record, self.chosen.phase)
        said += findings.of_figures(
            self.measures.figures, truth=self.chosen.truth is not None, total=self.measures.total
        )  # fmt: skip
        said.append(Said(strings.RESIDUAL_LEGEND))
        if self.has_spread():
            said.append(Said(strings.SPREAD_LEGEND))
        self._tell(said)

    def _tell(self, said: list[Said]) -> None:
        if said != self.said:
            self.said = said
            self.told.emit()
