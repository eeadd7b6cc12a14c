"""A derived UID names its content and nothing else."""

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from tumordiff_core.dicom.uids import IMPLEMENTATION, derived_uid

WORDS = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=4)


@given(WORDS, st.text(max_size=64))
def test_uid_is_valid_repeats_and_does_not_know_the_order_of_words(words: dict[str, object], source: str) -> None:
    found = derived_uid("instance", source, words, "ab")
    assert UID(found).is_valid
    assert len(found) <= 44
    assert found == derived_uid("instance", source, dict(reversed(list(words.items()))), "ab")


def test_any_other_word_gives_another_uid() -> None:
    base = ("instance", "1.2.3", {"seed": 0}, "ab")
    others = [
        ("series", *base[1:]), ("instance", "1.2.4", {"seed": 0}, "ab"), ("instance", "1.2.3", {"seed": 1}, "ab"),
        ("instance", "1.2.3", {"seed": 0}, "ac"),
    ]  # fmt: skip
    assert len({derived_uid(*words) for words in [base, *others]}) == 5


def test_implementation_uid_is_valid() -> None:
    assert UID(IMPLEMENTATION).is_valid
