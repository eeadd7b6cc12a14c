"""What the command line shows: progress with time left on stderr, answers as text or as one JSON object on stdout."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from tumordiff_core import units
from tumordiff_core.progress import Progress

PLAIN_LINE_EVERY_S = 10.0
MOST_COLUMNS = 8
MOST_LISTED = 12


class ConsoleProgress(Progress):
    """Progress as a bar on a terminal, as a line every ten seconds elsewhere; keeps the end and the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.end = ""
        self.fields: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self._console = Console(stderr=True, highlight=False)
        self._bar: Bar | None = None
        self._row = TaskID(0)
        self._last_line = time.monotonic()

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        """Show one event."""
        if kind == "stage":
            self._begin(str(fields["stage"]), fields["total"])
        elif kind == "progress":
            self._move(fields)
        elif kind == "warning":
            self._line(f"[yellow]note[/yellow] {fields['sentence']}", f"note: {fields['sentence']}")
        elif kind == "stopping":
            self._line("stopping after this step (Ctrl-C again: now)")
        elif kind in {"done", "stopped", "failed"}:
            self.close()
            self.end, self.answer = kind, dict(fields.get("answer", {}))
            self.fields = {key: value for key, value in fields.items() if key != "answer"}

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin(self, stage: str, total: float | None) -> None:
        if not self._console.is_terminal:
            self._console.print(stage, markup=False)
            self._last_line = time.monotonic()
            return
        self.close()
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[left]}"), console=self._console, transient=False,
        )  # fmt: skip
        self._row = self._bar.add_task(stage, total=total, count="", left="")
        self._bar.start()

    def _move(self, fields: Mapping[str, Any]) -> None:
        done, total = fields["done"], fields["total"]
        count = f"{done:g}" if total is None else f"{done:g}/{total:g}"
        left = "" if fields["left_s"] is None else f"{units.format_duration(fields['left_s'])} left"
        if self._bar is not None:
            self._bar.update(self._row, completed=done, count=count, left=left)
        elif time.monotonic() - self._last_line >= PLAIN_LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._console.print(f"{fields['stage']} {count} {left}".rstrip(), markup=False)

    def _line(self, text: str, plain: str | None = None) -> None:
        shown = text if self._console.is_terminal or plain is None else plain
        self._console.print(shown, markup=shown is text and plain is not None, soft_wrap=True)


def complain(sentence: str, *, as_json: bool = False, **facts: Any) -> None:
    """One sentence on stderr and, for machines, one object on stdout."""
    print(sentence, file=sys.stderr)
    if as_json:
        print_json({"sentence": sentence, **facts})


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object, values that JSON does not know as text."""
    print(json.dumps(record, ensure_ascii=False, indent=1, default=str))


def print_record(record: Mapping[str, Any], *, indent: str = "") -> None:
    """A record as ``name: value`` lines; records inside it are indented, lists of records become a table."""
    for name, value in record.items():
        word = str(name).replace("_", " ")
        if isinstance(value, Mapping):
            print(f"{indent}{word}:")
            print_record(value, indent=indent + "  ")
        elif isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
            print(f"{indent}{word}:")
            _print_rows(value)
        elif isinstance(value, list | tuple):
            print(f"{indent}{word}: {_listed(value)}")
        else:
            print(f"{indent}{word}: {as_text(value)}")


def _listed(values: Sequence[Any]) -> str:
    """Values in a line; the first, the last and a count where they are too many to read. JSON has them all."""
    if len(values) <= MOST_LISTED:
        return ", ".join(as_text(one) for one in values) or "-"
    return f"{as_text(values[0])} ... {as_text(values[-1])} ({len(values)} in all)"


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Records as a table; on its side where there are more columns than a screen is wide and few rows."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    titles, cells = [name.replace("_", " ") for name in names], [[row.get(name) for name in names] for row in rows]
    if len(names) > MOST_COLUMNS >= len(rows):
        turned = [[title, *values] for title, *values in zip(titles, *cells, strict=True)]
        print_table([as_text(cell) for cell in turned[0]], turned[1:])
    else:
        print_table(titles, cells)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[Any]], *, indent: str = "  ") -> None:
    """Aligned columns without a frame, never cut."""
    cells = [list(titles), *([as_text(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    for row in cells:
        print((indent + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))).rstrip())


def as_text(value: Any) -> str:
    """A value as the reader sees it: ``-`` when missing, four significant digits, intervals as mean and ends."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and set(value) == {"mean", "low", "high"}:
        return f"{value['mean']:+.2f} [{value['low']:+.2f}, {value['high']:+.2f}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
