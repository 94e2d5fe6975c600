"""Tensors of released files find their parameters: each its own, and nothing is taken for what it is not."""

import hashlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from numpy.testing import assert_array_equal

from whale_jax.models import layouts
from whale_jax.models.efficientnet import EfficientNet
from whale_jax.runtime import errors

# Number of timm's tensors outside the classifier and the counters, and a hash of their sorted names and shapes (timm
# 1.0.31: tf_efficientnet_lite0 to 4, efficientnet_b0 to b3, efficientnetv2_rw_m).
TIMM = {
    "lite0": (245, "933ea5d8b61db98b"),
    "lite1": (320, "657e3add3664063c"),
    "lite2": (320, "cfc5f48f438625fd"),
    "lite3": (365, "6c9855f395aee4c0"),
    "lite4": (455, "1c0bb742b7081c34"),
    "b0": (309, "450a546895f2cf63"),
    "b1": (437, "8ec4e4c2784a9681"),
    "b2": (437, "6671158183656c70"),
    "b3": (494, "a7273187d7786652"),
    "v2_rw_m": (1033, "a668cd940a26eb43"),
}
MODULES = {"conv_stem": "stem", "bn1": "norm", "blocks.0.0": "first", "blocks.1.0": "second"}
CHANNELS = 4


def shapes(model):
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), image)


def small():
    """Variables of a network with a stem, a separable and an inverted block and a head, each number another."""
    kernels = {
        "stem": (3, 3, 3, CHANNELS),
        "first/conv_dw": (3, 3, 1, CHANNELS),
        "first/conv_pw": (1, 1, CHANNELS, 6),
        "second/conv_pw": (1, 1, 6, 8),
        "second/conv_dw": (5, 5, 1, 8),
        "second/conv_pwl": (1, 1, 8, 6),
        "head/Dense_0": (6, 5),
    }
    norms = {"norm": CHANNELS, "first/bn1": CHANNELS, "first/bn2": 6}
    norms |= {"second/bn1": 8, "second/bn2": 8, "second/bn3": 6, "head/BatchNorm_0": 6}
    sizes = {f"params/{name}/kernel": size for name, size in kernels.items()} | {
        "params/head/GeneralisedMean_0/p": (1,)
    }
    for name, size in norms.items():
        leaves = ("params", "scale"), ("params", "bias"), ("batch_stats", "mean"), ("batch_stats", "var")
        sizes |= {f"{kind}/{name}/{leaf}": (size,) for kind, leaf in leaves}
    rng = np.random.default_rng(0)
    flat = {tuple(path.split("/")): rng.normal(size=size).astype(np.float32) for path, size in sizes.items()}
    return traverse_util.unflatten_dict(flat)


def released(variables, rename=lambda name: name):
    """The variables of a network as a file of PyTorch's has them, by independent rules of names and layouts."""
    places = {place: module for module, place in MODULES.items()}
    leaves = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
    tensors = {}
    for (_, place, *inner, leaf), array in traverse_util.flatten_dict(variables).items():
        if place != "head":
            name = ".".join([places[place], *inner, leaves.get(leaf, leaf)])
            tensors[rename(name)] = np.moveaxis(array, (2, 3), (1, 0)) if array.ndim == 4 else array
    head = variables["params"]["head"]
    tensors[rename("classifier.weight")] = np.zeros((1000, 6), np.float32)
    tensors[rename("bn1.num_batches_tracked")] = np.array(7)
    return tensors, head


def lite(name):
    """A name of timm's in EfficientNet-Lite's layout."""
    for prefix, lite_prefix in (
        *(("conv_stem.", "_conv_stem."), ("classifier.", "_fc."), ("blocks.0.0.conv_dw", "_blocks.0._depthwise_conv")),
        *(("blocks.0.0.conv_pw", "_blocks.0._project_conv"), ("blocks.0.0.bn", "_blocks.0._bn")),
        *(("blocks.1.0.conv_pwl", "_blocks.1._project_conv"), ("blocks.1.0.conv_pw", "_blocks.1._expand_conv")),
        *(("blocks.1.0.conv_dw", "_blocks.1._depthwise_conv"), ("blocks.1.0.bn1", "_blocks.1._bn0")),
        *(("blocks.1.0.bn2", "_blocks.1._bn1"), ("blocks.1.0.bn3", "_blocks.1._bn2"), ("bn1.", "_bn0.")),
    ):
        if name.startswith(prefix):
            return lite_prefix + name.removeprefix(prefix)
    raise AssertionError(name)


