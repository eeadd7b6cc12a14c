"""One function mapped over many items in worker processes; results in any order, one failed item ends nothing."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Generic, TypeVar

from tumordiff_core.progress import Progress

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Outcome(Generic[Item, Answer]):
    """What became of one item: its answer, or the exception it raised."""

    item: Item
    answer: Answer | None
    error: Exception | None


def spread(
    function: Callable[[Item], Answer], items: Iterable[Item], *, processes: int | None = None, progress: Progress
) -> Iterator[Outcome[Item, Answer]]:
    """Map ``function`` over ``items``: in this process for one process, else in a pool of spawned ones."""
    todo = list(items)
    count = min(processes or os.cpu_count() or 1, max(len(todo), 1))
    if count == 1:
        for item in todo:
            progress.check()
            try:
                yield Outcome(item, function(item), None)
            except Exception as error:
                yield Outcome(item, None, error)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        waiting = {pool.submit(function, item): item for item in todo}
        try:
            for future in as_completed(waiting):
                progress.check()
                try:
                    yield Outcome(waiting[future], future.result(), None)
                except Exception as error:
                    yield Outcome(waiting[future], None, error)
        finally:
            pool.shutdown(cancel_futures=True)
