"""An error carries its code, its facts and its path, and speaks one sentence."""

from pathlib import Path

from tumordiff_core import errors
from tumordiff_core.errors import TumorDiffError


def test_a_sentence_has_its_facts_and_starts_with_a_capital():
    error = errors.InputError("series.unknown_number", "/somewhere/x.dcm", number=3, known="1, 2")
    assert error.sentence == "No series has number 3; one of 1, 2 was expected; choose one of these."
    assert str(error) == error.sentence and error.path == Path("/somewhere/x.dcm") and error.exit_code == 1


def test_a_name_at_the_beginning_keeps_its_spelling():
    assert errors.MissingError("files.missing", name="ispy1_1002").sentence.startswith("ispy1_1002 was not found")
    assert errors.NotBuilt("verb.not_built", verb="send").sentence.startswith("Send is")


def test_the_path_is_never_in_the_sentence():
    assert "/secret" not in errors.MissingError("files.missing", "/secret/a.txt", name="a.txt").sentence


def test_usage_and_what_is_not_built_end_with_two_and_a_stop_is_no_error():
    assert errors.UsageError("verb.usage", found="a", expected="b").exit_code == 2
    assert errors.NotBuilt("verb.not_built", verb="send").exit_code == 2
    assert not isinstance(errors.Stopped(resumable=True), TumorDiffError)
