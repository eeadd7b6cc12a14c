"""The places on disk where the program keeps things, and its shipped resources; the only file that knows them."""

import os
from pathlib import Path

import platformdirs

APP = "TumorDiff"
DEMO = "demo"


def home() -> Path | None:
    """The one folder that ``TUMORDIFF_HOME`` names, or ``None`` for the platform's places."""
    named = os.environ.get("TUMORDIFF_HOME", "")
    return Path(named).expanduser().absolute() if named else None


def _place(kind: str) -> Path:
    base = home()
    if base is not None:
        return base / kind
    return Path(getattr(platformdirs, f"user_{kind}_dir")(APP, appauthor=False))


def config() -> Path:
    """Settings, keys and the user's layouts."""
    return _place("config")


def data() -> Path:
    """Catalogue, backups, edits, jobs, models."""
    return _place("data")


def cache() -> Path:
    """Volumes and thumbnails; always safe to delete."""
    return _place("cache")


def state() -> Path:
    """Window and desk as they were left."""
    return _place("state")


def logs() -> Path:
    """Log files."""
    return _place("log") if home() is None else _place("logs")


def catalogue_file() -> Path:
    """The catalogue database."""
    return data() / "catalogue.sqlite"


def jobs() -> Path:
    """The default folder of all job folders (``settings.jobs.folder`` may name another)."""
    return data() / "jobs"


def models() -> Path:
    """The user's own model folders."""
    return data() / "models"


def demo() -> Path:
    """The demo's own home, never mixed with the user's catalogue; inside that home it is the home itself."""
    here = home()
    return here if here is not None and here.name == DEMO else data() / DEMO


def volumes() -> Path:
    """The mapped volume cache."""
    return cache() / "volumes"


def thumbnails() -> Path:
    """Small pictures of series and phases."""
    return cache() / "thumbnails"


def resources() -> Path:
    """Shipped models, icons, layouts: inside an installed wheel, else beside the packages of a checkout."""
    inside = Path(__file__).parent / "_resources"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "resources"
