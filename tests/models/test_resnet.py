"""Residual networks: sizes and parameters worked out by hand from the post and the paper, and what a block promises."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from configs import post
from tests.models.shapes import CLASSES, abstract, by_stage, convolutions, count, kernels, make, sides
from whale_jax.models import layers, resnet

STEM = 7 * 7 * 3 * 32 + 2 * 32
CELL = partial(layers.ConvNorm, dtype=jnp.float32)


def dense(features, outputs=CLASSES):
    return features * outputs + outputs


def residual(inside, filters, blocks, depth=2):
    """Parameters of a stage whose first block has a projection: 3x3 kernels, the 1x1, two a normalisation."""
    kernels = 9 * (inside * filters + (depth * blocks - 1) * filters**2) + inside * filters
    return kernels + 2 * filters * (depth * blocks + 1)


def bottleneck(inside, filters, blocks):
    """Parameters of a stage of 1x1, 3x3, 1x1, the first two with a quarter of the filters, and of its projection."""
    narrow = filters // 4
    kernels = inside * narrow + (blocks - 1) * filters * narrow + blocks * (9 * narrow**2 + narrow * filters)
    return kernels + inside * filters + 2 * (blocks * (2 * narrow + filters) + filters)


def test_resnet19():
    _, out, variables = abstract(make(post.RESNET19["model"], outputs=CLASSES))
    assert sides(out) == {
        "stem": (64, 64, 32),
        "stage1": (64, 64, 32),
        "stage2": (32, 32, 64),
        "stage3": (16, 16, 128),
    }
    first = 6 * (9 * 32 * 32 + 2 * 32)  # as wide as the stem: no projection
    assert by_stage(variables, "Block", 3, 3, 3) == [first, residual(32, 64, 3), residual(64, 128, 3)]
    assert count(variables) == STEM + first + residual(32, 64, 3) + residual(64, 128, 3) + dense(128)
    assert convolutions(variables) == 19
    assert sum(name.startswith("Block") for name in variables["params"]) == 9  # the post's "9 shortcut layers"


def test_resnet31():
    _, out, variables = abstract(make(post.RESNET31["model"], outputs=CLASSES))
    assert sides(out) == {
        "stem": (128, 128, 32),
        "stage1": (128, 128, 48),
        "stage2": (64, 64, 64),
        "stage3": (32, 32, 80),
        "stage4": (16, 16, 96),
        "stage5": (8, 8, 128),
    }
    stages = [residual(32, 48, 3), residual(48, 64, 3), residual(64, 80, 3), residual(80, 96, 3), residual(96, 128, 3)]
    assert by_stage(variables, "Block", 3, 3, 3, 3, 3) == stages
    assert count(variables) == STEM + sum(stages) + dense(128)
    assert convolutions(variables) == 31


def test_resnet37_has_the_maps_of_31():
    shallow, deep = (abstract(make(recipe["model"], outputs=CLASSES)) for recipe in (post.RESNET31, post.RESNET37))
    assert sides(deep[1]) == sides(shallow[1])
    stages = [residual(32, 48, 3), residual(48, 64, 3), residual(64, 80, 3), residual(80, 96, 4), residual(96, 128, 5)]
    assert by_stage(deep[2], "Block", 3, 3, 3, 4, 5) == stages
    assert count(deep[2]) == STEM + sum(stages) + dense(128)
    assert convolutions(deep[2]) == 37


def test_resnet67():
    _, out, variables = abstract(make(post.RESNET67["model"], outputs=CLASSES))
    assert sides(out) == {
        "stem": (64, 64, 32),
        "stage1": (64, 64, 48),
        "stage2": (32, 32, 64),
        "stage3": (16, 16, 80),
        "stage4": (8, 8, 128),
    }
    stages = [residual(32, 48, 3), residual(48, 64, 4), residual(64, 80, 23), residual(80, 128, 3)]
    assert by_stage(variables, "Block", 3, 4, 23, 3) == stages
    assert count(variables) == STEM + sum(stages) + dense(128)
    assert convolutions(variables) == 67


@pytest.mark.slow
def test_the_released_networks_normalise_after_each_sum_and_not_the_projections():
    _, out, variables = abstract(make(post.released("resnet67")["model"], outputs=CLASSES))
    plain = abstract(make(post.RESNET67["model"], outputs=CLASSES))
    assert sides(out) == sides(plain[1])
    sums = 3 * 48 + 4 * 64 + 23 * 80 + 3 * 128
    assert count(variables) - count(plain[2]) == 2 * sums - 2 * (48 + 64 + 80 + 128)
    assert convolutions(variables) == 67

    _, out, variables = abstract(make(post.released("resnet37")["model"], outputs=CLASSES))
    assert sides(out) == sides(abstract(make(post.RESNET37["model"], outputs=CLASSES))[1])
    stages = [residual(32, 48, 3), residual(48, 64, 3)]
    stages += [residual(64, 80, 3, depth=3), residual(80, 96, 4, depth=3), residual(96, 128, 5, depth=3)]
    sums = 3 * 48 + 3 * 64 + 3 * 80 + 4 * 96 + 5 * 128
    normalisation = 2 * sums - 2 * (48 + 64 + 80 + 96 + 128)
    assert count(variables) == STEM + sum(stages) + normalisation + dense(128)
    assert convolutions(variables) == 49


def test_resnet50_is_the_published_one():
    _, out, variables = abstract(make(post.RESNET50["model"], outputs=1000), size=224)
    assert sides(out) == {  # table 1 of the paper
        "stem": (56, 56, 64),
        "stage1": (56, 56, 256),
        "stage2": (28, 28, 512),
        "stage3": (14, 14, 1024),
        "stage4": (7, 7, 2048),
    }
    stages = [bottleneck(64, 256, 3), bottleneck(256, 512, 4), bottleneck(512, 1024, 6), bottleneck(1024, 2048, 3)]
    assert by_stage(variables, "Block", 3, 4, 6, 3) == stages
    assert count(variables) == 7 * 7 * 3 * 64 + 2 * 64 + sum(stages) + dense(2048, 1000) == 25_557_032
    assert len(kernels(variables)) == 49 + 4  # the dense layer is the 50th; four projections
    assert convolutions(variables) == 1 + 16


def test_the_narrow_resnet50_has_a_quarter_of_the_filters():
    _, wide, _ = abstract(make(post.RESNET50["model"], outputs=CLASSES))
    _, narrow, variables = abstract(make(post.RESNET50_NARROW["model"], outputs=CLASSES))
    assert sides(narrow) == {name: (*side, width // 4) for name, (*side, width) in sides(wide).items()}
    stages = [bottleneck(16, 64, 3), bottleneck(64, 128, 4), bottleneck(128, 256, 6), bottleneck(256, 512, 3)]
    assert by_stage(variables, "Block", 3, 4, 6, 3) == stages
    assert count(variables) == 7 * 7 * 3 * 16 + 2 * 16 + sum(stages) + dense(512)


def test_the_stride_may_move_into_the_3x3():
    first, second = (abstract(make(post.RESNET50["model"], outputs=3, strided=strided)) for strided in (0, 1))
    assert first == second  # in shapes


@pytest.mark.parametrize("strided", [0, 1])
def test_a_stride_in_a_1x1_skips_every_other_pixel(strided):
    x = jax.random.normal(jax.random.key(0), (1, 6, 6, 4))
    block = resnet.Block(8, 2, CELL, depth=1, bottleneck=4, strided=strided)
    variables = block.init(jax.random.key(1), x, train=False)
    run = jax.jit(partial(block.apply, train=False))
    thinned = x.at[:, 1::2].set(0).at[:, :, 1::2].set(0)
    assert np.allclose(run(variables, x), run(variables, thinned)) == (strided == 0)


@pytest.mark.parametrize("options", [{}, {"depth": 1, "bottleneck": 3}])
def test_a_block_without_its_convolutions_is_the_rectified_shortcut(options):
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    block = resnet.Block(3, 1, CELL, **options)
    variables = block.init(jax.random.key(0), x, train=False)
    silent = jax.tree.map(lambda v: v * 0 if v.ndim == 4 else v, variables)
    assert_allclose(block.apply(silent, x, train=False), np.where(x > 0, x, x / 3), atol=1e-6)
    assert not np.allclose(block.apply(variables, x, train=False), np.where(x > 0, x, x / 3), atol=0.1)


def assert_normalised(x):
    assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-4)
    assert_allclose(x.var((0, 1, 2)), 1, rtol=1e-2)


@pytest.mark.parametrize("options", [{}, {"depth": 1, "bottleneck": 3}])
def test_what_is_added_to_the_shortcut_is_normalised_and_not_rectified(options):
    x = 5 + 3 * jax.random.normal(jax.random.key(0), (4, 6, 6, 3))
    y, _ = resnet.Block(3, 1, CELL, **options).init_with_output(jax.random.key(1), x, train=True)
    assert_normalised(np.where(y > 0, y, 3 * y) - x)


def test_a_normalised_sum_needs_no_normalised_projection():
    x = 5 + 3 * jax.random.normal(jax.random.key(0), (4, 6, 6, 2))
    y, variables = resnet.Block(3, 2, CELL, norm_sum=True).init_with_output(jax.random.key(1), x, train=True)
    assert_normalised(np.where(y > 0, y, 3 * y))
    assert set(variables["params"]["projection"]) == {"Conv_0"}
    assert set(variables["params"]["projection"]["Conv_0"]) == {"kernel"}
