"""What the ends of networks compute, held against NumPy, and safe at any exponent."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax.models import heads

OUTPUTS, MAP = 6, (4, 3, 5, 8)


def maps(seed=0):
    return np.random.default_rng(seed).normal(size=MAP).astype(np.float32)


def pool(exponent, x):
    return heads.GeneralisedMean().apply({"params": {"p": jnp.full(1, exponent)}}, x)


def drawn(name, x, dropout=0.0):
    """A head with random variables, running averages among them."""
    head = heads.HEADS[name](OUTPUTS, dropout)
    shapes = jax.eval_shape(partial(head.init, train=False), jax.random.key(0), x)
    rng = np.random.default_rng(2)
    return head, jax.tree.map(lambda leaf: rng.uniform(0.5, 2, leaf.shape).astype(np.float32), shapes)


@pytest.mark.parametrize("exponent", [1.0, 4.5])
def test_the_generalised_mean_is_the_papers(exponent):
    x = maps()
    expected = (np.maximum(x.astype(np.float64), 1e-6) ** exponent).mean((1, 2)) ** (1 / exponent)
    assert_allclose(pool(exponent, x), expected, rtol=1e-5)


def test_the_generalised_mean_grows_from_the_average_to_the_maximum():
    x = np.abs(maps())
    assert_allclose(pool(1.0, x), x.mean((1, 2)), rtol=1e-5)
    assert_allclose(pool(1000.0, x), x.max((1, 2)), rtol=1e-2)
    means = np.stack([pool(p, x) for p in (1.0, 2.0, 3.0, 10.0, 100.0)])
    assert (np.diff(means, axis=0) > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [3.0, 60.0])
def test_maps_without_a_positive_activation_have_a_mean_and_a_finite_gradient(exponent):
    x = jnp.stack([jnp.zeros(MAP[1:]), -jnp.ones(MAP[1:]), jnp.full(MAP[1:], 1e4)])
    value, gradients = jax.value_and_grad(lambda p, x: pool(p, x).sum(), argnums=(0, 1))(exponent, x)
    assert_allclose(pool(exponent, x)[:2], 1e-6, rtol=1e-3)
    assert all(np.isfinite(leaf).all() for leaf in (value, *gradients))


def test_the_generalised_mean_is_of_float32_whatever_the_maps_are():
    x = jnp.abs(maps()).astype(jnp.bfloat16)
    assert pool(3.0, x).dtype == jnp.float32
    assert_array_equal(pool(3.0, x), pool(3.0, x.astype(jnp.float32)))


@pytest.mark.slow
def test_the_dense_layer_on_a_reduced_map_knows_where_a_thing_is():
    x = maps()
    turned = x[:, ::-1]
    for name, knows in (("average", False), ("gem", False), ("gem_cosine", False), ("reduced_dense", True)):
        head, variables = drawn(name, x)
        y, moved = (head.apply(variables, maps, False)[0] for maps in (x, turned))
        assert np.allclose(y, moved, rtol=1e-4, atol=1e-5) != knows


def test_cosines_are_of_the_normalised_generalised_mean():
    x = maps()
    head, variables = drawn("gem_cosine", x)
    y, out = head.apply(variables, x, False)
    mean = np.asarray(pool(variables["params"]["GeneralisedMean_0"]["p"][0], x))
    stats, weights = variables["batch_stats"]["BatchNorm_0"], variables["params"]["BatchNorm_0"]
    features = (mean - stats["mean"]) / np.sqrt(stats["var"] + 1e-4) * weights["scale"] + weights["bias"]
    assert_allclose(out["features"], features, rtol=1e-4, atol=1e-5)
    kernel = variables["params"]["kernel"]
    lengths = np.linalg.norm(features, axis=1, keepdims=True) * np.linalg.norm(kernel, axis=0)
    assert_allclose(y, features @ kernel / lengths, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gem", "reduced_dense", "gem_cosine"])
def test_features_are_without_dropout_and_outputs_are_with_it(name):
    x = maps()
    head, variables = drawn(name, x, dropout=0.9)
    for train in (True, False):
        (y, out), _ = head.apply(variables, x, train, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)})
        assert (out["features"] != 0).all()
        assert y.dtype == out["features"].dtype == jnp.float32
