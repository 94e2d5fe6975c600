"""What a training run carries from step to step."""

import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

QUICK = {"xla_backend_optimization_level": 1}  # of LLVM, and 3 by default; numbers are the same bit for bit


class TrainState(NamedTuple):
    """The state of a training: nothing else decides what the next step does.

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
    """The state before the first step, for pictures of `size` (height, width), in pixels.

    The program runs once, so LLVM optimises it little: for a deep network that saves two fifths of compiling.
    """
    compiled = jax.jit(partial(init, model, optimizer, size=size), compiler_options=QUICK)
    return compiled(seed=jnp.uint32(seed))


def init(
    model: nn.Module, optimizer: optax.GradientTransformation, *, seed: jax.Array, size: tuple[int, int]
) -> TrainState:
    """What `create` compiles: a pure function of a () uint32 seed, for pictures of `size` (height, width) in pixels."""
    variables = model.init(stream(seed, "init"), jnp.zeros((1, *size, 3)), train=False)
    params = variables["params"]
    return TrainState(jnp.int32(0), seed, params, variables.get("batch_stats", {}), optimizer.init(params))


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
