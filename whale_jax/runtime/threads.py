"""Work that threads do a few items ahead: bounded memory, results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

In, Out = TypeVar("In"), TypeVar("Out")


def cores() -> int:
    """The number of cores that this process may use. Slurm may allot it fewer than it can see."""
    visible = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(visible, int(os.environ.get("SLURM_CPUS_PER_TASK", visible)))


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
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(function, item) for item in islice(items, depth or 2 * workers))
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(function, item) for item in islice(items, 1))
            yield result
