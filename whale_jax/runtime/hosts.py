"""Several processes that work on one run, each on a host of its own, or with devices of its own on the same one.

All of them call the same programs in the same order and see the same folder. A training uses the devices of all; what
reads every photo, they do a shard each; what else there is to do, the first does alone while the others wait. Only the
first writes logs and results.
"""

import contextlib
import functools
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from jax.experimental import multihost_utils

from whale_jax.runtime import errors, progress, registry

WAYS = ("none", "auto", "explicit")
LOST = 60  # seconds without a word from a host after which the others stop
STEP_OUT = 20  # seconds that a host which ends waits for the others
LONGEST = 7 * 24 * 3600  # seconds that hosts wait for the first one at work: a host that is lost ends them before

_alone = threading.Event()
_meetings, _looks = itertools.count(), itertools.count()


def connect(way: str, *, address: str | None, number: int | None, index: int | None, timeout: int) -> None:
    """Meets the other processes of this run; nothing is computed before.

    Args:
        way: "none", there are no others; "auto", as the cluster says, Slurm or Open MPI; "explicit", as the rest says.
        address: host:port of the first process, where the others find it.
        number: of processes.
        index: of this one.
        timeout: seconds to wait for them.

    Raises:
        InputError: arguments that are missing or make no sense, or processes that do not come in time.
    """
    registry.lookup("--distributed", dict.fromkeys(WAYS), way)
    given = {"coordinator_address": address, "num_processes": number, "process_id": index}
    if way != "explicit" and (named := [f"--{name}" for name, value in given.items() if value is not None]):
        raise errors.InputError(f"only --distributed=explicit takes {' and '.join(named)}, not {way!r}")
    if way == "none":
        return
    if way == "explicit":
        if missing := [f"--{name}" for name, value in given.items() if value is None]:
            raise errors.InputError(f"--distributed=explicit needs {' and '.join(missing)}")
        if not 0 <= index < number:
            raise errors.InputError(f"--process_id={index} is not one of --num_processes={number}: they begin with 0")
        if index:
            _reach(address, timeout)
    try:
        jax.distributed.initialize(
            *given.values(),
            cluster_detection_method="deactivate" if way == "explicit" else None,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=LOST,
            shutdown_timeout_seconds=STEP_OUT,
        )
    except (ValueError, RuntimeError) as error:
        what = "this is no step of Slurm or Open MPI (start it by srun), or " if way == "auto" else ""
        raise errors.InputError(f"--distributed={way}: {what}not all processes came: {error}") from error
    if not first():
        logging.set_verbosity(logging.WARNING)  # each line once
        progress.HIDDEN = True


def _reach(address: str, timeout: int) -> None:
    """Waits until something listens there: JAX ends the process without a word where nothing does."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise errors.InputError(f"--coordinator_address={address} is not host:port, such as node0:8476")
    until, why = time.monotonic() + timeout, None
    while time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError as error:
            why = error
            time.sleep(0.5)
    what = "is the first process running there, and may this one reach it?"
    raise errors.InputError(f"the coordinator {address} did not answer in {timeout} s ({why}): {what}")


def count() -> int:
    """How many work together: 1 inside `alone`."""
    return 1 if _alone.is_set() or not jax.distributed.is_initialized() else jax.process_count()


def index() -> int:
    """Which of them this is."""
    return jax.process_index() if count() > 1 else 0


def first() -> bool:
    """Whether this is the one that writes."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0  # JAX itself would look for devices


def devices() -> list[list[jax.Device]]:
    """The devices of each host; inside `alone` only of this one."""
    if count() == 1:
        return [jax.local_devices()]
    return [[device for device in jax.devices() if device.process_index == host] for host in range(count())]


def share(batch: int) -> slice:
    """The rows of a batch that are this host's: those that its devices hold."""
    part = batch // count()
    return slice(index() * part, (index() + 1) * part) if count() > 1 else slice(None)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Inside, this process does what it does without the others."""
    before = _alone.is_set()
    _alone.set()
    try:
        yield
    finally:
        if not before:
            _alone.clear()


def once(what: Callable, *args) -> object | None:
    """What `what(*args)` returns to the first host, which does it alone while the others wait; None to these."""
    try:
        with alone():
            return what(*args) if first() else None
    finally:
        wait()


def each(what: Callable, *args) -> object:
    """What `what(*args)` returns, which each host does without the others. A mistake of one is an InputError of all."""
    found = mistake = None
    with alone():
        try:
            found = what(*args)
        except errors.InputError as error:
            mistake = error
    wait()
    if not agree(mistake is None):
        raise mistake or errors.InputError("another host could not do its share, and says why")
    return found


def wait() -> None:
    """Returns when all have come here, however long the first was at work."""
    if count() > 1:
        everybody = set(range(count()))
        meet = ocp.multihost.get_barrier_sync_fn(processes=everybody)
        meet(key=f"whale_jax_{next(_meetings)}", timeout_ms=1000 * LONGEST)


def agree(fine: bool) -> bool:
    """Whether it is so on every host."""
    if count() == 1:
        return fine
    return bool(multihost_utils.process_allgather(np.array(fine)).all())


def of_first(content: Any) -> Any:
    """What the first host gives, which can be written as JSON, on every host; every host calls it."""
    if count() == 1:
        return content
    text = np.frombuffer(json.dumps(content).encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    return json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(np.resize(text, length)))))


def all_rows(tree: dict) -> dict:
    """Arrays of which each host holds some rows, whole and on every host."""
    return jax.device_get(tree) if count() == 1 else multihost_utils.process_allgather(tree, tiled=True)


def place(sharding: jax.sharding.Sharding) -> Callable:
    """The function that puts a tree on the devices of `sharding`; each host gives what its own devices are to hold."""
    if count() == 1:
        return functools.partial(jax.device_put, device=sharding)
    return lambda tree: jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), tree
    )


def asked_to_stop() -> bool:
    """Whether all hosts stop now, since one of them has got the signal to; each asks equally often."""
    return jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(next(_looks))
