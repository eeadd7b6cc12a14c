"""The board: the visits of a patient side by side with thumbnails, days and evidence; clinical facts below."""

from collections.abc import Iterator
from typing import Any

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tumordiff_core import units
from tumordiff_gui import words
from tumordiff_gui.background.warm import Warm
from tumordiff_gui.modules.browse import strings, tree
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.theme import apply, icons, tokens
from tumordiff_gui.views.turns import Turns

THUMB, THUMB_SMALL = 124, 60
COLUMN_WIDTH = 156
MOST_FACTS = 24
FACT_PAIRS, FACT_PAIRS_NARROW, WIDE = 5, 3, 900


class Thumb(QWidget):
    """One phase or series as a small picture; double click or Return opens it."""

    opened = Signal(object)
    chosen = Signal(object)

    def __init__(self, selection: Selection, title: str, detail: str, mark: str, *, small: bool) -> None:
        super().__init__()
        self.selection, self.title, self.detail, self.mark = selection, title, detail, mark
        self.image: QImage | None = None
        self.trouble = ""
        self.selected = False
        self.side = THUMB_SMALL if small else THUMB
        self.setFixedSize(self.side, self.side + 34)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(f"{title} {detail}")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def set_image(self, file: str) -> None:
        """Show the picture the reader made."""
        image = QImage(file)
        self.image = None if image.isNull() else image
        self.update()

    def set_trouble(self, sentence: str) -> None:
        """Say why there is no picture."""
        self.trouble = sentence
        self.setToolTip(sentence)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        t = apply.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        frame = QRectF(0, 0, self.side, self.side)
        painter.fillRect(frame, QColor(t.viewport))
        if self.image is not None:
            size = self.image.size().scaled(self.side, self.side, Qt.AspectRatioMode.KeepAspectRatio)
            at = QRectF((self.side - size.width()) / 2, (self.side - size.height()) / 2, size.width(), size.height())
            painter.drawImage(at, self.image)
        else:
            name = "alert-circle-outline" if self.trouble else "image-multiple-outline"
            icons.paint(painter, name, QRectF(self.side / 2 - 10, self.side / 2 - 10, 20, 20), "#5A6470")
        if self.mark:
            self._draw_mark(painter)
        ring = t.accent if self.selected or self.hasFocus() or self.underMouse() else t.hairline
        painter.setPen(QPen(QColor(ring), 2 if self.selected else 1))
        painter.drawRect(frame.adjusted(0.5, 0.5, -0.5, -0.5))
        painter.setFont(apply.font(12, semibold=True))
        painter.setPen(QColor(t.text))
        painter.drawText(
            QRectF(0, self.side + 2, self.side, 16), Qt.AlignmentFlag.AlignLeft, self._cut(painter, self.title)
        )
        painter.setFont(apply.font(11, tabular=True))
        painter.setPen(QColor(t.secondary))
        painter.drawText(
            QRectF(0, self.side + 17, self.side, 16), Qt.AlignmentFlag.AlignLeft, self._cut(painter, self.detail)
        )
        painter.end()

    def _cut(self, painter: QPainter, text: str) -> str:
        return painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self.side)

    def _draw_mark(self, painter: QPainter) -> None:
        synthetic = self.mark == strings.MARKS["synthetic"]
        colour = QColor(tokens.ON_BLACK_PREDICTED if synthetic else tokens.ON_BLACK_DERIVED)
        painter.setFont(apply.font(10 if self.side == THUMB else 9, semibold=True))
        width = painter.fontMetrics().horizontalAdvance(self.mark) + 8
        rect = QRectF(max(self.side - width - 3, 0), 3, min(width, self.side), 15)
        painter.fillRect(rect, QColor(0, 0, 0, 210))
        painter.setPen(QPen(colour, 1, Qt.PenStyle.DashLine if synthetic else Qt.PenStyle.SolidLine))
        painter.drawRect(rect)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self.mark)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setFocus()
            self.chosen.emit(self.selection)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.opened.emit(self.selection)

    def keyPressEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(self.selection)
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        self.update()

    def leaveEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        self.update()


