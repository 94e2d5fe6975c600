"""Networks: sizes and parameters worked out by hand, and what their parts promise."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from configs import ensemble, post
from tests.models.shapes import CLASSES, TINY, abstract, by_stage, convolutions, count, drawn, make, sides
from whale_jax.models import heads, layers
from whale_jax.runtime import errors


def test_vgg19():
    y, out, variables = abstract(make(post.VGG19_128["model"], outputs=CLASSES))
    assert y.shape == (2, CLASSES)
    assert sides(out) == {
        "stem": (128, 128, 32),
        "stage1": (128, 128, 48),
        "stage2": (64, 64, 64),
        "stage3": (32, 32, 80),
        "stage4": (16, 16, 96),
        "stage5": (8, 8, 128),
    }
    stages = [
        9 * (32 * 48 + 2 * 48 * 48) + 2 * 3 * 48,
        9 * (48 * 64 + 2 * 64 * 64) + 2 * 3 * 64,
        9 * (64 * 80 + 3 * 80 * 80) + 2 * 4 * 80,
        9 * (80 * 96 + 3 * 96 * 96) + 2 * 4 * 96,
        9 * (96 * 128 + 3 * 128 * 128) + 2 * 4 * 128,
    ]
    assert by_stage(variables, "ConvNorm", 3, 3, 4, 4, 4) == stages
    stem = 7 * 7 * 3 * 32 + 2 * 32
    assert count(variables) == stem + sum(stages) + 128 * CLASSES + CLASSES == 1_311_999
    assert convolutions(variables) == 19


@pytest.mark.parametrize(("config", "third"), [(post.VGG19_192A["model"], 80), (post.VGG19_192B["model"], 96)])
def test_the_wider_vgg19s(config, third):
    _, out, variables = abstract(make(config, outputs=CLASSES))
    assert sides(out) == {
        "stem": (128, 128, 32),
        "stage1": (128, 128, 48),
        "stage2": (64, 64, 64),
        "stage3": (32, 32, third),
        "stage4": (16, 16, 128),
        "stage5": (8, 8, 192),
    }
    stages = [
        9 * (32 * 48 + 2 * 48 * 48) + 2 * 3 * 48,
        9 * (48 * 64 + 2 * 64 * 64) + 2 * 3 * 64,
        9 * (64 * third + 3 * third * third) + 2 * 4 * third,
        9 * (third * 128 + 3 * 128 * 128) + 2 * 4 * 128,
        9 * (128 * 192 + 3 * 192 * 192) + 2 * 4 * 192,
    ]
    assert by_stage(variables, "ConvNorm", 3, 3, 4, 4, 4) == stages
    assert count(variables) == 7 * 7 * 3 * 32 + 2 * 32 + sum(stages) + 192 * CLASSES + CLASSES
    assert convolutions(variables) == 19


def test_aligner():
    y, out, variables = abstract(make(post.ALIGNER["model"], outputs=4))
    assert y.shape == (2, 4)
    assert sides(out) == {
        "stem": (128, 128, 16),
        "stage1": (128, 128, 32),
        "stage2": (64, 64, 64),
        "stage3": (32, 32, 128),
        "stage4": (16, 16, 256),
    }
    stages = [9 * (a * b + 2 * b * b) + 2 * 3 * b for a, b in [(16, 32), (32, 64), (64, 128), (128, 256)]]
    assert by_stage(variables, "ConvNorm", 3, 3, 3, 3) == stages
    assert count(variables) == 7 * 7 * 3 * 16 + 2 * 16 + sum(stages) + 4 * 256 + 4 == 1_964_692


@pytest.mark.slow
def test_the_ensembles_features_side_by_side():
    six = [post.CLASSIFIERS[name]["model"] for name in ensemble.MEMBERS]
    widths = [abstract(make(config, outputs=CLASSES))[1]["features"].shape[1] for config in six]
    assert widths == [128, 192, 192, 128, 128, 128]  # 896 in all


def test_reduction_by_maxpool_has_the_same_maps_and_kernels_as_by_stride():
    stride, pool = (
        abstract(make(post.VGG19_128["model"], outputs=3, reduce=reduce)) for reduce in ("stride", "maxpool")
    )
    assert stride == pool


def test_oxfordnets_dense_head_sees_every_place():
    _, out, variables = abstract(make(post.OXFORD["model"], outputs=4))
    assert out["stage4"].shape == (2, 16, 16, 256)
    assert out["features"].shape == (2, 512)
    stages = [  # with a bias for each filter, and no normalisation
        9 * (32 * 32 + 32 * 32) + 2 * 32,
        9 * (32 * 64 + 64 * 64) + 2 * 64,
        9 * (64 * 128 + 2 * 128 * 128) + 3 * 128,
        9 * (128 * 256 + 2 * 256 * 256) + 3 * 256,
    ]
    assert by_stage(variables, "ConvNorm", 2, 2, 3, 3) == stages
    head = variables["params"]["DenseHead_0"]
    assert count({"params": head}) == 16 * 16 * 256 * 512 + 512 + 512 * 4 + 4


@pytest.mark.parametrize("changes", [{"head": "averge"}, {"reduce": "maxpol"}])
def test_an_unknown_part_is_an_input_error_with_the_close_match(changes):
    with pytest.raises(errors.InputError, match=r"did you mean (average|maxpool)"):
        abstract(make({"name": "vgg", **TINY, **changes}, outputs=2), size=16)


def test_norm_off_means_biases_and_no_running_averages():
    _, _, variables = abstract(make({"name": "vgg", **TINY}, outputs=2, norm=False), size=16)
    assert "batch_stats" not in variables
    conv = variables["params"]["ConvNorm_0"]["Conv_0"]
    assert set(conv) == {"kernel", "bias"}
    _, _, variables = abstract(make({"name": "vgg", **TINY}, outputs=2), size=16)
    assert set(variables["params"]["ConvNorm_0"]["Conv_0"]) == {"kernel"}


def test_kernels_may_be_oblong_and_pictures_without_a_border():
    x = jnp.zeros((1, 9, 9, 2))
    for kernel, padding, shape in (((1, 7), "VALID", (9, 3)), ((7, 1), "VALID", (3, 9)), ((7, 1), "SAME", (9, 9))):
        model = layers.ConvNorm(4, kernel, padding=padding)
        y, variables = jax.eval_shape(partial(model.init_with_output, train=False), jax.random.key(0), x)
        assert y.shape == (1, *shape, 4)
        assert variables["params"]["Conv_0"]["kernel"].shape == (*kernel, 2, 4)


def test_the_rectifier_leaks_a_third():
    assert_allclose(layers.very_leaky_relu(jnp.array([-3.0, 0, 3])), [-1, 0, 3])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("train", [False, True])
def test_batch_normalisation_is_flaxs_in_values_averages_and_gradients(train, dtype):
    x = (jax.random.normal(jax.random.key(0), (4, 6, 5, 3)) * 4 + 7).astype(dtype)
    slope = jax.random.normal(jax.random.key(1), x.shape)
    layer = layers.batch_norm(train, dtype)
    reference = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=layers.EPSILON, dtype=dtype)
    values = reference.init(jax.random.key(2), x)
    jax.tree.map(assert_array_equal, layer.init(jax.random.key(2), x), values)
    values = jax.tree.map(lambda leaf: leaf + jnp.array([0.5, 1, 2]), values)

    def results(norm):
        def loss(params, x):
            y, updates = norm.apply({**values, "params": params}, x, mutable=["batch_stats"])
            assert y.dtype == dtype
            return (y * slope).sum(), (y, updates)

        return jax.grad(loss, (0, 1), has_aux=True)(values["params"], x)

    tolerance = 1e-4 if dtype == jnp.float32 else 0.02
    close = partial(assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(lambda a, b: close(np.float32(a), np.float32(b)), results(layer), results(reference))


def test_a_convolution_is_normalised_over_the_batch_then_rectified():
    x = jax.random.normal(jax.random.key(0), (3, 5, 5, 2)) * 4 + 7
    model = layers.ConvNorm(2, kernel=1, act=False)
    variables = model.init(jax.random.key(0), x, train=False)
    variables["params"]["Conv_0"]["kernel"] = jnp.eye(2)[None, None]
    y, updates = model.apply(variables, x, train=True, mutable=["batch_stats"])
    mean, variance = np.mean(x, (0, 1, 2)), np.var(x, (0, 1, 2))
    assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-4), atol=1e-4)
    assert_allclose(updates["batch_stats"]["BatchNorm_0"]["mean"], 0.1 * mean, rtol=1e-4)
    rectified = model.clone(act=True).apply(variables, x, train=True, mutable=["batch_stats"])[0]
    assert_allclose(rectified, np.where(y > 0, y, y / 3), atol=1e-6)


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_features_are_the_global_average_that_the_dense_layer_sees(name):
    model = make({"name": name, **TINY}, outputs=3)
    images, variables = drawn(model)
    y, out = jax.jit(partial(model.apply, train=False))(variables, images)
    assert_allclose(out["features"], np.mean(out["stage2"], (1, 2)), rtol=1e-5)
    dense = variables["params"]["AverageHead_0"]["Dense_0"]
    assert_allclose(y, out["features"] @ dense["kernel"] + dense["bias"], rtol=1e-5)


def test_an_evaluation_is_deterministic_and_looks_at_each_picture_alone():
    model = make({"name": "resnet", **TINY}, outputs=3, dropout=0.5)
    images, variables = drawn(model)
    evaluate = jax.jit(partial(model.apply, train=False))
    y = evaluate(variables, images)[0]
    assert_array_equal(y, evaluate(variables, images)[0])
    alone = evaluate(variables, jnp.concatenate([images[2:3], 0 * images[1:]]))[0]
    assert_allclose(alone[0], y[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_half_precision_is_for_activations_only(name):
    whole = make({"name": name, **TINY}, outputs=3)
    half = make({"name": name, **TINY}, outputs=3, dtype=jnp.bfloat16)
    y, out, variables = abstract(half, size=16)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    assert y.dtype == out["features"].dtype == jnp.float32
    assert out["stem"].dtype == out["stage1"].dtype == out["stage2"].dtype == jnp.bfloat16
    images, variables = drawn(whole)
    exact, rough = (jax.jit(partial(m.apply, train=False))(variables, images)[0] for m in (whole, half))
    assert_allclose(rough, exact, atol=0.05 * np.abs(exact).max())


def drop(x, **options):
    return layers.Dropout(0.25, **options).apply({}, x, True, rngs={"dropout": jax.random.key(3)})


def test_dropout_keeps_the_mean():
    y = drop(jnp.ones((16, 500)))
    assert_allclose(np.unique(y), [0, 1 / 0.75], rtol=1e-6)
    assert_allclose(y.mean(), 1, atol=0.05)
    assert len(np.unique(y > 0, axis=0)) == 16  # every example has a mask of its own


def test_dropout_follows_the_place_in_the_global_batch():
    x = jnp.ones((8, 30))
    whole = drop(x)
    assert_array_equal(drop(x[:4]), whole[:4])
    shards = jax.vmap(partial(drop, axis_name="data"), axis_name="data")(x.reshape(4, 2, 30))
    assert_array_equal(shards.reshape(8, 30), whole)


def test_dropout_is_off_in_an_evaluation():
    x = jnp.arange(6.0).reshape(2, 3)
    assert_array_equal(layers.Dropout(0.9).apply({}, x, False), x)


SIDE, UP = 4, 3
BINS = SIDE * UP


@pytest.fixture(scope="module")
def heatmap():
    """The head with random weights, as a function of (B, SIDE, SIDE, 5) features."""
    head = heads.HeatmapHead(2 * 2 * BINS, dropout=0.0)
    variables = head.init(jax.random.key(0), jnp.zeros((1, SIDE, SIDE, 5)), False)
    return jax.jit(lambda x: head.apply(variables, x, False)), variables


def test_marginals_are_those_of_the_heat_map(heatmap):
    y, out = heatmap[0](jax.random.normal(jax.random.key(1), (3, SIDE, SIDE, 5)))
    y = y.reshape(3, 2, 2, BINS)  # picture, point, x or y, bin
    scores = np.asarray(out["heatmap"], np.float64)  # picture, point, row, column
    p = special.softmax(scores, axis=(2, 3))
    assert_allclose(special.softmax(y[:, :, 0], axis=-1), p.sum(2), atol=1e-5)
    assert_allclose(special.softmax(y[:, :, 1], axis=-1), p.sum(3), atol=1e-5)


def test_the_heat_map_shifts_as_the_features_do(heatmap):
    x = jax.random.normal(jax.random.key(1), (1, SIDE, SIDE, 5))
    y, _ = heatmap[0](x)
    moved, _ = heatmap[0](jnp.roll(x, (1, -1), (1, 2)))  # one cell down, one to the left
    y, moved = y.reshape(2, 2, BINS), moved.reshape(2, 2, BINS)
    assert_allclose(moved[:, 0], np.roll(y[:, 0], -UP, -1), atol=1e-5)
    assert_allclose(moved[:, 1], np.roll(y[:, 1], UP, -1), atol=1e-5)


def test_a_bright_cell_is_found_at_its_column_and_row(heatmap):
    head, variables = heatmap
    kernel = variables["params"]["Dense_0"]["kernel"]
    row, column = 3, 1
    x = jnp.zeros((1, SIDE, SIDE, 5)).at[0, row, column].set(50 * kernel.sum(1) / jnp.square(kernel).sum())
    y = head(x)[0].reshape(2, 2, BINS)
    assert_array_equal(np.argmax(y[:, 0], -1) // UP, column)
    assert_array_equal(np.argmax(y[:, 1], -1) // UP, row)


def test_bins_must_be_a_multiple_of_the_feature_map():
    with pytest.raises((ValueError, errors.InputError), match="no multiple"):
        nn.init(lambda head, x: head(x, False), heads.HeatmapHead(2 * 2 * 10, 0.0))(
            jax.random.key(0), jnp.zeros((1, 4, 4, 1))
        )
