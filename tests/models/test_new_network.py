"""The README's words on a network of one's own are enough: followed to the letter, it trains and is measured."""

import re
import textwrap
from pathlib import Path

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from tests.test_configs import make_batch
from whale_jax.experiment import build
from whale_jax.models import MODELS
from whale_jax.runtime import errors
from whale_jax.workflow import stage

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```python\n((?:(?!```).)*?class .*?)```", README, flags=re.DOTALL)


def config(**changes):
    return stage.config("train", model={"name": "mine"}, size=(16, 16), batch=8, **changes)


@pytest.fixture
def network(monkeypatch):
    """The README's network, in MODELS."""
    names = {}
    MODELS.pop("average", None)
    exec(textwrap.dedent(EXAMPLE), names)
    [model] = [value for value in names.values() if isinstance(value, type) and issubclass(value, nn.Module)]
    monkeypatch.setitem(MODELS, "mine", model)
    return model


@pytest.mark.parametrize("way", ["jit", "pmap"])
def test_the_readmes_network_trains_and_is_measured(network, way):
    own = config(parallel=way)
    stage.check(own)
    assert own.model.filters == 32
    built = build.network(build.recipe(own, classes=5), steps=2)
    state, batch = built.parallel.put_state(built.state), built.parallel.put_batch(make_batch(own))
    losses = []
    for _ in range(2):
        state, metrics = built.train(state, batch)
        losses.append(float(metrics["loss"][0]))
    assert losses[1] < losses[0]
    metrics, predicted = built.evaluate(state, batch)
    assert np.isfinite(metrics["log_loss"][0])
    assert {name: value.shape for name, value in built.parallel.gather(predicted).items()} == {
        "logits": (8, 5),
        "features": (8, 32),
    }


class Whole(nn.Module):
    outputs: int
    dtype: type = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.outputs)(x.mean((1, 2))), {"features": x.mean((1, 2))}


class WithoutDtype(nn.Module):
    outputs: int
    axis_name: str | None = None
    __call__ = Whole.__call__


class WithoutAxis(nn.Module):
    outputs: int
    dtype: type = jnp.float32
    __call__ = Whole.__call__


class WithoutTrain(Whole):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(x.mean((1, 2))), {"features": x.mean((1, 2))}


class WithoutFeatures(Whole):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.outputs)(x.mean((1, 2))), {}


class WithoutOut(Whole):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.outputs)(x.mean((1, 2)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (WithoutDtype, "the model 'mine' has no attribute dtype"),
        (WithoutAxis, "the model 'mine' has no attribute axis_name"),
        (WithoutTrain, "the model 'mine' takes no argument train"),
        (WithoutFeatures, r"the model 'mine' must return \(y, out\).*features"),
        (WithoutOut, r"the model 'mine' must return \(y, out\).*features"),
    ],
)
def test_what_a_network_lacks_is_named_before_anything_is_compiled(monkeypatch, model, message):
    monkeypatch.setitem(MODELS, "mine", Whole)
    stage.check(config())
    monkeypatch.setitem(MODELS, "mine", model)
    with pytest.raises(errors.InputError, match=message):
        stage.check(config())
