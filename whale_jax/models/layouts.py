"""What files of released weights call a network's parameters: names of timm, of MiewID and of EfficientNet-Lite.

A model's `pretrained` names the modules of a file of timm's and, for each, its own. Below a module, both have the same
names, but for "." and "/", and for the leaves: LEAVES. Other files' names are first made into timm's.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from whale_jax.runtime import errors

Path = tuple[str, ...]
LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var", "p": "p"}
WRAPPERS = re.compile(r"^((module|model|backbone)\.)+")  # of MiewID, and of networks saved by several devices
MIEWID = {"pooling": "head/GeneralisedMean_0", "bn": "head/BatchNorm_0"}  # which the head "gem_cosine" has too
HEAD = re.compile(r"(classifier|fc|head|final|pooling|bn)\.|.*num_batches_tracked$")  # may be left unused
LITE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
LITE_INVERTED = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
LITE_INVERTED |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
LITE_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


class Fit(NamedTuple):
    """What a file of tensors gives a network.

    Attributes:
        leaves: path among the variables -> array, as the network has it.
        skipped: names of the file's tensors that are not used: its head, and counters.
        fresh: paths of the network's leaves that begin as they were drawn: its head.
    """

    leaves: dict[Path, np.ndarray]
    skipped: list[str]
    fresh: list[str]


def fit(variables: Mapping[str, Any], tensors: Mapping[str, np.ndarray], *, modules: Mapping[str, str]) -> Fit:
    """The tensors of a file as leaves of a network.

    Of the head nothing must fit: it is of the classes that the weights were released for.

    Args:
        variables: {"params", "batch_stats"}, or their shapes.
        tensors: {name: (..., n) array} of the file.
        modules: the model's `pretrained`.

    Raises:
        InputError: a tensor is missing, has another shape, or has no place in the network; of what is no head.
    """
    leaves = traverse_util.flatten_dict(dict(variables))
    places = names(leaves, modules={**modules, **MIEWID})
    called = to_timm(tensors, modules=modules)
    arrays = {name: as_flax(np.asarray(tensors[key])) for key, name in called.items() if name in places}
    fitting = {
        places[name]: array.astype(np.float32)
        for name, array in arrays.items()
        if array.shape == leaves[places[name]].shape
    }
    lines = []
    for name, path in names(leaves, modules=modules).items():
        if path not in fitting:
            label = f"{name} {arrays[name].shape}" if name in arrays else f"{name}: not in the file"
            lines += [f"- {label}", f"+ {'/'.join(path)} {leaves[path].shape}"]
    skipped = [key for key, name in called.items() if places.get(name) not in fitting]
    unplaced = [key for key in skipped if called[key] not in arrays and not HEAD.match(called[key])]
    lines += [f"- {key} {np.shape(tensors[key])}: the network has no such parameter" for key in unplaced]
    if lines:
        message = "these weights are of another network (- what the file holds, + what this network has):"
        raise errors.InputError(errors.listed(message, lines))
    return Fit(fitting, sorted(skipped), ["/".join(path) for path in leaves if path not in fitting])


def names(paths: Iterable[Path], *, modules: Mapping[str, str]) -> dict[str, Path]:
    """{timm's name: path} of those paths among a network's variables that are in one of the `modules`."""
    places = {}
    for path in paths:
        inside = "/".join(path[1:-1])
        for module, place in modules.items():
            if f"{inside}/".startswith(f"{place}/"):
                places[f"{module}{inside[len(place) :].replace('/', '.')}.{LEAVES[path[-1]]}"] = path
    return places


def to_timm(keys: Iterable[str], *, modules: Mapping[str, str]) -> dict[str, str]:
    """{name in a file: timm's name}, the file being timm's, MiewID's or EfficientNet-Lite's of PyTorch."""
    stripped = {key: WRAPPERS.sub("", key) for key in keys}
    blocks = [module for module in modules if module.startswith("blocks.")]
    inverted = {name.split(".")[1] for name in stripped.values() if "._expand_conv." in name}

    def timm_name(name: str) -> str:
        first, *rest = name.split(".")
        if first == "_blocks" and len(rest) > 1 and rest[0].isdecimal() and int(rest[0]) < len(blocks):
            number, child, *rest = rest
            children = LITE_INVERTED if number in inverted else LITE_SEPARABLE
            return ".".join([blocks[int(number)], children.get(child, child), *rest])
        return ".".join([LITE.get(first, first), *rest])

    return {key: timm_name(name) for key, name in stripped.items()}


def as_flax(tensor: np.ndarray) -> np.ndarray:
    """A tensor of PyTorch's layout in Flax's: (O, I, h, w) -> (h, w, I, O), depthwise or not, and (O, I) -> (I, O)."""
    return tensor.transpose((2, 3, 1, 0)) if tensor.ndim == 4 else tensor.T if tensor.ndim == 2 else tensor
