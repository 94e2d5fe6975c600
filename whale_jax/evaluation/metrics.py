"""Metrics as (sum, count) over the examples that a mask keeps, so that any batching gives the same mean."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

Metric = tuple[jax.Array, jax.Array]

KAGGLE_CLIP = 1e-15


def masked(values: jax.Array, mask: jax.Array) -> Metric:
    """(B,) values and (B,) weights of 0 or 1 -> (sum, count). A value under weight 0 may be NaN."""
    return jnp.where(mask > 0, values, 0).sum(), mask.sum()


def log_loss(logits: jax.Array, label: jax.Array, *, clip: float = 0.0) -> jax.Array:
    """(B,) -log p of the true class; with `clip`, p is held within clip..1-clip as Kaggle does."""
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), label[:, None], axis=-1)[:, 0]
    return -jnp.clip(log_p, jnp.log(clip), jnp.log1p(-clip)) if clip else -log_p


def top_k(logits: jax.Array, label: jax.Array, k: int) -> jax.Array:
    """(B,) 1 where fewer than k classes score at least as high as the true one, else 0; ties count against."""
    true = jnp.take_along_axis(logits, label[:, None], axis=-1)
    at_least = (~(logits < true)).sum(-1) - 1  # so that a NaN finds nothing
    return (at_least < k).astype(jnp.float32)


def point_error(prediction: jax.Array, points: jax.Array) -> jax.Array:
    """(B,) mean distance of predicted points from true ones, in head lengths (bonnet to blowhead).

    Args:
        prediction: (B, 2, 2) in pixels of the photo.
        points: (B, 2, 2) in pixels of the photo.
    """
    length = jnp.linalg.norm(points[:, 0] - points[:, 1], axis=-1)
    return jnp.linalg.norm(prediction - points, axis=-1).mean(-1) / length


def pck(prediction: jax.Array, points: jax.Array, *, within: float) -> jax.Array:
    """(B,) 1 where the mean point error is at most `within` head lengths (percentage of correct keypoints)."""
    return (point_error(prediction, points) <= within).astype(jnp.float32)


def keypoints(
    prediction: jax.Array, points: jax.Array, known: jax.Array, *, within: Sequence[float]
) -> dict[str, Metric]:
    """Point error and PCK at each distance in `within`, over the (B,) rows of which the points are known."""
    found = {"point_error": point_error(prediction, points)}
    found |= {f"pck@{distance}": pck(prediction, points, within=distance) for distance in within}
    return {name: masked(value, known) for name, value in found.items()}


def means(sums: dict[str, Metric]) -> dict[str, float]:
    """{name: (sum, count)} -> {name: mean}; NaN where nothing was counted."""
    return {name: float(total) / float(count) if count else float("nan") for name, (total, count) in sums.items()}
