"""OxfordNet (Simonyan & Zisserman, arXiv:1409.1556) as the post grew it: stacks of 3x3 convolutions."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from whale_jax.models import heads, layers
from whale_jax.runtime import errors, registry


class VGG(nn.Module):
    """Stem, stages of 3x3 convolutions that halve the picture in between, head.

    Attributes:
        outputs: length of the output.
        stages: (filters, convolutions) of each stage.
        stem: filters, kernel side and stride of the first convolution.
        stem_pool: side of a max pooling of stride 2 after it; 0 for none.
        reduce: how a stage after the first begins: "stride" 2 in its first convolution, or "maxpool" before it.
        grown: how many of the last convolutions of each stage have a rectifier with a learned slope (see growth.py).
        head: one of heads.HEADS.
        norm: batch normalisation on or off.
        dropout: share of features dropped before the last dense layer.
        dtype: of activations.
    """

    outputs: int
    stages: tuple[tuple[int, int], ...]
    stem: tuple[int, int, int] = (32, 7, 2)
    stem_pool: int = 0
    reduce: str = "stride"
    grown: tuple[int, ...] = ()
    head: str = "average"
    norm: bool = True
    dropout: float = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, 3) of mean 0 and deviation 1 -> (batch, outputs) float32 and intermediates."""
        if self.reduce not in ("stride", "maxpool"):
            raise errors.unknown("way to reduce", self.reduce, ("stride", "maxpool"))
        cell = partial(layers.ConvNorm, norm=self.norm, dtype=self.dtype)
        out = {"stem": layers.Stem(self.stem, self.stem_pool, cell)(x.astype(self.dtype), train)}
        x = out["stem"]
        for i, (features, depth) in enumerate(self.stages):
            if i and self.reduce == "maxpool":
                x = nn.max_pool(x, (2, 2), (2, 2), "SAME")
            for j in range(depth):
                stride = 2 if i and not j and self.reduce == "stride" else 1
                learned = layers.learned(self.grown, tuple(n for _, n in self.stages), stage=i, place=j)
                x = cell(features, stride=stride, learned=learned)(x, train)
            out[f"stage{i + 1}"] = x = layers.saved(x)
        y, head = registry.lookup("head", heads.HEADS, self.head)(self.outputs, self.dropout)(x, train)
        return y, {**out, **head}
