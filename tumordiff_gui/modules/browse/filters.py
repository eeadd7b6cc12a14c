"""The filter bar: subtype, pCR, vendor, missing visit, result; each is a word of the catalogue's own search."""

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QActionGroup, QFontMetrics
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout

from tumordiff_gui.modules.browse import strings
from tumordiff_gui.theme import apply, icons

NO_RESULT = "without result"
SORTS = tuple(strings.SORTS)
ROOM = 14


@dataclass(frozen=True)
class Choice:
    """One line of a filter's menu: its text, and the words it adds to the search (none: no filter)."""

    title: str
    words: str = ""


def choices(subtypes: Iterable[str] = ()) -> dict[str, tuple[Choice, ...]]:
    """The menus by filter; the first line of each takes the filter away."""
    found = {
        "subtype": [Choice(name, f'subtype:"{name}"') for name in sorted(set(subtypes))],
        "pcr": [Choice(title, words) for title, words in strings.PCR_CHOICES],
        "vendor": [Choice(name, f"vendor:{name.lower()}") for name in strings.VENDORS],
        "missing": [
            Choice(strings.MISSING_ANY, "missing:"),
            *(Choice(label, f"missing:{label}") for label in ("T1", "T2", "T3", "T4")),
        ],
        "result": [
            *(Choice(title, words) for title, words in strings.RESULT_CHOICES),
            Choice(strings.RESULT_NONE, NO_RESULT),
        ],
    }
    return {name: (Choice(strings.FILTER_OFF), *lines) for name, lines in found.items()}


class Filters(QFrame):
    """Five buttons with menus, what is chosen below them, and the order of the list.

    Signals
    -------
    changed : a filter or the order changed; ask ``words``, ``without_result`` and ``order``
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._chosen: dict[str, Choice] = {}
        self._subtypes: tuple[str, ...] = ()
        self.order = SORTS[0]
        self.buttons: dict[str, QToolButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(3)
        for name, title in strings.FILTERS.items():
            row.addWidget(self._button(name, title))
        row.addStretch(1)
        self._sort_button()
        column.addLayout(row)
        self.line = QFrame()
        told = QHBoxLayout(self.line)
        told.setContentsMargins(2, 0, 0, 0)
        self.text = QLabel(wordWrap=True)
        self.text.setProperty("role", "secondary")
        self.clear_button = QToolButton()
        self.clear_button.setText(strings.FILTERS_CLEAR)
        self.clear_button.clicked.connect(self.clear)
        told.addWidget(self.text, 1)
        told.addWidget(self.clear_button)
        column.addWidget(self.line)
        self.line.hide()
        self.set_subtypes(())
        self._fill("subtype")

    def _button(self, name: str, title: str) -> QToolButton:
        button = self.buttons[name] = QToolButton()
        button.setText(title)
        button.setCheckable(True)
        button.setProperty("role", "filter")
        button.setFont(apply.font(12))
        button.setMinimumWidth(QFontMetrics(button.font()).horizontalAdvance(title) + ROOM)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(strings.FILTER_NAME.format(name=title))
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(QMenu(button))
        self._fill(name)
        return button

    def _fill(self, name: str) -> None:
        menu = self.buttons[name].menu()
        menu.clear()
        group = QActionGroup(menu)
        for choice in choices(self._subtypes)[name]:
            entry = menu.addAction(choice.title, lambda c=choice: self.choose(name, c))
            entry.setCheckable(True)
            entry.setChecked(choice == self._chosen.get(name, Choice(strings.FILTER_OFF)))
            group.addAction(entry)

    def _sort_button(self) -> None:
        """The button that orders the list; the panel puts it beside the search."""
        self.sort = QToolButton()
        self.sort.setIcon(icons.icon("tune-variant", "secondary"))
        self.sort.setToolTip(strings.SORT)
        self.sort.setAccessibleName(strings.SORT)
        self.sort.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.sort.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.sort)
        group = QActionGroup(menu)
        for name, title in strings.SORTS.items():
            entry = menu.addAction(title, lambda n=name: self.sort_by(n))
            entry.setCheckable(True)
            entry.setChecked(name == self.order)
            group.addAction(entry)
        self.sort.setMenu(menu)

    # choosing

    def choose(self, name: str, choice: Choice) -> None:
        """Set one filter; a choice without words takes it away."""
        if choice.words:
            self._chosen[name] = choice
        else:
            self._chosen.pop(name, None)
        self._tell()
        self.changed.emit()

    def choose_words(self, name: str, words: str) -> None:
        """Set one filter by its search words; raises StopIteration for words that its menu does not have."""
        self.choose(name, next(c for c in choices(self._subtypes)[name] if c.words == words))

    def clear(self) -> None:
        """Take all filters away."""
        self._chosen.clear()
        self._tell()
        self.changed.emit()

    def sort_by(self, order: str) -> None:
        """List the patients in another order (key of ``strings.SORTS``)."""
        self.order = order
        self.changed.emit()

    def set_subtypes(self, names: Iterable[str]) -> None:
        """The subtypes that the clinical records hold now."""
        found = tuple(sorted(set(names)))
        if found != self._subtypes:
            self._subtypes = found
            self._fill("subtype")

    def _tell(self) -> None:
        for name, button in self.buttons.items():
            button.setChecked(name in self._chosen)
            self._fill(name)
        lines = [f"{strings.FILTERS[name]}: {choice.title}" for name, choice in self._chosen.items()]
        self.text.setText("   ".join(lines))
        self.line.setVisible(bool(lines))

    # asking

    @property
    def words(self) -> str:
        """What the filters add to the search."""
        return " ".join(choice.words for choice in self._chosen.values() if choice.words != NO_RESULT)

    @property
    def without_result(self) -> bool:
        """Whether only patients without any result are wanted; the search has no word for what is not there."""
        return any(choice.words == NO_RESULT for choice in self._chosen.values())
