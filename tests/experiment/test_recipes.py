"""What a recipe turns on is in the training, in its folder and in the predictions from there."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.experiment.world import MODEL, World
from whale_jax.data import predictions
from whale_jax.workflow import json_files, stage

TASK = {"name": "classify", "augmentation": "flip_ud|rotate(10)", "mirrored": True}
MARGIN = {**TASK, "name": "arcface", "centers": 2, "rarity": 0.25}


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "head"), [(TASK, "reduced_dense"), (MARGIN, "gem_cosine")])
def test_mirror_whales_are_learned_and_whales_alone_are_predicted(world, task, head):
    world.train("network", task=task, model={**MODEL, "head": head})
    stage.run(stage.config("extract", inputs={"network": str(world.folder / "network")}), world.folder / "features")
    logits, features = (
        predictions.load(world.folder / "features", world.photos, kind=k) for k in ("logits", "features")
    )
    assert logits.shape == (6, len(world.photos.whales))
    assert features.shape[1] % 2 == 0
    result = json_files.read(world.folder / "network" / "result.json")
    valid = np.flatnonzero(world.split.fold == 0)
    log_p = jax.nn.log_softmax(logits[valid])[np.arange(len(valid)), world.photos.label[valid]]
    assert_allclose(result["metrics"]["log_loss"], -log_p.mean(), rtol=1e-3)


@pytest.mark.slow
def test_the_folder_of_a_training_with_an_average_of_weights_holds_that_average(world):
    plain, averaged, first = (
        world.train(name, seed=3, epochs=epochs, ema=ema)
        for name, ema, epochs in (("plain", 0.0, 4.0), ("averaged", 0.9, 4.0), ("first", 0.9, 0.5))
    )
    assert plain["metrics"]["log_loss"] != averaged["metrics"]["log_loss"]
    kernel = {name: world.parameters(name)["ConvNorm_0"]["Conv_0"]["kernel"] for name in ("plain", "averaged", "first")}
    assert first["steps"] == 1
    distance = {name: float(np.abs(kernel[name] - kernel["first"]).mean()) for name in ("plain", "averaged")}
    assert 0 < distance["averaged"] < distance["plain"]  # the way there, in part


@pytest.mark.slow
def test_a_training_begins_with_the_average_of_another(world):
    world.train("averaged", ema=0.9)
    world.train("after", weights="averaged", optimizer={"name": "adam", "lr": 0.0}, ema=0.5)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-6), world.parameters("averaged"), world.parameters("after"))
