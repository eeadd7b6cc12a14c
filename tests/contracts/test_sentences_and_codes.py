"""Every sentence has its three parts, every field is used, and every code is raised, told and tested."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from tumordiff_core.errors import TumorDiffError
from tumordiff_core.sentences import SENTENCES

TOP = Path(__file__).parent.parent.parent
SOURCES = [file for package in ("tumordiff_core", "tumordiff_gui") for file in sorted((TOP / package).rglob("*.py"))]
LONGEST = 30
CODE = re.compile(r"[a-z_]+\.[a-z0-9_]+")


def raised() -> Iterator[tuple[str, str, set[str] | None]]:
    """(code, where, fields or None when they cannot be read off) of every error and finding the program makes."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                at = 1 if name == "Finding" else 0 if name.endswith("Error") or name == "NotBuilt" else None
                if at is None or len(node.args) <= at:
                    continue
                code = node.args[at]
                if isinstance(code, ast.Constant) and isinstance(code.value, str) and CODE.fullmatch(code.value):
                    yield code.value, f"{file.relative_to(TOP)}:{node.lineno}", fields_of(node, name)


def fields_of(call: ast.Call, name: str) -> set[str] | None:
    """The facts a call gives."""
    if name != "Finding":
        names = [keyword.arg for keyword in call.keywords if keyword.arg != "path"]
        return None if None in names else {str(name) for name in names}
    if len(call.args) < 3:
        return set()
    given = call.args[2]
    if isinstance(given, ast.Dict) and all(isinstance(key, ast.Constant) for key in given.keys):
        return {str(key.value) for key in given.keys if isinstance(key, ast.Constant)}
    return None


def named(template: str) -> set[str]:
    return {field.split(".")[0] for _, field, _, _ in string.Formatter().parse(template) if field}


def strings_in(folder: Path) -> set[str]:
    """Every string constant of the Python files below a folder."""
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        if file.resolve() != Path(__file__).resolve():
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_a_sentence_says_what_arrived_what_was_expected_and_what_to_do(code: str):
    parts = SENTENCES[code]
    assert len(parts) == 3 and all(part.strip() == part and part for part in parts)
    assert all(part[-1] not in ".,;:!" for part in parts)
    facts = {name: "x" for part in parts for name in named(part)}
    whole = TumorDiffError(code, **facts).sentence
    assert len(whole.split()) <= LONGEST, whole
    # A name at the beginning keeps its own spelling.
    assert whole.endswith(".") and (whole[0] == whole[0].upper() or parts.arrived.startswith("{"))
    assert not re.search(r"\b(Error|Exception|null|invalid|illegal|failed to)\b", whole), whole


def test_every_code_that_is_raised_has_its_sentence():
    assert {code: where for code, where, _ in raised() if code not in SENTENCES} == {}


def test_every_sentence_is_raised_somewhere():
    told = {code for code, _, _ in raised()}
    everywhere = {
        text for package in ("tumordiff_core", "tumordiff_gui") for text in strings_besides_the_table(package)
    }
    assert sorted(set(SENTENCES) - told - everywhere) == []


def strings_besides_the_table(package: str) -> set[str]:
    """Codes may also stand in a table or a variable before they are raised."""
    found: set[str] = set()
    for file in (TOP / package).rglob("*.py"):
        if file.name != "sentences.py":
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in SENTENCES:
                    found.add(node.value)
    return found


def test_every_error_gives_exactly_the_facts_its_sentence_uses():
    wrong = []
    for code, where, given in raised():
        if code in SENTENCES and given is not None:
            used = {name for part in SENTENCES[code] for name in named(part)}
            if given != used:
                wrong.append(f"{where} {code}: gives {sorted(given)}, uses {sorted(used)}")
    assert wrong == []


def test_every_code_is_raised_by_a_test():
    assert sorted(set(SENTENCES) - strings_in(TOP / "tests")) == []
