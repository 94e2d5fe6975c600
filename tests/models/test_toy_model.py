"""A network is one class: the one below is registered by one call, trains, and is measured as any other."""

import json
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from whale_jax import models
from whale_jax.data import predictions, right_whale
from whale_jax.experiment import build
from whale_jax.models import layers
from whale_jax.runtime import errors
from whale_jax.workflow import stage


class Toy(nn.Module):
    """One convolution and a dense layer on its global average."""

    outputs: int
    filters: int = 8
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(B, height, width, 3) -> (B, outputs), and features (B, filters)."""
        x = layers.ConvNorm(self.filters, 7, 4, dtype=self.dtype)(x.astype(self.dtype), train)
        features = x.mean((1, 2), dtype=jnp.float32)
        return nn.Dense(self.outputs)(features), {"features": features}


def register(model):
    models.MODELS.pop("toy", None)
    models.register("toy", model)


@pytest.fixture(autouse=True)
def _registered():
    register(Toy)
    yield
    models.MODELS.pop("toy")


def config(**changes):
    return stage.config("train", model={"name": "toy"}, size=(16, 16), batch=8, devices=1, **changes)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of drawn photos, their split, and a view of whole photos."""
    root = tmp_path_factory.mktemp("toy")
    stage.run(stage.config("draw", whales=3, photos=24, test=2, width=96), root / "draw")
    stage.run(stage.config("import_photos", root=str(root / "draw" / "pod")), root / "photos")
    photos = {"photos": str(root / "photos")}
    stage.run(stage.config("split", inputs=photos, folds=2, group="none"), root / "split")
    stage.run(stage.config("align", inputs=photos, size=(16, 16)), root / "view")
    return photos | {"split": str(root / "split"), "view": str(root / "view")}


def test_it_trains_predicts_is_evaluated_and_reported(data, tmp_path):
    toy = config(inputs=data, epochs=4.0, num_evals=2, optimizer={"name": "adam", "lr": 0.01})
    assert toy.model.filters == 8  # a config shows what can be set
    result = stage.run(toy, tmp_path / "toy")
    assert result["parameters"] == 7 * 7 * 3 * 8 + 2 * 8 + 8 * 3 + 3
    assert np.isfinite(result["metrics"]["log_loss"])
    inputs = {**data, "network": str(tmp_path / "toy")}
    del inputs["split"]
    stage.run(stage.config("predict", inputs=inputs), tmp_path / "predictions")
    photos = right_whale.load(Path(data["photos"]))
    for name, width in (("logits", 3), ("features", 8)):
        values = predictions.load(tmp_path / "predictions", photos, kind=name)
        assert values.shape == (len(photos.name), width)
        assert (
            np.isfinite(values).all(1).sum() >= result["validated_on"]
        )  # of photos that were trained on, there are none
    stage.run(stage.config("compare", inputs={"run": str(tmp_path / "toy")}), tmp_path / "table")
    [row] = json.loads((tmp_path / "table" / "table.json").read_text())
    assert row["log_loss"] == result["metrics"]["log_loss"]


class WithoutDtype(nn.Module):
    outputs: int
    __call__ = Toy.__call__


class WithoutTrain(Toy):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(x.mean((1, 2))), {"features": x.mean((1, 2))}


class WithoutFeatures(Toy):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.outputs)(x.mean((1, 2))), {}


class WithoutOut(Toy):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.outputs)(x.mean((1, 2)))


class HalfFeatures(Toy):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.outputs)(x.mean((1, 2))), {"features": x.mean((1, 2)).astype(jnp.bfloat16)}


class MapFeatures(Toy):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(self.outputs)(x.mean((1, 2))), {"features": x}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (WithoutDtype, "the model 'toy' has no attribute dtype"),
        (WithoutTrain, "the model 'toy' takes no argument train"),
        (WithoutFeatures, r"the model 'toy' must return \(y, out\).*features"),
        (HalfFeatures, r"the model 'toy' must return .* both float32"),
        (MapFeatures, r"the model 'toy' must return .* of shape \(batch, any\)"),
        (WithoutOut, r"the model 'toy' must return \(y, out\).*features"),
    ],
)
def test_what_a_network_lacks_is_named_before_anything_is_compiled(model, message):
    stage.check(config())
    register(model)
    with pytest.raises(errors.InputError, match=message):
        stage.check(config())


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="'vgg' is registered already"):
        models.register("vgg", Toy)
    assert build.model({"name": "vgg", "stages": ((4, 1),)}, outputs=2).stages == ((4, 1),)
