"""The rows of the job list: a model over job views, and how one row is drawn."""

import time
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from tumordiff_gui import words
from tumordiff_gui.background.job_text import STATE_ICONS, left_text, row_text
from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.modules.jobs import strings
from tumordiff_gui.theme import apply, icons

JOB_ROLE = Qt.ItemDataRole.UserRole + 1
ROW_HEIGHT = 46
TROUBLED = frozenset({"failed", "stopped", "lost"})
Index = QModelIndex | QPersistentModelIndex


def fits(view: JobView, words_typed: Sequence[str], shown: str) -> bool:
    """Whether a job belongs into the list for a filter (key of ``strings.SHOWN``) and the words that were typed."""
    if shown == "active" and not view.active:
        return False
    if shown == "ended" and view.active:
        return False
    if shown == "trouble" and view.state not in TROUBLED:
        return False
    text = f"{view.record.title} {view.record.task} {view.id} {view.sentence} {words.JOB_STATES[view.state]}".lower()
    return all(word in text for word in words_typed)


def age_text(seconds: float) -> str:
    """How long ago, in one unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return strings.AGO[unit].format(n=int(seconds // size))
    return strings.AGO["s"]


class JobList(QAbstractListModel):
    """Job views in one column; ``set_jobs`` moves only the rows that came or went."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs: list[JobView] = []

    @property
    def jobs(self) -> list[JobView]:
        """The jobs in the order they are listed."""
        return list(self._jobs)

    def set_jobs(self, jobs: Sequence[JobView]) -> None:
        """Show these jobs; rows that stay keep their selection."""
        wanted = {job.id for job in jobs}
        for row in range(len(self._jobs) - 1, -1, -1):
            if self._jobs[row].id not in wanted:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._jobs[row]
                self.endRemoveRows()
        held = {job.id for job in self._jobs}
        for row, job in enumerate(jobs):
            if job.id not in held:
                self.beginInsertRows(QModelIndex(), row, row)
                self._jobs.insert(row, job)
                self.endInsertRows()
        self._jobs = list(jobs)
        self.touched()

    def touched(self, job_id: str = "") -> None:
        """Draw one job again, or all."""
        rows = [row for row, job in enumerate(self._jobs) if job_id in ("", job.id)]
        if rows:
            self.dataChanged.emit(self.index(rows[0]), self.index(rows[-1]))

    def index_of(self, job_id: str) -> QModelIndex:
        """The index of a job, invalid when it is not listed."""
        row = next((row for row, job in enumerate(self._jobs) if job.id == job_id), -1)
        return QModelIndex() if row < 0 else self.index(row)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._jobs)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        job = self._jobs[index.row()]
        if role == JOB_ROLE:
            return job
        if role == Qt.ItemDataRole.DisplayRole:
            return job.record.title
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{job.record.title}\n{words.JOB_STATES[job.state]}  {row_text(job)}"
        return None


class JobDelegate(QStyledItemDelegate):
    """Icon and title, time on the right; below what it does; a thin bar while it runs."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(option.rect.width(), ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        job: JobView = index.data(JOB_ROLE)
        t, whole = apply.current(), QRect(option.rect)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        if selected:
            painter.fillRect(whole, QColor(t.accent))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(whole, QColor(t.raised))
        name, role = STATE_ICONS[job.state]
        icons.paint(painter, name, QRectF(whole.left() + 8, whole.top() + 6, 16, 16), "on_accent" if selected else role)
        first, second = t.on_accent if selected else t.text, t.on_accent if selected else t.secondary
        line = whole.adjusted(32, 4, -8, 0)
        line.setHeight(20)
        painter.setFont(apply.font(12, tabular=True))
        painter.setPen(QColor(second))
        when = left_text(job) or ("" if job.ended_s is None else age_text(time.time() - job.ended_s))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, when)
        room = line.width() - painter.fontMetrics().horizontalAdvance(when) - 12
        painter.setPen(QColor(first))
        painter.setFont(apply.font(13, semibold=True))
        title = painter.fontMetrics().elidedText(job.record.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, title)
        line.moveTop(line.bottom())
        painter.setFont(apply.font(12))
        painter.setPen(QColor(second))
        text = painter.fontMetrics().elidedText(row_text(job), Qt.TextElideMode.ElideRight, line.width())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, text)
        if job.state in {"running", "stopping"} and job.fraction is not None:
            bar = QRectF(whole.left() + 32, whole.bottom() - 3, whole.width() - 40, 2)
            painter.fillRect(bar, QColor(t.hairline))
            bar.setWidth(bar.width() * job.fraction)
            painter.fillRect(bar, QColor(t.on_accent if selected else t.accent))
        painter.restore()
