"""What is said about a job: one line, its icon, all its details; the dock and the jobs module read from here."""

import time

from tumordiff_core import units
from tumordiff_gui import words
from tumordiff_gui.background.jobs import JobView, traceback_of

LOG_LINES = 200
STATE_ICONS = {
    "queued": ("progress-clock", "secondary"), "running": ("play", "accent"), "stopping": ("pause", "warning"),
    "done": ("check-circle-outline", "good"), "stopped": ("stop", "secondary"),
    "failed": ("alert-circle-outline", "error"), "lost": ("alert-outline", "warning"),
}  # fmt: skip


def row_text(view: JobView) -> str:
    """Stage and count while it runs, the sentence when it failed, else its state."""
    if view.sentence:
        return view.sentence
    if view.state in {"running", "stopping"} and view.stage:
        count = "" if not view.total else words.JOB_COUNT.format(done=round(view.done), total=round(view.total))
        stage = words.JOB_STAGE.format(stage=view.stage, count=count).strip()
        return stage if view.state == "running" else f"{words.JOB_STATES['stopping']}, {stage}"
    text = words.JOB_STATES[view.state]
    if view.ended_s is not None:
        text = f"{text}  {time.strftime('%d.%m. %H:%M', time.localtime(view.ended_s))}"
    return text


def left_text(view: JobView) -> str:
    """Time left while it runs, else nothing."""
    if view.state != "running" or view.left_s is None:
        return ""
    return words.JOB_LEFT.format(left=units.format_duration(view.left_s))


def details_text(view: JobView) -> str:
    """Sentence, log (warnings are in it) and traceback of a job, for the details dialogue."""
    parts = [view.sentence, *view.log[-LOG_LINES:], traceback_of(view)]
    return "\n".join(part for part in parts if part) or words.NO_DETAILS
