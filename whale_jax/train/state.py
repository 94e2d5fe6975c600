"""What a training run carries from step to step."""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax


class TrainState(NamedTuple):
    """All of it: nothing else decides what the next step does.

    Attributes:
        step: () int32 steps done.
        seed: () uint32, from which every key of every step is derived.
        params: float32 parameters.
        batch_stats: running averages of batch normalisation.
        opt_state: of the optimiser.
    """

    step: jax.Array
    seed: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any


def create(
    model: nn.Module, optimizer: optax.GradientTransformation, *, seed: int, size: tuple[int, int]
) -> TrainState:
    """The state before the first step, for pictures of `size` (height, width), in pixels."""

    @jax.jit
    def init(seed):
        variables = model.init(stream(seed, "init"), jnp.zeros((1, *size, 3)), train=False)
        params = variables["params"]
        stats = variables.get("batch_stats", {})
        return TrainState(jnp.int32(0), seed, params, stats, optimizer.init(params))

    return init(jnp.uint32(seed))


def blank(variables: Mapping[str, Any], seed: int) -> TrainState:
    """A state of zeros for variables of these shapes, without an optimiser: a checkpoint is read into it."""
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), dict(variables))
    return TrainState(np.int32(0), np.uint32(seed), zeros["params"], zeros.get("batch_stats", {}), ())


def stream(seed: jax.Array, name: str, *, step: jax.Array | int = 0) -> jax.Array:
    """Scalar key of the stream `name` ("init", "augment", "dropout") at a step: derived, never stored."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
    return jax.random.fold_in(key, step)


def parameter_count(state: TrainState) -> int:
    """Number of trained parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(state.params))
