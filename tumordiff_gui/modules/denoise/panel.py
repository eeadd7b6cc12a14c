"""The denoise panel: which series, which model, which result; the job; undo. The views are ``showing``'s."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from tumordiff_core import model_cards, result_folder
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.model_cards import Model
from tumordiff_core.result_folder import Result
from tumordiff_gui.background.jobs import JobView, traceback_of
from tumordiff_gui.background.pictures import picture_of_result
from tumordiff_gui.modules.denoise import composing, findings, strings
from tumordiff_gui.modules.denoise.card import CardDialogue, evaluated, is_paper
from tumordiff_gui.modules.denoise.composing import Source
from tumordiff_gui.modules.denoise.controls import FORM_FIELDS, LAYOUTS, Controls
from tumordiff_gui.modules.denoise.showing import Showing
from tumordiff_gui.modules.denoise.stacks import Sum
from tumordiff_gui.modules.denoise.stress import StressDialogue
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.state.slice_view import Picture, SliceView
from tumordiff_gui.state.undo import Command
from tumordiff_gui.views.corner_text import number

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

OWNER = "denoise"
REFUSED_ROLES = frozenset({"ser_map", "pe_map", "seg", "localizer", "report", "reformat", "derived", "look_alike"})


class Panel(QWidget):
    """Ties controls, job and views together."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self._context = context
        self._at = Selection()
        self._series: Any = None
        self._visit: Any = None
        self._result: Result | None = None
        self._models: dict[str, Model] = {}
        self._failed_job: JobView | None = None
        self.controls = Controls(context.params("denoise"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.controls)
        self.showing = Showing(context, self)
        self._connect()
        self._list_models()

    def _connect(self) -> None:
        controls, context, showing = self.controls, self._context, self.showing
        controls.series_chosen.connect(lambda uid: self._choose(replace(self._at, series_uid=uid, phase=None)))
        controls.phase_chosen.connect(self.show_phase)
        controls.model_chosen.connect(lambda _: self._model_changed())
        controls.form_changed.connect(self._form_changed)
        controls.run_pressed.connect(self.run)
        controls.stop_pressed.connect(self._stop)
        controls.details_pressed.connect(self._show_details)
        controls.card_pressed.connect(self.show_card)
        controls.result_chosen.connect(self._result_picked)
        controls.strength_moved.connect(self._strength_moved)
        controls.strength_set.connect(self._strength_set)
        controls.keep_pressed.connect(lambda: self.run(strength=showing.strength))
        controls.export_pressed.connect(self._export)
        controls.stress_pressed.connect(self._stress)
        controls.layout_chosen.connect(self.change_layout)
        controls.finding_chosen.connect(showing.jump)
        showing.told.connect(lambda: controls.show_findings(showing.said))
        showing.levelled.connect(self._tell_noise)
        showing.spread_wanted.connect(self._run_with_spread)
        showing.browse_wanted.connect(lambda: context.desk.show_module("browse"))
        for view in showing.views.values():
            view.phase_wanted.connect(self.show_phase)
        context.desk.result_chosen.connect(self._result_chosen)
        context.desk.selected.connect(self._desk_selected)
        context.jobs.changed.connect(self._job_changed)
        context.jobs.ended.connect(self._job_ended)
        context.views.again_wanted.connect(self._again)
        context.views.update_wanted.connect(self._update)
        context.views.clicked.connect(self._view_clicked)

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self.showing.active = True
        actions = self._context.actions
        actions.handle(
            "view.original", lambda: self.showing.hold(True), owner=OWNER, released=lambda: self.showing.hold(False)
        )  # fmt: skip
        actions.handle("view.layout", self._next_layout, owner=OWNER)
        actions.handle("view.explain", self._explain_pointed, owner=OWNER)
        self._context.warm.wake("preview")
        self._list_models()
        chosen, wished = self._context.desk.result, self._context.desk.model
        if chosen is not None and (self._result is None or self._result.folder != chosen):
            self._result_chosen(chosen)
        self._follow_desk()
        if wished:
            self._context.desk.model = ""
            self._result = None
            self._list_results()
            self.choose_model(wished)
        self._refresh()

    def hidden(self) -> None:
        """Another module is shown."""
        self.showing.active = False
        self.showing.hold(False)
        self._context.actions.drop(OWNER)

    # which series

    def _desk_selected(self, _selection: Selection) -> None:
        if self.showing.active:
            self._follow_desk()

    def _follow_desk(self) -> None:
        """Take the series that is selected or open on the desk, unless it is the one already."""
        desk = self._context.desk
        for at in (desk.selection, desk.open):
            wanted = self._with_series(at)
            if wanted.series_uid:
                if wanted.series_uid != self._at.series_uid:
                    self._choose(wanted)
                return

    def _with_series(self, at: Selection) -> Selection:
        """The selection itself, or with the dynamic series of a visit that was selected as a whole."""
        if at.series_uid or not at.study_uid:
            return at
        try:
            visit = self._context.catalogue.visit(at.study_uid)
        except (TumorDiffError, KeyError):
            return at
        dynamic = next((s for s in visit.series if s.role == "dynamic" and s.phases), None)
        return at if dynamic is None else replace(at, series_uid=dynamic.uid)

    def _choose(self, at: Selection) -> None:
        """Show a series: its newest result, or its preview when there is none."""
        try:
            series, visit = self._context.catalogue.series(at.series_uid), self._context.catalogue.visit(at.study_uid)
        except (TumorDiffError, KeyError) as error:
            self._at = at
            self.showing.chosen.nothing = False
            self.showing.trouble(getattr(error, "sentence", strings.AWAY), "")
            return
        self.showing.clear(fit=at.study_uid != self._at.study_uid)
        self._series, self._visit, self._failed_job = series, visit, None
        self._at = replace(at, phase=min(1 if at.phase is None else at.phase, max(len(series.phases) - 1, 0)))
        self._forget_source()
        if self._result is not None and at.series_uid not in self._result.record.series_uids:
            self._result = None
        self._list_series()
        refused = self._refused()
        self.controls.say_trouble(refused)
        if refused:
            self._result = None
            self.controls.show_results([], None)
        results = [] if refused else self._list_results()
        if self._result is None and results:
            self._open(results[0])
            self._list_results()
        if refused:
            self._refresh()
        else:
            self._bring()

    def _refused(self) -> str:
        """Why the chosen series is not denoised, empty when it is."""
        series = self._series
        if series is None or (series.role not in REFUSED_ROLES and series.phases):
            return ""
        return strings.NOT_ACQUIRED.format(role=strings.ROLES.get(series.role, series.role))

    def _forget_source(self) -> None:
        chosen = self.showing.chosen
        chosen.source, chosen.files, chosen.truth, chosen.truth_file = None, None, None, None

    @property
    def phase(self) -> int:
        """The phase that is shown."""
        return self._at.phase or 0

    def show_phase(self, phase: int) -> None:
        """Another phase of the series; the pictures stay until it is there."""
        if phase == self._at.phase:
            return
        self._at = replace(self._at, phase=phase)
        button = self.controls.phases.button(phase)
        if button is not None:
            button.setChecked(True)
        self.showing.chosen.truth_file = None
        self._bring()

    def _bring(self) -> None:
        """Bring the phase from the reader; a result whose series is not catalogued brings its own."""
        self._refresh_buttons()
        self.showing.chosen.nothing = False
        self.showing.show_views()
        if self._series is None:
            self._own_source()
            return
        at = self._at
        self.showing.loading(strings.LOADING.format(name=self._phase_name(self.phase)))
        self._context.pictures.phase(
            at.series_uid, self.phase, lambda picture: self._arrived(at, picture), lambda s, d: self._failed(at, s, d)
        )

    def _arrived(self, at: Selection, picture: Picture) -> None:
        if at == self._at:
            self._take(composing.source_of(picture), self._context.pictures.files(at.series_uid, self.phase))

    def _failed(self, at: Selection, sentence: str, details: str) -> None:
        if at == self._at and self._result is not None:
            self._own_source()
        elif at == self._at:
            self.showing.trouble(sentence, details)

    def _own_source(self) -> None:
        """Original = denoised + residual, for a result whose source is not at hand."""
        if self._result is None:
            return
        try:
            mean, residual = self._result.array("mean"), self._result.array("residual")
            shown = picture_of_result(self._result, "mean", self.phase)
        except (TumorDiffError, IndexError) as error:
            self.showing.trouble(getattr(error, "sentence", strings.AWAY), repr(error))
            return
        stack: Any = Sum(mean[self.phase], residual[self.phase])
        synthetic = self._result.record.provenance == "synthetic"
        picture = replace(shown, values=stack, provenance="synthetic" if synthetic else "acquired")
        self._take(Source(picture, stack), None)

    def _take(self, source: Source, files: tuple[str, str] | None) -> None:
        """A phase is there."""
        chosen = self.showing.chosen
        chosen.source, chosen.files, chosen.truth = source, files, None
        self._ask_truth()
        self._refresh()

    def _ask_truth(self) -> None:
        path, at = self._source_path(), self._at
        if path is None:
            self.showing.chosen.truth_file = ""
            return

        def answered(reply: dict[str, Any]) -> None:
            if at == self._at:
                self._truth_arrived(str(reply.get("npy") or ""))

        def failed(_sentence: str, _details: str) -> None:
            answered({})

        body = {"op": "truth", "path": path, "phase": self.phase}
        self._context.warm.ask("preview", body, answered, failed, key="truth")

    def _source_path(self) -> str | None:
        if self._series is not None:
            files = self._context.catalogue.phase_files(self._at.series_uid, self.phase)
            return str(files[0].path) if files else None
        sources = self._result.record.sources if self._result is not None else []
        return sources[0].path if sources else None

    def _truth_arrived(self, file: str) -> None:
        chosen = self.showing.chosen
        chosen.truth_file = file
        if file and chosen.source is not None:
            clean = np.load(file, mmap_mode="r", allow_pickle=False)
            chosen.truth = clean if clean.shape == chosen.source.picture.geometry.shape else None
        self._refresh()

    def _list_series(self) -> None:
        controls = self.controls
        if self._series is None:
            record = self._result.record if self._result is not None else None
            controls.title.setText(record.title if record is not None else "")
            controls.show_series([], "")
            controls.show_phases(list(enumerate(record.labels if record is not None else [])), self.phase)
            return
        controls.title.setText(f"{self._visit.label}  {self._series.description}".strip())
        offered = [s for s in self._visit.series if s.phases and s.role not in REFUSED_ROLES]
        chosen = self._series.uid if self._series in offered else ""
        controls.show_series([(s.uid, s.description or s.role) for s in offered], chosen)
        controls.show_phases([(p.index, self._phase_name(p.index)) for p in self._series.phases], self.phase)

    def _phase_name(self, phase: int) -> str:
        known = [p for p in getattr(self._series, "phases", ()) if p.index == phase]
        label = known[0].label if known else ""
        return label or (strings.PHASE_PRE if phase == 0 else strings.PHASE_POST.format(number=phase))

    def _again(self, model: SliceView) -> None:
        if model not in self.showing.views.values():
            return
        for view in self.showing.views.values():
            view.set(trouble="")
        self._list_models()
        if self.showing.chosen.source is None and self._at.series_uid:
            self._choose(self._at)
        else:
            self._refresh()

    # which model

    def _list_models(self) -> None:
        """The models that are installed, and what is wrong with folders that are none."""
        found, wrong = model_cards.all_models(check_weights=False)
        self._models = {model.card.name: model for model in found if model.card.task == "denoise"}
        before, box = self.model_name, self.controls.model
        box.clear()
        for name, model in self._models.items():
            box.addItem(name, name)
            box.setItemData(box.count() - 1, model.card.title, Qt.ItemDataRole.ToolTipRole)
        wanted = before if before in self._models else model_cards.DEFAULT
        box.setCurrentIndex(max(box.findData(wanted), 0 if self._models else -1))
        box.setToolTip(strings.MODEL_BROKEN.format(count=len(wrong), sentence=wrong[0].sentence) if wrong else "")
        self._tell_model()

    @property
    def model_name(self) -> str:
        """The model that is chosen, empty when none is installed."""
        return str(self.controls.model.currentData() or "")

    def _side_by_side(self) -> tuple[str, str]:
        """The network that stands for ours and the seed paper's, empty where none is installed."""
        ours = [name for name, model in self._models.items() if not is_paper(model.card)]
        papers = [name for name in self._models if name not in ours]
        first = self.model_name if self.model_name in ours else model_cards.DEFAULT
        second = self.model_name if self.model_name in papers else ""
        return (first if first in ours else next(iter(ours), "")), (second or next(iter(papers), ""))

    def choose_model(self, name: str) -> None:
        """Choose a model by name, for example one that was trained just now."""
        index = self.controls.model.findData(name)
        if index >= 0:
            self.controls.model.setCurrentIndex(index)
            self._model_changed()

    def _model_changed(self) -> None:
        self._tell_model()
        self._refresh()
        self._tell_noise()

    def _tell_model(self) -> None:
        model = self._models.get(self.model_name)
        self.controls.card.setEnabled(model is not None)
        if model is None:
            self.controls.say_model(strings.NO_MODELS)
        else:
            self.controls.say_model("" if evaluated(model.card) else strings.UNEVALUATED)

    def show_card(self) -> None:
        """The card of the chosen model, to read."""
        model = self._models.get(self.model_name)
        if model is not None:
            CardDialogue(model, self.window()).show()

    # noise and form

    def _given_sigma(self) -> float | None:
        value = self.controls.form.values().get("sigma")
        return float(value) if isinstance(value, int | float) else None

    def _tell_noise(self) -> None:
        level, given, percent = self.showing.previews.level, self._given_sigma(), self.showing.noise_percent()
        if percent is None:
            said = findings.noise_of(self._result.record, self.phase) if self._result is not None else []
            self.controls.noise.setText(said[0].text if said else strings.NOISE_UNKNOWN)
        elif given is None:
            estimator = str(level.get("estimator") or "")
            self.controls.noise.setText(strings.NOISE_MEASURED.format(
                sigma=number(level["measured"]), low=number(level["low"]), high=number(level["high"]), percent=percent,
                estimator=strings.ESTIMATORS.get(estimator, estimator),
            ))  # fmt: skip
        else:
            measured = number(level["measured"])
            text = strings.NOISE_GIVEN.format(sigma=number(given), percent=percent, measured=measured)
            self.controls.noise.setText(text)

    def _form_changed(self) -> None:
        self.showing.chains.forget()
        self._refresh()
        self._tell_noise()

    # the job

    def _why_not_run(self) -> str:
        if self._series is None or self._refused():
            return strings.RUN_WHY_NOT_SERIES
        if not self.model_name:
            return strings.RUN_WHY_NOT_MODEL
        return strings.RUN_WHY_RUNNING if self._running() is not None else ""

    def _running(self) -> JobView | None:
        return next((view for view in self._context.jobs.active() if self._mine(view)), None)

    def _mine(self, view: JobView) -> bool:
        return view.record.task == "denoise" and bool(self._at.series_uid) and self._at.series_uid in view.record.inputs

    def run(self, *, strength: float = 1.0) -> None:
        """Denoise the whole series as a job; the preview of the slice goes on meanwhile."""
        form = self.controls.form
        form.set({"input": f"series:{self._at.series_uid}", "model": self.model_name, "strength": round(strength, 2)})
        if self._why_not_run() or not form.check():
            return
        params, uid = form.values(), self._at.series_uid
        title = strings.JOB_TITLE.format(visit=self._visit.label, series=self._series.description)
        self._failed_job = None
        self._context.jobs.start("denoise", params, title=title, inputs=(uid,), seed=int(params.get("seed") or 0))
        if strength == 1.0:
            self._result_picked(None)
        self._refresh_buttons()

    def _run_with_spread(self) -> None:
        self.controls.form.set({"uncertainty": True})
        self.run()

    def _update(self, model: SliceView) -> None:
        if model in self.showing.views.values():
            self.run()

    def _stop(self, word: str) -> None:
        running = self._running()
        if running is not None:
            self._context.jobs.stop(running.id, word)

    def _job_changed(self, job_id: str) -> None:
        jobs = self._context.jobs
        if jobs.has(job_id) and (self._mine(jobs.job(job_id)) or self._is_stress(jobs.job(job_id))):
            self._refresh_buttons()

    def _job_ended(self, job_id: str, state: str) -> None:
        view = self._context.jobs.job(job_id)
        if self._is_stress(view):
            self._refresh_buttons()
            if state == "done" and self.showing.active:
                self._show_stress(view)
            return
        if not self._mine(view):
            return
        self._failed_job = view if state in {"failed", "lost"} else None
        if state == "done" and view.result is not None:
            self._context.desk.result = view.result
            self._result_picked(view.result)
        self._refresh_buttons()

    def _show_details(self) -> None:
        if self._failed_job is not None:
            text = "\n".join([self._failed_job.sentence, *self._failed_job.log[-200:], traceback_of(self._failed_job)])
            self._context.show_details(self._failed_job.record.title, text)

    def _refresh_buttons(self) -> None:
        controls, why, has = self.controls, self._why_not_run(), self._result is not None
        controls.run.setEnabled(not why)
        controls.run.setToolTip(why)
        controls.show_job(self._running() or self._failed_job)
        why_not_stress = self._why_not_stress()
        controls.stress.setEnabled(not why_not_stress)
        controls.stress.setToolTip(why_not_stress or strings.STRESS_HINT)
        controls.export.setEnabled(has)
        controls.export.setToolTip(strings.EXPORT_HINT if has else strings.EXPORT_WHY_NOT)
        computed, wanted = self.showing.computed_strength(), self.showing.strength
        controls.keep.setVisible(has and not why and abs(wanted - computed) >= 0.005)
        controls.keep.setText(strings.KEEP_STRENGTH.format(value=wanted))
        controls.keep.setToolTip(strings.KEEP_HINT.format(computed=computed))

    def _export(self) -> None:
        if self._result is not None:
            self._context.desk.result = self._result.folder
            self._context.actions.trigger("app.export")

    # the stress test

    def _is_stress(self, view: JobView) -> bool:
        return view.record.task == "stress" and bool(self._at.series_uid) and self._at.series_uid in view.record.inputs

    def _why_not_stress(self) -> str:
        if any(self._is_stress(view) for view in self._context.jobs.active()):
            return strings.STRESS_WHY_RUNNING
        why = self._why_not_run()
        return "" if why == strings.RUN_WHY_RUNNING else why

    def _stress(self) -> None:
        """Show the newest stress test of this series and model, or start one."""
        done = [
            view for view in self._context.jobs.all()
            if self._is_stress(view) and view.state == "done" and view.record.params.get("model") == self.model_name
        ]  # fmt: skip
        if done:
            self._show_stress(max(done, key=lambda view: view.ended_s or 0.0))
        else:
            self._start_stress()

    def _start_stress(self) -> None:
        if self._why_not_stress():
            return
        uid, seed = self._at.series_uid, int(self.controls.form.values().get("seed") or 0)
        params = {"input": f"series:{uid}", "model": self.model_name, "sigma": self._given_sigma(), "seed": seed}
        title = strings.STRESS_JOB.format(visit=self._visit.label, series=self._series.description)
        self._context.jobs.start("stress", params, title=title, inputs=(uid,), seed=seed)
        self._refresh_buttons()

    def _show_stress(self, view: JobView) -> None:
        if view.result is None:
            return
        try:
            dialogue = StressDialogue(result_folder.open_result(view.result), self.window())
        except TumorDiffError as error:
            self._context.show_details(view.record.title, error.sentence)
            return
        dialogue.again.connect(self._start_stress)
        dialogue.show()

    # which result

    def _list_results(self) -> list[Path]:
        """Results of this series, newest first."""
        rows: dict[Path, str] = {}
        for view in self._context.jobs.all():
            if self._mine(view) and view.state == "done" and view.result is not None:
                rows[view.result] = _result_text(str(view.record.params.get("model") or ""), view.ended_s)
        for entry in self._context.catalogue.results(self._at.study_uid) if self._at.study_uid else ():
            folder = Path(entry.folder)
            if entry.kind == "denoised" and folder not in rows and self._is_of_series(entry, folder):
                rows[folder] = _result_text(folder.parent.name, None)
        if self._result is not None and self._result.folder not in rows:
            rows[self._result.folder] = _result_text(str(self._result.record.model.get("name", "")), None)
        self.controls.show_results(list(rows.items()), None if self._result is None else self._result.folder)
        return list(rows)

    def _is_of_series(self, entry: Any, folder: Path) -> bool:
        if entry.series_uid:
            return bool(entry.series_uid == self._at.series_uid)
        try:
            return self._at.series_uid in result_folder.open_result(folder).record.series_uids
        except TumorDiffError:
            return False

    def _result_picked(self, folder: Path | None) -> None:
        """The reader chose a result of this series, or the preview; or a job brought one."""
        if folder is None:
            self._result = None
        else:
            self._open(folder)
        self._list_results()
        self._refresh()
        self._tell_noise()

    def _result_chosen(self, folder: Path) -> None:
        """A result was opened elsewhere: show it with its series."""
        if self._result is not None and self._result.folder == folder and self.showing.chosen.source is not None:
            return
        try:
            record = result_folder.open_result(folder).record
        except TumorDiffError:
            return
        if record.kind != "denoised" or not self._open(folder):
            return
        uid = next(iter(record.series_uids), "")
        at = Selection(str(record.facts.get("patient_id", "")), str(record.facts.get("study_uid", "")), uid, None)
        try:
            self._context.catalogue.series(uid)
        except (TumorDiffError, KeyError):
            self._series = self._visit = None
            self._at = replace(at, phase=min(1, max(len(record.labels) - 1, 0)))
            self.showing.clear(fit=True)
            self._forget_source()
            self._list_series()
            self._list_results()
            self._bring()
            return
        self._choose(at)

    def _open(self, folder: Path) -> bool:
        """Open a result and put its parameters into the form; False with a sentence when it is none."""
        try:
            result = result_folder.open_result(folder)
            result.array("mean")
        except TumorDiffError as error:
            self._result = None
            self.controls.say_trouble(error.sentence)
            return False
        self._result = self.showing.chosen.result = result
        self.showing.strength = self.showing.computed_strength()
        self.controls.set_strength(self.showing.strength)
        made = result.record.params
        self.controls.form.set({name: made[name] for name in FORM_FIELDS if name in made})
        index = self.controls.model.findData(result.record.model.get("name"))
        if index >= 0:
            self.controls.model.setCurrentIndex(index)
            self._tell_model()
        return True

    def _is_stale(self) -> bool:
        """Whether the form or the model says something else than the result was made with."""
        if self._result is None:
            return False
        made, now = self._result.record.params, self.controls.form.values()
        if self.model_name and self.model_name != self._result.record.model.get("name"):
            return True
        return any(made[name] != now.get(name) for name in FORM_FIELDS if name in made)

    # strength, arrangement

    def _strength_moved(self, value: float) -> None:
        self.showing.set_strength(value)
        self._refresh_buttons()

    def _strength_set(self, before: float, after: float) -> None:
        def put(value: float) -> None:
            self.controls.set_strength(value)
            self._strength_moved(value)

        text = strings.STRENGTH_STEP.format(value=after)
        self._context.undo.push(Command(text, lambda: put(after), lambda: put(before)), done=True)

    def change_layout(self, name: str) -> None:
        """Another arrangement, as a step that can be undone."""
        before = self.showing.arrangement
        if name == before:
            return

        def put(wanted: str) -> None:
            self.showing.arrangement = wanted
            self.controls.layouts.button(_row_of(wanted)).setChecked(True)
            self._refresh()

        title = strings.LAYOUT_STEP.format(title=LAYOUTS[_row_of(name)][1])
        self._context.undo.push(Command(title, lambda: put(name), lambda: put(before)))

    def _view_clicked(self, model: SliceView, index: tuple[int, int, int]) -> None:
        views = self.showing.views
        if self.showing.active and model in (views["original"], views["denoised"]):
            self.showing.explain_at(index)

    def _explain_pointed(self) -> None:
        """The pixel under the pointer, in whatever arrangement it was pointed at."""
        widget = self._context.views.under_pointer()
        if widget is None or widget.model is self.showing.views["filter"]:
            return
        index = widget.pointed()
        self.change_layout("explain")
        if index is not None:
            self.showing.explain_at(index)

    def _next_layout(self) -> None:
        here = _row_of(self.showing.arrangement)
        self.change_layout(LAYOUTS[(here + 1) % len(LAYOUTS)][0])

    def _refresh(self) -> None:
        """Tell the views everything that is chosen."""
        chosen, form = self.showing.chosen, self.controls.form.values()
        chosen.result, chosen.phase, chosen.model, chosen.models = (
            self._result,
            self.phase,
            self.model_name,
            self._models,
        )
        chosen.ours, chosen.paper = self._side_by_side()
        chosen.sigma, chosen.seed = self._given_sigma(), int(form.get("seed") or 0)
        chosen.stale, chosen.refused = self._is_stale(), self._refused()
        chosen.nothing = not self._at.series_uid and self._result is None
        self.showing.refresh()
        self._refresh_buttons()


def _row_of(arrangement: str) -> int:
    return next(n for n, row in enumerate(LAYOUTS) if row[0] == arrangement)


def _result_text(model: str, ended_s: float | None) -> str:
    when = "" if ended_s is None else time.strftime("%d.%m. %H:%M", time.localtime(ended_s))
    return strings.RESULT_ENTRY.format(model=model or model_cards.DEFAULT, when=when).strip()
