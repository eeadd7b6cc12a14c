"""Writes ``docs/settings.md`` from the settings record: ``python -m tests.contracts.settings_page``."""

import sys
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt

from tumordiff_core.settings import Settings

PAGE = Path(__file__).parent.parent.parent / "docs" / "settings.md"
SIGNS = ((Ge, "ge", "≥"), (Gt, "gt", ">"), (Le, "le", "≤"), (Lt, "lt", "<"))


def text() -> str:
    """The whole page."""
    lines = [
        "# Settings",
        "",
        "Made from the record in `tumordiff_core/settings.py` by `python -m tests.contracts.settings_page`.",
        "An option of a command wins over the environment, that over `settings.json`, that over the default. The file",
        "lies in the configuration folder of the system, or in `config/` of what `TUMORDIFF_HOME` names; it holds",
        "only what differs from the defaults. A broken file is kept aside and named.",
    ]
    for group, field in Settings.model_fields.items():
        record = field.annotation
        assert record is not None
        if not record.model_fields:
            continue
        lines += ["", f"## {group}", "", f"{(record.__doc__ or '').strip()}", "",
                  "| name | what | values | default | environment |", "|---|---|---|---|---|"]  # fmt: skip
        for name, one in record.model_fields.items():
            title = f"{one.title}: {one.description}"
            variable = f"TUMORDIFF_{group}_{name}".upper()
            lines.append(f"| `{name}` | {title} | {values(one)} | {shown(one.default)} | `{variable}` |")
    return "\n".join(lines) + "\n"


def values(field: Any) -> str:
    """What a setting may be."""
    choices = getattr(field.annotation, "__args__", None)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    limits = [f"{sign} {getattr(rule, key):g}" for rule in field.metadata for kind, key, sign in SIGNS
              if isinstance(rule, kind)]  # fmt: skip
    word = {bool: "yes or no", int: "whole number", float: "number", str: "text"}.get(field.annotation, "names")
    return " ".join([word, " and ".join(limits)]).strip()


def shown(default: Any) -> str:
    """A default as the file writes it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "empty" if default in ("", ()) else f"`{default}`"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
    sys.exit(0)