class Visit(QFrame):
    """One column: a visit, or the place of one that is missing."""

    def __init__(self, title: str, sign: str, colour: str) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setMinimumWidth(COLUMN_WIDTH)
        self.setMaximumWidth(COLUMN_WIDTH + 60)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(12, 10, 12, 12)
        self.column.setSpacing(8)
        self.head = QHBoxLayout()
        label = QLabel(f"{sign}  {title}".strip())
        label.setFont(apply.font(15, semibold=True))
        label.setStyleSheet(f"color: {colour};")
        self.head.addWidget(label)
        self.head.addStretch(1)
        self.column.addLayout(self.head)


class Board(QScrollArea):
    """What the picture area shows for the chosen patient.

    Signals
    -------
    opened, chosen : a Selection
    edit_wanted : a visit record whose time point shall be corrected
    result_wanted : a result folder
    """

    opened = Signal(object)
    chosen = Signal(object)
    edit_wanted = Signal(object)
    result_wanted = Signal(object)

    def __init__(self, warm: Warm) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._warm = warm
        self.thumbs: list[Thumb] = []
        self.visits: list[Visit] = []
        self.shown_patient = ""
        self._selected = Selection()
        self._turns = Turns(self)

    def show_patient(self, patient: Any, results: list[Any], *, hide_names: bool) -> None:
        """Lay out a patient's visits, missing ones included, and ask for the thumbnails."""
        self._turns.stop()
        self.thumbs, self.visits = [], []
        self.shown_patient = patient.patient_id
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(16)
        column.addLayout(self._title(patient, hide_names=hide_names))
        column.addLayout(self._beside(patient, results))
        row = QHBoxLayout()
        row.setSpacing(12)
        labels = {visit.label: visit for visit in patient.visits}
        columns = [(visit.label, visit) for visit in patient.visits]
        columns += [(label, None) for label in tree.missing_visits(patient) if label not in labels]
        columns.sort(key=lambda pair: tree.visit_order(pair[0]))
        row.addStretch(1)
        self._turns.run(self._columns(row, patient, columns))
        column.addLayout(row)
        column.addStretch(1)
        self.setWidget(inside)

    def _columns(self, row: QHBoxLayout, patient: Any, columns: list[tuple[str, Any]]) -> Iterator[None]:
        """One visit per turn: forty thumbnails at once would hold the window."""
        for place, (label, visit) in enumerate(columns):
            made = self._missing(patient, label) if visit is None else self._visit(patient, visit)
            self.visits.append(made)
            row.insertWidget(place, made, 0, Qt.AlignmentFlag.AlignTop)
            self.select(self._selected)
            yield

    def select(self, selection: Selection) -> None:
        """Ring the thumbnail of what is selected."""
        self._selected = selection
        for thumb in self.thumbs:
            thumb.selected = thumb.selection == selection
            thumb.update()

    def _title(self, patient: Any, *, hide_names: bool) -> QHBoxLayout:
        row = QHBoxLayout()
        name = QLabel(tree.patient_name(patient.patient_id, hide_names=hide_names))
        name.setFont(apply.font(20, semibold=True))
        side = strings.SIDES.get(str(patient.laterality or "").upper()[:1], "")
        age = "" if patient.age in (None, "") else strings.YEARS.format(age=tree._age(patient.age))
        more = QLabel("   ".join(p for p in (patient.collection, side, age) if p))
        more.setProperty("role", "secondary")
        row.addWidget(name)
        row.addSpacing(12)
        row.addWidget(more, 1, Qt.AlignmentFlag.AlignBottom)
        return row

    def _beside(self, patient: Any, results: list[Any]) -> QHBoxLayout:
        """Clinical record and results, in sight together with the pictures."""
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._facts(patient), 3, Qt.AlignmentFlag.AlignTop)
        if results:
            row.addWidget(self._results(results), 2, Qt.AlignmentFlag.AlignTop)
        return row

    def _visit(self, patient: Any, visit: Any) -> Visit:
        label = visit.label or strings.NO_LABEL
        first = tree.first_visit(patient)
        made = Visit(label, tree.visit_sign(label, first), tree.visit_colour(label, first))
        edit = QToolButton()
        edit.setIcon(icons.icon("pencil-outline", "secondary"))
        edit.setToolTip(strings.EDIT_VISIT)
        edit.setAccessibleName(f"{strings.EDIT_VISIT} {label}")
        edit.clicked.connect(lambda: self.edit_wanted.emit(visit))
        made.head.addWidget(edit)
        day = units.format_days(visit.days) if visit.days is not None else words.MISSING
        evidence = strings.EVIDENCE.format(evidence=visit.evidence) if visit.evidence else ""
        made.column.addWidget(_secondary(f"{day}   {evidence}".strip()))
        if visit.remark:
            warning = _secondary(visit.remark)
            warning.setProperty("role", "warning")
            made.column.addWidget(warning)
        small = QGridLayout()
        small.setSpacing(4)
        for series in visit.series:
            self._add_thumbs(made.column, small, patient, visit, series)
        small.setColumnStretch(2, 1)
        made.column.addLayout(small)
        return made

    def _add_thumbs(self, column: QVBoxLayout, small: QGridLayout, patient: Any, visit: Any, series: Any) -> None:
        if not series.phases:
            return
        role = strings.ROLES.get(series.role, series.role)
        mark = ""
        if series.role in strings.SHOWN_MARKED:
            mark = strings.MARKS.get(series.role, strings.MARK_DEFAULT)
        if series.description.startswith(strings.MARKS["synthetic"]):
            mark = strings.MARKS["synthetic"]
        large = series.role == "dynamic"
        for phase in series.phases if large else series.phases[:1]:
            several = large and len(series.phases) > 1
            title = tree.phase_name(phase.label, phase.index) if several else role
            time = "" if phase.effective_s is None else strings.EFFECTIVE.format(seconds=phase.effective_s)
            detail = f"{role}  {time}" if several else series.description or tree.series_detail(series)
            at = Selection(patient.patient_id, visit.study_uid, series.uid, phase.index)
            thumb = Thumb(at, title, detail.strip(), mark, small=not large)
            thumb.setToolTip(f"{series.description}\n{tree.series_detail(series)}".strip())
            thumb.opened.connect(self.opened)
            thumb.chosen.connect(self.chosen)
            if large:
                column.addWidget(thumb, 0, Qt.AlignmentFlag.AlignHCenter)
            else:
                small.addWidget(thumb, small.count() // 2, small.count() % 2, Qt.AlignmentFlag.AlignLeft)
            self.thumbs.append(thumb)
            self._ask(thumb)

    def _ask(self, thumb: Thumb) -> None:
        at = thumb.selection
        body = {"op": "thumbnail", "series_uid": at.series_uid, "phase": at.phase}

        def arrived(reply: dict[str, Any]) -> None:
            if thumb in self.thumbs:
                thumb.set_image(str(reply.get("png", "")))

        def failed(sentence: str, _details: str) -> None:
            if thumb in self.thumbs:
                thumb.set_trouble(sentence)

        self._warm.ask("reader", body, arrived, failed, key=f"thumbnail {at.series_uid} {at.phase}")

    def _missing(self, patient: Any, label: str) -> Visit:
        made = Visit(label, tree.visit_sign(label, tree.first_visit(patient)), apply.current().disabled)
        made.column.addWidget(_secondary(strings.MISSING_VISIT))
        made.column.addWidget(_Gap(tree.missing_reason(patient, label)))
        return made

    def _facts(self, patient: Any) -> QFrame:
        card, column = _card(strings.FACTS)
        facts = told_facts(patient.facts)[:MOST_FACTS]
        if not facts:
            column.addWidget(_secondary(strings.NO_FACTS))
            return card
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(4)
        pairs = FACT_PAIRS if self.viewport().width() >= WIDE else FACT_PAIRS_NARROW
        for number, (title, value) in enumerate(facts):
            at = (number // pairs, (number % pairs) * 2)
            name = QLabel(title)
            name.setProperty("role", "secondary")
            grid.addWidget(name, *at)
            text = QLabel(value)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(text, at[0], at[1] + 1)
        grid.setColumnStretch(2 * pairs, 1)
        column.addLayout(grid)
        index, pictures = str(patient.facts.get("laterality") or ""), str(patient.laterality or "")
        if {index, pictures} == {"L", "R"}:
            dispute = QLabel(strings.SIDES_DIFFER.format(record=strings.SIDES[index], pictures=strings.SIDES[pictures]),
                             wordWrap=True)  # fmt: skip
            dispute.setProperty("role", "warning")
            column.addWidget(dispute)
        return card

    def _results(self, results: list[Any]) -> QFrame:
        card, column = _card(strings.LAST_RESULTS)
        for result in results[:6]:
            row = QToolButton()
            row.setIcon(icons.icon("auto-fix", "accent"))
            row.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            row.setText(f"{result.title}   {str(result.created)[:16].replace('T', ' ')}")
            row.clicked.connect(lambda _=False, folder=result.folder: self.result_wanted.emit(folder))
            column.addWidget(row, 0, Qt.AlignmentFlag.AlignLeft)
        return card


class _Gap(QWidget):
    """The dashed place of a visit that is not there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self.setFont(apply.font(12))
        room = QRect(0, 0, COLUMN_WIDTH - 46, 1000)
        needed = self.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, text).height()
        self.setMinimumSize(THUMB, max(THUMB, needed + 20))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(text)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QPen(QColor(apply.current().hairline), 1, Qt.PenStyle.DashLine))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.setPen(QColor(apply.current().secondary))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self.rect().adjusted(10, 8, -10, -8), flags, self._text)
        painter.end()


def told_facts(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The clinical record as (title, text), the facts that decide first; diameters of all visits in one line."""
    found = []
    diameters = [name for name in strings.DIAMETERS if name in facts]
    rest = [name for name in facts if name not in strings.FACT_TITLES and name not in diameters]
    for name in [*(n for n in strings.FACT_TITLES if n in facts), *rest]:
        found.append((strings.FACT_TITLES.get(name, name.replace("_", " ")), fact_text(name, facts[name])))
    if diameters:
        values = [words.MISSING if facts[n] is None else fact_text(n, facts[n]) for n in diameters]
        visits = "/".join(name.rpartition("_")[2].upper() for name in diameters)
        text = strings.DIAMETER_TEXT.format(values=" / ".join(values))
        found.insert(min(len(found), 3), (strings.DIAMETER_TITLE.format(visits=visits), text))
    return found


def fact_text(name: str, value: Any) -> str:
    """A clinical fact as the reader says it: 0 and 1 of yes-no facts become words, what is blank prints ``-``."""
    if value in (None, ""):
        return words.MISSING
    if name in strings.YES_NO_FACTS and str(value) in {"0", "1", "0.0", "1.0", "True", "False"}:
        return strings.YES if str(value) in {"1", "1.0", "True"} else strings.NO
    if name == "laterality":
        return strings.SIDES.get(str(value)[:1].upper(), str(value))
    text = f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return strings.FACT_UNITS[name].format(value=text) if name in strings.FACT_UNITS else text


def _secondary(text: str) -> QLabel:
    label = QLabel(text, wordWrap=True)
    label.setProperty("role", "secondary")
    return label


def _card(title: str) -> tuple[QFrame, QVBoxLayout]:
    card = QFrame()
    card.setProperty("role", "card")
    column = QVBoxLayout(card)
    column.setContentsMargins(14, 12, 14, 12)
    column.setSpacing(8)
    head = QLabel(title)
    head.setFont(apply.font(13, semibold=True))
    column.addWidget(head)
    return card, column
