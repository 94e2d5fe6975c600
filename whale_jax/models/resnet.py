"""Thin residual networks (He et al., arXiv:1512.03385) as section 5.1 of the post built them."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from whale_jax import registry
from whale_jax.models import layers


class Block(nn.Module):
    """Convolutions, the last without its rectifier, plus a shortcut, then the rectifier.

    Attributes:
        features: filters of every convolution.
        stride: of the first convolution and of the shortcut.
        depth: number of 3x3 convolutions.
        norm_sum: normalise once more after the sum, as the released code did.
    """

    features: int
    stride: int
    cell: Any
    depth: int = 2
    norm_sum: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height / stride, width / stride, features)."""
        shortcut = x
        if self.stride != 1 or x.shape[-1] != self.features:
            shortcut = self.cell(self.features, kernel=1, stride=self.stride, act=False, name="projection")(x, train)
        for i in range(self.depth):
            x = self.cell(self.features, stride=1 if i else self.stride, act=i < self.depth - 1)(x, train)
        x = x + shortcut
        if self.norm_sum:
            x = layers.batch_norm(train, self.cell.keywords["dtype"], self.cell.keywords["axis_name"])(x)
        return layers.very_leaky_relu(x)


class ResNet(nn.Module):
    """Stem, stages of residual blocks that halve the picture in between, head.

    Attributes:
        outputs: length of the output.
        stages: (filters, blocks) of each stage.
        stem, stem_pool, head, dropout, dtype, axis_name: as in VGG.
        depth: convolutions a block.
        norm_sum: normalise once more after each sum.
    """

    outputs: int
    stages: tuple[tuple[int, int], ...]
    stem: tuple[int, int, int] = (32, 7, 2)
    stem_pool: int = 0
    head: str = "average"
    depth: int = 2
    norm_sum: bool = False
    dropout: float = 0.5
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, 3) in about -1..1 -> (batch, outputs) float32 and intermediates."""
        cell = partial(layers.ConvNorm, dtype=self.dtype, axis_name=self.axis_name)
        x = layers.Stem(self.stem, self.stem_pool, cell)(x.astype(self.dtype), train)
        out = {"stem": x}
        for i, (features, blocks) in enumerate(self.stages):
            for j in range(blocks):
                stride = 2 if i and not j else 1
                x = Block(features, stride, cell, self.depth, self.norm_sum)(x, train)
            out[f"stage{i + 1}"] = x
        y, head = registry.lookup("head", layers.HEADS, self.head)(self.outputs, self.dropout, self.axis_name)(x, train)
        return y, {**out, **head}
