"""The README's network, registered as it says, trains and is measured."""

import re
import textwrap
from pathlib import Path

import flax.linen as nn
import numpy as np
import pytest

from tests.test_configs import make_batch
from whale_jax.experiment import build
from whale_jax.models import MODELS
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


@pytest.mark.parametrize("mode", ["jit", pytest.param("pmap", marks=pytest.mark.slow)])
def test_the_readmes_network_trains_and_is_measured(network, mode):
    network_config = config(parallel=mode)
    stage.check(network_config)
    assert network_config.model.filters == 32
    built = build.network(build.recipe(network_config, classes=5), steps=2)
    state, batch = built.parallel.put_state(built.state), built.parallel.put_batch(make_batch(network_config))
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
