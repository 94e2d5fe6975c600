"""Coordinates as softmax over bins: what the right-whale winners put in the place of squared error."""

import jax
import jax.numpy as jnp

from whale_jax import losses


def loss(logits: jax.Array, position: jax.Array, *, width: float) -> jax.Array:
    """(B,) mean cross entropy of (B, ..., bins) logits with a bell of s.d. `width` bins at (B, ...) places in 0..1."""
    values = losses.binned_cross_entropy(logits, position, width=width)
    return values.mean(tuple(range(1, values.ndim)))


def decode(logits: jax.Array, *, reach: float) -> jax.Array:
    """(..., bins) -> (...,) in 0..1: the mean of the softmax within `reach` bins of its highest bin.

    The mean over all bins would be drawn to the middle wherever the network is unsure.
    """
    bins = logits.shape[-1]
    places = jnp.arange(bins)
    near = jnp.abs(places - logits.argmax(-1)[..., None]) <= reach
    share = jax.nn.softmax(jnp.where(near, logits, -jnp.inf))
    return (share * (places + 0.5)).sum(-1) / bins
