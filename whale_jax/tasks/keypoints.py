"""Regression of two points, the bonnet and the blowhead (post, section 4.3.1)."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from whale_jax import geometry, losses
from whale_jax.augment import Augmentation
from whale_jax.evaluation import metrics as measures
from whale_jax.runtime import registry
from whale_jax.tasks import inputs, setup
from whale_jax.tasks.task import Batch, Metric, Outputs, Photos, Predictions, Task

POINTS = 2
METRICS = ("point_error", "pck@0.05", "pck@0.1", "pck@0.25")


def keypoints(
    *,
    size,
    loss: str = setup.SQUARED,
    metrics: Sequence[str] = METRICS,
    augmentation: str = "",
    bins: int = 0,
    sigma_bins: float = 1.0,
    normalise: inputs.Normalise = inputs.picture,
) -> Task:
    """The task of finding bonnet and blowhead.

    Args:
        size: (height, width) of the network's input, in pixels.
        loss: one of losses.LOSSES that reads prediction and target, (B, 4) coordinates in 0..1, as in the post.
        metrics: some of evaluation.metrics.METRICS that read points.
        augmentation: specification for `inputs.parse`.
        bins: 0 for that loss; else softmax over that many bins a coordinate, as the competition's winners.
        sigma_bins: standard deviation of the soft target, in bins.
        normalise: one of inputs.NORMALISATIONS, which the model chooses.
    """
    cost = registry.function("loss", losses.LOSSES, loss, reads=("prediction", "target"))
    functions = measures.select(metrics, annotation="points", best="point_error")

    def loss_of(outputs: Outputs, batch: Batch) -> jax.Array:
        if not bins:
            return cost(outputs[0], batch["target"].reshape(-1, 2 * POINTS))
        logits = outputs[0].reshape(-1, POINTS, 2, bins)
        return losses.binned_cross_entropy(logits, batch["target"], width=sigma_bins)

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        y = outputs[0]
        if bins:
            y = geometry.soft_argmax(y.reshape(-1, POINTS, 2, bins), reach=3 * sigma_bins)
        points = geometry.from_shares(y.reshape(-1, POINTS, 2), size)
        return {"points": geometry.move_points(geometry.invert(batch["matrix"]), points)}

    def measure(outputs: Outputs, batch: Batch) -> dict[str, Metric]:
        points = predict(outputs, batch)["points"]
        return measures.measure(functions, points, truth=batch["points"], mask=batch["annotated"])

    return Task(
        outputs=POINTS * 2 * max(bins, 1),
        prepare=partial(prepare, **inputs.options(augmentation, size=size, normalise=normalise)),
        loss=loss_of,
        metrics=measure,
        predict=predict,
        best="point_error",
        annotation="points",
        score=partial(score, names=metrics),
        check_setup=partial(setup.check, loss=loss, bins=bins),
    )


def prepare(
    key: jax.Array,
    batch: Batch,
    train: bool,
    *,
    augmentation: Augmentation,
    size: geometry.Size,
    normalise: inputs.Normalise,
) -> Batch:
    """`inputs.prepare`, with the points in 0..1 of the network's input as target (B, 2, 2)."""
    batch = inputs.prepare(key, batch, train, augmentation=augmentation, size=size, normalise=normalise)
    finite = jnp.isfinite(batch["points"]).all((1, 2))
    points = geometry.move_points(batch["matrix"], jnp.where(finite[:, None, None], batch["points"], 0))
    target = geometry.shares(points, size)
    # A point outside the picture cannot be learned, but in an evaluation it counts as an error.
    inside = ((target > 0) & (target < 1)).all((1, 2))
    annotated = batch["mask"] * finite
    return {**batch, "target": target, "weight": annotated * inside, "annotated": annotated}


def score(
    predictions: Predictions, photos: Photos, *, rows: np.ndarray, names: Sequence[str] = METRICS
) -> dict[str, float]:
    """The metrics of those names, and the median error, over (n,) rows with known points; {} without rows.

    A photo without predicted points is one whose head was not found: it is outside every PCK, and the mean and the
    median are of the others.
    """
    if not len(rows):
        return {}
    points, truth = predictions["points"][rows], photos.points[rows]
    error = np.asarray(measures.point_error(points, truth))
    summary = {"point_error": float(np.nanmean(error)), "point_error_median": float(np.nanmedian(error))}
    functions = measures.select([name for name in names if name not in summary], annotation="points")
    values = {name: np.asarray(function(points, truth), np.float64) for name, function in functions.items()}
    return summary | {name: float(np.nanmean(value)) for name, value in values.items()}
