"""How busy this machine is: processor, memory, graphics card, room for jobs; asked while somebody looks."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from PySide6.QtCore import QObject, QProcess, QTimer, Signal

from tumordiff_core import units
from tumordiff_core.jobs import folder as jobfolder
from tumordiff_gui import words

LOOK_EVERY_MS = 1000
CARD_EVERY = 5
CARD_ASKS = ("--query-gpu=utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Card:
    """One graphics card; memory in bytes."""

    percent: float
    memory_used: int
    memory_total: int


@dataclass(frozen=True)
class Load:
    """One look at the machine; bytes, and per cent of all cores (``None`` at the first look)."""

    cpu_percent: float | None
    memory_used: int
    memory_total: int
    disk_free: int
    disk_total: int
    cards: tuple[Card, ...] = ()


class Machine(QObject):
    """Looks once a second between ``begin`` and ``end``.

    Signals
    -------
    told : a Load
    """

    told = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self, interval=LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._program = shutil.which("nvidia-smi") or ""
        self._asking: QProcess | None = None
        self._looks = 0
        self._times: tuple[float, float] | None = None
        self._cards: tuple[Card, ...] = ()
        self.load = Load(None, 0, 1, 0, 1)

    def begin(self) -> None:
        """Look now and every second from now on."""
        self._looks, self._times = 0, None
        self.look()
        self._timer.start()

    def end(self) -> None:
        """Stop looking."""
        self._timer.stop()

    def look(self) -> None:
        """One look; the graphics card is asked in a process of its own and told with a later one."""
        memory, disk = psutil.virtual_memory(), shutil.disk_usage(_there(jobfolder.root()))
        self.load = Load(self._cpu(), memory.total - memory.available, memory.total, disk.free, disk.total, self._cards)
        if self._program and self._looks % CARD_EVERY == 0 and self._asking is None:
            self._ask()
        self._looks += 1
        self.told.emit(self.load)

    def _cpu(self) -> float | None:
        """Per cent of all cores since the last look; counted here because psutil keeps one count per process."""
        times = psutil.cpu_times()
        now = (sum(times) - getattr(times, "guest", 0.0), times.idle + getattr(times, "iowait", 0.0))
        before, self._times = self._times, now
        if before is None or now[0] <= before[0]:
            return None
        return max(0.0, min(100.0, 100.0 * (1 - (now[1] - before[1]) / (now[0] - before[0]))))

    def _ask(self) -> None:
        self._asking = QProcess(self)
        self._asking.finished.connect(self._answered)
        self._asking.errorOccurred.connect(self._no_card)
        self._asking.start(self._program, CARD_ASKS)

    def _answered(self) -> None:
        process, self._asking = self._asking, None
        if process is not None:
            self._cards = cards_of(bytes(process.readAllStandardOutput().data()).decode(errors="replace"))
            self.load = replace(self.load, cards=self._cards)
            process.deleteLater()

    def _no_card(self) -> None:
        process, self._asking, self._program = self._asking, None, ""
        if process is not None:
            process.deleteLater()


def cards_of(text: str) -> tuple[Card, ...]:
    """Cards from lines of ``percent, used MiB, total MiB``; lines that say something else are no card."""
    found = []
    for line in text.splitlines():
        try:
            percent, used, total = (float(part) for part in line.split(","))
        except ValueError:
            continue
        found.append(Card(percent, round(used * MIB), round(total * MIB)))
    return tuple(found)


def load_text(load: Load) -> str:
    """``CPU 62 %   memory 3.1 GB of 24.0 GB   GPU -   disk 210 GB free``."""
    cpu = words.MISSING if load.cpu_percent is None else words.PERCENT.format(percent=round(load.cpu_percent))
    card = words.MISSING
    if load.cards:
        card = words.PERCENT.format(percent=round(max(one.percent for one in load.cards)))
    return words.LOAD.format(
        cpu=cpu, used=units.format_bytes(load.memory_used), total=units.format_bytes(load.memory_total), card=card,
        free=units.format_bytes(load.disk_free),
    )  # fmt: skip


def _there(place: Path) -> Path:
    """The nearest folder above that exists: a job folder not yet made lies on its disk all the same."""
    return next(p for p in (place, *place.parents) if p.exists())
