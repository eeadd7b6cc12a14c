"""The verbs of ``tumordiff`` on one page, and the one place where errors become a sentence and an exit code.

Exit codes: 0 done, 1 a sentence, 2 wrong usage or not built yet, 130 stopped.
"""

import logging
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import tumordiff_core
from tumordiff_core import files, logs, paths, settings
from tumordiff_core.cli import console, network, show, work
from tumordiff_core.errors import Stopped, TumorDiffError
from tumordiff_core.plugins import manager

STOPPED = 130
VERBS: dict[str, dict[str, Callable[..., None]]] = {
    "Look": {
        "gui": work.gui, "studies": show.studies, "plugins": show.plugins, "doctor": work.doctor,
    },
    "Work": {
        "demo": work.demo, "index": work.index, "preprocess": work.preprocess, "denoise": work.denoise,
        "register": work.register, "response": work.response, "forecast": work.forecast, "export": work.export,
        "simulate": work.simulate, "train": work.train, "evaluate": work.evaluate,
    },
    "Archives": {
        "deidentify": network.deidentify, "query": network.query, "retrieve": network.retrieve, "send": network.send,
    },
    "Jobs": {"run": work.run},
}  # fmt: skip


def build(*, with_strangers: bool = True) -> typer.Typer:
    """The whole application; verbs that plugins add come last."""
    app = typer.Typer(
        name="tumordiff", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Breast DCE-MRI under chemotherapy: browse, denoise, measure, export. Research use only.",
    )  # fmt: skip
    app.callback()(top)
    for panel, verbs in VERBS.items():
        for name, function in verbs.items():
            lenient = {"ignore_unknown_options": True} if panel == "Archives" else {}
            app.command(name, rich_help_panel=panel, context_settings=lenient)(function)
    app.add_typer(show.jobs_app, name="jobs", rich_help_panel="Jobs")
    app.add_typer(show.models_app, name="models", rich_help_panel="Look")
    if with_strangers:
        manager.register_commands(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"TumorDiff {tumordiff_core.__version__}")
        raise typer.Exit


def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Breast DCE-MRI under chemotherapy: browse, denoise, measure, export. Research use only."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; whatever goes wrong becomes one sentence on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    logging.captureWarnings(True)
    try:
        trouble = settings.read()[1]
        if trouble:
            print(trouble, file=sys.stderr)
        ours = {name for verbs in VERBS.values() for name in verbs} | {"jobs", "models"}
        app = build(with_strangers=not given or given[0] not in ours)
        app(args=given, prog_name="tumordiff")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except TumorDiffError as error:
        facts = {"code": error.code, "path": error.path}
        console.complain(error.sentence, as_json=as_json, **facts)
        return error.exit_code
    except (Stopped, KeyboardInterrupt):
        return STOPPED
    except Exception as error:
        console.complain(_our_mistake(error), as_json=as_json, code="verb.bug")
        return 1
    finally:
        logging.captureWarnings(False)
    return 0


def _our_mistake(error: Exception) -> str:
    """Save the redacted traceback where it can be sent from, and say so."""
    report = paths.logs() / f"mistake-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    files.write_bytes(report, logs.redact("".join(traceback.format_exception(error))).encode())
    return TumorDiffError("verb.bug", report, kind=type(error).__name__, report=report.name).sentence
