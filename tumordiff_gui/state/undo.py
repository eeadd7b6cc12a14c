"""One stack of undoable steps for the whole window, with a history that can be read; knows nothing of who acts."""

from collections.abc import Callable
from dataclasses import dataclass

from psygnal import Signal

LONGEST_HISTORY = 500


@dataclass(frozen=True)
class Command:
    """One step.

    Parameters
    ----------
    text : what the reader did, as the history shows it
    do, undo : called to do it (again) and to take it back
    merge_key : steps that follow each other with the same non-empty key become one
    """

    text: str
    do: Callable[[], None]
    undo: Callable[[], None]
    merge_key: str = ""


class Undo:
    """The stack; ``changed`` fires after every push, undo, redo and jump."""

    changed = Signal()

    def __init__(self) -> None:
        self._steps: list[Command] = []
        self._done = 0

    @property
    def history(self) -> list[str]:
        """The texts of all steps, undone ones included, oldest first."""
        return [step.text for step in self._steps]

    @property
    def position(self) -> int:
        """How many steps of the history are done."""
        return self._done

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._done > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._done < len(self._steps)

    def push(self, command: Command, *, done: bool = False) -> None:
        """Do a step (unless it is ``done`` already) and remember it; what was undone before is forgotten."""
        if not done:
            command.do()
        del self._steps[self._done :]
        last = self._steps[-1] if self._steps else None
        if last is not None and command.merge_key and last.merge_key == command.merge_key:
            self._steps[-1] = Command(command.text, command.do, last.undo, command.merge_key)
        else:
            self._steps.append(command)
        del self._steps[: max(0, len(self._steps) - LONGEST_HISTORY)]
        self._done = len(self._steps)
        self.changed.emit()

    def undo(self) -> str | None:
        """Take the newest done step back; returns its text, or ``None`` when there is none."""
        if not self.can_undo:
            return None
        step = self._steps[self._done - 1]
        step.undo()
        self._done -= 1
        self.changed.emit()
        return step.text

    def redo(self) -> str | None:
        """Do the oldest undone step again; returns its text, or ``None`` when there is none."""
        if not self.can_redo:
            return None
        step = self._steps[self._done]
        step.do()
        self._done += 1
        self.changed.emit()
        return step.text

    def go_to(self, position: int) -> None:
        """Undo or redo until ``position`` steps are done."""
        position = min(max(position, 0), len(self._steps))
        while self._done > position:
            self.undo()
        while self._done < position:
            self.redo()

    def clear(self) -> None:
        """Forget all steps."""
        self._steps.clear()
        self._done = 0
        self.changed.emit()
