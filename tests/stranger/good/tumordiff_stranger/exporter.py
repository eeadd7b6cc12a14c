"""The exporter: options that become a form, a check before and a ``write`` into a new, empty folder."""

from pydantic import BaseModel, Field

from tumordiff_core.plugins.specs import Finding


class Options(BaseModel):
    """What the export form asks for."""

    title: str = Field("Figures", title="Title")


def check(result, options):
    """Refuse results without figures, by a sentence TumorDiff has already."""
    if not result.record.figures:
        return [Finding("refuse", "export.no_tables", {"kind": result.record.kind})]
    return []


def write(result, folder, options, *, progress):
    """One line per figure."""
    progress.stage("write")
    path = folder / "figures.txt"
    lines = [options.title, *(f"{name}: {value}" for name, value in sorted(result.record.figures.items()))]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return [path]
