"""What stands in the views of Denoise: the denoised phase, both networks, doubt, figures and findings.

The step by step arrangement is ``stepping``'s, the explained pixel ``explaining``'s.
"""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from tumordiff_gui.modules.denoise import arranging, composing, findings, strings
from tumordiff_gui.modules.denoise.card import evaluated
from tumordiff_gui.modules.denoise.chosen import Chosen
from tumordiff_gui.modules.denoise.composing import Source
from tumordiff_gui.modules.denoise.explaining import Explaining
from tumordiff_gui.modules.denoise.figures import Figures
from tumordiff_gui.modules.denoise.findings import Said
from tumordiff_gui.modules.denoise.kept import KeptExplanation
from tumordiff_gui.modules.denoise.previews import Measures, Previews
from tumordiff_gui.modules.denoise.slice_views import SliceViews
from tumordiff_gui.modules.denoise.stepping import Stepping
from tumordiff_gui.state.layout import Layout
from tumordiff_gui.views.placeholder import Placeholder

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

PREVIEW_AFTER_MS = 40
OUT_CODES = frozenset({"denoise.out_of_range", "export.out_of_range"})


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
        self.strength = 1.0
        self.said: list[Said] = []
        self._held = False
        self._last_slice: int | None = None
        self.views = SliceViews(interpolate=context.settings.view.interpolate)
        self.figures = Figures()
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
        self.measures = Measures(context.warm, self)
        self.kept = KeptExplanation()
        self.stepping = Stepping(context.warm, self.chosen, self.views, self.kept, self)
        self.explaining = Explaining(context.warm, self.chosen, self.views, self.kept, self._full, self)
        self._preview_timer = QTimer(self, singleShot=True, interval=PREVIEW_AFTER_MS)
        self._preview_timer.timeout.connect(self._want_previews)
        self.views["original"].changed.connect(self._view_changed)
        self.previews.arrived.connect(self._preview_arrived)
        self.previews.failed.connect(self._preview_failed)
        self.previews.levelled.connect(lambda _: self.levelled.emit())
        self.measures.changed.connect(self._show_figures)
        self.figures.slice_wanted.connect(lambda index: self.views["original"].go_to_slice(index))

    # the picture area

    def _wanted_layout(self) -> Layout:
        chosen = self.chosen
        if chosen.nothing or chosen.refused:
            return arranging.EMPTY
        if chosen.arrangement == "models":
            return arranging.models(truth=chosen.truth is not None)
        if chosen.arrangement == "steps":
            return arranging.steps()
        if chosen.arrangement == "explain":
            return arranging.explain()
        return arranging.compare(truth=chosen.truth is not None, spread=self.has_spread())

    def has_spread(self) -> bool:
        """Whether the chosen result brings a posterior standard deviation."""
        return self.chosen.result is not None and self.chosen.result.has_array("std")

    def show_views(self) -> None:
        """Draw the arrangement, unless it is drawn already."""
        if not self.chosen.active:
            return
        self.empty.set_text(self.chosen.refused or strings.NOTHING_OPEN)
        wanted = self._wanted_layout()
        if self._context.views.layout_shown is not wanted:
            own = {
                "figures": self.figures, "strip": self.stepping.strip, "explained": self.explaining.strip,
                "no_spread": self.no_spread, "empty": self.empty,
            }  # fmt: skip
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
        self.explaining.forget()
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
        return self.views.slice_index

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
        self.previews.aim(chosen.files, source.picture.geometry.shape, chosen.way)
        self.kept.aim(None if chosen.result is None or chosen.stale else chosen.result.folder)
        known = chosen.truth is not None
        self.views.put("original", source.picture, title=strings.NOISY if known else strings.ORIGINAL)
        self.views.put("truth", composing.truth(source, chosen.truth) if known else None, title=strings.TRUTH)
        self._show_denoised()
        self._show_spread()
        if chosen.arrangement == "models":
            self._show_models()
        self.explaining.refresh()
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
        arrangement, result = self.chosen.arrangement, self.chosen.result
        if self.chosen.source is None:
            return
        if arrangement == "models" or (arrangement in ("compare", "explain") and result is None):
            self._preview_timer.start()
        if arrangement == "steps":
            self.stepping.refresh()
        if result is not None:
            self._show_figures()

    def sigma(self) -> float:
        """The noise level of the shown phase in the units of the series, 0 while unknown."""
        if self.chosen.result is not None:
            return findings.sigma_of(self.chosen.result.record, self.chosen.phase)
        given = self.chosen.way.sigma
        return given if given is not None else float(self.previews.level.get("sigma") or 0.0)

    def computed_strength(self) -> float:
        """The strength the chosen result was computed at; 1 for a preview."""
        return 1.0 if self.chosen.result is None else float(self.chosen.result.record.params.get("strength", 1.0))

    def noise_percent(self) -> float | None:
        """Noise in percent of the range the network sees, as the last preview measured it or the reader gave it."""
        level, given = self.previews.level, self.chosen.way.sigma
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
            self.views.put("denoised", source.picture, title=strings.HELD)
            return
        if chosen.result is None and not chosen.model:
            self.views.put("denoised", None, title=strings.NO_MODEL)
            self.views.put("residual", None, title=strings.RESIDUAL)
            return
        name = chosen.model if chosen.result is None else str(chosen.result.record.model.get("name", chosen.model))
        title = strings.DENOISED_BY.format(model=name)
        if self.strength < 1:
            title = strings.DENOISED_AT.format(model=name, strength=self.strength)
        loading = self._preview_text(chosen.model) if chosen.result is None else ""
        full, sigma = self._full(source), self.sigma()
        picture = composing.denoised(source, full, self.strength)
        self.views.put("denoised", picture, title=title, badges=self._badges(), stale=chosen.stale, loading=loading)
        taken = composing.residual(source, full, self.strength, sigma) if sigma > 0 else None
        self.views.put("residual", taken, title=strings.RESIDUAL, loading=loading)

    def _show_spread(self) -> None:
        source, result = self.chosen.source, self.chosen.result
        if result is None or source is None or not self.has_spread():
            self.views.put("spread", None, title=strings.UNCERTAINTY)
            return
        std = result.array("std")
        picture = composing.spread(source, std[min(self.chosen.phase, len(std) - 1)])
        self.views.put("spread", picture, title=strings.UNCERTAINTY)

    # previews

    def _preview_text(self, model: str) -> str:
        index = self.slice_index
        if index is None or self.chosen.files is None or self.previews.stack(model).has(index):
            return ""
        return strings.PREVIEWING.format(number=index + 1)

    def _want_previews(self) -> None:
        index, chosen = self.slice_index, self.chosen
        if index is None or chosen.source is None or not chosen.active:
            return
        if chosen.arrangement == "models":
            for model in sorted({chosen.ours, chosen.paper} - {""}):
                self.previews.want(model, index)
            self._show_models()
        elif chosen.result is None and chosen.model:
            self.previews.want(chosen.model, index)
            for name in ("denoised", "residual"):
                self.views[name].set(loading=self._preview_text(chosen.model))

    def _preview_arrived(self, model: str, _index: int) -> None:
        if self.chosen.arrangement == "models":
            self._show_models()
        if self.chosen.result is None and model == self.chosen.model:
            self._show_denoised()
            self._show_findings()
            self.explaining.show()

    def _preview_failed(self, model: str, sentence: str, details: str) -> None:
        names = ["denoised"] if model == self.chosen.model and self.chosen.result is None else []
        if self.chosen.arrangement == "models":
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
                self.views.put(view, None, trouble=trouble)
                self.views.put(f"{view}_residual", None, title=strings.RESIDUAL)
                continue
            stack, loading = self.previews.stack(model), self._preview_text(model)
            doubt = () if evaluated(chosen.models[model].card) else (strings.UNEVALUATED_BADGE,)
            fields = {"title": strings.DENOISED_BY.format(model=model), "badges": (strings.PREVIEW_BADGE, *doubt)}
            self.views.put(view, composing.denoised(source, stack, 1.0), loading=loading, **fields)
            sigma = float(self.previews.level.get("sigma") or self.sigma())
            taken = composing.residual(source, stack, 1.0, sigma) if sigma > 0 else None
            self.views.put(f"{view}_residual", taken, title=strings.RESIDUAL_BY.format(model=model), loading=loading)

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
