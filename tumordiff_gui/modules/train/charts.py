"""The picture area of Train: loss, validation, learning rate, and who is in which part of the split."""

import html
import math
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QTextBrowser, QVBoxLayout, QWidget

from tumordiff_gui.background.jobs import JobView
from tumordiff_gui.modules.train import strings
from tumordiff_gui.state.layout import Cell, Layout
from tumordiff_gui.theme import apply
from tumordiff_gui.views.curve import Curve, Line

LAYOUT = Layout(
    "train", strings.TITLE,
    (Cell("loss", 0, 0), Cell("validation", 0, 1), Cell("rate", 1, 0), Cell("split", 1, 1)),
    row_stretch=(3, 2),
)  # fmt: skip
Points = list[tuple[float, float]]


class Charts:
    """Three curves and the split, each one a cell of the picture area."""

    def __init__(self) -> None:
        axis = strings.EPOCH_AXIS
        self.loss = Curve(strings.LOSS_TITLE, axis, log=True, empty=strings.LOSS_EMPTY)
        self.validation = Curve(strings.VALIDATION_TITLE, axis, empty=strings.VALIDATION_EMPTY)
        self.rate = Curve(strings.RATE_TITLE, axis, empty=strings.RATE_EMPTY)
        self.split = Split()

    def cells(self) -> dict[str, QWidget]:
        """What stands in the layout."""
        return {"loss": self.loss, "validation": self.validation, "rate": self.rate, "split": self.split}

    def show_run(self, view: JobView | None) -> None:
        """Draw the curves of a run as far as they have come; none without one."""
        metrics = {} if view is None else view.metrics
        self.loss.set_lines(_lines({n: p for n, p in metrics.items() if "loss" in n and not n.startswith("val")}))
        validation = {n: p for n, p in metrics.items() if n.startswith("val")}
        self.validation.set_lines(_lines(validation, dots=True))
        best = best_epoch(metrics)
        self.validation.set_mark(None if best is None else best[0])
        self.rate.set_lines(_lines({n: p for n, p in metrics.items() if "learning_rate" in n}))
        newest = view.pictures[-1] if view is not None and view.pictures else ""
        self.split.show_sample(view.folder / newest if view is not None and newest else None)


def best_epoch(metrics: dict[str, Points]) -> tuple[float, float] | None:
    """Epoch and value of the smallest validation error."""
    points = [p for p in metrics.get("val_x0", []) if math.isfinite(p[1])]
    return min(points, key=lambda p: p[1]) if points else None


def _lines(metrics: dict[str, Points], *, dots: bool = False) -> list[Line]:
    colours = ("accent", "warning", "good", "predicted")
    few = dots and all(len(points) <= 40 for points in metrics.values())
    return [
        Line(name, tuple(points), colours[at % len(colours)], dots=few)
        for at, (name, points) in enumerate(sorted(metrics.items()))
    ]


class Split(QWidget):
    """Who is in which part, and the newest sample picture of the run when it writes any."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self.setMinimumSize(160, 110)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 12, 8)
        title = QLabel(strings.SPLIT_TITLE)
        title.setFont(apply.font(12, semibold=True))
        self.text = QTextBrowser()
        self.text.setAccessibleName(strings.SPLIT_TITLE)
        self.text.setFrameShape(QTextBrowser.Shape.NoFrame)
        self.text.setPlainText(strings.SPLIT_NONE)
        self._file: Path | None = None
        self._pixmap = QPixmap()
        self.sample = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self.sample.setAccessibleName(strings.SAMPLE)
        self.sample.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.sample.hide()
        column.addWidget(title)
        column.addWidget(self.text, 1)
        column.addWidget(self.sample, 2)

    def show_split(self, patients: dict[str, list[str]]) -> None:
        """Names of the patients, part by part."""
        parts = [f"<p>{html.escape(strings.SPLIT_HINT)}</p>"]
        for part, title in strings.SPLIT_PARTS.items():
            ids = patients.get(part, [])
            head = strings.SPLIT_PART.format(part=title, count=len(ids))
            parts.append(f"<p><b>{html.escape(head)}</b><br>{html.escape(', '.join(ids) or '-')}</p>")
        self.text.setHtml("".join(parts))

    def show_text(self, text: str) -> None:
        """A sentence in place of the split."""
        self.text.setPlainText(text)

    def show_sample(self, file: Path | None) -> None:
        """A picture of the run, scaled to the room there is."""
        if file != self._file:
            self._file = file
            self._pixmap = QPixmap(str(file)) if file is not None else QPixmap()
        self.sample.setVisible(not self._pixmap.isNull())
        self._scale()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._scale()

    def _scale(self) -> None:
        if not self._pixmap.isNull():
            size: Any = self.sample.size() * self.devicePixelRatioF()
            mode = Qt.AspectRatioMode.KeepAspectRatio
            scaled = self._pixmap.scaled(size, mode, Qt.TransformationMode.SmoothTransformation)
            scaled.setDevicePixelRatio(self.devicePixelRatioF())
            self.sample.setPixmap(scaled)
