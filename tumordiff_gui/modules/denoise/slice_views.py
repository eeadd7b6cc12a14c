"""The slice views of Denoise by name: putting a picture into one, and the slice that all of them show."""

from typing import Any

from tumordiff_gui.modules.denoise import arranging
from tumordiff_gui.state.slice_view import Picture, SliceView


class SliceViews(dict[str, SliceView]):
    """One view for each name in ``arranging.VIEWS``; pixels are interpolated where the reader wants it."""

    def __init__(self, *, interpolate: bool) -> None:
        super().__init__((name, SliceView(0)) for name in arranging.VIEWS)
        for name, view in self.items():
            view.interpolate = interpolate and name != "filter"

    @property
    def slice_index(self) -> int | None:
        """The slice that is shown."""
        return self["original"].slice_index

    def put(self, name: str, picture: Picture | None, **fields: Any) -> None:
        """Show a picture; the shared grey window stays with the original, maps begin in their own range."""
        view = self[name]
        first, grey = view.picture is None, view.grey.window
        view.show(picture)
        if picture is not None and first and name in arranging.GREY and name != "original":
            view.grey.set(*grey)
        view.set(**{"loading": "", "badges": (), "stale": False, **fields})
