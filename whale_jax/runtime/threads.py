"""Work done by threads a few items before it is asked for: bounded memory, results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

In, Out = TypeVar("In"), TypeVar("Out")


def cores() -> int:
    """How many this process may use: a cluster may have given it few, and not keep it to them."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(there, int(os.environ.get("SLURM_CPUS_PER_TASK", there)))


def ahead(function: Callable[[In], Out], items: Iterable[In], *, workers: int = 0, depth: int = 0) -> Iterator[Out]:
    """`map`, found ahead of whoever takes the results.

    Args:
        function: applied to each item, in threads; what it raises is raised here.
        items: taken only as they are needed.
        workers: threads; 0 is one a core.
        depth: items at most that are under way or waiting to be taken; 0 is twice the workers.
    """
    workers = workers or cores()
    items = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(function, item) for item in islice(items, depth or 2 * workers))
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(function, item) for item in islice(items, 1))
            yield result
