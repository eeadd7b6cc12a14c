"""Long work in short turns: a generator goes on for some milliseconds per turn of the event loop."""

import time
from collections.abc import Iterator

from PySide6.QtCore import QObject, QTimer

TURN_S = 0.006


class Turns(QObject):
    """Runs one generator at a time; a new one ends the one before."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: Iterator[object] | None = None
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._turn)

    @property
    def busy(self) -> bool:
        """Whether something is still to be done."""
        return self._work is not None

    def run(self, work: Iterator[object]) -> None:
        """Begin; the first turn is taken at once, so that little work is done when this returns."""
        self._work = work
        self._turn()
        if self._work is not None:
            self._timer.start()

    def stop(self) -> None:
        """Leave the work where it is."""
        self._timer.stop()
        self._work = None

    def _turn(self) -> None:
        end = time.perf_counter() + TURN_S
        work = self._work
        while work is not None and work is self._work:
            if next(work, self) is self:
                self.stop()
            if time.perf_counter() > end:
                return
