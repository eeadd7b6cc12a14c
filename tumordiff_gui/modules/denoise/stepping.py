"""The step by step arrangement: brings the chains of the shown slice and puts the chosen step of each into its view."""

from PySide6.QtCore import QObject, QTimer

from tumordiff_gui.background.warm import Warm
from tumordiff_gui.modules.denoise import composing, strings
from tumordiff_gui.modules.denoise.chosen import Chosen
from tumordiff_gui.modules.denoise.composing import Source
from tumordiff_gui.modules.denoise.kept import KeptExplanation
from tumordiff_gui.modules.denoise.previews import CHAIN_STEPS, Chain, Chains
from tumordiff_gui.modules.denoise.slice_views import SliceViews
from tumordiff_gui.modules.denoise.stacks import Slices
from tumordiff_gui.modules.denoise.steps import Steps

CHAIN_AFTER_MS = 180


class Stepping(QObject):
    """Keeps the two step views and the strip under them in line with the chains of both networks."""

    def __init__(self, warm: Warm, chosen: Chosen, views: SliceViews, kept: KeptExplanation, parent: QObject) -> None:
        super().__init__(parent)
        self._chosen, self._views, self._kept = chosen, views, kept
        self.strip = Steps(CHAIN_STEPS - 1)
        self.chains = Chains(warm, self)
        self._timer = QTimer(self, singleShot=True, interval=CHAIN_AFTER_MS)
        self._timer.timeout.connect(self._want_chains)
        self.strip.moved.connect(self.refresh)
        self.chains.arrived.connect(lambda *_: self._show_steps())
        self.chains.failed.connect(self._chain_failed)

    def refresh(self) -> None:
        """Show the step as far as its chains are there; those that are not are asked for once the reader rests."""
        self._show_steps()
        self._timer.start()

    def _want_chains(self) -> None:
        chosen, index = self._chosen, self._views.slice_index
        if chosen.arrangement != "steps" or chosen.files is None or index is None or not chosen.active:
            return
        for model in (chosen.ours, chosen.paper):
            if model and self._kept_chain(model) is None:
                self.chains.want(
                    chosen.files, index, model, self.strip.direction, sigma=chosen.way.sigma,
                    truth=chosen.truth_file or "", chain=chosen.chain, seed=chosen.seed,
                )  # fmt: skip

    def _kept_chain(self, model: str) -> Chain | None:
        """The chain that the result keeps; it knows no truth, so it is left where images can be scored."""
        index, result = self._views.slice_index, self._chosen.result
        own = result is not None and model == result.record.model.get("name")
        if not own or index is None or self.strip.direction != "reverse" or self._chosen.truth_file:
            return None
        return self._kept.chain(self._chosen.phase, index)

    def _chain(self, model: str) -> Chain | None:
        index, kept = self._views.slice_index, self._kept_chain(model)
        if kept is not None:
            return kept
        if self._chosen.files is None or index is None or not model:
            return None
        return self.chains.of(self._chosen.files, index, model, self.strip.direction)

    def _show_steps(self) -> None:
        chosen = self._chosen
        if chosen.arrangement != "steps" or chosen.source is None:
            return
        ours, paper = self._chain(chosen.ours), self._chain(chosen.paper)
        self.strip.tell(ours, paper)
        for view, model, chain in (("step_ours", chosen.ours, ours), ("step_paper", chosen.paper, paper)):
            if not model:
                self._views.put(view, None, trouble=strings.NO_PAPER if view == "step_paper" else strings.NO_MODELS)
            elif chain is None:
                waiting = chosen.files is not None and not self._views[view].trouble
                self._views[view].set(loading=strings.CHAIN_LOADING if waiting else "", title=model)
            else:
                self._put_step(view, model, chain, chosen.source)

    def _put_step(self, view: str, model: str, chain: Chain, source: Source) -> None:
        step, index = min(self.strip.step, len(chain) - 1), self._views.slice_index
        stack = Slices(source.picture.geometry.shape)
        if index is not None:
            stack.put(index, chain.images[step])
        title = strings.STEP_TITLE.format(model=model, t=chain.times[step])
        badges = () if chain is self._kept_chain(model) else (strings.PREVIEW_BADGE,)
        self._views.put(view, composing.single(source, stack), title=title, badges=badges)

    def _chain_failed(self, model: str, sentence: str, details: str) -> None:
        name = "step_paper" if model == self._chosen.paper else "step_ours"
        self._views[name].set(loading="", trouble=sentence, details=details)
