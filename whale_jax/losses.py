"""Losses, one value an example; whoever calls them masks, sums and divides.

The names of a loss's arguments say what it reads: (logits, label), (prediction, target), or (distance, same, other) for
one that compares the pictures of a batch. Whoever adds one calls `register`, and names it in `config.task.loss`:

    def focal(logits, label): ...

    losses.register("focal", focal)   # then: config.task.loss = "focal"
"""

import jax
import jax.numpy as jnp

from whale_jax.runtime import registry


def squared_error(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """(B, n) and (B, n) -> (B,) mean of squared differences."""
    return jnp.square(prediction - target).mean(-1)


def cross_entropy(logits: jax.Array, label: jax.Array, *, smoothing: float = 0.0) -> jax.Array:
    """(B, classes) logits and (B,) labels -> (B,) nats.

    Args:
        logits: unnormalised log probabilities.
        label: index of the true class.
        smoothing: share of the target spread evenly over all classes (Szegedy et al., arXiv:1512.00567).
    """
    log_p = jax.nn.log_softmax(logits)
    true = jnp.take_along_axis(log_p, label[:, None], axis=-1)[:, 0]
    return -(1 - smoothing) * true - smoothing * log_p.mean(-1)


def soft_cross_entropy(logits: jax.Array, target: jax.Array, *, smoothing: float = 0.0) -> jax.Array:
    """`cross_entropy` with a (B, classes) probability of each class for a target."""
    target = (1 - smoothing) * target + smoothing / target.shape[-1]
    return -(target * jax.nn.log_softmax(logits)).sum(-1)


def binned_cross_entropy(logits: jax.Array, position: jax.Array, *, width: float) -> jax.Array:
    """Cross entropy between softmax over bins and a bell around the true coordinate.

    The right-whale winners' alternative to squared error, with a soft instead of a hard target.

    Args:
        logits: (..., bins), one for each of equal bins over 0..1.
        position: (...,) true coordinates in 0..1.
        width: standard deviation of the target, in bins.

    Returns:
        (...,) nats.
    """
    bins = logits.shape[-1]
    centres = jnp.arange(bins) + 0.5
    target = jax.nn.softmax(-0.5 * jnp.square((centres - position[..., None] * bins) / width))
    return -(target * jax.nn.log_softmax(logits)).sum(-1)


LOSSES = registry.Registry("loss", squared_error=squared_error, cross_entropy=cross_entropy)
register = LOSSES.register
