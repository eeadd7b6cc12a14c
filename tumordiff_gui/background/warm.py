"""Asks the warm children (reader, preview) from the window's thread without ever waiting for them.

Each service has one child process and a queue; answers come back as calls on the window's thread.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from tumordiff_core.errors import TumorDiffError
from tumordiff_core.jobs import start

PATIENCE_S = {"reader": 60.0, "preview": 120.0}
DEFAULT_PATIENCE_S = 60.0
CLOSE_WAIT_MS = 800

Answered = Callable[[dict[str, Any]], None]
Failed = Callable[[str, str], None]


def command(name: str) -> tuple[str, list[str]]:
    """Program and arguments of a service's child."""
    return sys.executable, ["-m", "tumordiff_core.jobs.child", name]


@dataclass
class Request:
    """One question on its way; ``cancel`` makes its answer fall silently."""

    body: dict[str, Any]
    answered: Answered
    failed: Failed | None
    key: str = ""
    number: int = 0
    cancelled: bool = False

    def cancel(self) -> None:
        """Forget the answer."""
        self.cancelled = True


class Service(QObject):
    """One service: its child process, what it is working on, what waits."""

    busy_changed = Signal(bool)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._waiting: list[Request] = []
        self._current: Request | None = None
        self._process: QProcess | None = None
        self._buffer = b""
        self._number = 0
        self._patience = QTimer(self, singleShot=True)
        self._patience.timeout.connect(self._too_slow)

    def ask(self, request: Request, *, first: bool = False) -> None:
        """Put a question in the queue; a waiting one with the same key gives way to it."""
        if request.key:
            self._waiting = [r for r in self._waiting if r.key != request.key]
        self._waiting.insert(0 if first else len(self._waiting), request)
        self._next()

    @property
    def busy(self) -> bool:
        """Whether a question waits for its answer."""
        return self._current is not None or bool(self._waiting)

    def wake(self) -> None:
        """Start the child now, so that the first question finds it warm."""
        self._alive()

    def close(self) -> None:
        """End the child; it ends by itself when its input closes."""
        self._waiting, self._current = [], None
        self._patience.stop()
        process, self._process = self._process, None
        if process is None:
            return
        process.blockSignals(True)
        process.closeWriteChannel()
        if not process.waitForFinished(CLOSE_WAIT_MS):
            process.kill()
            process.waitForFinished(CLOSE_WAIT_MS)
        process.deleteLater()

    def _alive(self) -> QProcess:
        if self._process is None:
            process = QProcess(self)
            environment = QProcessEnvironment()
            for name, value in start.child_environment().items():
                environment.insert(name, value)
            process.setProcessEnvironment(environment)
            process.setStandardErrorFile(QProcess.nullDevice())
            process.readyReadStandardOutput.connect(self._arrived)
            process.finished.connect(self._gone)
            process.errorOccurred.connect(self._not_started)
            process.start(*command(self.name))
            self._process, self._buffer = process, b""
        return self._process

    def _next(self) -> None:
        if self._current is not None:
            return
        self._waiting = [r for r in self._waiting if not r.cancelled]
        if not self._waiting:
            self.busy_changed.emit(False)
            return
        self._current = self._waiting.pop(0)
        self._number += 1
        self._current.number = self._number
        self._alive().write(json.dumps({**self._current.body, "id": self._number}).encode() + b"\n")
        self._patience.start(round(PATIENCE_S.get(self.name, DEFAULT_PATIENCE_S) * 1000))
        self.busy_changed.emit(True)

    def _arrived(self) -> None:
        if self._process is None:
            return
        self._buffer += bytes(self._process.readAllStandardOutput().data())
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            try:
                reply = json.loads(line)
            except ValueError:
                continue
            if self._current is not None and reply.get("id") == self._current.number:
                self._deliver(reply)

    def _deliver(self, reply: dict[str, Any]) -> None:
        request, self._current = self._current, None
        self._patience.stop()
        assert request is not None
        self._next()
        if request.cancelled:
            return
        if reply.get("ok"):
            request.answered(reply)
        elif request.failed is not None:
            request.failed(str(reply.get("sentence", "")), str(reply.get("detail", "")))

    def _fail(self, error: TumorDiffError) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.finished.connect(process.deleteLater)
            process.blockSignals(False)
            process.finished.disconnect(self._gone)
        if self._current is not None:
            self._deliver({"ok": False, "sentence": error.sentence})

    def _gone(self) -> None:
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        if self._current is not None:
            self._deliver({"ok": False, "sentence": TumorDiffError("jobs.child_gone").sentence})

    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._gone()

    def _too_slow(self) -> None:
        seconds = round(PATIENCE_S.get(self.name, DEFAULT_PATIENCE_S))
        self._fail(TumorDiffError("jobs.child_slow", seconds=seconds))


class Warm(QObject):
    """All warm children of the window."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._services: dict[str, Service] = {}

    def service(self, name: str) -> Service:
        """The service of a name; its child starts with the first question."""
        if name not in self._services:
            self._services[name] = Service(name, self)
        return self._services[name]

    def ask(self, service: str, body: dict[str, Any], answered: Answered, failed: Failed | None = None, *,
            key: str = "", first: bool = False) -> Request:  # fmt: skip
        """Ask a service; ``answered(reply)`` or ``failed(sentence, details)`` is called later on this thread.

        A waiting question with the same non-empty ``key`` is dropped: the last position wins.
        ``first`` goes before everything that waits.
        """
        request = Request(body, answered, failed, key)
        self.service(service).ask(request, first=first)
        return request

    @property
    def busy(self) -> bool:
        """Whether any child has a question to answer."""
        return any(service.busy for service in self._services.values())

    def wake(self, name: str) -> None:
        """Warm a child up before it is needed."""
        self.service(name).wake()

    def close(self) -> None:
        """End all children."""
        for service in self._services.values():
            service.close()
