"""A run that is asked to end saves its state, and its exit code says that it can be started again.

The request is SIGTERM. Slurm sends it, and so does a cloud that takes its machine back.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax

from whale_jax.runtime import errors, hosts

EXIT = 75  # EX_TEMPFAIL of sysexits.h: try again

_requested = threading.Event()


def listen() -> None:
    """From now on the signal raises PreemptedError in whatever the process is doing."""
    signal.signal(signal.SIGTERM, _stop)


def repeat() -> None:
    """Sends the signal once more, in a moment, when the callback that swallowed its exception has ended."""
    listen()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True  # a finished run does not wait for it
    timer.start()


def heed() -> None:
    """Raises PreemptedError where a request to end has not been honoured yet. Every host calls it between two stages.

    A library may have swallowed the request, or it came while several hosts did not train.
    """
    if _requested.is_set() or (hosts.count() > 1 and hosts.stop_requested()):
        raise errors.PreemptedError("asked to end")


@contextlib.contextmanager
def watched() -> Iterator[Callable[[], bool]]:
    """Inside the block, the signal interrupts nothing: the function that it yields reports it, on every host alike.

    Each host calls the function once a step, and all get the same answer at the same step. With several hosts JAX
    itself listens to the signal, from `hosts.connect` on. A request that the block did not see raises PreemptedError at
    its end.
    """
    requested = threading.Event()
    if jax.process_count() > 1 or threading.current_thread() is not threading.main_thread():
        yield hosts.stop_requested
        return
    before = signal.signal(signal.SIGTERM, lambda *_: requested.set())
    try:
        yield requested.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
    if requested.is_set():
        raise errors.PreemptedError("asked to end")


def _stop(*_: Any) -> None:
    _requested.set()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the answer to the first
    raise errors.PreemptedError("asked to end")
