"""What a piece of work costs: seconds, and by how much the process grows meanwhile."""

import threading
import time
from types import TracebackType
from typing import Self

import psutil

EVERY_S = 0.005


class Cost:
    """Measures the block it is entered for; ``seconds`` and ``grew_mb`` are known after it.

    ``grew_mb`` is the largest resident size seen in between, every few milliseconds, over the size at the start: memory
    that the process had kept from earlier work does not count again, nor does a GPU's.
    """

    def __init__(self) -> None:
        self.seconds, self.grew_mb = 0.0, 0.0
        self._process, self._over = psutil.Process(), threading.Event()

    def __enter__(self) -> Self:
        self._before = self._most = self._process.memory_info().rss
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        self._over.set()
        self._watch.join()
        self._seen()
        self.grew_mb = (self._most - self._before) / 1e6

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            self._seen()

    def _seen(self) -> None:
        self._most = max(self._most, self._process.memory_info().rss)
