"""The job ``doctor``: looks at everything the program needs, and denoises a made-up volume from end to end."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Task

if TYPE_CHECKING:
    from tumordiff_core.jobs.worker import Job
    from tumordiff_core.progress import Progress

LEAST_MEMORY_GB = 3.0
LEAST_DISK_GB = 2.0
TEST_SHAPE = (4, 96, 96)
TEST_SIGMA = 12.0


class DoctorParams(BaseModel):
    """What is looked at."""

    self_test: bool = Field(True, title="Self-test", description="Also denoise a made-up volume; up to a minute.")


@dataclass(frozen=True)
class Check:
    """One line of the doctor: ``ok`` is None where something is only worth knowing."""

    name: str
    ok: bool | None
    found: str
    advice: str = ""


@hookimpl
def register_tasks() -> list[Task]:
    """The job kind."""
    room = "tumordiff_core.tasks.doctor"
    return [Task("doctor", "Check this installation", f"{room}:DoctorParams", f"{room}:run")]


def run(params: DoctorParams, job: "Job") -> None:
    """Answer with every check; raises TumorDiffError("doctor.failed") when one of them failed."""
    from tumordiff_core.errors import TumorDiffError

    looks = [_interpreter, _byte_code, _memory, _disk, _torch, _cuda, _window, _models, _plugins, _settings]
    job.progress.stage("check", len(looks))
    checks: list[Check] = []
    for look in looks:
        checks.append(look())
        job.progress.advance()
    if params.self_test:
        checks.append(_self_test(job.progress))
    words = {True: "yes", False: "NO", None: "note"}
    job.answer["checks"] = [
        {"check": c.name, "ok": words[c.ok], "found": c.found, "advice": "" if c.ok else c.advice} for c in checks
    ]
    wrong = [c.name for c in checks if c.ok is False]
    if wrong:
        raise TumorDiffError("doctor.failed", count=len(wrong), total=len(checks), names=", ".join(wrong))


def _interpreter() -> Check:
    return Check("interpreter", sys.version_info >= (3, 11), f"Python {platform.python_version()}", "use 3.11 or newer")


def _byte_code() -> Check:
    """Without byte code every start compiles everything again, two to four times slower."""
    import tumordiff_core

    place = Path(tumordiff_core.__file__).parent
    writable = os.access(place, os.W_OK) or bool(sys.pycache_prefix)
    kept = (place / "__pycache__").is_dir()
    if kept or (writable and not sys.dont_write_bytecode):
        return Check("byte code", True, "kept")
    return Check("byte code", None, "not kept", "run: python -m compileall -q on the installed packages")


def _memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available / 1e9
    return Check("memory", free >= LEAST_MEMORY_GB, f"{free:.1f} GB free", f"close programs: {LEAST_MEMORY_GB:g} GB")


def _disk() -> Check:
    from tumordiff_core import files, paths

    free = files.free_mb(paths.data()) / 1000
    return Check("disk", free >= LEAST_DISK_GB, f"{free:.1f} GB free", f"free some space: {LEAST_DISK_GB:g} GB")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", False, f"not importable ({type(error).__name__})", "install it again: pip install torch")
    return Check("torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads")


def _cuda() -> Check:
    try:
        import torch
    except (ImportError, OSError):
        return Check("CUDA", None, "unknown without torch")
    if not torch.cuda.is_available():
        return Check("CUDA", None, "none; the processor is used", "a graphics card makes training faster")
    return Check("CUDA", True, torch.cuda.get_device_name(0))


def _window() -> Check:
    """A computer without a screen is no fault: everything but the window works there."""
    from tumordiff_core import display

    trouble = display.trouble()
    return Check("window", None if trouble else True, trouble or "can be opened")


def _models() -> Check:
    from tumordiff_core import model_cards

    found, wrong = model_cards.all_models()
    names = [model.card.name for model in found]
    advice = wrong[0].sentence if wrong else "install TumorDiff again, or train one"
    return Check("models", model_cards.DEFAULT in names and not wrong, ", ".join(names) or "none", advice)


def _plugins() -> Check:
    from tumordiff_core.plugins import manager

    report = manager.report()
    failed = [failure["name"] for failure in report["failures"]]
    found = f"{len(report['plugins'])} loaded" + (f", not usable: {', '.join(failed)}" if failed else "")
    return Check("plugins", None if failed else True, found, "see `tumordiff plugins`")


def _settings() -> Check:
    from tumordiff_core import settings

    changed = settings.load().model_dump(exclude_defaults=True)
    return Check("settings", True, f"{sum(len(group) for group in changed.values())} differ from the defaults")


def _self_test(progress: "Progress") -> Check:
    """A made-up noisy ball through the shipped model: the error against the truth must fall."""
    import time

    from tumordiff_core.errors import TumorDiffError

    began = time.monotonic()
    progress.stage("self-test", TEST_SHAPE[0])
    try:
        before, after = _denoise_ball(progress)
    except (ImportError, OSError, TumorDiffError) as error:
        return Check("self-test", False, str(error), "install TumorDiff again")
    seconds = time.monotonic() - began
    found = f"error {before:.1f} to {after:.1f} in {seconds:.0f} s"
    return Check("self-test", after < before, found, "report this as our mistake")


def _denoise_ball(progress: "Progress") -> tuple[float, float]:
    """Root mean square error against the truth before and after, in units of the made-up images."""
    import numpy as np

    from tumordiff_core import model_cards
    from tumordiff_core.engine import denoise, weights
    from tumordiff_core.imaging.intensity import robust_scaling

    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in TEST_SHAPE)
    distance: Any = np.sqrt((0.3 * z[:, None, None]) ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    truth = (40 + 160 * (distance < 0.8) + 60 * (distance < 0.3)).astype(np.float32)
    random = np.random.default_rng(1)
    noisy = np.hypot(truth + random.normal(0, TEST_SIGMA, truth.shape), random.normal(0, TEST_SIGMA, truth.shape))
    noisy = noisy.astype(np.float32)
    model = weights.load(model_cards.find(model_cards.DEFAULT))
    scaling = robust_scaling(noisy)
    level = denoise.NoiseLevel(TEST_SIGMA / scaling.range, (0.0, 0.0), 1)
    clean = scaling.invert(denoise.denoise_stack(model, scaling.apply(noisy), level, progress=progress))
    return float(np.sqrt(((noisy - truth) ** 2).mean())), float(np.sqrt(((clean - truth) ** 2).mean()))
