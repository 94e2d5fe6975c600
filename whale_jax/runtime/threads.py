"""Work that threads do a few items ahead: bounded memory, results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

In, Out = TypeVar("In"), TypeVar("Out")


def cores() -> int:
    """The number of cores that this process may use. Slurm may allot it fewer than it can see."""
    visible = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(visible, int(os.environ.get("SLURM_CPUS_PER_TASK", visible)))


class Pool(ThreadPoolExecutor):
    """Threads whose closing drops what has not begun and waits for the rest, as the end of a `with` block does.

    A process that ends while JAX works in a thread is aborted. Python waits for the threads of a pool when it ends, but
    where a signal interrupts a join, Python 3.11 and 3.12 take that thread for ended: what is waited for here is what
    the threads do.
    """

    def __init__(self, workers: int, name: str = ""):
        """So many threads, whose names begin with `name`."""
        super().__init__(workers, name)
        self._unfinished: set[Future] = set()

    def submit(self, function: Callable[..., Out], /, *args: Any, **kwargs: Any) -> "Future[Out]":
        """Has a thread call the function."""
        future = super().submit(function, *args, **kwargs)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def drop(self) -> bool:
        """Drops what has not begun, takes no more, and returns whether anything is at work."""
        self.shutdown(wait=False, cancel_futures=True)
        return bool(self._unfinished)

    def close(self) -> None:
        """Drops what has not begun, and waits for the rest."""
        self.drop()
        wait(self._unfinished.copy())
        self.shutdown()

    def __exit__(self, *error: Any) -> None:
        self.close()


def ahead(function: Callable[[In], Out], items: Iterable[In], *, workers: int = 0, depth: int = 0) -> Iterator[Out]:
    """`map`, whose results are computed ahead of the consumer.

    Args:
        function: applied to each item, in threads. Its exceptions are raised here.
        items: consumed only as they are needed.
        workers: threads; 0 is one for each core.
        depth: the most items that are in work or wait for the consumer; 0 is twice the workers.
    """
    workers = workers or cores()
    items = iter(items)
    with Pool(workers) as pool:
        running = deque(pool.submit(function, item) for item in islice(items, depth or 2 * workers))
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(function, item) for item in islice(items, 1))
            yield result
