"""Thin residual networks (He et al., arXiv:1512.03385) as section 5.1 of the post built them."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from whale_jax.models import heads, layers
from whale_jax.runtime import registry


class Block(nn.Module):
    """Convolutions, the last without its rectifier, plus a shortcut, then the rectifier.

    Attributes:
        features: filters of what comes out.
        stride: of one convolution and of the shortcut.
        depth: number of 3x3 convolutions.
        bottleneck: with a 1x1 convolution before them and one after, on 1 / bottleneck of the filters; 0 for neither.
        strided: which convolution has the stride: 0, as in the paper, or 1, a bottleneck's 3x3 (known as v1.5).
        norm_sum: normalise after the sum, instead of the projection, as the released code did.
        learned: the last rectifier's slope is learned, from 1: for blocks that a network grew.
    """

    features: int
    stride: int
    cell: Any
    depth: int = 2
    bottleneck: int = 0
    strided: int = 0
    norm_sum: bool = False
    learned: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height / stride, width / stride, features)."""
        shortcut = x
        if self.stride != 1 or x.shape[-1] != self.features:
            project = partial(self.cell, kernel=1, stride=self.stride, bias=False, act=False, name="projection")
            shortcut = project(self.features, norm=not self.norm_sum)(x, train)
        convolutions = self.convolutions()
        for i, (features, kernel) in enumerate(convolutions):
            stride = self.stride if i == self.strided else 1
            x = self.cell(features, kernel=kernel, stride=stride, act=i < len(convolutions) - 1)(x, train)
        x = x + shortcut
        if self.norm_sum:
            x = layers.batch_norm(train, self.cell.keywords["dtype"])(x)
        return layers.rectify(x, self.learned)

    def convolutions(self) -> list[tuple[int, int]]:
        """(filters, kernel side) of each convolution, first to last."""
        if not self.bottleneck:
            return [(self.features, 3)] * self.depth
        inside = self.features // self.bottleneck
        return [(inside, 1), *[(inside, 3)] * self.depth, (self.features, 1)]


class ResNet(nn.Module):
    """Stem, stages of residual blocks that halve the picture in between, head.

    Attributes:
        outputs: length of the output.
        stages: (filters, blocks) of each stage, or (filters, blocks, depth) where a stage has its own.
        stem, stem_pool, head, dropout, dtype: as in VGG.
        depth, bottleneck, strided, norm_sum: as in Block.
        grown: how many of the last blocks of each stage have a rectifier with a learned slope (see growth.py).
    """

    outputs: int
    stages: tuple[tuple[int, ...], ...]
    stem: tuple[int, int, int] = (32, 7, 2)
    stem_pool: int = 0
    head: str = "average"
    depth: int = 2
    bottleneck: int = 0
    strided: int = 0
    norm_sum: bool = False
    grown: tuple[int, ...] = ()
    dropout: float = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, 3) of mean 0 and deviation 1 -> (batch, outputs) float32 and intermediates."""
        cell = partial(layers.ConvNorm, dtype=self.dtype)
        x = layers.Stem(self.stem, self.stem_pool, cell)(x.astype(self.dtype), train)
        out = {"stem": x}
        block = partial(Block, cell=cell, bottleneck=self.bottleneck, strided=self.strided, norm_sum=self.norm_sum)
        for i, (features, blocks, *depths) in enumerate(self.stages):
            depth = depths[0] if depths else self.depth
            for j in range(blocks):
                learned = layers.learned(self.grown, tuple(stage[1] for stage in self.stages), stage=i, place=j)
                x = block(features, 2 if i and not j else 1, depth=depth, learned=learned)(x, train)
                x = layers.saved(x)
            out[f"stage{i + 1}"] = x
        y, head = registry.lookup("head", heads.HEADS, self.head)(self.outputs, self.dropout)(x, train)
        return y, {**out, **head}
