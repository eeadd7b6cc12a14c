"""A model card as a page to read: intended use first, then where it fails, what was measured, what it learned from."""

import html
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from tumordiff_core.model_cards import Card, Model
from tumordiff_gui.modules.denoise import strings

PAPER_FAMILY = "paper-unet"
MOST_IDS = 400


class CardDialogue(QDialog):
    """One card; not modal, so that pictures can be looked at beside it."""

    def __init__(self, model: Model, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(strings.CARD_TITLE.format(name=model.card.name))
        self.resize(620, 640)
        column = QVBoxLayout(self)
        self.text = QTextBrowser()
        self.text.setHtml(page(model.card))
        column.addWidget(self.text)
        buttons = QDialogButtonBox()
        buttons.addButton(strings.CLOSE, QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.close)
        column.addWidget(buttons)


def evaluated(card: Card) -> bool:
    """Whether the card brings measured figures with intervals, as an evaluation leaves them."""
    return any(_interval(figure) is not None for figure in card.figures)


def is_paper(card: Card) -> bool:
    """Whether this is a network of the seed paper's family."""
    return card.architecture.family == PAPER_FAMILY


def page(card: Card) -> str:
    """The card as HTML; everything in it is escaped, since a model may come from anybody."""
    e = html.escape
    parts = [f"<h2>{e(strings.CARD_NAME.format(title=card.title or card.name, version=card.version))}</h2>"]
    family = strings.CARD_PARAMETERS.format(family=card.architecture.family, count=card.parameters)
    parts.append(f"<p><b>{e(card.name)}</b>   {e(family)}</p>")
    if not evaluated(card):
        parts.append(f"<p><b>{e(strings.CARD_UNEVALUATED)}</b></p>")
    parts.append(_section(strings.CARD_INTENDED, [card.intended_use]))
    parts.append(_section(strings.CARD_FAILURES, card.failure_cases))
    parts.append(_section(strings.CARD_FIGURES, [figure_text(figure) for figure in card.figures]))
    low, high = (100 * end for end in card.sigma_range)
    noise = [strings.CARD_RANGE.format(low=low, high=high, model=card.noise_model)]
    if card.white_noise is not None:
        noise.append(strings.CARD_WHITE.format(name=card.white_noise.name))
    if card.rims is not None:
        noise.append(strings.CARD_RIMS.format(name=card.rims.name))
    parts.append(_section(strings.CARD_NOISE, noise))
    parts.append(_section(strings.CARD_DOMAIN, [f"{name}: {value}" for name, value in card.domain.items()]))
    parts.append(_section(strings.CARD_DATA, _data(card.training_data)))
    parts.append(_section(strings.CARD_MADE, [f"{name}: {value}" for name, value in card.made_with.items()]))
    parts.append(_section(strings.CARD_LICENCE, [card.licence, card.weights_sha256]))
    return "".join(parts)


def figure_text(figure: dict[str, Any]) -> str:
    """One measured figure with its interval, and on what it was measured."""
    ends = _interval(figure)
    value = figure.get("value")
    return strings.CARD_FIGURE.format(
        name=figure.get("name", ""), conditions=_conditions(figure),
        value=f"{value:.4g}" if isinstance(value, int | float) else value,
        interval="" if ends is None else strings.CARD_INTERVAL.format(low=ends[0], high=ends[1]),
        unit=figure.get("unit", ""),
    ).strip()  # fmt: skip


def _conditions(figure: dict[str, Any]) -> str:
    """How and on which data: settings, set, noise, level, patients and file, as far as the card tells them."""
    told = [str(figure[name]) for name in ("settings", "set", "noise") if figure.get(name)]
    if isinstance(figure.get("level"), int | float):
        told.append(strings.CARD_LEVEL.format(percent=100 * figure["level"]))
    if figure.get("patients"):
        told.append(strings.CARD_COUNTED.format(count=figure["patients"]))
    if figure.get("data"):
        told.append(str(figure["data"]))
    return f" ({', '.join(told)})" if told else ""


def _interval(figure: dict[str, Any]) -> tuple[float, float] | None:
    ends = figure.get("interval") or (figure.get("low"), figure.get("high"))
    known = isinstance(ends, list | tuple) and len(ends) == 2 and all(isinstance(e, int | float) for e in ends)
    return (float(ends[0]), float(ends[1])) if known else None


def _data(data: dict[str, Any]) -> list[str]:
    lines = [f"{name}: {value}" for name, value in data.items() if not isinstance(value, dict | list)]
    patients = data.get("patients")
    for part, ids in (patients if isinstance(patients, dict) else {}).items():
        if isinstance(ids, list):
            text = strings.CARD_PATIENTS.format(part=part, count=len(ids))
            lines.append(f"{text} ({', '.join(str(i) for i in ids[:MOST_IDS])})")
        else:
            lines.append(f"{part}: {ids}")
    return lines


def _section(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    shown = "".join(f"<li>{html.escape(str(line))}</li>" for line in lines)
    return f"<h3>{html.escape(title)}</h3><ul>{shown}</ul>"
