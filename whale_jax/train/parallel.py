"""A step on every local device: jit over a mesh, or pmap. Both give the same numbers.

Under jit the batch is sharded and the state replicated; XLA adds the sums over devices. Under pmap the same
body gets `axis_name` and sums for itself. On a CPU one simulated device a core is the fast way.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from whale_jax import errors, registry

AXIS = "data"


class Parallel(NamedTuple):
    """How steps run on several devices.

    Attributes:
        devices: number of devices; a batch must divide by it.
        put_state: host or device tree -> tree replicated on all devices.
        put_batch: dict of (B, ...) arrays -> the same, spread over the devices.
        train: step function -> compiled (state, batch) -> (state, metrics); the state given is used up.
        evaluate: step function -> compiled (state, batch) -> (metrics, predictions).
        gather: dict of (B, ...) predictions on devices -> the same on the host.
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
        mode: how.
        devices: how many local devices; 0 takes as many as the batch divides over.
        batch: examples a step; 0 where it is not known yet.

    Raises:
        InputError: more devices than there are, or a batch that does not divide over them.
    """
    available = jax.local_devices()
    if devices > len(available):
        raise errors.InputError(f"config.devices asks for {devices} devices, but there are {len(available)}")
    if devices and batch % devices:
        raise errors.InputError(f"{batch} photos at once (config.batch) do not divide over config.devices = {devices}")
    count = devices or max(n for n in range(1, len(available) + 1) if batch % n == 0)
    return registry.lookup("config.parallel", {"jit": _jit, "pmap": _pmap}, mode)(available[:count])


def _jit(devices: list) -> Parallel:
    mesh = jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))
    spread, same = NamedSharding(mesh, PartitionSpec(AXIS)), NamedSharding(mesh, PartitionSpec())
    return Parallel(
        devices=len(devices),
        put_state=lambda tree: jax.device_put(tree, same),
        put_batch=lambda batch: jax.device_put(batch, spread),
        train=lambda step: jax.jit(step, donate_argnums=0, in_shardings=(same, spread), out_shardings=same),
        evaluate=lambda step: jax.jit(step, in_shardings=(same, spread), out_shardings=(same, spread)),
        gather=jax.device_get,
    )


def _pmap(devices: list) -> Parallel:
    count = len(devices)
    mesh = jax.make_mesh((count,), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))
    spread, same = NamedSharding(mesh, PartitionSpec(AXIS)), NamedSharding(mesh, PartitionSpec())

    def split(batch):
        return {name: value.reshape(count, -1, *value.shape[1:]) for name, value in batch.items()}

    def join(tree):
        return jax.tree.map(lambda value: np.asarray(value).reshape(-1, *value.shape[2:]), tree)

    def mapped(step, out_axes, **options):
        return jax.pmap(
            partial(step, axis_name=AXIS), AXIS, in_axes=(None, 0), out_axes=out_axes, devices=devices, **options
        )

    return Parallel(
        devices=count,
        put_state=lambda tree: jax.device_put(tree, same),
        put_batch=lambda batch: jax.device_put(split(batch), spread),
        train=lambda step: mapped(step, (None, None), donate_argnums=0),
        evaluate=lambda step: mapped(step, (None, 0)),
        gather=join,
    )
