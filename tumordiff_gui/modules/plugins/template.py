"""A plugin of forty lines: its files as text, and writing them to a folder."""

from pathlib import Path

from tumordiff_core import files
from tumordiff_gui.modules.plugins import strings

FILES = {
    "pyproject.toml": '''\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tumordiff-hello"
version = "0.1.0"

[project.entry-points.tumordiff]
hello = "tumordiff_hello.module"
''',
    "tumordiff_hello/__init__.py": '"""A module of TumorDiff that says who is open."""\n',
    "tumordiff_hello/module.py": '''\
"""The line for the module picker; imports nothing of Qt."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import ModuleSpec


@hookimpl
def register_modules():
    return [ModuleSpec(id="hello", title="Hello", panel="tumordiff_hello.panel:Panel", order=200)]
''',
    "tumordiff_hello/panel.py": '''\
"""The panel; imported when the module is first shown."""

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget


class Panel(QWidget):
    def __init__(self, context):
        super().__init__()
        self.line = QLabel("Nothing is selected", wordWrap=True)
        column = QVBoxLayout(self)
        column.addWidget(self.line)
        column.addStretch(1)
        context.desk.selected.connect(self.say)

    def say(self, selection):
        self.line.setText(f"{selection.patient_id} is selected")
''',
}  # fmt: skip


def as_text() -> str:
    """All files one under the other, as the window shows them."""
    return "\n".join(f"# {name}\n{text}" for name, text in FILES.items())


def write(place: Path) -> Path:
    """Write the template as a new folder inside a place and return it; whole or not at all.

    Raises InputError("files.exists") when something lies there already, or what the disk says.
    """
    target = place / strings.TEMPLATE_NAME
    with files.whole_folder(target) as partial:
        for name, text in FILES.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_text(text, "utf-8")
    return target
