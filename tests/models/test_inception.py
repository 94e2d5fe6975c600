"""Inception-v3: sizes and parameters by hand from the paper's figures, published totals, and what the parts compute."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from configs import post
from tests.models.shapes import CLASSES, abstract, count, kernels, make, sides
from whale_jax.models import inception
from whale_jax.models.inception import Pool
from whale_jax.runtime import errors

FULL = {
    "stem1": (73, 73, 64),
    "stem": (35, 35, 192),
    "stage1": (35, 35, 256),
    "stage2": (35, 35, 288),
    "stage3": (35, 35, 288),
    **{f"stage{i}": (17, 17, 768) for i in range(4, 9)},
    "stage9": (8, 8, 1280),
    "stage10": (8, 8, 2048),
    "stage11": (8, 8, 2048),
}
REDUCED = {
    "stem1": (73, 73, 64),
    "stem": (35, 35, 192),
    "stage1": (35, 35, 256),
    "stage2": (35, 35, 288),
    **{f"stage{i}": (17, 17, 768) for i in range(3, 6)},
    "stage6": (8, 8, 1280),
    "stage7": (8, 8, 2048),
    "stage8": (8, 8, 2048),
}


def parameters(*convolutions):
    """Of convolutions (filters before, filters, pixels of the kernel): kernels, and two a normalisation."""
    return sum(before * filters * pixels + 2 * filters for before, filters, pixels in convolutions)


def stem():
    return parameters((3, 32, 9), (32, 32, 9), (32, 64, 9), (64, 80, 1), (80, 192, 9))


def a(inside, pooled):
    three = (inside, 64, 1), (64, 96, 9), (96, 96, 9)
    return parameters((inside, 64, 1), (inside, 48, 1), (48, 64, 25), *three, (inside, pooled, 1))


def b(inside):
    return parameters((inside, 384, 9), (inside, 64, 1), (64, 96, 9), (96, 96, 9))


def c(n):
    once = (768, n, 1), (n, n, 7), (n, 192, 7)
    twice = (768, n, 1), (n, n, 7), (n, n, 7), (n, n, 7), (n, 192, 7)
    return parameters((768, 192, 1), *once, *twice, (768, 192, 1))


def d():
    seven = (768, 192, 1), (192, 192, 7), (192, 192, 7), (192, 192, 9)
    return parameters((768, 192, 1), (192, 320, 9), *seven)


def e(inside):
    first_branch = (inside, 384, 1), (384, 384, 3), (384, 384, 3)
    second_branch = (inside, 448, 1), (448, 384, 9), (384, 384, 3), (384, 384, 3)
    return parameters((inside, 320, 1), *first_branch, *second_branch, (inside, 192, 1))


def test_inception_is_the_published_one():
    _, out, variables = abstract(make(post.INCEPTION["model"], outputs=1000), size=299)
    assert sides(out) == FULL
    assert out["features"].shape == (2, 2048)
    body = stem() + a(192, 32) + a(256, 64) + a(288, 64) + b(288) + c(128) + 2 * c(160) + c(192) + d()
    total = count(variables)
    assert total == body + e(1280) + e(2048) + 2048 * 1000 + 1000 == 23_834_568  # torchvision's, without auxiliary
    scales = sum(shape[-1] for shape in kernels(variables))
    assert total - scales == 23_817_352  # Keras's trainable ones: it has no scale where a rectifier follows
    assert len(kernels(variables)) == 94


def test_inception_reduced():
    y, out, variables = abstract(make(post.INCEPTION_REDUCED["model"], outputs=CLASSES), size=299)
    assert y.shape == (2, CLASSES)
    assert sides(out) == REDUCED
    body = stem() + a(192, 32) + a(256, 64) + b(288) + c(128) + c(192) + d() + e(1280) + e(2048)
    assert count(variables) == body + 2048 * CLASSES + CLASSES


@pytest.mark.slow
def test_half_precision_stays_through_every_pooling():
    _, out, variables = abstract(make(post.INCEPTION_REDUCED["model"], outputs=3, dtype=jnp.bfloat16), size=299)
    assert {value.dtype for value in out.values() if value.ndim == 4} == {jnp.dtype(jnp.bfloat16)}
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(("kind", "reference"), [("average", np.nanmean), ("max", np.nanmax)])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_pooling_looks_at_pixels_of_the_picture_only(kind, reference, stride):
    x = np.random.default_rng(0).normal(size=(1, 7, 9, 2)) - 5
    border = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan) if stride == 1 else x
    windows = np.lib.stride_tricks.sliding_window_view(border, (3, 3), (1, 2))[:, ::stride, ::stride]
    assert_allclose(Pool(kind, stride)(jnp.asarray(x)), reference(windows, (-2, -1)), rtol=1e-5)


def scale(features, *, stride, **_):
    """Instead of a convolution: what comes in, times the number of filters."""
    return lambda x, train: features * (x if stride == 1 else x[:, 1:-1:2, 1:-1:2])


@pytest.mark.parametrize(
    ("module", "ends"),
    [
        (inception.module_a(32), [64, 48 * 64, 64 * 96 * 96, 32]),
        (inception.module_b(), [384, 64 * 96 * 96, 1]),
        (inception.module_c(160), [192, 160 * 160 * 192, 160**4 * 192, 192]),
        (inception.module_d(), [192 * 320, 192**4, 1]),
        (inception.module_e(), [320, 384**2, 384**2, 448 * 384**2, 448 * 384**2, 192]),
    ],
)
def test_steps_follow_one_another_and_branches_stand_side_by_side(module, ends):
    y = inception.Branches(module, scale).apply({}, jnp.ones((1, 3, 3, 1)), False)
    assert_allclose(y[0, 0, 0], ends, rtol=1e-6)


def test_both_forks_of_the_last_modules_are_oblong_each_way():
    _, _, variables = abstract(make(post.INCEPTION["model"], outputs=3), size=299)
    for shape, times in {(1, 3, 384, 384): 4, (3, 1, 384, 384): 4, (1, 7, 128, 128): 2, (7, 1, 128, 128): 2}.items():
        assert kernels(variables).count(shape) == times


@pytest.mark.slow
def test_what_is_dropped_is_dropped_between_parts():
    x = jax.random.normal(jax.random.key(0), (2, 31, 31, 3))
    model = inception.Inception(3, modules=(), inner_dropout=0.5, dropout=0.0)
    variables = model.init(jax.random.key(1), x, train=False)

    @partial(jax.jit, static_argnums=1)
    def run(key, train):
        return model.apply(variables, x, train=train, rngs={"dropout": key}, mutable=["batch_stats"])[0][1]

    first, second = (run(jax.random.key(i), True) for i in range(2))
    assert_array_equal(first["stem1"], second["stem1"])
    assert not np.allclose(first["stem"], second["stem"])
    first, second = (run(jax.random.key(i), False) for i in range(2))
    assert_array_equal(first["stem"], second["stem"])


@pytest.mark.parametrize(
    ("modules", "message"),
    [((("F",),), "unknown module 'F'"), ((("A", 32), ("B", "mean")), "unknown pooling 'mean'")],
)
def test_an_unknown_part_is_an_input_error(modules, message):
    with pytest.raises(errors.InputError, match=message):
        abstract(inception.Inception(3, modules=modules), size=75)


def test_a_picture_of_which_nothing_is_left_is_an_input_error():
    abstract(make(post.INCEPTION["model"], outputs=3), size=75)
    with pytest.raises(errors.InputError, match="pictures of 74 x 74 pixels are too small"):
        abstract(make(post.INCEPTION["model"], outputs=3), size=74)
