"""What every process does first: the signal that ends it, what it prints, JAX's devices and a cache on disk."""

import errno
import io
import logging as stdlib_logging
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
from absl import logging

from whale_jax.runtime import errors, preemption, threads

PACKAGE = Path(__file__).parents[1]  # a checkout may be called as the package is, with the libraries in it


def set_up() -> None:
    """Every process of a run calls this first.

    Where there is only a CPU, each core becomes a simulated device: sharding over them beats XLA's own threads. The
    networks of a run's folds compile to the same programs, so a cache on disk halves the time of a short run.
    """
    preemption.listen()
    quieten()
    jax.config.update("jax_num_cpu_devices", threads.cores())
    if not jax.config.jax_compilation_cache_dir:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "whale_jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def quieten() -> None:
    """Prints this package's lines and progress bars without the libraries' chatter, on any terminal without failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's streams are others, and take UTF-8
            stream.reconfigure(errors="backslashreplace")  # whales' names may have letters that the terminal has not
    for name in ("jax", "orbax", "etils"):
        stdlib_logging.getLogger(name).setLevel(stdlib_logging.WARNING)
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    handler = logging.get_absl_handler()
    handler.setFormatter(stdlib_logging.Formatter("%(message)s"))
    handler.addFilter(
        lambda record: record.levelno >= stdlib_logging.WARNING or Path(record.pathname).is_relative_to(PACKAGE)
    )
    sys.unraisablehook = partial(_print_unless_reported, sys.unraisablehook)
    threading.excepthook = partial(_print_unless_reported, threading.excepthook)


def _print_unless_reported(hook: Callable[[Any], None], unraised: Any) -> None:
    """Leaves out what libraries' threads print beside an error that is raised and becomes a message.

    TensorStore goes on reading when Orbax has given up a damaged checkpoint, and TensorBoard goes on writing to a full
    disk. A request to end that a library's callback has swallowed is made again.
    """
    error = unraised.exc_value
    if isinstance(error, errors.PreemptedError):
        preemption.repeat()
        return
    closed = isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not closed and not full:
        hook(unraised)
