"""Verbs that reach other machines; none is built yet and each says so."""

from typing import Annotated

import typer

from tumordiff_core.errors import NotBuilt

Words = Annotated[list[str] | None, typer.Argument(hidden=True)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def deidentify(words: Words = None, as_json: Json = False) -> None:
    """Write a de-identified copy of a study (not built yet)."""
    raise NotBuilt("verb.not_built", verb="deidentify")


def query(words: Words = None, as_json: Json = False) -> None:
    """Ask an archive what it has (not built yet)."""
    raise NotBuilt("verb.not_built", verb="query")


def retrieve(words: Words = None, as_json: Json = False) -> None:
    """Fetch a study from an archive (not built yet)."""
    raise NotBuilt("verb.not_built", verb="retrieve")


def send(words: Words = None, as_json: Json = False) -> None:
    """Send a result to an archive (not built yet)."""
    raise NotBuilt("verb.not_built", verb="send")
