"""The four arrangements of Denoise as layouts: compare, both networks, step by step, one pixel explained."""

from functools import cache

from tumordiff_gui.modules.denoise import strings
from tumordiff_gui.state.layout import Cell, Layout, Link

GREY = ("original", "truth", "denoised", "ours", "paper", "step_ours", "step_paper")
VIEWS = (*GREY, "residual", "spread", "ours_residual", "paper_residual", "filter")
ALONE = frozenset({"filter"})
"""Views on a grid of their own: nothing of them moves with the others."""
EMPTY = Layout("denoise-empty", strings.NOTHING_OPEN, (Cell("empty"),))


@cache
def compare(*, truth: bool, spread: bool) -> Layout:
    """Original, denoised, residual, doubt and figures; the truth where it is known."""
    doubt = "spread" if spread else "no_spread"
    cells = [
        Cell("original", 0, 0), Cell("denoised", 0, 1), Cell("residual", 1, 0), Cell(doubt, 1, 1),
        Cell("figures", 1, 2) if truth else Cell("figures", 0, 2, rows=2),
    ]  # fmt: skip
    if truth:
        cells.append(Cell("truth", 0, 2))
    return _linked("denoise-compare", strings.COMPARE, cells, columns=(1, 1, 1) if truth else (4, 4, 3))


@cache
def models(*, truth: bool) -> Layout:
    """Our network and the seed paper's on one slice, and what each takes away."""
    cells = [
        Cell("original", 0, 0) if truth else Cell("original", 0, 0, rows=2), Cell("ours", 0, 1), Cell("paper", 0, 2),
        Cell("ours_residual", 1, 1), Cell("paper_residual", 1, 2),
    ]  # fmt: skip
    if truth:
        cells.append(Cell("truth", 1, 0))
    return _linked("denoise-models", strings.MODELS, cells)


@cache
def steps() -> Layout:
    """One step of both chains beside the original, and the sliders under them."""
    cells = [
        Cell("original", 0, 0), Cell("step_ours", 0, 1), Cell("step_paper", 0, 2), Cell("strip", 1, 0, columns=3),
    ]  # fmt: skip
    return _linked("denoise-steps", strings.STEPS, cells, rows=(5, 2))


@cache
def explain() -> Layout:
    """The pixel that was clicked, the filter that made it, and what both mean under them."""
    cells = [
        Cell("original", 0, 0), Cell("denoised", 0, 1), Cell("filter", 0, 2), Cell("explained", 1, 0, columns=3),
    ]  # fmt: skip
    return _linked("denoise-explain", strings.EXPLAIN, cells, rows=(7, 4))


def _linked(
    name: str, title: str, cells: list[Cell], *, rows: tuple[int, ...] = (), columns: tuple[int, ...] = ()
) -> Layout:
    shown = tuple(cell.name for cell in cells if cell.name in VIEWS and cell.name not in ALONE)
    grey = tuple(view for view in shown if view in GREY)
    residuals = tuple(view for view in shown if view.endswith("residual"))
    links = [Link(shown, ("place", "zoom")), Link(grey, ("grey",))]
    if len(residuals) > 1:
        links.append(Link(residuals, ("grey",)))
    return Layout(name, title, tuple(cells), tuple(links), rows, columns)
