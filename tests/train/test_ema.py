"""Averages of weights: their closed form, and the training that goes on as it would without them."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.train import test_loop, test_step
from whale_jax.train import ema
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.train.state import TrainState

DECAY, STEPS = 0.8, 5


def walk(state, batch, *, axis_name=None):
    """A step that moves the weights to what the batch says."""
    stats = jax.tree.map(lambda value: value + 1, state.batch_stats)
    return TrainState(state.step + 1, state.seed, {"w": batch}, stats, state.opt_state), {}


def first(weights):
    return TrainState(jnp.int32(0), jnp.uint32(0), {"w": weights}, {"mean": jnp.zeros(3)}, ())


@pytest.mark.parametrize("decay", [0.5, 0.99, 0.9999])
def test_the_average_is_optaxs_without_its_bias_and_forgets_the_first_weights(decay):
    weights = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    step, state = jax.jit(ema.wrap(walk, decay=decay)), ema.init(first(jnp.full(3, 100.0)))
    reference = optax.ema(decay, debias=True)
    moments = reference.init(weights[0])
    for i, value in enumerate(weights):
        state, _ = step(state, value)
        expected, moments = reference.update(value, moments)
        assert_allclose(state.params["w"], expected, rtol=2e-3, atol=1e-4)
        assert_array_equal(state.opt_state.params["w"], value)
        powers = decay ** np.arange(i, -1, -1.0)
        assert_allclose(state.params["w"], powers @ weights[: i + 1] / powers.sum(), rtol=1e-3, atol=1e-5)
        assert_allclose(state.batch_stats["mean"], powers @ np.arange(1.0, i + 2) / powers.sum(), rtol=1e-3)


def test_weights_that_do_not_move_stay_as_they_are_bit_for_bit():
    weights = jnp.asarray(np.random.default_rng(1).normal(size=3).astype(np.float32))
    step, state = jax.jit(ema.wrap(walk, decay=0.9)), ema.init(first(weights))
    for _ in range(STEPS):
        state, _ = step(state, weights)
    assert_array_equal(state.params["w"], weights)


def test_a_training_goes_on_from_weights_that_were_put_into_its_first_state():
    state = ema.init(first(jnp.zeros(3)))._replace(params={"w": jnp.full(3, 7.0)})

    def climb(state, batch, *, axis_name=None):
        return state._replace(step=state.step + 1, params={"w": state.params["w"] + 1}), {}

    state, _ = ema.wrap(climb, decay=0.9)(state, None)
    assert_allclose(state.params["w"], 8)
    state, _ = ema.wrap(climb, decay=0.9)(state, None)
    assert_allclose(state.opt_state.params["w"], 9)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "devices"), [("jit", 1), ("jit", 4), ("pmap", 4)])
def test_what_is_learned_is_what_is_learned_without_averages_on_any_number_of_devices(mode, devices):
    runs = []
    test_step.train("vgg", mode, devices, steps=STEPS, history=runs)
    state, _ = test_step.train("vgg", mode, devices, steps=STEPS, ema=DECAY)
    test_step.assert_same(state.opt_state.params, runs[-1].params)
    test_step.assert_same(state.opt_state.batch_stats, runs[-1].batch_stats)
    powers = DECAY ** np.arange(STEPS - 1, -1, -1.0)
    for field in ("params", "batch_stats"):
        mean = partial(np.average, axis=0, weights=powers)
        expected = jax.tree.map(lambda *leaves: mean(np.stack(leaves)), *(getattr(run, field) for run in runs))  # noqa: B023
        test_step.assert_same(getattr(state, field), expected)


@pytest.mark.slow
def test_averages_are_what_is_measured_and_kept(tmp_path):
    state, result = test_loop.fit(tmp_path, ema=0.9)
    plain, other = test_loop.fit(tmp_path / "plain")
    assert result["best"] != other["best"]
    jax.tree.map(partial(assert_allclose, rtol=1e-5), state.opt_state.params, plain.params)
    saved = Checkpoints(Path(tmp_path) / "checkpoints")
    variables, lines = saved.variables(jax.device_get(plain)._replace(opt_state=()), best=False)
    saved.close()
    assert not lines
    jax.tree.map(assert_array_equal, jax.device_get(variables.params), jax.device_get(state.params))
