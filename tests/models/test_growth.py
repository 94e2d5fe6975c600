"""A network computes after it grew what it computed before."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from whale_jax.models import MODELS, growth
from whale_jax.runtime import errors

RES, BOTTLE = {"stem": (6, 3, 1)}, {"stem": (6, 3, 1), "bottleneck": 2, "depth": 1}
GROWTHS = {
    "vgg, wider": ("vgg", {"stages": ((4, 2), (6, 1))}, {"stages": ((7, 2), (9, 1)), "stem": (40, 7, 2)}),
    "vgg, deeper": ("vgg", {"stages": ((4, 2), (6, 1))}, {"stages": ((4, 3), (6, 3)), "grown": (1, 2)}),
    "vgg, dense head": (
        "vgg",
        {"stages": ((4, 1),), "head": "dense", "reduce": "maxpool"},
        {"stages": ((5, 2),), "grown": (1,)},
    ),
    "vgg, score map": (
        "vgg",
        {"stages": ((4, 1), (4, 1)), "head": "heatmap", "outputs": 32},
        {"stages": ((4, 1), (6, 1))},
    ),
    "vgg, no normalisation": ("vgg", {"stages": ((4, 1),), "norm": False}, {"stages": ((6, 2),), "grown": (1,)}),
    "resnet, wider": ("resnet", {**RES, "stages": ((4, 2), (6, 2))}, {"stages": ((5, 2), (11, 2))}),
    "resnet, no first projection": (
        "resnet",
        {**RES, "stages": ((6, 2), (7, 1))},
        {"stem": (9, 3, 1), "stages": ((9, 2), (7, 1))},
    ),
    "resnet, deeper": ("resnet", {**RES, "stages": ((4, 1), (6, 1))}, {"stages": ((4, 2), (6, 3)), "grown": (1, 2)}),
    "resnet, of three": ("resnet", {**RES, "stages": ((4, 1, 3),)}, {"stages": ((5, 2, 3),), "grown": (1,)}),
    "resnet, as released": (
        "resnet",
        {**RES, "norm_sum": True, "stages": ((4, 1), (6, 1))},
        {"stages": ((5, 2), (6, 1)), "grown": (1, 0)},
    ),
    "resnet, bottleneck": (
        "resnet",
        {**BOTTLE, "stages": ((8, 1), (12, 1))},
        {"stages": ((12, 2), (16, 1)), "grown": (1, 0)},
    ),
    "resnet, a second time": (
        "resnet",
        {**RES, "stages": ((4, 2), (6, 1)), "grown": (1, 0)},
        {"stages": ((5, 3), (6, 1)), "grown": (2, 0)},
    ),
}


def pair(name):
    family, small, changes = GROWTHS[name]
    kind = MODELS[family]
    return kind(**{"outputs": 3, **small}), kind(**{"outputs": 3, **small, **changes})


def draw_variables(model, seed=0, size=16):
    """Variables of a model, drawn by name: running averages and slopes are not what they would begin with."""
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, size, size, 3)))
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var", "negative_slope"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        fan = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 4
        return rng.normal(0, 1 / np.sqrt(fan), leaf.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, dict(shapes))


def fresh(model, seed=7):
    """Variables as a network begins with: of inserted layers, slopes are 1, and running averages 0 and 1."""
    start = {"mean": 0, "var": 1, "scale": 1, "bias": 0, "negative_slope": 1}
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: 0 * leaf + start[path[-1].key] if path[-1].key in start else leaf,
        draw_variables(model, seed),
    )


def pictures(seed=1, size=16):
    return np.random.default_rng(seed).normal(size=(6, size, size, 3)).astype(np.float32)


@partial(jax.jit, static_argnums=0)
def says(model, variables, images):
    return model.apply(variables, images, train=False)[0]


@pytest.mark.parametrize("name", GROWTHS)
def test_a_grown_network_says_what_it_said(name):
    old, new = pair(name)
    variables, unseen = draw_variables(old), pictures(9)  # the network has not been measured on these
    grown = growth.grow(old, new, variables=variables, fresh=fresh(new), images=pictures(), seed=3)
    assert jax.tree.map(jnp.shape, grown) == jax.tree.map(jnp.shape, fresh(new))
    before, after = (says(model, v, unseen) for model, v in ((old, variables), (new, grown)))
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert np.ptp(before, axis=0).min() > 1e-2


@pytest.mark.parametrize("name", ["vgg, deeper", "resnet, deeper", "resnet, as released"])
def test_it_says_so_while_it_trains_too(name):
    old, new = (model.clone(dropout=0.0) for model in pair(name))
    variables, images = draw_variables(old), pictures()

    @partial(jax.jit, static_argnums=0)
    def trains(model, variables):
        (y, _), updates = model.apply(variables, images, train=True, mutable=["batch_stats"])
        return y, {**variables, **updates}

    # Running averages as the batch has them, or what is inserted would be measured on other numbers than it meets.
    for _ in range(200):
        _, variables = trains(old, variables)
    grown = growth.grow(old, new, variables=variables, fresh=fresh(new), images=pictures())
    np.testing.assert_allclose(trains(new, grown)[0], trains(old, variables)[0], atol=1e-3)


def test_noise_parts_the_copies_and_leaves_the_rest():
    old, new = pair("vgg, wider")
    variables = draw_variables(old)
    still, noisy = (
        growth.grow(old, new, variables=variables, fresh=fresh(new), images=pictures(), seed=3, noise=noise)
        for noise in (0.0, 0.1)
    )
    kernels = [v["params"]["ConvNorm_1"]["Conv_0"]["kernel"] for v in (still, noisy)]
    np.testing.assert_array_equal(kernels[0][..., :4], kernels[1][..., :4])
    assert 0.02 < np.std(kernels[1][..., 4:] - kernels[0][..., 4:]) / np.std(kernels[0]) < 0.2


@pytest.mark.parametrize(
    ("family", "small", "changes", "message"),
    [
        ("vgg", {"stages": ((4, 2),)}, {"stages": ((3, 2),)}, "is not wider or deeper"),
        ("vgg", {"stages": ((4, 2),)}, {"stages": ((4, 2),)}, "is not wider or deeper"),
        ("vgg", {"stages": ((4, 2),)}, {"stages": ((4, 2), (4, 1))}, "is not wider or deeper"),
        ("resnet", {"stages": ((4, 1, 2),)}, {"stages": ((4, 1, 3),)}, "is not wider or deeper"),
        ("vgg", {"stages": ((4, 2),)}, {"stages": ((4, 3),)}, r"set model.grown to \(1,\)"),
        ("vgg", {"stages": ((4, 2),)}, {"stages": ((6, 2),), "grown": (1,)}, r"set model.grown to \(0,\)"),
        ("vgg", {"stages": ((4, 2),)}, {"stages": ((5, 2),), "stem_pool": 3}, r"- stem_pool 0\n\+ stem_pool 3"),
        ("resnet", {"stages": ((32, 1),)}, {"stages": ((40, 1),)}, "stem and first stage are of one width"),
        ("vgg", {"stages": ((4, 1),), "head": "cosine"}, {"stages": ((5, 1),)}, "what can grow is"),
    ],
)
def test_what_is_no_growth_is_refused(family, small, changes, message):
    kind = MODELS[family]
    with pytest.raises(errors.InputError, match=message):
        growth.check(kind(outputs=3, **small), kind(outputs=3, **{**small, **changes}))
