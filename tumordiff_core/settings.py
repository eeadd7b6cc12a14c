"""The one settings record: title, unit, range and one sentence of help for each; knows nothing of who uses them.

Order: option of a call > ``TUMORDIFF_<GROUP>_<NAME>`` > settings file > default. The file holds only what differs.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumordiff_core import files, paths
from tumordiff_core.errors import SettingsError, TumorDiffError

FORMAT = 1


class _Group(BaseModel):
    model_config = ConfigDict(extra="allow", validate_assignment=True)


class General(_Group):
    """Language, look and first start."""

    theme: Literal["dark", "light", "system"] = Field("dark", title="Theme", description="Colours of the window.")
    accepted_version: str = Field(
        "", title="Research use accepted", description="The version whose research-use notice was accepted."
    )


class View(_Group):
    """How pictures are shown."""

    interpolate: bool = Field(False, title="Interpolate", description="Smooth pixels when a slice is enlarged.")
    keys: Literal["radiology", "slicer", "itk-snap"] = Field(
        "radiology", title="Keys", description="Which program's keys the views follow; takes effect at the next start."
    )
    hide_names: bool = Field(False, title="Hide names", description="Show hashes instead of patient identifiers.")


class Study(_Group):
    """How studies are understood."""

    sagittal_anterior_left: bool = Field(
        True, title="Anterior on the left", description="Show sagittal slices with anterior on the left of the screen."
    )


class Jobs(_Group):
    """Background work."""

    folder: str = Field("", title="Job folder", description="Where jobs lie; empty: TumorDiff's own data folder.")
    heavy: int = Field(1, ge=1, le=16, title="Heavy jobs at once", description="How many heavy jobs run together.")
    light: int = Field(2, ge=1, le=32, title="Light jobs at once", description="How many light jobs run together.")
    keep_days: int = Field(
        0,
        ge=0,
        le=3650,
        title="Keep jobs (days)",
        description="Days after which ended jobs and their results are deleted; 0: never.",
    )
    cluster: str = Field(
        "", title="Cluster", description="Address of a Dask scheduler that preprocesses, for example tcp://host:8786."
    )


class Cache(_Group):
    """The volume cache."""

    budget_gb: float = Field(
        20.0, gt=0, le=10_000, title="Budget (GB)", description="Largest size of the volume cache."
    )
    largest_series_gb: float = Field(
        2.0, gt=0, le=1000, title="Largest series (GB)", description="Series that declare more are not opened."
    )


class Network(_Group):
    """Archives."""


class Privacy(_Group):
    """What leaves the program."""


class Plugins(_Group):
    """Plugins."""

    disabled: tuple[str, ...] = Field((), title="Disabled plugins", description="Names of plugins that are not loaded.")


class Settings(_Group):
    """All groups."""

    general: General = Field(default_factory=General)
    view: View = Field(default_factory=View)
    study: Study = Field(default_factory=Study)
    jobs: Jobs = Field(default_factory=Jobs)
    cache: Cache = Field(default_factory=Cache)
    network: Network = Field(default_factory=Network)
    privacy: Privacy = Field(default_factory=Privacy)
    plugins: Plugins = Field(default_factory=Plugins)


def file() -> Path:
    """Where the settings lie."""
    return paths.config() / "settings.json"


def _from_environment(values: dict[str, Any]) -> dict[str, Any]:
    for group, field in Settings.model_fields.items():
        record = field.annotation
        assert record is not None
        for name in getattr(record, "model_fields", {}):
            given = os.environ.get(f"TUMORDIFF_{group}_{name}".upper())
            if given is not None:
                values.setdefault(group, {})[name] = given.split(",") if name == "disabled" else given
    return values


def read() -> tuple[Settings, str | None]:
    """The settings and, when the file was broken, the sentence that says so (the file is then renamed aside)."""
    place, trouble = file(), None
    values: dict[str, Any] = {}
    if place.exists():
        try:
            values = files.read_json(place, newest_format=FORMAT)
            Settings.model_validate(values)
        except (TumorDiffError, ValidationError):
            aside = place.with_name("settings.broken.json")
            place.replace(aside)
            trouble, values = SettingsError("settings.broken", place, kept_as=aside.name).sentence, {}
    values.pop("format", None)
    try:
        return Settings.model_validate(_from_environment(values)), trouble
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError("settings.bad_value", name=name, value=first["input"], expected=first["msg"]) from error


@cache
def load() -> Settings:
    """The settings of this process, read once; ``reload`` reads them again."""
    return read()[0]


def reload() -> Settings:
    """Forget what was read and read again."""
    load.cache_clear()
    return load()


def save(settings: Settings) -> None:
    """Write what differs from the defaults, keeping keys of other versions."""
    record = settings.model_dump(mode="json", exclude_defaults=True)
    files.write_json(file(), {"format": FORMAT, **record})
    load.cache_clear()
