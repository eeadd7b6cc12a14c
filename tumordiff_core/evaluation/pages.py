"""One self-contained HTML page for an evaluation: tables, drawings, worst slices; no scripts, nothing fetched."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from tumordiff_core.evaluation import baselines, charts, metrics
from tumordiff_core.evaluation.denoise import RESIDUAL

WORST, GAIN = 5, "gain over input dB"
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
        here = [r for r in rows if _group(r) == group]
        names = [line["method"] for line in chosen]
        models = [name for name in names if name not in baselines.KNOWN]
        parts.extend(_histograms(method, [r for r in here if r["method"] == method]) for method in names)
        parts.append("<div>" + "".join(_pairs(name, here, against) for name in models if name != against) + "</div>")
        parts.append(_spectra(here, [name for name in names if name != "identity"]))
        parts.append(_worst(here, models or names[1:]))
    body = "\n".join([*parts, *sections])
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>' + (
        f"<style>{STYLE}</style><body>{body}</body></html>"
    )


def section(title: str, note: str, rows: Sequence[dict[str, Any]], picture: str = "") -> str:
    """A heading, a sentence, a table with the keys of its rows as columns, and an inline picture below it."""
    heading = f"<h2>{html.escape(title)}</h2>" if title else ""
    out = [f'{heading}<p class="note">{html.escape(note)}</p>']
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
        "method", "PSNR tissue dB", "95 %", "SSIM", "PSNR whole", "SSIM whole", "PSNR lesion", f"over {against} dB",
        "better", "p (Wilcoxon, patients)", "worse than input, simulated noise", "bias tissue, air %", "skin line px",
        "wider by %", "s", "grew by MB",
    ]  # fmt: skip
    out = ["<table><tr>" + "".join(f"<th>{html.escape(text)}</th>" for text in head) + "</tr>"]
    for line in lines:
        psnr, pair, worse = line["psnr_tissue"], line.get(f"over {against}"), line["worse_than_input"]
        gain = "-" if pair is None else "{mean:+.2f} [{low:+.2f}, {high:+.2f}]".format(**pair["difference"])
        better = "-" if pair is None else f"{pair['better']} of {pair['patients']}"
        cells = [
            html.escape(line["method"]), _mean(line, "psnr_tissue", ".2f"),
            f"{psnr['low']:.2f} to {psnr['high']:.2f}" if psnr else "-",
            _mean(line, "ssim_tissue", ".3f"), _mean(line, "psnr_whole", ".2f"), _mean(line, "ssim_whole", ".3f"),
            _mean(line, "psnr_lesion", ".2f"), gain, better,
            "-" if pair is None or pair["p_value"] is None else f"{pair['p_value']:.2g}", worse_words(worse),
            f"{_mean(line, 'bias_tissue', '+.2%')}, {_mean(line, 'bias_air', '+.2%')}".replace("%", ""),
            _mean(line, "skin_px", ".2f"), _mean(line, "skin_percent", "+.0f"),
            f"{line['seconds']:.2g}", f"{line['grew_mb']:.0f}",
        ]  # fmt: skip
        out.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "".join(out) + "</table>"


def worse_words(worse: dict[str, Any]) -> str:
    """How many slices of whom came out worse, and what rate that still allows; of what ``worse_slices`` counted."""
    people = f"{worse['patients']} patient{'' if worse['patients'] == 1 else 's'}"
    bound = 100 * worse["upper_bound_95"]
    return f"{worse['slices']} of {worse['of']} slices of {people}, 95 % upper bound {bound:.0f} %"


def _mean(line: dict[str, Any], score: str, form: str) -> str:
    found = line.get(score)
    return "-" if not found else format(found["mean"], form)


def _pairs(method: str, rows: Sequence[dict[str, Any]], against: str) -> str:
    """How each patient fared against the peer, as one bar each."""
    ours, theirs = (
        metrics.by_patient([r["psnr_tissue"] for r in chosen], [r["patient"] for r in chosen])
        for chosen in ([r for r in rows if r["method"] == name] for name in (method, against))
    )
    drawn = charts.pairs({name: value - theirs[name] for name, value in ours.items() if name in theirs})
    return (
        f"<figure>{drawn}<figcaption>{html.escape(method)} over {html.escape(against)}, dB, patient by patient"
        "</figcaption></figure>"
    )


def _worst(rows: Sequence[dict[str, Any]], methods: Sequence[str]) -> str:
    """The five slices that gained least over their noisy input, each by the method that gained least on it."""
    inputs = {_place(row): row["psnr_tissue"] for row in rows if row["method"] == "identity"}
    least: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        before = inputs.get(_place(row))
        if row["method"] not in methods or before is None:
            continue
        gain = row["psnr_tissue"] - before
        known = least.get(_place(row))
        if known is None or not gain >= known[GAIN]:
            least[_place(row)] = {
                "patient": row["patient"],
                "slice": row["position"],
                "method": row["method"],
                GAIN: gain,
            }
    worst = sorted(least.values(), key=lambda row: np.nan_to_num(row[GAIN], nan=-np.inf))[:WORST]
    note = f"The {len(worst)} slices that gained least, and the method that gained least on them."
    return section("", note, worst) if worst else ""


def _place(row: dict[str, Any]) -> tuple[str, int]:
    return row["patient"], row["position"]


def _spectra(rows: Sequence[dict[str, Any]], methods: Sequence[str]) -> str:
    """What was taken away, ring by ring of spatial frequency, over the noise put in."""
    curves = {}
    for method in methods:
        chosen = [row for row in rows if row["method"] == method]
        rings = [name for name in (chosen[0] if chosen else ()) if name.startswith(RESIDUAL)]
        known = {name: [row[name] for row in chosen if row[name] is not None] for name in rings}
        curves[method] = [
            (float(name.removeprefix(RESIDUAL)), float(np.mean(values))) for name, values in known.items() if values
        ]
    if not any(curves.values()):
        return ""
    drawn = charts.lines(curves, "cycles per pixel", "power taken away over that of the noise", level=1.0)
    return f"<figure>{drawn}<figcaption>Spectrum of the residual in tissue</figcaption></figure>"


def _histograms(method: str, rows: Sequence[dict[str, Any]]) -> str:
    figures = "".join(
        f"<figure>{charts.histogram([r[score] for r in rows])}"
        f"<figcaption>{html.escape(method)}: {title}</figcaption></figure>"
        for score, title in (("psnr_tissue", "PSNR tissue, dB"), ("ssim_tissue", "SSIM tissue"))
    )
    return f"<div>{figures}</div>"
