"""Event lines of a job: one JSON object per line, appended with one write; a reader takes whole lines only."""

import json
import os
import time
from pathlib import Path
from typing import Any

LONGEST_LINE = 4096
END_KINDS = frozenset({"done", "stopped", "failed"})


class EventWriter:
    """Appends the events of one attempt; numbers run on from what the file already holds."""

    def __init__(self, file: Path, attempt: int) -> None:
        self._attempt = attempt
        self._number = 0
        if file.exists():
            old = file.read_bytes()
            self._number = old.count(b"\n")
            if old and not old.endswith(b"\n"):
                with file.open("ab") as torn:
                    torn.write(b"\n")
                self._number += 1
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, kind: str, fields: dict[str, Any] | None = None) -> None:
        """Append one event; text that would make the line too long is cut."""
        record = {
            "t": round(time.time(), 3),
            "attempt": self._attempt,
            "n": self._number,
            "kind": kind,
            **(fields or {}),
        }
        line = json.dumps(record, ensure_ascii=False).encode()
        if len(line) >= LONGEST_LINE:
            record = {
                k: (v[:300] if isinstance(v, str) else v) for k, v in record.items() if not isinstance(v, dict | list)
            }
            line = json.dumps(record, ensure_ascii=False).encode()[: LONGEST_LINE - 1]
        os.write(self._descriptor, line + b"\n")
        self._number += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class EventReader:
    """Follows an event file from a byte offset; ``unreadable`` counts lines that did not parse."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self.unreadable = 0

    def new(self) -> list[dict[str, Any]]:
        """The events appended since the last call, whole lines only."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read()
        except FileNotFoundError:
            return []
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._offset += len(whole)
        found: list[dict[str, Any]] = []
        for line in whole.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict) and "kind" in record:
                found.append(record)
            else:
                self.unreadable += 1
        return found


def read_all(folder: Path) -> list[dict[str, Any]]:
    """All events of a job folder."""
    return EventReader(folder / "events.jsonl").new()
