"""Regression of two points, the bonnet and the blowhead (post, section 4.3.1)."""

import jax
import jax.numpy as jnp

from whale_jax import geometry, losses
from whale_jax.evaluation import metrics
from whale_jax.tasks import Batch, Outputs, Task, inputs
from whale_jax.tasks import bins as binned

POINTS = 2


def keypoints(*, size, augmentation: str = "", bins: int = 0, sigma_bins: float = 1.0) -> Task:
    """The task of finding bonnet and blowhead.

    Args:
        size: (height, width) of the network's input, in pixels.
        augmentation: specification for `inputs.parse`.
        bins: 0 for squared error of coordinates in 0..1, as the post; else softmax over that many bins a
            coordinate, as the competition's winners.
        sigma_bins: standard deviation of the soft target, in bins.
    """
    parsed = inputs.parse(augmentation)

    def prepare(key: jax.Array, batch: Batch, train: bool) -> Batch:
        batch = inputs.prepare(key, batch, train, augmentation=parsed, size=size)
        known = jnp.isfinite(batch["points"]).all((1, 2))
        points = geometry.move_points(batch["matrix"], jnp.where(known[:, None, None], batch["points"], 0))
        target = geometry.shares(points, size)
        # A point outside the picture cannot be learned, but in an evaluation it counts as an error.
        inside = ((target > 0) & (target < 1)).all((1, 2))
        return {**batch, "target": target, "weight": batch["mask"] * known * inside, "known": batch["mask"] * known}

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        if not bins:
            return losses.squared_error(outputs[0], batch["target"].reshape(-1, 2 * POINTS))
        logits = outputs[0].reshape(-1, POINTS, 2, bins)
        return binned.loss(logits, batch["target"], width=sigma_bins)

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        y = outputs[0]
        if bins:
            y = geometry.soft_argmax(y.reshape(-1, POINTS, 2, bins), reach=3 * sigma_bins)
        points = geometry.from_shares(y.reshape(-1, POINTS, 2), size)
        return {"points": geometry.move_points(geometry.invert(batch["matrix"]), points)}

    def measure(outputs: Outputs, batch: Batch) -> dict[str, metrics.Metric]:
        found = predict(outputs, batch)["points"]
        return metrics.keypoints(found, batch["points"], batch["known"], within=(0.05, 0.1, 0.25))

    return Task(POINTS * 2 * max(bins, 1), prepare, loss, measure, predict, best="point_error")
