"""The strip under the step views: a slider through the reverse process, one through the forward one, and the curve."""

from typing import Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.modules.denoise.previews import Chain
from tumordiff_gui.theme import apply
from tumordiff_gui.views.corner_text import number
from tumordiff_gui.views.curve import Curve, Line

Direction = Literal["reverse", "forward"]
DIRECTIONS: tuple[Direction, ...] = ("reverse", "forward")


class Steps(QWidget):
    """Two sliders and what the step that is shown means.

    Signals
    -------
    moved : a slider was moved; ask ``direction`` and ``step``
    """

    moved = Signal()

    def __init__(self, count: int) -> None:
        super().__init__()
        self.setProperty("role", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.direction: Direction = "reverse"
        self._count = count
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 0, 8)
        left = QVBoxLayout()
        left.setSpacing(4)
        row.addLayout(left, 1)
        self.sliders: dict[Direction, QSlider] = {}
        self.readouts: dict[Direction, QLabel] = {}
        for direction in DIRECTIONS:
            title = strings.REVERSE if direction == "reverse" else strings.FORWARD
            slider = QSlider(Qt.Orientation.Horizontal, minimum=0, maximum=count)
            slider.setPageStep(1)
            slider.setAccessibleName(title)
            slider.valueChanged.connect(lambda _, d=direction: self._slid(d))
            readout = QLabel(alignment=Qt.AlignmentFlag.AlignRight)
            readout.setFont(apply.font(12, tabular=True))
            head = QHBoxLayout()
            head.addWidget(QLabel(title))
            head.addWidget(readout, 1)
            left.addLayout(head)
            left.addWidget(slider)
            self.sliders[direction], self.readouts[direction] = slider, readout
        for text in (strings.STEPS_LEGEND, strings.CHANGE_LEGEND):
            legend = QLabel(text, wordWrap=True)
            legend.setProperty("role", "secondary")
            left.addWidget(legend)
        left.addStretch(1)
        self.curve = Curve(strings.CURVE_SIGMA, strings.CURVE_X, empty=strings.STEPS_EMPTY)
        self.change = Curve(strings.CURVE_CHANGE, strings.CURVE_X, empty=strings.STEPS_EMPTY)
        row.addWidget(self.curve, 1)
        row.addWidget(self.change, 1)

    @property
    def step(self) -> int:
        """The step of the direction that is shown."""
        return self.sliders[self.direction].value()

    def _slid(self, direction: Direction) -> None:
        self.direction = direction
        self.moved.emit()

    def tell(self, ours: Chain | None, paper: Chain | None) -> None:
        """Say what the shown step of the two chains means."""
        for direction in DIRECTIONS:
            self.readouts[direction].setText("")
        known = [(strings.OURS, ours, "accent"), (strings.PAPER, paper, "warning")]
        there = [(name, chain, colour) for name, chain, colour in known if chain is not None and len(chain)]
        if not there:
            self.curve.set_lines([])
            self.change.set_lines([])
            return
        first = there[0][1]
        slider = self.sliders[self.direction]
        if slider.maximum() != len(first) - 1:
            slider.blockSignals(True)
            slider.setMaximum(len(first) - 1)
            slider.blockSignals(False)
        step = min(self.step, len(first) - 1)
        text = strings.STEP_READOUT.format(t=first.times[step], sigma=number(first.sigmas[step]))
        if first.psnr and first.ssim:
            text += strings.STEP_SCORES.format(psnr=first.psnr[step], ssim=first.ssim[step])
        self.readouts[self.direction].setText(text)
        scored = all(chain.psnr for _, chain, _ in there)
        self.curve.title = strings.CURVE_PSNR if scored else strings.CURVE_SIGMA
        lines = []
        for name, chain, colour in there:
            values = chain.psnr if scored else chain.sigmas
            points = tuple((float(k), v) for k, v in enumerate(values))
            lines.append(Line(name, points, colour, dashed=name == strings.PAPER))
        self.curve.set_lines(lines)
        self.curve.set_mark(float(step))
        self._tell_change(there, step)

    def _tell_change(self, there: list[tuple[str, Chain, str]], step: int) -> None:
        """How far each step of the reverse chains moved the clean picture, in units of the noise there was."""
        self.change.empty = strings.STEPS_EMPTY if self.direction == "reverse" else strings.CHANGE_EMPTY
        lines = []
        for name, chain, colour in there:
            points = tuple((float(k), c / max(chain.sigmas[0], 1e-9)) for k, c in enumerate(chain.change) if k)
            lines.append(Line(name, points, colour, dashed=name == strings.PAPER, dots=True))
        self.change.set_lines([line for line in lines if line.points])
        self.change.set_mark(float(step))
