"""Has the files that the strict header reader leaves read by pydicom in a child, limited in memory and time.

A hostile file may exhaust or hang the child; it is then replaced, and the file becomes a row of the skip report.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tumordiff_core.catalogue import stored
from tumordiff_core.catalogue.stored import printable
from tumordiff_core.errors import InputError
from tumordiff_core.jobs import start

PATIENCE_S = 10.0
START_PATIENCE_S = 60.0
_SIGNATURES = (b"\x08\x00", b"\x02\x00")


class DoubtfulReader:
    """Reads doubtful files, one at a time; its process starts with the first of them."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def read(self, path: Path) -> dict[str, Any]:
        """The header of one file.

        Raises InputError with a ``dicom.`` code; "dicom.unreadable" too for what broke the child or took too long.
        """
        refuse_foreign(path)
        answer = self._ask(json.dumps(os.fsencode(path).hex()))
        if not answer:
            self.close()
            reason = "reading it took too much memory or time"
            raise InputError("dicom.unreadable", path, name=printable(path.name), reason=reason)
        code, fields, header = json.loads(answer)
        if code:
            raise InputError(code, path, **fields)
        return stored.tuples(header)

    def _ask(self, line: str) -> str:
        process = self._ready()
        assert process.stdin is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return self._answers.get(timeout=self._patience_s)
        except (OSError, queue.Empty):
            return ""

    def _ready(self) -> "subprocess.Popen[str]":
        if self._process is None:
            self._answers = queue.Queue()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tumordiff_core.catalogue.doubtful_child"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="ascii",
                env=start.child_environment(),
            )  # fmt: skip
            threading.Thread(target=_pump, args=(self._process, self._answers), daemon=True).start()
            # Importing takes a moment on a busy machine; a file's own time begins after it.
            self._answers.get(timeout=START_PATIENCE_S)
        return self._process

    def close(self) -> None:
        """End the child, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.kill()
        process.wait()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


def _pump(process: "subprocess.Popen[str]", answers: "queue.Queue[str]") -> None:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            answers.put(line)
    except ValueError:
        return
    answers.put("")


def refuse_foreign(path: Path) -> None:
    """Raise InputError("dicom.not_dicom") for what does not even begin like DICOM, without waking a child."""
    with path.open("rb") as file:
        start = file.read(132)
    if start[128:] != b"DICM" and start[:2] not in _SIGNATURES:
        raise InputError("dicom.not_dicom", path, name=printable(path.name))
