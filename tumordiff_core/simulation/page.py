"""The demo's one page: pictures, figures against the known truth and tumour volumes over the visits, as HTML.

It is given numbers and arrays and knows no job, model or catalogue; nothing in the page is fetched from anywhere.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tumordiff_core.imaging import thumbnails

Grey = npt.NDArray[np.uint8]

ENLARGED = 3
STYLE = """
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1A1F24;
background:#F4F6F8}
h1{font-size:20px;margin:0 0 .2rem}h2{font-size:15px;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;background:#fff;font-variant-numeric:tabular-nums}
td,th{padding:.3rem .8rem;border-bottom:1px solid #C5CCD3;text-align:right}
td:first-child,th:first-child{text-align:left}
.note{color:#4B5560;max-width:60rem}
.research{background:#8A5A00;color:#fff;padding:.2rem .7rem;font-weight:600}
.synthetic{background:#7B3FB5;color:#fff;padding:.2rem .7rem;font-weight:600;margin-left:.4rem}
.row{display:flex;gap:10px;flex-wrap:wrap}
figure{margin:0;position:relative;background:#000}figure img{display:block;width:16.5rem}
figure b{position:absolute;right:6px;top:4px;color:#C58AF0;font-size:11px}
figcaption{background:#F4F6F8;color:#4B5560;font-size:12px;padding:.25rem 0}
"""


@dataclass(frozen=True)
class Shown:
    """One picture of the page: its file name (without ending), its caption and its grey levels [row, column]."""

    name: str
    caption: str
    grey: Grey


def grey_of(
    values: npt.NDArray[Any], limits: tuple[float, float], outline: npt.NDArray[np.bool_] | None = None
) -> Grey:
    """One slice [row, column] as enlarged grey levels between two values, with the edge of a mask in white."""
    low, high = limits
    scaled = np.clip((np.asarray(values, dtype=np.float32) - low) * (255 / max(high - low, 1e-9)), 0, 255)
    large = ndimage.zoom(scaled, ENLARGED, order=1, grid_mode=True, mode="nearest").astype(np.uint8)
    if outline is not None:
        wide = np.kron(outline, np.ones((ENLARGED, ENLARGED), dtype=bool))
        large[wide & ~ndimage.binary_erosion(wide)] = 255
    return np.ascontiguousarray(large)


def page(
    title: str, intro: str, pictures: Sequence[tuple[str, Sequence[Shown]]], figures: Sequence[tuple[str, str]],
    table: Sequence[Mapping[str, Any]], volumes: Mapping[str, Sequence[tuple[float, float]]],
) -> str:  # fmt: skip
    """The whole page.

    Parameters
    ----------
    pictures : rows of pictures with their headings
    figures : (name, value) as printed
    table : one record per line, the keys are its headings
    volumes : tumour volume curves by name, points (day, cc)
    """
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        '<p><span class="research">Research use only</span><span class="synthetic">SYNTHETIC</span></p>',
        f'<p class="note">{html.escape(intro)}</p>',
    ]
    for heading, row in pictures:
        parts.append(f'<h2>{html.escape(heading)}</h2><div class="row">{"".join(map(_figure, row))}</div>')
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in figures)
    parts.append(f"<h2>Measured against the known truth</h2><table>{rows}</table>")
    parts.append(f"<h2>Tumour volume over the visits</h2>{curves(volumes)}{_table(table)}")
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><body>{body}</body></html>"
    )


def _figure(shown: Shown) -> str:
    coded = base64.b64encode(thumbnails.png(shown.grey)).decode("ascii")
    caption = html.escape(shown.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{coded}"><b>SYNTHETIC</b>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in rows[0])
    lines = ("".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) for row in rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


COLOURS = ("#1768AC", "#B3261E", "#1E7A45", "#8A5A00", "#7B3FB5", "#4B5560")
DASHES = ("", "5 3", "2 3")
WIDTH, HEIGHT, LEFT, BOTTOM = 560.0, 190.0, 44.0, 24.0


def curves(lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Tumour volume (cc) against days as an inline drawing; each curve is named at its end."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    days, most = max(max(day for day, _ in points), 1.0), max(max(cc for _, cc in points), 1e-6)
    wide, tall = WIDTH - LEFT - 150, HEIGHT - BOTTOM - 14

    def at(day: float, cc: float) -> tuple[float, float]:
        return LEFT + wide * day / days, 14 + tall * (1 - cc / most)

    parts = [
        f'<line x1="{LEFT}" y1="{14 + tall}" x2="{LEFT + wide}" y2="{14 + tall}" stroke="#6B7681"/>',
        f'<text x="{LEFT - 6}" y="18" text-anchor="end">{most:.3g} cc</text>',
        f'<text x="{LEFT - 6}" y="{14 + tall}" text-anchor="end">0</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 6}">day 0</text>',
        f'<text x="{LEFT + wide}" y="{HEIGHT - 6}" text-anchor="end">day {days:.0f}</text>',
    ]
    ends: list[float] = []
    for number, (name, line) in enumerate(lines.items()):
        colour, dash = COLOURS[number // 2 % len(COLOURS)], DASHES[number % 2]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        below = at(*line[-1])[1] + 4
        while any(abs(below - taken) < 13 for taken in ends):
            below += 13 if below < HEIGHT / 2 else -13
        ends.append(below)
        parts.append(f'<text x="{LEFT + wide + 6}" y="{below:.1f}" fill="{colour}">{html.escape(name)}</text>')
    return f'<svg width="{WIDTH}" height="{HEIGHT}" font-size="12" role="img">{"".join(parts)}</svg>'
