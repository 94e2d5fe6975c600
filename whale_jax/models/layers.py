"""What every network here is built of: convolution, normalisation, rectifier, dropout, stem; its end is in heads.py."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from whale_jax.runtime import errors

very_leaky_relu = partial(nn.leaky_relu, negative_slope=1 / 3)

SAVED = "saved"  # name of what `saved` marks
EPSILON = 1e-4  # of batch normalisation, as Lasagne had it

# He's initialisation with the gain of a rectifier of slope 1/3.
kernel_init = nn.initializers.variance_scaling(2 / (1 + 1 / 9), "fan_in", "truncated_normal")


class ConvNorm(nn.Module):
    """A convolution, batch normalisation and the post's rectifier.

    Attributes:
        features: number of filters.
        kernel: side of square filters, or height and width, in pixels.
        stride: step in both directions.
        padding: "SAME", or "VALID" for none.
        norm: normalise or not.
        bias: have one where nothing is normalised; a normalisation has its own.
        act: apply the rectifier or leave the sum as it is.
        learned: the rectifier's slope is learned, from 1, where it changes nothing: for layers that a network grew.
        dtype: of activations; parameters stay float32.
    """

    features: int
    kernel: int | tuple[int, int] = 3
    stride: int = 1
    padding: str = "SAME"
    norm: bool = True
    bias: bool = True
    act: bool = True
    learned: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height / stride, width / stride, features)."""
        x = nn.Conv(
            self.features,
            self.kernel if isinstance(self.kernel, tuple) else (self.kernel, self.kernel),
            self.stride,
            self.padding,
            use_bias=self.bias and not self.norm,
            kernel_init=kernel_init,
            dtype=self.dtype,
        )(x)
        if self.norm:
            x = batch_norm(train, self.dtype)(x)
        return rectify(x, self.learned) if self.act else x


def rectify(x: jax.Array, learned: bool) -> jax.Array:
    """(..., channels) rectified; inside a module, with a slope that is learned (He et al., arXiv:1502.01852)."""
    return nn.PReLU(negative_slope_init=1.0)(x) if learned else very_leaky_relu(x)


def saved(x: jax.Array) -> jax.Array:
    """Marks (..., channels) activations that a step with `remat` saves; it computes those between them again."""
    return checkpoint_name(x, SAVED)


class BatchNorm(nn.BatchNorm):
    """Flax's batch normalisation of the last axis, with its parameters and averages, as x * gain + offset.

    Flax takes the mean off each value first. XLA then sums the gradient over all places three times, not twice: a
    layer's training takes a CPU up to twice as long (docs/performance.md).
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, ..., channels) -> the same shape."""
        channels = x.shape[-1:]
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels)
        variance = self.variable("batch_stats", "var", jnp.ones, channels)
        scale = self.param("scale", nn.initializers.ones, channels)
        bias = self.param("bias", nn.initializers.zeros, channels)
        moments = (mean.value, variance.value) if self.use_running_average else self.moments(x)
        if not (self.use_running_average or self.is_initializing()):
            for average, moment in zip((mean, variance), moments, strict=True):
                average.value = self.momentum * average.value + (1 - self.momentum) * moment
        gain = scale * jax.lax.rsqrt(moments[1] + self.epsilon)
        return (x * gain + (bias - moments[0] * gain)).astype(self.dtype)

    def moments(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(channels,) float32 mean and variance of the global batch; while parameters are drawn, of this device's."""
        x = x.astype(jnp.float32)
        axes = tuple(range(x.ndim - 1))
        mean, square = x.mean(axes), jnp.square(x).mean(axes)
        if self.axis_name and not self.is_initializing():
            mean, square = jax.lax.pmean((mean, square), self.axis_name)
        return mean, jnp.maximum(square - jnp.square(mean), 0)


def batch_norm(train: bool, dtype: Any, *, epsilon: float = EPSILON, name: str | None = None) -> BatchNorm:
    """Batch normalisation over the global batch (see `across`), with running averages as Lasagne kept them.

    They follow new pictures within a few dozen steps. Over a hundred steps and more, as the papers' EfficientNets
    average them, they would still be ImageNet's after a short fine-tuning.
    """
    return BatchNorm(use_running_average=not train, momentum=0.9, epsilon=epsilon, dtype=dtype, name=name)


class Dropout(nn.Module):
    """Dropout whose mask depends on an example's place in the global batch, not on the device that holds it.

    Attributes:
        rate: share of the values that become 0.
        axis_name: mapped axis of the step, which `across` sets.
    """

    rate: float
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """(batch, ...) -> the same shape, kept values divided by the share kept."""
        if not train or self.rate == 0:
            return x
        key = self.make_rng("dropout")
        first = jax.lax.axis_index(self.axis_name) * len(x) if self.axis_name else 0
        keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(len(x)))
        keep = jax.vmap(lambda k: jax.random.bernoulli(k, 1 - self.rate, x.shape[1:]))(keys)
        return jnp.where(keep, x / (1 - self.rate), 0).astype(x.dtype)


def across(axis_name: str | None) -> Callable:
    """A Flax interceptor by which a network's layers see the global batch where devices map over `axis_name`.

    Batch normalisation, Flax's own too, takes its statistics over all devices, and `Dropout` draws as one device would.
    So no network has to pass the name of the axis to its layers. None changes nothing.
    """

    def intercept(method: Callable, args: tuple, kwargs: dict[str, Any], context: nn.module.InterceptorContext) -> Any:
        if axis_name and isinstance(context.module, nn.BatchNorm | Dropout):
            object.__setattr__(context.module, "axis_name", axis_name)  # a bound module lives for one call
        return method(*args, **kwargs)

    return intercept


def learned(grown: tuple[int, ...], sizes: tuple[int, ...], *, stage: int, place: int) -> bool:
    """Whether the unit at `place` of a stage is one of the last `grown` ones, whose rectifier has a learned slope.

    Args:
        grown: units of each stage; an empty tuple is 0 for all.
        sizes: number of units of each stage.
        stage, place: from 0.
    """
    if grown and (len(grown) != len(sizes) or any(not 0 <= a <= b for a, b in zip(grown, sizes, strict=True))):
        raise errors.InputError(
            f"model.grown = {grown} of stages of {sizes}: it says how many of each stage were grown"
        )
    return bool(grown) and place >= sizes[stage] - grown[stage]


class Stem(nn.Module):
    """The first convolution and, unless its side is 0, a max pooling after it.

    Attributes:
        conv: filters, kernel side, stride.
        pool: side of the max pooling with stride 2; 0 for none.
    """

    conv: tuple[int, int, int]
    pool: int
    cell: Any

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """(batch, height, width, 3) -> the first feature maps."""
        features, kernel, stride = self.conv
        x = self.cell(features, kernel=kernel, stride=stride)(x, train)
        return nn.max_pool(x, (self.pool, self.pool), (2, 2), "SAME") if self.pool else x
