"""Warm children: the loop that answers JSON lines with a service's handler, and the side that asks.

One request per line on stdin (``{"id": n, ...}``), one reply per line on stdout; the child ends when stdin closes.
Arrays travel as files of the volume cache, never through the pipe.
"""

import json
import queue
import subprocess
import sys
import threading
import traceback
from typing import Any

from tumordiff_core import logs
from tumordiff_core.errors import TumorDiffError
from tumordiff_core.jobs import start
from tumordiff_core.plugins import manager


def serve(name: str) -> int:
    """Answer requests of service ``name`` until stdin closes; a handler that raises answers with a sentence."""
    handle = manager.load(manager.service(name).handle)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = {"id": request.get("id"), "ok": True, **handle(request)}
        except TumorDiffError as error:
            reply = {"id": request.get("id"), "ok": False, "code": error.code, "sentence": error.sentence}
        except Exception as error:
            ours = TumorDiffError("jobs.bug", kind=type(error).__name__, attempt="child")
            detail = logs.redact(traceback.format_exc())
            reply = {
                "id": request.get("id"),
                "ok": False,
                "code": ours.code,
                "sentence": ours.sentence,
                "detail": detail,
            }
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
    return 0


class Child:
    """The asking side: keeps one child of a service alive and answers within a time limit, or says why not."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.Queue[str | None] = queue.Queue()
        self._number = 0

    def _alive(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is not None:
            # It died: its pipes are still ours to close.
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tumordiff_core.jobs.child", self._name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, encoding="utf-8", env=start.child_environment(),
            )  # fmt: skip
            self._replies = queue.Queue()
            threading.Thread(target=_pump, args=(self._process, self._replies), daemon=True).start()
        return self._process

    def ask(self, request: dict[str, Any], *, seconds: float = 60.0) -> dict[str, Any]:
        """One request, one reply (``ok`` tells); raises TumorDiffError("jobs.child_gone") or ("jobs.child_slow")."""
        process = self._alive()
        self._number += 1
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({**request, "id": self._number}) + "\n")
            process.stdin.flush()
            while True:
                line = self._replies.get(timeout=seconds)
                if line is None:
                    # It may not be reaped yet, and would then be asked again in vain.
                    self.close()
                    raise TumorDiffError("jobs.child_gone")
                reply: dict[str, Any] = json.loads(line)
                if reply.get("id") == self._number:
                    return reply
        except (BrokenPipeError, OSError) as error:
            self.close()
            raise TumorDiffError("jobs.child_gone") from error
        except queue.Empty as error:
            self.close()
            raise TumorDiffError("jobs.child_slow", seconds=round(seconds)) from error

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.close()
            process.wait(timeout=2)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        process.stdout.close()


def _pump(process: subprocess.Popen[str], replies: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            replies.put(line)
    except ValueError:
        pass
    replies.put(None)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1]))
