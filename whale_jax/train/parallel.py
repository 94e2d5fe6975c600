"""A step on every device of every host: jit over a mesh, or pmap. Both give the same numbers, to rounding.

Under jit the batch is sharded and the state replicated; XLA adds the sums over devices. Under pmap the same
body gets `axis_name` and sums for itself. On a CPU one simulated device a core is the fast way.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from whale_jax.runtime import errors, hosts, registry

AXIS = "data"


class Parallel(NamedTuple):
    """How steps run on several devices.

    Attributes:
        devices: number of devices; a batch must divide by it.
        put_state: host or device tree -> tree replicated on all devices.
        put_batch: dict of (B, ...) arrays, of this host's rows (`hosts.share`) -> the same, dealt out to the devices.
        train: step function -> compiled (state, batch) -> (state, metrics); the state given is used up.
        evaluate: step function -> compiled (state, batch) -> (metrics, predictions).
        gather: dict of (B, ...) arrays on the devices -> all rows on every host.
    """

    devices: int
    put_state: Callable[[Any], Any]
    put_batch: Callable[[dict], dict]
    train: Callable[[Callable], Callable]
    evaluate: Callable[[Callable], Callable]
    gather: Callable[[dict], dict]


def parallel(mode: str, devices: int = 0, *, batch: int = 0) -> Parallel:
    """Parallel execution of batches of `batch` examples by `mode`, "jit" or "pmap".

    Args:
        mode: "jit" or "pmap".
        devices: number of devices of each host; 0 takes as many as the batch divides over.
        batch: examples a step, of all hosts; 0 where it is not known yet.

    Raises:
        InputError: more devices than there are, or a batch that does not divide over them.
    """
    local = hosts.devices()
    available, number = min(map(len, local)), len(local)
    if devices > available:
        place = " on every host" if number > 1 else ""
        raise errors.InputError(f"config.devices asks for {devices} devices, but there are {available}{place}")
    if batch % (number * (devices or 1)):
        over = [f"config.devices = {devices}"] * bool(devices) + [f"{number} hosts"] * (number > 1)
        photos = f"{batch} photos at once (config.batch / config.accumulate)"
        raise errors.InputError(f"{photos} do not divide over {' on each of '.join(over)}")
    each = devices or max(n for n in range(1, available + 1) if batch % (n * number) == 0)
    used = [device for devices_of_host in local for device in devices_of_host[:each]]
    return registry.lookup("config.parallel", {"jit": _jit, "pmap": _pmap}, mode)(used)


def _jit(devices: list) -> Parallel:
    spread, same = _shardings(devices)
    return Parallel(
        devices=len(devices),
        put_state=hosts.place(same),
        put_batch=hosts.place(spread),
        train=lambda step: jax.jit(step, donate_argnums=0, in_shardings=(same, spread), out_shardings=same),
        evaluate=lambda step: jax.jit(step, in_shardings=(same, spread), out_shardings=(same, spread)),
        gather=hosts.all_rows,
    )


def _pmap(devices: list) -> Parallel:
    spread, same = _shardings(devices)
    per_host, put = len(devices) // hosts.count(), hosts.place(spread)

    def split(batch):
        return {name: value.reshape(per_host, -1, *value.shape[1:]) for name, value in batch.items()}

    def join(tree):
        return jax.tree.map(lambda value: value.reshape(-1, *value.shape[2:]), hosts.all_rows(tree))

    def mapped(step, out_axes, **options):
        return jax.pmap(
            partial(step, axis_name=AXIS), AXIS, in_axes=(None, 0), out_axes=out_axes, devices=devices, **options
        )

    return Parallel(
        devices=len(devices),
        put_state=hosts.place(same),
        put_batch=lambda batch: put(split(batch)),
        train=lambda step: mapped(step, (None, None), donate_argnums=0),
        evaluate=lambda step: mapped(step, (None, 0)),
        gather=join,
    )


def _shardings(devices: list) -> tuple[NamedSharding, NamedSharding]:
    """The shardings of rows that are dealt out to the devices, and of what is the same on each."""
    mesh = jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))
    return NamedSharding(mesh, PartitionSpec(AXIS)), NamedSharding(mesh, PartitionSpec())
