"""Nothing public without a test and a paragraph: hooks, verbs, settings, rooms; and the two README commands."""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest

from tests.contracts import settings_page
from tumordiff_core.cli import main as command_line
from tumordiff_core.plugins import hookspecs
from tumordiff_core.settings import Settings

TOP = Path(__file__).parent.parent.parent
HOOKS = [name for name, member in vars(hookspecs).items() if hasattr(member, "tumordiff_spec")]
VERBS = sorted({name for verbs in command_line.VERBS.values() for name in verbs} | {"jobs", "models"})
SETTINGS = [
    (group, name) for group, field in Settings.model_fields.items()
    for name in field.annotation.model_fields  # type: ignore[union-attr]
]  # fmt: skip


def words_of(folder: str) -> str:
    here = Path(__file__).resolve()
    return "\n".join(f.read_text("utf-8") for f in sorted((TOP / folder).rglob("*.py")) if f.resolve() != here)


def test_rooms_of_the_core_hold_only_their_docstring():
    for file in (TOP / "tumordiff_core").glob("*/**/__init__.py"):
        body = ast.parse(file.read_text("utf-8")).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), file


def test_every_room_stands_on_the_architecture_page():
    page = (TOP / "docs" / "architecture.md").read_text("utf-8")
    for package in ("tumordiff_core", "tumordiff_gui"):
        for entry in (TOP / package).iterdir():
            name = entry.stem if entry.suffix == ".py" else entry.name
            if not name.startswith("__"):
                assert re.search(rf"\b{name}\b", page), f"{package}/{name} has no line in docs/architecture.md"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_sentence_a_paragraph_and_a_test(hook: str):
    assert inspect.getdoc(getattr(hookspecs, hook))
    assert hook in (TOP / "docs" / "architecture.md").read_text("utf-8")
    assert hook in words_of("tests")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_paragraph_and_a_test(verb: str):
    assert re.search(rf"[`, \[]{verb}[`, \]]", (TOP / "docs" / "architecture.md").read_text("utf-8"))
    assert f'"{verb}"' in words_of("tests")


@pytest.mark.parametrize(("group", "name"), SETTINGS)
def test_every_setting_is_used_by_the_program(group: str, name: str):
    used = words_of("tumordiff_core").replace((TOP / "tumordiff_core/settings.py").read_text("utf-8"), "")
    assert re.search(rf"\b{group}\.{name}\b", used + words_of("tumordiff_gui")), f"{group}.{name} does nothing"


def test_the_page_of_settings_is_the_record():
    assert settings_page.PAGE.read_text("utf-8") == settings_page.text()


def test_every_dependency_has_its_reason():
    record = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    page = (TOP / "CONTRIBUTING.md").read_text("utf-8")
    named = [*record["dependencies"], *(one for extra in record["optional-dependencies"].values() for one in extra)]
    for requirement in named:
        name = re.split(r"[<>=\[]", requirement)[0]
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", page), f"{name} has no reason in CONTRIBUTING.md"


def test_the_readme_holds_exactly_the_two_commands():
    readme = (TOP / "README.md").read_text("utf-8")
    commands = dict(re.findall(r"<!-- command: (\w+) -->\n```sh\n(.+)\n```", readme))
    assert sorted(commands) == ["demo", "tests"] and readme.count("```sh") == 2
    assert all("-m venv" in command for command in commands.values())
    assert commands["demo"].endswith("tumordiff demo") and commands["tests"].endswith("python -m pytest")


def test_the_integration_runs_the_test_command_of_the_readme():
    script = (TOP / ".ci" / "run").read_text("utf-8")
    assert "README.md" in script and "pip install" not in script and "pytest" not in script.replace("pytest's", "")
