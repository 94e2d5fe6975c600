"""Depthwise convolution: every channel is filtered by itself."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

kernel_init = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal")  # fan-in: the k x k of a channel


class Depthwise(nn.Module):
    """A depthwise convolution without bias; its parameter is `kernel`, (k, k, 1, channels).

    Attributes:
        kernel: side of the filters.
        stride: step in both directions.
        padding: "SAME", or rows and columns before and after.
        dtype: of activations; the parameter is float32.
    """

    kernel: int
    stride: int = 1
    padding: Any = "SAME"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height / stride, width / stride, channels)."""
        shape = (self.kernel, self.kernel, 1, x.shape[-1])
        kernel = self.param("kernel", kernel_init, shape).astype(self.dtype)
        return convolve(x.astype(self.dtype), kernel, stride=self.stride, padding=self.padding)


def convolve(x: jax.Array, kernel: jax.Array, *, stride: int, padding: Any) -> jax.Array:
    """(batch, height, width, channels) convolved with (k, k, 1, channels) -> (batch, rows, columns, channels)."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )
