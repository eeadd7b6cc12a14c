"""Every visible text of the window stands in ``words.py``, ``strings.py`` or the action table."""

import ast
import re
from pathlib import Path

WINDOW = Path(__file__).parent.parent.parent / "tumordiff_gui"
SHOWING = {"setText", "setToolTip", "setTitle", "setWindowTitle", "setPlaceholderText", "setAccessibleName", "say",
           "QLabel", "QPushButton", "QCheckBox", "QAction", "addAction", "addTab", "addRow", "setStatusTip",
           "Placeholder", "setHeaderLabels"}  # fmt: skip
KEYWORDS = {"placeholderText", "specialValueText", "hint", "text"}
WORD = re.compile(r"[A-Za-z]{2,}")


ICONS = WINDOW.parent / "resources" / "icons"


def literals(call: ast.Call) -> list[str]:
    """Words typed straight into a call that shows text; icon names and identifiers are no words."""
    shown = [*call.args, *(k.value for k in call.keywords if k.arg in KEYWORDS)]
    found = []
    for argument in shown:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            found.append(argument.value)
        elif isinstance(argument, ast.JoinedStr):
            found += [p.value for p in argument.values if isinstance(p, ast.Constant) and isinstance(p.value, str)]
    return [text for text in found if WORD.search(text) and not is_name(text)]


def is_name(text: str) -> bool:
    """Whether a text is an identifier of several parts, or the name of a shipped icon."""
    return bool(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", text)) or (ICONS / f"{text}.svg").is_file()


def test_no_text_is_typed_straight_into_a_widget():
    wrong = []
    for file in WINDOW.rglob("*.py"):
        if file.name in {"words.py", "strings.py"}:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in SHOWING:
                    wrong += [f"{file.relative_to(WINDOW)}:{node.lineno}: {text!r}" for text in literals(node)]
    assert wrong == []


def test_rooms_of_the_window_hold_only_their_docstring():
    for file in WINDOW.rglob("__init__.py"):
        body = ast.parse(file.read_text("utf-8")).body
        assert len(body) == 1 and isinstance(body[0], ast.Expr), file
