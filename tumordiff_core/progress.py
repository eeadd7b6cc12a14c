"""How long work tells where it stands and hears that it should stop; the base is silent.

Every long function takes a ``Progress`` as its last keyword. It must not know jobs, files or windows.
"""

import time
from typing import Any

from tumordiff_core.errors import Stopped


class Progress:
    """The silent form, and the interface of all forms.

    Subclasses override ``emit`` (what happened) and ``asked_to_stop`` (``""``, ``"step"``, ``"epoch"`` or ``"now"``).
    """

    def __init__(self) -> None:
        self._stage = ""
        self._done = 0.0
        self._total: float | None = None
        self._began = time.monotonic()

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        """Pass on one event; the silent form drops it."""

    def asked_to_stop(self) -> str:
        """The stop word given from outside, or an empty string."""
        return ""

    def stage(self, name: str, total: float | None = None) -> None:
        """Begin a named stage of ``total`` steps (``None``: unknown length)."""
        self._stage, self._done, self._total, self._began = name, 0.0, total, time.monotonic()
        self.emit("stage", {"stage": name, "total": total})

    def advance(self, steps: float = 1) -> None:
        """Say that ``steps`` more are done; raises Stopped when a stop at the next step was asked for."""
        self._done += steps
        self.emit("progress", {"stage": self._stage, "done": self._done, "total": self._total, "left_s": self.left_s()})
        self.check()

    def left_s(self) -> float | None:
        """Seconds left in this stage at the pace so far; ``None`` while unknown."""
        if not self._total or self._done <= 0:
            return None
        return (time.monotonic() - self._began) * max(self._total - self._done, 0.0) / self._done

    def metric(self, name: str, value: float, step: float) -> None:
        """One point of a curve, for example the validation loss of an epoch."""
        self.emit("metric", {"name": name, "value": value, "step": step})

    def picture(self, name: str, file: str) -> None:
        """A picture that was just written, by its path inside the job folder."""
        self.emit("picture", {"name": name, "file": file})

    def warn(self, code: str, sentence: str) -> None:
        """Something the reader should know that does not end the work."""
        self.emit("warning", {"code": code, "sentence": sentence})

    def log(self, text: str) -> None:
        """A line for the log."""
        self.emit("log", {"text": text})

    def checkpoint(self, step: float, file: str) -> None:
        """A state to go on from was written, by its path inside the job folder."""
        self.emit("checkpoint", {"step": step, "file": file})

    def should_stop(self) -> str:
        """``""`` while the work may go on, else ``"step"``, ``"epoch"`` or ``"now"``."""
        return self.asked_to_stop()

    def check(self) -> None:
        """Raise Stopped if a stop at the next step, or now, was asked for."""
        if self.asked_to_stop() in {"step", "now"}:
            raise Stopped


class Within(Progress):
    """One part of a longer work: its stages, steps and files are told as the whole work's.

    ``label`` is added to the names of stages, ``folder`` is where its checkpoints lie among those of the whole, and
    ``before`` is how many steps of its curves went before.
    """

    def __init__(self, whole: Progress, label: str, folder: str, before: float) -> None:
        super().__init__()
        self._whole, self._label, self._folder, self._before = whole, label, folder, before

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        """Pass an event on as the whole work's."""
        told = dict(fields)
        if "stage" in told:
            told["stage"] = f"{told['stage']} ({self._label})"
        if "step" in told:
            told["step"] += self._before
        if kind == "checkpoint":
            told["file"] = told["file"].replace("checkpoints/", f"checkpoints/{self._folder}/", 1)
        self._whole.emit(kind, told)

    def asked_to_stop(self) -> str:
        """The word given to the whole work."""
        return self._whole.asked_to_stop()
