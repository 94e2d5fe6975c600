"""A run that is asked to end (SIGTERM, from Slurm, from a cloud that takes its machine back) saves where it is and says
so by its exit code: whoever started it can start it again.
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
    """From now on the signal raises PreemptedError, wherever the process is."""
    signal.signal(signal.SIGTERM, _stop)


def repeat() -> None:
    """Has the signal come once more, in a moment: when the callback that swallowed what it raised has ended."""
    listen()
    again = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    again.daemon = True  # a run that is done ends without it
    again.start()


def heed() -> None:
    """Raises PreemptedError where a request to end is not honoured yet. Every host calls it, between two stages.

    What a library swallowed comes back here, and so does what came while several hosts did not train.
    """
    if _requested.is_set() or (hosts.count() > 1 and hosts.asked_to_stop()):
        raise errors.PreemptedError("asked to end")


@contextlib.contextmanager
def watched() -> Iterator[Callable[[], bool]]:
    """Inside, the signal interrupts nothing, but the function given tells of it: on every host at the same step.

    Each host calls it once a step. With several of them JAX listens to the signal itself, from `hosts.connect` on.
    A request that the block did not see raises PreemptedError at its end.
    """
    asked = threading.Event()
    if jax.process_count() > 1 or threading.current_thread() is not threading.main_thread():
        yield hosts.asked_to_stop
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked.is_set():
        raise errors.PreemptedError("asked to end")


def _stop(*_: Any) -> None:
    _requested.set()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt what the first has begun
    raise errors.PreemptedError("asked to end")
