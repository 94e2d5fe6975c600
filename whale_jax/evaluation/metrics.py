"""Metrics as (sum, count) over the examples that a mask keeps, so that any batching gives the same mean.

A metric is a function of what was predicted and what is true, (B, ...) and (B, ...) -> (B,). Its arguments' names say
what it reads: (logits, label), (points, true_points) or (box, true_box). Whoever adds one calls `register`, and names
it in `config.task.metrics`:

    def nats_below(logits, label): ...

    metrics.register("nats_below", nats_below)   # then: config.task.metrics = ("log_loss", "nats_below")
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from whale_jax import geometry
from whale_jax.runtime import errors, registry

Metric = tuple[jax.Array, jax.Array]  # sum and count

KAGGLE_CLIP = 1e-15


def masked(values: jax.Array, mask: jax.Array) -> Metric:
    """(B,) values and (B,) weights -> the sums of the values by their weights, and of the weights.

    A value under weight 0 may be NaN. Values of another shape, which would broadcast, raise InputError.
    """
    if values.shape != mask.shape:
        raise errors.InputError(f"a metric or a loss gives {values.shape} for {mask.shape} examples: one value each")
    return (jnp.where(mask > 0, values, 0) * mask).sum(), mask.sum()


def log_loss(logits: jax.Array, label: jax.Array, *, clip: float = 0.0) -> jax.Array:
    """(B,) -log p of the true class; with `clip`, p is held within clip..1-clip as Kaggle does."""
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), label[:, None], axis=-1)[:, 0]
    return -jnp.clip(log_p, jnp.log(clip), jnp.log1p(-clip)) if clip else -log_p


def top_k(logits: jax.Array, label: jax.Array, *, k: int) -> jax.Array:
    """(B,) 1 where fewer than k classes score at least as high as the true one, else 0; ties count against."""
    true = jnp.take_along_axis(logits, label[:, None], axis=-1)
    at_least = (~(logits < true)).sum(-1) - 1  # so that a NaN finds nothing
    return (at_least < k).astype(jnp.float32)


def point_error(points: jax.Array, true_points: jax.Array) -> jax.Array:
    """(B,) mean distance of predicted points from true ones, in head lengths (bonnet to blowhead).

    Args:
        points: (B, 2, 2) in pixels of the photo.
        true_points: (B, 2, 2) in pixels of the photo.
    """
    length = jnp.linalg.norm(true_points[:, 0] - true_points[:, 1], axis=-1)
    return jnp.linalg.norm(points - true_points, axis=-1).mean(-1) / length


def pck(points: jax.Array, true_points: jax.Array, *, within: float) -> jax.Array:
    """(B,) 1 where the mean error of points, in pixels, is at most `within` head lengths: the share of correct ones."""
    return (point_error(points, true_points) <= within).astype(jnp.float32)


def iou(box: jax.Array, true_box: jax.Array) -> jax.Array:
    """(B,) intersection over union of (B, 4) boxes in pixels of the photo."""
    return geometry.iou(box, true_box)


def overlaps(box: jax.Array, true_box: jax.Array, *, above: float) -> jax.Array:
    """(B,) 1 where the intersection over union of boxes in pixels is above a threshold."""
    return (iou(box, true_box) > above).astype(jnp.float32)


READS = {"label": ("logits", "label"), "points": ("points", "true_points"), "box": ("box", "true_box")}
METRICS = registry.Registry(
    "metric",
    **{
        "log_loss": partial(log_loss, clip=KAGGLE_CLIP),
        "log_loss_unclipped": log_loss,
        **{f"top{k}": partial(top_k, k=k) for k in (1, 5)},
        "point_error": point_error,
        **{f"pck@{within}": partial(pck, within=within) for within in (0.05, 0.1, 0.25)},
        "iou": iou,
        "iou>0.5": partial(overlaps, above=0.5),
    },
)
register = METRICS.register


def select(names: Sequence[str], *, annotation: str, best: str = "") -> dict[str, Callable]:
    """The metrics of those names, for predictions of an annotation ("label", "points", "box").

    An unknown name, a metric that reads other arguments, or names without the one that chooses the best checkpoint,
    if there is one, raise InputError.
    """
    if best and best not in names:
        raise errors.InputError(
            f"task.metrics = {tuple(names)} lacks {best!r}, which chooses the best checkpoint: add it"
        )
    return {name: registry.function("metric", METRICS, name, reads=READS[annotation]) for name in names}


def measure(
    functions: Mapping[str, Callable], prediction: jax.Array, *, truth: jax.Array, mask: jax.Array
) -> dict[str, Metric]:
    """{name: (sum, count)} of metrics by `select`, over the (B,) rows that a mask of 0 or 1 keeps."""
    return {name: masked(function(prediction, truth), mask) for name, function in functions.items()}


def means(sums: dict[str, Metric]) -> dict[str, float]:
    """{name: (sum, count)} -> {name: mean}; NaN where nothing was counted."""
    return {name: float(total) / float(count) if count else float("nan") for name, (total, count) in sums.items()}
