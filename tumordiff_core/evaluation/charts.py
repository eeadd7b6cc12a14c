"""The small drawings of a report, as inline SVG, and the histograms as one PNG; no scripts, nothing fetched."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

BLUE, GREY, INK = "#1768AC", "#C5CCD3", "#1A1F24"
COLOURS = (BLUE, "#8A5A00", "#2E7D4F", "#8E3B8A", "#6B7680", "#B3403A", "#00808A", "#55606B")


def histogram(values: Sequence[float], *, bins: int = 12, width: int = 260, height: int = 70) -> str:
    """A histogram with its range written below."""
    finite = np.array([v for v in values if np.isfinite(v)])
    if finite.size == 0:
        return "<svg/>"
    counts, edges = np.histogram(finite, bins=bins)
    step, most = width / bins, max(int(counts.max()), 1)
    bars = "".join(
        f'<rect x="{k * step:.1f}" y="{height * (1 - n / most):.1f}" width="{step - 1:.1f}" '
        f'height="{height * n / most:.1f}" fill="{BLUE}"><title>{n}</title></rect>'
        for k, n in enumerate(counts)
    )
    labels = f'<text x="0" y="{height + 14}" font-size="11">{edges[0]:.3g}</text>' + (
        f'<text x="{width}" y="{height + 14}" font-size="11" text-anchor="end">{edges[-1]:.3g}</text>'
    )
    return f'<svg width="{width}" height="{height + 18}" role="img">{bars}{labels}</svg>'


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]], across: str, upwards: str, *, level: float | None = None,
    width: int = 420, height: int = 240,
) -> str:  # fmt: skip
    """Curves of points (x, y) by name, with their ranges, what the axes are, and a dashed line at ``level``."""
    points = [point for curve in curves.values() for point in curve if np.isfinite(point).all()]
    if not points:
        return "<svg/>"
    xs, ys = np.array(points).T
    low, high = min(0.0, ys.min()), max(ys.max(), level or 0.0) * 1.05 or 1.0
    span = max(xs.max() - xs.min(), 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        return 46 + (x - xs.min()) / span * (width - 60), 12 + (1 - (y - low) / (high - low)) * (height - 56)

    drawn = []
    if level is not None:
        y = place(0, level)[1]
        drawn.append(
            f'<line x1="46" x2="{width - 14}" y1="{y:.1f}" y2="{y:.1f}" stroke="{INK}" stroke-dasharray="4 4"/>'
        )
    for (name, curve), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        at = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in curve if np.isfinite(point).all())
        title = f"<title>{html.escape(name)}</title>"
        drawn.append(f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="1.5">{title}</polyline>')
    base, text = height - 28, 'font-size="11"'
    marks = (
        f'<text x="46" y="{base}" {text}>{xs.min():.3g}</text>'
        f'<text x="{width - 14}" y="{base}" {text} text-anchor="end">{xs.max():.3g}</text>'
        f'<text x="42" y="20" {text} text-anchor="end">{high:.3g}</text>'
        f'<text x="42" y="{height - 44}" {text} text-anchor="end">{low:.3g}</text>'
        f'<text x="{width / 2}" y="{height - 8}" {text} text-anchor="middle">'
        f"{html.escape(across)}; upwards: {html.escape(upwards)}</text>"
    )
    legend = "".join(
        f'<div style="font-size:12px;color:{colour}">{html.escape(name)}</div>'
        for name, colour in zip(curves, COLOURS * len(curves), strict=False)
    )
    return f'<svg width="{width}" height="{height}" role="img">{"".join(drawn)}{marks}</svg>{legend}'


def pairs(differences: Mapping[str, float], *, width: int = 260, height: int = 70) -> str:
    """One bar for each patient, smallest first: how much better (blue) or worse (grey) than the peer, with the ends."""
    values = sorted((value, name) for name, value in differences.items() if np.isfinite(value))
    if not values:
        return "<svg/>"
    low, high = min(values[0][0], 0.0), max(values[-1][0], 1e-9)
    zero, step = height * high / (high - low), width / len(values)
    bars = "".join(
        f'<rect x="{k * step:.1f}" y="{min(zero, zero - height * value / (high - low)):.1f}" width="{step - 1:.1f}" '
        f'height="{abs(height * value / (high - low)):.1f}" fill="{BLUE if value > 0 else GREY}">'
        f"<title>{html.escape(name)}: {value:+.2f} dB</title></rect>"
        for k, (value, name) in enumerate(values)
    )
    labels = f'<text x="0" y="{height + 14}" font-size="11">{values[0][0]:+.2f}</text>' + (
        f'<text x="{width}" y="{height + 14}" font-size="11" text-anchor="end">{values[-1][0]:+.2f}</text>'
    )
    return f'<svg width="{width}" height="{height + 18}" role="img">{bars}{labels}</svg>'


def histograms_png(place: Path, panels: Mapping[str, Sequence[float]], *, columns: int = 3, bins: int = 12) -> None:
    """Histograms side by side in one picture, each with its name and range."""
    wide, tall, margin = 320, 130, 18
    rows = -(-max(len(panels), 1) // columns)
    picture = Image.new("RGB", (columns * wide, rows * tall), "white")
    draw = ImageDraw.Draw(picture)
    for k, (name, values) in enumerate(panels.items()):
        left, top = margin + wide * (k % columns), margin + tall * (k // columns)
        finite = np.array([v for v in values if np.isfinite(v)])
        draw.text((left, top - 14), name[:52], fill=INK)
        if not finite.size:
            continue
        counts, edges = np.histogram(finite, bins=bins)
        step, deep = (wide - 2 * margin) / bins, tall - 2 * margin - 16
        for i, count in enumerate(counts):
            high = deep * count / counts.max()
            draw.rectangle((left + i * step, top + deep - high, left + (i + 1) * step - 2, top + deep), fill=BLUE)
        draw.text((left, top + deep + 2), f"{edges[0]:.3g} to {edges[-1]:.3g}", fill=INK)
    picture.save(place)
