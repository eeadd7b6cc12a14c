"""The errors the core raises on purpose: each carries a code of ``sentences.py`` and its facts."""

from pathlib import Path
from typing import Any

from tumordiff_core.sentences import SENTENCES


class TumorDiffError(Exception):
    """Something the reader can act on.

    Parameters
    ----------
    code : key of ``sentences.SENTENCES``
    path : the file or folder concerned, kept apart from the sentence so that logs can shorten it
    fields : the facts that the template names
    """

    exit_code = 1

    def __init__(self, code: str, path: Path | str | None = None, **fields: Any) -> None:
        self.code = code
        self.path = None if path is None else Path(path)
        self.fields = fields
        super().__init__(code)

    @property
    def sentence(self) -> str:
        """What arrived, what was expected, what to do."""
        return SENTENCES[self.code].text(self.fields)

    def __str__(self) -> str:
        return self.sentence


class InputError(TumorDiffError):
    """Not readable, incomplete or of the wrong kind."""


class GeometryError(InputError):
    """Positions, orientations or grids that do not fit."""


class UnsupportedError(TumorDiffError):
    """Understood and refused: a derived map, a mask, outside the trained range."""


class MissingError(TumorDiffError):
    """A file, a disk or a record is gone."""


class SpaceError(TumorDiffError):
    """Not enough room on a disk."""


class ModelError(TumorDiffError):
    """A model that is not one, or does not fit."""


class CatalogueError(TumorDiffError):
    """The catalogue cannot be opened, or an edit was overtaken."""


class PluginError(TumorDiffError):
    """A plugin is missing, broken or returned something unusable."""


class SettingsError(TumorDiffError):
    """A setting has an impossible value."""


class UsageError(TumorDiffError):
    """The verb was called in a way it does not understand."""

    exit_code = 2


class NotBuilt(TumorDiffError):
    """A verb whose work comes with a later version."""

    exit_code = 2


class Stopped(Exception):
    """Somebody asked the work to stop; not an error.

    Parameters
    ----------
    resumable : whether a checkpoint lets the work go on later
    """

    def __init__(self, *, resumable: bool = False) -> None:
        self.resumable = resumable
        super().__init__("stopped")