RENAMES = {"timm": str, "lite": lite, "wrapped": lambda name: f"module.backbone.{name}"}


@pytest.mark.slow
@pytest.mark.parametrize("variant", [v if v == "lite0" else pytest.param(v, marks=pytest.mark.slow) for v in TIMM])
def test_every_parameter_of_a_variant_has_one_name_and_it_is_timms(variant):
    model = EfficientNet(5, variant=variant)
    leaves = traverse_util.flatten_dict(shapes(model))
    names = layouts.names(leaves, modules=model.pretrained)
    assert sorted(names.values()) == sorted(path for path in leaves if path[1] != "head")
    sizes = {name: leaves[path].shape for name, path in names.items()}
    torch = {name: (size[3], size[2], *size[:2]) if len(size) == 4 else size for name, size in sizes.items()}
    text = "\n".join(f"{name} {size}" for name, size in sorted(torch.items()))
    assert (len(names), hashlib.sha256(text.encode()).hexdigest()[:16]) == TIMM[variant]


@pytest.mark.parametrize("layout", RENAMES)
def test_tensors_find_their_parameters_by_name_whatever_the_layout(layout):
    variables = small()
    tensors, _ = released(variables, RENAMES[layout])
    fit = layouts.fit(variables, tensors, modules=MODULES)
    leaves = traverse_util.flatten_dict(variables)
    assert fit.leaves.keys() == {path for path in leaves if path[1] != "head"}
    for path, array in fit.leaves.items():
        assert_array_equal(array, leaves[path])
        assert array.dtype == np.float32
    assert fit.skipped == sorted(map(RENAMES[layout], ("classifier.weight", "bn1.num_batches_tracked")))
    assert all(path.split("/")[1] == "head" for path in fit.fresh)


def test_the_head_of_miewid_is_taken_where_the_network_has_one_like_it():
    variables = small()
    tensors, head = released(variables)
    tensors |= {"pooling.p": np.full(1, 3.5), "bn.weight": head["BatchNorm_0"]["scale"], "bn.bias": np.zeros(7)}
    fit = layouts.fit(variables, tensors, modules=MODULES)
    assert_array_equal(fit.leaves["params", "head", "GeneralisedMean_0", "p"], [3.5])
    assert_array_equal(fit.leaves["params", "head", "BatchNorm_0", "scale"], head["BatchNorm_0"]["scale"])
    assert "bn.bias" in fit.skipped  # which is of another length
    assert "params/head/BatchNorm_0/bias" in fit.fresh


def test_what_does_not_fit_is_named_line_by_line():
    variables = small()
    tensors, _ = released(variables)
    tensors["blocks.1.0.conv_dw.weight"] = np.zeros((8, 1, 3, 3))
    tensors["blocks.2.0.bn1.weight"] = np.zeros(3)
    del tensors["bn1.running_var"]
    with pytest.raises(errors.InputError, match="of another network") as caught:
        layouts.fit(variables, tensors, modules=MODULES)
    assert sorted(str(caught.value).splitlines()[1:]) == [
        "+ batch_stats/norm/var (4,)",
        "+ params/second/conv_dw/kernel (5, 5, 1, 8)",
        "- blocks.1.0.conv_dw.weight (3, 3, 1, 8)",
        "- blocks.2.0.bn1.weight (3,): the network has no such parameter",
        "- bn1.running_var: not in the file",
    ]


@pytest.mark.slow
def test_the_weights_of_a_deeper_network_are_refused():
    lite0, lite1 = (EfficientNet(5, variant=variant) for variant in ("lite0", "lite1"))
    leaves = traverse_util.flatten_dict(shapes(lite1))
    names = layouts.names(leaves, modules=lite1.pretrained)
    tensors = {name: np.zeros(leaves[path].shape[::-1], bool) for name, path in names.items()}
    assert len(layouts.fit(shapes(lite1), tensors, modules=lite1.pretrained).leaves) == len(names)
    with pytest.raises(errors.InputError, match="the network has no such parameter"):
        layouts.fit(shapes(lite0), tensors, modules=lite0.pretrained)
