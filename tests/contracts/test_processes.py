"""What a process may hold: asked of real processes, since an import through a chain shows nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tumordiff_core.cli import main as command_line

HEAVY = ("torch", "lightning", "pytorch_lightning", "SimpleITK", "scipy", "skimage", "pydicom", "highdicom", "gdcm",
         "pyqtgraph")  # fmt: skip
FORMS = """
import json, sys
from tumordiff_gui.main import KEPT_OUT, Guard
sys.meta_path.insert(0, Guard())
from tumordiff_core.plugins import manager
records = [(r.name, getattr(r, "params", None) or r.options) for r in [*manager.tasks(), *manager.exporters()]]
for _, dotted in records:
    manager.load(dotted).model_json_schema()
print(json.dumps({"forms": sorted(n for n, _ in records), "modules": sorted(sys.modules),
                  "failures": [f.reason for f in manager.door().failures]}))
"""
VERB = """
import json, sys
from tumordiff_core.cli.main import main
codes = [main(arguments) for arguments in json.loads(sys.argv[1])]
print("LOOK" + json.dumps({"codes": codes, "modules": sorted(sys.modules)}))
"""


def run(program: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TUMORDIFF_HOME": str(home)}
    return subprocess.run([sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True)


def look(ended: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    assert "LOOK" in ended.stdout, ended.stderr
    found: dict[str, list[str]] = json.loads(ended.stdout.split("LOOK")[1])
    return found


def test_no_help_text_loads_the_engine(tmp_path: Path):
    verbs = [name for names in command_line.VERBS.values() for name in names]
    asked = [["--help"], ["--version"], *([verb, "--help"] for verb in verbs), ["jobs", "--help"], ["models", "--help"]]
    found = look(run(VERB, json.dumps(asked), home=tmp_path))
    assert set(found["codes"]) == {0}
    assert [name for name in HEAVY if name in found["modules"]] == []


def test_a_worker_holds_no_window(tmp_path: Path):
    found = look(run(VERB, json.dumps([["doctor", "--quick", "--json"]]), home=tmp_path))
    assert "torch" in found["modules"]
    assert [name for name in found["modules"] if name.startswith(("PySide6", "shiboken6", "tumordiff_gui"))] == []


def test_every_form_opens_without_the_engine(tmp_path: Path):
    ended = run(FORMS, home=tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["failures"] == [] and {"denoise", "export", "train", "dicom"} <= set(found["forms"])
    assert [name for name in HEAVY if name in found["modules"]] == []
