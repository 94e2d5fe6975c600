"""What models/__init__.py promises of a network, held for every model of MODELS."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax.models import MODELS, efficientnet, layers
from whale_jax.tasks import inputs

OUTPUTS, BATCH = 6, 4
TINY = {"stages": ((4, 1), (8, 1)), "stem": (4, 3, 1), "dropout": 0.5}
SPECS = {
    "vgg": TINY,
    "resnet": TINY,
    "efficientnet": {"variant": "tiny"},
    "inception": {"modules": (("A", 8),), "inner_dropout": 0.2},
    "stn": {"localizer": {"name": "vgg", **TINY}, "classifier": {"name": "resnet", **TINY}, "crop": (8, 16)},
}
SIDES = {"inception": 79, "stn": 32}
TINY_EFFICIENTNET = efficientnet.Variant(
    (
        efficientnet.Stage("separable", kernel=3, expansion=1, filters=8, blocks=1, stride=1),
        efficientnet.Stage("fused", kernel=3, expansion=2, filters=8, blocks=1, stride=1),
        efficientnet.Stage("inverted", kernel=5, expansion=2, filters=8, blocks=1, stride=2),
    ),
    stem=8,
    top=16,
)
every_model = pytest.mark.parametrize("name", sorted(MODELS))


@pytest.fixture(autouse=True)
def tiny_variant(monkeypatch):
    monkeypatch.setitem(efficientnet.VARIANTS, "tiny", TINY_EFFICIENTNET)


def make(name, **changes):
    return MODELS[name](**{"outputs": OUTPUTS, **SPECS[name], **changes})


def pictures(name, count=BATCH):
    side = SIDES.get(name, 16)
    return np.random.default_rng(0).normal(size=(count, side, side, 3)).astype(np.float32)


def shapes(model, name):
    """Shapes of what a model returns and of its variables; nothing is compiled."""
    image = jax.ShapeDtypeStruct(pictures(name).shape, jnp.float32)
    return jax.eval_shape(partial(model.init_with_output, train=False), jax.random.key(0), image)


def variables(model, name):
    """Variables of a model, drawn at random, running averages too."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.uniform(-0.2, 0.6, leaf.shape).astype(leaf.dtype) ** 2, shapes(model, name)[1])


def evaluate(model, values, images):
    return jax.jit(partial(model.apply, train=False))(values, images)


def train(model, values, images, axis_name=None):
    """Outputs and new running averages of a step of training."""
    with nn.intercept_methods(layers.across(axis_name)):
        (y, _), updates = model.apply(
            values, images, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(2)}
        )
    return y, updates["batch_stats"]


@every_model
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_outputs_features_and_parameters_are_float32_whatever_activations_are(name, dtype):
    model = make(name, dtype=dtype)
    (y, out), values = shapes(model, name)
    assert (y.shape, y.dtype) == ((BATCH, OUTPUTS), jnp.float32)
    assert (out["features"].shape[0], out["features"].ndim, out["features"].dtype) == (BATCH, 2, jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(values)} == {jnp.dtype("float32")}
    text = str(jax.make_jaxpr(partial(model.apply, train=False))(values, pictures(name)))
    assert ("bf16" in text) == (dtype == jnp.bfloat16)
    assert getattr(model, "input_normalisation", "picture") in inputs.NORMALISATIONS


@every_model
def test_an_evaluation_is_pure_and_sees_each_picture_by_itself(name):
    model, images = make(name), pictures(name)
    values = variables(model, name)
    y, out = evaluate(model, values, images)
    assert_array_equal(y, evaluate(model, values, images)[0])
    neighbours = np.concatenate([images[:1], 3 * images[1:] + 1])
    alone, features = evaluate(model, values, neighbours)
    assert_allclose(alone[0], y[0], rtol=1e-4, atol=1e-5)
    assert_allclose(features["features"][0], out["features"][0], rtol=1e-4, atol=1e-5)
    assert np.abs(features["features"][1:] - out["features"][1:]).max() > 1e-3


@pytest.mark.slow
@every_model
def test_a_step_on_two_devices_is_that_of_one_by_jit_and_by_pmap(name):
    """Outputs, dropout included, and statistics of the batch: those of the global batch."""
    model, images = make(name), pictures(name)
    values = variables(model, name)
    devices = jax.devices()[:2]
    mesh = jax.make_mesh((2,), ("data",), devices=devices, axis_types=(jax.sharding.AxisType.Auto,))
    rows = jax.NamedSharding(mesh, PartitionSpec("data"))
    y, stats = jax.jit(partial(train, model))(values, images)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), stats, values["batch_stats"])
    assert min(jax.tree.leaves(moved)) > 1e-6
    shared, same = jax.jit(partial(train, model))(values, jax.device_put(images, rows))
    mapped, averages = jax.pmap(
        partial(train, model, axis_name="data"), "data", in_axes=(None, 0), out_axes=(0, None), devices=devices
    )(values, images.reshape(2, -1, *images.shape[1:]))
    for other, other_stats in ((shared, same), (mapped.reshape(y.shape), averages)):
        assert_allclose(other, y, rtol=1e-3, atol=1e-4)
        jax.tree.map(partial(assert_allclose, rtol=1e-3, atol=1e-4), other_stats, stats)


def test_flaxs_own_batch_normalisation_is_over_the_global_batch_too():
    class Plain(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            x = nn.BatchNorm(use_running_average=not train)(x)
            return x, {"features": x}

    model, x = Plain(), np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    values = model.init(jax.random.key(0), x, train=False)
    mapped, _ = jax.vmap(partial(train, model, values, axis_name="data"), axis_name="data")(x.reshape(2, 2, 3))
    assert_allclose(mapped.reshape(4, 3), train(model, values, x)[0], atol=1e-5)
    separate, _ = jax.vmap(partial(train, model, values), axis_name="data")(x.reshape(2, 2, 3))
    assert np.abs(separate.reshape(4, 3) - mapped.reshape(4, 3)).max() > 0.1
