"""Notices when the window's thread does not answer for 100 ms, and writes down what it was doing.

While it watches, unreachable objects are collected on the window's thread only: Python collects on whatever thread
asks for memory, and a picture or widget that is freed on the watching thread while the window paints ends the process.
"""

import gc
import sys
import threading
import time
import traceback
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

BEAT_MS = 20
LIMIT_S = 0.1
WHOLE_COLLECTION_EVERY_S = 10.0


class Watchdog(QObject):
    """A heartbeat on the window's thread and a daemon thread that watches it.

    Attributes
    ----------
    stalls : (seconds, stack) of every gap, newest last
    """

    def __init__(
        self, write: Callable[[str], None], parent: QObject | None = None, *, limit_s: float = LIMIT_S
    ) -> None:
        super().__init__(parent)
        self.stalls: list[tuple[float, str]] = []
        self._write, self._limit_s = write, limit_s
        self._ended = threading.Event()
        self._thread_id = threading.get_ident()
        self._last = time.monotonic()
        self._next_whole = self._last + WHOLE_COLLECTION_EVERY_S
        gc.disable()
        self._timer = QTimer(self, interval=BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="watchdog")
        self._thread.start()

    def _beat(self) -> None:
        self._last = time.monotonic()
        self._collect(self._last)

    def _collect(self, now: float) -> None:
        """Collect as Python would by itself, generation by generation, but here and at leisure."""
        young, middle, _ = gc.get_count()
        limits = gc.get_threshold()
        if young <= limits[0]:
            return
        if middle <= limits[1]:
            gc.collect(0)
        elif now < self._next_whole:
            gc.collect(1)
        else:
            self._next_whole = now + WHOLE_COLLECTION_EVERY_S
            gc.collect()
        self._last = time.monotonic()

    def _watch(self) -> None:
        seen = 0.0
        while not self._ended.wait(BEAT_MS / 1000):
            beat, gap = self._last, time.monotonic() - self._last
            if gap < self._limit_s or beat == seen:
                continue
            seen = beat
            frame = sys._current_frames().get(self._thread_id)
            stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
            # A frame keeps its locals: a painter or widget in it must not live until the next stall, or die here.
            del frame
            self.stalls.append((gap, stack))
            self._write(f"the window stood still for more than {self._limit_s * 1000:.0f} ms\n{stack}")

    def close(self) -> None:
        """Stop watching."""
        self._timer.stop()
        gc.enable()
        self._ended.set()
        self._thread.join(timeout=1)
