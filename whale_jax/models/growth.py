"""Growing a trained network into a larger one that computes the same (Net2Net, Chen et al., arXiv:1511.05641).

A wider layer has copies of its channels, and the layer after it divides its kernel by their number. A deeper network
has new layers that change nothing at first. The very leaky rectifier is not idempotent, so the paper's identity layer
would not be one here: an inserted layer has a rectifier whose slope is learned, from 1. An inserted convolution passes
its input on and normalises it to the mean and deviation that it has already. An inserted block adds nothing, as its
last normalisation multiplies by 0.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from flax import traverse_util

from whale_jax.models.layers import EPSILON
from whale_jax.models.resnet import Block, ResNet
from whale_jax.models.vgg import VGG
from whale_jax.runtime import errors

Path = tuple[str, ...]
Leaves = dict[Path, Any]
GROWS = ("stages", "stem", "grown")
IGNORED = ("dropout", "dtype", "parent", "name")  # what may differ besides
ALL = np.arange(0)  # channels of a layer that is the same in both networks
HEADS = {"average": "AverageHead_0", "dense": "DenseHead_0", "heatmap": "HeatmapHead_0"}  # cosines change with copies


class Layer(NamedTuple):
    """Where a layer of the larger network comes from.

    Attributes:
        new: its place among the variables of the larger network.
        old: its place among those of the smaller one; None where it is inserted.
        inputs: (channels,) which channel of the smaller network each input channel is a copy of.
        outputs: the same of its output channels.
        stage: the stage that it is in, from 0; -1 of stem and head.
    """

    new: Path
    old: Path | None
    inputs: np.ndarray
    outputs: np.ndarray
    stage: int = -1


def grow(
    old: nn.Module,
    new: nn.Module,
    *,
    variables: Mapping,
    fresh: Mapping,
    images: jax.Array,
    seed: int = 0,
    noise: float = 0.0,
) -> dict[str, Any]:
    """Variables with which `new` computes what `old` computes with `variables`.

    Args:
        old, new: networks of one family, VGG or ResNet; `new` is wider or deeper, and nothing else is different.
        variables: {"params", "batch_stats"} of `old`.
        fresh: initial ones of `new`, which inserted blocks begin with.
        images: (batch, height, width, 3) inputs, by which the mean and deviation of inserted convolutions are measured.
        seed: chooses the channels that are copied.
        noise: standard deviation of what is added to copies, in deviations of their kernel, so that they differ.

    Returns:
        {"params", "batch_stats"} of `new`.

    Raises:
        InputError: `new` is no growth of `old`.
    """
    layers, rng = plan(old, new, seed=seed), np.random.default_rng(seed)
    leaves = {kind: traverse_util.flatten_dict(tree) for kind, tree in fresh.items()}
    inserted = [layer for layer in layers if layer.old is None]
    outputs = jax.jit(partial(old.apply, train=False))(variables, images)[1] if inserted else {}
    for layer in inserted:
        _make_identity(layer, leaves, outputs)
    rule = partial(_copy, noise=noise, rng=rng)
    return {kind: _carry(layers, variables.get(kind, {}), fresh=tree, rule=rule) for kind, tree in leaves.items()}


def plan(old: nn.Module, new: nn.Module, *, seed: int = 0) -> list[Layer]:
    """Every layer of `new` and the layer of `old` that it comes from; no growth of `old` raises InputError."""
    check(old, new)
    rng = np.random.default_rng(seed)

    def copies(before: int, after: int) -> np.ndarray:
        return np.concatenate([np.arange(before), rng.integers(before, size=after - before)])

    stem = copies(old.stem[0], new.stem[0])
    layers = [Layer(("Stem_0", "ConvNorm_0"), ("Stem_0", "ConvNorm_0"), np.arange(3), stem)]
    layers += (_blocks if isinstance(new, ResNet) else _convolutions)(old, new, stem, copies)
    last = layers[-1].outputs
    head = HEADS[new.head]
    return [*layers, Layer((head, "Dense_0"), (head, "Dense_0"), last, ALL), Layer((head,), (head,), ALL, ALL)]


def check(old: nn.Module, new: nn.Module) -> None:
    """Raises InputError where `new` is not `old`, wider or deeper."""
    if type(old) is not type(new) or not isinstance(old, VGG | ResNet) or old.head not in HEADS:
        kinds = f"{type(old).__name__} with the head {old.head!r} to {type(new).__name__}"
        raise errors.InputError(f"from {kinds}: what can grow is a VGG or a ResNet, with the head {' or '.join(HEADS)}")
    fixed = [
        {name: getattr(network, name) for name in network.__dataclass_fields__ if name not in GROWS + IGNORED}
        for network in (old, new)
    ]
    if lines := errors.differences(*fixed):
        raise errors.InputError("\n".join(["a network that grows may change nothing else (- from, + to):", *lines]))
    sizes = [[*network.stem[:1], *(size for stage in network.stages for size in stage[:2])] for network in (old, new)]
    same = [[network.stem[1:], *(stage[2:] for stage in network.stages)] for network in (old, new)]
    if same[0] != same[1] or any(a > b for a, b in zip(*sizes, strict=True)) or sizes[0] == sizes[1]:
        raise errors.InputError(f"stages {old.stages} to {new.stages} is not wider or deeper, stage by stage")
    inserted = tuple(b[1] - a[1] for a, b in zip(old.stages, new.stages, strict=True))
    none = (0,) * len(inserted)
    grown = tuple(a + b for a, b in zip(old.grown or none, inserted, strict=True))
    if (new.grown or none) != grown:
        raise errors.InputError(f"to grow from {old.stages} to {new.stages}, set model.grown to {grown}")
    if isinstance(old, ResNet) and (old.stem[0] == old.stages[0][0]) != (new.stem[0] == new.stages[0][0]):
        raise errors.InputError("stem and first stage are of one width in one of the networks, and not in the other")


def _convolutions(old: VGG, new: VGG, inputs: np.ndarray, copies: Callable) -> Iterator[Layer]:
    """The layers of the stages of a VGG."""
    before = after = 0
    for i, ((narrow, shallow), (wide, deep)) in enumerate(zip(old.stages, new.stages, strict=True)):
        for j in range(deep):
            place = (f"ConvNorm_{before + j}",) if j < shallow else None
            outputs = copies(narrow, wide) if place else inputs
            yield Layer((f"ConvNorm_{after + j}",), place, inputs, outputs, i)
            inputs = outputs
        before, after = before + shallow, after + deep


def _blocks(old: ResNet, new: ResNet, inputs: np.ndarray, copies: Callable) -> Iterator[Layer]:
    """The layers of the stages of a ResNet. A stage's blocks are added up, so all have one set of copies."""
    before = after = 0
    for i, ((narrow, shallow, *depths), (wide, deep, *_)) in enumerate(zip(old.stages, new.stages, strict=True)):
        outputs = copies(narrow, wide) if i or narrow != old.stem[0] else inputs  # to which the first block adds
        depth = depths[0] if depths else old.depth
        sizes = [Block(f, 1, None, depth=depth, bottleneck=old.bottleneck).convolutions() for f in (narrow, wide)]
        for j in range(deep):
            place = f"Block_{after + j}"
            if j >= shallow:
                yield Layer((place,), None, outputs, outputs, i)
                continue
            source, inside = f"Block_{before + j}", inputs
            for k, ((a, _), (b, _)) in enumerate(zip(*sizes, strict=True)):
                channels = outputs if k == len(sizes[0]) - 1 else copies(a, b)
                yield Layer((place, f"ConvNorm_{k}"), (source, f"ConvNorm_{k}"), inside, channels, i)
                inside = channels
            for name in ("projection", "BatchNorm_0", "PReLU_0"):  # which not every block has
                yield Layer((place, name), (source, name), inputs, outputs, i)
            inputs = outputs
        inputs, before, after = outputs, before + shallow, after + deep


