"""Logging with patient names, identifiers and paths redacted; knows nothing of who logs."""

import logging
import re
from pathlib import Path

# A quoted path may hold spaces, which is where a patient's name would stand.
_QUOTED = re.compile(r"""(?<=(['"]))(?:/|[A-Za-z]:[\\/]|\\\\)[^'"\n]*(?=\1)""")
_PATHS = re.compile(r"(?<![\w.])(?:/[^\s'\":,;()]+){2,}|[A-Za-z]:\\[^\s'\"]+")
_UIDS = re.compile(r"\b\d+(?:\.\d+){5,}\b")
_PATIENTS = re.compile(r"\b(?:ISPY[12]|ACRIN-6698|DEMO|SYN)[_-]\w+", re.IGNORECASE)
_NAMES = re.compile(r"\b[\w.-]+\^[\w^.-]+")


def redact(text: str) -> str:
    """The text with paths cut to their last suffix, and UIDs, DICOM names and patient ids replaced."""
    for pattern in (_QUOTED, _PATHS):
        text = pattern.sub(lambda m: "<path>" + _ending(m.group()), text)
    text = _UIDS.sub("<uid>", text)
    text = _NAMES.sub("<name>", text)
    return _PATIENTS.sub("<patient>", text)


def _ending(path: str) -> str:
    suffix = Path(path).suffix
    return suffix if re.fullmatch(r"\.\w{1,5}", suffix) else ""


class RedactingFormatter(logging.Formatter):
    """A formatter whose every line went through ``redact``, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """The redacted line."""
        return redact(super().format(record))


def log_to(file: Path, *, level: int = logging.INFO) -> logging.Handler:
    """Send the package's log to a file, redacted; returns the handler so that the caller can remove it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(min(root.level or level, level))
    return handler
