"""An exponential moving average (EMA) of the weights, which is measured and kept in place of the last weights.

Averages of weights name better than the weights that a training ends with, as long as its learning rate is high (Polyak
& Juditsky, SIAM J. Control Optim. 30, 1992); the exponential kind forgets the first steps.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from whale_jax.train.state import TrainState


class EmaState(NamedTuple):
    """Takes the place of `TrainState.opt_state`, while `params` and `batch_stats` of the state hold averages.

    Evaluations, checkpoints and later trainings read those two fields, and so get the averages.

    Attributes:
        params, batch_stats: of the last step, which the next one goes on from; zeros before the first.
        opt_state: of the optimiser.
    """

    params: Any
    batch_stats: Any
    opt_state: Any


def init(state: TrainState) -> TrainState:
    """A state before its first step, as a step of `wrap` takes it. Its weights may still be replaced by others."""
    zeros = jax.tree.map(jnp.zeros_like, (state.params, state.batch_stats))
    return state._replace(opt_state=EmaState(*zeros, state.opt_state))


def wrap(step: Callable, *, decay: float) -> Callable:
    """A training step whose state holds averages of the weights, and of the running averages of batch normalisation.

    After T steps, the weights of step t count decay^(T - t) over the sum of all these, and those before the first step
    nothing: optax's `ema` with its bias taken out.

    Args:
        step: (state, batch, *, axis_name=None) -> (state, metrics), which learns as it would without averages.
        decay: above 0 and below 1; the average is of about 1 / (1 - decay) steps.
    """

    def train_step(state: TrainState, batch: Any, *, axis_name: str | None = None) -> tuple[TrainState, Any]:
        averages, (params, stats, opt_state) = (state.params, state.batch_stats), state.opt_state
        # Before the first step, weights may have come from elsewhere; nothing is averaged yet, so the state has them.
        last = jax.tree.map(lambda a, b: jnp.where(state.step == 0, a, b), averages, (params, stats))
        after, metrics = step(TrainState(state.step, state.seed, *last, opt_state), batch, axis_name=axis_name)
        share = (1 - decay) / -jnp.expm1(after.step * math.log(decay))
        weights = (after.params, after.batch_stats)
        averages = jax.tree.map(lambda average, value: average + share * (value - average), averages, weights)
        return TrainState(after.step, after.seed, *averages, EmaState(*weights, after.opt_state)), metrics

    return train_step