def _make_identity(layer: Layer, fresh: dict[str, Leaves], outputs: Mapping[str, jax.Array]) -> None:
    """Sets an inserted layer's fresh leaves so that it changes nothing."""
    params, kernel = fresh["params"], (*layer.new, "Conv_0", "kernel")
    if kernel in params:
        height, width = params[kernel].shape[:2]
        params[kernel] = np.zeros(params[kernel].shape, np.float32)
        params[kernel][height // 2, width // 2] = np.eye(len(layer.inputs))
    norms = sorted(path[:-1] for path in params if path[: len(layer.new)] == layer.new and path[-1] == "scale")
    if inside := [norm for norm in norms if norm[:-1] != layer.new]:
        for name in ("scale", "bias"):
            params[*inside[-1], name] = 0 * params[*inside[-1], name]
    for norm in set(norms) - set(inside):
        x = np.asarray(outputs[f"stage{layer.stage + 1}"], np.float32)[..., layer.inputs]
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        fresh["batch_stats"] |= {(*norm, "mean"): mean, (*norm, "var"): var}
        params |= {(*norm, "scale"): np.sqrt(var + EPSILON), (*norm, "bias"): mean}


def _carry(layers: list[Layer], old: Mapping, *, fresh: Leaves, rule: Callable) -> dict[str, Any]:
    """A tree of the shapes of `fresh`: by `rule` from leaves of `old`, or as it is where a layer is inserted."""
    source, leaves = traverse_util.flatten_dict(old), dict(fresh)
    for path in fresh:
        layer = next(layer for layer in layers if path[: len(layer.new)] == layer.new)
        if layer.old is not None:
            leaves[path] = rule(layer, np.asarray(source[layer.old + path[len(layer.new) :]]))
    return traverse_util.unflatten_dict(leaves)


def _copy(layer: Layer, leaf: np.ndarray, *, noise: float, rng: np.random.Generator) -> np.ndarray:
    """A parameter or running average with the copies; a kernel is divided by the number of copies of each input."""
    if leaf.ndim == 0:
        return leaf
    outputs = layer.outputs if len(layer.outputs) else np.arange(leaf.shape[-1])
    if leaf.ndim == 1:
        return leaf[outputs]
    inputs = layer.inputs if len(layer.inputs) else np.arange(leaf.shape[-2])
    channels = inputs.max() + 1
    if leaf.shape[-2] > channels:  # a dense layer on places times channels
        inputs = (np.arange(leaf.shape[-2] // channels)[:, None] * channels + inputs).ravel()
    copies = leaf[..., inputs, :][..., outputs] / np.bincount(inputs)[inputs][:, None]
    new = np.arange(len(outputs)) >= leaf.shape[-1]
    return (copies + noise * copies.std() * new * rng.normal(size=copies.shape)).astype(leaf.dtype)
