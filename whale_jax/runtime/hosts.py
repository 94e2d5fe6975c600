"""Several processes that work on one run, each on its own host, or with its own devices on the same host.

All of them call the same programs in the same order and see the same folder. A training uses the devices of all. Work
on every photo is done in shards, one for each host. All other work the first host does while the others wait. Only the
first host writes logs and results.
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
LOST = 60  # seconds without a sign of life from a host, after which the others stop
STEP_OUT = 20  # seconds that a host waits for the others when it ends
LONGEST = 7 * 24 * 3600  # seconds that hosts wait while the first one works; a lost host ends the wait earlier

_alone = threading.Event()
_meetings, _checks = itertools.count(), itertools.count()


def connect(way: str, *, address: str | None, number: int | None, index: int | None, timeout: int) -> None:
    """Connects the processes of this run, before anything is computed.

    Args:
        way: "none": there is only this process; "auto": the cluster, Slurm or Open MPI, tells how; "explicit": the
            other arguments do.
        address: host:port at which the others find the first process.
        number: of processes.
        index: of this process, from 0.
        timeout: seconds to wait for the others.

    Raises:
        InputError: arguments that are missing or make no sense, or processes that do not connect in time.
    """
    registry.lookup("--distributed", dict.fromkeys(WAYS), way)
    arguments = {"coordinator_address": address, "num_processes": number, "process_id": index}
    if way != "explicit" and (named := [f"--{name}" for name, value in arguments.items() if value is not None]):
        raise errors.InputError(f"only --distributed=explicit takes {' and '.join(named)}, not {way!r}")
    if way == "none":
        return
    if way == "explicit":
        if missing := [f"--{name}" for name, value in arguments.items() if value is None]:
            raise errors.InputError(f"--distributed=explicit needs {' and '.join(missing)}")
        if not 0 <= index < number:
            raise errors.InputError(f"--process_id={index} is not one of --num_processes={number}: they begin with 0")
        if index:
            _reach(address, timeout)
    try:
        jax.distributed.initialize(
            *arguments.values(),
            cluster_detection_method="deactivate" if way == "explicit" else None,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=LOST,
            shutdown_timeout_seconds=STEP_OUT,
        )
    except (ValueError, RuntimeError) as error:
        cause = "this is no step of Slurm or Open MPI (start it by srun), or " if way == "auto" else ""
        raise errors.InputError(f"--distributed={way}: {cause}not all processes came: {error}") from error
    if not first():
        logging.set_verbosity(logging.WARNING)  # so that each line comes once
        progress.HIDDEN = True


def _reach(address: str, timeout: int) -> None:
    """Waits until something listens at the address: JAX ends the process without a message where nothing does."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise errors.InputError(f"--coordinator_address={address} is not host:port, such as node0:8476")
    deadline, cause = time.monotonic() + timeout, None
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError as error:
            cause = error
            time.sleep(0.5)
    advice = "is the first process running there, and may this one reach it?"
    raise errors.InputError(f"the coordinator {address} did not answer in {timeout} s ({cause}): {advice}")


def count() -> int:
    """The number of hosts that work together; 1 inside `alone`."""
    return 1 if _alone.is_set() or not jax.distributed.is_initialized() else jax.process_count()


def index() -> int:
    """The index of this host, from 0."""
    return jax.process_index() if count() > 1 else 0


def first() -> bool:
    """Whether this is the first host, which writes."""
    return not jax.distributed.is_initialized() or jax.process_index() == 0  # JAX itself would look for devices


def devices() -> list[list[jax.Device]]:
    """The devices of each host; inside `alone`, of this one only."""
    if count() == 1:
        return [jax.local_devices()]
    return [[device for device in jax.devices() if device.process_index == host] for host in range(count())]


def share(batch: int) -> slice:
    """The rows of a batch that this host's devices hold."""
    size = batch // count()
    return slice(index() * size, (index() + 1) * size) if count() > 1 else slice(None)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Inside the block, this host works without the others."""
    before = _alone.is_set()
    _alone.set()
    try:
        yield
    finally:
        if not before:
            _alone.clear()


def once(function: Callable, *args) -> object | None:
    """`function(*args)` on the first host, which works alone while the others wait; None on the others.

    An InputError of the first host is raised on all.
    """
    result = mistake = None
    try:
        with alone():
            result = function(*args) if first() else None
    except errors.InputError as error:
        mistake = error
    finally:
        wait()
    if not agree(mistake is None):
        raise mistake or errors.InputError("the first host could not do it, and says why")
    return result


def each(function: Callable, *args) -> object:
    """`function(*args)` on each host, which works without the others. An InputError of one host is raised on all."""
    result = mistake = None
    with alone():
        try:
            result = function(*args)
        except errors.InputError as error:
            mistake = error
    wait()
    if not agree(mistake is None):
        raise mistake or errors.InputError("another host could not do its share, and says why")
    return result


def wait() -> None:
    """Returns when all hosts have called it, however long the first one works before."""
    if count() > 1:
        meet = ocp.multihost.get_barrier_sync_fn(processes=set(range(count())))
        meet(key=f"whale_jax_{next(_meetings)}", timeout_ms=1000 * LONGEST)


def agree(condition: bool) -> bool:
    """Whether the condition holds on every host. Every host calls it."""
    if count() == 1:
        return condition
    return bool(multihost_utils.process_allgather(np.array(condition)).all())


def of_first(content: Any) -> Any:
    """The first host's content, which must be JSON, on every host. Every host calls it."""
    if count() == 1:
        return content
    text = np.frombuffer(json.dumps(content).encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
    return json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(np.resize(text, length)))))


def all_rows(tree: dict) -> dict:
    """Whole arrays, on every host, from arrays of which each host holds some rows."""
    return jax.device_get(tree) if count() == 1 else multihost_utils.process_allgather(tree, tiled=True)


def place(sharding: jax.sharding.Sharding) -> Callable:
    """A function that puts a tree on the devices of `sharding`. Each host passes the part for its own devices."""
    if count() == 1:
        return functools.partial(jax.device_put, device=sharding)
    return lambda tree: jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)), tree
    )


def stop_requested() -> bool:
    """Whether all hosts stop now, because one of them got the signal. Each host calls it equally often."""
    return jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(next(_checks))
