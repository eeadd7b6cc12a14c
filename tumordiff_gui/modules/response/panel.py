"""The response panel: whose response, by which rule, which pictures; the table of visits stands over the views."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core import result_folder, units
from tumordiff_core.errors import TumorDiffError
from tumordiff_gui import words
from tumordiff_gui.background.jobs import JobView, traceback_of
from tumordiff_gui.modules.response import pictures, strings
from tumordiff_gui.modules.response.table import VisitTable
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.state.layout import Cell, Layout
from tumordiff_gui.state.slice_view import Picture, SliceView, link
from tumordiff_gui.theme import apply, icons
from tumordiff_gui.views.column import heading, scrolling_column
from tumordiff_gui.views.curve import Curve, Line
from tumordiff_gui.views.placeholder import Placeholder

if TYPE_CHECKING:
    from tumordiff_gui.context import Context

TASK = "response"
OWNER = "response"
MOST_VIEWS = 4
EMPTY = Layout("response-empty", strings.TABLE, (Cell("empty"),))
SHOWN = (("tumour", strings.MAP_TUMOUR), ("pe", strings.MAP_PE), ("ser", strings.MAP_SER))


class Panel(QWidget):
    """How a patient's tumour answers."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self._context = context
        self._shown = False
        self._patients: list[Any] = []
        self._result: result_folder.Result | None = None
        self._trouble = ""
        self._job = ""
        self._page = ""
        self._layouts: dict[int, Layout] = {}
        self.what = "tumour"
        self.rows: list[dict[str, Any]] = []
        self.views = [SliceView(0) for _ in range(MOST_VIEWS)]
        link(self.views, place=False)
        self.table = VisitTable()
        self.table.chosen.connect(self._row_chosen)
        self.table.opened.connect(self.open_row)
        self._build()
        context.desk.selected.connect(self._desk_selected)
        context.desk.result_chosen.connect(self._result_chosen)
        context.desk.catalogue_changed.connect(self.refresh)
        context.jobs.changed.connect(self._job_changed)
        context.jobs.ended.connect(self._job_ended)
        context.views.again_wanted.connect(self._again)

    # building

    def _build(self) -> None:
        column = scrolling_column(QVBoxLayout(self))
        self.patient_box = QComboBox()
        self.patient_box.setAccessibleName(strings.PATIENT)
        self.patient_box.activated.connect(lambda row: self.choose(str(self.patient_box.itemData(row))))
        self.measure_button = QPushButton(icons.icon("play", "on_accent"), strings.MEASURE)
        self.measure_button.setProperty("role", "primary")
        self.measure_button.clicked.connect(self.measure)
        column.addWidget(heading(strings.PATIENT))
        column.addWidget(self.patient_box)
        column.addWidget(self.measure_button)
        column.addWidget(self._running_line())
        column.addWidget(self._stale_line())
        column.addWidget(heading(strings.RULE))
        self.rule_text = QLabel(wordWrap=True)
        self.rule_text.setFont(apply.font(12, tabular=True))
        self.rule_source = QLabel(wordWrap=True)
        column.addWidget(self.rule_text)
        column.addWidget(self.rule_source)
        column.addWidget(heading(strings.MAPS))
        self._maps = QButtonGroup(self, exclusive=True)
        for number, (name, title) in enumerate(SHOWN):
            button = QRadioButton(title, checked=name == self.what)
            self._maps.addButton(button, number)
            column.addWidget(button)
        self._maps.idClicked.connect(lambda number: self.show_maps(SHOWN[number][0]))
        column.addSpacing(8)
        self.curve = Curve(strings.VOLUME_TITLE, strings.DAYS)
        self.curve.setMinimumHeight(190)
        column.addWidget(self.curve)
        column.addStretch(1)

    def _running_line(self) -> QFrame:
        self.running = QFrame()
        column = QVBoxLayout(self.running)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = QHBoxLayout()
        self.running_text = QLabel()
        self.running_text.setProperty("role", "secondary")
        self.stop_button = QPushButton(strings.STOP)
        self.stop_button.clicked.connect(lambda: self._context.jobs.stop(self._job))
        row.addWidget(self.running_text, 1)
        row.addWidget(self.stop_button)
        self.progress = QProgressBar(textVisible=False)
        self.progress.setAccessibleName(strings.MEASURE)
        column.addLayout(row)
        column.addWidget(self.progress)
        self.running.hide()
        return self.running

    def _stale_line(self) -> QFrame:
        self.stale = QFrame()
        row = QHBoxLayout(self.stale)
        row.setContentsMargins(0, 0, 0, 0)
        sign = QLabel()
        sign.setPixmap(icons.icon("alert-outline", "warning").pixmap(16, 16))
        self.stale_text = QLabel(wordWrap=True)
        self.stale_text.setProperty("role", "warning")
        self.update_button = QPushButton(words.UPDATE)
        self.update_button.clicked.connect(self.measure)
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.stale_text, 1)
        row.addWidget(self.update_button)
        self.stale.hide()
        return self.stale

    # the module protocol

    def shown(self) -> None:
        """The window shows this module."""
        self._shown = True
        if self._context.desk.result is not None:
            self._result_chosen(self._context.desk.result)
        self.refresh()

    def hidden(self) -> None:
        """Another module is shown."""
        self._shown = False

    # whose response

    @property
    def patient_id(self) -> str:
        """The patient that is shown; empty when there is none."""
        return str(self.patient_box.currentData() or "")

    def choose(self, patient_id: str) -> None:
        """Show a patient, and say so to the other modules."""
        self._mark_patient(patient_id)
        if self._context.desk.selection.patient_id != patient_id:
            self._context.desk.select(patient_id)
        self._load(self._newest(patient_id))

    def _mark_patient(self, patient_id: str) -> None:
        row = self.patient_box.findData(patient_id)
        if row >= 0:
            self.patient_box.setCurrentIndex(row)

    def _desk_selected(self, at: Selection) -> None:
        if self._shown and at.patient_id and at.patient_id != self.patient_id:
            self.choose(at.patient_id)

    def _result_chosen(self, folder: Path) -> None:
        try:
            result = result_folder.open_result(folder)
        except TumorDiffError:
            return
        if result.record.kind == TASK:
            self._fill_patients()
            self._mark_patient(str(result.record.facts.get("patient_id", "")))
            self._load(folder)

    def refresh(self) -> None:
        """Ask the catalogue again; what is shown stays while nothing newer is there."""
        if not self._shown:
            return
        self._fill_patients()
        newest = self._newest(self.patient_id)
        if newest is not None and (self._result is None or newest != self._result.folder):
            self._load(newest)
        elif newest is None and self._result is not None and not self.patient_id:
            self._load(None)
        elif self.table.theme != apply.current().name:
            self.table.set_rows(self.rows)
        self._show()

    def _fill_patients(self) -> None:
        try:
            self._patients = list(self._context.catalogue.tree())
        except (TumorDiffError, ImportError) as error:
            self._trouble = getattr(error, "sentence", strings.NO_CATALOGUE)
            self._patients = []
        wanted = self.patient_id or self._context.desk.selection.patient_id
        ids = [p.patient_id for p in self._patients]
        if ids != [self.patient_box.itemData(n) for n in range(self.patient_box.count())]:
            self.patient_box.clear()
            for name in ids:
                self.patient_box.addItem(name, name)
            self._mark_patient(wanted)

    def _newest(self, patient_id: str) -> Path | None:
        """The folder of the patient's newest response result."""
        if not patient_id:
            return None
        try:
            rows = self._context.catalogue.results()
        except TumorDiffError:
            return None
        found = [r for r in rows if r.kind == TASK and getattr(r, "patient_id", "") == patient_id]
        found = [r for r in found if (Path(r.folder) / "result.json").is_file()]
        return Path(max(found, key=lambda r: str(r.created)).folder) if found else None

    # measuring

    def measure(self) -> None:
        """Start the job for the patient that is shown."""
        if not self.patient_id:
            self._context.desk.say(strings.MEASURE_HINT)
            return
        title = strings.JOB_TITLE.format(patient=self.patient_id)
        self._trouble = ""
        self._job = self._context.jobs.start(TASK, {"patient": self.patient_id}, title=title) or ""
        self._show()

    def _own(self) -> JobView | None:
        """The job of the patient that is shown, where one is known."""
        jobs = self._context.jobs
        if self._job and jobs.has(self._job):
            return jobs.job(self._job)
        return next((v for v in jobs.active() if self._is_own(v)), None)

    def _is_own(self, view: JobView) -> bool:
        return view.record.task == TASK and view.record.params.get("patient") == self.patient_id

    def _job_changed(self, job_id: str) -> None:
        view = self._context.jobs.job(job_id)
        if self._is_own(view):
            self._job = job_id
            self._show_job()

    def _job_ended(self, job_id: str, state: str) -> None:
        view = self._context.jobs.job(job_id)
        if not self._is_own(view):
            return
        self._job = job_id
        self._trouble = view.sentence if state in {"failed", "lost"} else ""
        if state == "done" and view.result is not None:
            self._load(view.result)
        self._show()

    # showing

    def _load(self, folder: Path | None) -> None:
        self._result, self.rows = None, []
        if folder is not None:
            try:
                self._result = result_folder.open_result(folder)
                self.rows = list(self._result.record.figures["visits"])
                self._trouble = ""
            except (TumorDiffError, KeyError) as error:
                self._trouble = getattr(error, "sentence", strings.DAMAGED)
        self.table.set_rows(self.rows)
        self._show()

    def _show(self) -> None:
        self._show_job()
        self._show_stale()
        self._tell_rule(next((row for row in self.rows if not row.get("trouble")), None))
        self._draw_curve()
        measured = strings.MEASURE_AGAIN if self.rows else strings.MEASURE
        self.measure_button.setText(measured)
        self.measure_button.setEnabled(bool(self.patient_id))
        self.measure_button.setToolTip("" if self.patient_id else strings.MEASURE_HINT)
        if self._shown:
            self._show_views()

    def _show_job(self) -> None:
        view = self._own()
        active = view is not None and view.active and self._is_own(view)
        self.running.setVisible(active)
        if view is None or not active:
            return
        text = strings.WAITING if view.state == "queued" else strings.RUNNING.format(stage=view.stage)
        left = "" if view.left_s is None else words.JOB_LEFT.format(left=units.format_duration(view.left_s))
        self.running_text.setText("   ".join(t for t in (text, left) if t))
        self.progress.setRange(0, 0 if view.fraction is None else 1000)
        self.progress.setValue(round(1000 * (view.fraction or 0.0)))

    def _show_stale(self) -> None:
        why = self._why_stale()
        self.stale.setVisible(bool(why))
        self.stale_text.setText(why)

    def _why_stale(self) -> str:
        if self._result is None:
            return ""
        patient = next((p for p in self._patients if p.patient_id == self.patient_id), None)
        known = {row["study_uid"]: (row["visit"], row["days"]) for row in self.rows}
        if patient is not None and {v.study_uid: (v.label, v.days) for v in patient.visits} != known:
            return strings.STALE_VISITS
        made = self._result.record.created
        newer = [
            r for r in self._context.catalogue.results()
            if r.kind == "denoised" and r.study_uid in known and str(getattr(r, "created", "")) > made
        ]  # fmt: skip
        return strings.STALE if newer else ""

    def _tell_rule(self, row: dict[str, Any] | None) -> None:
        if row is None:
            self.rule_text.setText("-")
            self.rule_source.clear()
            return
        self.rule_text.setText(
            strings.RULE_TEXT.format(
                pe=row["pe_threshold_percent"], threshold=row["pre_contrast_threshold"],
                neighbours=row["minimum_neighbours"], ser=row["ser_threshold"],
            )
        )  # fmt: skip
        assumed = row["rule"] == "assumed"
        source = strings.RULE_ASSUMED if assumed else strings.RULE_RECORDED
        box = strings.RULE_NO_VOI if row.get("voi") is None else strings.RULE_VOI
        self.rule_source.setText(f"{'⚠ ' if assumed else '✓ '}{source}, {box}")
        self.rule_source.setProperty("role", "warning" if assumed else "secondary")
        self.rule_source.style().unpolish(self.rule_source)
        self.rule_source.style().polish(self.rule_source)

    def _draw_curve(self) -> None:
        def points(kinds: set[str], key: str) -> tuple[tuple[float, float], ...]:
            chosen = [row for row in self.rows if row["kind"] in kinds and row["days"] is not None]
            return tuple((float(row["days"]), float(row[key])) for row in chosen if row.get(key) is not None)

        ours = points({"acquired", "synthetic"}, "ftv_pe_cc")
        lines = [Line(strings.OURS, ours, dots=True)]
        published, denoised = points({"acquired", "synthetic"}, "published_pe_cc"), points({"denoised"}, "ftv_pe_cc")
        if published:
            lines.append(Line(strings.PUBLISHED, published, "secondary", dashed=True))
        if denoised:
            lines.append(Line(strings.DENOISED, denoised, "warning", dots=True))
        self.curve.set_lines(lines if ours else [])

    def _show_views(self) -> None:
        if self._trouble and not self.rows:
            self._place(f"failed {self._trouble}", self._failed_page)
        elif not self._patients:
            self._place("nobody", self._nobody_page)
        elif not self.rows:
            self._place(f"unmeasured {self.patient_id}", self._unmeasured_page)
        else:
            self._page = ""
            self._place_rows()

    def _place(self, page: str, make: Callable[[], Placeholder]) -> None:
        """One page in place of the table; it is not made again while the same one stands."""
        if page != self._page or self._context.views.layout_shown is not EMPTY:
            self._page = page
            self._context.views.show(EMPTY, {"empty": make()})

    def _nobody_page(self) -> Placeholder:
        browse = (strings.GO_BROWSE, lambda: self._context.desk.show_module("browse"))
        return Placeholder("chart-timeline-variant", strings.NO_PATIENTS, browse, hint=strings.NO_PATIENTS_HINT)

    def _unmeasured_page(self) -> Placeholder:
        text, begin = strings.NOT_MEASURED.format(patient=self.patient_id), (strings.MEASURE, self.measure)
        return Placeholder("chart-timeline-variant", text, begin, hint=strings.NOT_MEASURED_HINT)

    def _failed_page(self) -> Placeholder:
        view = self._own()
        details = traceback_of(view) if view is not None else ""
        show = (words.DETAILS, lambda: self._context.show_details(strings.FAILED_TITLE, details or self._trouble))
        again = (words.TRY_AGAIN, self.measure)
        return Placeholder("alert-circle-outline", strings.FAILED_TITLE, again, show, hint=self._trouble)

    def _visit_rows(self) -> list[int]:
        """The rows that have pictures: one per visit, acquired, at most four."""
        return [n for n, row in enumerate(self.rows) if row["kind"] in {"acquired", "synthetic"}][:MOST_VIEWS]

    def _layout(self, count: int) -> Layout:
        """The table over the visits: up to three side by side, four in two rows."""
        if count not in self._layouts:
            columns = 2 if count == MOST_VIEWS else max(count, 1)
            visits = (Cell(f"visit-{n}", 1 + n // columns, n % columns) for n in range(count))
            rows = (0, *(1 for _ in range(0, count, columns)))
            cells = (Cell("table", 0, 0, 1, columns), *visits)
            self._layouts[count] = Layout(f"response-{count}", strings.TABLE, cells, row_stretch=rows)
        return self._layouts[count]

    def _place_rows(self) -> None:
        chosen = self._visit_rows()
        layout = self._layout(len(chosen))
        if self._context.views.layout_shown is not layout:
            views = {f"visit-{n}": self.views[n] for n in range(len(chosen))}
            self._context.views.show(layout, {"table": self.table, **views})
        self._fill_views()

    def show_maps(self, what: str) -> None:
        """Show ``tumour`` (SER classes over the early phase), ``pe`` or ``ser`` of every visit."""
        self.what = what
        self._fill_views()

    def _fill_views(self) -> None:
        for number, row_number in enumerate(self._visit_rows()):
            self._fill(self.views[number], self.rows[row_number])

    def _fill(self, view: SliceView, row: dict[str, Any]) -> None:
        result = self._result
        if result is None or not row.get("arrays"):
            view.set(trouble=strings.NO_PICTURE.format(visit=row["visit"], why=strings.NOT_KEPT))
            return
        try:
            if self.what != "tumour":
                view.set(overlays=())
                self._show_at(view, pictures.map_picture(result, row, self.what), row)
                return
            overlay = pictures.tumour_overlay(result, row)
        except (TumorDiffError, KeyError, OSError) as error:
            view.set(trouble=getattr(error, "sentence", strings.DAMAGED), loading="")
            return
        wanted = (self.what, row["study_uid"])

        def ready(picture: Picture) -> None:
            if (self.what, row["study_uid"]) == wanted and row in self.rows:
                fits = picture.values.shape == overlay.values.shape
                self._show_at(view, picture, row)
                view.set(overlays=(overlay,) if fits else ())

        view.set(loading=strings.LOADING.format(visit=row["visit"]), trouble="")
        self._context.pictures.phase(
            row["series_uids"][0], self._early(row), ready,
            lambda sentence, details: view.set(loading="", trouble=sentence, details=details),
        )  # fmt: skip

    def _show_at(self, view: SliceView, picture: Picture, row: dict[str, Any]) -> None:
        """Show a picture where the tumour is largest, in the window of the first visit."""
        same = view.picture is not None and view.picture.geometry == picture.geometry
        first = self.views[0]
        grey = first.grey.window if view is not first and first.picture is not None else None
        view.show(picture, keep_grey=grey is not None)
        if grey is not None:
            view.grey.set(*grey)
        if not same and row.get("slice_index", -1) >= 0:
            view.go_to_slice(int(row["slice_index"]))

    def _early(self, row: dict[str, Any]) -> int:
        return int(row.get("early", 1))

    def _again(self, model: SliceView) -> None:
        if model in self.views:
            self._fill_views()

    # rows

    def _row_chosen(self, number: int) -> None:
        row = self.rows[number]
        self._tell_rule(row if not row.get("trouble") else None)
        self._context.desk.select(self.patient_id, row["study_uid"])

    def open_row(self, number: int) -> None:
        """Show the early phase of a row's visit in Read."""
        row = self.rows[number]
        series = next(iter(row.get("series_uids", ())), "")
        if series:
            at = Selection(self.patient_id, row["study_uid"], series)
            self._context.desk.open_phase(replace(at, phase=self._early(row)))
            self._context.desk.show_module("read")
