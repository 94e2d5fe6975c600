"""From a config to a network: what the config says holds of the steps."""

import jax
import numpy as np
import pytest

from tests.models.test_stn import CROP, SIZE, TINY, make_batch
from whale_jax.experiment import build
from whale_jax.workflow import stage


@pytest.mark.parametrize("frozen", [True, False])
def test_a_group_that_is_frozen_keeps_its_running_averages(frozen):
    config = stage.config(
        "train",
        task={"name": "stn", "crop": CROP},
        model={"name": "stn", "localizer": TINY, "classifier": TINY, "crop": CROP, "shrink": 2},
        optimizer={"name": "adam", "lr": 0.1, "groups": (("localizer/.*", {"frozen": frozen}),)},
        size=SIZE,
        batch=5,
        devices=1,
    )
    network = build.network(build.recipe(config, classes=3))
    before = jax.device_get(network.state.batch_stats["localizer"])
    state, _ = network.train(network.parallel.put_state(network.state), network.parallel.put_batch(make_batch()))
    same = jax.tree.map(np.array_equal, jax.device_get(state.batch_stats["localizer"]), before)
    assert all(jax.tree.leaves(same)) == frozen
