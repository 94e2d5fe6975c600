"""From a config to a network: what the config says holds of the steps."""

import jax
import numpy as np
import pytest

from tests.models.test_stn import CROP, SIZE, TINY, make_batch
from whale_jax import tasks
from whale_jax.experiment import build
from whale_jax.models import MODELS
from whale_jax.models.vgg import VGG
from whale_jax.runtime import errors
from whale_jax.tasks import inputs
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


def test_a_network_gets_the_pictures_normalised_as_it_wants(monkeypatch):
    class Pretrained(VGG):
        input_normalisation = "imagenet"

    monkeypatch.setitem(MODELS, "pretrained", Pretrained)
    recipes = [
        build.recipe(stage.config("train", model={"name": name, "stages": ((4, 1),)}, size=SIZE))
        for name in ("vgg", "pretrained")
    ]
    batch, key = make_batch(), jax.random.key(0)
    plain, image = (recipe.task.prepare(key, batch, False)["image"] for recipe in recipes)
    np.testing.assert_allclose(plain.mean((1, 2, 3)), 0, atol=1e-4)
    task = tasks.build({"name": "classify"}, size=SIZE, normalise=inputs.imagenet)
    np.testing.assert_array_equal(image, task.prepare(key, batch, False)["image"])
    Pretrained.input_normalisation = "image_net"
    with pytest.raises(errors.InputError, match="did you mean imagenet"):
        build.recipe(stage.config("train", model={"name": "pretrained", "stages": ((4, 1),)}, size=SIZE))
