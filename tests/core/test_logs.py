"""No name, identifier or path of anybody reaches a log."""

import logging
from pathlib import Path

import pytest

from tumordiff_core import logs


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("read /home/ann/ISPY1_1002/1-01.dcm twice", "read <path>.dcm twice"),
        (r"read C:\Users\ann\scan.nii", "read <path>.nii"),
        ("no file '/data/Doe Jane/1 a.dcm' here", "no file '<path>.dcm' here"),
        ("no folder '/data/of Dr. Jane Doe'", "no folder '<path>'"),
        (r"no file 'D:\Doe Jane\1.dcm' here", "no file '<path>.dcm' here"),
        (r'no file "\\archive\Doe Jane\1.dcm" here', 'no file "<path>.dcm" here'),
        ("series 1.3.6.1.4.1.14519.5.2.1 is short", "series <uid> is short"),
        ("of ISPY1_1002, DEMO-001 and ACRIN-6698-102212", "of <patient>, <patient> and <patient>"),
        ("named DOE^JANE^M", "named <name>"),
        ("version 2.13.0, 12/30 slices, and/or", "version 2.13.0, 12/30 slices, and/or"),
    ],
)
def test_what_identifies_somebody_is_replaced(text: str, redacted: str):
    assert logs.redact(text) == redacted


def test_a_log_file_is_redacted_with_its_tracebacks_and_let_go_of(tmp_path: Path):
    handler = logs.log_to(tmp_path / "logs" / "log.txt")
    try:
        raise ValueError("of ISPY1_1002")
    except ValueError:
        logging.getLogger("made-up").exception("reading %s", "/home/ann/secret/a.dcm")
    logging.getLogger().removeHandler(handler)
    handler.close()
    text = (tmp_path / "logs" / "log.txt").read_text("utf-8")
    assert "ValueError" in text and "reading <path>.dcm" in text
    assert "ISPY1_1002" not in text and "ann" not in text
