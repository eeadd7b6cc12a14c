"""What is printed: aligned, whole, missing values as a dash; progress as a bar or as lines."""

import io

import pytest
from rich.console import Console

from tumordiff_core.cli import console


def test_a_record_is_lines_and_a_list_of_records_a_table(capsys: pytest.CaptureFixture[str]):
    console.print_record({
        "ftv_cc": 5.3104, "noise": {"sigma": [1.0, 2.5]}, "empty": [], "model": "",
        "rows": [{"visit": "T1", "cc": 5.31}, {"visit": "T2", "cc": None, "remark": "small"}],
    })  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "ftv cc: 5.31", "noise:", "  sigma: 1, 2.5", "empty: -", "model: -", "rows:",
        "  visit  cc    remark", "  T1     5.31  -", "  T2     -     small",
    ]  # fmt: skip


def test_a_list_too_long_to_read_is_its_ends_and_a_count(capsys: pytest.CaptureFixture[str]):
    console.print_record({"out": [f"{n}.dcm" for n in range(1, 181)], "few": list(range(12))})
    assert capsys.readouterr().out.splitlines() == [
        "out: 1.dcm ... 180.dcm (180 in all)", "few: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    ]  # fmt: skip


def test_a_table_with_many_columns_is_turned_on_its_side(capsys: pytest.CaptureFixture[str]):
    rows = [{"visit": f"T{n}", **{f"figure_{k}": n * k for k in range(9)}} for n in (1, 2)]
    console.print_record({"visits": rows})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["visits:", "  visit     T1  T2", "  figure 0  0   0"] and len(lines) == 11


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (True, "yes"), (False, "no"), (0.0, "0"), (1234.5, "1234"),
                                             (3, "3"), ("", "-"), ("text", "text")])  # fmt: skip
def test_a_value_as_the_reader_sees_it(value: object, text: str):
    assert console.as_text(value) == text


def on(terminal: bool) -> tuple[console.ConsoleProgress, io.StringIO]:
    progress, shown = console.ConsoleProgress(), io.StringIO()
    progress._console = Console(file=shown, force_terminal=terminal, width=100, highlight=False)
    return progress, shown


def test_a_terminal_shows_stage_count_and_time_left():
    progress, shown = on(True)
    progress.stage("denoise", 180)
    progress.emit("progress", {"stage": "denoise", "done": 60, "total": 180, "left_s": 200})
    progress.warn("x", "Look at the residual.")
    progress.emit("stopping", {"word": "step"})
    progress.emit("stopped", {"resumable": True, "answer": {"a": 1}})
    text = shown.getvalue()
    assert "denoise" in text and "60/180" in text and "3 min left" in text
    assert "Look at the residual." in text and "stopping after this step" in text
    assert (progress.end, progress.answer, progress.fields) == ("stopped", {"a": 1}, {"resumable": True})


def test_elsewhere_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch):
    progress, shown = on(False)
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    progress.stage("read [1/2]")
    for clock[0] in range(0, 25):
        progress.emit("progress", {"stage": "read", "done": clock[0], "total": None, "left_s": None})
    progress.warn("x", "Look [at] it.")
    assert shown.getvalue().splitlines() == ["read [1/2]", "read 10", "read 20", "note: Look [at] it."]
