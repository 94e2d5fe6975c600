"""EfficientNets: published numbers of parameters, timm's outputs for the same weights, and the tables' shapes."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import keystr
from numpy.testing import assert_allclose

from tests.models.shapes import abstract, count, make, sides
from tools import reference_outputs
from whale_jax.models import efficientnet, layers
from whale_jax.runtime import errors

PARAMETERS = {
    "lite0": 4_652_008,
    "lite1": 5_416_680,
    "lite2": 6_092_072,
    "lite3": 8_197_096,
    "lite4": 13_006_568,
    "b0": 5_288_548,
    "b1": 7_794_184,
    "b2": 9_109_994,
    "b3": 12_233_232,
    "v2_rw_m": 53_236_442,
}
# Mean, deviation and first eight of the features and of the logits: tools/reference_outputs.py printed them.
TIMM = {
    "lite0": (
        (0.102618, 0.139682, [0.0243665, 0.199508, 0.0400556, 0.0675289, 0.102142, 0.253773, 0, 0.320794]),
        (0.00294877, 0.200638, [-0.0165609, 0.173222, 0.075174, 0.18323, -0.112265, 0.0462328, 0.0635168, -0.316572]),
    ),
    "b0": (
        (
            0.00856945,
            0.105715,
            [0.0409667, 0.0337022, 0.0701512, 0.0667758, 0.0853082, 0.0747889, -0.0446428, 0.141053],
        ),
        (
            *(0.00190065, 0.144964),
            [-0.0824924, 0.108057, -0.00874302, 0.00490984, -0.0190388, 0.0585091, -0.00441017, -0.178132],
        ),
    ),
    "v2_rw_m": (
        (0.133234, 0.43308, [-0.231617, 1.08165, -0.141126, 0.0878351, -0.0746036, -0.240923, -0.276529, 0.508181]),
        (0.00152212, 0.475005, [-0.054514, 0.230845, 0.395311, 0.324402, -0.180134, 0.02361, -0.391297, -0.175599]),
    ),
}
LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}


def network(variant, **changes):
    return make({"name": "efficientnet", "variant": variant, "outputs": 1000, **changes})


@pytest.mark.parametrize(("variant", "epsilon"), [("lite0", 1e-4), ("b0", 1e-5)])
def test_the_end_of_miewids_head_is_normalised_as_its_backbone_is(monkeypatch, variant, epsilon):
    epsilons = []

    def batch_norm(*arguments, original=layers.batch_norm, **options):
        epsilons.append(options["epsilon"])
        return original(*arguments, **options)

    monkeypatch.setattr(layers, "batch_norm", batch_norm)
    shallow = efficientnet.VARIANTS[variant]._replace(stages=efficientnet.VARIANTS[variant].stages[:1])
    monkeypatch.setitem(efficientnet.VARIANTS, variant, shallow)
    model = network(variant, head="gem_cosine")
    jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert epsilons[-1] == epsilon


def as_timm_draws(path, leaf):
    """The values of a variable: those that the tool gives the tensor of timm that is called and laid out otherwise."""
    _, *modules, leaf_name = keystr(path, simple=True, separator="/").split("/")
    modules[0] = re.sub(r"blocks_(\d+)_(\d+)", r"blocks.\1.\2", modules[0])
    name = ".".join([*modules, LEAVES.get(leaf_name, leaf_name)]).replace("head.Dense_0", "classifier")
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[leaf.ndim]
    values = reference_outputs.draw(name, tuple(leaf.shape[axis] for axis in order))
    return jnp.asarray(values.transpose(np.argsort(order)))


@pytest.mark.slow
@pytest.mark.parametrize("variant", PARAMETERS)
def test_it_has_the_published_number_of_parameters(variant):
    assert count(abstract(network(variant), size=64)[2]) == PARAMETERS[variant]


@pytest.mark.slow
@pytest.mark.parametrize("variant", TIMM)
def test_it_computes_what_timm_computes(variant):
    model, image = network(variant), reference_outputs.picture()
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), image)
    variables = jax.tree_util.tree_map_with_path(as_timm_draws, shapes)
    logits, out = jax.jit(partial(model.apply, train=False))(variables, image)
    for values, (mean, deviation, first) in zip((out["features"][0], logits[0]), TIMM[variant], strict=True):
        tolerance = {"rtol": 1e-3, "atol": 2e-4 * deviation}
        assert_allclose(values[:8], first, **tolerance)
        assert_allclose((values.mean(), values.std()), (mean, deviation), **tolerance)


@pytest.mark.slow
def test_maps_are_those_of_the_papers_table():
    assert sides(abstract(network("b0"), size=224)[1]) == {
        "stem": (112, 112, 32),
        "stage1": (112, 112, 16),
        "stage2": (56, 56, 24),
        "stage3": (28, 28, 40),
        "stage4": (14, 14, 80),
        "stage5": (14, 14, 112),
        "stage6": (7, 7, 192),
        "stage7": (7, 7, 320),
        "conv_head": (7, 7, 1280),
    }


def test_a_pretrained_file_fills_all_modules_but_the_head(monkeypatch):
    stage = efficientnet.Stage("separable", kernel=3, expansion=1, filters=8, blocks=2, stride=1)
    monkeypatch.setitem(efficientnet.VARIANTS, "tiny", efficientnet.Variant((stage,), stem=8, top=8))
    model = network("tiny")
    assert set(model.pretrained.values()) == set(abstract(model, size=8)[2]["params"]) - {"head"}
    assert model.pretrained["blocks.0.1"] == "blocks_0_1"


def test_pictures_are_normalised_as_those_of_the_released_weights():
    kinds = {name: network(name).input_normalisation for name in PARAMETERS}
    assert kinds == {name: "signed" if "lite" in name else "imagenet" for name in PARAMETERS}


def test_an_unknown_variant_is_an_input_error_with_the_close_match():
    with pytest.raises(errors.InputError, match="did you mean lite0"):
        abstract(network("lite00"))


@pytest.mark.slow
def test_a_dropped_block_is_its_shortcut_and_the_mean_stays():
    stage = efficientnet.Stage("inverted", kernel=3, expansion=1, filters=4, blocks=1, stride=1)
    block = efficientnet.Block(stage, 1, efficientnet.VARIANTS["lite0"], 0.25, jnp.float32)
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(0), (1, 4, 4, 4)), (400, 4, 4, 4))
    variables = block.init(jax.random.key(1), x, train=False)
    step = jax.jit(partial(block.apply, train=True, mutable=["batch_stats"]))
    y, _ = step(variables, x, rngs={"dropout": jax.random.key(2)})
    branch = np.asarray(y - x)
    dropped = np.abs(branch).max((1, 2, 3)) == 0
    assert 0.18 < dropped.mean() < 0.32
    assert_allclose(branch[~dropped], np.broadcast_to(branch[~dropped][0], branch[~dropped].shape), atol=1e-5)
    undropped, _ = block.clone(drop=0.0).apply(variables, x, train=True, mutable=["batch_stats"])
    assert_allclose(0.75 * branch[~dropped][0], (undropped - x)[0], atol=1e-4)
