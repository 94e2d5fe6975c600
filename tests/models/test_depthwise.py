"""Depthwise convolutions: shifted products and their gradients against XLA's grouped convolution."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from numpy.testing import assert_allclose

from whale_jax.models import depthwise

PADDINGS = {"same": "SAME", "valid": "VALID", "symmetric": ((2, 2), (2, 2)), "uneven": ((0, 2), (3, 1))}


def reference(x, kernel, *, stride, padding):
    """XLA's own convolution with a group for each channel."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def maps(size=(7, 8), side=3, dtype=jnp.float32):
    """Two pictures of five channels, and a kernel."""
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, *size, 5)), rng.normal(size=(side, side, 1, 5))
    return jnp.asarray(x, dtype), jnp.asarray(kernel, dtype)


def values(convolve, x, kernel):
    """Output and both gradients, for a gradient of the output that differs from place to place."""

    def run(x, kernel):
        y, pullback = jax.vjp(convolve, x, kernel)
        return y, *pullback(jnp.cos(jnp.arange(y.size).reshape(y.shape)).astype(y.dtype))

    return jax.jit(run)(x, kernel)


def assert_equal(options, x, kernel, **tolerance):
    results = values(partial(depthwise.convolve, **options), x, kernel)
    expected = values(partial(reference, **options), x, kernel)
    for a, b in zip(results, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert_allclose(np.asarray(a, np.float32), np.asarray(b, np.float32), **tolerance)


CASES = [  # stride, side, padding, size: each of these with each of the others at least once
    (1, 3, "same", (7, 8)),
    (2, 3, "valid", (7, 8)),
    (2, 3, "symmetric", (6, 5)),
    (1, 3, "uneven", (5, 11)),
    (2, 5, "same", (7, 8)),
    (1, 5, "valid", (6, 5)),
    (1, 5, "symmetric", (5, 11)),
    (2, 5, "uneven", (6, 5)),
    (2, 3, "same", (6, 11)),
    (2, 5, "symmetric", (7, 7)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("stride", "side", "padding", "size"), CASES)
def test_it_is_the_grouped_convolution_in_value_and_gradients(stride, side, padding, size):
    assert_equal({"stride": stride, "padding": PADDINGS[padding]}, *maps(size, side), rtol=1e-4, atol=1e-5)


def test_it_is_the_grouped_convolution_for_a_small_map():
    assert_equal({"stride": 2, "padding": "SAME"}, *maps((4, 3), 3), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_wide_rows_are_added_up_in_several_parts():
    assert 2 * depthwise.TERMS < 60
    assert_equal({"stride": 1, "padding": "SAME"}, *maps((3, 60)), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_half_precision_stays_half_and_is_added_up_in_single():
    assert_equal({"stride": 2, "padding": "SAME"}, *maps((9, 9), dtype=jnp.bfloat16), rtol=0.02, atol=0.05)


@pytest.mark.slow
def test_under_vmap_pmap_a_sharded_batch_and_rematerialisation_it_is_the_same():
    x, kernel = maps((6, 6))
    convolve = partial(depthwise.convolve, stride=2, padding="SAME")

    def loss(x, kernel):
        return jnp.sin(convolve(x, kernel)).sum()

    expected = jax.jit(jax.grad(loss, argnums=(0, 1)))(x, kernel)
    each = jax.vmap(jax.grad(loss, argnums=(0, 1)), (0, None))(x[:, None], kernel)
    mapped = jax.pmap(jax.grad(loss, argnums=(0, 1)), in_axes=(0, None), devices=jax.devices()[:2])(x[:, None], kernel)
    mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[:2], axis_types=(jax.sharding.AxisType.Auto,))
    rows = jax.device_put(x, jax.NamedSharding(mesh, PartitionSpec("data")))
    sharded = jax.jit(jax.grad(loss, argnums=(0, 1)))(rows, kernel)
    again = jax.jit(jax.grad(jax.checkpoint(loss), argnums=(0, 1)))(x, kernel)
    for dx, dk in (each, mapped):
        assert_allclose(dx[:, 0], expected[0], rtol=1e-4, atol=1e-5)
        assert_allclose(dk.sum(0), expected[1], rtol=1e-4, atol=1e-5)
    for gradients in (sharded, again):
        jax.tree.map(partial(assert_allclose, rtol=1e-4, atol=1e-5), gradients, expected)


def test_a_cpu_computes_no_grouped_convolution_and_other_devices_do():
    x, kernel = maps()
    gradient = jax.grad(lambda x, kernel: depthwise.convolve(x, kernel).sum(), argnums=(0, 1))
    traced = jax.jit(gradient).trace(x, kernel)
    assert "stablehlo.convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "stablehlo.convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()
