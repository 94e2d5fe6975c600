"""Depthwise convolution, in which each channel has a filter of its own, that also trains fast on a CPU.

XLA computes it on a CPU as a loop over groups, 5 to 50 times slower than the sum of k x k shifted products that stands
here. On all other devices it is XLA's grouped convolution.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

TERMS = 24  # columns that the gradient of a kernel adds up at a time, at most
Padding = tuple[tuple[int, int], tuple[int, int]]
kernel_init = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal")  # fan-in: the k x k of a channel


class Depthwise(nn.Module):
    """A depthwise convolution without bias; its parameter is `kernel`, (k, k, 1, channels).

    Attributes:
        kernel: side of the filters.
        stride: step in both directions.
        padding: "SAME", "VALID", or rows and columns (before, after).
        dtype: of activations; the parameter is float32.
    """

    kernel: int
    stride: int = 1
    padding: str | Padding = "SAME"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, height, width, channels) -> (batch, height / stride, width / stride, channels)."""
        shape = (self.kernel, self.kernel, 1, x.shape[-1])
        kernel = self.param("kernel", kernel_init, shape).astype(self.dtype)
        return convolve(x.astype(self.dtype), kernel, stride=self.stride, padding=self.padding)


def convolve(x: jax.Array, kernel: jax.Array, *, stride: int = 1, padding: str | Padding = "SAME") -> jax.Array:
    """(batch, height, width, channels) convolved with (k, k, 1, channels) -> (batch, rows, columns, channels).

    Reverse mode alone, and once: no `jax.jvp`, no second derivative.
    """
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (stride, stride), padding)
    return _convolve(x, kernel, stride, tuple(map(tuple, padding)))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    options = {"stride": stride, "padding": padding}
    return lax.platform_dependent(x, kernel, cpu=partial(shifted, **options), default=partial(grouped, **options))


def _forward(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> tuple[jax.Array, tuple]:
    return _convolve(x, kernel, stride, padding), (x, kernel)


def _backward(stride: int, padding: Padding, inputs: tuple, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
    def cpu(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> tuple[jax.Array, jax.Array]:
        dx = gradient_of_input(dy, kernel, size=x.shape[1:3], stride=stride, padding=padding)
        return dx, gradient_of_kernel(dy, x, side=len(kernel), stride=stride, padding=padding)

    def default(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.vjp(partial(grouped, stride=stride, padding=padding), x, kernel)[1](dy)

    return lax.platform_dependent(*inputs, cotangent, cpu=cpu, default=default)


_convolve.defvjp(_forward, _backward)


def grouped(x: jax.Array, kernel: jax.Array, *, stride: int, padding: Padding) -> jax.Array:
    """(batch, height, width, channels) and (k, k, 1, channels) to XLA's convolution with a group for each channel."""
    options = {"dimension_numbers": ("NHWC", "HWIO", "NHWC"), "feature_group_count": x.shape[-1]}
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, **options)


def shifted(x: jax.Array, kernel: jax.Array, *, stride: int, padding: Padding) -> jax.Array:
    """`grouped` as the sum of shifted maps, (batch, rows, columns, channels), each times a place of the kernel."""
    x, sides = jnp.pad(x, ((0, 0), *padding, (0, 0))), kernel.shape[:2]
    rows, columns = ((length - side) // stride + 1 for length, side in zip(x.shape[1:3], sides, strict=True))
    products = (
        window(x, (i, j), stride=stride, size=(rows, columns)).astype(jnp.float32) * kernel[i, j, 0].astype(jnp.float32)
        for i in range(sides[0])
        for j in range(sides[1])
    )
    return sum(products).astype(x.dtype)


def gradient_of_input(
    dy: jax.Array, kernel: jax.Array, *, size: tuple[int, int], stride: int, padding: Padding
) -> jax.Array:
    """(batch, *size, channels): dy, the gradient of the output, spread by the stride, through the mirrored kernel."""
    spread = [(0, 0, 0)]
    for length, outputs, side, (before, _) in zip(size, dy.shape[1:3], kernel.shape[:2], padding, strict=True):
        first = side - 1 - before
        spread.append((first, length + side - 1 - first - ((outputs - 1) * stride + 1), stride - 1))
    dy = lax.pad(dy, jnp.zeros((), dy.dtype), [*spread, (0, 0, 0)])
    return shifted(dy, kernel[::-1, ::-1], stride=1, padding=((0, 0), (0, 0)))


def gradient_of_kernel(dy: jax.Array, x: jax.Array, *, side: int, stride: int, padding: Padding) -> jax.Array:
    """(side, side, 1, channels): the gradient dy of the output times the maps x that the kernel saw, over all places.

    One sum over pictures and places would read memory across its order. So rows are walked, and columns are added up
    term by term, as long as pictures and channels stay: the compiler makes vectors of these, and a batch that is spread
    over devices is not gathered before the end.
    """
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    batch, rows, columns, channels = dy.shape
    terms = next(n for n in range(min(columns, TERMS), 0, -1) if columns % n == 0)
    rest = (1, columns // terms)

    def walk(sums: list[jax.Array], row: jax.Array) -> tuple[list[jax.Array], None]:
        sums = list(sums)
        dy_row = lax.dynamic_slice_in_dim(dy, row, 1, axis=1).astype(jnp.float32)
        for i in range(side):
            x_row = lax.dynamic_slice_in_dim(x, row * stride + i, 1, axis=1).astype(jnp.float32)
            for j in range(side):
                for n in range(terms):
                    patch = window(x_row, (0, j + n * stride), stride=terms * stride, size=rest)
                    sums[i * side + j] += patch * window(dy_row, (0, n), stride=terms, size=rest)
        return sums, None

    sums = [jnp.zeros((batch, *rest, channels))] * side**2
    sums, _ = lax.scan(walk, sums, jnp.arange(rows))
    return jnp.stack([s.sum((0, 1, 2)) for s in sums]).reshape(side, side, 1, channels).astype(x.dtype)


def window(x: jax.Array, corner: tuple[int, int], *, stride: int, size: tuple[int, int]) -> jax.Array:
    """(batch, *size, channels): rows and columns of (batch, height, width, channels) from a corner, `stride` apart."""
    (row, column), (rows, columns), (batch, _, _, channels) = corner, size, x.shape
    stop = (batch, row + stride * (rows - 1) + 1, column + stride * (columns - 1) + 1, channels)
    return lax.slice(x, (0, row, column, 0), stop, (1, stride, stride, 1))
