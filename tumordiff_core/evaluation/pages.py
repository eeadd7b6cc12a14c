"""One self-contained HTML page for an evaluation: table, histograms, worst slices; no scripts, nothing fetched."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;color:#1A1F24;background:#F4F6F8}
table{border-collapse:collapse;background:#fff;font-variant-numeric:tabular-nums}
td,th{padding:.3rem .7rem;border-bottom:1px solid #C5CCD3;text-align:right}
td:first-child,th:first-child{text-align:left}
.note{color:#4B5560}.research{background:#8A5A00;color:#fff;padding:.3rem .8rem;display:inline-block}
figure{display:inline-block;margin:.5rem 1rem .5rem 0}figcaption{color:#4B5560;font-size:12px}
"""


def page(
    title: str, intro: str, lines: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], against: str,
    sections: Sequence[str] = (),
) -> str:  # fmt: skip
    """The report of ``evaluate denoise`` from its summary lines, per-slice rows and further sections of HTML."""
    parts = [f"<h1>{html.escape(title)}</h1>", '<p class="research">Research use only</p>']
    parts.append(f'<p class="note">{html.escape(intro)}</p>')
    for group in dict.fromkeys(_group(line) for line in lines):
        chosen = [line for line in lines if _group(line) == group]
        place, kind, level = group
        parts.append(f"<h2>{html.escape(place)}: {html.escape(kind)} noise, {100 * level:g} % of the maximum</h2>")
        parts.append(_table(chosen, against))
        for method in [line["method"] for line in chosen]:
            parts.append(_histograms(method, [r for r in rows if _group(r) == group and r["method"] == method]))
    body = "\n".join([*parts, *sections])
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>' + (
        f"<style>{STYLE}</style><body>{body}</body></html>"
    )


def section(title: str, note: str, rows: Sequence[dict[str, Any]], picture: str = "") -> str:
    """A heading, a sentence, a table with the keys of its rows as columns, and an inline picture below it."""
    out = [f'<h2>{html.escape(title)}</h2><p class="note">{html.escape(note)}</p>']
    if rows:
        head = "".join(f"<th>{html.escape(str(name).replace('_', ' '))}</th>" for name in rows[0])
        body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>" for row in rows)
        out.append(f"<table><tr>{head}</tr>{body}</table>")
    return "".join(out) + picture


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "-" if not np.isfinite(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(one) for one in value)
    return "-" if value is None else html.escape(str(value))


def _group(row: dict[str, Any]) -> tuple[str, str, float]:
    return str(row.get("set", "references")), str(row["kind"]), float(row["level"])


def _table(lines: Sequence[dict[str, Any]], against: str) -> str:
    head = [
        "method",
        "PSNR tissue dB",
        "95 %",
        "SSIM",
        "PSNR whole",
        f"over {against} dB",
        "better",
        "worse than input",
    ]
    out = ["<table><tr>" + "".join(f"<th>{html.escape(text)}</th>" for text in head) + "</tr>"]
    for line in lines:
        psnr, pair, worse = line["psnr_tissue"], line.get(f"over {against}"), line["worse_than_input"]
        gain = "-" if pair is None else "{mean:+.2f} [{low:+.2f}, {high:+.2f}]".format(**pair["difference"])
        better = "-" if pair is None else f"{pair['better']} of {pair['patients']}"
        cells = [
            html.escape(line["method"]), f"{psnr['mean']:.2f}", f"{psnr['low']:.2f} to {psnr['high']:.2f}",
            f"{line['ssim_tissue']['mean']:.3f}", f"{line['psnr_whole']['mean']:.2f}", gain, better,
            f"{worse['slices']} of {worse['of']}",
        ]  # fmt: skip
        out.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "".join(out) + "</table>"


def _histograms(method: str, rows: Sequence[dict[str, Any]]) -> str:
    figures = "".join(
        f"<figure>{histogram([r[score] for r in rows])}<figcaption>{html.escape(method)}: {title}</figcaption></figure>"
        for score, title in (("psnr_tissue", "PSNR tissue, dB"), ("ssim_tissue", "SSIM tissue"))
    )
    return f"<div>{figures}</div>"


def histogram(values: Sequence[float], *, bins: int = 12, width: int = 260, height: int = 70) -> str:
    """An inline SVG histogram with its range written below."""
    finite = np.array([v for v in values if np.isfinite(v)])
    if finite.size == 0:
        return "<svg/>"
    counts, edges = np.histogram(finite, bins=bins)
    step, most = width / bins, max(int(counts.max()), 1)
    bars = "".join(
        f'<rect x="{k * step:.1f}" y="{height * (1 - n / most):.1f}" width="{step - 1:.1f}" '
        f'height="{height * n / most:.1f}" fill="#1768AC"><title>{n}</title></rect>'
        for k, n in enumerate(counts)
    )
    labels = f'<text x="0" y="{height + 14}" font-size="11">{edges[0]:.3g}</text>' + (
        f'<text x="{width}" y="{height + 14}" font-size="11" text-anchor="end">{edges[-1]:.3g}</text>'
    )
    return f'<svg width="{width}" height="{height + 18}" role="img">{bars}{labels}</svg>'
