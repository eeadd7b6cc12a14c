"""A layout is data: cells on a grid and what moves together; drawing it is the grid's work."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tumordiff_core import files, paths
from tumordiff_core.errors import InputError

FORMAT = 1
Moving = Literal["place", "grey", "zoom"]


@dataclass(frozen=True)
class Cell:
    """One rectangle of the picture area.

    Parameters
    ----------
    name : what ``views.show`` finds the cell's content by
    row, column, rows, columns : where it stands and how far it reaches
    axis : for a slice cell the array axis that is scrolled: 0 native, 1 and 2 across
    role : what a hanging protocol puts here, for example ``"phase:1"``; empty: the module decides
    """

    name: str
    row: int = 0
    column: int = 0
    rows: int = 1
    columns: int = 1
    axis: int = 0
    role: str = ""


@dataclass(frozen=True)
class Link:
    """Cells that share a position (mm), a grey window or a zoom."""

    cells: tuple[str, ...]
    what: tuple[Moving, ...] = ("place", "grey", "zoom")


@dataclass(frozen=True)
class Layout:
    """Cells, links, and how rows and columns share the room (stretch factors, 1 where not given)."""

    name: str
    title: str
    cells: tuple[Cell, ...]
    links: tuple[Link, ...] = ()
    row_stretch: tuple[int, ...] = ()
    column_stretch: tuple[int, ...] = ()
    match: dict[str, Any] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """A JSON-ready record; ``layout_from_record`` is its inverse."""
        return asdict(self)

    def cell(self, name: str) -> Cell:
        """The cell of a name; raises KeyError."""
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise KeyError(name)


def layout_from_record(record: dict[str, Any]) -> Layout:
    """The layout of a record; raises TypeError or KeyError for one that is none."""
    return Layout(
        name=str(record["name"]),
        title=str(record["title"]),
        cells=tuple(Cell(**cell) for cell in record["cells"]),
        links=tuple(Link(tuple(link["cells"]), tuple(link["what"])) for link in record.get("links", ())),
        row_stretch=tuple(record.get("row_stretch", ())),
        column_stretch=tuple(record.get("column_stretch", ())),
        match=dict(record.get("match", {})),
    )


def load(name: str) -> Layout:
    """A layout by name: the user's own in the configuration, else ours.

    Raises MissingError("files.missing") or InputError("files.not_json").
    """
    own = paths.config() / "layouts" / f"{name}.json"
    file = own if own.is_file() else paths.resources() / "layouts" / f"{name}.json"
    try:
        return layout_from_record(files.read_json(file, newest_format=FORMAT))
    except (KeyError, TypeError) as error:
        raise InputError("files.not_json", file, name=file.name) from error


def save(layout: Layout) -> None:
    """Keep a layout as the user's own."""
    files.write_json(paths.config() / "layouts" / f"{layout.name}.json", {"format": FORMAT, **layout.to_record()})


def row_of(names: tuple[str, ...], *, name: str = "row", title: str = "", linked: bool = True) -> Layout:
    """Cells side by side, all linked unless told otherwise."""
    cells = tuple(Cell(cell, 0, column) for column, cell in enumerate(names))
    return Layout(name, title or name, cells, (Link(names),) if linked and len(names) > 1 else ())


def grid_of(
    names: tuple[str, ...], columns: int, *, name: str = "grid", title: str = "", linked: bool = True
) -> Layout:
    """Cells row by row, ``columns`` wide."""
    cells = tuple(Cell(cell, index // columns, index % columns) for index, cell in enumerate(names))
    return Layout(name, title or name, cells, (Link(names),) if linked and len(names) > 1 else ())
