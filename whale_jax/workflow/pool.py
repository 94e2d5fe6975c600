"""The processes that stages run in: what each does first, and several at once, each with a share of the machine."""

import concurrent.futures
import errno
import io
import json
import logging as stdlib_logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
from absl import flags, logging
from ml_collections import ConfigDict

from whale_jax.runtime import errors, preemption, progress, threads
from whale_jax.workflow import stage


class Share(NamedTuple):
    """What one of several processes has to itself.

    Attributes:
        cores: that it runs on.
        gpu: that it sees, as CUDA_VISIBLE_DEVICES has it; None where there is none.
    """

    cores: tuple[int, ...]
    gpu: str | None


def set_up() -> None:
    """What every process does first: what ends it, what it prints, JAX's devices and a cache of what was compiled.

    Where there is only the CPU it is one simulated device a core: sharding over them beats XLA's own threads. The
    networks of a run's folds and parts compile to the same programs, so a cache on disk halves the time of a short run.
    """
    preemption.listen()
    quieten()
    jax.config.update("jax_num_cpu_devices", threads.cores())
    if not jax.config.jax_compilation_cache_dir:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "whale_jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def quieten() -> None:
    """Our own lines and progress bars, without the libraries' chatter, and on any terminal without failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's are not, and are UTF-8
            stream.reconfigure(errors="backslashreplace")  # names of whales may have letters that it does not
    for name in ("jax", "orbax", "etils"):
        stdlib_logging.getLogger(name).setLevel(stdlib_logging.WARNING)
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    handler = logging.get_absl_handler()
    handler.setFormatter(stdlib_logging.Formatter("%(message)s"))
    handler.addFilter(lambda record: record.levelno >= stdlib_logging.WARNING or "whale_jax" in record.pathname)
    sys.unraisablehook = partial(_print_unless_told, sys.unraisablehook)
    threading.excepthook = partial(_print_unless_told, threading.excepthook)


def _print_unless_told(hook: Callable[[Any], None], unraised: Any) -> None:
    """Leaves out what the libraries' threads print beside the error that is raised and becomes a message.

    TensorStore goes on reading when Orbax has given up a damaged checkpoint, and TensorBoard writing on a full disk. A
    request to end that a callback of a library swallowed is made again.
    """
    error = unraised.exc_value
    if isinstance(error, errors.PreemptedError):
        preemption.repeat()
        return
    closed = isinstance(error, RuntimeError) and str(error) == "Event loop is closed"
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not closed and not full:
        hook(unraised)


class Pool:
    """Runs stages, at most `processes` at once and no more than there are GPUs, or cores where there is none.

    One at a time runs in this very process. Several have one GPU each, or the cores dealt out among them.
    """

    def __init__(self, processes: int):
        self._shares = shares(processes)
        self._under_way: dict[concurrent.futures.Future, str] = {}
        self._executor = _executor(self._shares)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind and issubclass(kind, errors.PreemptedError):
            for child in multiprocessing.active_children():
                child.terminate()  # it saves where it is
        if self._under_way and kind and issubclass(kind, Exception):
            logging.warning("stopped; what is under way goes on to its end: %s", ", ".join(self._under_way.values()))
        self._executor.shutdown()

    def free(self) -> bool:
        """Whether a stage that is started now begins at once."""
        return len(self._under_way) < len(self._shares)

    def start(self, name: str, config: ConfigDict, workdir: Path, *, title: str) -> None:
        """Starts the stage `name`; alone, it runs to its end before this returns."""
        alone = len(self._shares) == 1
        future = self._executor.submit(_run, config.to_json_best_effort(), workdir, title, "" if alone else name)
        self._under_way[future] = name

    def finished(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Waits for a stage to end; names and results of all that have. What went wrong in one is raised here."""
        done, _ = concurrent.futures.wait(self._under_way, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            name = self._under_way.pop(future)
            try:
                yield name, future.result()
            except concurrent.futures.process.BrokenProcessPool:
                raise errors.InputError(
                    f"the process of stage {name} was ended from outside, for want of memory perhaps: give the same"
                    " command again, it goes on where it stopped; or --config.processes=1"
                ) from None


def shares(processes: int) -> list[Share]:
    """The machine dealt out among at most `processes`."""
    cores, gpus = _cores(), _gpus()
    number = max(1, min(processes, len(gpus) or len(cores), len(cores)))
    return [Share(tuple(cores[i::number]), gpus[i] if gpus else None) for i in range(number)]


class _Here(concurrent.futures.Executor):
    """Does at once, in this process, what it is given."""

    def submit(self, fn, /, *args):
        future = concurrent.futures.Future()
        future.set_result(fn(*args))
        return future


def _executor(shares: list[Share]) -> concurrent.futures.Executor:
    if len(shares) == 1:
        return _Here()
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with JAX's threads may hang
    waiting = spawn.SimpleQueue()
    for share in shares:
        waiting.put(share)
    return concurrent.futures.ProcessPoolExecutor(len(shares), mp_context=spawn, initializer=_take, initargs=(waiting,))


def _take(waiting: multiprocessing.SimpleQueue) -> None:
    """What a new process does first: it takes a share, before JAX looks at what there is."""
    share = waiting.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share.cores)
    if share.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = share.gpu
    flags.FLAGS.mark_as_parsed()  # or absl warns that nobody has read them: the first process has
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_up()


def _end_with_parent() -> None:
    """Two runs would meet in one folder if a pipeline that is killed left its stages running."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _run(config: str, workdir: Path, title: str, among_others: str) -> dict[str, Any]:
    progress.STAGE = among_others
    logging.info("%s", title)
    return stage.run(ConfigDict(json.loads(config)), workdir)


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them, without a look by JAX, which would take their memory."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu]
    return [str(i) for i in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
