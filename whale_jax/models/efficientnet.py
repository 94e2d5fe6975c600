"""EfficientNets: B0-B3 (Tan and Le, arXiv:1905.11946), Lite0-4, and the V2 (arXiv:2104.00298) that MiewID is built on.

Parameters are called as in timm (github.com/huggingface/pytorch-image-models), so that a file of weights that were
released for a network fits by name: `blocks_1_0/conv_pw/kernel` here is `blocks.1.0.conv_pw.weight` there.
"""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from whale_jax.models import depthwise, heads, layers
from whale_jax.runtime import registry

kernel_init = nn.initializers.variance_scaling(2.0, "fan_out", "truncated_normal")


class Stage(NamedTuple):
    """A row of the papers' tables: blocks alike, of which the first has the stride."""

    block: str  # "separable", "inverted" (MBConv) or "fused" (fused MBConv)
    kernel: int
    expansion: int
    filters: int
    blocks: int
    stride: int


class Variant(NamedTuple):
    """A network of the family, and how its family computes.

    Attributes:
        stages, stem, top: rows of the table, filters of the first and of the last convolution.
        rectifier: function of the activations.
        epsilon: added to the variance by batch normalisation.
        same: TensorFlow's padding, which puts the odd row of a stride at the end; else as much on either side.
        squeeze: blocks but the fused ones weigh their channels (squeeze and excitation, arXiv:1709.01507).
        normalisation: of the pictures that the released weights were trained on (`input_normalisation`).
    """

    stages: tuple[Stage, ...]
    stem: int
    top: int
    rectifier: Callable[[jax.Array], jax.Array] = nn.silu
    epsilon: float = 1e-5
    same: bool = False
    squeeze: bool = True
    normalisation: str = "imagenet"

    def padding(self, kernel: int) -> str | tuple[tuple[int, int], tuple[int, int]]:
        """Of a convolution with filters of side `kernel`, in Flax's words."""
        return "SAME" if self.same else ((kernel // 2, kernel // 2),) * 2


# Table 1 of arXiv:1905.11946.
B0 = (
    Stage("separable", kernel=3, expansion=1, filters=16, blocks=1, stride=1),
    Stage("inverted", kernel=3, expansion=6, filters=24, blocks=2, stride=2),
    Stage("inverted", kernel=5, expansion=6, filters=40, blocks=2, stride=2),
    Stage("inverted", kernel=3, expansion=6, filters=80, blocks=3, stride=2),
    Stage("inverted", kernel=5, expansion=6, filters=112, blocks=3, stride=1),
    Stage("inverted", kernel=5, expansion=6, filters=192, blocks=4, stride=2),
    Stage("inverted", kernel=3, expansion=6, filters=320, blocks=1, stride=1),
)
# As table 4 of arXiv:2104.00298, with the filters and blocks of timm's `efficientnetv2_rw_m`.
V2_RW_M = (
    Stage("fused", kernel=3, expansion=1, filters=32, blocks=3, stride=1),
    Stage("fused", kernel=3, expansion=4, filters=56, blocks=5, stride=2),
    Stage("fused", kernel=3, expansion=4, filters=80, blocks=5, stride=2),
    Stage("inverted", kernel=3, expansion=4, filters=152, blocks=8, stride=2),
    Stage("inverted", kernel=3, expansion=6, filters=192, blocks=15, stride=1),
    Stage("inverted", kernel=3, expansion=6, filters=328, blocks=24, stride=2),
)


def rounded(filters: float) -> int:
    """The multiple of 8 nearest to a number of filters, but not below 0.9 of it."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * filters else nearest + 8


def scaled(width: float, depth: float) -> Variant:
    """B0 with `width` times its filters and `depth` times its blocks (compound scaling, section 3.3)."""
    stages = (s._replace(filters=rounded(width * s.filters), blocks=math.ceil(depth * s.blocks)) for s in B0)
    return Variant(tuple(stages), stem=rounded(width * 32), top=rounded(width * 1280))


def lite(width: float, depth: float) -> Variant:
    """`scaled` as EfficientNet-Lite is, for phones: the ends keep their size, ReLU6, no squeeze and excitation."""
    b = scaled(width, depth)
    ends = (0, len(B0) - 1)
    stages = (s._replace(blocks=B0[i].blocks) if i in ends else s for i, s in enumerate(b.stages))
    family = {"rectifier": nn.relu6, "epsilon": 1e-3, "same": True, "squeeze": False, "normalisation": "signed"}
    return Variant(tuple(stages), stem=32, top=1280, **family)


VARIANTS = {
    "lite0": lite(1.0, 1.0),
    "lite1": lite(1.0, 1.1),
    "lite2": lite(1.1, 1.2),
    "lite3": lite(1.2, 1.4),
    "lite4": lite(1.4, 1.8),
    "b0": scaled(1.0, 1.0),
    "b1": scaled(1.0, 1.1),
    "b2": scaled(1.1, 1.2),
    "b3": scaled(1.2, 1.4),
    "v2_rw_m": Variant(V2_RW_M, stem=32, top=2152),
}


class Pointwise(nn.Module):
    """A 1x1 convolution, computed as a product of matrices; its kernel is (1, 1, channels, features)."""

    features: int
    bias: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., channels) -> (..., features)."""
        kernel = self.param("kernel", kernel_init, (1, 1, x.shape[-1], self.features))
        y = x @ kernel[0, 0].astype(self.dtype)
        return y + self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype) if self.bias else y


class SqueezeExcite(nn.Module):
    """Channels weighed by what all places of the picture say together (arXiv:1709.01507)."""

    reduced: int
    variant: Variant
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, height, width, channels) -> the same shape."""
        dense = partial(Pointwise, bias=True, dtype=self.dtype)
        y = x.mean((1, 2), keepdims=True, dtype=jnp.float32).astype(self.dtype)
        y = self.variant.rectifier(dense(self.reduced, name="conv_reduce")(y))
        return x * nn.sigmoid(dense(x.shape[-1], name="conv_expand")(y))


class Block(nn.Module):
    """A block of a stage, added to its input where it has the input's shape.

    Attributes:
        stage: its row of the table.
        stride: of this block.
        variant: how the family computes.
        drop: share of pictures for which a training step leaves the block out (arXiv:1603.09382).
        dtype: of activations.
    """

    stage: Stage
    stride: int
    variant: Variant
    drop: float
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height / stride, width / stride, filters)."""
        kind, kernel, expansion, filters, *_ = self.stage
        channels, place = x.shape[-1], itertools.count(1)
        pointwise = partial(Pointwise, dtype=self.dtype)
        convolution = {"stride": self.stride, "padding": self.variant.padding(kernel), "dtype": self.dtype}

        def normalised(y: jax.Array) -> jax.Array:
            return layers.batch_norm(train, self.dtype, epsilon=self.variant.epsilon, name=f"bn{next(place)}")(y)

        def rectified(y: jax.Array) -> jax.Array:
            return self.variant.rectifier(normalised(y))

        y = x
        if kind == "fused":
            y = rectified(full(expansion * channels, kernel, name="conv_exp", **convolution)(y))
        else:
            if kind == "inverted":
                y = rectified(pointwise(expansion * channels, name="conv_pw")(y))
            y = rectified(depthwise.Depthwise(kernel, name="conv_dw", **convolution)(y))
            if self.variant.squeeze:
                y = SqueezeExcite(channels // 4, self.variant, self.dtype, name="se")(y)
        y = normalised(pointwise(filters, name="conv_pw" if kind == "separable" else "conv_pwl")(y))
        if self.stride > 1 or filters != channels:
            return y
        return x + y * layers.Dropout(self.drop)(jnp.ones((len(y), 1, 1, 1), y.dtype), train)


def full(features: int, kernel: int, *, dtype: Any, stride: int, padding: Any, name: str) -> nn.Conv:
    """A convolution over all channels, without bias."""
    options = {"use_bias": False, "kernel_init": kernel_init, "dtype": dtype, "name": name}
    return nn.Conv(features, (kernel, kernel), stride, padding, **options)


class EfficientNet(nn.Module):
    """Stem, stages of blocks, a 1x1 convolution to many filters, head.

    Attributes:
        outputs: length of the output.
        variant: one of VARIANTS.
        head, dropout, dtype: as in VGG.
        drop_path: share of pictures that skip a block in a training step: 0 at the first block, rising to this.
    """

    outputs: int
    variant: str = "lite0"
    head: str = "average"
    dropout: float = 0.2
    drop_path: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, 3) pictures -> (batch, outputs) float32 and intermediates.

        Pictures are normalised as `input_normalisation` says. Intermediates are the maps "stem", "stage1" and so on,
        "conv_head", which the head sees, and what the head returns.
        """
        variant = self.table
        norm = partial(layers.batch_norm, train, self.dtype, epsilon=variant.epsilon)
        stem = full(variant.stem, 3, stride=2, padding=variant.padding(3), dtype=self.dtype, name="conv_stem")
        x = variant.rectifier(norm(name="bn1")(stem(x.astype(self.dtype))))
        out, depth, blocks = {"stem": x}, 0, sum(stage.blocks for stage in variant.stages)
        for i, stage in enumerate(variant.stages):
            for j in range(stage.blocks):
                drop = self.drop_path * depth / blocks
                block = Block(stage, 1 if j else stage.stride, variant, drop, self.dtype, name=f"blocks_{i}_{j}")
                x = layers.saved(block(x, train))
                depth += 1
            out[f"stage{i + 1}"] = x
        x = variant.rectifier(norm(name="bn2")(Pointwise(variant.top, dtype=self.dtype, name="conv_head")(x)))
        head = registry.lookup("head", heads.HEADS, self.head)
        # MiewID's is PyTorch's, as those of its backbone are.
        options = {"epsilon": min(variant.epsilon, layers.EPSILON)} if head is heads.GeMCosineHead else {}
        y, intermediates = head(self.outputs, self.dropout, **options, name="head")(x, train)
        return y, {**out, "conv_head": x, **intermediates}

    @property
    def table(self) -> Variant:
        """Its row of VARIANTS; an unknown name raises InputError."""
        return registry.lookup("variant", VARIANTS, self.variant)

    @property
    def input_normalisation(self) -> str:
        """That of the pictures from which the released weights were learned."""
        return self.table.normalisation

    @property
    def pretrained(self) -> dict[str, str]:
        """Modules of a file of timm's weights and, for each, the module it fills: all but the head."""
        ends = {name: name for name in ("conv_stem", "bn1", "conv_head", "bn2")}
        places = [(i, j) for i, stage in enumerate(self.table.stages) for j in range(stage.blocks)]
        return ends | {f"blocks.{i}.{j}": f"blocks_{i}_{j}" for i, j in places}
