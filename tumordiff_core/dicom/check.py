"""Second opinions on what we write: the standard's own tables, and dciodvfy where it is installed."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from highdicom import _standard_utils
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

TIMEOUT_S = 60


def missing_attributes(data: Dataset) -> list[str]:
    """Attributes that the standard requires of this object and that are absent, or empty where they must not be.

    Walks the mandatory modules, and every optional one of which an attribute is present (that is what catches a
    missing ClinicalTrialSiteName). Attributes inside sequences are looked at where the sequence is.

    Returns
    -------
    lines such as ``"type 2 ClinicalTrialSiteName is absent (clinical-trial-subject)"``
    """
    modules = _standard_utils.get_module_attribute_map()
    object_kind = _standard_utils.get_sop_class_iod_map()[str(data.SOPClassUID)]
    faults = []
    for module in _standard_utils.get_iod_module_map()[object_kind]:
        rules = modules[module["key"]]
        own = [rule for rule in rules if not rule["path"]]
        if module["usage"] == "M" or any(_holds(data, rule["keyword"]) for rule in own):
            faults += [f"{fault} ({module['key']})" for rule in rules if (fault := _fault(data, rule))]
    return list(dict.fromkeys(faults))


def _fault(data: Dataset, rule: dict[str, Any]) -> str:
    if rule["type"] not in {"1", "2"}:
        return ""
    for item in _items(data, rule["path"]):
        if not _holds(item, rule["keyword"]):
            return f"type {rule['type']} {'.'.join([*rule['path'], rule['keyword']])} is absent"
        if rule["type"] == "1" and item[rule["keyword"]].is_empty:
            return f"type 1 {'.'.join([*rule['path'], rule['keyword']])} is empty"
    return ""


def _holds(data: Dataset, keyword: str) -> bool:
    """Whether an attribute is there; overlays and curves repeat over groups and have no tag of their own."""
    tag = tag_for_keyword(keyword)
    return tag is not None and tag in data


def _items(data: Dataset, path: Sequence[str]) -> list[Dataset]:
    found = [data]
    for keyword in path:
        found = [item for parent in found for item in parent.get(keyword, None) or ()]
    return found


def validator() -> str | None:
    """The program dciodvfy of this environment or of the system, ``None`` where there is none."""
    beside = Path(sys.executable).with_name("dciodvfy")
    return str(beside) if beside.is_file() else shutil.which("dciodvfy")


def validated(path: Path) -> dict[str, Any]:
    """What dciodvfy says of one file: ``validator`` (its name, empty where it is not installed), errors, warnings."""
    program = validator()
    if program is None:
        return {"validator": "", "validator_errors": [], "validator_warnings": []}
    lines = validator_lines(program, path)
    return {
        "validator": "dciodvfy",
        "validator_errors": [line for line in lines if line.startswith("Error")],
        "validator_warnings": [line for line in lines if line.startswith("Warning")],
    }


def validator_lines(program: str, path: Path) -> list[str]:
    """What dciodvfy prints about a file: it is the text that counts, not the exit status."""
    done = subprocess.run(
        [program, str(path)], capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
    )
    return (done.stdout + done.stderr).splitlines()
