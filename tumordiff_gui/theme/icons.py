"""Vector icons in the colours of the theme, from ``resources/icons``; sharp at every scale."""

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from tumordiff_core import paths
from tumordiff_gui.theme import apply

UNKNOWN = "puzzle-outline"


@cache
def _source(name: str) -> str:
    file = paths.resources() / "icons" / f"{Path(name).name}.svg"
    if not file.is_file():
        file = paths.resources() / "icons" / f"{UNKNOWN}.svg"
    return file.read_text("utf-8")


@cache
def _renderer(name: str, colour: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))


class _Engine(QIconEngine):
    """Paints an icon in the current theme, so that a change of theme needs no new icons."""

    def __init__(self, name: str, role: str) -> None:
        super().__init__()
        self._name, self._role = name, role

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        changed = {QIcon.Mode.Disabled: "disabled", QIcon.Mode.Selected: "on_accent"}
        role = changed.get(mode, self._role)
        colour = role if role.startswith("#") else getattr(apply.current(), role)
        _renderer(self._name, colour).render(painter, QRectF(rect))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        made = QPixmap(size)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return made

    def clone(self) -> QIconEngine:
        return _Engine(self._name, self._role)


_alive: dict[tuple[str, str], QIcon] = {}


def icon(name: str, role: str = "text") -> QIcon:
    """An icon by its name (``"folder-open-outline"``) in the colour of a token role or ``#rrggbb``."""
    key = (name, role)
    if key not in _alive:
        _alive[key] = QIcon(_Engine(name, role))
    return _alive[key]


def paint(painter: QPainter, name: str, rect: QRectF, role: str = "text") -> None:
    """Paint an icon straight onto something."""
    colour = role if role.startswith("#") else getattr(apply.current(), role)
    _renderer(name, colour).render(painter, rect)
