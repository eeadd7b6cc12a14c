"""One function over many items, in this process and in others; a failed item ends nothing, a stop ends all."""

import itertools
from typing import Any

import pytest

from tumordiff_core.errors import Stopped
from tumordiff_core.jobs.spread import spread
from tumordiff_core.progress import Progress


class StopAfter(Progress):
    """Asks to stop at the n-th look."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def asked_to_stop(self) -> str:
        self._looks -= 1
        return "step" if self._looks < 0 else ""


@pytest.mark.parametrize("processes", [1, 2])
def test_every_item_is_answered_or_its_error_told(processes: int):
    outcomes = list(spread(divmod_of_ten, range(5), processes=processes, progress=Progress()))
    found: dict[int, Any] = {one.item: one.answer for one in outcomes if one.error is None}
    assert found == {1: 10, 2: 5, 3: 3, 4: 2}
    assert [(one.item, type(one.error)) for one in outcomes if one.error] == [(0, ZeroDivisionError)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stop_ends_even_endless_work(processes: int):
    with pytest.raises(Stopped):
        list(spread(divmod_of_ten, itertools.count(1), processes=processes, progress=StopAfter(5)))


def divmod_of_ten(item: int) -> int:
    return 10 // item
