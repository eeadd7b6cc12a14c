"""The tree of patients, visits, series and phases as a Qt model over the catalogue's records."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from tumordiff_core import units
from tumordiff_core.catalogue import protocols
from tumordiff_gui import words
from tumordiff_gui.modules.browse import strings
from tumordiff_gui.state.desk import Selection
from tumordiff_gui.theme import apply, icons, tokens

KEY_ROLE = Qt.ItemDataRole.UserRole + 1
ROW_ROLE = Qt.ItemDataRole.UserRole + 2
DETAIL_ROLE = Qt.ItemDataRole.UserRole + 3
Index = QModelIndex | QPersistentModelIndex


@dataclass(eq=False)
class Row:
    """One row: what kind it is, its texts, what a click selects.

    What lies below a patient, and its detail, are made when they are first looked at (``fill``, ``tell``): a
    collection has ten thousand series, a screen forty rows.
    """

    kind: str
    key: str
    name: str
    detail: str = ""
    hint: str = ""
    icon: str = ""
    colour: str = ""
    sign: str = ""
    selection: Selection = field(default_factory=Selection)
    node: Any = None
    parent: "Row | None" = None
    fill: "Callable[[Row], None] | None" = None
    tell: "Callable[[Row], str] | None" = None
    below: list["Row"] = field(default_factory=list)

    @property
    def children(self) -> list["Row"]:
        """The rows below."""
        fill, self.fill = self.fill, None
        if fill is not None:
            fill(self)
        return self.below

    @property
    def has_children(self) -> bool:
        """Whether there is something below, without making it."""
        return self.fill is not None or bool(self.below)

    @property
    def told(self) -> str:
        """Its detail."""
        tell, self.tell = self.tell, None
        if tell is not None:
            self.detail = tell(self)
        return self.detail

    def add(self, child: "Row") -> "Row":
        """Put a row below this one and return it."""
        child.parent = self
        self.below.append(child)
        return child

    def walk(self) -> "Iterator[Row]":
        """All rows below, parents before children."""
        for child in self.children:
            yield child
            yield from child.walk()


def rows_of(patients: Sequence[Any], results: Sequence[Any] = (), *, hide_names: bool = False) -> Row:
    """The whole tree of catalogue records, under one root."""
    root = Row("root", "", "")
    by_study: dict[str, list[Any]] = {}
    for result in results:
        by_study.setdefault(str(result.study_uid), []).append(result)
    for patient in patients:
        root.add(_patient_row(patient, by_study, hide_names=hide_names))
    return root


def _fill_patient(row: Row, by_study: dict[str, list[Any]]) -> None:
    patient = row.node
    first = first_visit(patient)
    for visit in patient.visits:
        _add_visit(row, patient, visit, by_study.get(visit.study_uid, ()), first)
    for label in missing_visits(patient):
        row.add(_missing_row(patient, label, first))
    row.below.sort(key=_visit_order)


def patient_name(patient_id: str, *, hide_names: bool) -> str:
    """The identifier, or a hash of it."""
    if not hide_names:
        return patient_id or words.MISSING
    return words.ANONYMOUS.format(code=hashlib.sha256(patient_id.encode()).hexdigest()[:6])


def missing_visits(patient: Any) -> list[str]:
    """Visits that a patient lacks, in order."""
    return protocols.missing_visits(patient.collection, [visit.label for visit in patient.visits])


def missing_reason(patient: Any, label: str) -> str:
    """Why a visit may be missing, as far as the clinical record tells: a diameter without a study was acquired."""
    name = strings.DIAMETER_FACT.format(label=label.lower())
    if name not in patient.facts:
        return strings.MISSING_HINT.format(label=label)
    measured = patient.facts[name]
    if measured is None:
        return strings.MISSING_UNMEASURED.format(label=label)
    return strings.MISSING_MEASURED.format(label=label, diameter=units.format_mm(float(measured)))


def phase_name(label: str, index: int) -> str:
    """``pre``, ``post 1`` ... where the catalogue has no label of its own."""
    if label:
        return label
    return strings.PHASE_PRE if index == 0 else strings.PHASE_POST.format(number=index)


def phase_detail(phase: Any) -> str:
    """Seconds after injection and slices of a phase."""
    slices = strings.SLICES.format(slices=phase.slices)
    if phase.effective_s is None:
        return slices
    return f"{strings.EFFECTIVE.format(seconds=phase.effective_s)}   {slices}"


def series_detail(series: Any) -> str:
    """``3 × 60`` for a dynamic series, parts, slices or files for the rest."""
    if not series.phases:
        return strings.FILE if series.files == 1 else strings.FILES.format(files=series.files)
    if len(series.phases) > 1 and len({phase.slices for phase in series.phases}) > 1:
        return strings.PARTS.format(parts=len(series.phases))
    if len(series.phases) > 1:
        return strings.DYNAMIC.format(phases=len(series.phases), slices=series.phases[0].slices)
    return strings.SLICES.format(slices=series.phases[0].slices)


def _patient_row(patient: Any, by_study: dict[str, list[Any]], *, hide_names: bool) -> Row:
    name = patient_name(patient.patient_id, hide_names=hide_names)
    return Row("patient", f"p:{patient.patient_id}", name, "", patient.collection, "account-outline",
               selection=Selection(patient.patient_id), node=patient, fill=lambda row: _fill_patient(row, by_study),
               tell=lambda row: _patient_detail(row.node))  # fmt: skip


def _patient_detail(patient: Any) -> str:
    count = len(patient.visits)
    visits = strings.VISIT if count == 1 else strings.VISITS.format(count=count)
    side = strings.SIDES.get(str(patient.laterality or "").upper()[:1], "")
    age = "" if patient.age in (None, "") else strings.YEARS.format(age=_age(patient.age))
    return "   ".join(part for part in (side, age, visits) if part)


def _age(age: Any) -> str:
    text = str(age).strip().rstrip("Yy").lstrip("0")
    return text.split(".")[0] if text.replace(".", "", 1).isdigit() else text


def _add_visit(parent: Row, patient: Any, visit: Any, results: Sequence[Any], first: int) -> None:
    day = units.format_days(visit.days) if visit.days is not None else ""
    name = "   ".join(part for part in (visit.label or strings.NO_LABEL, day) if part)
    evidence = strings.EVIDENCE.format(evidence=visit.evidence) if visit.evidence else ""
    date = "" if visit.study_date is None else str(visit.study_date)
    chosen = Selection(patient.patient_id, visit.study_uid)
    hint = "\n".join(t for t in (f"{visit.description}  {date}".strip(), visit.remark) if t)
    row = parent.add(Row("visit", f"v:{visit.study_uid}", name, evidence, hint, "alert-outline" if visit.remark else "",
                         colour=visit_colour(visit.label, first), sign=visit_sign(visit.label, first),
                         selection=chosen, node=visit))  # fmt: skip
    for series in visit.series:
        _add_series(row, chosen, series)
    for result in results:
        row.add(Row("result", f"r:{result.folder}", str(result.title), str(result.kind), str(result.created),
                    "auto-fix", selection=chosen, node=result))  # fmt: skip


def _add_series(parent: Row, chosen: Selection, series: Any) -> None:
    role = strings.ROLES.get(series.role, series.role)
    same = series.description.strip().lower() in {"", role.lower()}
    name = role if same else f"{role}   {series.description}"
    hint = "\n".join(t for t in (strings.ROLE_HINTS.get(series.role, ""), series.remark) if t)
    detail, icon = series_detail(series), "layers-triple-outline"
    if series.remark and series.role not in strings.REMARKS_ARE_USUAL:
        icon = "alert-outline"
    if not series.present:
        detail, icon, hint = strings.AWAY, "alert-outline", strings.AWAY_HINT
    here = Selection(chosen.patient_id, chosen.study_uid, series.uid)
    row = parent.add(Row("series", f"s:{series.uid}", name, detail, hint, icon, selection=here, node=series))
    if len(series.phases) > 1:
        for phase in series.phases:
            at = Selection(here.patient_id, here.study_uid, here.series_uid, phase.index)
            key = f"f:{series.uid}:{phase.index}"
            row.add(
                Row("phase", key, phase_name(phase.label, phase.index), phase_detail(phase), selection=at, node=phase)
            )


def _missing_row(patient: Any, label: str, first: int) -> Row:
    return Row("missing", f"m:{patient.patient_id}:{label}", label, strings.MISSING_VISIT,
               missing_reason(patient, label), "calendar-remove-outline", colour=visit_colour(label, first),
               sign=visit_sign(label, first), selection=Selection(patient.patient_id))  # fmt: skip


def _visit_order(row: Row) -> tuple[int, str]:
    return visit_order(row.name.split(" ")[0], row.name)


def visit_order(label: str, name: str = "") -> tuple[int, str]:
    """What visits are sorted by: their number where the label is one, then their name."""
    return (int(label[1:]) if re.fullmatch(r"T\d+", label) else 99, name or label)


def first_visit(patient: Any) -> int:
    """The number of a patient's first visit: 0 where the trial counts from T0, else 1."""
    return 0 if any(label == "T0" for label in [*(v.label for v in patient.visits), *missing_visits(patient)]) else 1


