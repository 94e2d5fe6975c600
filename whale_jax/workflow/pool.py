"""The processes that stages run in: one at a time in this one, or several, each with a share of the machine."""

import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
import threadpoolctl
from absl import flags, logging
from ml_collections import ConfigDict

from whale_jax.runtime import errors, process, progress, threads
from whale_jax.workflow import stage

PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"  # whether JAX takes most of a GPU's memory when it starts
PREALLOCATION = os.environ.get(PREALLOCATE)  # as it was given


class Share(NamedTuple):
    """The part of the machine that one process has to itself.

    Attributes:
        cores: it runs on these, but for threads of a stage that nothing runs beside, which get all.
        gpu: the one it sees, by its name in CUDA_VISIBLE_DEVICES; None where there is none.
    """

    cores: tuple[int, ...]
    gpu: str | None


class Pool:
    """Runs stages, `processes` at once: at most as many as there are GPUs, or cores where there is no GPU.

    One at a time runs in this very process. Several get a GPU each, or the cores dealt out among them.
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
            logging.warning("stopped; these stages go on to their end: %s", ", ".join(self._under_way.values()))
        self._executor.shutdown()

    def free(self) -> bool:
        """Whether a stage would begin as soon as it is started."""
        return len(self._under_way) < len(self._shares)

    def start(self, name: str, config: ConfigDict, *, workdir: Path, title: str, last_ready: bool = False) -> None:
        """Starts the stage `name`. Where one runs at a time, it ends before this returns.

        `last_ready`: no other can start beside it. If none is under way either, the threads of this one get every core.
        """
        several = len(self._shares) > 1
        cores = _cores() if several and last_ready and not self._under_way else ()
        arguments = config.to_json_best_effort(), workdir, title, name if several else "", cores
        try:
            self._under_way[self._executor.submit(_run, *arguments)] = name
        except BrokenProcessPool:
            raise _killed(" or ".join([*self._under_way.values()] or [name])) from None

    def finished(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Waits for a stage to end, and gives names and results of all that have. Their errors are raised here."""
        ended, _ = concurrent.futures.wait(self._under_way, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in ended:
            name = self._under_way.pop(future)
            try:
                yield name, future.result()
            except BrokenProcessPool:
                raise _killed(name) from None


def _killed(name: str) -> errors.InputError:
    return errors.InputError(
        f"the process of stage {name} was ended from outside, for want of memory perhaps: give the same command again,"
        " it goes on where it stopped; or --config.processes=1"
    )


def spare_gpus(processes: int) -> None:
    """Before JAX looks for devices: where `processes` get a GPU each, this one takes no part of the first in advance.

    JAX would take three quarters of its memory, which the process that gets this GPU needs.
    """
    if _gpus() and len(shares(processes)) > 1:
        os.environ[PREALLOCATE] = "false"


def shares(processes: int) -> list[Share]:
    """The machine dealt out among at most `processes`."""
    cores, gpus = _cores(), _gpus()
    number = max(1, min(processes, len(gpus) or len(cores), len(cores)))
    return [Share(tuple(cores[i::number]), gpus[i] if gpus else None) for i in range(number)]


class _LocalExecutor(concurrent.futures.Executor):
    """Calls every function at once, in this process."""

    def submit(self, fn, /, *args):
        future = concurrent.futures.Future()
        future.set_result(fn(*args))
        return future


def _executor(shares: list[Share]) -> concurrent.futures.Executor:
    if len(shares) == 1:
        return _LocalExecutor()
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with JAX's threads may hang
    waiting = spawn.SimpleQueue()
    for share in shares:
        waiting.put(share)
    arguments = waiting, PREALLOCATION
    return concurrent.futures.ProcessPoolExecutor(len(shares), mp_context=spawn, initializer=_take, initargs=arguments)


def _take(waiting: multiprocessing.SimpleQueue, preallocation: str | None) -> None:
    """What a new process does first: it takes a share of the machine, before JAX looks for devices."""
    share = waiting.get()
    os.environ.pop(PREALLOCATE, None)  # see `spare_gpus`
    if preallocation is not None:
        os.environ[PREALLOCATE] = preallocation
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share.cores)
    # NumPy's BLAS, loaded by now, has a thread for every core of the machine, which the line above does not move.
    for library in threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers:
        library.set_num_threads(min(library.num_threads, len(share.cores)))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(len(share.cores)))  # of SciPy's, which is loaded later
    if share.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = share.gpu
    flags.FLAGS.mark_as_parsed()  # the first process has read them, and absl would warn that nobody has
    threading.Thread(target=_end_with_parent, daemon=True).start()
    process.set_up()


def _end_with_parent() -> None:
    """Ends with a pipeline that is killed: the next run would meet this process in the folder of its stage."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _run(config: str, workdir: Path, title: str, label: str, cores: Sequence[int]) -> dict[str, Any]:
    progress.STAGE = label
    logging.info("%s", title)
    with _on(cores):
        return stage.run(ConfigDict(json.loads(config)), workdir)


@contextlib.contextmanager
def _on(cores: Sequence[int]) -> Iterator[None]:
    """Threads that begin meanwhile run on these cores; without any, on those of the process's share.

    JAX keeps the cores of the share, which it counts when it is first asked for devices: a network would come out
    otherwise in its last digits when it happens to train alone.
    """
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    jax.local_devices()
    share = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, share)


def _cores() -> list[int]:
    """Those that this process may use, as many as Slurm allots."""
    visible = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return list(visible)[: threads.cores()]


def _gpus() -> list[str]:
    """Their names in CUDA_VISIBLE_DEVICES. JAX is not asked: it would take their memory."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu and gpu != "-1"]
    return [str(i) for i in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
