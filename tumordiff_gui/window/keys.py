"""Turns keys into actions: window keys everywhere, view keys for the view under the pointer; text fields go first."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QCursor, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QTextEdit, QWidget
from shiboken6 import isValid

from tumordiff_gui.actions import Actions
from tumordiff_gui.views.grid import Grid
from tumordiff_gui.views.slice_view import SliceWidget

_SHIFTED_DIGITS = dict(zip("!@#$%^&*(", "123456789", strict=True))
_MOVING = frozenset({"Left", "Right", "Up", "Down", "Home", "End", "PgUp", "PgDown"})
_TEXT = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox)
_MODIFIER_KEYS = {Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr}


def key_text(event: QKeyEvent) -> str:
    """The portable text of a key event: symbols without their Shift, Shift+digit whatever the layout prints."""
    modifiers, text = event.modifiers(), event.text()
    shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
    plain = not modifiers & (
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
    )
    if plain and shift and text in _SHIFTED_DIGITS:
        return f"Shift+{_SHIFTED_DIGITS[text]}"
    if plain and len(text) == 1 and text.isprintable() and not text.isalnum() and text != " ":
        return text
    combination = QKeySequence(event.keyCombination()).toString(QKeySequence.SequenceFormat.PortableText)
    return combination.replace("Num+", "").replace("Enter", "Return")


class Keys(QObject):
    """Filters the keys of one window, on the widget that has the focus: a filter on every event would cost each one."""

    def __init__(self, window: QWidget, grid: Grid, actions: Actions) -> None:
        super().__init__(window)
        self._window, self._grid, self._actions = window, grid, actions
        self._window_keys = actions.by_key("window")
        self._view_keys = actions.by_key("view")
        self._held: dict[int, str] = {}
        self._watched: QWidget | None = None
        window.installEventFilter(self)
        self._app = QApplication.instance()
        assert isinstance(self._app, QApplication)
        self._app.focusChanged.connect(self._focus_moved)
        self._focus_moved(None, QApplication.focusWidget())

    def _focus_moved(self, _before: QWidget | None, now: QWidget | None) -> None:
        if self._watched is not None and isValid(self._watched):
            self._watched.removeEventFilter(self)
        inside = now is not None and now is not self._window and now.window() is self._window
        self._watched = now if inside else None
        if self._watched is not None:
            self._watched.installEventFilter(self)

    def close(self) -> None:
        """Stop filtering."""
        self._app.focusChanged.disconnect(self._focus_moved)
        self._focus_moved(None, None)
        self._window.removeEventFilter(self)

    def refresh(self) -> None:
        """Read the table again after rows or keys changed."""
        self._window_keys, self._view_keys = self._actions.by_key("window"), self._actions.by_key("view")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease, QEvent.Type.ShortcutOverride):
            return False
        if not isinstance(event, QKeyEvent) or not isinstance(watched, QWidget) or watched.window() is not self._window:
            return False
        if kind == QEvent.Type.KeyRelease:
            return self._released(event)
        action = self._action_for(event, watched)
        if action is None or not self._actions.can(action):
            return False
        event.accept()
        if kind == QEvent.Type.KeyPress:
            if event.isAutoRepeat() and action in self._held.values():
                return True
            self._held[event.key()] = action
            self._actions.trigger(action)
        return True

    def _released(self, event: QKeyEvent) -> bool:
        if event.isAutoRepeat():
            return False
        action = self._held.pop(event.key(), None)
        if action is not None:
            self._actions.release(action)
        return action is not None

    def _action_for(self, event: QKeyEvent, watched: QWidget) -> str | None:
        if event.key() in _MODIFIER_KEYS:
            return None
        text = key_text(event)
        typing = isinstance(watched, _TEXT) or (isinstance(watched, QComboBox) and watched.isEditable())
        with_modifier = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        if typing and not with_modifier and not text.startswith("F1"):
            return None
        if typing and text in {"Ctrl+Z", "Ctrl+Shift+Z", "Ctrl+Y"}:
            return None
        if text in self._window_keys:
            return self._window_keys[text]
        if text in _MOVING and self._moves_itself(watched):
            return None
        if text in self._view_keys and self._views_meant(watched):
            return self._view_keys[text]
        return None

    def _moves_itself(self, watched: QWidget) -> bool:
        """Whether the focus is on a slider or chart of the picture area, which arrows move."""
        inside = watched is not self._grid and self._grid.isAncestorOf(watched)
        return inside and not isinstance(watched, SliceWidget) and watched.focusPolicy() != Qt.FocusPolicy.NoFocus

    def _views_meant(self, watched: QWidget) -> bool:
        """Whether a view key is meant: the pointer or the focus is in the picture area."""
        inside = self._grid.rect().contains(self._grid.mapFromGlobal(QCursor.pos()))
        return (inside and self._grid.isVisible()) or watched is self._grid or self._grid.isAncestorOf(watched)
