"""One function mapped over many items in worker processes; results in any order, one failed item ends nothing."""

import importlib
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tumordiff_core.errors import MissingError
from tumordiff_core.progress import Progress

Item = TypeVar("Item")
Answer = TypeVar("Answer")
AHEAD = 4
CLUSTER_PATIENCE_S = 20


@dataclass(frozen=True)
class Outcome(Generic[Item, Answer]):
    """What became of one item: its answer, or the exception it raised."""

    item: Item
    answer: Answer | None
    error: Exception | None


def spread(
    function: Callable[[Item], Answer], items: Iterable[Item], *, processes: int | None = None, cluster: str = "",
    progress: Progress,
) -> Iterator[Outcome[Item, Answer]]:  # fmt: skip
    """Map ``function`` over ``items``: in this process for one process, else in a pool of spawned ones.

    ``items`` may be endless: they are taken a few at a time, from this thread. ``cluster`` names a Dask scheduler
    (``tcp://host:port``) whose workers do it instead; they must see the same files.

    Raises MissingError("jobs.no_cluster") where the scheduler does not answer or Dask is not installed.
    """
    if cluster:
        yield from _over_cluster(function, items, cluster, progress)
        return
    todo = iter(items)
    wanted = processes or os.cpu_count() or 1
    first = list(itertools.islice(todo, wanted))
    count = min(wanted, max(len(first), 1))
    todo = itertools.chain(first, todo)
    if count == 1:
        for item in todo:
            progress.check()
            try:
                yield Outcome(item, function(item), None)
            except Exception as error:
                yield Outcome(item, None, error)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent) as pool:
        waiting: dict[Future[Answer], Item] = {}
        try:
            # Few items wait at a time, so that millions of them need no more memory than some.
            while True:
                for item in itertools.islice(todo, AHEAD * count - len(waiting)):
                    waiting[pool.submit(function, item)] = item
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    progress.check()
                    item = waiting.pop(future)
                    try:
                        yield Outcome(item, future.result(), None)
                    except Exception as error:
                        yield Outcome(item, None, error)
        finally:
            pool.shutdown(cancel_futures=True)


def _over_cluster(
    function: Callable[[Item], Answer], items: Iterable[Item], cluster: str, progress: Progress
) -> Iterator[Outcome[Item, Answer]]:
    """The same on a Dask cluster: some items per worker on their way at a time."""
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingError("jobs.no_cluster", address=cluster, reason="Dask is not installed") from error
    try:
        client = distributed.Client(cluster, timeout=CLUSTER_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MissingError("jobs.no_cluster", address=cluster, reason="it does not answer") from error
    with client:
        todo = iter(items)
        ahead = AHEAD * max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)
        flying: dict[Any, Item] = {}
        done = distributed.as_completed(loop=client.loop)
        while True:
            for item in itertools.islice(todo, ahead - len(flying)):
                future = client.submit(function, item, pure=False)
                flying[future.key] = item
                done.add(future)
            if not flying:
                return
            future = next(done)
            progress.check()
            item, raised = flying.pop(future.key), future.exception()
            yield Outcome(item, None if raised is not None else future.result(), raised)


def _end_with_parent() -> None:
    """A worker whose starter was killed must not wait for work for ever."""
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
