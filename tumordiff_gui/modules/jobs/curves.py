"""A job's metrics as charts: metrics that measure the same thing share one."""

from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from tumordiff_gui.modules.jobs import strings
from tumordiff_gui.views.curve import Curve, Line

PARTS = ("train", "val", "validation", "test")
COLOURS = ("accent", "warning", "good", "predicted")
LOGARITHMIC = ("loss", "error", "rate")
CHART_HEIGHT = 200
Points = dict[str, list[tuple[float, float]]]


def grouped(metrics: Points) -> dict[str, list[str]]:
    """Metric names by what they measure: ``train_loss`` and ``val_loss`` are both ``loss``."""
    found: dict[str, list[str]] = {}
    for name in metrics:
        parts = name.replace("/", "_").split("_")
        base = "_".join(parts[1:]) if len(parts) > 1 and parts[0] in PARTS else name
        found.setdefault(base, []).append(name)
    return found


class Curves(QScrollArea):
    """One chart under the other; charts are made when their first point comes."""

    def __init__(self) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 8, 0, 8)
        self._empty = QLabel(strings.NO_CURVES)
        self._empty.setProperty("role", "secondary")
        self._column.addWidget(self._empty)
        self._column.addStretch(1)
        self.setWidget(inside)
        self.charts: dict[str, Curve] = {}

    def clear(self) -> None:
        """Another job."""
        for chart in self.charts.values():
            self._column.removeWidget(chart)
            chart.deleteLater()
        self.charts = {}
        self._empty.show()

    def show_metrics(self, metrics: Points) -> None:
        """Draw all points known so far."""
        for base, names in grouped(metrics).items():
            if base not in self.charts:
                log = base.endswith(LOGARITHMIC) and all(value > 0 for n in names for _, value in metrics[n])
                chart = self.charts[base] = Curve(base.replace("_", " "), strings.STEP, log=log)
                chart.setFixedHeight(CHART_HEIGHT)
                self._column.insertWidget(self._column.count() - 1, chart)
            self.charts[base].set_lines(
                [
                    Line(name.replace("_", " "), tuple(metrics[name]), COLOURS[number % len(COLOURS)])
                    for number, name in enumerate(names)
                ]
            )
        self._empty.setVisible(not self.charts)
