"""The end of a network: from the last maps of features to its outputs, and the vector that stands for the picture.

A head is a module, `Head(outputs, dropout)(x, train) -> (y, {"features": ...})`, and has a line in HEADS, by whose name
`config.model.head` asks for it. What it computes is float32, whatever the maps are.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from whale_jax import geometry
from whale_jax.models import layers
from whale_jax.runtime import errors

LEAST = 1e-6  # that a generalised mean takes an activation for: a power of 0 or less has no gradient, or no value


def dense(head: nn.Module, features: jax.Array, *, train: bool) -> tuple[jax.Array, dict]:
    """Dropout and a dense layer, inside a head: (batch, F) features -> (batch, outputs) float32, and the features."""
    x = layers.Dropout(head.dropout)(features, train)
    return nn.Dense(head.outputs)(x), {"features": features}


def cosines(head: nn.Module, features: jax.Array, *, train: bool) -> tuple[jax.Array, dict]:
    """Dropout and a vector for each output: (batch, F) features to (batch, outputs) cosines, and the features."""
    x = layers.Dropout(head.dropout)(features, train)
    kernel = head.param("kernel", nn.initializers.normal(1.0), (x.shape[-1], head.outputs))
    return geometry.unit(x) @ geometry.unit(kernel, axis=0), {"features": features}


class AverageHead(nn.Module):
    """Global average, dropout, dense. The average is the feature vector of the post's ensemble."""

    outputs: int
    dropout: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, channels) -> (batch, outputs) float32 and the averages."""
        return dense(self, x.mean((1, 2), dtype=jnp.float32), train=train)


class GeneralisedMean(nn.Module):
    """The generalised mean of each map, with a learned exponent: 1 is the average, infinity the maximum.

    Radenovic et al., arXiv:1711.02512, equation 3, which begins at 3. Activations below LEAST count as LEAST.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, height, width, channels) -> (batch, channels) float32."""
        p = self.param("p", nn.initializers.constant(3.0), (1,))
        powers = p * jnp.log(jnp.maximum(x.astype(jnp.float32), LEAST))
        # In logarithms, since a power of LEAST would vanish from p = 7 on, and its root would have no gradient.
        mean = jax.nn.logsumexp(powers, (1, 2)) - jnp.log(x.shape[1] * x.shape[2])
        return jnp.exp(mean / p)


class GeMHead(nn.Module):
    """Generalised mean, dropout, dense. The mean is the feature vector."""

    outputs: int
    dropout: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, channels) -> (batch, outputs) float32 and the means."""
        return dense(self, GeneralisedMean()(x), train=train)


class DenseHead(nn.Module):
    """Flatten, a rectified dense layer with dropout, dense: the end of the first OxfordNet."""

    outputs: int
    dropout: float
    hidden: int = 512
    last_init: Any = nn.linear.default_kernel_init

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, channels) -> (batch, outputs) float32 and the hidden layer."""
        x = x.reshape(len(x), -1).astype(jnp.float32)
        features = layers.very_leaky_relu(nn.Dense(self.hidden, kernel_init=layers.kernel_init)(x))
        x = layers.Dropout(self.dropout)(features, train)
        return nn.Dense(self.outputs, kernel_init=self.last_init)(x), {"features": features}


class ReducedDenseHead(nn.Module):
    """A 1x1 convolution to few channels, normalised and rectified, then dropout and a dense layer on the whole map.

    It can tell where on an aligned head a thing is, as DenseHead can, with fewer parameters: of the end of a network of
    the EfficientNet family on 96 x 192 pixels, for 447 whales, 0.6 million instead of 12.0.

    Attributes:
        channels: that are left.
    """

    outputs: int
    dropout: float
    channels: int = 64

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, channels) -> (batch, outputs) float32 and the reduced map, flat."""
        x = layers.ConvNorm(self.channels, kernel=1)(x.astype(jnp.float32), train)
        return dense(self, x.reshape(len(x), -1), train=train)


class CosineHead(nn.Module):
    """Cosines between the global average, with dropout, and a vector for each output."""

    outputs: int
    dropout: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, channels) -> (batch, outputs) float32 in -1..1 and the averages."""
        return cosines(self, x.mean((1, 2), dtype=jnp.float32), train=train)


class GeMCosineHead(nn.Module):
    """Cosines between the generalised mean, batch-normalised, with dropout, and a vector for each output.

    The head of Happywhale's first place and of MiewID. The normalisation takes away what all pictures have in common,
    so that cosines of features tell photos apart.

    Attributes:
        epsilon: added to the variance by the normalisation.
    """

    outputs: int
    dropout: float
    epsilon: float = layers.EPSILON

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, channels) -> (batch, outputs) float32 in -1..1 and the normalised means."""
        norm = layers.batch_norm(train, jnp.float32, epsilon=self.epsilon)
        return cosines(self, norm(GeneralisedMean()(x)), train=train)


class HeatmapHead(nn.Module):
    """One map of scores a point, and of each map the log marginals over columns and rows.

    Scores of places are shared by all coordinates of a point, so what is learned at one place in the
    picture holds at every other; a dense layer would have to learn each place anew. Depth-to-space
    gives a coarse feature map the resolution of the bins.

    Attributes:
        outputs: points x 2 coordinates x bins.
    """

    outputs: int
    dropout: float
    points: int = 2

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, side, side, channels) -> (batch, outputs) float32: per point, bins of x, then of y."""
        batch, side, _, _ = x.shape
        bins = self.outputs // (2 * self.points)
        up = bins // side
        if side != x.shape[2] or up * side != bins:
            raise errors.InputError(f"{bins} bins are no multiple of a feature map of {x.shape[1]} x {x.shape[2]}")
        x = layers.Dropout(self.dropout)(x.astype(jnp.float32), train)
        scores = nn.Dense(self.points * up * up)(x).reshape(batch, side, side, up, up, self.points)
        scores = scores.transpose(0, 5, 1, 3, 2, 4).reshape(batch, self.points, bins, bins)
        marginals = [
            jax.nn.logsumexp(scores, axis) for axis in (2, 3)
        ]  # over rows, which leaves the columns, that is x
        return jnp.stack(marginals, axis=2).reshape(batch, -1), {"features": x.mean((1, 2)), "heatmap": scores}


HEADS = {
    "average": AverageHead,
    "gem": GeMHead,
    "dense": DenseHead,
    "still": partial(DenseHead, hidden=64, last_init=nn.initializers.zeros),  # returns 0 at first
    "reduced_dense": ReducedDenseHead,
    "cosine": CosineHead,
    "gem_cosine": GeMCosineHead,
    "heatmap": HeatmapHead,
}
