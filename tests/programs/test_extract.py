"""What is extracted of a network: its own features, or those of any layer, flattened with all their places."""

import jax
import numpy as np
import pytest

from tests.experiment.world import MODEL, World
from whale_jax.data import predictions
from whale_jax.experiment import restore
from whale_jax.models import MODELS
from whale_jax.runtime import errors
from whale_jax.tasks import classify
from whale_jax.train import log
from whale_jax.workflow import finished_runs, stage


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


def extract(world, network, view="", **changes):
    config = stage.config("extract", inputs={"network": str(world.folder / network), "view": view}, **changes)
    workdir = world.folder / "-".join(["extract", view, *map(str, changes.values())])
    stage.run(config, workdir)
    return predictions.load(workdir, world.photos, kind="features")


def test_a_network_of_no_steps_is_the_one_it_begins_with_and_its_layers_can_be_read(world):
    result = world.train("network", epochs=0.0)
    assert result["steps"] == 0
    assert [row["step"] for row in log.read(world.folder / "network")] == [0]
    assert world.train("network", epochs=0.0) == result
    state = jax.device_get(
        restore.network(finished_runs.read(world.folder / "network").config, world.folder / "network", classes=3).state
    )
    model = MODELS["vgg"](outputs=3, **{key: value for key, value in MODEL.items() if key != "name"})

    averages, of_layer = extract(world, "network"), extract(world, "network", layer="stage1")
    task = classify.classify(size=(8, 8), classes=3)
    batch = task.prepare(jax.random.key(0), world.data().examples[np.arange(6)], False)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    _, out = model.apply(variables, batch["image"], train=False)
    np.testing.assert_allclose(of_layer, np.reshape(out["stage1"], (6, -1)), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(averages, out["features"], atol=1e-5)


def test_a_layer_of_a_network_that_embeds_is_no_embedding(world):
    task = {"name": "embed", "dimensions": 4}
    world.train("network", epochs=0.0, task=task, batch=4, images_per_class=2, fold=-1)
    assert extract(world, "network").shape[1] == 4
    assert extract(world, "network", layer="stage1").shape[1] > 4


def test_a_network_that_finds_boxes_has_no_features(world):
    world.train("network", epochs=0.0, task={"name": "bbox"})
    with pytest.raises(errors.InputError, match="predicts box has no features to extract"):
        extract(world, "network", layer="stage1")


def test_a_layer_that_the_network_does_not_have_is_named(world):
    world.train("network", epochs=0.0)
    with pytest.raises(errors.InputError, match="'stage9': did you mean stage1"):
        extract(world, "network", layer="stage9")


def test_a_network_whose_weights_do_for_any_size_describes_larger_pictures(world):
    """Twice as many pixels a side give a layer twice as many places a side; those of the average are as many."""
    world.train("network", epochs=0.0)
    shape = extract(world, "network", layer="stage1").shape
    larger = extract(world, "network", layer="stage1", size=(16, 16))
    assert larger.shape == (shape[0], 4 * shape[1])
    assert extract(world, "network", size=(16, 16)).shape == extract(world, "network").shape


def test_a_head_for_one_size_has_no_part_in_the_layers_before_it(world):
    world.train("network", epochs=0.0, model={**MODEL, "head": "dense"})
    half = extract(world, "network", layer="stage1")
    assert extract(world, "network", layer="stage1", size=(16, 16)).shape == (half.shape[0], 4 * half.shape[1])
    with pytest.raises(errors.InputError, match="head"):
        extract(world, "network", size=(16, 16))
