"""The hooks of the example: names and dotted strings only."""

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Exporter, Finding, ModuleSpec, Task

ROOM = "tumordiff_stranger"


@hookimpl
def register_tasks():
    """A kind of job, for worker, command line and forms."""
    return [Task("brightness", "Brightness of a result", f"{ROOM}.task:Params", f"{ROOM}.task:run")]


@hookimpl
def register_exporters():
    """A kind of export, for ``tumordiff export --as lines``."""
    room = f"{ROOM}.exporter"
    return [Exporter("lines", "Lines of text", ".txt", f"{room}:Options", f"{room}:check", f"{room}:write")]


@hookimpl
def check_export(result, exporter, options):
    """A remark of our own on every export to lines."""
    return [Finding("note", "stranger.seen", {"sentence": "The stranger looked at it."})] if exporter == "lines" else []


@hookimpl
def register_modules():
    """A module of the window; its panel is imported when it is first shown."""
    return [ModuleSpec("brightness", "Brightness", f"{ROOM}.brightness.panel:Panel", keywords=("example",))]


@hookimpl
def register_commands(app):
    """A verb of our own."""

    @app.command("brightness")
    def brightness():
        """Say what the stranger can do."""
        print("The stranger measures brightness.")
