"""What is open and selected on the reader's desk; modules meet here and never know one another."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from psygnal import Signal


@dataclass(frozen=True)
class Selection:
    """What the reader looks at; an empty string or ``None`` where nothing is chosen."""

    patient_id: str = ""
    study_uid: str = ""
    series_uid: str = ""
    phase: int | None = None


class Desk:
    """Selection, opened phase, chosen result and shown module; each has its signal.

    Attributes
    ----------
    selected : fires with the new Selection when the selection changed
    opened : fires with the Selection of a phase that shall be shown in the views
    result_chosen : fires with the folder of a result that shall be shown
    module_wanted : fires with the id of a module that shall be shown
    catalogue_changed : fires when patients, series, time points or results may have changed
    said : fires with a short text for the status bar
    """

    selected = Signal(object)
    opened = Signal(object)
    result_chosen = Signal(object)
    module_wanted = Signal(str)
    catalogue_changed = Signal()
    names_hidden = Signal(bool)
    said = Signal(str)

    def __init__(self) -> None:
        self.selection = Selection()
        self.open = Selection()
        self.result: Path | None = None
        self.model = ""  # the model the next denoising shall take, empty when nobody said
        self.hide_names = False

    def select(self, patient_id: str = "", study_uid: str = "", series_uid: str = "", phase: int | None = None) -> None:
        """Choose a patient, a visit, a series or a phase; nothing fires when it is chosen already."""
        new = Selection(patient_id, study_uid, series_uid, phase)
        if new != self.selection:
            self.selection = new
            self.selected.emit(new)

    def open_phase(self, selection: Selection) -> None:
        """Show a phase of a series in the views and select it."""
        whole = selection if selection.phase is not None else replace(selection, phase=0)
        self.open = whole
        self.select(whole.patient_id, whole.study_uid, whole.series_uid, whole.phase)
        self.opened.emit(whole)

    def choose_result(self, folder: Path) -> None:
        """Show a result in the module that knows its kind."""
        self.result = folder
        self.result_chosen.emit(folder)

    def show_module(self, module_id: str) -> None:
        """Ask the window to show a module."""
        self.module_wanted.emit(module_id)

    def catalogue_moved(self) -> None:
        """Say that the catalogue may hold something new."""
        self.catalogue_changed.emit()

    def set_hide_names(self, hidden: bool) -> None:
        """Show hashes in place of patient identifiers, or the identifiers again."""
        self.hide_names = hidden
        self.names_hidden.emit(hidden)

    def say(self, text: str) -> None:
        """A short text for the status bar."""
        self.said.emit(text)

    def to_record(self) -> dict[str, Any]:
        """What comes back after a restart; ``restore`` takes it."""
        return {"selection": asdict(self.selection), "open": asdict(self.open), "hide_names": self.hide_names}

    def restore(self, record: dict[str, Any]) -> None:
        """Bring back the selection of a record; what was open is not opened again by itself."""
        try:
            self.selection = Selection(**record.get("selection", {}))
            self.open = Selection(**record.get("open", {}))
        except TypeError:
            self.selection, self.open = Selection(), Selection()
        self.hide_names = bool(record.get("hide_names", False))
