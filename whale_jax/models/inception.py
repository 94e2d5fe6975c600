"""Inception-v3 (Szegedy et al., arXiv:1512.00567): modules written down as data, and what runs them.

A module is a tuple of branches side by side, a branch a tuple of steps one after another; a step is a convolution,
a pooling, or branches again where a branch forks. Filters are those of the released network, which the paper's
table 1 gives as sums only. Its auxiliary classifier is left out.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from whale_jax.models import heads, layers
from whale_jax.runtime import errors, registry

POOLS = {"max": nn.max_pool, "average": partial(nn.avg_pool, count_include_pad=False)}


class Conv(NamedTuple):
    """A convolution with normalisation and rectifier: arguments of layers.ConvNorm."""

    features: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    padding: str = "SAME"


class Pool(NamedTuple):
    """A pooling of 3x3 pixels; one that halves the picture adds no border to it."""

    kind: str
    stride: int = 1

    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height / stride, width / stride, channels)."""
        pool = registry.lookup("pooling", POOLS, self.kind)
        padding = "SAME" if self.stride == 1 else "VALID"
        return pool(x, (3, 3), (self.stride, self.stride), padding).astype(x.dtype)


def halve(features: int) -> Conv:
    """The 3x3 convolution that halves the picture, without a border."""
    return Conv(features, 3, 2, "VALID")


# 299 -> 149 -> 147 -> 73, then 73 -> 71 -> 35 pixels.
STEM1 = ((halve(32), Conv(32, 3, 1, "VALID"), Conv(64, 3), Pool("max", 2)),)
STEM2 = ((Conv(80), Conv(192, 3, 1, "VALID"), Pool("max", 2)),)


def module_a(pooled: int = 64) -> tuple:
    """Figure 5, at 35 x 35 pixels; the released network left one 5x5 as it was. pooled: filters after the pooling."""
    return (
        (Conv(64),),
        (Conv(48), Conv(64, 5)),
        (Conv(64), Conv(96, 3), Conv(96, 3)),
        (Pool("average"), Conv(pooled)),
    )


def module_b(pool: str = "max") -> tuple:
    """Figure 10, from 35 x 35 to 17 x 17."""
    return (
        (halve(384),),
        (Conv(64), Conv(96, 3), halve(96)),
        (Pool(pool, 2),),
    )


def module_c(inside: int = 192) -> tuple:
    """Figure 6, at 17 x 17: a 7x7 convolution in two factors, and two of them. inside: filters between."""
    return (
        (Conv(192),),
        (Conv(inside), Conv(inside, (1, 7)), Conv(192, (7, 1))),
        (Conv(inside), Conv(inside, (7, 1)), Conv(inside, (1, 7)), Conv(inside, (7, 1)), Conv(192, (1, 7))),
        (Pool("average"), Conv(192)),
    )


def module_d() -> tuple:
    """Figure 10 with 7x7 in two factors, from 17 x 17 to 8 x 8."""
    return (
        (Conv(192), halve(320)),
        (Conv(192), Conv(192, (1, 7)), Conv(192, (7, 1)), halve(192)),
        (Pool("max", 2),),
    )


def module_e(pool: str = "average") -> tuple:
    """Figure 7, at 8 x 8: branches that end in a fork of 1x3 and 3x1."""
    fork = (Conv(384, (1, 3)),), (Conv(384, (3, 1)),)
    return (
        (Conv(320),),
        (Conv(384), fork),
        (Conv(448), Conv(384, 3), fork),
        (Pool(pool), Conv(192)),
    )


MODULES = {"A": module_a, "B": module_b, "C": module_c, "D": module_d, "E": module_e}


class Branches(nn.Module):
    """Branches side by side, joined along the channels.

    Attributes:
        branches: tuples of steps.
        cell: (features, kernel, stride, padding) -> convolution.
    """

    branches: tuple
    cell: Any

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """(batch, height, width, channels) -> (batch, smaller height, smaller width, sum of the ends' channels)."""
        ends = []
        for branch in self.branches:
            y = x
            for step in branch:
                match step:
                    case Conv():
                        y = self.cell(**step._asdict())(y, train)
                    case Pool():
                        y = step(y)
                    case fork:
                        y = Branches(fork, self.cell)(y, train)
            ends.append(y)
        return jnp.concatenate(ends, axis=-1)


class Inception(nn.Module):
    """Stem, modules, head, for pictures of 299 x 299.

    Attributes:
        outputs: length of the output.
        modules: (letter, arguments of that module ...) of each; one letter for each figure, see MODULES.
        inner_dropout: share of values dropped between the two halves of the stem and between modules.
        head, dropout, dtype: as in VGG.
    """

    outputs: int
    modules: tuple[tuple, ...]
    inner_dropout: float = 0.0
    head: str = "average"
    dropout: float = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, 3) of mean 0 and deviation 1 -> (batch, outputs) float32 and intermediates."""
        cell = partial(layers.ConvNorm, dtype=self.dtype)
        parts = {"stem1": STEM1, "stem": STEM2}
        for i, (letter, *arguments) in enumerate(self.modules):
            parts[f"stage{i + 1}"] = registry.lookup("module", MODULES, letter)(*arguments)
        _, height, width, _ = x.shape
        x, out = x.astype(self.dtype), {}
        for name, part in parts.items():
            x = layers.Dropout(self.inner_dropout)(x, train) if out else x
            x = out[name] = layers.saved(Branches(part, cell)(x, train))
        if 0 in x.shape:
            raise errors.InputError(f"pictures of {height} x {width} pixels are too small for this network")
        y, head = registry.lookup("head", heads.HEADS, self.head)(self.outputs, self.dropout)(x, train)
        return y, {**out, **head}
