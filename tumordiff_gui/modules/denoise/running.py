"""The jobs of the chosen series: denoising it as a whole, and the stress test; starts, follows and stops them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from tumordiff_core import result_folder
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.model_cards import Card
from tumordiff_gui.background.jobs import JobView, traceback_of
from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.modules.denoise.chosen import BEFORE, Way, way_of
from tumordiff_gui.modules.denoise.controls import Controls
from tumordiff_gui.modules.denoise.stress import StressDialogue

if TYPE_CHECKING:
    from tumordiff_gui.context import Context


@dataclass(frozen=True)
class Subject:
    """What would be run.

    Parameters
    ----------
    uid, visit, description : the series, and its names for the job's title
    model, card : name and card of the chosen model, empty and ``None`` when none is installed
    way : how the form says it is to be denoised, as far as this model can
    why_not : why nothing can be run, empty when it can
    active : whether the module is shown
    """

    uid: str
    visit: str
    description: str
    model: str
    card: Card | None
    way: Way
    why_not: str
    active: bool


class Running(QObject):
    """Knows the jobs of the chosen series.

    Signals
    -------
    changed : a job of this series changed; ask ``running`` and ``failed``
    started : the series is being denoised at full strength
    finished : folder of the result that a job brought
    """

    changed = Signal()
    started = Signal()
    finished = Signal(object)

    def __init__(self, context: "Context", controls: Controls, subject: Callable[[], Subject], parent: QWidget) -> None:
        super().__init__(parent)
        self._context, self._controls, self._subject, self._window = context, controls, subject, parent
        self.failed: JobView | None = None
        context.jobs.changed.connect(self._job_changed)
        context.jobs.ended.connect(self._job_ended)

    # denoising

    def running(self) -> JobView | None:
        """The job that denoises this series now."""
        return next((view for view in self._context.jobs.active() if self.is_mine(view)), None)

    def is_mine(self, view: JobView) -> bool:
        """Whether a job denoises this series."""
        return view.record.task == "denoise" and self._is_about_it(view)

    def _is_about_it(self, view: JobView) -> bool:
        uid = self._subject().uid
        return bool(uid) and uid in view.record.inputs

    def why_not(self) -> str:
        """Why the series cannot be run now, empty when it can."""
        return self._subject().why_not or (strings.RUN_WHY_RUNNING if self.running() is not None else "")

    def run(self, *, strength: float = 1.0) -> None:
        """Denoise the whole series as a job; the preview of the slice goes on meanwhile."""
        form, subject = self._controls.form, self._subject()
        form.set({"input": f"series:{subject.uid}", "model": subject.model, "strength": round(strength, 2)})
        if self.why_not() or not form.check():
            return
        params = form.values()
        title = strings.JOB_TITLE.format(visit=subject.visit, series=subject.description)
        self.failed = None
        seed = int(params.get("seed") or 0)
        self._context.jobs.start("denoise", params, title=title, inputs=(subject.uid,), seed=seed)
        if strength == 1.0:
            self.started.emit()
        self.changed.emit()

    def stop(self, word: str) -> None:
        """Stop the job of this series after the step, or now."""
        running = self.running()
        if running is not None:
            self._context.jobs.stop(running.id, word)

    def show_details(self) -> None:
        """What the job that failed said."""
        if self.failed is not None:
            text = "\n".join([self.failed.sentence, *self.failed.log[-200:], traceback_of(self.failed)])
            self._context.show_details(self.failed.record.title, text)

    def _job_changed(self, job_id: str) -> None:
        jobs = self._context.jobs
        if jobs.has(job_id) and (self.is_mine(jobs.job(job_id)) or self._is_stress(jobs.job(job_id))):
            self.changed.emit()

    def _job_ended(self, job_id: str, state: str) -> None:
        view = self._context.jobs.job(job_id)
        if self._is_stress(view):
            self.changed.emit()
            if state == "done" and self._subject().active:
                self._show_stress(view)
            return
        if not self.is_mine(view):
            return
        self.failed = view if state in {"failed", "lost"} else None
        if state == "done" and view.result is not None:
            self.finished.emit(view.result)
        self.changed.emit()

    # the stress test

    def _is_stress(self, view: JobView) -> bool:
        return view.record.task == "stress" and self._is_about_it(view)

    def why_not_stress(self) -> str:
        """Why the series cannot be tested now, empty when it can; while it is being denoised it can."""
        if any(self._is_stress(view) for view in self._context.jobs.active()):
            return strings.STRESS_WHY_RUNNING
        return self._subject().why_not

    def stress(self) -> None:
        """Show the newest stress test of this series, model, level, local means, edges and rims, or start one."""
        subject = self._subject()
        wanted = replace(subject.way, mirrors=1)
        done = [
            view for view in self._context.jobs.all()
            if self._is_stress(view) and view.state == "done"
            and view.record.params.get("model") == subject.model
            and way_of({**BEFORE, **view.record.params}, wanted.phases, subject.card) == wanted
        ]  # fmt: skip
        if done:
            self._show_stress(max(done, key=lambda view: view.ended_s or 0.0))
        else:
            self._start_stress()

    def _start_stress(self) -> None:
        if self.why_not_stress():
            return
        subject, seed = self._subject(), int(self._controls.form.values().get("seed") or 0)
        params = {
            "input": f"series:{subject.uid}", "model": subject.model, "sigma": subject.way.sigma,
            "local_means": subject.way.local_means, "along_edges": subject.way.along_edges, "rims": subject.way.rims,
            "seed": seed,
        }  # fmt: skip
        title = strings.STRESS_JOB.format(visit=subject.visit, series=subject.description)
        self._context.jobs.start("stress", params, title=title, inputs=(subject.uid,), seed=seed)
        self.changed.emit()

    def _show_stress(self, view: JobView) -> None:
        if view.result is None:
            return
        try:
            dialogue = StressDialogue(result_folder.open_result(view.result), self._window.window())
        except TumorDiffError as error:
            self._context.show_details(view.record.title, error.sentence)
            return
        dialogue.again.connect(self._start_stress)
        dialogue.show()
