"""The one check command: ``python -m tests.check``. Style, types, walls and contracts; the first red one is named."""

import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).parent.parent
CHECKS = {
    "style": [sys.executable, "-m", "ruff", "check", "."],
    "layout": [sys.executable, "-m", "ruff", "format", "--check", "."],
    "types": [sys.executable, "-m", "mypy"],
    "walls": [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as run; run()"],
    "contracts": [sys.executable, "-m", "pytest", "-q", "tests/contracts"],
}


def main(wanted: list[str]) -> int:
    """Run all checks, or the named ones; 1 when any is red."""
    red = []
    for name in wanted or CHECKS:
        began = time.monotonic()
        ended = subprocess.run(CHECKS[name], cwd=TOP, capture_output=True, text=True, check=False)
        word = "green" if ended.returncode == 0 else "RED"
        print(f"{name:10} {word:6} {time.monotonic() - began:5.1f} s", flush=True)
        if ended.returncode:
            red.append(name)
            print(ended.stdout + ended.stderr)
    print(f"red: {', '.join(red)}" if red else "all green")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
