"""The meter of this machine: processor, memory, graphics card, room on the disk of the jobs."""

from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QProgressBar

from tumordiff_core import units
from tumordiff_gui import words
from tumordiff_gui.background.machine import Load
from tumordiff_gui.modules.jobs import strings
from tumordiff_gui.theme import apply

FULL = 1000


class Meter(QFrame):
    """Four bars with their numbers."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        self.bars: dict[str, QProgressBar] = {}
        self.values: dict[str, QLabel] = {}
        for row, name in enumerate((strings.CPU, strings.MEMORY, strings.CARD, strings.DISK)):
            title, bar, value = QLabel(name), QProgressBar(textVisible=False), QLabel(words.MISSING)
            title.setProperty("role", "secondary")
            value.setFont(apply.font(12, tabular=True))
            bar.setRange(0, FULL)
            bar.setAccessibleName(name)
            for column, widget in enumerate((title, bar, value)):
                grid.addWidget(widget, row, column)
            self.bars[name], self.values[name] = bar, value
        grid.setColumnStretch(1, 1)

    def show_load(self, load: Load) -> None:
        """Show one look at the machine."""
        cpu = load.cpu_percent
        told = words.MISSING if cpu is None else words.PERCENT.format(percent=round(cpu))
        self._set(strings.CPU, (cpu or 0.0) / 100, told)
        used, total = units.format_bytes(load.memory_used), units.format_bytes(load.memory_total)
        self._set(
            strings.MEMORY, load.memory_used / max(load.memory_total, 1), strings.OF.format(used=used, total=total)
        )
        free = strings.FREE.format(free=units.format_bytes(load.disk_free))
        self._set(strings.DISK, 1 - load.disk_free / max(load.disk_total, 1), free)
        if not load.cards:
            self._set(strings.CARD, 0.0, strings.NO_CARD)
            return
        busiest = max(load.cards, key=lambda card: card.percent)
        used, total = units.format_bytes(busiest.memory_used), units.format_bytes(busiest.memory_total)
        text = f"{words.PERCENT.format(percent=round(busiest.percent))}  {strings.OF.format(used=used, total=total)}"
        self._set(strings.CARD, busiest.percent / 100, text)

    def _set(self, name: str, fraction: float, text: str) -> None:
        self.bars[name].setValue(round(FULL * min(max(fraction, 0.0), 1.0)))
        self.values[name].setText(text)
