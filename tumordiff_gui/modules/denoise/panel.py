"""The denoise panel: which series, which model, which result; undo. Views are ``showing``'s, jobs ``running``'s."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtWidgets import QVBoxLayout, QWidget

from tumordiff_core import model_cards, result_folder
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.model_cards import Card
from tumordiff_core.result_folder import Result
from tumordiff_gui.background.pictures import picture_of_result
from tumordiff_gui.modules.denoise import composing, findings, strings
from tumordiff_gui.modules.denoise.chosen import BEFORE, OF_PHASES, Way, way_of, without_effect
from tumordiff_gui.modules.denoise.composing import Source
from tumordiff_gui.modules.denoise.controls import FORM_FIELDS, LAYOUTS, OF_ONE_SERIES, Controls
from tumordiff_gui.modules.denoise.models import Models
from tumordiff_gui.modules.denoise.running import Running, Subject
from tumordiff_gui.modules.denoise.showing import Showing
from tumordiff_gui.modules.denoise.stacks import Sum
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
        self.controls = Controls(context.params("denoise"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.controls)
        self.showing = Showing(context, self)
        self.models = Models(self.controls, self)
        self.running = Running(context, self.controls, self._subject, self)
        self._connect()
        self.models.list_again()

    def _connect(self) -> None:
        controls, context, showing, running = self.controls, self._context, self.showing, self.running
        controls.series_chosen.connect(lambda uid: self._choose(replace(self._at, series_uid=uid, phase=None)))
        controls.phase_chosen.connect(self.show_phase)
        self.models.changed.connect(self._model_changed)
        controls.form_changed.connect(self._form_changed)
        controls.run_pressed.connect(running.run)
        controls.stop_pressed.connect(running.stop)
        controls.details_pressed.connect(running.show_details)
        controls.result_chosen.connect(self._result_picked)
        controls.strength_moved.connect(self._strength_moved)
        controls.strength_set.connect(self._strength_set)
        controls.keep_pressed.connect(lambda: running.run(strength=showing.strength))
        controls.export_pressed.connect(self._export)
        controls.stress_pressed.connect(running.stress)
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
        running.changed.connect(self._refresh_buttons)
        running.started.connect(lambda: self._result_picked(None))
        running.finished.connect(self._job_brought)
        context.views.again_wanted.connect(self._again)
        context.views.update_wanted.connect(self._update)
        context.views.clicked.connect(self._view_clicked)

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self.showing.chosen.active = True
        actions = self._context.actions
        actions.handle(
            "view.original", lambda: self.showing.hold(True), owner=OWNER, released=lambda: self.showing.hold(False)
        )  # fmt: skip
        actions.handle("view.layout", self._next_layout, owner=OWNER)
        actions.handle("view.explain", self._explain_pointed, owner=OWNER)
        self._context.warm.wake("preview")
        self.models.list_again()
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
        self.showing.chosen.active = False
        self.showing.hold(False)
        self._context.actions.drop(OWNER)

    # which series

    def _desk_selected(self, _selection: Selection) -> None:
        if self.showing.chosen.active:
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
        self._series, self._visit, self.running.failed = series, visit, None
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
        if self._result is None:
            self.controls.form.set(dict.fromkeys(OF_ONE_SERIES))
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
        self.models.list_again()
        if self.showing.chosen.source is None and self._at.series_uid:
            self._choose(self._at)
        else:
            self._refresh()

    # which model

    @property
    def model_name(self) -> str:
        """The model that is chosen, empty when none is installed."""
        return self.models.name

    def choose_model(self, name: str) -> None:
        """Choose a model by name, for example one that was trained just now."""
        self.models.choose(name)

    def _model_changed(self) -> None:
        self._refresh()
        self._tell_noise()

    # noise and form

    def _way(self, card: Card | None = None) -> Way:
        """How the form says this series is to be denoised, as far as the model of this card can; ``None``: any."""
        phases = 1 if self._series is None else max(len(self._series.phases), 1)
        return way_of(self.controls.form.values(), phases, card)

    def _tell_noise(self) -> None:
        level, given, percent = self.showing.previews.level, self._way().sigma, self.showing.noise_percent()
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
        self.showing.stepping.chains.forget()
        self._refresh()
        self._tell_noise()

    # the job

    def _subject(self) -> Subject:
        """What the buttons would run."""
        why = "" if self.model_name else strings.RUN_WHY_NOT_MODEL
        if self._series is None or self._refused():
            why = strings.RUN_WHY_NOT_SERIES
        card = self.models.card_of(self.model_name)
        return Subject(
            self._at.series_uid, "" if self._visit is None else self._visit.label,
            "" if self._series is None else self._series.description, self.model_name, card, self._way(card), why,
            self.showing.chosen.active,
        )  # fmt: skip

    def _run_with_spread(self) -> None:
        self.controls.form.set({"uncertainty": True})
        self.running.run()

    def _update(self, model: SliceView) -> None:
        if model in self.showing.views.values():
            self.running.run()

    def _job_brought(self, folder: Path) -> None:
        self._context.desk.result = folder
        self._result_picked(folder)

    def _refresh_buttons(self) -> None:
        controls, why, has = self.controls, self.running.why_not(), self._result is not None
        controls.run.setEnabled(not why)
        controls.run.setToolTip(why)
        controls.show_job(self.running.running() or self.running.failed)
        why_not_stress = self.running.why_not_stress()
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

    # which result

    def _list_results(self) -> list[Path]:
        """Results of this series, newest first."""
        rows: dict[Path, str] = {}
        for view in self._context.jobs.all():
            if self.running.is_mine(view) and view.state == "done" and view.result is not None:
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
        usual = {**dict.fromkeys(OF_ONE_SERIES), **dict.fromkeys(OF_PHASES, True), "chain": BEFORE["chain"]}
        made, model = {**usual, **result.record.params}, str(result.record.model.get("name"))
        idle = without_effect(len(result.record.labels), self.models.card_of(model))  # stay as the reader chose
        self.controls.form.set({name: made[name] for name in FORM_FIELDS if name in made and name not in idle})
        self.models.put(model)
        return True

    def _is_stale(self) -> bool:
        """Whether the form or the model says something else than the result was made with."""
        if self._result is None:
            return False
        record = self._result.record
        made, now = {**BEFORE, **record.params}, self.controls.form.values()
        idle = without_effect(len(record.labels), self.models.card_of(self.model_name))
        made |= {name: now[name] for name in idle}
        if self.model_name and self.model_name != record.model.get("name"):
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
        before = self.showing.chosen.arrangement
        if name == before:
            return

        def put(wanted: str) -> None:
            self.showing.chosen.arrangement = wanted
            self.controls.layouts.button(_row_of(wanted)).setChecked(True)
            self._refresh()

        title = strings.LAYOUT_STEP.format(title=LAYOUTS[_row_of(name)][1])
        self._context.undo.push(Command(title, lambda: put(name), lambda: put(before)))

    def _view_clicked(self, model: SliceView, index: tuple[int, int, int]) -> None:
        views = self.showing.views
        if self.showing.chosen.active and model in (views["original"], views["denoised"]):
            self.showing.explaining.explain_at(index)

    def _explain_pointed(self) -> None:
        """The pixel under the pointer, in whatever arrangement it was pointed at."""
        widget = self._context.views.under_pointer()
        if widget is None or widget.model is self.showing.views["filter"]:
            return
        index = widget.pointed()
        self.change_layout("explain")
        if index is not None:
            self.showing.explaining.explain_at(index)

    def _next_layout(self) -> None:
        here = _row_of(self.showing.chosen.arrangement)
        self.change_layout(LAYOUTS[(here + 1) % len(LAYOUTS)][0])

    def _refresh(self) -> None:
        """Tell the views everything that is chosen."""
        chosen, form = self.showing.chosen, self.controls.form.values()
        chosen.result, chosen.phase, chosen.model, chosen.models = (
            self._result,
            self.phase,
            self.model_name,
            self.models.known,
        )
        chosen.ours, chosen.paper = self.models.side_by_side()
        chosen.way, chosen.seed = self._way(), int(form.get("seed") or 0)
        chosen.chain = str(form.get("chain") or "ddim")
        chosen.stale, chosen.refused = self._is_stale(), self._refused()
        chosen.nothing = not self._at.series_uid and self._result is None
        self.showing.refresh()
        self._refresh_buttons()


def _row_of(arrangement: str) -> int:
    return next(n for n, row in enumerate(LAYOUTS) if row[0] == arrangement)


def _result_text(model: str, ended_s: float | None) -> str:
    when = "" if ended_s is None else time.strftime("%d.%m. %H:%M", time.localtime(ended_s))
    return strings.RESULT_ENTRY.format(model=model or model_cards.DEFAULT, when=when).strip()