def visit_number(label: str, first: int = 1) -> int | None:
    """0 for the first visit ... 3 for the fourth; ``None`` for anything else."""
    number = int(label[1]) - first if re.fullmatch(r"T\d", label) else -1
    return number if 0 <= number < len(tokens.VISIT_SIGNS) else None


def visit_colour(label: str, first: int = 1) -> str:
    """The colour of a visit in the theme that is on; secondary text for other labels."""
    number = visit_number(label, first)
    return apply.current().secondary if number is None else apply.current().visits[number]


def visit_sign(label: str, first: int = 1) -> str:
    """The marker of a visit, so that colour is never the only signal."""
    number = visit_number(label, first)
    return "" if number is None else tokens.VISIT_SIGNS[number]


class Tree(QAbstractItemModel):
    """One column: the name, and its facts for the delegate."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._root = Row("root", "", "")
        self._by_key: dict[str, Row] = {}

    def set_root(self, root: Row) -> None:
        """Show other rows; the view brings back what was open and selected by key."""
        self.beginResetModel()
        self._root = root
        self._by_key = {row.key: row for row in root.children}
        self.endResetModel()

    @property
    def root(self) -> Row:
        """The row above all patients; never drawn."""
        return self._root

    def row_of(self, index: Index) -> Row | None:
        """The row behind an index."""
        found = index.internalPointer() if index.isValid() else None
        return found if isinstance(found, Row) else None

    def index_of(self, key: str, patient_id: str = "") -> QModelIndex:
        """The index of a key, invalid when it is not in the tree; ``patient_id`` says under whom to look."""
        row = self._by_key.get(key) or self._found(key, patient_id)
        if row is None or row.parent is None:
            return QModelIndex()
        return self.createIndex(row.parent.children.index(row), 0, row)

    def _found(self, key: str, patient_id: str) -> Row | None:
        patient = self._by_key.get(f"p:{patient_id}")
        above = [patient] if patient is not None else self._root.children if key and not patient_id else []
        found = next((row for one in above for row in one.walk() if row.key == key), None)
        if found is not None:
            self._by_key[key] = found
        return found

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        above = self.row_of(parent) or self._root
        if not (0 <= row < len(above.children) and column == 0):
            return QModelIndex()
        return self.createIndex(row, column, above.children[row])

    def parent(self, index: Index = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # noqa: B008
        row = self.row_of(index)
        if row is None or row.parent is None or row.parent is self._root or row.parent.parent is None:
            return QModelIndex()
        return self.createIndex(row.parent.parent.children.index(row.parent), 0, row.parent)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.column() > 0 else len((self.row_of(parent) or self._root).children)

    def hasChildren(self, parent: Index = QModelIndex()) -> bool:  # noqa: B008
        return (self.row_of(parent) or self._root).has_children

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return strings.COLUMN_NAME
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row_of(index)
        if row is None:
            return None
        if role == KEY_ROLE:
            return row.key
        if role == ROW_ROLE:
            return row
        if role == DETAIL_ROLE:
            return row.told
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(t for t in (row.name, row.told, row.hint) if t)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{row.name} {row.told}"
        return self._name(row, role)

    def _name(self, row: Row, role: int) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{row.sign}  {row.name}" if row.sign else row.name
        if role == Qt.ItemDataRole.DecorationRole and row.icon:
            return icons.icon(row.icon, "warning" if row.icon == "alert-outline" else "secondary")
        if role == Qt.ItemDataRole.ForegroundRole and row.kind == "missing":
            return QColor(apply.current().disabled)
        if role == Qt.ItemDataRole.ForegroundRole and row.colour:
            return QColor(row.colour)
        if role == Qt.ItemDataRole.FontRole and row.kind in {"patient", "visit", "missing"}:
            font = QFont(apply.font(13, semibold=row.kind != "missing"))
            font.setItalic(row.kind == "missing")
            return font
        return None


class Delegate(QStyledItemDelegate):
    """The name on the left, its facts in secondary text on the right; the name gives way."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        detail = index.data(DETAIL_ROLE) or ""
        if detail:
            room = option.rect.width() - option.fontMetrics.horizontalAdvance(option.text) - 44
            least = min(option.fontMetrics.horizontalAdvance(detail), max(room, 72))
            option.rect.setRight(option.rect.right() - least - 6)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        detail = str(index.data(DETAIL_ROLE) or "")
        whole = QRect(option.rect)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if selected:
            painter.fillRect(whole, QColor(apply.current().accent))
        super().paint(painter, option, index)
        if not detail:
            return
        painter.save()
        painter.setFont(apply.font(12, tabular=True))
        painter.setPen(QColor(apply.current().on_accent if selected else apply.current().secondary))
        name = option.fontMetrics.horizontalAdvance(str(index.data())) + 34
        room = max(whole.width() - name - 8, 72)
        text = painter.fontMetrics().elidedText(detail, Qt.TextElideMode.ElideRight, room)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(whole.adjusted(0, 0, -6, 0), flags, text)
        painter.restore()
